"""A lab as a drawing: its nodes with their roles and states, replication as arrows."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from redis_lab.show.style import DOWN, INK, PRIMARY, REPLICA, figure, headline, inches, line, style

_FLOORS = ("sentinel", "primary", "replica")  # from above
_APART, _HIGH, _RISE = 8.5, 3.7, 6.2  # in lines of text: centre to centre, card, floor to floor

Place = tuple[float, float]


def topology(lab: Any, ax: Axes | None = None) -> Axes:
    """Draw the nodes of `lab` as they are now: Sentinels above, primaries, replicas below.

    lab: a Topology, or anything with shape and nodes (name, role, alive, port). An arrow is the
    stream of writes from a primary to a replica, drawn where the node's primary is known
    (primary_name or primary_address) or can only be one; dashes are what Sentinels watch, none
    across a partition.
    """
    nodes = list(lab.nodes)
    roles = {node.name: node.role for node in nodes}
    states = {node.name: _state(node) for node in nodes}
    links = _links(nodes, roles, states)
    floors = [role for role in _FLOORS if role in roles.values()]
    with style():
        finding = _finding(lab, roles, states)
        if ax is None:
            ax = figure(finding, margin=0.2, lines=_RISE * len(floors) - 2, least=2.2)
            ax.figure.subplots_adjust(bottom=0.04, right=1 - 0.2 / 8)
        width, height = inches(ax)
        widest = max(list(roles.values()).count(role) for role in floors)
        apart = min(_APART * line(), width / widest)
        rise = min(_RISE * line(), height / len(floors))
        places = _places(nodes, roles, links, floors, apart, rise)
        size = (apart * 0.87, min(_HIGH * line(), rise * 0.8))
        for replica, primary in links.items():
            flows = states[replica] == states[primary] == "up"
            _arrow(ax, places[primary], places[replica], size[1] / 2, flows)
        up = [name for name in roles if states[name] != "down"]
        for sentinel in (name for name in up if roles[name] == "sentinel"):
            for primary in (name for name in up if roles[name] == "primary"):
                if (states[sentinel] == "cut off") != (states[primary] == "cut off"):
                    continue  # on two sides of a partition
                _watch(ax, places[sentinel], places[primary], size[1] / 2)
        for node in nodes:
            _card(ax, places[node.name], size, node, roles[node.name], states[node.name])
        ax.set_xlim(-width / 2, width / 2)
        ax.set_ylim(-height / 2, height / 2)
        ax.set_axis_off()
        headline(ax, finding)
    return ax


def _state(node: Any) -> str:
    """ "up", "down", "paused" or "cut off"."""
    return str(getattr(node, "state", "up")) if node.alive else "down"


def _links(nodes: list[Any], roles: dict[str, str], states: dict[str, str]) -> dict[str, str]:
    """The primary of each replica, by name, as far as it is known."""
    primaries = [name for name in roles if roles[name] == "primary" and states[name] != "down"]
    only = primaries[0] if len(primaries) == 1 else None
    addresses = {getattr(node, "internal_address", node.name): node.name for node in nodes}
    links = {}
    for node in nodes:
        told = addresses.get(getattr(node, "primary_address", None))
        primary = getattr(node, "primary_name", None) or told or only
        if roles[node.name] == "replica" and primary in roles:
            links[node.name] = primary
    return links


def _places(
    nodes: list[Any],
    roles: dict[str, str],
    links: dict[str, str],
    floors: list[str],
    apart: float,
    rise: float,
) -> dict[str, Place]:
    """Centres in inches: a floor for each role, replicas in the order of their primaries."""
    places: dict[str, Place] = {}
    for floor, role in enumerate(floors):
        row = [node.name for node in nodes if roles[node.name] == role]
        if role == "replica":
            row.sort(key=lambda name: places[links[name]][0] if links.get(name) in places else 99)
        for at, name in enumerate(row):
            places[name] = (
                (at - (len(row) - 1) / 2) * apart,
                ((len(floors) - 1) / 2 - floor) * rise,
            )
    return places


def _card(ax: Axes, place: Place, size: Place, node: Any, role: str, state: str) -> None:
    (x, y), (wide, high) = place, size
    face = {"primary": PRIMARY, "replica": REPLICA}.get(role, "white")
    face = DOWN if state in ("down", "paused") else face
    ink = "white" if face == PRIMARY else INK
    ax.add_patch(
        FancyBboxPatch(
            (x - wide / 2, y - high / 2), wide, high, boxstyle="round,pad=0,rounding_size=0.1",
            facecolor=face, edgecolor=INK if face == "white" or state != "up" else face,
            linewidth=1.8, linestyle="-" if state == "up" else "--", zorder=3,
        )
    )  # fmt: skip
    words = (node.name, role if state == "up" else f"{role}, {state}", f"port {node.port}")
    for at, word in enumerate(words):
        ax.text(
            x, y + (1 - at) * high * 0.29, word, color=ink, ha="center", va="center_baseline",
            weight="normal" if at else "bold", zorder=4,
        )  # fmt: skip


def _arrow(ax: Axes, start: Place, end: Place, half: float, up: bool) -> None:
    """Replication, from the primary's lower edge to the replica's upper one; dotted when broken."""
    if start[1] <= end[1]:  # a replica of a replica stands on the same floor: no room for an arrow
        return
    arrow = FancyArrowPatch(
        (start[0], start[1] - half), (end[0], end[1] + half + 0.02),
        arrowstyle="-|>", mutation_scale=20, linewidth=2.2, shrinkA=0, shrinkB=0, zorder=2,
        color=INK if up else "#888888", linestyle="-" if up else ":",
    )  # fmt: skip
    ax.add_patch(arrow)


def _watch(ax: Axes, start: Place, end: Place, half: float) -> None:
    xs, ys = [start[0], end[0]], [start[1] - half, end[1] + half]
    ax.plot(xs, ys, "--", color="#777777", linewidth=1.3, zorder=1)


def _finding(lab: Any, roles: dict[str, str], states: dict[str, str]) -> str:
    """What there is and who leads it: "redis-2 is the primary of 1 replica, …; redis-1 is down"."""
    here = [name for name in roles if states[name] != "down"]
    by_role = {role: [name for name in here if roles[name] == role] for role in _FLOORS}
    primaries, replicas, sentinels = by_role["primary"], by_role["replica"], by_role["sentinel"]
    if len(primaries) == 1:
        told = f"{primaries[0]} is the primary"
        told += f" of {_count(len(replicas), 'replica')}" if replicas else ""
    else:
        told = f"{len(primaries) or 'no'} primaries, {_count(len(replicas), 'replica')}"
    told += f", watched by {_count(len(sentinels), 'Sentinel')}" if sentinels else ""
    for state in ("down", "paused", "cut off"):
        names = [name for name in roles if states[name] == state]
        if names:
            told += f"; {' and '.join(names)} {'is' if len(names) == 1 else 'are'} {state}"
    return f"{lab.shape.capitalize()}: {told}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
