"""What happened to a topology, with the time of day at which it did."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, pairwise
from math import inf
from operator import itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis_lab.lab.node import Node

# 4711:X 23 Nov 2026 01:28:21.079 # +sdown master mymaster 127.0.0.1 6401
_LINE = re.compile(r"^\d+:([MSX]) (\d+ \w+ \d+ [\d:.]+) . (.*)$", re.MULTILINE)
_NAMED = re.compile(r"[+-][\w-]+")
_ROLES = {"M": "primary", "S": "replica"}
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
LOG_LINES = 10_000
MOMENT = 0.05


@dataclass(frozen=True)
class LabEvent:
    """Something done to a node, or seen of it.

    at: seconds since 1970. kind: "start", "role" (a change that it logged; detail is the new role),
    the name of a fault ("kill", "pause", "resume", "restart", "partition", "heal", "failover"),
    "sentinel" (detail is what that Sentinel logged, such as "+sdown master …") or "stop".
    """

    at: float
    node: str
    kind: str
    detail: str = ""


def all_events(done: Sequence[LabEvent], nodes: Iterable["Node"]) -> list[LabEvent]:
    """What was done, and what the nodes logged since they were started, in order of time."""
    started = min((event.at for event in done if event.kind == "start"), default=0.0)
    logged = [event for node in nodes for event in logged_events(node) if event.at >= started]
    return sorted([*done, *logged], key=lambda event: event.at)


def logged_events(node: "Node") -> list[LabEvent]:
    """What a node logged of the group's life, to the millisecond.

    A Sentinel names its events; a data server marks each line by the role that it has.
    """
    lines = _LINE.findall(node.log(LOG_LINES))
    said = [(_seconds(at), text.strip()) for mark, at, text in lines if mark == "X"]
    named = [LabEvent(at, node.name, "sentinel", text) for at, text in said if _NAMED.match(text)]
    roles = [(_seconds(at), _ROLES[mark]) for mark, at, _ in lines if mark != "X"]
    return named + [LabEvent(at, node.name, "role", role) for at, role in _changes(roles)]


def _changes(roles: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """When each role began; one of a moment is a step on the way from a role to another."""
    began = [*_firsts(roles), (inf, "")]
    lasting = [now for now, then in pairwise(began) if then[0] - now[0] > MOMENT]
    return _firsts(lasting)


def _firsts(roles: list[tuple[float, str]]) -> list[tuple[float, str]]:
    return [next(run) for _, run in groupby(roles, key=itemgetter(1))]


def _seconds(logged: str) -> float:
    # Redis writes English names of months, whatever the locale here makes of %b.
    day, month, rest = logged.split(" ", 2)
    number = MONTHS.index(month) + 1
    return datetime.strptime(f"{day} {number} {rest}", "%d %m %Y %H:%M:%S.%f").timestamp()
