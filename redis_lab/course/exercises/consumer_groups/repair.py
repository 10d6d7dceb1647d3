"""Repair a group with three dead consumers: nothing lost, the living left alone, poison parked."""

NOTEBOOK = "52"
TITLE = "Three dead consumers"
HINTS = (
    "`XAUTOCLAIM` takes over what has been idle for so many milliseconds, a page at a time.",
    "A page may be empty and not be the last: go on with the cursor until it is `0-0`.",
    "What is acknowledged is forgotten: handle first, or add to `events:dead` first, then `XACK`.",
    '`cursor, entries, gone = r.xautoclaim("events", "board", "repair", 60_000, cursor)`; for each '
    'entry `try: handle(…)`, `except Exception as error: r.xadd("events:dead", …)`, then `r.xack`.',
)
WHY = (
    "Every group needs this, as a job or in each worker. The parts that are forgotten, the cursor, "
    "the idle time, the order of two commands, are those that no test on an empty group shows."
)
SECONDS = 20.0
HOUR = 3_600_000


def stub(r, handle):
    """As consumer repair: handle what is idle for a minute in group board of events.

    Where handle(entry_id, fields) raises: to events:dead, with the error's text as field error.
    """


def solution(r, handle):
    cursor = None
    while cursor != "0-0":
        start = cursor or "0-0"
        cursor, entries, _ = r.xautoclaim("events", "board", "repair", 60_000, start, count=100)
        for entry, fields in entries:
            try:
                handle(entry, fields)
            except Exception as error:
                r.xadd("events:dead", fields | {"error": str(error)})
            r.xack("events", "board", entry)


def _do(r, handle, entries):
    for entry, fields in entries:
        try:
            handle(entry, fields)
        except Exception as error:
            r.xadd("events:dead", fields | {"error": str(error)})
        r.xack("events", "board", entry)


def wrong_one_call(r, handle):
    """left behind"""
    _do(r, handle, r.xautoclaim("events", "board", "repair", 60_000, count=100)[1])


def wrong_one_large_call(r, handle):
    """left behind"""
    _do(r, handle, r.xautoclaim("events", "board", "repair", 60_000, count=1000)[1])


def wrong_until_a_page_is_empty(r, handle):
    """an empty page is not the end"""
    while entries := r.xautoclaim("events", "board", "repair", 60_000, count=100)[1]:
        _do(r, handle, entries)


def wrong_robs_the_living(r, handle):
    """Dan is alive"""
    while entries := r.xautoclaim("events", "board", "repair", 0, count=100)[1]:
        _do(r, handle, entries)


def wrong_idle_in_an_if(r, handle):
    """another rescuer"""
    held = r.xpending_range("events", "board", "-", "+", 10_000)
    for each in held:
        if each["time_since_delivered"] >= 60_000:
            entry = each["message_id"]
            _do(r, handle, r.xclaim("events", "board", "repair", 0, [entry]))


def wrong_begins_anew(r, handle):
    """had been done before"""
    for each in r.xinfo_consumers("events", "board"):
        r.xgroup_delconsumer("events", "board", each["name"])
    r.xgroup_setid("events", "board", "0")
    while reply := r.xreadgroup("board", "repair", {"events": ">"}, count=500):
        _do(r, handle, reply["events"][0])


def wrong_acknowledges_first(r, handle):
    """before handle came back"""
    cursor = None
    while cursor != "0-0":
        cursor, entries, _ = r.xautoclaim("events", "board", "repair", 60_000, cursor or "0-0")
        if entries:
            r.xack("events", "board", *[entry for entry, _ in entries])
        _do(r, handle, entries)


def wrong_stops_at_the_poison(r, handle):
    """ended the repair"""
    cursor = None
    while cursor != "0-0":
        cursor, entries, _ = r.xautoclaim("events", "board", "repair", 60_000, cursor or "0-0")
        for entry, fields in entries:
            handle(entry, fields)
            r.xack("events", "board", entry)


def wrong_drops_the_poison(r, handle):
    """is in no stream of the dead"""
    import contextlib

    cursor = None
    while cursor != "0-0":
        cursor, entries, _ = r.xautoclaim("events", "board", "repair", 60_000, cursor or "0-0")
        for entry, fields in entries:
            with contextlib.suppress(Exception):
                handle(entry, fields)
            r.xack("events", "board", entry)


def wrong_leaves_the_poison(r, handle):
    """still pending"""
    cursor = None
    while cursor != "0-0":
        cursor, entries, _ = r.xautoclaim("events", "board", "repair", 60_000, cursor or "0-0")
        for entry, fields in entries:
            try:
                handle(entry, fields)
                r.xack("events", "board", entry)
            except Exception as error:
                r.xadd("events:dead", fields | {"error": str(error)})


def wrong_buries_after_the_funeral(r, handle):
    """in neither"""
    cursor = None
    while cursor != "0-0":
        cursor, entries, _ = r.xautoclaim("events", "board", "repair", 60_000, cursor or "0-0")
        for entry, fields in entries:
            try:
                handle(entry, fields)
                r.xack("events", "board", entry)
            except Exception as error:
                r.xack("events", "board", entry)
                r.xadd("events:dead", fields | {"error": str(error)})


