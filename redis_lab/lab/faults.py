"""How a topology is broken and mended: signals by its runner, the rest by Redis commands."""

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from redis_lab.errors import LabUnavailable
from redis_lab.lab import formation, health
from redis_lab.lab.node import Node
from redis_lab.lab.partition import separate
from redis_lab.lab.servers import Server, chosen
from redis_lab.lab.waiting import wait_until

if TYPE_CHECKING:
    from redis_lab.lab.topology import Topology

PATIENCE = 15.0


def kill(lab: "Topology", node: Node) -> None:
    require_own(lab)
    if not node.alive:
        return
    lab._record("kill", node)
    node.hang_up()
    lab._runner.kill(node)
    node.paused = False


def pause(lab: "Topology", node: Node) -> None:
    require_own(lab)
    if not node.alive:
        raise LabUnavailable(f"{node.name} is down: lab.restart({node.name!r}) starts it")
    if node.paused:
        return
    node.role  # noqa: B018 - the last one it can tell
    lab._record("pause", node)
    lab._runner.pause(node)
    node.paused = True
    node.hang_up()


def resume(lab: "Topology", node: Node) -> None:
    require_own(lab)
    if not node.alive:
        raise LabUnavailable(f"{node.name} is down: lab.restart({node.name!r}) starts it")
    if not node.paused:
        return
    lab._record("resume", node)
    lab._runner.resume(node)
    node.paused = False
    wait_until(lambda: health.silence(node), PATIENCE, f"{node.name} back")
    separate(lab)
    reunite(lab, [node])


def restart(lab: "Topology", node: Node, server: Server | str | None = None) -> None:
    require_own(lab)
    if server is None:
        lab._record("restart", node)
        lab._runner.restart(node)
    elif lab._runner.backend != "process":
        raise ValueError("server: of processes only; in containers it is the image's")
    else:
        other = chosen(server, "0")
        lab._record("restart", node, f"as {other.name} {other.version}")
        lab._runner.restart(node, other)
    if node.last_role == "sentinel":
        formation.set_periods([node], formation.calm(lab._shape))
    lab._note(url=lab.url, cli=lab.cli())
    separate(lab)
    reunite(lab, [node])


def reunite(lab: "Topology", back: Sequence[Node]) -> None:
    """Without Sentinels nobody tells a primary that it was replaced meanwhile: the lab does."""
    leader = health.leader(lab.data_nodes) if lab.shape == "replicated" else None
    for node in health.in_service(back):
        if leader and leader.state == "up" and leader is not node and node.role == "primary":
            formation.replicate(node, leader)


def flush(lab: "Topology") -> None:
    lab._require_running()
    if lab._runner.refuses_flush:
        raise LabUnavailable(
            "the lab did not start this server and won't delete its data; "
            "rl.attach(url, allow_flush=True) says that it may"
        )
    for primary in lab.primaries:
        primary.tell("FLUSHALL")


def quicken(lab: "Topology") -> bool:
    """Let the Sentinels look more often, if nothing but their routine is waited for.

    While a failover is due they keep their own pace, so that what is measured then is Sentinel's
    doing.
    """
    due = bool(lab.sentinels) and _named_and_up(lab)
    if due:
        formation.set_periods(health.in_service(lab.sentinels), formation.EAGER_HEAL)
    return due


def calm(lab: "Topology") -> None:
    """Sentinel's own periods again."""
    formation.set_periods(health.in_service(lab.sentinels), formation.calm(lab._shape))


def require_own(lab: "Topology") -> None:
    lab._require_running()
    if lab._pid != os.getpid():
        raise LabUnavailable(f"process {lab._pid} started this lab: only there it can be broken")
    if lab._runner.foreign:
        raise LabUnavailable(
            "the lab did not start this server, so it breaks nothing on it. "
            "rl.standalone() or rl.sentinel() start servers that may be broken."
        )


def _named_and_up(lab: "Topology") -> bool:
    with suppress(LabUnavailable):
        return lab.primary.state == "up"
    return False
