"""What happened to a topology, with the time of day at which it did."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis_lab.lab.node import Node

# 4711:X 23 Nov 2026 01:28:21.079 # +sdown master mymaster 127.0.0.1 6401
_LOGGED = re.compile(r"^\d+:X (\d+ \w+ \d+ [\d:.]+) [#*] ([+-][\w-]+) ?(.*)$", re.MULTILINE)
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
LOG_LINES = 2000


@dataclass(frozen=True)
class LabEvent:
    """Something done to a node, or seen of it.

    at: seconds since 1970. kind: "start", "role" (a change that was seen; detail is the new role),
    the name of a fault ("kill", "pause", "resume", "restart", "partition", "heal", "failover"),
    "sentinel" (detail is what that Sentinel logged, such as "+sdown master …") or "stop".
    """

    at: float
    node: str
    kind: str
    detail: str = ""


def sentinel_events(sentinel: "Node") -> list[LabEvent]:
    """What a Sentinel logged of the group's life, to the millisecond."""
    return [
        LabEvent(_seconds(at), sentinel.name, "sentinel", f"{event} {what}".strip())
        for at, event, what in _LOGGED.findall(sentinel.log(LOG_LINES))
    ]


def _seconds(logged: str) -> float:
    # Redis writes English names of months, whatever the locale here makes of %b.
    day, month, rest = logged.split(" ", 2)
    number = MONTHS.index(month) + 1
    return datetime.strptime(f"{day} {number} {rest}", "%d %m %Y %H:%M:%S.%f").timestamp()
