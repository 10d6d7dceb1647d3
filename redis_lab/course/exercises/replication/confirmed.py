"""A write that so many replicas have, or the news that they haven't."""

NOTEBOOK = "61"
TITLE = "A write that others have"
SHAPE = "replicated"
HINTS = (
    "`WAIT n ms` blocks until n replicas have the last write, and returns how many have. Compare.",
    "The last write of which connection? A pool may hand out another one for the next command. "
    "What keeps two commands on one connection?",
    "`r.pipeline(transaction=False)` sends both at once on one connection. In a transaction WAIT "
    "does not wait.",
    "Milliseconds, as a whole number, and at least 1: 0 is for ever.",
)
WHY = (
    "A confirmation is a number, and belongs to one connection: a WAIT whose reply nobody "
    "compares, or that was sent on another connection, confirms nothing and never seems to fail."
)


def stub(r, key, value, copies, patience):
    """SET, and whether `copies` replicas have it within `patience` seconds."""


def solution(r, key, value, copies, patience):
    with r.pipeline(transaction=False) as pipe:
        pipe.set(key, value)
        pipe.wait(copies, max(1, round(1000 * patience)))
        _, have = pipe.execute()
    return have >= copies


def wrong_trusts_wait(r, key, value, copies, patience):
    """one of them is frozen"""
    with r.pipeline(transaction=False) as pipe:
        pipe.set(key, value)
        pipe.wait(copies, max(1, round(1000 * patience)))
        pipe.execute()
    return True


def wrong_two_commands(r, key, value, copies, patience):
    """on another connection"""
    r.set(key, value)
    return r.wait(copies, max(1, round(1000 * patience))) >= copies


def wrong_in_a_transaction(r, key, value, copies, patience):
    """WAIT never waits in a transaction"""
    with r.pipeline() as pipe:
        pipe.set(key, value)
        pipe.wait(copies, max(1, round(1000 * patience)))
        _, have = pipe.execute()
    return have >= copies


def wrong_seconds_for_milliseconds(r, key, value, copies, patience):
    """milliseconds"""
    with r.pipeline(transaction=False) as pipe:
        pipe.set(key, value)
        pipe.wait(copies, int(patience))
        _, have = pipe.execute()
    return have >= copies


def wrong_counts_connections(r, key, value, copies, patience):
    """connected is not confirmed"""
    r.set(key, value)
    return r.info("replication")["connected_slaves"] >= copies


def wrong_takes_it_back(r, key, value, copies, patience):
    """the value is gone"""
    with r.pipeline(transaction=False) as pipe:
        pipe.set(key, value)
        pipe.wait(copies, max(1, round(1000 * patience)))
        _, have = pipe.execute()
    if have < copies:
        r.delete(key)
    return have >= copies


def check(trial):
    from redis_lab.course.answers import Refused

    lab, r = trial.lab, trial.r
    third = lab.node("redis-3")

    def asked(key, copies, patience, **more):
        try:
            return trial.run(key, "B12", copies, patience, **more)
        except Refused as refusal:
            if "TimeoutError" not in str(refusal) and "did not come back" not in str(refusal):
                raise
            raise Refused(
                f"{refusal}. WAIT takes milliseconds, as a whole number, and 0 is for ever"
            ) from None

    shared, give_back = _used_by_threads(trial)
    r.set("paid:0", "B12")
    r.wait(2, 5000)  # all that those connections may have seen is confirmed
    with trial.cost() as cost:
        told = asked("paid:1", 2, 1.0)
    why = ". WAIT takes milliseconds: was it given the time?" if told is False else ""
    if cost.commands["multi"]:
        why = ": WAIT never waits in a transaction"
    trial.require(
        told is True and r.get("paid:1") == "B12",
        "two replicas alive, two asked for: True",
        f"two are alive, the key is {r.get('paid:1')!r}, it answered {told!r:.60}, not True{why}",
    )
    lab.pause(third)
    try:
        with trial.cost() as cost:
            told = asked("paid:2", 2, 0.4)
        calls = cost.commands
        why = "connected is not confirmed" if not calls["wait"] else "look at what WAIT returned"
        if calls["multi"]:
            why = "WAIT never waits in a transaction"
        trial.require(
            told is False,
            "one of them is frozen, two asked for: False",
            f"one of them is frozen, and it answered {told!r:.60}: {why}",
        )
        trial.require(
            r.get("paid:2") == "B12",
            "the value stays, confirmed or not",
            "it answered False and the value is gone from the primary, where others have read it",
        )
        r.wait(1, 5000)
        told = asked("paid:3", 1, 1.0)
        trial.require(
            told is True,
            "one of them is frozen, one asked for: True",
            f"the other one is well, and with copies=1 it answered {told!r:.60}: "
            + ("WAIT never waits in a transaction" if calls["multi"] else "is 1 not enough?"),
        )
        trial.expect(
            trial.call(shared, "paid:4", "B12", 2, 0.4) is False,
            "other threads take the pool's connections between two commands: False",
            "one replica is frozen, another thread took the connection between two commands, and "
            "it answered True: WAIT was sent on another connection, which had nothing to wait for",
        )
    finally:
        give_back()
        lab.resume(third)


def _used_by_threads(trial):
    """A client with two open connections, which others take as soon as they are given back."""
    client = trial.client()
    pool, taken = client.connection_pool, []
    for connection in [pool.get_connection() for _ in range(2)]:
        pool.release(connection)
    release, pool.release = pool.release, taken.append
    return client, lambda: [release(connection) for connection in taken]
