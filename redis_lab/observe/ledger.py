"""Ledger: a writer in a process of its own, which notes what was acknowledged and counts the loss.

A fault strikes the server while it writes as fast as it can. What it was told outlives the server.
This file is also what its process runs. It ends with the server, and with us.
"""

import contextlib
import signal
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

if TYPE_CHECKING:
    import pandas as pd
if __name__ != "<run_path>":  # its process runs without the package
    from redis_lab.observe.child import Child

LIMIT = 60.0  # seconds that it writes at most


class Ledger:
    """Appends numbers to the list `key` of the server at `url`, `batch` in a pipeline, one pipeline
    after another, until its first error or the end of the block.

    bytes: how long an entry is at least. A context manager; the list stays, and is the caller's.
    """

    def __init__(self, url: str, batch: int = 20, bytes: int = 0):
        if batch < 1 or bytes < 0:
            raise ValueError(f"batch above 0, bytes not below: not {batch!r} and {bytes!r}")
        self.key = f"ledger:{uuid.uuid4().hex[:8]}"
        self.batch = batch
        self._child = Child(__file__, "_write", [url, self.key, batch, bytes], "ledger")

    def __enter__(self) -> "Ledger":
        self._child.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._child.end()

    @property
    def acknowledged(self) -> int:
        """How many writes were acknowledged so far."""
        return self._counts()[1]

    def wait(self, acknowledged: int, timeout: float = 30.0) -> None:
        """Until so many more writes are acknowledged; TimeoutError after `timeout` seconds."""
        self._child.wait(lambda: self.acknowledged, acknowledged, "acknowledged", timeout)

    def audit(self, client: Any) -> "pd.DataFrame":
        """What became of the writes, in one row, read from the surviving server; after the block.

        acknowledged; lost: of those, not in the data; doubtful: sent, never answered; applied: of
        the doubtful, in the data.
        """
        import pandas as pd

        if not self._child.ended:
            raise RuntimeError("the ledger is not closed: audit it after its block")
        sent, acknowledged = self._counts()
        found = {int(entry.split(":")[0]) for entry in map(_text, client.lrange(self.key, 0, -1))}
        counts = {
            "acknowledged": acknowledged,
            "lost": len(set(range(acknowledged)) - found),
            "doubtful": sent - acknowledged,
            "applied": len(found.intersection(range(acknowledged, sent))),
        }
        return pd.DataFrame([counts])

    def _counts(self) -> tuple[int, int]:
        """Writes sent and acknowledged. A note is one byte for a batch sent, one for its answer."""
        half = len(self._child.said())
        return (half + 1) // 2 * self.batch, half // 2 * self.batch


def _text(entry: Any) -> str:
    return entry.decode() if isinstance(entry, bytes) else entry


def _write(url: str, key: str, batch: int, length: int) -> None:
    going = [True]
    signal.signal(signal.SIGTERM, lambda *_: going.clear())
    client = redis.Redis.from_url(url, protocol=3, socket_timeout=10, retry=Retry(NoBackoff(), 0))
    note, number, end = sys.stdout.buffer, 0, time.monotonic() + LIMIT
    with contextlib.suppress(redis.RedisError, OSError):
        client.ping()
        while going and time.monotonic() < end:
            pipe = client.pipeline(transaction=False)
            for each in range(number, number + batch):
                pipe.rpush(key, f"{each}:".ljust(length, "."))
            note.write(b"?")
            note.flush()
            pipe.execute()
            note.write(b"!")
            note.flush()
            number += batch
