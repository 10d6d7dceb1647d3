"""Measured numbers against a size: memory, throughput, any curve, each labelled at its end."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from redis_lab.show.style import (
    DOWN,
    INK,
    PRIMARY,
    figure,
    headline,
    inches,
    line,
    room_at_right,
    style,
    text_width,
)

# Error's red and success's green keep their meaning: these are neither.
COLOURS = (PRIMARY, "#C77700", "#A6467E", "#222222", "#7A7A7A")
MARKERS = ("o", "s", "^", "D", "v")
ENDS_EARLY = 0.8  # of the width: such a line has its name beside its last point


def curves(
    frame: pd.DataFrame,
    x: str,
    y: str,
    *,
    title: str,
    thresholds: Mapping[float, str] | None = None,
    log: str = "x",
    ax: Axes | None = None,
) -> Axes:
    """A line for each column over the index, its name at its end.

    x, y: quantity and unit of the axes. title: the finding. thresholds: words at places of the x
    axis where something changes. log: the axes that are logarithmic: "", "x", "y" or "xy".
    Missing numbers are left out. Raises ValueError for no columns, more than five, or no numbers.
    """
    numbers = frame.astype(float).sort_index()
    if not 1 <= len(numbers.columns) <= len(COLOURS) or not numbers.notna().any(axis=0).all():
        raise ValueError(f"frame: 1 to {len(COLOURS)} columns, each with a number")
    names = [str(name) for name in numbers.columns]
    with style():
        ax = ax or figure(title)
        ax.set_xscale("log" if "x" in log else "linear")
        ax.set_yscale("log" if "y" in log else "linear")
        for name, colour, marker in zip(names, COLOURS, MARKERS, strict=False):
            known = numbers.iloc[:, names.index(name)].dropna()
            ax.plot(known.index, known, color=colour, marker=marker, linewidth=2.2, label=name)
        for place, word in (thresholds or {}).items():
            ax.axvline(place, color=DOWN, linestyle="--", linewidth=1.4, zorder=0)
            ax.annotate(
                word, (place, 1), xycoords=("data", "axes fraction"), xytext=(5, -4),
                textcoords="offset points", va="top", color=INK,
            )  # fmt: skip
        ax.margins(y=0.14 if thresholds else 0.05)
        ax.autoscale_view()
        if "y" not in log:
            ax.set_ylim(bottom=0)
        for axis, scale in ((ax.xaxis, "x" in log), (ax.yaxis, "y" in log)):
            axis.set_major_formatter(FuncFormatter(_counted))
            if scale:
                low, high = axis.get_view_interval()
                steps = (1.0,) if high / low > 100 else (1.0, 2.0, 5.0)
                axis.set_major_locator(LogLocator(10, subs=steps))
                axis.set_minor_locator(NullLocator())
        ax.set_xlabel(x)
        ax.set_ylabel(y)
        _label_ends(ax, names)
        headline(ax, title)
    return ax


def memory(
    frame: pd.DataFrame,
    *,
    title: str,
    thresholds: Mapping[float, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Bytes per item (columns: ways to store them) against the number of items (index)."""
    return curves(frame, "items", "bytes per item", title=title, thresholds=thresholds, ax=ax)


def throughput(
    frame: pd.DataFrame,
    x: str = "commands in a pipeline",
    *,
    title: str,
    thresholds: Mapping[float, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Operations a second (columns: ways to do them) against x (index)."""
    y = "operations a second"
    return curves(frame, x, y, title=title, thresholds=thresholds, log="xy", ax=ax)


def _label_ends(ax: Axes, names: list[str]) -> None:
    """Names beside the last points, moved apart where they would cover each other."""
    room = max(map(text_width, names)) + 0.2
    height = inches(ax)[1]
    room_at_right(ax, room)
    ends: list[tuple[float, float, str, Any]] = []
    for drawn in ax.get_lines()[: len(names)]:
        last: Any = np.asarray(drawn.get_xydata())[-1]
        x, y = ax.transAxes.inverted().transform(ax.transData.transform(last))
        ends.append((float(y), float(x), str(drawn.get_label()), drawn.get_color()))
    step, heights = line() / height, list[float]()
    for end, *_ in sorted(ends):
        heights.append(max(end, heights[-1] + step) if heights else end)
    highest = 1.0  # and down again: none stands above the axes
    for number in reversed(range(len(heights))):
        heights[number] = min(heights[number], highest)
        highest = heights[number] - step
    for y, (_, x, name, colour) in zip(heights, sorted(ends), strict=True):
        beside = x if x < ENDS_EARLY else 1.0
        ax.annotate(
            name, (beside, y), xycoords="axes fraction", xytext=(8, 0),
            textcoords="offset points", va="center", color=colour, weight="bold",
        )  # fmt: skip


def _counted(value: float, _: int = 0) -> str:
    """1,000 as a person reads it, 10⁶ as 1 M."""
    for size, unit in ((1e9, " G"), (1e6, " M")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 100 else f"{value:.3g}"
