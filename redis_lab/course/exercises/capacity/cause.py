"""Name the cause of a slow piece of work from four meters, not from a guess."""

NOTEBOOK = "71"
TITLE = "Name the cause"
HINTS = (
    "Read the meters before and after: what of the server's, and which of your own process?",
    "`INFO all` has `total_reads_processed` (about the trips), `total_net_output_bytes`, and for "
    "each command `cmdstat_…` with its `usec`. `time.process_time()` is your own processor.",
    "Megabytes? Hundreds of reads? Much `usec` on the server? In this order; if nothing of that, "
    "it was you.",
    "Forty trips are no cause and four hundred are; a page is kilobytes, not megabytes; what the "
    "server ran counts if it is as much as your own processor's time.",
)
WHY = (
    "Four meters that everybody has, two lines each. Whoever reads them first is spared the week "
    "in which somebody rewrites the application because the server was slow, or the other way."
)

SECONDS = 20.0


def stub(r, work):
    """Run work() once; "round trips", "big replies", "slow command" or "client CPU"."""


def solution(r, work):
    import time

    def meters():
        said = r.info("all")
        ran = [each["usec"] for name, each in said.items() if name.startswith("cmdstat_")]
        sent = said["total_net_output_bytes"]
        return sent, said["total_reads_processed"], sum(ran) / 1e6, time.process_time()

    before = meters()
    work()
    sent, trips, ran, ours = (now - then for now, then in zip(meters(), before, strict=True))
    if sent > 2_000_000:
        return "big replies"
    if trips > 100:
        return "round trips"
    return "slow command" if ran > ours / 2 else "client CPU"


def wrong_slow_log(r, work):
    """below its threshold"""
    r.slowlog_reset()
    work()
    return "slow command" if r.slowlog_get() else "round trips"


def wrong_own_processor(r, work):
    """from waiting and from talking"""
    import time

    import redis_lab.course.exercises.capacity.cause as own

    wall, ours = time.perf_counter(), time.process_time()
    cause = own.solution(r, work)
    wall, ours = time.perf_counter() - wall, time.process_time() - ours
    return "client CPU" if cause in ("round trips", "client CPU") else cause


def wrong_counts_commands(r, work):
    """in a single trip"""

    def calls():
        said = r.info("commandstats")
        return sum(each["calls"] for each in said.values())

    before = calls()
    import redis_lab.course.exercises.capacity.cause as own

    cause = own.solution(r, work)
    return "round trips" if calls() - before > 100 else cause


def wrong_never_the_client(r, work):
    """your own process"""
    import redis_lab.course.exercises.capacity.cause as own

    cause = own.solution(r, work)
    return "slow command" if cause == "client CPU" else cause


def check(trial):
    import json
    import random

    r = trial.lab.client(socket_timeout=20)
    members = [f"flight:{n}" for n in range(4_000)]
    r.sadd("flights", *members)
    r.set("page", json.dumps({"rows": list(range(200))}))
    r.set("export", "x" * 6_000_000)
    notes = [f"note:{n}" for n in range(300)]
    r.mset(dict.fromkeys(notes, "x" * 20_000))
    r.zadd("due", {member: n for n, member in enumerate(members)})
    trial.r.config_set("slowlog-log-slower-than", 1_000_000)

    def one_by_one():
        for member in members[:800]:
            r.zscore("due", member)

    def sorts():
        for _ in range(60):
            r.sort("flights", by="*->due", start=0, num=1)

    def export():
        for _ in range(3):
            r.get("export")

    def parcel():
        with r.pipeline(transaction=False) as pipe:
            for note in notes:
                pipe.get(note)
            pipe.execute()

    def parse():
        page = r.get("page")
        for _ in range(8_000):
            page = json.dumps(json.loads(page))

    works = [
        (sorts, "slow command", "60 SORTs of some ms each, all below its threshold, none in a log"),
        (parse, "client CPU", "two trips at most, and no work for the server: your own process"),
        (
            one_by_one,
            "round trips",
            "800 trips; our processor is busy from waiting and from talking",
        ),
        (parcel, "big replies", "300 commands in a single trip, and 6 MB of answers"),
        (export, "big replies", "three replies of 6 MB each, quickly found and long on their way"),
    ]
    words = {cause for _, cause, _ in works}
    random.Random(71).shuffle(works)
    for work, cause, because in works:
        ran = []

        def counted(work=work, ran=ran):
            ran.append(work.__name__)
            work()

        said = trial.run(counted)
        trial.require(
            len(ran) == 1,
            "it runs the work once",
            f"work() was run {len(ran)} times, once was asked",
        )
        trial.require(
            said in words,
            "it answers one of the four causes",
            f"it answered {said!r:.60}, not one of {', '.join(sorted(words))}",
        )
        trial.expect(
            said == cause,
            f"{cause}: named",
            f"it said {said!r}, and it was {cause}: {because}",
        )
