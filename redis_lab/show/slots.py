"""The slot map of a cluster: 64 rows of 256 squares, who owns them or what weighs on them."""

from itertools import groupby
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from redis_lab import observe
from redis_lab.show.style import (
    DOWN,
    INK,
    figure,
    headline,
    line,
    room_at_right,
    style,
    text_width,
)

ROWS, ACROSS = 64, 256
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LEAST = 3 * ACROSS  # slots in a row of one owner that have room for its letter


def slots(
    of: Any, ax: Axes | None = None, *, by: str | None = None, title: str | None = None
) -> Axes:
    """Draw who owns each hash slot: a colour and a letter for each owner, migrating ones hatched.

    of: a Topology of a cluster, or the table that observe.slots made of one. by: a column of the
    table with numbers, such as "keys": squares are then the darker the higher, on a log scale, 0
    white, and a ring marks the highest. title: the finding; by default how many slots each has.
    Raises ValueError for a table that has not 16,384 rows, or no such column.
    """
    table = of if isinstance(of, pd.DataFrame) else observe.slots(of)
    if len(table) != ROWS * ACROSS:
        raise ValueError(f"of: {ROWS * ACROSS:,} slots, not {len(table):,}")
    if by is not None and by not in table:
        raise ValueError(f"by: one of {', '.join(table.columns)}, not {by!r}")
    owners = [str(name) for name in dict.fromkeys(table.node) if name]
    counts = table.node.value_counts()
    finding = title or f"{len(owners)} owners: " + ", ".join(f"{counts[o]:,}" for o in owners)
    with style():
        ax = ax or figure(finding, margin=1.15)
        labels = _labels(table, owners, by)
        room_at_right(ax, 0.25 + max(map(text_width, labels)))
        if by is None:
            _draw_owners(ax, table, owners)
        else:
            _draw_numbers(ax, table[by].astype(float).fillna(0).to_numpy())
        _draw_borders(ax, table, owners)
        _hatch(ax, table.index[table.to != ""])
        step = line() / (ax.get_window_extent().height / ax.figure.dpi)
        for at, label in enumerate(labels):
            ax.text(1.02, 1 - (at + 0.5) * step * 1.2, label, transform=ax.transAxes, va="center")
        ax.set_xlim(0, ACROSS)
        ax.set_ylim(ROWS, 0)
        ax.set_yticks(range(0, ROWS + 1, 16), [f"{row * ACROSS:,}" for row in range(0, 65, 16)])
        ax.set_xticks([0, 64, 128, 192, 256])
        ax.set_ylabel("first slot of the row")
        ax.set_xlabel("slot in its row")
        ax.grid(visible=False)
        headline(ax, finding)
    return ax


def _labels(table: pd.DataFrame, owners: list[str], by: str | None) -> list[str]:
    """What stands beside the map, a line each."""
    labels = []
    for letter, name in zip(LETTERS, owners, strict=False):
        mine = table[table.node == name]
        told = f"{len(mine):,} slots" if by is None else f"{mine[by].sum():,} {by}"
        labels.append(f"{letter} {name}: {told}")
    if by is not None and table[by].sum():
        labels.append(f"○ slot {table[by].idxmax():,}: {table[by].max():,} {by}")
    if without := int((table.node == "").sum()):
        labels.append(f"no owner: {without:,} slots")
    ways = table[table.to != ""].groupby("to")
    return labels + [f"//// {len(some):,} slots move to {name}" for name, some in ways]


def _draw_owners(ax: Axes, table: pd.DataFrame, owners: list[str]) -> None:
    numbers = table.node.map({name: at for at, name in enumerate(owners)})
    shades = mpl.colormaps["cividis"](np.linspace(0.25, 0.95, max(len(owners), 2)))
    ax.pcolormesh(
        np.ma.masked_invalid(numbers.to_numpy(dtype=float).reshape(ROWS, ACROSS)),
        cmap=mpl.colors.ListedColormap(shades).with_extremes(bad=DOWN),
        vmin=-0.5,
        vmax=max(len(owners), 2) - 0.5,
    )


def _draw_numbers(ax: Axes, values: np.ndarray) -> None:
    most = max(values.max(), 1)
    if values.any():
        row, column = divmod(int(values.argmax()), ACROSS)
        ax.plot(column + 0.5, row + 0.5, "o", ms=14, mfc="none", mec=INK, mew=2)
    ax.pcolormesh(
        np.ma.masked_less_equal(values, 0).reshape(ROWS, ACROSS),
        cmap=mpl.colormaps["cividis_r"].with_extremes(bad="white"),
        norm=LogNorm(min(values[values > 0], default=1) * 0.9, most * 1.1),
    )


def _draw_borders(ax: Axes, table: pd.DataFrame, owners: list[str]) -> None:
    """A line where the owner changes, and its letter in each long run of its slots."""
    for name, run in groupby(table.index, key=lambda slot: table.node[slot]):
        members = list(run)
        row, column = divmod(members[0], ACROSS)
        if members[0]:
            ax.plot([0, column, column, ACROSS], [row + 1, row + 1, row, row], color=INK, lw=1.5)
        if name in owners and len(members) >= LEAST:
            middle = (members[0] + members[-1]) / 2 / ACROSS
            ax.text(
                ACROSS / 2, middle + 0.5, LETTERS[owners.index(str(name))], ha="center",
                va="center", color=INK, weight="bold",
                bbox={"boxstyle": "round", "facecolor": "white", "edgecolor": "none"},
            )  # fmt: skip


def _hatch(ax: Axes, going: pd.Index) -> None:
    for row, slots_of_row in groupby(going, key=lambda slot: slot // ACROSS):
        columns = [slot % ACROSS for slot in slots_of_row]
        for first, last in _runs(columns):
            ax.fill_between(
                [first, last + 1], row, row + 1, facecolor="none", hatch="////", edgecolor="white",
                linewidth=0,
            )  # fmt: skip


def _runs(numbers: list[int]) -> list[tuple[int, int]]:
    """First and last of each stretch without a gap."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs
