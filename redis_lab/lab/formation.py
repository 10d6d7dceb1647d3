"""Turning started servers into a replica set, a Sentinel group or a cluster, by Redis commands.

No runner is known here: whatever has nodes that answer can be formed. Each step asks the servers
until they say that it is done.
"""

from collections.abc import Sequence

from redis.exceptions import RedisError, ResponseError

from redis_lab.lab import health, slots
from redis_lab.lab.node import Node
from redis_lab.lab.shapes import PEER, SERVICE, Shape
from redis_lab.lab.waiting import wait_until

START_TIMEOUT = 20.0
# Sentinel's periods in ms: while a group forms, and while it is put in order again.
EAGER = ("INFO-PERIOD", 50, "PUBLISH-PERIOD", 50, "PING-PERIOD", 50)
EAGER_HEAL = ("INFO-PERIOD", 500, "PUBLISH-PERIOD", 250, "MIN-LINK-RECONNECT-PERIOD", 500)


def calm(shape: Shape) -> tuple[str | int, ...]:
    """Sentinel's own periods, its PINGs but twice in the time in which it loses patience.

    By default PINGs, and attempts to connect, are a second apart. A Sentinel that has dialled the
    dead primary just before it hears of the new one dials that a second later: with a patience of a
    second or less it holds the new primary to be down before it has asked, and acknowledged writes
    are lost in a second failover (seen once in 25 kills).
    """
    ping = min(1000, round(shape.settings["down_after"] * 500))
    periods = {"INFO": 10000, "PUBLISH": 2000, "PING": ping, "MIN-LINK-RECONNECT": 15000}
    return tuple(part for name, ms in periods.items() for part in (f"{name}-PERIOD", ms))


def form(shape: Shape, nodes: Sequence[Node]) -> None:
    """Join the nodes as the shape says; they all answer already and know nothing of each other."""
    data = [node for node in nodes if node.last_role != "sentinel"]
    if shape.clustered:
        _cluster(data[: len(data) - int(shape.settings["spares"])])
    elif len(data) > 1:
        for replica in data[1:]:
            replicate(replica, data[0])
        wait_until(lambda: health.replication(data[0], data), START_TIMEOUT, "replication")
    if sentinels := [node for node in nodes if node.last_role == "sentinel"]:
        watch(sentinels, data[0], shape)
        wait_until(lambda: health.sentinel_group(sentinels, data), START_TIMEOUT, "the Sentinels")
        set_periods(sentinels, calm(shape))


def replicate(replica: Node, primary: Node) -> None:
    """Make a node a replica, also after its next restart."""
    replica.tell("REPLICAOF", *primary.internal_address)
    remember(replica)


def remember(node: Node) -> None:
    """Write the running configuration to the node's file, where it has one."""
    try:
        node.tell("CONFIG", "REWRITE")
    except ResponseError as error:
        if "without a config file" not in str(error):
            raise


def watch(sentinels: Sequence[Node], primary: Node, shape: Shape) -> None:
    """Let the Sentinels monitor the primary, and find each other."""
    quorum = len(sentinels) // 2 + 1
    down_after = round(shape.settings["down_after"] * 1000)
    settings = {
        "down-after-milliseconds": down_after,
        # After an election without a winner, the next one comes two of these later.
        "failover-timeout": max(3000, 3 * down_after),
        "auth-pass": shape.peer_password,
    }
    pairs = [str(part) for pair in settings.items() for part in pair]
    for sentinel in sentinels:
        sentinel.tell("SENTINEL", "DEBUG", *EAGER)
        sentinel.tell("SENTINEL", "MONITOR", SERVICE, *primary.internal_address, quorum)
        sentinel.tell("SENTINEL", "SET", SERVICE, "auth-user", f"{PEER}{sentinel.name}", *pairs)


def set_periods(sentinels: Sequence[Node], periods: Sequence[str | int]) -> None:
    """How often the Sentinels look (SENTINEL DEBUG); one that doesn't answer is left as it is."""
    for sentinel in sentinels:
        try:
            sentinel.tell("SENTINEL", "DEBUG", *periods)
        except RedisError:
            continue


def redial(sentinels: Sequence[Node]) -> None:
    """Let the Sentinels drop their connections: setting a login, the same one too, does that."""
    for sentinel in sentinels:
        try:
            sentinel.tell("SENTINEL", "SET", SERVICE, "auth-user", f"{PEER}{sentinel.name}")
        except RedisError:
            continue


def _cluster(nodes: Sequence[Node]) -> None:
    """Form a cluster: epochs before any MEET, so that the primaries need not settle them."""
    primaries = [node for node in nodes if node.last_role == "primary"]
    replicas = [node for node in nodes if node.last_role == "replica"]
    for epoch, node in enumerate(nodes, start=1):
        node.tell("CLUSTER", "SET-CONFIG-EPOCH", epoch)
    for number, node in enumerate(primaries):
        first, last = 16384 * number // len(primaries), 16384 * (number + 1) // len(primaries) - 1
        node.tell("CLUSTER", "ADDSLOTSRANGE", first, last)
    ids = {node: node.tell("CLUSTER", "MYID") for node in nodes}
    for number, node in enumerate(nodes):
        for other in nodes[number + 1 :]:
            node.tell("CLUSTER", "MEET", *other.internal_address, other.bus_port or 0)
    wait_until(lambda: slots.all_met(nodes, set(ids.values())), START_TIMEOUT, "cluster meeting")
    for number, replica in enumerate(replicas):
        replica.tell("CLUSTER", "REPLICATE", ids[primaries[number % len(primaries)]])
    wait_until(lambda: slots.cluster_agrees(nodes), START_TIMEOUT, "the cluster")
