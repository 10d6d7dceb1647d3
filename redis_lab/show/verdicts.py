"""What was tried down, who tried it across: a word in each cell, and colour where it is wrong."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from redis_lab.show.style import DOWN, ERROR, INK, figure, headline, style, text_width

PALE = ("#EEEEEE", "#D6E6F2")  # the second is the primary's blue at 16 %
WORDS = ("denied", "passes")


def verdicts(
    table: pd.DataFrame,
    *,
    title: str,
    wanted: pd.Series | pd.DataFrame | None = None,
    words: tuple[str, str] = WORDS,
    ax: Axes | None = None,
) -> Axes:
    """A cell for each row and column that says one of two words; dark where it should not.

    table: True and False; a line break folds a long head. wanted: what would be right, a value for
    each row, or a table like the other; without it nothing is wrong. words: for False and True.
    title: the finding. Raises ValueError for an empty table, or a `wanted` that has not its rows.
    """
    said = table.astype(bool)
    if said.empty:
        raise ValueError("table: one row and one column or more")
    right = _right(said, wanted)
    rows, heads = [str(name) for name in said.index], [str(name) for name in said.columns]
    above = 0.6 + 0.6 * max(head.count("\n") + 1 for head in heads)
    with style():
        margin = 0.35 + max(map(text_width, rows))
        ax = ax or figure(title, margin=margin, lines=1.25 * (len(rows) + above), least=2.2)
        ax.set_xlim(0, len(said.columns))
        ax.set_ylim(len(rows), -above)
        for across, head in enumerate(heads):
            ax.text(
                across + 0.5, -0.15, head, ha="center", va="bottom", weight="bold", linespacing=1.1
            )
            for down in range(len(rows)):
                passes = bool(said.iat[down, across])
                shade = PALE[passes] if right[down, across] else ERROR
                _draw_cell(ax, across, down, words[passes], shade)
        ax.set_yticks(np.arange(len(rows)) + 0.5, rows)
        ax.set_xticks([])
        ax.tick_params(axis="y", length=0)
        ax.spines[:].set_visible(False)
        if wanted is not None:
            ax.set_xlabel("dark: not as it should be")
        headline(ax, title)
    return ax


def _right(said: pd.DataFrame, wanted: pd.Series | pd.DataFrame | None) -> np.ndarray:
    if wanted is None:
        return np.ones(said.shape, dtype=bool)
    if list(wanted.index) != list(said.index):
        raise ValueError("wanted: the same rows as the table, in the same order")
    across = wanted.to_frame().to_numpy() if isinstance(wanted, pd.Series) else wanted.to_numpy()
    return said.to_numpy() == across.astype(bool)


def _draw_cell(ax: Axes, across: int, down: int, word: str, colour: str) -> None:
    right = colour != ERROR
    box = Rectangle(
        (across + 0.02, down + 0.05), 0.96, 0.9, facecolor=colour, linewidth=0,
        hatch=None if right else "//", edgecolor=DOWN,
    )  # fmt: skip
    ax.add_patch(box)
    text = ax.text(
        across + 0.5, down + 0.5, word, ha="center", va="center_baseline",
        color=INK if right else "white", weight="normal" if right else "bold",
    )  # fmt: skip
    if not right:
        text.set_bbox({"facecolor": ERROR, "linewidth": 0, "pad": 1.5})
