"""Probe: one small operation at a fixed rate in the background, to see what clients see of a fault.

The rate is set by the clock, not by the answers: an operation that blocks makes those behind it
late, and their latency counts from when they should have started. Two silent seconds at 100 a
second show as 200 late operations, not as one slow one (Gil Tene, "coordinated omission").
"""

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import pandas as pd
import redis
from redis.crc import key_slot
from redis.exceptions import RedisClusterException

from redis_lab.errors import RedisLabError

_LISTS, _SLOTS, _TTL = 16, 16384, 3600
_APPEND = "redis.call('RPUSH', KEYS[1], ARGV[1]) return redis.call('EXPIRE', KEYS[1], ARGV[2])"
_FAILURES = (redis.RedisError, RedisClusterException, RedisLabError, OSError)
_COLUMNS: dict[str, Any] = {
    **{"number": int, "intended": float, "started": float, "finished": float},
    **{"ok": bool, "error": object, "key": object},  # object: None stays None
}


@dataclass(frozen=True)
class Gap:
    """An interval without a success: seconds, start and end (unix seconds).

    recovered: a success ended it, rather than the end of the probe.
    """

    seconds: float
    start: float
    end: float
    recovered: bool


def longest_gap(frame: pd.DataFrame) -> Gap:
    """The longest time between two successes of a Probe's frame (its ends count as edges)."""
    if frame.empty:
        raise ValueError("frame: the probe has done no operation yet")
    served = frame.loc[frame.ok, "finished"].sort_values()
    times = [frame.intended.min(), *served, frame.finished.max()]
    gaps = [(later - earlier, at) for at, (earlier, later) in enumerate(pairwise(times))]
    seconds, at = max(gaps)
    return Gap(float(seconds), float(times[at]), float(times[at + 1]), at < len(served))


