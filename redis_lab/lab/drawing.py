"""A topology as a small HTML drawing: a card for each node, replicas under their primary."""

from html import escape
from typing import TYPE_CHECKING

from redis_lab.lab.node import Node

if TYPE_CHECKING:
    from redis_lab.lab.topology import Topology

# background, border, text: the colours that the figures give to the same roles
COLOURS = {
    "primary": ("#0072B2", "#0072B2", "#ffffff"),
    "replica": ("#d6ebf8", "#56B4E9", "#1a1a1a"),
    "sentinel": ("#ffffff", "#888888", "#1a1a1a"),
    "down": ("#e3e3e3", "#9a9a9a", "#555555"),
}
CARD = (
    "display:inline-block;min-width:104px;margin:3px;padding:5px 10px;border-radius:6px;"
    "border:2px {line} {border};background:{back};color:{ink};font:13px/1.35 sans-serif"
)


def as_html(lab: "Topology") -> str:
    """Primaries in a row, each with its replicas below; Sentinels in a row of their own."""
    head = f"{lab.shape} lab · {lab.server.name} {lab.server_version}"
    if lab.stopped:
        return f"<div><b>{escape(head)}</b> · stopped</div>"
    roles = {node: node.role for node in lab.data_nodes}
    columns = {node: [node] for node in lab.data_nodes if roles[node] == "primary"}
    by_address = {node.internal_address: node for node in columns}
    alone: list[Node] = []
    for node in lab.data_nodes:
        if roles[node] == "replica":
            primary = by_address.get(node.primary_address or node.internal_address)
            columns.get(primary, alone).append(node) if primary else alone.append(node)
    rows = [_column(nodes) for nodes in columns.values()]
    rows += [_column([node]) for node in alone]
    watchers = "".join(map(card, lab.sentinels))
    return (
        f"<div style='font:13px sans-serif'><b>{escape(head)}</b>"
        f"<div style='display:flex;gap:8px;flex-wrap:wrap'>{''.join(rows)}</div>"
        f"<div>{watchers}</div></div>"
    )


def card(node: Node) -> str:
    """One node: name, role, port, and its state where it isn't up."""
    state = node.state
    back, border, ink = COLOURS["down" if state == "down" else node.last_role]
    style = CARD.format(
        line="solid" if state == "up" else "dashed", border=border, back=back, ink=ink
    )
    role = node.last_role if state == "up" else f"{node.last_role}, {state}"
    return f"<div style='{style}'><b>{escape(node.name)}</b><br>{role}<br>port {node.port}</div>"


def _column(nodes: list[Node]) -> str:
    cards = "".join(f"<div>{card(node)}</div>" for node in nodes)
    return f"<div>{cards}</div>"