def check(trial):
    from redis_lab.course.answers import Refused

    r = trial.r

    def crashed(alive, each):
        """Dan holds the first entries, three dead an hour's; what is theirs, and what was done."""
        r.delete("events", "events:dead")
        number = alive + 3 * each + 3
        with r.pipeline() as pipe:
            for n in range(1, number + 1):
                pipe.xadd("events", {"gate": f"C{n}"}, id=f"{n}-0")
            pipe.xgroup_create("events", "board", "0").execute()
        theirs, done = [], []
        for name, count in (("Dan", alive), ("Ann", each), ("Bob", each), ("Cem", each)):
            given = r.xreadgroup("board", name, {"events": ">"}, count=count)["events"][0]
            ids = [entry for entry, _ in given]
            idle = 30_000
            if name != "Dan":
                r.xack("events", "board", ids[0])
                done, ids, idle = [*done, ids[0]], ids[1:], HOUR
                theirs += ids
            r.xclaim("events", "board", name, 0, ids, idle=idle, justid=True)
        r.xdel("events", theirs[1])
        return theirs, done

    def gate(entry):
        return f"C{entry.split('-')[0]}"

    def buried():
        return {fields.get("gate"): fields for _, fields in r.xrange("events:dead")}

    def pending():
        held = r.xpending_range("events", "board", "-", "+", 10_000)
        return {each["message_id"]: each["consumer"] for each in held}

    def handler(handled, poison, early):
        def handle(entry, fields):
            if len(handled) < 99 and not r.xpending_range("events", "board", entry, entry, 1):
                early.append(entry)
            if entry in poison:
                raise ValueError(f"no such gate: {fields['gate']}")
            handled.append(entry)

        return handle

    theirs, done = crashed(1100, 400)
    poison, gone = theirs[70:72], theirs[1]
    handled, early, raised = [], [], ""
    try:
        trial.run(handler(handled, poison, early))
    except Refused as refusal:
        if "no such gate" not in str(refusal):
            raise
        raised = "handle raised for one entry, and the error ended the repair: "
    want = set(theirs) - {*poison, gone}
    missing = want - set(handled)
    dans = {entry for entry in handled if int(entry.split("-")[0]) <= 1100}
    trial.expect(
        not dans,
        "what Dan has had for half a minute stays his",
        f"{len(dans):,} entries were taken from under Dan's hands: idle for 30 s, and Dan is alive",
    )
    again = set(done) & set(handled)
    trial.expect(
        not again,
        "what was acknowledged is not done again",
        f"{len(again)} entries were handled that had been done before: the group knew",
    )
    new = set(handled) - want - dans - again
    trial.expect(not new, "nor is anything else touched", f"it handled {sorted(new)[:3]} as well")
    why = "an empty page is not the end, the cursor tells" if not handled else "the cursor tells"
    trial.require(
        not missing,
        "all that the dead left is handled",
        f"{raised}{len(missing):,} of {len(want):,} entries that were idle for an hour were left "
        f"behind ({why})",
    )
    trial.expect(
        len(handled) == len(set(handled)), "each of them once", "some were handled twice, in quiet"
    )
    trial.expect(
        not early,
        "and acknowledged after that",
        f"{len(early)} entries were acknowledged before handle came back: a death there loses them",
    )
    graves = buried()
    trial.expect(
        set(graves) == {gate(entry) for entry in poison} or dans or again,
        "an entry that can't be handled is in events:dead, and no other",
        f"for {gate(poison[0])} and {gate(poison[1])} handle raised; in events:dead there are "
        f"{sorted(map(str, graves))}: what is in no stream of the dead is gone"
        if len(graves) < 3
        else f"{len(graves)} entries are in events:dead, two could not be handled",
    )
    texts = [graves.get(gate(entry), {}).get("error", "") for entry in poison]
    trial.expect(
        all("no such gate" in text for text in texts) or len(graves) != 2,
        "with the error's text",
        f"the error was 'no such gate: …', its field error is {texts}",
    )
    left = {entry: name for entry, name in pending().items() if name != "Dan"}
    trial.expect(
        not left, "nothing of the dead is pending", f"still pending are {sorted(left.items())[:4]}"
    )
    trial.expect(
        sum(name == "Dan" for name in pending().values()) == 1100 or bool(dans),
        "and all of Dan's is",
        f"of 1,100 entries that Dan works on, {len(pending())} are pending: the rest is destroyed",
    )
    for after in range(1, 40):
        theirs, _ = crashed(2, 4)
        handled, taken = [], []

        def meanwhile(taken=taken):
            taken += [n for n, _ in r.xautoclaim("events", "board", "other", 60_000, count=50)[1]]

        trial.run(handler(handled, [], []), between=meanwhile, after=after)
        both = set(taken) & set(handled)
        trial.expect(
            not both,
            "two rescuers at once never have the same entry",
            f"another rescuer took {len(both)} entries over between your commands, and you handled "
            "them too: they were not idle any more",
        )
        if both or not taken:
            break
    lost, nowhere = set(), set()
    for torn in (False, True):
        for after in range(1, 60):
            theirs, _ = crashed(2, 3)
            poison, handled = theirs[3:4], []
            handle = handler(handled, poison, [])
            died = trial.crash(handle, after=after, torn=torn)
            ids = [entry for entry, name in pending().items() if name != "Dan"]
            if ids:
                r.xclaim("events", "board", "repair", 0, ids, idle=HOUR, justid=True)
            trial.run(handle)
            lost |= set(theirs) - {*poison, theirs[1], *handled}
            nowhere |= {entry for entry in poison if gate(entry) not in buried()}
            if not died:
                break
    trial.expect(
        not lost,
        "a death between any two trips loses nothing",
        f"it died half-way, was called again later, and never handled {sorted(lost)[:3]}",
    )
    trial.expect(
        not nowhere,
        "and no poison",
        "it died between two commands, and the poison was in neither stream: acknowledged, and not "
        "yet in events:dead",
    )
