"""Readers: people who ask for pages behind a cache, in a process of their own, by the clock.

A page that isn't cached costs its origin `cost` seconds, and the origin makes `workers` pages at a
time: as long as most are cached that is plenty. A wait counts from when its reader wanted the page,
however late the process came to it. This file is also what its process runs. It outlives the
server: what fails is noted, and it goes on until its end.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

if TYPE_CHECKING:
    import pandas as pd

LIMIT = 300.0  # seconds that it reads at most
COLUMNS = ["at", "wait", "hit", "error"]


class Readers:
    """Asks for these pages `rate` times a second, the n-th as often as 1 / n ** exponent.

    url: the server's. pages: what the origin has, by key. name: that of its connections. cost,
    workers: of the origin, seconds and a number. A page is cached for an hour; one whose cache
    fails is an error, not a page. A context manager: it reads from its first answer to the end of
    the block, for LIMIT seconds at most.
    """

    def __init__(
        self, url: str, pages: Mapping[str, str], rate: float = 150, name: str = "board",
        cost: float = 0.02, workers: int = 4, exponent: float = 1.0, seed: int = 2013,
    ):  # fmt: skip
        if not pages or rate <= 0 or cost < 0 or workers < 1:
            raise ValueError("pages, and a rate and workers above 0; a cost of 0 or more")
        self._orders = [url, dict(pages), rate, name, cost, workers, exponent, seed]
        self._notes = tempfile.TemporaryFile("w+b")  # noqa: SIM115 - as long as the readers are
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Readers":
        if self._process:
            raise RuntimeError("Readers run once: make others")
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__], stdin=subprocess.PIPE, stdout=self._notes, text=True,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        assert self._process.stdin
        with self._process.stdin as orders:  # not as arguments: the URL has a password
            json.dump(self._orders, orders)
        try:
            self.wait(1)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait()

    def wait(self, count: int, timeout: float = 45.0) -> None:
        """Until so many more were asked for; TimeoutError, or RuntimeError at its end."""
        before, deadline = len(self._lines()), time.monotonic() + timeout
        while (done := len(self._lines()) - before) < count:
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError("the readers read no more")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{done} of {count} pages in {timeout:g} s")
            time.sleep(0.01)

    def frame(self) -> "pd.DataFrame":
        """A row for each page asked for: at (unix seconds, when it was wanted), wait (seconds),
        hit (True from the cache, False from the origin), error ("" if none)."""
        import pandas as pd

        lines = self._lines()
        rows = [(float(at), float(wait), hit == "h", error) for at, wait, hit, error in lines]
        return pd.DataFrame(rows, columns=COLUMNS).sort_values("at", ignore_index=True)

    def _lines(self) -> list[list[str]]:
        notes = self._notes.fileno()
        text = os.pread(notes, os.fstat(notes).st_size, 0)  # its process writes at the file's place
        return [line.split(" ") for line in text.decode().split("\n")[:-1]]


def suffered(pages: "pd.DataFrame", at: Sequence[float], within: float = 0.05) -> "pd.DataFrame":
    """What readers felt, a row for each of these moments: of the pages wanted since the one before.

    pages: as Readers.frame() gives them. at: unix seconds, ascending. Columns: pages_s (wanted a
    second), late_percent (those that took more than `within` seconds, or failed; missing where
    nobody asked), p99_ms (waits; likewise), failed_s. The first row has no moment before it: nan.
    """
    import numpy as np
    import pandas as pd

    edges = np.asarray(at, float)
    place = np.searchsorted(edges, pages["at"].to_numpy(float), side="left")
    late = (pages.wait > within) | (pages.error != "")
    groups = pages.assign(late=late, failed=pages.error != "").groupby(place)
    table = pd.DataFrame(
        {
            "pages_s": groups.size(),
            "late_percent": 100 * groups.late.mean(),
            "p99_ms": 1000 * groups.wait.quantile(0.99),
            "failed_s": groups.failed.sum(),
        }
    ).reindex(range(1, len(edges)))
    table[["pages_s", "failed_s"]] = table[["pages_s", "failed_s"]].fillna(0)
    for name in ("pages_s", "failed_s"):
        table[name] /= np.diff(edges)
    table = table.reindex(range(len(edges)))
    table.insert(0, "at", edges)
    return table


def _read(
    url: str, pages: dict[str, str], rate: float, name: str, cost: float, workers: int,
    exponent: float, seed: int,
) -> None:  # fmt: skip
    client = redis.Redis.from_url(
        url, protocol=3, client_name=name, socket_timeout=5, decode_responses=True,
        retry=Retry(NoBackoff(), 0),
    )  # fmt: skip
    origin, told = threading.Semaphore(workers), threading.Lock()
    keys, chance = list(pages), random.Random(seed)
    weights = [n**-exponent for n in range(1, len(keys) + 1)]
    wanted = chance.choices(keys, weights, k=1 << 16)
    begun, unix = time.monotonic(), time.time()

    def ask(key: str) -> str:
        if client.get(key) is not None:
            return "h"
        with origin:
            time.sleep(cost)  # the origin's work
        client.set(key, pages[key], ex=3600)
        return "m"

    def reader(first: int) -> None:
        number = first
        while (due := number / rate) < LIMIT:
            time.sleep(max(0.0, begun + due - time.monotonic()))
            hit, error = "-", ""
            try:
                hit = ask(wanted[number % len(wanted)])
            except (redis.RedisError, OSError) as failure:
                error = type(failure).__name__
            wait = time.monotonic() - begun - due
            with told:
                sys.stdout.write(f"{unix + due:.4f} {wait:.5f} {hit} {error}\n")
                sys.stdout.flush()
            number += threads

    threads = 16
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(reader, range(threads)))


if __name__ == "__main__":
    _read(*json.load(sys.stdin))
