"""One look for every figure: what a colour means, how large type is, how a title is set.

The style sheet is applied while a figure is drawn and taken off again: importing or calling us
never changes the learner's rcParams.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

PRIMARY = "#0072B2"
REPLICA = "#56B4E9"  # areas only, dark text
ERROR = "#D55E00"
SUCCESS = "#009E73"
DOWN = "#BDBDBD"
INK = "#222222"

_SHEET = Path(__file__).with_name("redis_lab.mplstyle")
_SCALES = {"page": 1.0, "projector": 1.25}
_scale = 1.0


def use(place: str) -> None:
    """Type for a "page" (the default), or a quarter larger for a "projector", from now on."""
    global _scale
    if place not in _SCALES:
        raise ValueError(f"place: {' or '.join(map(repr, _SCALES))}, not {place!r}")
    _scale = _SCALES[place]


@contextmanager
def style() -> Iterator[None]:
    """Our rcParams inside the block, the caller's own after it."""
    with mpl.style.context(_SHEET):
        sizes = [name for name in mpl.rcParams if name.endswith(("font.size", "labelsize"))]
        for name in (*sizes, "axes.titlesize", "legend.fontsize"):
            if isinstance(mpl.rcParams[name], float | int):
                mpl.rcParams[name] *= _scale
        yield


def figure(**options: Any) -> Axes:
    """The axes of a new figure of our size; call it inside style()."""
    return plt.subplots(**options)[1]


def headline(ax: Axes, finding: str) -> None:
    """Set the title, which is the finding, from the figure's left edge; two lines if need be."""
    box, room = ax.get_position(), inches(ax)[0]
    left, right = (0.02 - box.x0) / box.width, (0.99 - box.x0) / box.width
    if ax.get_subplotspec() is not None and len(ax.get_figure().axes) > 1:
        left, right = 0.0, 1.0
    size = mpl.rcParams["axes.titlesize"]
    if text_width(finding, size, "bold") > (right - left) * room:
        words, half = finding.split(" "), len(finding) / 2
        at = min(range(1, len(words)), key=lambda n: abs(len(" ".join(words[:n])) - half))
        finding = " ".join(words[:at]) + "\n" + " ".join(words[at:])
    ax.set_title(finding, x=left, ha="left")


def inches(ax: Axes) -> tuple[float, float]:
    """Width and height of the axes."""
    box = ax.get_window_extent()
    return box.width / ax.figure.dpi, box.height / ax.figure.dpi


def text_width(text: str, size: float | None = None, weight: str = "normal") -> float:
    """Inches that `text` takes at `size` points (default: the running font size)."""
    font = FontProperties(weight=weight, size=size or mpl.rcParams["font.size"])
    return float(TextPath((0, 0), text, prop=font).get_extents().width) / 72


def duration(seconds: float) -> str:
    """A length of time as a title says it: "2.9 s", "56 ms"."""
    return f"{seconds:.1f} s" if seconds >= 0.95 else f"{seconds * 1000:.0f} ms"
