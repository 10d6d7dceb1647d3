"""Retire a consumer: what it holds goes to another one as it is, and then its name goes."""

NOTEBOOK = "52"
TITLE = "A consumer goes on leave"
HINTS = (
    "`XPENDING` with a range and a name is what it holds, a page at a time; `XCLAIM` moves it.",
    "`XCLAIM` counts a delivery, unless it is asked for `JUSTID`.",
    "Between your last look and `DELCONSUMER` it may read once more. `WATCH` does not see "
    "what a group reads; only a script leaves no gap.",
    "In the script: repeat `XPENDING key board - + 1000 name` and an `XCLAIM key board heir 0 id "
    "JUSTID` for each, until the page is empty; then `XGROUP DELCONSUMER`.",
)
WHY = (
    "Names of pods that are gone fill every group, and the command that removes a name destroys "
    "what it holds. Moving and removing in one step is the way to tidy up under traffic."
)


def stub(r, consumer, heir):
    """In group board of events: all that consumer holds is heir's, and its name is gone.

    Deliveries stay as they were counted; what consumer still reads meanwhile is not lost.
    """


def solution(r, consumer, heir):
    source = """
    repeat
        local held = redis.call('XPENDING', KEYS[1], 'board', '-', '+', 1000, ARGV[1])
        for _, entry in ipairs(held) do
            redis.call('XCLAIM', KEYS[1], 'board', ARGV[2], 0, entry[1], 'JUSTID')
        end
    until #held == 0
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], 'board', ARGV[1])
    """
    r.eval(source, 1, "events", consumer, heir)


def _held(r, consumer, count=1000):
    held = r.xpending_range("events", "board", "-", "+", count, consumername=consumer)
    return [each["message_id"] for each in held]


def wrong_removes_the_name(r, consumer, heir):
    """destroyed"""
    r.xgroup_delconsumer("events", "board", consumer)


def wrong_first_page(r, consumer, heir):
    """destroyed"""
    r.xclaim("events", "board", heir, 0, _held(r, consumer, 100), justid=True)
    r.xgroup_delconsumer("events", "board", consumer)


def wrong_two_steps(r, consumer, heir):
    """once more"""
    while ids := _held(r, consumer):
        r.xclaim("events", "board", heir, 0, ids, justid=True)
    r.xgroup_delconsumer("events", "board", consumer)


def wrong_looks_again(r, consumer, heir):
    """once more"""
    while any(
        each["name"] == consumer and each["pending"]
        for each in r.xinfo_consumers("events", "board")
    ):
        r.xclaim("events", "board", heir, 0, _held(r, consumer), justid=True)
    r.xgroup_delconsumer("events", "board", consumer)


def wrong_watches_the_stream(r, consumer, heir):
    """once more"""
    from redis import WatchError

    with r.pipeline() as pipe:
        while True:
            try:
                pipe.watch("events")
                held = pipe.xpending_range("events", "board", "-", "+", 9999, consumername=consumer)
                pipe.multi()
                if held:
                    ids = [each["message_id"] for each in held]
                    pipe.xclaim("events", "board", heir, 0, ids, justid=True)
                pipe.xgroup_delconsumer("events", "board", consumer).execute()
                return
            except WatchError:
                pass


def wrong_counts_a_delivery(r, consumer, heir):
    """closer to the dead letters"""
    source = """
    for _, entry in ipairs(redis.call('XPENDING', KEYS[1], 'board', '-', '+', 10000, ARGV[1])) do
        redis.call('XCLAIM', KEYS[1], 'board', ARGV[2], 0, entry[1])
    end
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], 'board', ARGV[1])
    """
    r.eval(source, 1, "events", consumer, heir)


def wrong_takes_from_all(r, consumer, heir):
    """Cem's"""
    with r.pipeline() as pipe:
        pipe.xautoclaim("events", "board", heir, 0, count=10_000, justid=True)
        pipe.xgroup_delconsumer("events", "board", consumer).execute()


def wrong_leaves_the_name(r, consumer, heir):
    """still on the list"""
    while ids := _held(r, consumer):
        r.xclaim("events", "board", heir, 0, ids, justid=True)


def wrong_writes_them_anew(r, consumer, heir):
    """written anew"""
    source = """
    for _, entry in ipairs(redis.call('XPENDING', KEYS[1], 'board', '-', '+', 10000, ARGV[1])) do
        local found = redis.call('XRANGE', KEYS[1], entry[1], entry[1])[1]
        if found then redis.call('XADD', KEYS[1], '*', unpack(found[2])) end
        redis.call('XACK', KEYS[1], 'board', entry[1])
    end
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], 'board', ARGV[1])
    """
    r.eval(source, 1, "events", consumer, heir)


