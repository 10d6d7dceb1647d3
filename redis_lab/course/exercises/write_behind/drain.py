"""A batch of writes from a stream to a store: save, then drop, and drop only what was saved."""

NOTEBOOK = "32"
TITLE = "A batch that survives"
HINTS = (
    "Looking takes nothing out: `XRANGE` with a count, from the oldest.",
    "What has to be done first, so that a death between two steps leaves the writes in Redis?",
    "A dict made from the entries in their order keeps the last write of each key.",
    "`save({row['key']: row['value'] for _, row in entries}, entries[-1][0])`, then `r.xdel` with "
    "the IDs that you were given.",
)
WHY = (
    "Read, save, drop: a flusher that dies leaves its batch where the next one finds it. What was "
    "written meanwhile has another ID, so whoever drops by ID drops nothing that was not saved."
)


def stub(r, most, save):
    """Bring the `most` oldest writes to save(rows, position); how many there were."""


def solution(r, most, save):
    entries = r.xrange("writes", count=most)
    if entries:
        save({row["key"]: row["value"] for _, row in entries}, entries[-1][0])
        r.xdel("writes", *[id for id, _ in entries])
    return len(entries)


def wrong_takes_out_first(r, most, save):
    """were neither saved nor queued"""
    entries = r.xrange("writes", count=most)
    if entries:
        r.xdel("writes", *[id for id, _ in entries])
        save({row["key"]: row["value"] for _, row in entries}, entries[-1][0])
    return len(entries)


def wrong_empties_the_stream(r, most, save):
    """came meanwhile"""
    entries = r.xrange("writes", count=most)
    if entries:
        save({row["key"]: row["value"] for _, row in entries}, entries[-1][0])
        if r.xlen("writes") <= len(entries):
            r.delete("writes")
        else:
            r.xdel("writes", *[id for id, _ in entries])
    return len(entries)


def wrong_trims_by_length(r, most, save):
    """that was never saved"""
    entries = r.xrange("writes", count=most)
    if entries:
        save({row["key"]: row["value"] for _, row in entries}, entries[-1][0])
        left = r.xlen("writes") - len(entries)
        r.xtrim("writes", maxlen=left, approximate=False)
    return len(entries)


def wrong_trims_about(r, most, save):
    """still queued"""
    entries = r.xrange("writes", count=most)
    if entries:
        last = entries[-1][0]
        save({row["key"]: row["value"] for _, row in entries}, last)
        ms, seq = last.split("-")
        r.xtrim("writes", minid=f"{ms}-{int(seq) + 1}")
    return len(entries)


def wrong_first_write_wins(r, most, save):
    """the last write of a key"""
    entries, rows = r.xrange("writes", count=most), {}
    for _, row in entries:
        rows.setdefault(row["key"], row["value"])
    if entries:
        save(rows, entries[-1][0])
        r.xdel("writes", *[id for id, _ in entries])
    return len(entries)


def wrong_position(r, most, save):
    """was the position"""
    entries = r.xrange("writes", count=most)
    if entries:
        save({row["key"]: row["value"] for _, row in entries}, entries[0][0])
        r.xdel("writes", *[id for id, _ in entries])
    return len(entries)


def wrong_one_by_one(r, most, save):
    """calls of save"""
    entries = r.xrange("writes", count=most)
    for id, row in entries:
        save({row["key"]: row["value"]}, id)
        r.xdel("writes", id)
    return len(entries)


def wrong_newest(r, most, save):
    """the oldest"""
    entries = r.xrevrange("writes", count=most)[::-1]
    if entries:
        save({row["key"]: row["value"] for _, row in entries}, entries[-1][0])
        r.xdel("writes", *[id for id, _ in entries])
    return len(entries)


def wrong_goes_on(r, most, save):
    """save raised"""
    import logging

    entries = r.xrange("writes", count=most)
    if entries:
        try:
            save({row["key"]: row["value"] for _, row in entries}, entries[-1][0])
        except OSError as error:
            logging.getLogger("flusher").debug("not saved: %s", error)
        r.xdel("writes", *[id for id, _ in entries])
    return len(entries)


def check(trial):
    from redis_lab.course.answers import Refused

    flights = ["UA1545", "UA1714", "UA1545", "AA1141", "B6725", "DL461"]
    calls = []

    def save(rows, position):
        calls.append((dict(rows), position))

    def queue(first=0):
        calls.clear()
        trial.r.delete("writes")
        names = list(enumerate(flights))[first:]
        return [
            trial.r.xadd("writes", {"key": flight, "value": f"report {number}"})
            for number, flight in names
        ]

    def queued():
        return [row["value"] for _, row in trial.r.xrange("writes")]

    ids = queue()
    given = trial.run(3, save)
    trial.require(
        given == 3 and len(calls) > 0,
        "three of six are brought to the store",
        f"of six writes three were asked for: it returned {given!r}, save was called {len(calls)} "
        "times",
    )
    trial.require(
        len(calls) == 1, "by one call", f"there were {len(calls)} calls of save for one batch"
    )
    rows, position = calls[0]
    trial.require(
        set(rows) == {"UA1545", "UA1714"},
        "the oldest",
        f"it saved {sorted(rows)}; the oldest are UA1545, UA1714 and UA1545 again",
    )
    trial.expect(
        rows["UA1545"] == "report 2" and rows["UA1714"] == "report 1",
        "the last write of a key wins",
        f"the last write of a key wins: wanted was report 2 for UA1545, saved {rows['UA1545']!r}",
    )
    trial.expect(
        position == ids[2],
        "with the ID of the last as position",
        f"{position} was the position, the last in the batch is {ids[2]}",
    )
    left = queued()
    trial.expect(
        left == ["report 3", "report 4", "report 5"],
        "what was saved is no longer queued, the rest is",
        f"saved, and still queued: {', '.join(left[:-3])}: it will be saved again and again"
        if left[-3:] == ["report 3", "report 4", "report 5"]
        else f"of reports 3, 4 and 5 there is left {left}",
    )
    rest, nothing = trial.run(10, save), trial.run(10, save)
    trial.expect(
        (rest, nothing) == (3, 0) and len(calls) == 2,
        "then the other three, then nothing, and no call for nothing",
        f"then it returned {rest!r} and {nothing!r}, wanted were 3 and 0, and save was called "
        f"{len(calls) - 1} times for both, wanted was once",
    )
    for most in (3, 10):
        for after in (1, 2, 3):
            queue()
            late = []

            def meanwhile(late=late):
                late.append(trial.r.xadd("writes", {"key": "HA51", "value": "late"}))

            trial.run(most, save, after=after, between=meanwhile)
            told = [value for rows, _ in calls for value in rows.values()]
            gone = {"report 1", "report 3", "report 4", "report 5"} - {*told, *queued()}
            trial.expect(
                not late or "late" in [*told, *queued()],
                f"what comes after {after} trips into a batch of {most} is kept",
                f"a write came meanwhile, after {after} trips, and is gone",
            )
            trial.expect(
                not gone,
                "and nothing else goes for it",
                f"a write came after {after} trips, and {', '.join(sorted(gone))}, that was never "
                "saved, went for it",
            )
    for after in (1, 2, 3):
        queue()
        trial.crash(3, save, after=after)
        told = [value for rows, _ in calls for value in rows.values()]
        gone = {"report 1", "report 2"} - {*told, *queued()}
        trial.expect(
            not gone,
            f"a death after {after} trips loses nothing",
            f"it died after {after} trips: {', '.join(sorted(gone))} were neither saved nor queued",
        )

    def away(rows, position):
        raise OSError("the store is away")

    queue()
    try:
        trial.run(3, away)
    except Refused as refusal:
        if "the store is away" not in str(refusal):
            raise
    left = queued()
    trial.expect(
        left == [f"report {number}" for number in range(6)],
        "where save raises, everything stays queued",
        f"save raised, nothing was saved, and {6 - len(left)} writes were neither saved nor queued",
    )
