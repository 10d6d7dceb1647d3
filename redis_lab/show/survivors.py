"""Which keys are still there: a block of small squares for each cache, all in the same order."""

import math

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from redis_lab.show.style import INK, figure, headline, style, text_width

MOST = 6  # blocks side by side
ACROSS = 16  # squares in a row
SQUARES = 480  # of a block, about: each stands for as many keys as that takes
SPACE = 2.8  # squares between two parts, for the share in words


def survivors(
    table: pd.DataFrame,
    *,
    title: str,
    order: str = "first to last",
    one: str = "key",
    dark: str = "still there",
    ax: Axes | None = None,
) -> Axes:
    """A block for each column, a square for some keys each, the darker the more of them are there.

    table: a row for each key, True where it is still there; a column for each cache. Its index
    names the part that a key belongs to; parts stand below each other, each with the share of its
    keys that is there. Squares go from left to right, then down, as the rows do. order: that order
    in words. one, dark: what a row is and what True says, where they aren't keys that are still
    there. title: the finding. Raises ValueError for no keys, or not 1 to 6 columns.
    """
    if table.empty or len(table.columns) > MOST:
        raise ValueError(f"table: one key or more, 1 to {MOST} columns")
    parts = list(dict.fromkeys(table.index))
    keys = math.ceil(len(table) / SQUARES)
    with style():
        margin = 0.35 + max(text_width(str(part)) for part in parts)
        ax = ax or figure(title, margin=margin)
        ticks = []
        top = 0.0
        for part in parts:
            rows = table[table.index == part]
            height = math.ceil(len(rows) / keys / ACROSS)
            for place, name in enumerate(table.columns):
                there = rows.iloc[:, place].to_numpy(dtype=float)
                left = place * (ACROSS + 2)
                _draw_block(ax, left, top, _shares(there, keys, height))
                words = _percent(there.mean())
                ax.text(left + ACROSS / 2, top - 0.4, words, ha="center", va="bottom", color=INK)
                if part == parts[0]:
                    ax.text(
                        left + ACROSS / 2, -SPACE - 0.2, name, ha="center", va="bottom", color=INK,
                        weight="bold",
                    )  # fmt: skip
            ticks.append(top + height / 2)
            top += height + SPACE
        ax.set_xlim(-0.5, len(table.columns) * (ACROSS + 2) - 1.5)
        ax.set_ylim(top - SPACE + 0.3, -2 * SPACE)
        ax.set_yticks(ticks, [str(part) for part in parts])
        ax.set_xticks([])
        ax.tick_params(axis="y", length=0)
        ax.spines[:].set_visible(False)
        ax.grid(visible=False)
        each = f"{keys} {one}s" if keys > 1 else f"a {one}"
        ax.set_xlabel(f"a square: {each}, {order}; dark: {dark}")
        headline(ax, title)
    return ax


def _shares(there: np.ndarray, keys: int, height: int) -> np.ndarray:
    """The share that is there of every `keys` of them, in rows; NaN where there are no more."""
    places = np.full(height * ACROSS * keys, np.nan)
    places[: len(there)] = there
    squares = places.reshape(-1, keys)
    known = (~np.isnan(squares)).sum(axis=1)
    share = np.nansum(squares, axis=1) / np.maximum(known, 1)
    return np.where(known > 0, share, np.nan).reshape(height, ACROSS)


def _draw_block(ax: Axes, left: float, top: float, shares: np.ndarray) -> None:
    across, down = np.arange(ACROSS + 1) + left, np.arange(len(shares) + 1) + top
    ax.pcolormesh(
        across, down, np.ma.masked_invalid(0.06 + 0.94 * shares),
        cmap=mpl.colormaps["cividis_r"], vmin=0, vmax=1, linewidth=0.4, edgecolor="white",
    )  # fmt: skip


def _percent(share: float) -> str:
    """0 % and 100 % only where it is none and all."""
    if share in (0, 1):
        return f"{share:.0%}".replace("%", " %")
    return "< 1 %" if share < 0.01 else "> 99 %" if share > 0.99 else f"{100 * share:.0f} %"