def check(trial):
    r = trial.r

    def fill(anns):
        """Bob has 5, Ann so many, Cem 7, and 20 wait; every third of Ann's came three times."""
        r.delete("events")
        with r.pipeline() as pipe:
            for n in range(1, anns + 33):
                pipe.xadd("events", {"gate": f"C{n}"}, id=f"{n}-0")
            pipe.xgroup_create("events", "board", "0").execute()
        for name, count in (("Bob", 5), ("Ann", anns), ("Cem", 7)):
            r.xreadgroup("board", name, {"events": ">"}, count=count)
        some = [f"{n}-0" for n in range(6, anns + 6, 3)]
        r.xclaim("events", "board", "Ann", 0, some, retrycount=3)

    def pending():
        held = r.xpending_range("events", "board", "-", "+", 10_000)
        return {each["message_id"]: (each["consumer"], each["times_delivered"]) for each in held}

    def of(name, held):
        return {entry for entry, (consumer, _) in held.items() if consumer == name}

    def names():
        return {each["name"] for each in r.xinfo_consumers("events", "board")}

    fill(1200)
    before, length = pending(), r.xlen("events")
    trial.run("Ann", "Bob")
    now = pending()
    trial.require(
        r.xlen("events") == length,
        "the stream stays as it is",
        f"{r.xlen('events') - length} entries were written anew: other groups get them twice",
    )
    gone = before.keys() - now.keys()
    trial.require(
        not gone,
        "what Ann held is pending",
        f"Ann held 1,200 entries; {len(gone):,} of them are destroyed: nobody gets them any more",
    )
    trial.require(
        of("Cem", now) == of("Cem", before),
        "Cem keeps what is Cem's",
        f"{len(of('Cem', before) - of('Cem', now))} entries of Cem's moved too: Cem is at work",
    )
    trial.require(
        of("Bob", now) == of("Bob", before) | of("Ann", before),
        "Bob has it, beside his own",
        f"Bob should have 1,205 entries, he has {len(of('Bob', now))}; Ann has "
        f"{len(of('Ann', now))}",
    )
    more = [entry for entry, (_, times) in before.items() if now[entry][1] != times]
    trial.expect(
        not more,
        "the deliveries are counted as before",
        f"{len(more):,} entries have another count of deliveries than before: each hand-over "
        "brings them closer to the dead letters"
        if all(now[entry][1] > before[entry][1] for entry in more)
        else f"{len(more):,} entries have lost count of their deliveries: poison begins anew",
    )
    trial.expect(
        "Ann" not in names(), "and Ann's name is gone", "Ann is still on the list of consumers"
    )
    waiting = r.xreadgroup("board", "Cem", {"events": ">"}, count=100)
    trial.expect(
        len(waiting["events"][0] if waiting else []) == 20,
        "what waited still waits",
        f"20 entries waited; now {len(waiting['events'][0]) if waiting else 0} do",
    )
    fill(6)
    r.xdel("events", "7-0", "9-0")
    trial.run("Ann", "Bob")
    held = of("Bob", pending()) - {"7-0", "9-0"}
    trial.expect(
        held == {f"{n}-0" for n in (1, 2, 3, 4, 5, 6, 8, 10, 11)} and "Ann" not in names(),
        "entries that were deleted don't disturb it",
        f"two of Ann's six entries had been deleted from the stream; Bob then has {sorted(held)}",
    )
    trial.run("Eve", "Bob")
    r.xgroup_createconsumer("events", "board", "Eve")
    trial.run("Eve", "Bob")
    trial.expect(
        "Eve" not in names(),
        "one who holds nothing goes too",
        "Eve, who held nothing, is still on the list of consumers",
    )
    for after in range(1, 9):
        fill(6)
        late = []

        def reads(late=late):
            late += r.xreadgroup("board", "Ann", {"events": ">"}, count=3)["events"][0]

        trial.run("Ann", "Bob", between=reads, after=after)
        lost = {entry for entry, _ in late} - pending().keys()
        trial.expect(
            not lost,
            "what Ann reads at the last moment is not lost",
            f"Ann read {len(lost)} entries once more between your commands, after trip {after}, "
            "and they were destroyed with her name",
        )
        if lost or not late:
            break
    for after in range(1, 9):
        fill(6)
        r.xack("events", "board", "7-0")
        before = pending()

        def acknowledges():
            r.xack("events", "board", "6-0")

        trial.run("Ann", "Bob", between=acknowledges, after=after)
        trial.expect(
            "7-0" not in pending(),
            "what was acknowledged stays so",
            "7-0 had been acknowledged, and is pending again",
        )
        fill(6)
        before = pending()
        died = trial.crash("Ann", "Bob", after=after)
        trial.run("Ann", "Bob")
        trial.expect(
            before.keys() == pending().keys() and "Ann" not in names(),
            "a crash, and another try: all is Bob's",
            f"it died after trip {after} and was called again: "
            f"{len(before.keys() - pending().keys())} entries are destroyed",
        )
        if not died:
            break
