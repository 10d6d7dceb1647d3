"""Recorder: numbers noted again and again in the background, as a table over time."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import redis
from redis.exceptions import RedisClusterException

from redis_lab.errors import RedisLabError

_RATES = {  # per second, from counters of INFO
    "commands_s": "total_commands_processed",
    "expired_s": "expired_keys",
    "evicted_s": "evicted_keys",
    "in_bytes_s": "total_net_input_bytes",
    "out_bytes_s": "total_net_output_bytes",
}
_LEVELS = {  # as INFO gives them
    "memory_bytes": "used_memory",
    "clients": "connected_clients",
    "blocked": "blocked_clients",
}
_LOOKUPS = ("hits", "misses")


class Recorder:
    """Asks every `every` seconds in a thread, until stop() or for `limit` seconds.

    source: a client of one server, or a callable that returns a mapping of names to numbers. Of a
    server these are noted: commands_s, expired_s, evicted_s, in_bytes_s, out_bytes_s (each per
    second since the sample before), hits_percent (of the lookups since then; missing if there was
    none), memory_bytes, clients, blocked (at that moment). Our own INFO is one of the commands.
    A sample that fails (an error of redis-py, RedisLabError, OSError) is a row with its error and
    no number; any other exception is a bug in the callable: it ends the recording, and stop()
    raises it.
    then: called in that thread, after each sample and once when the recording has ended.
    """

    def __init__(
        self,
        source: redis.Redis | Callable[[], Mapping[str, float]],
        every: float = 0.5,
        limit: float = 600.0,
        then: Callable[[], object] | None = None,
    ):
        if every <= 0 or limit <= 0:
            raise ValueError(f"every and limit: seconds above 0, not {every!r} and {limit!r}")
        self.every, self.limit = every, limit
        self._then = then or (lambda: None)
        self._ask = source if callable(source) else _Vitals(source)
        self.running = False
        self._rows: list[dict[str, Any]] = []
        self._bug: Exception | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="redis-lab-recorder", daemon=True)

    def start(self) -> "Recorder":
        """Begin, once; RuntimeError the second time."""
        if self._thread.ident is not None:
            raise RuntimeError("a Recorder runs once: make another")
        self.running = True
        self._thread.start()
        return self

    def stop(self) -> None:
        """End, after the sample under way; twice is fine. Raises what a callable's bug raised."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._bug is not None:
            raise self._bug

    def __enter__(self) -> "Recorder":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def frame(self) -> pd.DataFrame:
        """A row for each sample so far: at (unix seconds), error ("" if none), then the numbers."""
        return pd.DataFrame(list(self._rows), columns=self._columns())

    def _columns(self) -> list[str]:
        return list(dict.fromkeys(["at", "error", *(name for row in self._rows for name in row)]))

    def _run(self) -> None:
        for step in (self._record, self._end):
            try:
                step()
            except Exception as bug:
                self._bug = self._bug or bug

    def _record(self) -> None:
        begun = due = time.monotonic()
        while due < begun + self.limit and not self._stopping.wait(due - time.monotonic()):
            self._rows.append(self._sample())
            self._then()
            due = max(due + self.every, time.monotonic())

    def _end(self) -> None:
        self.running = False
        self._then()

    def _sample(self) -> dict[str, Any]:
        at = time.time()
        try:
            return {"at": at, "error": "", **self._ask()}
        except (redis.RedisError, RedisClusterException, RedisLabError, OSError) as error:
            return {"at": at, "error": f"{type(error).__name__}: {error}"}


class _Vitals:
    """One server's numbers; rates since the call before, the first call has none."""

    def __init__(self, client: redis.Redis):
        self._client = client
        self._before: tuple[float, dict[str, Any]] | None = None

    def __call__(self) -> dict[str, float]:
        told, now = self._client.info(), time.monotonic()
        if self._before and _began_anew(self._before[1], told):
            self._before = None
        values = {name: told[field] for name, field in _LEVELS.items()}
        if self._before:
            then, before = self._before
            rates = {name: told[field] - before[field] for name, field in _RATES.items()}
            values |= {name: change / (now - then) for name, change in rates.items()}
            hits, misses = (told[f"keyspace_{one}"] - before[f"keyspace_{one}"] for one in _LOOKUPS)
            if hits + misses > 0:
                values["hits_percent"] = 100 * hits / (hits + misses)
        self._before = now, told
        return values


def _began_anew(before: dict[str, Any], told: dict[str, Any]) -> bool:
    """Another server, or CONFIG RESETSTAT: its counters began at zero."""
    fell = any(told[field] < before[field] for field in _RATES.values())
    return fell or told["run_id"] != before["run_id"]
