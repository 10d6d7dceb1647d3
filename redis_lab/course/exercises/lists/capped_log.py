"""A capped log: push, trim and prolong in one transaction."""

NOTEBOOK = "03"
TITLE = "A log with an end"
HINTS = (
    "Two commands make it: one adds, one cuts. A third keeps it from living for ever.",
    "`LPUSH` puts the newest at place 0. Up to which place may the log go, if place 0 counts?",
    "`r.pipeline()` sends them in one trip, as one transaction: nobody reads in between.",
    "`pipe.lpush(key, *lines).ltrim(key, 0, keep - 1).expire(key, 86400).execute()`",
)
WHY = (
    "Recent activity, last errors, an undo list: bounded in length and in time, whoever writes and "
    "however often. What is cut off is gone; what must be kept belongs in a stream (notebook 09)."
)


def stub(r, key, lines, keep):
    """Add these lines to the log, newest first; keep so many, for a day after the last one."""


def solution(r, key, lines, keep):
    with r.pipeline() as pipe:
        pipe.lpush(key, *lines).ltrim(key, 0, keep - 1).expire(key, 86400).execute()


def wrong_one_too_many(r, key, lines, keep):
    """both ends of LTRIM's range are kept"""
    r.pipeline().lpush(key, *lines).ltrim(key, 0, keep).expire(key, 86400).execute()


def wrong_keeps_the_oldest(r, key, lines, keep):
    """it kept the oldest"""
    r.pipeline().lpush(key, *lines).ltrim(key, -keep, -1).expire(key, 86400).execute()


def wrong_newest_last(r, key, lines, keep):
    """the newest line is not the first"""
    r.pipeline().rpush(key, *lines).ltrim(key, -keep, -1).expire(key, 86400).execute()


def wrong_block_upside_down(r, key, lines, keep):
    """are upside down"""
    r.pipeline().lpush(key, *reversed(lines)).ltrim(key, 0, keep - 1).expire(key, 86400).execute()


def wrong_read_and_rewrite(r, key, lines, keep):
    """written over what another client wrote"""
    log = [*reversed(lines), *r.lrange(key, 0, -1)][:keep]
    r.pipeline().delete(key).rpush(key, *log).expire(key, 86400).execute()


def wrong_trims_in_a_second_trip(r, key, lines, keep):
    """reads between them"""
    r.lpush(key, *lines)
    r.pipeline().ltrim(key, 0, keep - 1).expire(key, 86400).execute()


def wrong_pops_one(r, key, lines, keep):
    """more lines than you pop"""
    with r.pipeline() as pipe:
        pipe.lpush(key, *lines).llen(key).expire(key, 86400)
        if pipe.execute()[1] > keep:
            r.rpop(key)


def wrong_line_by_line(r, key, lines, keep):
    """3 trips for three lines"""
    for line in lines:
        r.pipeline().lpush(key, line).ltrim(key, 0, keep - 1).expire(key, 86400).execute()


def wrong_pipeline_without_multi(r, key, lines, keep):
    """not as one transaction"""
    pipe = r.pipeline(transaction=False)
    pipe.lpush(key, *lines).ltrim(key, 0, keep - 1).expire(key, 86400).execute()


def wrong_for_ever(r, key, lines, keep):
    """never goes"""
    r.pipeline().lpush(key, *lines).ltrim(key, 0, keep - 1).execute()


def wrong_a_day_after_the_first(r, key, lines, keep):
    """the end did not move"""
    r.pipeline().lpush(key, *lines).ltrim(key, 0, keep - 1).expire(key, 86400, nx=True).execute()


def check(trial):
    import redis_lab.data

    year = redis_lab.data.flights(limit=250).id.tolist()

    def log(key="log"):
        return trial.r.lrange(key, 0, -1)

    trial.run("log", year[:1], 5)
    trial.run("log", year[1:2], 5)
    kinds = {key: kind for key, (kind, _) in trial.keyspace().items()}
    trial.require(
        kinds == {"log": "list"},
        "the log is one list, under the key it was given",
        f"there is {kinds or 'no key'}, not a list called log",
    )
    trial.require(
        log() == year[1::-1],
        "the newest line is the first",
        f"the newest line is not the first: {year[0]}, then {year[1]} became {log()}",
    )
    trial.run("log", year[2:5], 5)
    trial.require(
        log() == year[4::-1],
        "so it is when three come at once",
        f"three lines that come at once, the newest last, are upside down: the log is {log()}"
        if log() == [*year[2:5], *year[1::-1]]
        else f"three more lines made the log {log()}",
    )
    trial.run("log", year[5:6], 5)
    others = "both ends of LTRIM's range are kept" if len(log()) == 6 else "which are not those"
    trial.require(
        log() == year[5:0:-1],
        "of six lines the newest five stay",
        "of six lines it kept the oldest five"
        if log() == year[4::-1]
        else f"of six lines it kept {len(log())}, not five: {others}",
    )
    trial.run("many", year, 100)
    trial.expect(
        log("many") == year[:149:-1],
        "of 250 lines at once the newest hundred",
        f"of 250 lines at once it kept {trial.r.llen('many')}, the first is {log('many')[:1]}: one "
        "call can bring more lines than you pop",
    )
    lost = []
    for after in (1, 2):
        key, theirs = f"log-{after}", [f"theirs {after}"]
        rival = lambda key=key, lines=theirs: trial.run(key, lines, 100)  # noqa: E731
        trial.run(key, year[:3], 100)
        trial.run(key, ["mine"], 100, after=after, between=rival)
        written = set(log(key))
        lost += {*year[:3], "mine"} - written
        lost += set(theirs) - written if trial.trips_of(key, year[:1], 100) > after else []
    trial.expect(
        not lost,
        "nothing that others add meanwhile is lost",
        f"{', '.join(lost[:2])} is not in the log: it was written over what another client wrote "
        "between your reading and your writing",
    )
    with trial.cost() as cost:
        trips = trial.trips_of("log", year[6:9], 5)
    trial.expect(
        trips == 1,
        "three lines are one trip",
        f"it took {trips} trips for three lines: who reads between them sees what is half done, "
        "and who dies there leaves it so",
    )
    if trips == 1:
        trial.expect(
            cost.indivisible,
            "and nobody can read in between",
            f"{', '.join(name.upper() for name in cost.commands)} were sent in one trip, but not "
            "as one transaction: another client may read after the first of them",
        )
    trial.together([("crowd", [line], 30) for line in year[:32]])
    crowd = trial.r.llen("crowd")
    trial.expect(crowd == 30, "32 writers at once leave 30 lines", f"they left {crowd}")
    left = {key: end for key, (_, end) in trial.keyspace().items()}
    lasting = [key for key, end in left.items() if end is None]
    trial.require(
        not lasting, "a log that nobody writes to goes", f"{', '.join(lasting[:3])} never goes"
    )
    trial.expect(
        86300 < left["crowd"] <= 86400, "after a day", f"it has {left['crowd']:.0f} s left"
    )
    trial.r.expire("log", 100)
    trial.run("log", year[9:10], 5)
    trial.expect(
        trial.r.ttl("log") > 86300,
        "counted from its last line",
        f"the end did not move: a log in use has {trial.r.ttl('log')} s left after its last line",
    )
