"""One look for every figure: what a colour means, how large type is, how a title is set.

The style sheet is applied while a figure is drawn and taken off again: importing or calling us
never changes the learner's rcParams.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
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
_WIDTH = 8.0  # inches
_TYPE = (
    *("font.size", "axes.titlesize", "axes.labelsize", "legend.fontsize"),
    *("xtick.labelsize", "ytick.labelsize"),
)


def use(place: str) -> None:
    """Type for a "page" (the default), or a quarter larger for a "projector", from now on."""
    global _scale
    if place not in _SCALES:
        raise ValueError(f"place: {' or '.join(map(repr, _SCALES))}, not {place!r}")
    _scale = _SCALES[place]


@contextmanager
def style() -> Iterator[None]:
    """Our rcParams inside the block, the caller's own after it."""
    params: Any = mpl.rcParams
    ours = mpl.rc_params_from_file(_SHEET, use_default_template=False)
    # No more than these: a notebook's backend sets others while the first figure is made.
    before = {name: params[name] for name in ours}
    try:
        params.update(ours)
        for name in _TYPE:
            params[name] *= _scale
        yield
    finally:
        params.update(before)


def figure(finding: str, margin: float = 0.9, lines: float = 0, least: float = 4.5) -> Axes:
    """The axes of a new figure, 8 by 4.5 in, with room for `finding` as its headline.

    margin: inches for the labels at the left; lines: taller if so many lines of text need it;
    least: inches of height. Call it inside style().
    """
    head = 0.25 + line() * 1.2 * (1 + _folded(finding, _WIDTH - 0.3).count("\n"))
    foot = 0.2 + 2 * line()
    height = max(least, head + lines * line() + foot)
    fig, ax = plt.subplots(figsize=(_WIDTH, height))
    fig.subplots_adjust(
        left=margin / _WIDTH,
        right=1 - 1.4 * line() / _WIDTH,
        top=1 - head / height,
        bottom=foot / height,
    )
    return ax


def headline(ax: Axes, finding: str) -> None:
    """Set the title, which is the finding, from the figure's left edge; two lines if need be."""
    alone = ax.figure is not None and len(ax.figure.axes) == 1
    box, width = ax.get_position(), inches(ax)[0]
    left = 0.15 / width - box.x0 / box.width if alone else 0.0
    ax.set_title(_folded(finding, width / box.width - 0.3 if alone else width), x=left, ha="left")


def _folded(text: str, room: float) -> str:
    """`text` in lines of at most `room` inches: broken at a colon, else lines of like length."""
    head, _, rest = text.partition(": ")
    for lines in ([text], [f"{head}:", rest]):
        if all(_title_width(line) <= room for line in lines):
            return "\n".join(lines)
    folded = _wrapped(text, room)
    while room > 1 and len(tighter := _wrapped(text, room * 0.95)) == len(folded):
        folded, room = tighter, room * 0.95
    return "\n".join(folded)


def _wrapped(text: str, room: float) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if _title_width(longer) <= room or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _title_width(text: str) -> float:
    """The sum of its words, each measured once."""
    size = mpl.rcParams["axes.titlesize"]
    words = [text_width(word, size, "bold") for word in text.split()]
    return sum(words) + (len(words) - 1) * size * 0.4 / 72


def inches(ax: Axes) -> tuple[float, float]:
    """Width and height of the axes."""
    box = ax.get_window_extent()
    return box.width / ax.figure.dpi, box.height / ax.figure.dpi


def room_at_right(ax: Axes, wanted: float) -> None:
    """Make the axes narrower, so that so many inches are free at the right."""
    box = ax.get_position()
    ax.set_position((box.x0, box.y0, box.width * (1 - wanted / inches(ax)[0]), box.height))


def line() -> float:
    """Inches from one line of text to the next."""
    return float(mpl.rcParams["font.size"]) / 72 * 1.25


def text_width(text: str, size: float | None = None, weight: str = "normal") -> float:
    """Inches that `text` takes at `size` points (default: the running font size)."""
    return _measure(text, weight) * (size or float(mpl.rcParams["font.size"])) / 100


@lru_cache(maxsize=1000)
def _measure(text: str, weight: str) -> float:
    """Inches at 100 points."""
    if not text.strip():
        return 0.0
    path = TextPath((0, 0), text, prop=FontProperties(weight=weight, size=100))
    return float(path.get_extents().width) / 72


def duration(seconds: float) -> str:
    """A length of time as a title says it: "2.9 s", "56 ms"."""
    return f"{seconds:.1f} s" if seconds >= 0.2 else f"{seconds * 1000:.0f} ms"
