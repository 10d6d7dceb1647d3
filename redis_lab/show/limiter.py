"""What rate limiters admitted: how many units lay in the last window, at every moment."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from redis_lab.show.style import (
    DOWN,
    ERROR,
    INK,
    REPLICA,
    figure,
    headline,
    room_at_right,
    style,
    text_width,
)

ROW = 0.8  # of the height that a row has, for its curve; below it a mark for each refusal


def limiter(
    decisions: pd.DataFrame, limit: float, window: float, *, title: str, ax: Axes | None = None
) -> Axes:
    """A row for each limiter: the hits admitted in the last `window` seconds, as time goes on.

    decisions: one row for each hit, with the columns limiter (a name), at (seconds) and allowed
    (bool). limit: hits that a window may have, drawn as a line; what lies above it is coloured as
    an error. Refusals are marks under the curve; at the right stands the most that any window
    held. title: the finding. Raises ValueError for no decision, a missing column or time, or a
    limit or window that is not above 0.
    """
    if missing := {"limiter", "at", "allowed"} - set(decisions.columns):
        raise ValueError(f"decisions: no column {', '.join(sorted(missing))}")
    if decisions.empty or decisions[["limiter", "at", "allowed"]].isna().any(axis=None):
        raise ValueError("decisions: one or more, each with its limiter, time and answer")
    if not limit > 0 or not window > 0:
        raise ValueError(f"limit and window: above 0, not {limit} and {window}")
    groups = {str(name): some for name, some in decisions.groupby("limiter", sort=False)}
    held = {
        name: _held(some["at"][some.allowed.astype(bool)], window) for name, some in groups.items()
    }
    highest = max([limit, *(counts.max(initial=0) for _, counts in held.values())])
    left, right = decisions["at"].min(), decisions["at"].max() + window
    with style():
        ax = ax or figure(title, 0.35 + max(map(text_width, groups)), lines=3.4 * len(groups))
        room_at_right(ax, 0.25 + max(map(text_width, ["at most", f"{highest:g} of {limit:g}"])))
        for row, (name, some) in enumerate(groups.items()):
            _draw(ax, row, *held[name], limit / highest, highest, (left, right))
            refused = some["at"][~some.allowed.astype(bool)]
            ax.plot(refused, [row + 0.96] * len(refused), "|", color=DOWN, markersize=6)
            most = held[name][1].max(initial=0)
            ax.annotate(
                f"{most:g} of {limit:g}", (1, row + 0.9), xycoords=("axes fraction", "data"),
                xytext=(8, 0), textcoords="offset points", va="bottom", weight="bold",
                color=ERROR if most > limit else INK,
            )  # fmt: skip
        ax.set_xlim(left, right)
        ax.set_ylim(len(groups) + 0.1, -0.05)
        ax.set_yticks(np.arange(len(groups)) + 0.9, list(groups))
        for label in ax.get_yticklabels():
            label.set_verticalalignment("bottom")
        ax.tick_params(axis="y", length=0)
        ax.grid(visible=False, axis="y")
        ax.spines["left"].set_visible(False)
        ax.set_xlabel(f"seconds; the curve: admitted in the last {window:g} s")
        headline(ax, title)
    return ax


def _held(admitted: pd.Series, window: float) -> tuple[np.ndarray, np.ndarray]:
    """Moments at which the number of hits in the last `window` seconds changes, and the numbers."""
    times = np.sort(admitted.to_numpy(float))
    moments = np.unique(np.concatenate([times, times + window]))
    since = np.searchsorted(times + window, moments, side="right")
    return moments, np.searchsorted(times, moments, side="right") - since


def _draw(
    ax: Axes,
    row: int,
    moments: np.ndarray,
    counts: np.ndarray,
    limit: float,
    highest: float,
    ends: tuple[float, float],
) -> None:
    """One limiter: y counts downwards, its zero is at row + 0.9."""
    zero, line = row + 0.9, row + 0.9 - ROW * limit
    height = zero - ROW * counts / highest
    ax.fill_between(moments, zero, np.maximum(height, line), step="post", color=REPLICA, lw=0)
    ax.fill_between(moments, line, np.minimum(height, line), step="post", color=ERROR, lw=0)
    ax.plot(ends, [line, line], "--", color=INK, linewidth=1.2)
    ax.plot(ends, [zero, zero], color=DOWN, linewidth=0.8)
