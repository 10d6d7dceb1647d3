"""How a primary hands over in good order: by Sentinel, in a cluster, by hand."""

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from redis.exceptions import RedisError, ResponseError

from redis_lab.errors import LabUnavailable
from redis_lab.lab import formation, health
from redis_lab.lab.faults import require_own
from redis_lab.lab.node import Node
from redis_lab.lab.shapes import SERVICE
from redis_lab.lab.waiting import wait_until

if TYPE_CHECKING:
    from redis_lab.lab.topology import Topology

PATIENCE = 15.0
ORDER_LASTS = 5.5  # a little longer than CLUSTER_MF_TIMEOUT of Redis


def failover(lab: "Topology", node: Node) -> None:
    """To that replica, or from that primary; waits until it is done."""
    require_own(lab)
    if node.last_role == "sentinel":
        raise ValueError(f"node: {node.name} is a Sentinel, which holds no data")
    replaces = node in lab.primaries
    heirs = _heirs(lab, node) if replaces else [node]
    if not heirs:
        raise LabUnavailable(f"{node.name} has no replica in service that could take over")
    heir = heirs[0]
    if heir.state != "up":
        raise LabUnavailable(f"{heir.name} is {heir.state}: it can't take over")
    if lab._shape.clustered and heir.role != "replica":
        raise ValueError(f"node: {heir.name} is no replica of anybody")
    lab._record("failover", node)
    if lab.sentinels:
        _by_sentinel(lab, None if replaces else heir)
    elif lab._shape.clustered:
        _by_cluster(lab, heir)
    else:
        _by_hand(lab, heir)
    if not lab.sentinels or not replaces:
        wait_until(lambda: _named(lab, heir), PATIENCE, "failover")
    else:
        wait_until(lambda: _replaced(lab, node), PATIENCE, "failover")
    if lab._shape.clustered and replaces and node.state == "up":
        wait_until(lambda: _follows(node, heir), PATIENCE, "failover")


def _heirs(lab: "Topology", primary: Node) -> list[Node]:
    """Its replicas in service, the one that has most of the data first."""
    mine = [
        node
        for node in health.in_service(lab.data_nodes)
        if node.primary_address == primary.internal_address
    ]
    return sorted(mine, key=lambda node: -int(node.tell("ROLE")[4]))


def _by_sentinel(lab: "Topology", heir: Node | None) -> None:
    watching = health.in_service(lab.sentinels)
    if not watching:
        raise LabUnavailable("no Sentinel is in service that could hand over")
    if heir is None:
        wait_until(lambda: _refusal(watching[0]), PATIENCE, "failover")
        return
    priority = heir.tell("CONFIG", "GET", "replica-priority")["replica-priority"]
    heir.tell("CONFIG", "SET", "replica-priority", 1)
    formation.set_periods(watching[:1], formation.EAGER)
    try:
        wait_until(lambda: _preferred(watching[0], heir), PATIENCE, "choice of replica")
        # What it knows of a replica is too old for it after three of its periods: long ones first.
        formation.set_periods(watching[:1], formation.calm(lab._shape))
        wait_until(lambda: _refusal(watching[0]), PATIENCE, "failover")
        wait_until(lambda: _named(lab, heir), PATIENCE, "failover")
    finally:
        formation.set_periods(watching[:1], formation.calm(lab._shape))
        with suppress(RedisError):
            heir.tell("CONFIG", "SET", "replica-priority", priority)


def _refusal(sentinel: Node) -> str:
    """Order a failover; what the Sentinel says against it, as while the last one still goes on."""
    try:
        sentinel.tell("SENTINEL", "FAILOVER", SERVICE)
    except ResponseError as error:
        return f"{sentinel.name} says: {error}"
    return ""


def _preferred(sentinel: Node, heir: Node) -> str:
    for seen in map(health.as_dict, sentinel.tell("SENTINEL", "REPLICAS", SERVICE)):
        if int(seen["port"]) == heir.internal_port and seen["slave-priority"] == "1":
            return ""
    return f"{sentinel.name} has not noticed yet that {heir.name} is preferred"


def _by_cluster(lab: "Topology", heir: Node) -> None:
    """Ordered again when an order runs out: primaries vote for a shard once in two timeouts."""
    serving = [node.internal_address for node in health.in_service(lab.data_nodes)]
    _, host, port, *_ = heir.tell("ROLE")
    how = [] if (host, int(port)) in serving else ["FORCE"]
    heir.tell("CLUSTER", "FAILOVER", *how)
    for _ in range(2):
        with suppress(LabUnavailable):
            wait_until(lambda: _named(lab, heir), ORDER_LASTS, "failover")
            return
        with suppress(ResponseError):  # it has taken over just now
            heir.tell("CLUSTER", "FAILOVER", *how)


def _by_hand(lab: "Topology", heir: Node) -> None:
    """FAILOVER where the primary lives; else REPLICAOF, as an operator would."""
    old = health.leader(lab.data_nodes)
    if old and old.state == "up":
        old.tell("FAILOVER", "TO", *heir.internal_address, "TIMEOUT", 5000)
        wait_until(
            lambda: "" if heir.role == "primary" else f"{heir.name} is still a replica",
            PATIENCE,
            "failover",
        )
    else:
        heir.tell("REPLICAOF", "NO", "ONE")
    formation.remember(heir)
    heir.promoted = time.time()
    for node in health.in_service(lab.data_nodes):
        if node is not heir:
            formation.replicate(node, heir)


def _named(lab: "Topology", heir: Node) -> str:
    with suppress(LabUnavailable):
        if heir in lab.primaries and heir.role == "primary":
            return ""
    return f"{heir.name} has not taken over yet"


def _follows(old: Node, heir: Node) -> str:
    follows = old.primary_address == heir.internal_address
    return "" if follows else f"{old.name} does not follow {heir.name} yet"


def _replaced(lab: "Topology", old: Node) -> str:
    with suppress(LabUnavailable):
        new = lab.primary
        if new is not old and new.role == "primary":
            return ""
    return f"{old.name} is still the primary"
