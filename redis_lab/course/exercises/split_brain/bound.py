"""Bound what a cut-off primary can acknowledge, without closing the other side."""

NOTEBOOK = "66"
TITLE = "Bound the loss"
SHAPE = "sentinel"
SECONDS = 15.0
HINTS = (
    "A primary can refuse writes by itself when too few replicas report to it. Which two settings "
    "are that?",
    "`config_set('min-replicas-to-write', …)` says how many must report, "
    "`config_set('min-replicas-max-lag', …)` how many seconds ago at most. What is the latter by "
    "default?",
    "A lag counts whole seconds, and the primary looks at it once a second: with 2 it may go on "
    "for four.",
    "After a failover one of the replicas is the primary, and has a single replica of its own.",
)
WHY = (
    "Two settings turn an endless loss into three seconds of it at most. They belong on every "
    "node, as any of them may lead tomorrow, and the number must be one that the other side can "
    "reach too."
)


def stub(nodes):
    """Configure the data nodes (a client for each): at most three seconds' writes can be lost."""


def solution(nodes):
    for node in nodes:
        node.config_set("min-replicas-to-write", 1)
        node.config_set("min-replicas-max-lag", 1)


def wrong_default_lag(nodes):
    """10, as shipped"""
    for node in nodes:
        node.config_set("min-replicas-to-write", 1)


def wrong_two_seconds(nodes):
    """may go on for 4 s"""
    for node in nodes:
        node.config_set("min-replicas-to-write", 1)
        node.config_set("min-replicas-max-lag", 2)


def wrong_lag_zero(nodes):
    """switches the rule off"""
    for node in nodes:
        node.config_set("min-replicas-to-write", 1)
        node.config_set("min-replicas-max-lag", 0)


def wrong_primary_alone(nodes):
    """was never told"""
    for node in nodes:
        if node.role()[0] == "master":
            node.config_set("min-replicas-to-write", 1)
            node.config_set("min-replicas-max-lag", 1)


def wrong_all_replicas(nodes):
    """has one replica left"""
    for node in nodes:
        node.config_set("min-replicas-to-write", 2)
        node.config_set("min-replicas-max-lag", 1)


def wrong_another_timeout(nodes):
    """nothing obliges it to refuse"""
    for node in nodes:
        node.config_set("repl-timeout", 3)


def check(trial):
    import contextlib
    import time

    from redis.exceptions import RedisError

    from redis_lab.errors import LabUnavailable
    from redis_lab.lab.health import as_dict
    from redis_lab.lab.waiting import wait_until

    lab = trial.lab

    def refuses(node):
        """Whether it soon refuses a write, and by a rule that takes three seconds at most."""
        deadline = time.monotonic() + (7 if not why(node) else 0.5)  # it takes 3 s, and has 7
        while time.monotonic() < deadline:
            try:
                node.client().set("board", "open")
            except RedisError:
                return not why(node)
            time.sleep(0.02)
        return False

    def why(node):
        """What is wrong with its rule; empty if nothing is."""
        said = node.client().config_get("min-replicas-*")
        needed, lag = (int(said[f"min-replicas-{name}"]) for name in ("to-write", "max-lag"))
        if not needed:
            return "min-replicas-to-write is 0: nothing obliges it to refuse"
        if not lag:
            return "min-replicas-max-lag 0 switches the rule off"
        if lag > 1:
            return (
                f"min-replicas-max-lag is {lag}{', as shipped' if lag == 10 else ''}. It counts "
                f"whole seconds, and is looked at once a second: the primary may go on for "
                f"{lag + 2} s"
            )
        return ""

    def promote(old):
        """Cut off the primary and let the other side promote at once."""
        lab.partition(old)
        watching = lab.sentinels

        def missing():
            seen = [as_dict(node.tell("SENTINEL", "MASTER", "mymaster")) for node in watching]
            if seen[0]["port"] == str(old.internal_port):
                with contextlib.suppress(RedisError):  # it is at it
                    watching[0].tell("SENTINEL", "FAILOVER", "mymaster")
            ports = {each["port"] == str(old.internal_port) for each in seen}
            return "" if ports == {False} else "the Sentinels have not switched"

        wait_until(missing, 20, "a failover", every=0.05)
        with contextlib.suppress(LabUnavailable):  # its replica may be slow to come
            lab.wait_healthy(10)

    def serves(node, patience):
        def missing():
            try:
                return "" if node.client().set("board", "open") else "?"
            except RedisError as error:
                return str(error)

        try:
            wait_until(missing, patience, node.name)
        except LabUnavailable:
            return missing()
        return ""

    old = lab.primary
    trial.call([node.client() for node in lab.data_nodes])
    problem = serves(old, 5)
    trial.require(
        not problem,
        "with all servers up, the primary takes writes",
        f"all servers are up, and the primary refuses: {problem}",
    )
    quiet = lab.replicas
    for node in quiet:
        lab.pause(node)
    refused = refuses(old)
    for node in quiet:
        lab.resume(node)
    trial.require(
        refused,
        "no replica reports any more: the primary refuses within three seconds",
        f"when both replicas are silent, the primary goes on for too long: {why(old)}",
    )
    lab.wait_healthy()
    promote(old)
    trial.expect(
        refuses(old),
        "it is cut off: it refuses",
        f"it was cut off, and still acknowledged: {why(old)}",
    )
    leader = lab.primary
    problem = serves(leader, 8)
    trial.require(
        not problem,
        "the new primary takes writes",
        f"the new primary has one replica left, and refuses: {problem}",
    )
    others = [node for node in lab.data_nodes if node not in (old, leader)]
    for node in others:
        lab.pause(node)
    refused = refuses(leader)
    for node in others:
        lab.resume(node)
    trial.expect(
        refused,
        "and refuses in its turn, when its replica is silent",
        f"the new primary goes on for too long without its replica: {why(leader)}. It was "
        "a replica when you configured, and was never told",
    )
