"""A worker of a Stream's consumer group that loses no entry, whatever dies.

Promises: every entry is handled at least once, or ends in the dead-letter stream. A crash repeats
up to a batch. With idempotent=True, what the handler queues happens exactly once.
Not promised: order across consumers, and what an asynchronous failover had not copied yet: an XADD
that the new primary never saw is gone (producers who must not lose it call WAIT); an XACK that it
never saw is an entry handled twice, while a transaction is there whole or not at all.
"""

import logging
import time
from collections.abc import Callable
from typing import Protocol

from redis_lab.patterns.blocking import longest_block
from redis_lab.patterns.checks import seconds, whole
from redis_lab.patterns.consumer_group import START, ConsumerGroup, Entry
from redis_lab.patterns.handling import Handling
from redis_lab.patterns.keys import escaped
from redis_lab.patterns.outages import is_outage
from redis_lab.patterns.scripting import Client, checked_client

log = logging.getLogger("redis_lab.patterns.worker")

RETRY_PAUSE = 1.0
OUTAGE_PAUSE = 0.2
_NEVER = float("inf")


class Stop(Protocol):
    """threading.Event, multiprocessing.Event."""

    def is_set(self) -> bool: ...
    def wait(self, timeout: float) -> object: ...


class StreamWorker:
    """Hands the entries of a stream to `handler`, as `consumer` of `group`.

    handler: called as handler(entry_id, fields), both text. An exception is a failed attempt; the
        entry stays pending and is delivered again, alone, and so it can't take neighbours along if
        it kills the worker. After max_deliveries it goes to the dead-letter stream; a death counts
        for all that was read with it, so with max_deliveries=1 the whole batch goes there.
    consumer: a name that the same worker has again after a restart; then its pending entries are
        the first it does. Two live workers should not share one.
    batch: entries read, and acknowledged, at once.
    min_idle: seconds after which the pending entries of a consumer without heartbeat are taken
        over. A worker's heartbeats come between two calls of the handler, once min_idle/3 has
        passed: min_idle must exceed one and a half times the longest single call.
    dead_letter: a stream of the caller's, f"{stream}:dead" by default. An entry there has the
        original fields, but for those named as the three that it adds: `_id`, `_deliveries` and
        `_error`. XADD comes before XACK, as two commands: any slot of a Cluster will do, and a
        crash between them gives a second dead entry.
    idempotent: the handler gets a third argument, a redis-py Pipeline that only queues. What it
        queues there, and the XACK of the batch, are one MULTI transaction. It fails unless every
        entry is still pending for this consumer: so of two workers that have the same entry, one
        paused and one that took over, one commits, however long the pause. Effects elsewhere stay
        at-least-once. On a Cluster all its keys must be in the stream's slot. Redis rolls nothing
        back: an entry one of whose queued commands fails in EXEC (WRONGTYPE) is done in part, and
        goes to the dead-letter stream right after, unless the worker is killed just then.
    Streams, groups and dead letters are the user's data and don't expire. A new group begins with
    the oldest entry. XGROUP DESTROY and SETID forget what was done: it is delivered again. XGROUP
    DELCONSUMER forgets what was pending: nobody gets it any more. An entry that is trimmed or
    deleted while it is pending is acknowledged away. Idle times are the server's: when its clock
    is set, take-overs come later by as much, or too early. One worker, one thread.
    Errors of a vanished server are redis-py's own: run_once() raises them, run() waits and goes on.
    """

    def __init__(
        self,
        client: Client,
        stream: str,
        group: str,
        consumer: str,
        handler: Callable[..., object],
        *,
        batch: int = 100,
        min_idle: float = 30.0,
        max_deliveries: int = 5,
        dead_letter: str | None = None,
        idempotent: bool = False,
    ):
        escaped(stream, "stream")
        escaped(group, "group")
        escaped(consumer, "consumer")
        if not callable(handler):
            raise TypeError(f"handler must be callable, not {type(handler).__name__}")
        self.client = checked_client(client)
        self.batch = whole("batch", batch)
        self.min_idle = seconds("min_idle", min_idle)
        self.max_deliveries = whole("max_deliveries", max_deliveries)
        self.dead_letter = f"{stream}:dead" if dead_letter is None else dead_letter
        if escaped(self.dead_letter, "dead_letter") == escaped(stream):
            raise ValueError("dead_letter must not be the stream itself")
        self.idempotent = idempotent
        self._redeliver_at = 0.0  # monotonic time; _NEVER: none of ours are pending
        self._claim_at = 0.0
        self._cursor = START
        self._group = ConsumerGroup(client, stream, group, consumer)
        self._handling = Handling(
            self._group, handler, self.dead_letter, min_idle, max_deliveries, idempotent
        )

    def run(self, stop: Stop) -> None:
        """Work until `stop` is set; the batch in hand is finished first.

        Waits for new entries in blocks of at most 1 s. Survives a server that goes away, restarts,
        fails over or is busy, saying so in the log. Entries that failed are tried again together:
        1 s after the first failure, then after twice as long each time (by the entry with the most
        attempts), at most min_idle/2. With the defaults an entry is dead after about 15 s: a
        handler that needs a database which may be away for longer has to wait for it.
        """
        if not callable(getattr(stop, "is_set", None)):
            raise TypeError(f"stop must be an Event, not {type(stop).__name__}")
        while not stop.is_set():
            try:
                self._round(longest_block(self.client))
            except Exception as error:
                if not is_outage(error):
                    raise
                log.warning("%r goes on in %s s: %s", self, OUTAGE_PAUSE, error)
                stop.wait(OUTAGE_PAUSE)

    def run_once(self, block: float | None = 0.0) -> int:
        """Do what there is: own pending entries, those of dead consumers, one batch of new ones.

        block: seconds to wait for something to do, None for ever. Returns how many entries were
        handled; failed ones don't count, nor does a transaction whose reply was lost. Failed ones
        are tried again at the next call. Raises redis-py's errors: call it again, nothing is lost.
        """
        patience = _NEVER if block is None else seconds("block", block, least=0)
        deadline = time.monotonic() + patience
        if self._redeliver_at < _NEVER:
            self._redeliver_at = 0.0
        while True:
            left = deadline - time.monotonic()
            handled = self._round(max(0.0, min(left, longest_block(self.client))))
            if handled is not None or time.monotonic() >= deadline:
                return handled or 0

    def pending(self) -> int:
        """Entries delivered to any consumer of the group and not acknowledged."""
        return self._group.pending()

    def lag(self) -> int:
        """Entries not delivered to the group yet, counted up to 10,000; beyond, as XINFO says."""
        return self._group.lag()

    def __repr__(self) -> str:
        group = self._group
        return f"<StreamWorker {group.consumer!r} of {group.group!r} on {group.stream!r}>"

    def _round(self, block: float) -> int | None:
        """What is there to do now; None if there was nothing within `block` seconds."""
        handled = 0
        try:
            delivered, handled = self._old()
            due = min(self._claim_at, self._redeliver_at) - time.monotonic()
            entries = self._group.read(self.batch, 0.0 if delivered else min(block, max(due, 0.01)))
            handled += self._handle(entries, 1)
        except UnicodeDecodeError:
            self._redeliver_at = 0.0  # one by one, the entry shows that the client can't decode
            return handled + self._old()[1]
        except BaseException:
            self._redeliver_at = 0.0  # what is pending now, the server knows
            raise
        return handled if delivered or entries else None

    def _old(self) -> tuple[int, int]:
        """Own pending entries first, then those of dead consumers: delivered, handled."""
        pending = []
        if time.monotonic() >= self._redeliver_at:
            pending = self._group.mine(self.batch)
            self._redeliver_at = _NEVER if len(pending) < self.batch else 0.0
        handled = self._redeliver(pending)
        claimed = self._claim()
        return len(pending) + len(claimed), handled + self._redeliver(claimed)

    def _claim(self) -> list[tuple[str, int]]:
        """Follow the cursor until something was claimed, or through to the end."""
        claimed: list[tuple[str, int]] = []
        if self._cursor == START and time.monotonic() < self._claim_at:
            return claimed
        while not claimed:
            self._cursor, claimed = self._group.claim(self.min_idle, self._cursor, self.batch)
            if self._cursor == START:
                self._claim_at = time.monotonic() + self.min_idle / 2
                break
        return claimed

    def _redeliver(self, pending: list[tuple[str, int]]) -> int:
        """Each alone, acknowledged alone: one that kills the worker takes no neighbour along."""
        return sum(self._redeliver_one(entry_id, deliveries) for entry_id, deliveries in pending)

    def _redeliver_one(self, entry_id: str, deliveries: int) -> int:
        try:
            fields = self._group.redeliver(entry_id)
        except UnicodeDecodeError as error:
            self._handling.failed(entry_id, self._group.raw(entry_id), deliveries + 1, error)
            self._pause(deliveries + 1)
            return 0
        if fields and deliveries >= self.max_deliveries:
            self._handling.bury(entry_id, fields, deliveries, "delivered, and never finished")
            return 0
        return self._handle([(entry_id, fields)] if fields else [], deliveries + 1)

    def _handle(self, entries: list[Entry], deliveries: int) -> int:
        handled = self._handling.handle(entries, deliveries) if entries else 0
        if handled < len(entries):
            self._pause(deliveries)
        return handled

    def _pause(self, deliveries: int) -> None:
        """What stays undone is delivered again: at the next run_once(), in run() a little later.

        What failed for the first time joins what waits already: it must not put that off for ever.
        """
        none_waits = self._redeliver_at == _NEVER
        if none_waits or deliveries > 1:
            pause = min(RETRY_PAUSE * 2.0 ** min(deliveries - 1, 30), self.min_idle / 2)
            due = time.monotonic() + pause
            self._redeliver_at = due if none_waits else max(due, self._redeliver_at)
