"""Ours, the peers' and raw redis-py, measured in one run: interleaved blocks, the fastest tenth."""

import gc
import importlib
import statistics
import time
from collections import deque
from collections.abc import Callable
from typing import Any


def compare(
    title: str,
    raw: str,
    ways: dict[str, Callable[[], Any] | str],
    floors: dict[str, float] | None = None,
    calls: int = 10,
    blocks: int = 300,
) -> dict[str, float]:
    """Print a table of µs a call and speed against raw (1.00); returns the speeds.

    ways: callables by name, or the reason why there is none. floors: the least speed, by name;
    AssertionError below it. Each block is `calls` calls; blocks of all ways take turns, each way
    behind every other one equally often, and the fastest tenth of its blocks counts.
    """
    callables = {name: way for name, way in ways.items() if callable(way)}
    times: dict[str, list[float]] = {name: [] for name in callables}
    gc.collect()
    turns = deque(callables.items())
    for _ in range(blocks):
        turns.rotate()
        for name, way in turns:
            started = time.perf_counter()
            for _ in range(calls):
                way()
            times[name].append((time.perf_counter() - started) / calls)
    best = {n: statistics.mean(sorted(t)[: max(1, len(t) // 10)]) for n, t in times.items()}
    speeds = {name: best[raw] / seconds for name, seconds in best.items()}
    print(f"\n{title}")
    for name, way in ways.items():
        if not callable(way):
            print(f"  {name:34} {way}")
            continue
        floor = (floors or {}).get(name)
        at_least = f"   at least {floor:.2f}" if floor else ""
        print(f"  {name:34} {best[name] * 1e6:9.1f} µs   {speeds[name]:5.2f}{at_least}")
    low = {n: round(speeds[n], 3) for n, floor in (floors or {}).items() if speeds[n] < floor}
    assert not low, f"{title}: below the floor: {low}"
    return speeds


def peer(module: str) -> Any:
    """The module, or None where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        return None
