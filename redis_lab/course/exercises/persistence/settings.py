"""Choose what is written to disk, and when, from what may be lost."""

NOTEBOOK = "60"
TITLE = "Choose for a loss budget"
HINTS = (
    "There are four answers: no file at all, a snapshot now and then, an AOF that is on disk "
    "within a second or two, an AOF that is on disk before each reply.",
    "A save point `s n` waits until `s` seconds have passed and `n` changes were made. What does a "
    "board lose on which a single gate changes?",
    "`{'save': f'{seconds // 2} 1'}` for the snapshots; `{'appendonly': 'yes', 'appendfsync': …}` "
    "for the others. Leave `no-appendfsync-on-rewrite` as it is.",
)
WHY = (
    "Persistence is bought in seconds of loss: say first how many the data is worth, then pay no "
    "more. A save point with one change is a promise; those with many are a bonus."
)


def stub(seconds):
    """Directives for a server that may lose the last `seconds` seconds of writes, and no more."""


def solution(seconds):
    if seconds == 0:
        return {"appendonly": "yes", "appendfsync": "always"}
    if seconds < 60:
        return {"appendonly": "yes", "appendfsync": "everysec"}
    if seconds < 86_400:
        return {"save": f"{seconds // 2} 1"}
    return {"appendonly": "no", "save": ""}


def wrong_everysec_is_for_all(seconds):
    """is on disk up to two seconds after its reply"""
    if seconds > 86_400:
        return {}
    if seconds > 60:
        return {"save": f"{seconds // 2} 1"}
    return {"appendonly": "yes", "appendfsync": "everysec"}


def wrong_safety_first(seconds):
    """more than 2 s ask for"""
    if seconds > 86_400:
        return {}
    if seconds > 60:
        return {"save": f"{seconds // 2} 1"}
    return {"appendonly": "yes", "appendfsync": "always"}


def wrong_left_to_the_kernel(seconds):
    """leaves it to the kernel"""
    if seconds > 86_400:
        return {}
    if seconds > 60:
        return {"save": f"{seconds // 2} 1"}
    return {"appendonly": "yes", "appendfsync": "no" if seconds else "always"}


def wrong_snapshots_as_shipped(seconds):
    """waits for up to 3,600 s"""
    if seconds > 86_400:
        return {}
    if seconds > 60:
        return {"save": "3600 1 300 100 60 10000"}
    return {"appendonly": "yes", "appendfsync": "everysec" if seconds else "always"}


def wrong_writes_what_nobody_needs(seconds):
    """all of it may be lost"""
    if seconds > 60:
        return {"save": "300 1"}
    return {"appendonly": "yes", "appendfsync": "everysec" if seconds else "always"}


def wrong_calm_rewrites(seconds):
    """while a rewrite goes on"""
    if seconds > 86_400:
        return {}
    if seconds > 60:
        return {"save": f"{seconds // 2} 1"}
    policy = "everysec" if seconds else "always"
    more = {"no-appendfsync-on-rewrite": "yes"}
    return {"appendonly": "yes", "appendfsync": policy, **more}


def check(trial):
    import math

    import redis_lab.lab
    from redis_lab.errors import LabUnavailable
    from redis_lab.lab.waiting import wait_until
    from redis_lab.observe import Ledger

    def quiet(client):
        """Whether nothing of the AOF is in the process any more, or on its way."""
        said = client.info("persistence")
        names = ("aof_buffer_length", "aof_pending_bio_fsync", "rdb_bgsave_in_progress")
        return "" if not any(said.get(name) for name in names) else "busy"

    def killed(lab, snapshot):
        """Acknowledged, and lost by a kill -9 that comes when nothing is under way."""
        client, node = lab.client(), lab.nodes[0]
        with Ledger(lab.url) as ledger:
            ledger.wait(200)
        if snapshot:
            client.bgsave()
        wait_until(lambda: quiet(client), 20, "files written")
        lab.kill(node)
        lab.restart(node)
        lab.wait_healthy()
        row = ledger.audit(lab.client()).iloc[0]
        return int(row.acknowledged), int(row.lost)

    def too_much_or_little(seconds, said):
        """What is wrong with these settings, or an empty string."""
        aof, policy = said["appendonly"] == "yes", said["appendfsync"]
        numbers = [int(each) for each in said["save"].split()]
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        if seconds == math.inf:
            return "it writes files, and all of it may be lost" if aof or points else ""
        if seconds == 900:
            if aof:
                return "it writes every change to an AOF: snapshots are enough for 900 s"
            single = min((each for each, changes in points if changes <= 1), default=0)
            if not single:
                return "a single change is never saved: no save point is content with one"
            late = f"a single change waits for up to {single:,} s: that many may be lost, not 900"
            return late if single > seconds else ""
        if not aof and seconds and points:
            return "a snapshot copies everything: for 2 s a log is cheaper, and the only sure way"
        if not aof:
            return f"without an AOF a power cut costs all since the last snapshot, not {seconds} s"
        if said["no-appendfsync-on-rewrite"] == "yes":
            return f"{policy}, but while a rewrite goes on nothing is brought to disk at all"
        if policy == "no":
            return "appendfsync no leaves it to the kernel, which may take half a minute"
        if seconds == 0 and policy != "always":
            return f"appendfsync {policy}: a write is on disk up to two seconds after its reply"
        if seconds == 2 and policy == "always":
            return "an fsync before every reply: that is more than 2 s ask for"
        return ""

    kinds = {
        0: "nothing may be lost",
        2: "two seconds may be lost",
        900: "a quarter of an hour may be lost",
        math.inf: "all of it may be lost, as of a cache",
    }
    names = ("appendonly", "appendfsync", "save", "no-appendfsync-on-rewrite")
    for seconds, claim in kinds.items():
        config = trial.call(seconds)
        trial.require(
            isinstance(config, dict),
            "it answers directives",
            f"for {seconds} it answered {config!r:.80}, not a dict of redis.conf directives",
        )
        try:
            with redis_lab.lab.standalone(config=config) as lab:
                told = [lab.nodes[0].tell("CONFIG", "GET", name) for name in names]
                said = {key: value for each in told for key, value in dict(each).items()}
                fault = too_much_or_little(seconds, said)
                acknowledged, lost = (0, 0) if fault else killed(lab, snapshot=seconds == 900)
        except (TypeError, ValueError, LabUnavailable) as error:
            trial.require(False, "which a server takes", f"for {seconds}: {error}")
        allowed = acknowledged if seconds == math.inf else 0
        count = f"of {acknowledged:,} acknowledged writes a kill cost {lost:,}"
        trial.expect(
            not fault and lost <= allowed,
            claim if fault else f"{claim}: {count}",
            f"{claim}: {fault or count}",
        )
