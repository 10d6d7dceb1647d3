"""Alarms: rules over a table of samples, and when each of them would have woken somebody.

A rule is a condition, how long it must hold, and how long it must be gone before it counts as over
(Prometheus calls these expr, for and keep_firing_for). Nothing here sends anything.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Rule:
    """when: a condition on the columns of a sample, as in pandas' query ("late_percent > 5").

    hold: seconds for which every sample must meet it before it fires. clear: seconds without it
    until it is over; a condition that comes back before is the same alarm. why: what to do then.
    A number that is missing meets no condition, unless it asks (`late_percent.isna()`).
    """

    name: str
    when: str
    hold: float = 0.0
    clear: float = 0.0
    why: str = ""

    def __post_init__(self) -> None:
        if self.hold < 0 or self.clear < 0:
            raise ValueError(f"hold and clear: seconds, not {self.hold!r} and {self.clear!r}")


def alarms(frame: pd.DataFrame, rules: Iterable[Rule]) -> pd.DataFrame:
    """A row for each alarm, in the order of time: rule, since, at, until.

    frame: as a Recorder's, with the column at, ascending. since: the first sample that met the
    condition; at: the one that fired; until: the first without it, nan if it lasts to the end.
    """
    rows = [(rule.name, *alarm) for rule in rules for alarm in _of(rule, frame)]
    told = pd.DataFrame(rows, columns=["rule", "since", "at", "until"])
    return told.sort_values("at", kind="stable", ignore_index=True)


def _of(rule: Rule, frame: pd.DataFrame) -> list[tuple[float, float, float]]:
    met = pd.Series(frame.eval(rule.when), index=frame.index).fillna(False).astype(bool)
    found: list[tuple[float, float, float]] = []
    since = at = gone = None
    for now, bad in zip(frame["at"].astype(float), met, strict=True):
        if bad:
            since, gone = now if since is None else since, None
            at = now if at is None and now - since >= rule.hold else at
        elif at is None:
            since = None
        elif since is not None:
            gone = now if gone is None else gone
            if now - gone >= rule.clear:
                found.append((since, at, gone))
                since = at = gone = None
    if since is not None and at is not None:
        found.append((since, at, float("nan") if gone is None else gone))
    return found


def rates(frame: pd.DataFrame, counters: Sequence[str]) -> pd.DataFrame:
    """Counters of a server as changes per second, a row for each sample; the first has none.

    frame: with the column at (seconds) and these. A step in which any of them fell has no rate in
    any (nan): all begin at zero together, after a restart or CONFIG RESETSTAT, and one that is
    busy may be past its old value by then.
    """
    names = list(counters)
    change = frame[names].astype(float).diff()
    change[(change < 0).any(axis=1)] = float("nan")
    return change.div(frame["at"].astype(float).diff(), axis=0)
