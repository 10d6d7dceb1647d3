"""Ways down, qualities across, a number in each cell: what one choice gains and gives up."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from redis_lab.show.style import DOWN, INK, figure, headline, style, text_width

WORST = 1000  # times the best of its column: from there on a cell is as dark as it gets


def grid(
    table: pd.DataFrame,
    *,
    title: str,
    missing: str = "can't",
    ax: Axes | None = None,
) -> Axes:
    """A cell for each row and column with its number; where there is none, the word `missing`.

    title: the finding. The least of a column is its best and light, the others are darker by how
    many times as much they are, beside a zero ten times at least: columns may have different units,
    which belong into their names (a line break folds a long one). Raises ValueError for an empty
    table, a negative number, or a column without any number.
    """
    numbers = table.astype(float)
    if numbers.empty or (numbers < 0).any(axis=None) or numbers.isna().all().any():
        raise ValueError("table: in each column one number or more, none negative")
    heads = [str(name) for name in numbers.columns]
    lines = max(head.count("\n") + 1 for head in heads)
    with style():
        margin = 0.35 + max(text_width(str(name)) for name in numbers.index)
        ax = ax or figure(title, margin=margin, lines=2.2 * (len(numbers) + 0.6 * lines), least=2.2)
        ax.set_xlim(0, len(heads))
        ax.set_ylim(len(numbers), -0.62 * lines)
        for across, head in enumerate(heads):
            ax.text(across + 0.5, -0.12, head, ha="center", va="bottom", linespacing=1.1)
            for down, value in enumerate(numbers.iloc[:, across]):
                _draw_cell(ax, across, down, value, _times(value, numbers.iloc[:, across]), missing)
        ax.set_yticks(np.arange(len(numbers)) + 0.5, [str(name) for name in numbers.index])
        ax.set_xticks([])
        ax.tick_params(axis="y", length=0)
        ax.spines[:].set_visible(False)
        ax.set_xlabel("light: the least of its column; dark: 1,000 times as much, or more")
        headline(ax, title)
    return ax


def _times(value: float, column: pd.Series) -> float:
    """How many times the least of its column a number is; beside a zero, the least above is 10."""
    above = column[column > 0]
    if value == 0 or not len(above):
        return 1.0
    return value / above.min() * (10.0 if (column == 0).any() else 1.0)


def _draw_cell(ax: Axes, across: int, down: int, value: float, times: float, missing: str) -> None:
    known = not np.isnan(value)
    depth = min(np.log10(times) / np.log10(WORST), 1) if known else 0.0
    colour = mpl.colormaps["cividis_r"](0.12 + 0.82 * depth) if known else "white"
    box = Rectangle(
        (across + 0.03, down + 0.05), 0.94, 0.9, facecolor=colour, linewidth=0,
        hatch=None if known else "///", edgecolor=DOWN,
    )  # fmt: skip
    ax.add_patch(box)
    text = ax.text(
        across + 0.5, down + 0.5, _number(value) if known else missing, ha="center",
        va="center_baseline", color="white" if depth > 0.45 else INK,
    )  # fmt: skip
    if not known:
        text.set_bbox({"facecolor": "white", "linewidth": 0, "pad": 1.5})


def _number(value: float) -> str:
    """Three digits are read at a glance: 12,345, 123, 12.3, 0.06."""
    return f"{value:,.0f}" if value >= 100 or value == 0 else f"{value:.3g}"
