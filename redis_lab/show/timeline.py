"""A fault as clients and nodes lived through it: attempts above, one bar per node below."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from redis_lab.show import rows
from redis_lab.show.lanes import FAULTS, Seen, look, sentinel_marks, spans
from redis_lab.show.outage import Outage, tell
from redis_lab.show.style import figure, headline, inches, style, text_width

_NOUNS = {"partition": "cut", "failover": "failover command"}


def timeline(
    probe: Any,
    lab: Any,
    ax: Axes | None = None,
    *,
    audit: pd.DataFrame | None = None,
    title: str | None = None,
) -> Axes:
    """Draw what a Probe saw while `lab` was broken, from 1.5 s before the first fault.

    probe: a Probe, or anything with frame(); lab: a Topology, or anything with nodes and events.
    audit: a Probe's audit(); acknowledged writes that were lost then stand in the title, where
    otherwise the longest time without a success does. title: a finding of your own. x counts
    seconds from the first fault.
    """
    frame, seen = probe.frame(), look(lab)
    with style():
        outage = tell(frame, seen, getattr(probe, "workload", "write"), audit)
        finding = title or outage.finding
        marks = sentinel_marks(seen, outage.zero)
        names = [*(["Sentinel"] if marks else []), f"{outage.noun}s", *seen.roles]
        if ax is None:
            height = len(seen.roles) * rows.BAR + rows.ATTEMPTS + rows.STEP * len(marks) + 0.4
            margin = max(map(text_width, names)) + 0.3
            ax = figure(finding, margin=margin, lines=height * 2.1)
        sheet = rows.Sheet(ax, outage.zero, *_window(ax, frame, seen, outage, marks))
        _draw(sheet, frame, seen, outage, rows.stairs(sheet, marks))
        headline(ax, finding)
        verb = _NOUNS.get(outage.kind, outage.kind)
        ax.set_xlabel(f"seconds since the {verb}" if verb else "seconds since the probe began")
    return ax


def _draw(
    sheet: rows.Sheet,
    frame: pd.DataFrame,
    seen: Seen,
    outage: Outage,
    steps: list[tuple[float, str, int]],
) -> None:
    top = rows.STEP * (1 + max((step for *_, step in steps), default=-1)) + 0.1 * bool(steps)
    middles = {"Sentinel": top / 2} if steps else {}
    rows.draw_attempts(sheet, top, frame, outage)
    middles[f"{outage.noun}s"] = top + 0.8
    y = top + rows.ATTEMPTS + 0.25
    for name, lane in spans(seen, sheet.zero + sheet.right).items():
        rows.draw_bar(sheet, y, lane)
        rows.draw_faults(sheet, y, name, seen.events)
        middles[name] = y + 0.62
        y += rows.BAR
    rows.draw_sentinel(sheet, steps, y)
    ax = sheet.ax
    ax.set_xlim(sheet.left, sheet.right)
    ax.set_ylim(y + 0.05, 0)
    ax.set_yticks(list(middles.values()), list(middles))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def _window(
    ax: Axes, frame: pd.DataFrame, seen: Seen, outage: Outage, marks: Sequence[tuple[float, str]]
) -> tuple[float, float]:
    """First and last second: what happened and a little more, and room for the marks' labels."""
    zero = outage.zero
    began, ended = frame.intended.min() - zero, frame.finished.max() - zero
    if not outage.kind:
        return 0.0, ended
    faults = [event.at for event in seen.events if event.kind in FAULTS and event.at >= zero]
    last = max([outage.gap.end, *faults, *(at for at, _ in marks)]) - zero
    left, right = max(began, -1.5), min(last + 1.5, max(ended, last + 0.3))
    room = inches(ax)[0]
    labels = [(at - zero, text_width(rows.mark_label(at - zero, word))) for at, word in marks]
    caption = text_width(outage.length, weight="bold") + 0.15
    if outage.shaded and caption > outage.gap.seconds / (right - left) * room:
        labels.append((outage.gap.end - zero, caption))
    errors = frame.finished[~frame.ok] - zero
    labels += [(x, text_width("error") + 0.1) for x in errors[errors < right].tail(1)]
    for x, width in labels:  # right, so that x and this width beside it are inside
        share = (width + 0.15) / room
        right = max(right, (x - left * share) / (1 - share))
    return left, right
