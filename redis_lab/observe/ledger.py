"""Ledger: a writer in a process of its own, which notes what was acknowledged and counts the loss.

A fault strikes the server while it writes as fast as it can. What it was told outlives the server.
This file is also what its process runs. It ends with the server, and with us.
"""

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

if TYPE_CHECKING:
    import pandas as pd

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
        self._orders = [url, self.key, batch, bytes]
        self._notes = tempfile.TemporaryFile("w+b")  # noqa: SIM115 - as long as the ledger is
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Ledger":
        if self._process:
            raise RuntimeError("a Ledger runs once: make another")
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__], stdin=subprocess.PIPE, stdout=self._notes, text=True,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        assert self._process.stdin
        with self._process.stdin as orders:  # not as arguments: the URL has a password
            json.dump(self._orders, orders)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait()

    @property
    def acknowledged(self) -> int:
        """How many writes were acknowledged so far."""
        return self._counts()[1]

    def wait(self, acknowledged: int, timeout: float = 30.0) -> None:
        """Until so many more writes are acknowledged; TimeoutError after `timeout` seconds."""
        before, deadline = self.acknowledged, time.monotonic() + timeout
        while self.acknowledged < before + acknowledged:
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError("the ledger writes no more: has the server gone?")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.acknowledged - before} of {acknowledged} in {timeout} s")
            time.sleep(0.005)

    def audit(self, client: Any) -> "pd.DataFrame":
        """What became of the writes, in one row, read from the surviving server; after the block.

        acknowledged; lost: of those, not in the data; doubtful: sent, never answered; applied: of
        the doubtful, in the data.
        """
        import pandas as pd

        if self._process is None or self._process.poll() is None:
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
        self._notes.flush()
        half = self._notes.seek(0, 2)
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


if __name__ == "__main__":
    _write(*json.load(sys.stdin))
