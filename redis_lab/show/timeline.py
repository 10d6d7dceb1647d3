"""A fault as clients and nodes lived through it: attempts above, one bar per node below."""

from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from redis_lab.show import lanes
from redis_lab.show.outage import Outage, tell
from redis_lab.show.style import (
    DOWN,
    ERROR,
    INK,
    PRIMARY,
    REPLICA,
    SUCCESS,
    figure,
    headline,
    inches,
    style,
    text_width,
)

_NOUNS = {"partition": "cut", "failover": "failover command"}
_MARKS = 150  # ticks or crosses in the window: more would be a smear
_TINT = "#fae5d9"  # the error colour at 16 %
_ROW, _ATTEMPTS, _LABEL = 1.0, 1.5, 0.42  # heights, in rows


def timeline(probe: Any, lab: Any, ax: Axes | None = None) -> Axes:
    """Draw what a Probe saw while `lab` was broken, from 1.5 s before the first fault.

    probe: a Probe, or anything with frame(); lab: a Topology, or anything with nodes and events.
    Times count from the first fault. The title states the longest time without a success.
    """
    frame = probe.frame()
    with style():
        outage = tell(frame, lab, getattr(probe, "workload", "write"))
        marks = lanes.sentinel_marks(lab.events, outage.zero)
        if ax is None:
            rows = len(lanes.data_nodes(lab)) + _ATTEMPTS + 1.2 * bool(marks)
            ax = figure(figsize=(8, max(4.5, 1.3 + 0.5 * rows)))
            left = max(text_width(name) for name in _row_names(outage, lab, marks)) + 0.25
            ax.figure.subplots_adjust(left=left / 8, right=0.98, top=0.88, bottom=0.15)
        _Drawing(ax, frame, lab, outage, marks).draw()
        headline(ax, outage.finding)
    return ax


def _row_names(outage: Outage, lab: Any, marks: list[tuple[float, str]]) -> list[str]:
    names = [f"{outage.noun}s", *(node.name for node in lanes.data_nodes(lab))]
    return ["Sentinel", *names] if marks else names


def _label(at: float, word: str) -> str:
    return f"{word}  {at:.1f} s"


