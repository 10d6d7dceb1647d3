"""A client that does not trust a primary which nobody copies."""

NOTEBOOK = "66"
TITLE = "A writer that notices"
SHAPE = "sentinel"
SECONDS = 10.0
HINTS = (
    "The primary knows who copies from it, and when each of them last reported. Which section of "
    "`INFO` is that?",
    "`r.info('replication')` has an entry `slave0`, `slave1`, … for each replica: a dict with "
    "`state` and `lag`, in seconds.",
    "To raise is half of it. While r keeps its connection, the next call asks the same server.",
    "`r.connection_pool.disconnect()` before `raise redis.ConnectionError(…)`: the next call has "
    "to dial, and before it dials it asks the Sentinels.",
)
WHY = (
    "ROLE tells what a server thinks of itself; the lag of its replicas tells whether anybody "
    "agrees. It costs a trip and closes no gap between the look and the write: that takes "
    "`min-replicas-to-write`, where you may set it."
)


def stub(r, key, value, lag):
    """SET, if a replica has reported to the primary within lag seconds; else redis.ConnectionError.

    After an error the next call looks for the primary anew.
    """


def solution(r, key, value, lag):
    import redis

    said = r.info("replication")
    replicas = [each for name, each in said.items() if name[:5] == "slave" and name[5:].isdigit()]
    if not any(each["state"] == "online" and each["lag"] <= lag for each in replicas):
        r.connection_pool.disconnect()
        raise redis.ConnectionError("no replica has reported: this primary may be cut off")
    r.set(key, value)


def wrong_asks_its_role(r, key, value, lag):
    """a primary in its own eyes"""
    import redis

    if r.role()[0] != "master":
        r.connection_pool.disconnect()
        raise redis.ConnectionError("this is no primary")
    return r.set(key, value)


def wrong_counts_connections(r, key, value, lag):
    """connected and silent"""
    import redis

    if not r.info("replication")["connected_slaves"]:
        r.connection_pool.disconnect()
        raise redis.ConnectionError("no replica")
    return r.set(key, value)


def wrong_keeps_its_connection(r, key, value, lag):
    """kept its connection"""
    import redis

    said = r.info("replication")
    replicas = [each for name, each in said.items() if name[:5] == "slave" and name[5:].isdigit()]
    if not any(each["lag"] <= lag for each in replicas):
        raise redis.ConnectionError("no replica has reported")
    return r.set(key, value)


def wrong_looks_afterwards(r, key, value, lag):
    """is there all the same"""
    import redis

    r.set(key, value)
    said = r.info("replication")
    replicas = [each for name, each in said.items() if name[:5] == "slave" and name[5:].isdigit()]
    if not any(each["lag"] <= lag for each in replicas):
        r.connection_pool.disconnect()
        raise redis.ConnectionError("no replica has reported")


def wrong_waits(r, key, value, lag):
    """both are connected and silent"""
    import redis

    if not r.wait(1, lag * 1000):  # of writes on this connection, and there was none since
        r.connection_pool.disconnect()
        raise redis.ConnectionError("no replica has confirmed")
    return r.set(key, value)


def wrong_says_nothing(r, key, value, lag):
    """and raised nothing"""
    said = r.info("replication")
    replicas = [each for name, each in said.items() if name[:5] == "slave" and name[5:].isdigit()]
    if any(each["lag"] <= lag for each in replicas):
        return r.set(key, value)
    r.connection_pool.disconnect()


def wrong_wants_all(r, key, value, lag):
    """the other one reports"""
    import redis

    said = r.info("replication")
    replicas = [each for name, each in said.items() if name[:5] == "slave" and name[5:].isdigit()]
    if not replicas or any(each["lag"] > lag for each in replicas):
        r.connection_pool.disconnect()
        raise redis.ConnectionError("a replica is silent")
    return r.set(key, value)


def check(trial):
    import re
    import time

    from redis_lab.course.answers import Refused

    lab = trial.lab
    old, lag = lab.primary, 1
    client = trial.client()

    def put(key):
        """What it raised, or an empty string."""
        try:
            trial.call(client, key, "boarding", lag)
        except Refused as refusal:
            return str(refusal)
        return ""

    def settled(key):
        """The same, tried for a while: a replica reports once a second, a late one later."""
        deadline = time.monotonic() + 8
        while (raised := put(key)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return raised

    def silent(*replicas):
        """Wait until the primary has not heard of these for so long that it is beyond doubt."""
        ports, deadline = {str(each.internal_port) for each in replicas}, time.monotonic() + 20
        while time.monotonic() < deadline:
            said = old.tell("INFO", "replication")
            each = re.findall(r"^slave\d+:.*port=(\d+),.*lag=(\d+)", said, re.MULTILINE)
            if all(int(seconds) >= lag + 2 for port, seconds in each if port in ports):
                return
            time.sleep(0.05)

    def confirmed():
        """Whether a replica has all that was written so far, so that a WAIT for it is no news."""
        writer, deadline = old.client(), time.monotonic() + 8
        while time.monotonic() < deadline:
            if writer.pipeline(transaction=False).set("noted", 1).wait(1, 1000).execute()[1]:
                return True
        return False

    raised = settled("flight:1")
    trial.require(
        not raised and trial.r.get("flight:1") == "boarding",
        "all is well: it writes",
        raised or "all is well, and the key is not there",
    )
    one, two = lab.replicas
    lab.pause(one)
    silent(one)
    raised = settled("flight:2")
    trial.expect(
        not raised,
        "one replica is silent: it writes",
        f"one replica is frozen, the other one reports, and it refuses: {raised}",
    )
    trial.require(
        confirmed(), "the other one confirms", "the other replica confirmed nothing in 8 s"
    )
    lab.pause(two)
    silent(one, two)
    raised, there = put("flight:3"), old.client().get("flight:3")
    lab.resume(one)
    lab.resume(two)
    why = "it wrote"
    if not there:
        why = "it did not write, and raised nothing: the caller thinks it did"
    trial.require(
        bool(raised),
        "no replica has reported for longer than lag: it raises",
        f"no replica has reported for {lag + 2} s, both are connected and silent, the server is "
        f"a primary in its own eyes: {why}",
    )
    trial.expect(
        "ConnectionError" in raised,
        "it raises redis.ConnectionError",
        f"asked for was redis.ConnectionError, and {raised}",
    )
    trial.require(
        not there,
        "and has written nothing",
        f"it raised, and the key is there all the same: {there!r}",
    )
    lab.wait_healthy()
    raised = settled("flight:4")
    trial.require(
        not raised,
        "the replicas are back: it writes again",
        f"the replicas report again, and it refuses: {raised}",
    )
    lab.partition(old)
    silent(one, two)
    raised, there = put("flight:5"), old.client().get("flight:5")
    trial.expect(
        bool(raised) and not there,
        "its primary is cut off: it raises",
        f"the primary was cut off, and {'the key went there' if there else 'it raised nothing'}",
    )
    lab.wait_healthy(20)
    raised = settled("flight:6")
    kept = lab.primary.client().get("flight:6")
    trial.expect(
        not raised and kept == "boarding",
        "there is a new primary: it writes there",
        f"there is a new primary for 8 s, and r kept its connection to the old one: {raised}"
        if raised
        else f"it raised nothing, and on the new primary the key is {kept!r}",
    )
