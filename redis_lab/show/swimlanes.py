"""Who held which message when: a lane for each worker, a bar for each time it held one."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from redis_lab.show.curves import COLOURS
from redis_lab.show.style import INK, figure, headline, inches, style, text_width

_NEEDED = ["who", "what", "start", "end", "outcome"]


def swimlanes(
    held: pd.DataFrame,
    *,
    title: str,
    marks: pd.DataFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """A lane for each worker, with a bar for each message that it held.

    held: one row for each time that a worker held something, with the columns who, what, start,
    end (seconds) and outcome (a word; each has its colour, explained above the lanes). The bar says
    what was held, where there is room; bars of one time share the height of their lane.
    marks: moments to be marked in a lane, such as kills, with the columns who, at (seconds) and
    word. title: the finding. Lanes stand in the order of the names.
    Raises ValueError for a missing column or value, no row, an end before its start, or more
    outcomes than there are colours.
    """
    marks = pd.DataFrame(columns=["who", "at", "word"]) if marks is None else marks
    _check("held", held, _NEEDED)
    _check("marks", marks, ["who", "at", "word"])
    if held.empty or (held.end < held.start).any():
        raise ValueError("held: one row or more, none ends before it starts")
    outcomes = list(dict.fromkeys(held.outcome))
    if len(outcomes) > len(COLOURS):
        raise ValueError(f"held: at most {len(COLOURS)} outcomes, not {len(outcomes)}")
    lanes = sorted({str(who) for who in [*held.who, *marks.who]})
    with style():
        margin = 0.35 + max(map(text_width, lanes))
        ax = ax or figure(title, margin, lines=1.4 + 2.3 * len(lanes), least=2.2)
        ax.set_xlim(
            min(held.start.min(), marks["at"].min()), max(held.end.max(), marks["at"].max())
        )
        ax.set_ylim(len(lanes), -0.75)
        colours = dict(zip(outcomes, COLOURS, strict=False))
        for who, rows in held.assign(who=held.who.astype(str)).groupby("who"):
            _draw_lane(ax, lanes.index(str(who)), rows.sort_values("start"), colours)
        for who, at, word in zip(marks.who, marks["at"], marks.word, strict=True):
            _draw_mark(ax, lanes.index(str(who)), at, str(word))
        _explain(ax, colours)
        ax.set_yticks(np.arange(len(lanes)) + 0.55, lanes)
        ax.tick_params(axis="y", length=0)
        ax.grid(visible=False, axis="y")
        ax.spines["left"].set_visible(False)
        ax.set_xlabel("seconds")
        headline(ax, title)
    return ax


def _check(argument: str, table: pd.DataFrame, columns: list[str]) -> None:
    if missing := [name for name in columns if name not in table.columns]:
        raise ValueError(f"{argument}: no column {', '.join(missing)}")
    if table[columns].isna().any(axis=None):
        raise ValueError(f"{argument}: no value may be missing")


def _levels(rows: pd.DataFrame) -> list[int]:
    """For bars in order of their start, the lowest level that is free then."""
    free: list[float] = []
    levels = []
    for start, end in zip(rows.start, rows.end, strict=True):
        level = next((n for n, until in enumerate(free) if until <= start), len(free))
        free[level : level + 1] = [end]
        levels.append(level)
    return levels


def _draw_lane(ax: Axes, lane: int, rows: pd.DataFrame, colours: dict[str, str]) -> None:
    levels = _levels(rows)
    height = 0.7 / (max(levels) + 1)
    left, right = ax.get_xlim()
    inch = inches(ax)[0] / (right - left)
    for level, (_, row) in zip(levels, rows.iterrows(), strict=True):
        top = lane + 0.2 + level * height
        bar = Rectangle(
            (row.start, top), row.end - row.start, 0.92 * height, facecolor=colours[row.outcome],
            edgecolor="white", linewidth=0.8,
        )  # fmt: skip
        ax.add_patch(bar)
        if text_width(str(row.what)) + 0.06 < (row.end - row.start) * inch and height > 0.5:
            ax.text(
                (row.start + row.end) / 2, top + 0.46 * height, str(row.what), color="white",
                ha="center", va="center_baseline",
            )  # fmt: skip


def _draw_mark(ax: Axes, lane: int, at: float, word: str) -> None:
    """A black triangle above the lane, its word beside it on the side that has room."""
    ax.plot(at, lane + 0.1, "v", color=INK, markersize=8, zorder=5, clip_on=False)
    right = ax.get_xlim()[1]
    outside = (right - at) / (right - ax.get_xlim()[0]) * inches(ax)[0] < text_width(word) + 0.2
    ax.annotate(
        word, (at, lane + 0.06), xytext=(-8 if outside else 8, 0), textcoords="offset points",
        ha="right" if outside else "left", va="center", weight="bold", zorder=5,
    )  # fmt: skip


def _explain(ax: Axes, colours: dict[str, str]) -> None:
    """The outcomes in their colours, above the first lane."""
    left, right = ax.get_xlim()
    at = left
    for word, colour in colours.items():
        ax.text(at, -0.45, word, color=colour, weight="bold", va="center")
        at += (text_width(word, weight="bold") + 0.3) / inches(ax)[0] * (right - left)