class Probe:
    """Calls `workload` every `every` seconds in a thread, until stop() or for `limit` seconds.

    workload: "write" appends the operation's number to one of 16 lists in turn, whose keys lie in
        different sixteenths of the slots, so that every primary of a Cluster is probed; they expire
        after an hour. "read" GETs those keys (nothing is stored). Else a callable (client, number).
    client: its timeouts and retries decide what is seen. With a timeout of 2 s, a server that is
        paused for less shows no error, only a crowd of late operations; one that is paused for
        longer, an error every 2 s. Late ones are done as fast as the server takes them.
    An error is what the client raised (RedisError, RedisLabError, OSError), logged as such. Any
    other exception is a bug in the workload: it ends the probe and stop() raises it.
    stop() waits for the operation under way; operations that were due but not begun are not logged.
    A thread shares the interpreter: a main thread that computes delays the probe, and `started`
    minus `intended` then says so where no operation was blocking.
    """

    def __init__(
        self,
        client: Any,
        workload: Literal["write", "read"] | Callable[[Any, int], object] = "write",
        every: float = 0.01,
        limit: float = 60.0,
    ):
        if workload not in ("write", "read") and not callable(workload):
            raise ValueError(f'workload: "write", "read" or a callable, not {workload!r}')
        if every <= 0 or limit <= 0:
            raise ValueError(f"every and limit: seconds above 0, not {every!r} and {limit!r}")
        self.client, self.workload, self.every, self.limit = client, workload, every, limit
        self.keys = () if callable(workload) else _spread_keys(f"probe:{uuid.uuid4().hex[:8]}")
        self._log: list[tuple[Any, ...]] = []
        self._served = 0
        self._bug: Exception | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="redis-lab-probe", daemon=True)

    def start(self) -> "Probe":
        """Begin, once; RuntimeError the second time."""
        if self._thread.ident is not None:
            raise RuntimeError("a Probe runs once: make another")
        self._thread.start()
        return self

    def stop(self) -> None:
        """End; twice is fine. Raises the exception of a workload that has a bug."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._bug is not None:
            raise self._bug

    def wait(self, served: int, timeout: float = 30.0) -> None:
        """Until so many more operations have been served; TimeoutError after `timeout` seconds."""
        before, deadline = self._served, time.monotonic() + timeout
        while self._served < before + served:
            if not self._thread.is_alive():
                self.stop()
                raise RuntimeError("the probe is not running: nothing more will be served")
            if time.monotonic() > deadline:
                count = self._served - before
                raise TimeoutError(f"{count} of {served} operations served in {timeout:g} s")
            time.sleep(0.005)

    def __enter__(self) -> "Probe":
        return self.start()

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        try:
            self.stop()
        except Exception as bug:
            if error is None:
                raise
            error.add_note(f"The probe had failed too: {bug!r}")

    def frame(self) -> pd.DataFrame:
        """One row an operation: number, intended, started, finished, ok, error, key, latency.

        Times are unix seconds; latency is in seconds from `intended`; error is None or text; key is
        the probed list, None for a callable.
        """
        log = list(self._log)
        frame = pd.DataFrame(
            {
                name: pd.Series([row[at] for row in log], dtype=_COLUMNS[name])
                for at, name in enumerate(_COLUMNS)
            }
        )
        return frame.assign(latency=frame.finished - frame.intended)

    @property
    def longest_gap(self) -> Gap:
        """The longest time between two successes."""
        return longest_gap(self.frame())

    def audit(self, client: Any) -> pd.DataFrame:
        """What became of the writes, in one row, read through any client of the surviving data.

        attempted = acknowledged + failed; lost: acknowledged, yet not in the data; duplicated: in
        the data more than once; unknown: failed, yet in the data (an error does not mean "not
        applied"). After stop(), within the hour that the keys live.
        """
        if self.workload != "write":
            raise ValueError(
                'audit needs workload="write": no other leaves its numbers in the data'
            )
        if self._thread.is_alive():
            raise RuntimeError("the probe still writes: stop() it, then audit")
        found = Counter(int(item) for key in self.keys for item in client.lrange(key, 0, -1))
        acknowledged = {row[0] for row in self._log if row[4]}
        failed = {row[0] for row in self._log if not row[4]}
        counts = {
            "attempted": len(self._log),
            "acknowledged": len(acknowledged),
            "failed": len(failed),
            "lost": len(acknowledged - found.keys()),
            "duplicated": sum(times > 1 for times in found.values()),
            "unknown": len(failed & found.keys()),
        }
        return pd.DataFrame([counts])

    def __repr__(self) -> str:
        failed = sum(not row[4] for row in list(self._log))
        name = self.workload if isinstance(self.workload, str) else "call"
        return f"<Probe {name} every {self.every} s: {len(self._log)} done, {failed} failed>"

    def _run(self) -> None:
        wall, began = time.time(), time.perf_counter()
        number = 0
        while not self._stopping.wait(max(0.0, began + number * self.every - time.perf_counter())):
            due, started = number * self.every, time.perf_counter() - began
            if max(due, started) >= self.limit:
                return
            error = None
            try:
                self._operate(number)
            except _FAILURES as failure:
                if isinstance(failure, redis.DataError):  # the client refused the argument
                    self._bug = failure
                    return
                error = f"{type(failure).__name__}: {failure}"[:100]
            except Exception as bug:
                self._bug = bug
                return
            finished = wall + time.perf_counter() - began
            key = self.keys[number % _LISTS] if self.keys else None
            self._log.append(
                (number, wall + due, wall + started, finished, error is None, error, key)
            )
            self._served += error is None
            number += 1

    def _operate(self, number: int) -> None:
        if callable(self.workload):
            self.workload(self.client, number)
        elif self.workload == "write":
            self.client.eval(_APPEND, 1, self.keys[number % _LISTS], number, _TTL)
        else:
            self.client.get(self.keys[number % _LISTS])


def _spread_keys(name: str) -> tuple[str, ...]:
    """Sixteen keys, one in each sixteenth of the 16384 slots; neighbours lie far apart."""
    keys: dict[int, str] = {}
    number = 0
    while len(keys) < _LISTS:
        key = f"{name}:{number}"
        keys.setdefault(key_slot(key.encode()) * _LISTS // _SLOTS, key)
        number += 1
    return tuple(keys[at * 7 % _LISTS] for at in range(_LISTS))
