"""The rows of a timeline: what Sentinels said, the attempts, a bar per node. y counts downwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from redis_lab.show.lanes import FAULTS, Span
from redis_lab.show.outage import Outage
from redis_lab.show.style import DOWN, ERROR, INK, PRIMARY, REPLICA, SUCCESS, inches, text_width

STEP, ATTEMPTS, BAR = 0.45, 1.5, 1.0  # heights: of a Sentinel label, of the attempts, of a node
_MARKS = 150  # ticks or crosses from edge to edge: more would be a smear
_TINT = "#fae5d9"  # the error colour at 16 %


@dataclass(frozen=True)
class Sheet:
    """The axes, the unix time of its x = 0, and its first and last second."""

    ax: Axes
    zero: float
    left: float
    right: float

    def seconds(self, text: str, weight: str = "normal") -> float:
        """How much of the x axis `text` takes, with a little room beside it."""
        return (text_width(text, weight=weight) + 0.1) * self.inch

    @property
    def inch(self) -> float:
        """Seconds to an inch."""
        return (self.right - self.left) / inches(self.ax)[0]


def mark_label(at: float, word: str) -> str:
    return f"{word}  {at:.1f} s"


def stairs(sheet: Sheet, marks: Sequence[tuple[float, str]]) -> list[tuple[float, str, int]]:
    """(x, label, step) of each mark: each label below those that its line would run through."""
    taken: list[tuple[float, int]] = []
    steps = []
    for at, word in marks:
        x = at - sheet.zero
        label = mark_label(x, word)
        step = 1 + max((step for end, step in taken if end > x), default=-1)
        taken.append((x + sheet.seconds(label), step))
        steps.append((x, label, step))
    return steps


def draw_sentinel(sheet: Sheet, steps: list[tuple[float, str, int]], bottom: float) -> None:
    for x, label, step in steps:
        y = (step + 0.5) * STEP
        sheet.ax.plot([x, x], [y - 0.15, bottom], "--", color="#555555", linewidth=1.3, zorder=1.5)
        sheet.ax.text(x + 0.07 * sheet.inch, y, label, va="center", zorder=5)


def draw_attempts(sheet: Sheet, top: float, frame: pd.DataFrame, outage: Outage) -> None:
    """Crosses above ticks; the outage shaded, its length in words inside or beside it."""
    if outage.shaded:
        start = max(outage.gap.start - sheet.zero, sheet.left)
        end = min(outage.gap.end - sheet.zero, sheet.right)
        shade = Rectangle((start, top), end - start, ATTEMPTS, color=_TINT, linewidth=0, zorder=1)
        sheet.ax.add_patch(shade)
        _caption(sheet, top + 0.33, start, end, outage.length)
    shown = frame.assign(x=frame.finished - sheet.zero)
    shown = shown[shown.x.between(sheet.left, sheet.right)]
    bins = ((shown.x - sheet.left) / (sheet.right - sheet.left) * _MARKS).astype(int)
    free = sheet.right
    for ok, marker, size, y in ((False, "x", 6, 0.8), (True, "|", 11, 1.2)):
        word, colour = ("served", SUCCESS) if ok else ("error", ERROR)
        some = shown[shown.ok == ok].groupby(bins).x.mean()
        sheet.ax.plot(
            some, [top + y] * len(some), marker, label=word, color=colour, zorder=3,
            markersize=size, markeredgewidth=1.8,
        )  # fmt: skip
        if not len(some):
            continue
        x = some.min() if ok else some.max() + 0.1 * sheet.inch
        if not ok or x + sheet.seconds(word) < free:
            sheet.ax.text(x, top + 0.8, word, color=colour, va="center", zorder=4)
        free = some.min()


def _caption(sheet: Sheet, y: float, start: float, end: float, words: str) -> None:
    """Inside the shade if it is wide enough, else to its right, else to its left."""
    width, gap = sheet.seconds(words, "bold"), 0.07 * sheet.inch
    if width <= end - start:
        x, align, ground = (start + end) / 2, "center", _TINT
    elif end + width <= sheet.right or start - width < sheet.left:
        x, align, ground = min(end + gap, sheet.right - width), "left", "none"
    else:
        x, align, ground = start - gap, "right", "white"
    box = {"facecolor": ground, "linewidth": 0, "pad": 1}
    sheet.ax.text(x, y, words, ha=align, va="center", weight="bold", bbox=box, zorder=4)


def draw_bar(sheet: Sheet, y: float, spans: list[Span]) -> None:
    """A node's spans: colour is the role, grey and hatches are its troubles, the word says both."""
    for span in spans:
        start, end = (
            max(span.start - sheet.zero, sheet.left),
            min(span.end - sheet.zero, sheet.right),
        )
        if end <= start:
            continue
        colour = PRIMARY if span.role == "primary" else REPLICA
        colour = DOWN if span.down or span.paused else colour
        hatch = None if span.down else "///" if span.paused else "xx" if span.cut_off else None
        bar = Rectangle(
            (start, y + 0.37), end - start, 0.5, facecolor=colour, hatch=hatch, linewidth=0,
            edgecolor="white" if hatch else colour, zorder=2,
        )  # fmt: skip
        sheet.ax.add_patch(bar)
        words = (span.word, span.word.split(", ")[-1], "")
        word = next(word for word in words if not word or sheet.seconds(word) <= end - start)
        text = sheet.ax.text(
            (start + end) / 2, y + 0.62, word, ha="center", va="center_baseline", zorder=4,
            color="white" if colour == PRIMARY else INK,
        )  # fmt: skip
        if hatch and word:
            text.set_bbox({"facecolor": colour, "linewidth": 0, "pad": 0.8})


def draw_faults(sheet: Sheet, y: float, node: str, events: Sequence[Any]) -> None:
    """A black triangle on the bar's upper edge for each fault, its name where there is room."""
    faults, cut = [], False
    for event in events:
        healed = event.kind == "heal" and cut
        cut = (cut or (event.kind == "partition" and event.node == node)) and not healed
        if event.kind in FAULTS and (event.node == node or healed):
            faults.append((event.at - sheet.zero, event.kind))
    faults = [(x, kind) for x, kind in faults if sheet.left <= x <= sheet.right]
    free = sheet.left
    for at, (x, kind) in enumerate(faults):
        sheet.ax.plot(x, y + 0.3, "v", color=INK, markersize=8, zorder=5)
        gap, width = 0.1 * sheet.inch, sheet.seconds(kind, "bold")
        wall = faults[at + 1][0] if at + 1 < len(faults) else sheet.right
        right = x + gap + width <= wall
        if right or x - gap - width >= free:
            sheet.ax.text(
                x + (gap if right else -gap), y + 0.18, kind, ha="left" if right else "right",
                va="center", weight="bold", fontsize=mpl.rcParams["font.size"] - 1, zorder=1.9,
                bbox={"facecolor": "white", "linewidth": 0, "pad": 0.5},
            )  # fmt: skip
        free = x + gap + (width if right else 0)
