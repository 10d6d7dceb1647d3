"""Traffic: many requests at a fixed rate, some keys far more often than others.

Open loop: a request is due by the clock, whether or not the one before it was answered, and its
latency counts from then. A generator that waits for answers asks less when the server is slow, and
so leaves out the very requests that would have suffered (Tene, "coordinated omission").
"""

import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd

Row = tuple[int, float, float, float, str, int]
COLUMNS = ["number", "due", "started", "latency", "outcome", "process"]


def zipf(items: Sequence[Any], count: int, exponent: float = 1.0, seed: int = 2013) -> list[Any]:
    """`count` of these items, the n-th as often as 1 / n ** exponent, in random order.

    The same seed gives the same list. Raises ValueError for no items, a count below 0, or an
    exponent that isn't above 0.
    """
    if not len(items) or count < 0 or not exponent > 0:
        raise ValueError("zipf needs items, a count of 0 or more and an exponent above 0")
    weights = 1.0 / np.arange(1, len(items) + 1) ** exponent
    chosen = np.random.default_rng(seed).choice(len(items), count, p=weights / weights.sum())
    return [items[number] for number in chosen]


def traffic(
    serve: Callable[[Any], Any],
    requests: Sequence[Any],
    rate: float | None = None,
    threads: int = 16,
    processes: int = 1,
) -> pd.DataFrame:
    """Call serve(request) for each request, `rate` a second; a row for each, in their order.

    rate: requests a second of all threads together, or None for as fast as they can. threads: of
    each process. processes: further ones are forked, and share the requests in turn; what serve
    changes in the memory of one stays there.

    Columns: request, due and started (seconds since the first was due), latency (seconds from due,
    or from its start where there is no rate), outcome ("ok" or the name of the exception's class),
    process (0 for the first). Raises ValueError for a rate, threads or processes not above 0.
    """
    if threads < 1 or processes < 1 or not (rate is None or rate > 0):
        raise ValueError("rate, threads and processes must be above 0")
    start = time.monotonic() + 0.05 * (processes - 1)  # the time that a fork takes
    turns = [range(first, len(requests), processes) for first in range(processes)]

    def part(process: int) -> list[Row]:
        return _serve_all(serve, requests, turns[process], rate, threads, start, process)

    frame = pd.DataFrame(sorted(_forked(part, processes)), columns=COLUMNS)
    frame["number"] = [requests[number] for number in frame["number"]]
    return frame.rename(columns={"number": "request"})


def _serve_all(
    serve: Callable[[Any], Any],
    requests: Sequence[Any],
    numbers: Sequence[int],
    rate: float | None,
    threads: int,
    start: float,
    process: int,
) -> list[Row]:
    waiting = iter(numbers)

    def worker(_: int) -> list[Row]:
        rows = []
        while (number := next(waiting, None)) is not None:  # one step under the interpreter's lock
            due = start + number / rate if rate else time.monotonic()
            time.sleep(max(0.0, due - time.monotonic()))
            began, outcome = time.monotonic(), "ok"
            try:
                serve(requests[number])
            except Exception as error:
                outcome = type(error).__name__
            ended = time.monotonic()
            rows.append((number, due - start, began - start, ended - due, outcome, process))
        return rows

    with ThreadPoolExecutor(threads) as pool:
        return [row for rows in pool.map(worker, range(threads)) for row in rows]


def _forked(part: Callable[[int], list[Row]], processes: int) -> list[Row]:
    context = multiprocessing.get_context("fork")
    pipes = [context.Pipe(duplex=False) for _ in range(1, processes)]

    def run(process: int) -> None:
        pipes[process - 1][1].send(part(process))

    children = [context.Process(target=run, args=(number,)) for number in range(1, processes)]
    for child in children:
        child.start()
    rows = part(0)
    for child, (receiver, sender) in zip(children, pipes, strict=True):
        sender.close()  # so that a child that died is an end of file
        try:
            rows += receiver.recv()
        except EOFError:
            raise ChildProcessError("a process of the traffic died") from None
        finally:
            child.join()
    return rows
