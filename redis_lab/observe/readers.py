"""Readers: people who ask for pages behind a cache, in a process of their own, by the clock.

A page that isn't cached costs its origin `cost` seconds, and the origin makes `workers` pages at a
time: as long as most are cached that is plenty. A wait counts from when its reader wanted the page,
however late the process came to it. This file is also what its process runs. It outlives the
server: what fails is noted, and it goes on until its end.
"""

import random
import sys
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
if __name__ != "<run_path>":  # its process runs without the package
    from redis_lab.observe.child import Child

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
        orders = [url, dict(pages), rate, name, cost, workers, exponent, seed]
        self._child = Child(__file__, "_read", orders, "readers' process")

    def __enter__(self) -> "Readers":
        self._child.start()
        try:
            self.wait(1)
        except BaseException:
            self._child.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._child.end()

    def wait(self, count: int, timeout: float = 45.0) -> None:
        """Until so many more were asked for; TimeoutError, or RuntimeError at its end."""
        self._child.wait(lambda: len(self._child.lines()), count, "pages", timeout)

    def frame(self) -> "pd.DataFrame":
        """A row for each page asked for: at (unix seconds, when it was wanted), wait (seconds),
        hit (True from the cache, False from the origin), error ("" if none). A page that is not
        answered yet has no row: during an outage the last ones are missing."""
        import pandas as pd

        lines = [line.split(" ") for line in self._child.lines()]
        rows = [(float(at), float(wait), hit == "h", error) for at, wait, hit, error in lines]
        return pd.DataFrame(rows, columns=COLUMNS).sort_values("at", ignore_index=True)


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
