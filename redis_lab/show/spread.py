"""Many runs of one measurement: a dot for each run, beside the error that was promised."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from redis_lab.show.curves import COLOURS
from redis_lab.show.style import (
    INK,
    PRIMARY,
    REPLICA,
    figure,
    headline,
    inches,
    line,
    room_at_right,
    style,
    text_width,
)

WIDE = 0.3  # of the way to the next column: how far the dots of one column are strewn
FEW = 20  # runs of a column that are counted rather than given as a percentage


def spread(
    runs: pd.Series,
    x: str,
    y: str,
    *,
    title: str,
    promised: float,
    ax: Axes | None = None,
) -> Axes:
    """A dot for each run, in a column for each size; a band from -promised to +promised.

    runs: what was measured (values) at a size (index, above 0; many runs of a size are many rows).
    x, y: quantity and unit of size and measurement. title: the finding. Runs outside the band are
    drawn as another mark, their share (of few runs, their number) is written above the column.
    Dots are strewn sideways so that equal ones don't hide each other; their heights are as
    measured. The x axis is logarithmic.
    Raises ValueError for no run, a missing number, a size that is not above 0, or a promise of
    nothing.
    """
    sizes = np.asarray(runs.index, dtype=float)
    values = runs.to_numpy(dtype=float)
    if not len(runs) or np.isnan(values).any() or not (sizes > 0).all():
        raise ValueError("runs: one or more numbers, each at a size above 0")
    if not promised > 0:
        raise ValueError(f"promised: a width above 0, not {promised}")
    columns = np.unique(sizes)
    steps = np.diff(np.log10(columns))
    width = WIDE * (steps.min() if len(steps) else 1.0)
    places = sizes * 10 ** (width * np.random.default_rng(0).uniform(-1, 1, len(sizes)))
    outside = np.abs(values) > promised
    with style():
        ax = ax or figure(title)
        ax.set_xscale("log")
        ax.set_xlim(columns[0] / 10 ** (2.5 * width), columns[-1] * 10 ** (2.5 * width))
        ax.axhspan(-promised, promised, color=REPLICA, alpha=0.35, linewidth=0, zorder=0)
        for those, mark, colour in ((~outside, "o", PRIMARY), (outside, "^", COLOURS[1])):
            ax.scatter(
                places[those], values[those], s=16, marker=mark, color=colour, alpha=0.7,
                linewidths=0,
            )  # fmt: skip
        highest = max(np.abs(values).max(), promised)
        ax.set_ylim(-1.08 * highest, 1.08 * highest + 2.4 * highest * line() / inches(ax)[1])
        for size in columns:
            here = outside[sizes == size]
            share = f"{100 * here.mean():.0f} %"
            ax.annotate(
                share if len(here) >= FEW else f"{here.sum()} of {len(here)}", (size, 1),
                xycoords=("data", "axes fraction"),
                ha="center", va="top", color=COLOURS[1], weight="bold",
            )  # fmt: skip
        ax.xaxis.set_major_locator(FixedLocator(columns.tolist()))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(_size))
        ax.yaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
        ax.set_xlabel(x)
        ax.set_ylabel(y)
        _label_band(ax, promised)
        headline(ax, title)
    return ax


def _label_band(ax: Axes, promised: float) -> None:
    """The band's width and the meaning of the shares, in the margin at the right."""
    words = {f"± {promised:g}": 0.0, "outside": None}
    room = max(map(text_width, words)) + 0.35
    room_at_right(ax, room)
    for word, height in words.items():
        at_top = height is None
        ax.annotate(
            word, (1, 1 if height is None else height),
            xycoords=("axes fraction", "axes fraction" if at_top else "data"),
            xytext=(8, 0), textcoords="offset points", va="top" if at_top else "center",
            color=COLOURS[1] if at_top else INK, weight="bold",
        )  # fmt: skip


def _size(value: float, _: int = 0) -> str:
    """1,000 as a person reads it, 10⁶ as 1 M."""
    return f"{value / 1e6:g} M" if value >= 1e6 else f"{value:,.0f}" if value >= 1 else f"{value:g}"
