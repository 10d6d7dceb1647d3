"""Writer: a client in a process of its own that writes steadily, and notes every answer.

Unlike a Ledger it goes on when it is refused, and it can ask replicas to confirm. It keeps the
connection that it has: across a partition it stays with its server. This file is also what its
process runs. It ends with the server.
"""

import contextlib
import signal
import sys
import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

if TYPE_CHECKING:
    import pandas as pd
if __name__ != "<run_path>":  # its process runs without the package
    from redis_lab.observe.child import Child

LIMIT = 60.0  # seconds that it writes at most
OUTCOMES = {"A": "acknowledged", "R": "refused", "U": "unconfirmed"}
_WAIT_MS = 250
_LOOK = 0.05  # seconds until it sees that it is to end
_PAUSE = 0.02  # after a batch of which nothing was acknowledged


class Writer:
    """Appends numbers to the list `key` of the server at `url`, `batch` in a pipeline, one pipeline
    after another, until the end of the block.

    copies: a WAIT for so many replicas ends each pipeline; unless it counts as many within 0.25 s,
    what the pipeline wrote is unconfirmed. A write answered by an error (NOREPLICAS, READONLY) is
    refused. rate: writes a second, at most. key: that of the list, if it matters (as in a cluster).
    A context manager: from its start on it has a connection; the list stays, and is the caller's.
    """

    def __init__(
        self, url: str, batch: int = 200, copies: int = 0, rate: int = 50_000, key: str = ""
    ):
        if batch < 1 or rate < 1 or copies < 0:
            raise ValueError(f"above 0, copies 0 or more: not {batch!r}, {rate!r}, {copies!r}")
        self.key = key or f"writer:{uuid.uuid4().hex[:8]}"
        self.batch = batch
        orders = [url, self.key, batch, copies, rate]
        self._child = Child(__file__, "_write", orders, "writer")

    def __enter__(self) -> "Writer":
        self._child.start()
        try:
            self.wait(1)
        except BaseException:
            self._child.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._child.end()

    def wait(self, count: int, outcome: str = "acknowledged", timeout: float = 45.0) -> None:
        """Until so many more writes are acknowledged (or refused, or unconfirmed).

        TimeoutError after `timeout` seconds; RuntimeError if it writes no more.
        """
        self._child.wait(lambda: self.count(outcome), count, outcome, timeout)

    def count(self, outcome: str = "acknowledged") -> int:
        """How many writes had this outcome so far."""
        letter = next(letter for letter, word in OUTCOMES.items() if word == outcome)
        return sum(letters.count(letter) for _, letters in self._batches())

    def frame(self) -> "pd.DataFrame":
        """A row for each pipeline: at (unix seconds, when it was answered), and its writes by
        outcome: acknowledged, refused, unconfirmed."""
        import pandas as pd

        rows = [(at, *map(letters.count, OUTCOMES)) for at, letters in self._batches()]
        return pd.DataFrame(rows, columns=["at", *OUTCOMES.values()])

    def audit(self, client: Any) -> "pd.DataFrame":
        """What became of the writes, in one row, read from the surviving server; after the block.

        acknowledged, refused, unconfirmed; lost: acknowledged, yet not in the data.
        """
        import pandas as pd

        if not self._child.ended:
            raise RuntimeError("the writer is not closed: audit it after its block")
        told = "".join(letters for _, letters in self._batches())
        found = set(map(int, client.lrange(self.key, 0, -1)))
        acknowledged = {number for number, letter in enumerate(told) if letter == "A"}
        counts = {word: told.count(letter) for letter, word in OUTCOMES.items()}
        return pd.DataFrame([{**counts, "lost": len(acknowledged - found)}])

    def _batches(self) -> list[tuple[float, str]]:
        """When each pipeline was answered, and a letter for each of its writes."""
        fields = (line.split(" ") for line in self._child.lines())
        return [(float(at), told * self.batch if len(told) == 1 else told) for at, told in fields]


def growth(writers: Mapping[str, Writer], since: float, every: float = 0.1) -> "pd.DataFrame":
    """How many writes each of these (by name) was acknowledged since then, for show.curves.

    since: unix seconds, the zero of the index, which counts seconds in steps of `every`. A writer
    that began later is missing (nan) until its first answer.
    """
    import pandas as pd

    columns = {}
    for name, writer in writers.items():
        frame = writer.frame().query("at > @since")
        step = ((frame["at"] - since) // every + 1).astype(int)
        columns[name] = frame.acknowledged.groupby(step).sum().cumsum()
    table = pd.DataFrame(columns)
    table = table.reindex(range(1, int(table.index.max()) + 1)).ffill()
    table.index = pd.Index(table.index * every, name="seconds")
    return table


def _write(url: str, key: str, batch: int, copies: int, rate: int) -> None:
    going = [True]
    signal.signal(signal.SIGTERM, lambda *_: going.clear())
    client = redis.Redis.from_url(url, protocol=3, socket_timeout=10, retry=Retry(NoBackoff(), 0))
    number, due = 0, time.monotonic()
    end = due + LIMIT
    with contextlib.suppress(redis.RedisError, OSError):
        while going and time.monotonic() < end:
            due = max(due + batch / rate, time.monotonic())  # what is late is not made up for
            pipe = client.pipeline(transaction=False)
            for each in range(number, number + batch):
                pipe.rpush(key, each)
            if copies:
                pipe.wait(copies, _WAIT_MS)
            told = _letters(pipe.execute(raise_on_error=False), copies)
            short = told[0] if len(set(told)) == 1 else told
            sys.stdout.write(f"{time.time():.4f} {short}\n")
            sys.stdout.flush()
            number += batch
            due += 0 if "A" in told else _PAUSE
            while going and (rest := min(due, end) - time.monotonic()) > 0:
                time.sleep(min(rest, _LOOK))  # a signal does not end a sleep


def _letters(replies: list[Any], copies: int) -> str:
    fine = "A"
    if copies:
        have = replies.pop()
        fine = "A" if isinstance(have, int) and have >= copies else "U"
    return "".join("R" if isinstance(reply, Exception) else fine for reply in replies)
