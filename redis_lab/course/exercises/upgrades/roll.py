"""Every data server of a Sentinel group is restarted, and no acknowledged write is lost."""

NOTEBOOK = "81"
TITLE = "Upgrade a Sentinel group without losing a write"
SHAPE = "sentinel"
SECONDS = 60.0
HINTS = (
    "Replicas first, one at a time. `lab.wait_healthy()` returns when all of them are in sync.",
    "The primary may be restarted when it is one no longer: `lab.failover()` comes before. What is "
    "acknowledged between promotion and demotion is lost: nobody may write then.",
    "`CLIENT PAUSE … WRITE` on the primary makes writers wait; `REPLICAOF` makes it a replica, "
    "and `CONFIG REWRITE` keeps it one over the restart. Then end the pause.",
    "`hand_over` in the notebook is the middle part. Before it: each of `lab.replicas`, restarted "
    "and waited for. After it: the server that was the primary.",
)
WHY = (
    "Most planned maintenance loses writes, and nobody counts them. The order of the steps and one "
    "pause make the difference; the price is a few seconds of waiting at an hour of your choice."
)


def stub(lab):
    """Restart each data server once while clients write; nothing acknowledged may be lost."""


def solution(lab):
    for node in lab.replicas:
        lab.restart(node)
        lab.wait_healthy()
    last = lab.primary
    with last.client(single_connection_client=True, socket_timeout=20) as operator:
        with operator.pipeline(transaction=True) as cut:
            cut.set("upgrade:cut", 1).client_pause(20_000, all=False)
            cut.execute()
        operator.wait(2, 5_000)
        lab.failover()
        operator.replicaof(*lab.primary.internal_address)
        operator.config_rewrite()
        lab.wait_healthy()
        operator.client_unpause()
    lab.restart(last)


def wrong_in_place(lab):
    """while it was the primary"""
    for node in lab.data_nodes:
        lab.restart(node)
        lab.wait_healthy()


def wrong_by_the_book(lab):
    """acknowledged and are gone"""
    from redis_lab.lab.waiting import wait_until

    for node in lab.replicas:
        lab.restart(node)
        lab.wait_healthy()
    last = lab.primary
    lab.failover()
    wait_until(lambda: "" if last.role == "replica" else "still a primary", 30, "demotion")
    lab.restart(last)
    lab.wait_healthy()


def wrong_hurried(lab):
    """were not both in sync"""
    for node in lab.replicas:
        lab.restart(node)
    lab.wait_healthy()
    last = lab.primary
    operator = last.client()
    operator.client_pause(20_000, all=False)
    lab.failover()
    operator.replicaof(*lab.primary.internal_address)
    lab.wait_healthy()
    lab.restart(last)


def wrong_leaves_one(lab):
    """was never restarted"""
    for node in lab.replicas:
        lab.restart(node)
        lab.wait_healthy()


def wrong_pauses_all(lab):
    """writers still wait"""
    solution(lab)
    for node in lab.data_nodes:
        node.client().client_pause(60_000, all=False)


def check(trial):
    import contextlib
    import threading

    import redis

    from redis_lab.errors import LabUnavailable
    from redis_lab.lab.shapes import PEER
    from redis_lab.observe import Probe

    lab, order, timers = trial.lab, [], []
    really = lab.restart

    def in_sync(node):
        with contextlib.suppress(redis.RedisError):
            said = node.info("replication", 2)
            return said["role"] == "master" or said.get("master_link_status") == "up"
        return False

    def let_in(primary, user):
        with contextlib.suppress(redis.RedisError):
            primary.tell("ACL", "SETUSER", user, "on")

    def restart(node, server=None):
        """As it is, but a replica that comes back has to wait a moment before it can copy."""
        node, user = lab.node(node) if isinstance(node, str) else node, ""
        if node in lab.data_nodes:
            others = [each for each in lab.data_nodes if each is not node]
            order.append((node, node.role, sum(map(in_sync, others))))
            if node.role == "replica":
                primary, user = lab.primary, f"{PEER}{node.name}"
                primary.tell("ACL", "SETUSER", user, "off")
        try:
            really(node, server)
        finally:
            if user:
                primary.tell("ACL", "SETUSER", user, "off")  # restart() has let it in
                primary.tell("CLIENT", "KILL", "USER", user)
                timers.append(threading.Timer(0.7, let_in, (primary, user)))
                timers[-1].start()

    lab.restart = restart
    client = lab.client(socket_timeout=10)
    with Probe(client, limit=150) as probe:
        probe.wait(20)
        trial.call(lab)
        for timer in timers:
            timer.join()
        waits = ""
        try:
            probe.wait(10, timeout=4)
        except (TimeoutError, RuntimeError):
            waits = "four seconds after the end writers still wait, or fail: is a pause left?"
            for node in lab.data_nodes:
                with contextlib.suppress(redis.RedisError):
                    node.tell("CLIENT", "UNPAUSE")
    with contextlib.suppress(LabUnavailable):
        lab.wait_healthy()

    led = [node.name for node, role, _ in order if role == "primary"]
    trial.require(
        not led,
        "no server is restarted while it leads",
        f"{led[0] if led else ''} was restarted while it was the primary: what its replicas lack "
        "is gone, and without a file it comes back empty and they copy that",
    )
    names = [node.name for node, *_ in order]
    never = [node.name for node in lab.data_nodes if node.name not in names]
    trial.require(
        not never, "each data server is restarted", f"{', '.join(never)} was never restarted"
    )
    trial.expect(
        len(names) == 3, "and no more than once", f"the restarts were {names}: each server once"
    )
    early = [node.name for node, _, others in order if others < 2]
    trial.expect(
        not early,
        "at any time two data servers are up and in sync",
        f"when {early[0] if early else ''} was restarted, the two others were not both in sync: "
        "the next fault would have lost data",
    )
    trial.expect(not waits, "at the end nobody waits", waits)
    audit = probe.audit(lab.client()).iloc[0]
    trial.expect(
        audit.lost == 0,
        f"of {audit.acknowledged} acknowledged writes none is lost",
        f"{audit.lost} writes were acknowledged and are gone: who took them after the promotion?",
    )
