"""A stream and its groups at this moment: what is done, who holds what, what waits."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from redis_lab.observe import deliveries
from redis_lab.show.style import (
    DOWN,
    ERROR,
    INK,
    PRIMARY,
    REPLICA,
    duration,
    figure,
    headline,
    room_at_right,
    style,
    text_width,
)

_COLOURS = {
    "done": REPLICA,
    "pending": PRIMARY,
    "again": ERROR,
    "waiting": "white",
    "deleted": DOWN,
}


def stream(
    client: Any, key: str, *, last: int = 40, title: str = "", ax: Axes | None = None
) -> Axes:
    """A row for each group of a stream, and below it one for each consumer that holds something.

    A cell for each of the newest `last` entries, oldest at the left: done, pending (the number in
    it: deliveries, if there was more than one), waiting, or pending but deleted from the stream.
    title: the finding; by default how many of these entries are pending and how many wait, in the
    group that is furthest behind. Asked by observe.deliveries.
    Raises ValueError for a key that is no stream, or for a stream without a group or an entry.
    """
    table = deliveries(client, key, last)
    if table.empty:
        raise ValueError(f"key: {key!r} has no group, or no entry")
    rows = _rows(table)
    entries = sorted(set(table.entry), key=lambda entry: [int(part) for part in entry.split("-")])
    with style():
        names = [consumer or f"group {group}" for group, consumer in rows]
        sides = [_said(table, *row) for row in rows]
        finding = title or _finding(table)
        ax = ax or figure(
            finding, 0.35 + max(map(text_width, names)), lines=1.7 * len(rows), least=2.2
        )
        room_at_right(ax, 0.25 + max(map(text_width, sides)))
        for down, (row, side) in enumerate(zip(rows, sides, strict=True)):
            _draw(ax, down, row, table, entries)
            ax.annotate(
                side, (1, down + 0.5), xycoords=("axes fraction", "data"), xytext=(8, 0),
                textcoords="offset points", va="center", color=INK,
            )  # fmt: skip
        ax.set_xlim(0, len(entries))
        ax.set_ylim(len(rows), 0)
        ax.set_yticks([down + 0.5 for down in range(len(rows))], names)
        ax.set_xticks([])
        ax.tick_params(axis="y", length=0)
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
        ax.set_xlabel(f"entries {entries[0]} to {entries[-1]}")
        headline(ax, finding)
    return ax


def _rows(table: pd.DataFrame) -> list[tuple[str, str]]:
    """(group, "") and below it (group, consumer) for each that holds something."""
    rows = []
    for group, seen in table.groupby("group", sort=False):
        rows += [
            (str(group), ""),
            *((str(group), name) for name in sorted(set(seen.consumer) - {""})),
        ]
    return rows


def _finding(table: pd.DataFrame) -> str:
    states = table.groupby("group").state.value_counts().unstack(fill_value=0)
    states = states.reindex(columns=["pending", "waiting", "deleted"], fill_value=0)
    behind = states.assign(all=states.sum(axis=1)).sort_values("all").iloc[-1]
    entries = table.entry.nunique()
    held = f"{behind.pending + behind.deleted:,} are pending, {behind.waiting:,} wait"
    return f"Of {entries:,} entries {held} in group {behind.name}"


def _said(table: pd.DataFrame, group: str, consumer: str) -> str:
    """What stands at the right of a row."""
    seen = table[(table.group == group) & (table.consumer == consumer)]
    if not consumer:
        return f"{(seen.state == 'waiting').sum():,} waiting"
    return f"{len(seen):,} held, {duration(seen.idle_s.max())}"


def _draw(
    ax: Axes, down: int, row: tuple[str, str], table: pd.DataFrame, entries: list[str]
) -> None:
    group, consumer = row
    seen = table[table.group == group].set_index("entry")
    mine = seen[seen.consumer == consumer] if consumer else seen[seen.consumer == ""]
    for entry, one in mine.iterrows():
        across = entries.index(str(entry))
        again = one.deliveries > 1 and one.state == "pending"
        cell = Rectangle(
            (across + 0.06, down + 0.12), 0.88, 0.76, linewidth=0 if one.state != "waiting" else 1,
            facecolor=_COLOURS["again" if again else one.state], edgecolor=DOWN,
        )  # fmt: skip
        ax.add_patch(cell)
        if again:
            ax.text(
                across + 0.5, down + 0.5, f"{one.deliveries}", ha="center", va="center_baseline",
                color="white", weight="bold",
            )  # fmt: skip
