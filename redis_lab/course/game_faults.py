"""The faults of a game day: each strikes, waits for what must follow, and mends."""

import contextlib
import time
from typing import TYPE_CHECKING

from redis_lab.errors import LabUnavailable
from redis_lab.lab import Node, Topology
from redis_lab.lab.shapes import PEER
from redis_lab.lab.waiting import wait_until

if TYPE_CHECKING:
    from redis_lab.course.game_day import GameDay

PATIENCE = 30.0
DEAF = 4.0  # a replica that has heard nothing for 10 s (ten times down_after) is not promoted


def killed(day: "GameDay") -> None:
    """A primary dies, and comes back as a replica."""
    victim = day.chance.choice(day.lab.primaries)
    day.lab.kill(victim)
    try:
        replaced(day.lab, victim)
    finally:
        day.lab.restart(victim)
    day.lab.wait_healthy(PATIENCE)


def frozen(day: "GameDay") -> None:
    """A primary stands still until it is replaced, then goes on as if nothing had been."""
    victim = day.chance.choice(day.lab.primaries)
    day.lab.pause(victim)
    try:
        replaced(day.lab, victim)
    finally:
        day.lab.resume(victim)
    day.lab.wait_healthy(PATIENCE)


def behind(day: "GameDay") -> None:
    """The replicas of a primary lose their link to it, the desks go on; then the primary dies."""
    victim = day.chance.choice(day.lab.primaries)
    try:
        deafen(day.lab, victim)
        _sell_on(day, 8)
        day.lab.kill(victim)
        replaced(day.lab, victim)
    finally:
        day.lab.restart(victim)
    day.lab.wait_healthy(PATIENCE)


def orphaned(day: "GameDay") -> None:
    """A projector is killed while it has bookings in its hands."""
    day.crew.kill_at_work("A", day.boards)
    day.crew.start("A")


def forgotten(day: "GameDay") -> None:
    """All that is cached is gone."""
    for board in day.boards:
        board.forget()
    day.calm(8)


FAULTS = {
    "a primary is killed": killed,
    "a primary is frozen": frozen,
    "replicas fall behind, the primary dies": behind,
    "a projector is killed at work": orphaned,
    "the cache is emptied": forgotten,
}


def deafen(lab: Topology, primary: Node) -> None:
    """Cut its replicas' links to it, until it is started again; all else goes on."""
    for replica in lab.replicas:
        if replica.primary_address == primary.internal_address:
            primary.tell("ACL", "SETUSER", f"{PEER}{replica.name}", "off")
            primary.tell("CLIENT", "KILL", "USER", f"{PEER}{replica.name}")


def replaced(lab: Topology, victim: Node) -> None:
    """Wait until that node is no primary any more, and another is."""

    def still() -> str:
        with contextlib.suppress(LabUnavailable):
            return f"{victim.name} is a primary" if victim in lab.primaries else ""
        return "no primary"

    wait_until(still, PATIENCE, f"{victim.name} is replaced")


def _sell_on(day: "GameDay", calls: int) -> None:
    """Until each desk has had so many more calls, however late it is with them, or DEAF is over."""
    wanted = [desk.calls + calls for desk in day.desks]
    deadline = time.monotonic() + DEAF

    def missing() -> str:
        there = all(desk.calls >= n for n, desk in zip(wanted, day.desks, strict=True))
        return "" if there or time.monotonic() > deadline else "the desks are at it"

    wait_until(missing, PATIENCE, "calls")
