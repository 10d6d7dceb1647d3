"""What a fault cost the clients, from a probe's frame and a lab's events: a timeline's title."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from redis_lab.observe.probe import Gap, longest_gap
from redis_lab.show.lanes import BREAKS, FAULTS, Seen, spans
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


def tell(frame: pd.DataFrame, seen: Seen, workload: Any, audit: pd.DataFrame | None) -> Outage:
    """The outage in a Probe's frame: of everything, or of what some primaries hold."""
    noun = workload if isinstance(workload, str) else "call"
    began, ended = frame.intended.min(), frame.finished.max()
    faults = [event for event in seen.events if event.kind in FAULTS and began <= event.at <= ended]
    zero = faults[0].at if faults else began
    near = frame[frame.finished >= zero - 1.5]
    gap, length = longest_gap(near), f"without a {noun}"
    broken = _broken_keys(near, zero)
    share = _share(near, broken, seen, faults)
    if share:
        said = _partly(near, broken, gap, noun, share)
        gap, length = longest_gap(near[near.key.isin(broken)]), f"for {share}"
    else:
        said = _said(near, gap, noun)
    if audit is not None and audit.lost.sum():
        said = said.split(", ")[0] + f", {audit.lost.sum():,} acknowledged ones were lost"
    return Outage(
        zero,
        kind=faults[0].kind if faults else "",
        noun=noun,
        gap=gap,
        finding=f"{_deed(faults)}: {said}",
        length=f"{duration(gap.seconds)} {length}",
        shaded=gap.seconds >= _NOTABLE or _errors(near, gap) > 0,
    )


def _said(near: pd.DataFrame, gap: Gap, noun: str) -> str:
    failed = int((~near.ok).sum())
    if not failed and gap.seconds >= _NOTABLE:
        return f"no {noun} failed, but none was answered for {duration(gap.seconds)}"
    if not failed:
        return f"no {noun} failed, the longest silence was {duration(gap.seconds)}"
    if _errors(near, gap) * 2 >= failed:
        return f"no {noun} succeeded {_while(gap)}"
    return f"{failed:,} of {len(near):,} {noun}s failed"


def _partly(near: pd.DataFrame, broken: list[str], whole: Gap, noun: str, share: str) -> str:
    """A Cluster of which a part fails; from when it knows, it may refuse everything for a while."""
    said = f"{noun}s to {share} primaries failed {_while(longest_gap(near[near.key.isin(broken)]))}"
    if whole.seconds >= _NOTABLE and _errors(near, whole):
        said += f", all {noun}s for {duration(whole.seconds)}"
    return said


def _while(gap: Gap) -> str:
    took = duration(gap.seconds)
    return f"for {took}" if gap.recovered else f"in the {took} that followed"


def _errors(near: pd.DataFrame, gap: Gap) -> int:
    return int((~near.ok & near.finished.between(gap.start, gap.end)).sum())


def _broken_keys(near: pd.DataFrame, zero: float) -> list[str]:
    """The keys whose first operation after the fault failed."""
    if "key" not in near or near.key.isna().any():
        return []
    first = near[near.finished > zero].groupby("key").ok.first()
    return list(first.index[~first])


def _deed(faults: list[Any]) -> str:
    """The first fault in words, with the nodes that suffered it together: "redis-1 killed"."""
    if not faults:
        return "No fault during the probe"
    first = faults[0]
    same = [f.node for f in faults if f.kind == first.kind and f.at - first.at < 0.1 and f.node]
    return f"{' and '.join(same) or 'The lab'} {_DONE[first.kind]}"


def _share(near: pd.DataFrame, broken: list[str], seen: Seen, faults: list[Any]) -> str:
    """ "1 of 3" when other primaries served while the broken ones' keys failed; else ""."""
    if not broken or not faults:
        return ""
    failed = near[~near.ok & near.key.isin(broken)].finished
    served = near[near.ok & ~near.key.isin(broken)].finished
    if not served.between(failed.min(), failed.max()).any():
        return ""
    primaries = {
        name
        for name, lane in spans(seen, near.finished.max()).items()
        for span in lane
        if span.role == "primary" and span.start < faults[0].at <= span.end
    }
    hit = {fault.node for fault in faults if fault.kind in BREAKS} & primaries
    return f"{len(hit)} of {len(primaries)}" if hit and len(primaries) > 1 else ""
