"""A topology as a whole: who its primaries are, and what is missing until it is healthy."""

from typing import TYPE_CHECKING

from redis_lab.errors import LabUnavailable
from redis_lab.lab import faults, health, slots
from redis_lab.lab.node import Node
from redis_lab.lab.waiting import wait_until

if TYPE_CHECKING:
    from redis_lab.lab.topology import Topology


def primaries(lab: "Topology") -> tuple[Node, ...]:
    """Those whom the servers name; LabUnavailable while they name none."""
    by_address = {node.internal_address: node for node in lab.data_nodes}
    named: list[Node | None]
    if lab._shape.clustered:
        named = [by_address.get(address) for address in slots.slot_owners(lab.data_nodes) or []]
    elif lab.sentinels:
        address = health.named_primary(lab.sentinels)
        named = [by_address.get(address)] if address else []
    else:
        named = [health.leader(lab.data_nodes)]
    found = tuple(node for node in named if node)
    if not found:
        raise LabUnavailable(f"no majority names a primary: {summary(lab)}")
    return found


def missing(lab: "Topology") -> str:
    """What is not in order yet, in words; empty when the topology is healthy."""
    if silent := health.answering(lab.nodes):
        return silent
    if lab._shape.clustered:
        return slots.cluster_agrees(lab.data_nodes)
    if lab.sentinels:
        return health.sentinel_group(lab.sentinels, lab.data_nodes)
    leader = health.leader(lab.data_nodes)
    return health.replication(leader, lab.data_nodes) if leader else "there is no primary"


def wait_healthy(lab: "Topology", timeout: float) -> float:
    """Ask until nothing is missing; the Sentinels' routine is quickened where only that is due."""
    quickened = False

    def still_missing() -> str:
        nonlocal quickened
        words = missing(lab)
        if words and not quickened and not lab._runner.foreign:
            quickened = faults.quicken(lab)
        return words

    try:
        return wait_until(still_missing, timeout, f"{lab.shape} healthy", every=0.02)
    finally:
        if quickened:
            faults.calm(lab)


def summary(lab: "Topology") -> str:
    """Every node with its role and state."""
    return ", ".join(f"{node.name} {node.last_role} {node.state}" for node in lab.nodes)
