"""Cutting nodes apart without root or proxy: by the users as which they log in to each other."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from redis_lab.errors import LabUnavailable
from redis_lab.lab import formation
from redis_lab.lab.node import Node
from redis_lab.lab.shapes import PEER
from redis_lab.lab.waiting import wait_until

if TYPE_CHECKING:
    from redis_lab.lab.topology import Topology

SWITCH_TIMEOUT = 5.0


def partition(lab: "Topology", cut: Sequence[Node]) -> None:
    if not cut:
        raise ValueError("nodes: name at least one node to cut off")
    if len(lab.nodes) == 1:
        raise LabUnavailable("one node alone has nothing to be cut off from")
    if len(set(cut)) == len(lab.nodes):
        raise ValueError("nodes: all of them on one side is no partition")
    if why := lab._runner.can_partition(lab.shape):
        raise LabUnavailable(
            f"a {lab.shape} lab can't be partitioned on processes: {why}. "
            "With Docker it can: backend='docker'. kill, pause and failover work here."
        )
    lab._groups.append(frozenset(cut))
    for node in cut:
        lab._record("partition", node)
        node.cut_off = True
    separate(lab)


def heal(lab: "Topology") -> list[Node]:
    """Returns the nodes that are back."""
    cut = [node for node in lab.nodes if node.cut_off]
    if not lab._groups:
        return cut
    lab._record("heal")
    lab._groups.clear()
    for node in cut:
        node.cut_off = False
    separate(lab)
    formation.redial([node for node in lab.sentinels if node.state == "up"])
    return cut


def separate(lab: "Topology") -> None:
    """Switch the users as which the others log in: off across a partition, on within a side.

    On as well, since a node may have written its users to its file while they were off. Data nodes
    write them: one that is restarted behind a partition must not answer the others for a moment.
    """
    by_network = [group for group in lab._groups if _cuts_by_network(lab, group)]
    if lab._runner.backend == "docker" and len(lab.nodes) > 1:
        lab._runner.separate({node for group in by_network for node in group}, lab.nodes)
    by_users = [group for group in lab._groups if group not in by_network]
    for node in lab.nodes:
        for other in lab.nodes:
            if other is not node:
                apart = any((node in group) != (other in group) for group in by_users)
                _switch(node, f"{PEER}{other.name}", "off" if apart else "on")
    for node in lab.data_nodes:
        if len(lab.nodes) > 1 and node.alive and not node.paused:
            with suppress(RedisError):
                formation.remember(node)


def _cuts_by_network(lab: "Topology", group: frozenset[Node]) -> bool:
    if lab._runner.backend != "docker":
        return False
    return lab._runner.cuts_by_network(list(group), lab._shape.clustered)


def _switch(node: Node, user: str, state: str) -> None:
    """A node that is down or paused is left out: it is asked again when it comes back."""
    if node.alive and not node.paused:
        wait_until(lambda: _unswitched(node, user, state), SWITCH_TIMEOUT, "partition")


def _unswitched(node: Node, user: str, state: str) -> str:
    try:
        node.tell("ACL", "SETUSER", user, state)
        if state == "off":
            node.tell("CLIENT", "KILL", "USER", user)
    except RedisError as error:
        return f"{node.name}: {error}" if node.alive else ""
    return ""
