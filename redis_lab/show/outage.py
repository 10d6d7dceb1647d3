"""What a fault cost the clients, from a probe's frame and a lab's events: the timeline's title."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from redis_lab.observe.probe import Gap, longest_gap
from redis_lab.show.lanes import BREAKS, FAULTS, spans
from redis_lab.show.style import duration

_DONE = {"kill": "killed", "pause": "paused", "partition": "cut off", "resume": "resumed"}
_DONE |= {"restart": "restarted", "heal": "healed", "failover": "asked to fail over"}
_NOTABLE = 0.2  # seconds: a silence that is worth shading though nothing failed


@dataclass(frozen=True)
class Outage:
    """zero: unix time that the figure calls 0; kind: of the first fault, "" without one.

    finding: the title; length: the shaded part in words; shaded: whether there is one.
    """

    zero: float
    kind: str
    noun: str
    gap: Gap
    finding: str
    length: str
    shaded: bool


def tell(frame: pd.DataFrame, lab: Any, workload: Any) -> Outage:
    """The outage in a Probe's frame: of everything, or of the share that failed."""
    noun = workload if isinstance(workload, str) else "call"
    began, ended = frame.intended.min(), frame.finished.max()
    faults = [event for event in lab.events if event.kind in FAULTS and began <= event.at <= ended]
    zero = faults[0].at if faults else began
    near = frame[frame.finished >= zero - 1.5]
    failed = near[~near.ok]
    gap, length = longest_gap(near), f"without a {noun}"
    share = _share(near, failed, lab, faults) if len(failed) else ""
    if share:
        gap = longest_gap(near[near.key.isin(failed.key)])
        length = f"without a {noun} to {share}"
    during = failed.finished.between(gap.start, gap.end).sum()
    took = duration(gap.seconds)
    if not len(failed):
        said = f"no {noun} failed, " + (
            f"but none was answered for {took}"
            if gap.seconds >= _NOTABLE
            else f"the longest silence was {took}"
        )
    elif share:
        said = f"{noun}s to {share} primaries failed " + (
            f"for {took}" if gap.recovered else f"and still did after {took}"
        )
    elif during * 2 >= len(failed):
        said = f"no {noun} succeeded " + (f"for {took}" if gap.recovered else f"again in {took}")
    else:
        said = f"{len(failed):,} of {len(near):,} {noun}s failed"
    shaded = gap.seconds >= _NOTABLE or bool(during)
    kind = faults[0].kind if faults else ""
    return Outage(zero, kind, noun, gap, f"{_deed(faults)}: {said}", f"{took} {length}", shaded)


def _deed(faults: list[Any]) -> str:
    """The first fault in words, with the nodes that suffered it together: "redis-1 killed"."""
    if not faults:
        return "No fault"
    first = faults[0]
    same = [f.node for f in faults if f.kind == first.kind and f.at - first.at < 0.1 and f.node]
    return f"{' and '.join(same) or 'The lab'} {_DONE[first.kind]}"


def _share(near: pd.DataFrame, failed: pd.DataFrame, lab: Any, faults: list[Any]) -> str:
    """ "1 of 3" when others were served while some primaries' keys failed; else ""."""
    if "key" not in near or failed.key.isna().any():
        return ""
    others = near[near.ok & ~near.key.isin(failed.key)]
    if not others.finished.between(failed.finished.min(), failed.finished.max()).any():
        return ""
    primaries, hit = set(), set()
    for name, lane in spans(lab, near.finished.max()).items():
        for span in lane:
            if span.role == "primary" and faults and span.start < faults[0].at <= span.end:
                primaries.add(name)
    hit = {fault.node for fault in faults if fault.kind in BREAKS} & primaries
    return f"{len(hit)} of {len(primaries)}" if hit and len(primaries) > 1 else ""
