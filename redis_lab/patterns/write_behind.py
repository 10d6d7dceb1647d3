"""WriteBehind: writes that return once Redis has queued them; a store gets them in batches, later.

Promises: the writes of a key reach the store in their order and the last one wins; a flusher that
is killed or paused at any instant loses nothing, and its successor repeats nothing that shows.
Reads through it see queued writes. It does not promise more than Redis does: what a failover or a
restart without persistence loses from the queue is lost.
"""

import json
import logging
import os
import sqlite3
import threading
import time
import uuid
from typing import Any

from redis_lab.patterns.checks import json_and_back, seconds, whole
from redis_lab.patterns.keys import escaped, tagged, text
from redis_lab.patterns.scripting import script
from redis_lab.patterns.sqlite_store import Store

log = logging.getLogger("redis_lab.patterns.write_behind")
_put, _newest = script("write_put"), script("write_newest")
_batch, _done, _refused = script("write_batch"), script("write_done"), script("write_refused")
_LEASE = 2.0  # seconds for which the flusher of a batch has its place to itself
_BAD_ROW = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError)


class WriteBehind:
    """A queue in a Redis Stream between a cache and a store, with one flusher a namespace.

    cache: a RedisCache or MultiLevelCache; its client and namespace hold the queue (one slot of a
        Cluster). batch: the most writes in one transaction of the store. interval: seconds that a
        write waits at most for a batch to fill. Each instance runs a thread; of all of a
        namespace, in whatever process, one flushes, and another takes over 2 s after its death or
        at its own next interval. A paused flusher that wakes is fenced by the store: it ignores
        positions it has passed (SQLiteStore does; a store that can't may see a batch again). One
        that is paused inside SQLite's transaction holds the file until it wakes or is killed.
    max_backlog, timeout: a full queue makes set() wait for the store, `timeout` seconds at most.
    retry_on: exceptions of the store that mean "try later", besides OSError and sqlite3's (but for
        its complaints about a row). Any other exception is a row that can't be written: it goes to
        the dead-letter stream with the reason and reads see the store's value again. So does what
        somebody else put into the queue. Dead letters are kept until you delete them.
    Positions are stream IDs, times of the server. Where a failover lost queued writes that the
    store had got, and the new primary's clock is behind by more than it took, writes of a process
    that has not seen those IDs could be taken for old; one's own writes never are.
    """

    def __init__(
        self,
        cache: Any,
        store: Store,
        *,
        batch: int = 100,
        interval: float = 0.5,
        max_backlog: int = 10_000,
        timeout: float = 10.0,
        retry_on: tuple[type[Exception], ...] = (),
    ):
        self.cache, self.store, self.client = cache, store, cache.client
        self.batch, self.interval = whole("batch", batch), seconds("interval", interval)
        self.max_backlog = whole("max_backlog", max_backlog)
        self.timeout = seconds("timeout", timeout, least=0.0)
        self.retry_on = (*retry_on, OSError, sqlite3.Error)
        tag = tagged(cache.namespace, "namespace")
        self.queue = f"{tag}:writes"  # stream: key, value
        self._newest = f"{tag}:writes:newest"  # hash: key, ID of its last queued write
        self._flusher = f"{tag}:writes:flusher"  # the token of the instance that flushes
        self.dead = f"{tag}:writes:dead"  # stream: key, value, _id, _error
        self._floor = getattr(store, "position", None) or "0-0"  # new IDs are above it
        self._start()

    def set(self, key: str, value: Any) -> None:
        """Queue this write; None removes the row. Two round trips.

        Raises TypeError or ValueError for what JSON doesn't give back unchanged (tuples, NaN, keys
        that aren't str), ValueTooLarge beyond the cache's max_bytes, TimeoutError while the backlog
        is full, RuntimeError after close(); then nothing was queued. After an error of Redis the
        write may be queued or not.
        """
        escaped(key, "key")
        body, _ = json_and_back("value", value, self.cache.max_bytes)
        deadline = time.monotonic() + self.timeout
        if self._stopping.is_set():
            raise RuntimeError("this WriteBehind is closed: nothing was queued")
        self._after_fork()
        while not (queued := self._enqueue(key, body)):
            if time.monotonic() >= deadline:
                raise TimeoutError(
                    f"{self.max_backlog} writes wait already: the store doesn't keep up "
                    f"(waited {self.timeout:g} s). Nothing was queued; see the log of the flusher"
                )
            self._wake.set()
            time.sleep(0.01)
        self._raise_floor(text(queued[0]))
        if queued[1] >= self.batch:
            self._wake.set()
        self.cache.invalidate(key)

    def get(self, key: str) -> Any:
        """The value as last set, whether the store has it yet or not; None where there is none."""
        return self.cache.get_or_set(key, lambda: self._load(key))

    def flush(self, timeout: float | None = 10.0) -> None:
        """Wait until the store has all that is queued now. TimeoutError says how much it has not.

        timeout: seconds; 0.0 looks once, None waits for ever.
        """
        self._after_fork()
        newest = self.client.xrevrange(self.queue, count=1)
        deadline = None if timeout is None else time.monotonic() + timeout
        while newest and self.client.xrange(self.queue, "-", newest[0][0], count=1):
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"{self.backlog()} writes still wait after {timeout:g} s")
            self._wake.set()
            time.sleep(0.005)

    def backlog(self) -> int:
        """How many writes wait for the store."""
        return self.client.xlen(self.queue)

    def close(self, timeout: float | None = 10.0) -> None:
        """Flush, then end the flusher. What is still queued, another process will write."""
        if self._stopping.is_set():
            return
        try:
            self.flush(timeout)
        finally:
            self._stopping.set()
            self._wake.set()
            self._thread.join()

    def __enter__(self) -> "WriteBehind":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<WriteBehind {self.queue} to {self.store!r}>"

    def _enqueue(self, key: str, body: bytes) -> Any:
        keys = [self.queue, self._newest]
        return _put(self.client, keys, [key, body, self.max_backlog, self._floor])

    def _raise_floor(self, id: str) -> None:
        with self._floor_lock:
            self._floor = max(self._floor, id, key=lambda each: [*map(int, each.split("-"))])

    def _load(self, key: str) -> Any:
        queued = _newest(self.client, [self.queue, self._newest], [key])
        return self.store.load(key) if queued is None else json.loads(queued)

    def _start(self) -> None:
        self._pid, self._token = os.getpid(), uuid.uuid4().hex
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._floor_lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="redis-lab-flusher", daemon=True)
        self._thread.start()

    def _after_fork(self) -> None:
        """Threads stay with the parent: a forked child needs a flusher of its own."""
        if self._pid != os.getpid():
            self._start()

    def _run(self) -> None:
        failed = False
        while not self._stopping.is_set():
            try:
                full = self._step() == self.batch
                failed = False
                if full:
                    continue
            except Exception as error:
                say = log.debug if failed else log.warning
                say("%s: tries again: %s: %s", self.queue, type(error).__name__, error)
                failed = True
            self._wake.wait(self.interval)
            self._wake.clear()
        try:
            self._read(lease=0.001, count=0)  # so that the next flusher need not wait
        except Exception as error:
            log.info("%s: the flusher's place is not given back: %r", self.queue, error)

    def _step(self) -> int:
        """Bring one batch to the store; how many writes it had, 0 where another is the flusher."""
        writes = self._read(_LEASE, self.batch)
        if writes:
            self._save(writes)
            self._drop(writes[-1][0])
        return len(writes)

    def _read(self, lease: float, count: int) -> list[tuple[str, str, Any]]:
        """The oldest queued writes as (ID, key, value), up to what is none."""
        keys, args = [self.queue, self._flusher], [self._token, round(lease * 1000), count]
        writes: list[tuple[str, str, Any]] = []
        for id, row in _batch(self.client, keys, args) or []:
            try:
                if [text(name) for name in row[::2]] != ["key", "value"]:
                    raise ValueError("its fields are not key and value")
                writes.append((text(id), text(row[1]), json.loads(row[3])))
            except ValueError as error:
                if writes:
                    break
                self._drop(text(id), f"no write of ours: {error}")
        return writes

    def _save(self, writes: list[tuple[str, str, Any]]) -> None:
        """In one transaction; where a row is refused, one by one up to it, and on from there."""
        try:
            self.store.save({key: value for _, key, value in writes}, position=writes[-1][0])
            return
        except Exception as error:
            if self._means_later(error):
                raise
        for id, key, value in writes:
            try:
                self.store.save({key: value}, position=id)
            except Exception as error:
                if self._means_later(error):
                    raise
                # In this order: whatever dies in between, no refused value stays in the cache
                _refused(self.client, [self._newest], [key, id])
                self.cache.invalidate(key)
                self._drop(id, f"{type(error).__name__}: {error}"[:500])

    def _means_later(self, error: Exception) -> bool:
        return isinstance(error, self.retry_on) and not isinstance(error, _BAD_ROW)

    def _drop(self, id: str, *reason: str) -> None:
        self._raise_floor(id)
        _done(self.client, [self.queue, self._newest, self.dead], [id, *reason])
