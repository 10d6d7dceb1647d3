"""bench: how long some calls take, measured side by side in one run."""

import gc
import time
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

_BLOCK = 0.005  # seconds that one way is measured before the next one has its turn
_BEYOND = 10  # samples that must lie beyond a percentile for it to be told


def bench(ways: Mapping[str, Callable[[], Any]], seconds: float = 1.0) -> pd.DataFrame:
    """Time some calls, taking turns, so that a busy moment hits all of them.

    ways: callables without arguments, by name. seconds: how long each is measured. The table, in
    the order given: index way; calls, ops_per_s, p50_us, p99_us, relative (speed, the first is
    1.0). p99_us is missing where fewer than ten calls were slower. It is a closed loop: what it
    tells is the time of a call, not how a server copes with a load (see Probe).
    Raises ValueError for no way or no time; what a call raises goes through.
    """
    if not ways:
        raise ValueError("ways: name at least one callable")
    if not seconds > 0:
        raise ValueError(f"seconds must be positive, not {seconds}")
    times: dict[str, list[int]] = {name: [] for name in ways}
    spent = dict.fromkeys(ways, 0.0)
    for call in ways.values():
        call()
    gc.collect()
    while min(spent.values()) < seconds:
        for name, call in ways.items():
            spent[name] += _block(call, times[name], min(_BLOCK, seconds))
    rows = {name: _summary(taken) for name, taken in times.items()}
    names = pd.Index(list(rows), name="way", tupleize_cols=False)
    frame = pd.DataFrame(list(rows.values()), index=names)
    frame["calls"] = frame["calls"].astype(int)
    frame["relative"] = frame["ops_per_s"] / frame["ops_per_s"].iloc[0]
    return frame


def _block(call: Callable[[], Any], times: list[int], seconds: float) -> float:
    began = now = time.perf_counter_ns()
    while now - began < seconds * 1e9:
        call()
        after = time.perf_counter_ns()
        times.append(after - now)
        now = after
    return (now - began) / 1e9


def _summary(taken: list[int]) -> dict[str, float]:
    in_us = pd.Series(taken) / 1000
    return {
        "calls": len(taken),
        "ops_per_s": 1e6 / in_us.mean(),
        "p50_us": in_us.median(),
        "p99_us": in_us.quantile(0.99) if len(taken) >= _BEYOND * 100 else float("nan"),
    }
