"""Several quantities over the same time, each in a panel with an axis of its own."""

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from redis_lab.show.style import DOWN, ERROR, INK, PRIMARY, figure, headline, inches, line, style

_UNITS = {"_percent": ", %", "_bytes": ", MB", "_ms": ", ms", "_s": " a second"}
_PANEL = 5.0  # lines of text that one is high, with its name


def panels(
    frame: pd.DataFrame,
    *,
    title: str,
    marks: Mapping[float, str] | None = None,
    zero: float | None = None,
    ax: Axes | None = None,
) -> list[Axes]:
    """A panel for each column of numbers, one below the other, over the same seconds.

    frame: as a Recorder's: the column at (unix seconds), columns of numbers, and perhaps error,
    whose samples that are not "" are shaded. A name that ends in _s, _percent, _bytes or _ms is
    written with its unit, bytes as MB. title: the finding. marks: words at moments (unix seconds),
    such as faults. zero: the moment that is 0 seconds, if not the first sample's. ax: the place for
    all of them. Returns the panels from the top.
    Raises ValueError without the column at, a sample, or a column with a number.
    """
    names = numbers(frame)
    zero = float(frame["at"].iloc[0]) if zero is None else zero
    seconds = frame["at"].to_numpy(float) - zero
    with style():
        ax = ax or figure(title, margin=1.0, lines=_PANEL * len(names), least=2.2)
        headline(ax, title)
        ax.set_axis_off()
        head = 1.4 * line() / inches(ax)[1]
        drawn: list[Axes] = []
        for place, name in enumerate(names):
            low = 1 - (place + 1) / len(names)
            panel = ax.inset_axes((0, low, 1, 1 / len(names) - head))
            panel.plot(seconds, scaled(name, frame[name]), color=PRIMARY)
            panel.set_xlim(seconds[0], max(seconds[-1], seconds[0] + 1e-3))
            _shade(panel, seconds, frame)
            for at, word in (marks or {}).items():
                _mark(panel, at - zero, word if place == 0 else "")
            panel.set_title(
                written(name),
                loc="left",
                fontsize=mpl.rcParams["font.size"],
                fontweight="normal",
                pad=5,
            )
            panel.yaxis.set_major_locator(MaxNLocator(3))
            panel.yaxis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:,.10g}"))
            panel.tick_params(labelbottom=place == len(names) - 1)
            drawn.append(panel)
        drawn[-1].set_xlabel("seconds")
    return drawn


def numbers(frame: pd.DataFrame) -> list[str]:
    """The columns to be drawn. Raises ValueError if there is nothing to draw."""
    if "at" not in frame or frame.empty:
        raise ValueError("frame: a column at (unix seconds) and one sample or more")
    kinds = frame.drop(columns=["at", "error"], errors="ignore").select_dtypes("number")
    if not (names := [str(name) for name in kinds if kinds[name].notna().any()]):
        raise ValueError("frame: a column of numbers or more beside at")
    return names


def written(name: str) -> str:
    """A column's name as words with its unit: "hits, %", "commands a second"."""
    for end, unit in _UNITS.items():
        if name.endswith(end):
            return name.removesuffix(end).replace("_", " ") + unit
    return name.replace("_", " ")


def scaled(name: str, values: pd.Series) -> pd.Series:
    """Numbers in the unit that is written."""
    return values / 1e6 if name.endswith("_bytes") else values


def _shade(panel: Axes, seconds: np.ndarray, frame: pd.DataFrame) -> None:
    """From each sample that failed to the next one that did not."""
    if "error" not in frame:
        return
    panel.fill_between(
        seconds, 0, 1, where=(frame.error != "").to_numpy(), step="post", color=ERROR, alpha=0.16,
        transform=panel.get_xaxis_transform(), linewidth=0,
    )  # fmt: skip


def _mark(panel: Axes, at: float, word: str) -> None:
    panel.axvline(at, color=DOWN, linestyle="--", linewidth=1.4, zorder=0)
    panel.annotate(
        word, (at, 1), xycoords=("data", "axes fraction"), xytext=(4, 2),
        textcoords="offset points", va="bottom", color=INK, weight="bold",
    )  # fmt: skip