class _Drawing:
    """One timeline on one Axes; x is seconds since the first fault, y counts rows downwards."""

    def __init__(
        self,
        ax: Axes,
        frame: pd.DataFrame,
        lab: Any,
        outage: Outage,
        marks: list[tuple[float, str]],
    ):
        self.ax, self.frame, self.lab, self.outage = ax, frame, lab, outage
        self.zero = outage.zero
        self.left, self.right = self._window(marks)
        self.per_inch = (self.right - self.left) / inches(ax)[0]  # seconds
        self.marks = [(at - self.zero, word) for at, word in marks]

    def draw(self) -> None:
        ax, nodes = self.ax, lanes.data_nodes(self.lab)
        stairs = self._stairs()
        top = _LABEL * (1 + max((step for *_, step in stairs), default=-1)) + 0.1 * bool(stairs)
        self._attempts(top)
        middles = {"Sentinel": top / 2} if stairs else {}
        middles[f"{self.outage.noun}s"] = top + _ATTEMPTS / 2
        first = top + _ATTEMPTS + 0.25
        all_spans = lanes.spans(self.lab, self.zero + self.right)
        for row, node in enumerate(nodes):
            self._bar(first + row * _ROW, all_spans[node.name])
            self._faults(first + row * _ROW, node.name)
            middles[node.name] = first + row * _ROW + 0.62
        bottom = first + len(nodes) * _ROW + 0.05
        self._sentinel(stairs, bottom)
        ax.set_xlim(self.left, self.right)
        ax.set_ylim(bottom, 0)
        ax.set_yticks(list(middles.values()), list(middles))
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        since = f"the {_NOUNS.get(self.outage.kind, self.outage.kind)}" if self.outage.kind else ""
        ax.set_xlabel(f"seconds since {since or 'the probe began'}")

    def _window(self, marks: list[tuple[float, str]]) -> tuple[float, float]:
        began, ended = self.frame.intended.min(), self.frame.finished.max()
        if not self.outage.kind:
            return 0.0, ended - began
        faults = [event.at for event in self.lab.events if event.kind in lanes.FAULTS]
        last = max([self.outage.gap.end, *faults, *(at for at, _ in marks)]) - self.zero
        left, right = (
            max(began - self.zero, -1.5),
            min(last + 1.5, max(ended - self.zero, last + 0.3)),
        )
        for at, word in marks:  # as wide as the label of each mark needs
            share = (text_width(_label(at - self.zero, word)) + 0.15) / inches(self.ax)[0]
            right = max(right, (at - self.zero - left * share) / (1 - share))
        return left, right

    def _stairs(self) -> list[tuple[float, str, int]]:
        """Each Sentinel event with its label's step: below the labels it would run through."""
        taken: list[tuple[float, int]] = []
        stairs = []
        for at, word in self.marks:
            label = _label(at, word)
            step = 1 + max((step for end, step in taken if end > at), default=-1)
            taken.append((at + (text_width(label) + 0.15) * self.per_inch, step))
            stairs.append((at, label, step))
        return stairs

    def _sentinel(self, stairs: list[tuple[float, str, int]], bottom: float) -> None:
        for at, label, step in stairs:
            y = (step + 0.5) * _LABEL
            self.ax.plot(
                [at, at], [y - 0.15, bottom], "--", color="#555555", linewidth=1.3, zorder=1.5
            )
            self.ax.text(at + 0.07 * self.per_inch, y, label, va="center", zorder=5)

    def _attempts(self, top: float) -> None:
        ax, gap = self.ax, self.outage.gap
        if self.outage.shaded:
            start, end = gap.start - self.zero, min(gap.end - self.zero, self.right)
            ax.add_patch(
                Rectangle((start, top), end - start, _ATTEMPTS, color=_TINT, linewidth=0, zorder=1)
            )
            half = text_width(self.outage.length, weight="bold") / 2 * self.per_inch
            middle = min(max((start + end) / 2, self.left + half), self.right - half)
            ax.text(
                middle, top + 0.33, self.outage.length, ha="center", va="center", weight="bold",
                bbox={"facecolor": _TINT if 2 * half < end - start else "white", "lw": 0, "pad": 1},
            )  # fmt: skip
        shown = self.frame.assign(x=self.frame.finished - self.zero)
        shown = shown[shown.x.between(self.left, self.right)]
        bins = ((shown.x - self.left) / (self.right - self.left) * _MARKS).astype(int)
        for ok, marker, colour, y in ((True, "|", SUCCESS, 1.2), (False, "x", ERROR, 0.8)):
            some = shown[shown.ok == ok].groupby(bins).x.mean()
            self._tell_marker(ok, some, top + 0.8)
            ax.plot(
                some, [top + y] * len(some), marker, color=colour, markersize=11 if ok else 6,
                markeredgewidth=2 if ok else 1.6, label="served" if ok else "error", zorder=3,
            )  # fmt: skip

    def _tell_marker(self, ok: bool, drawn: pd.Series, y: float) -> None:
        """The marker's meaning, in the lane of the errors: before the first, after the last."""
        word, colour = ("served", SUCCESS) if ok else ("error", ERROR)
        if len(drawn):
            start = drawn.min() if ok else drawn.max() + 0.1 * self.per_inch
            self.ax.text(start, y, word, color=colour, va="center", zorder=4)

    def _bar(self, y: float, spans: list[lanes.Span]) -> None:
        for span in spans:
            start = max(span.start - self.zero, self.left)
            end = min(span.end - self.zero, self.right)
            if end <= start:
                continue
            grey = span.down or span.paused
            colour = DOWN if grey else PRIMARY if span.role == "primary" else REPLICA
            hatch = "///" if span.paused else "xx" if span.cut_off and not span.down else None
            self.ax.add_patch(
                Rectangle(
                    (start, y + 0.37), end - start, 0.5, facecolor=colour, hatch=hatch,
                    edgecolor="#ffffff" if hatch else colour, linewidth=0, zorder=2,
                )
            )  # fmt: skip
            white = colour == PRIMARY
            words = [span.word, span.word.split(", ")[-1]]
            word = next((w for w in words if text_width(w) * self.per_inch < end - start), "")
            text = self.ax.text(
                (start + end) / 2, y + 0.62, word, ha="center", va="center_baseline",
                color="white" if white else INK, zorder=4,
            )  # fmt: skip
            if hatch:
                text.set_bbox({"facecolor": colour, "edgecolor": "none", "pad": 1.5})

    def _faults(self, y: float, name: str) -> None:
        """A black triangle on the bar's upper edge, the fault's name beside it."""
        free = float("-inf")
        for event in self.lab.events:
            at = event.at - self.zero
            if event.kind not in lanes.FAULTS or event.node not in (name, ""):
                continue
            if not self.left <= at <= self.right:
                continue
            self.ax.plot(at, y + 0.3, "v", color=INK, markersize=8, zorder=5)
            start = max(at + 0.1 * self.per_inch, free)
            self.ax.text(
                start, y + 0.2, event.kind, va="center", weight="bold", zorder=5,
                fontsize=mpl.rcParams["font.size"] - 1,
            )  # fmt: skip
            free = start + (text_width(event.kind, weight="bold") + 0.15) * self.per_inch
