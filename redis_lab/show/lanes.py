"""What happened to each node of a lab, as spans of time: the bars of a timeline."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

BREAKS = ("kill", "pause", "partition", "failover")
FAULTS = (*BREAKS, "resume", "restart", "heal")
_TOLD = {"+promoted-slave": "primary", "+convert-to-slave": "replica"}
_SHOWN = ("+switch-master", "+sdown", "+odown", "+convert-to-slave")  # the most important first


@dataclass(frozen=True)
class Span:
    """A node from `start` to `end` (unix seconds): its role, and what had been done to it."""

    start: float
    end: float
    role: str
    down: bool = False
    paused: bool = False
    cut_off: bool = False

    @property
    def word(self) -> str:
        if self.down:
            return "down"
        state = "paused" if self.paused else "cut off" if self.cut_off else ""
        return f"{self.role}, {state}" if state else self.role


@dataclass(frozen=True)
class Seen:
    """A lab as the figure found it. Asked once: a Topology asks its servers each time.

    roles: of the data nodes, by name; names: of the data nodes, by "host port"; events: by time.
    """

    roles: dict[str, str]
    names: dict[str, str]
    events: list[Any]


def look(lab: Any) -> Seen:
    # Events first: a Topology that is asked for them notes the roles that have changed.
    events = sorted(lab.events, key=lambda event: event.at)
    roles = {node.name: node.role for node in lab.nodes}
    nodes = [node for node in lab.nodes if roles[node.name] != "sentinel"]
    names = {
        f"{getattr(node, host, '')} {getattr(node, port, '')}": node.name
        for host, port in (("host", "port"), ("internal_host", "internal_port"))
        for node in nodes
    }
    return Seen({node.name: roles[node.name] for node in nodes}, names, events)


def spans(seen: Seen, end: float) -> dict[str, list[Span]]:
    """The spans of each data node up to `end`, in order.

    A lab notes a role when it looks; when a Sentinel told of the change earlier, its time is taken.
    """
    lanes: dict[str, list[Span]] = {}
    events = sorted([*seen.events, *_roles_told(seen)], key=lambda event: event.at)
    for name, role in seen.roles.items():
        now = Span(float("-inf"), end, role)
        lane = []
        for event in events:
            changed = _after(event, now) if event.node in (name, "") else now
            if changed != now:
                lane.append(replace(now, end=event.at))
                now = replace(changed, start=event.at)
        lanes[name] = [span for span in (*lane, now) if span.start < span.end]
    return lanes


def _after(event: Any, now: Span) -> Span:
    match event.kind:
        case "start" | "role":
            return replace(now, role=event.detail)
        case "kill":
            return replace(now, down=True, paused=False)
        case "restart":
            return replace(now, down=False, paused=False)
        case "pause" | "resume":
            return replace(now, paused=event.kind == "pause")
        case "partition" | "heal":
            return replace(now, cut_off=event.kind == "partition")
    return now


@dataclass(frozen=True)
class _Told:
    at: float
    node: str
    detail: str
    kind: str = "role"


def _roles_told(seen: Seen) -> Iterable[_Told]:
    """Role changes as Sentinels log them: "+promoted-slave slave host:port host port @ …"."""
    for event in seen.events:
        words = event.detail.split()
        if event.kind == "sentinel" and words and words[0] in _TOLD:
            name = seen.names.get(" ".join(words[3:5]))
            if name:
                yield _Told(event.at, name, _TOLD[words[0]])


def sentinel_marks(seen: Seen, since: float, most: int = 5) -> list[tuple[float, str]]:
    """When Sentinels first said something that matters after each fault, as (time, word)."""
    marks: list[tuple[float, str]] = []
    said: set[str] = set()
    for event in seen.events:
        if event.kind in BREAKS:
            said.clear()
        words = event.detail.split()
        if event.kind != "sentinel" or event.at < since or words[:1] == []:
            continue
        about_primary = words[0] not in ("+sdown", "+odown") or words[1:2] == ["master"]
        if words[0] in _SHOWN and about_primary and words[0] not in said:
            said.add(words[0])
            marks.append((event.at, words[0]))
    marks.sort(key=lambda mark: _SHOWN.index(mark[1]))
    return sorted(marks[:most])
