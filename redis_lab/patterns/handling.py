"""What becomes of a batch that a worker was given: done, done in one transaction, failed, dead.

See worker.py for what is promised. Nothing here decides when; that is the worker's.
"""

import logging
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import AskError, DataError, ResponseError, WatchError

from redis_lab.patterns.consumer_group import ConsumerGroup, Entry
from redis_lab.patterns.outages import is_outage
from redis_lab.patterns.scripting import script

log = logging.getLogger("redis_lab.patterns.worker")

_GUARD = script("worker_guard")
_MARKER_TTL = 3600
_LONGEST_ERROR = 1000
_REFUSALS = (ResponseError, DataError, UnicodeEncodeError)  # nothing was applied


class Effects(Pipeline):
    """The pipeline a handler gets: it queues commands; the worker executes them, with the XACK."""

    def __init__(self, client: Redis):
        super().__init__(client.connection_pool, client.response_callbacks, True, None)

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError("the worker executes this pipeline: a handler only queues commands")

    execute = watch = unwatch = multi = reset = immediate_execute_command = _refuse  # type: ignore


class Handling:
    """Calls the handler, and sees to what comes of it. The arguments are StreamWorker's."""

    def __init__(
        self,
        group: ConsumerGroup,
        handler: Callable[..., object],
        dead_letter: str,
        min_idle: float,
        max_deliveries: int,
        idempotent: bool,
    ):
        self.group = group
        self.handler = handler if group.decodes else _decoding(handler)
        self.dead_letter = dead_letter
        self.min_idle = min_idle
        self.max_deliveries = max_deliveries
        self.handle = self._in_transaction if idempotent else self._at_least_once

    def _at_least_once(self, entries: list[Entry], deliveries: int) -> int:
        """How many were done; they are acknowledged at once, also when one stops us."""
        done: list[str] = []
        try:
            for entry_id, fields in self._while_ours(entries):
                try:
                    self.handler(entry_id, fields)
                    done.append(entry_id)
                except Exception as error:
                    self.failed(entry_id, fields, deliveries, error)
        finally:
            if done:
                self.group.ack(done)
        return len(done)

    def _in_transaction(self, entries: list[Entry], deliveries: int) -> int:
        """How many were done: all whose handler didn't fail, or none."""
        effects = Effects(self.group.node())
        stack = effects.command_stack
        queued: list[Entry] = []
        starts: list[int] = []
        for entry in self._while_ours(entries):
            start = len(stack)
            try:
                self.handler(*entry, effects)
                queued.append(entry)
                starts.append(start)
            except Exception as error:
                del stack[start:]
                self.failed(*entry, deliveries, error)
        if not queued:
            return 0
        try:
            replies = self._commit(effects, [entry_id for entry_id, _ in queued], len(entries))
        except _REFUSALS as error:
            if is_outage(error):
                raise
            if len(queued) == 1:  # else each is delivered again, alone
                self.failed(*queued[0], deliveries, error)
            return 0
        broken: dict[int, Exception] = {}
        for at, reply in enumerate(replies[: len(stack)]):
            if isinstance(reply, Exception):
                broken.setdefault(bisect_right(starts, at) - 1, reply)
        for place, reply in broken.items():
            self.bury(*queued[place], deliveries, f"done in part: {_described(reply)}")
        return len(queued) - len(broken) if replies else 0

    def _commit(self, effects: Effects, entry_ids: list[str], batch: int) -> list[Any]:
        """The replies, if all is still ours to do; else, or if nobody can know, none.

        MULTI can't branch, but a WATCH that is broken stops EXEC. Three break it: whoever takes
        entries over, whoever commits under our name (an earlier self that was paused, an EXEC whose
        reply never came), and the guard just before MULTI unless all entries are pending for us.
        So this can be sent twice, and it is one round trip.
        """
        group = self.group
        watched = (group.claims, group.done)
        pipe = Pipeline(effects.connection_pool, {}, False, None)  # replies as they come
        pipe.scripts = effects.scripts
        pipe.pipeline_execute_command("WATCH", *watched)
        _GUARD(pipe, (group.stream, *watched), (group.group, group.consumer, batch, *entry_ids))
        pipe.execute_command("MULTI")
        pipe.command_stack += effects.command_stack
        pipe.set(group.done, entry_ids[-1], ex=_MARKER_TTL)
        pipe.xack(group.stream, group.group, *entry_ids)
        pipe.exists(group.stream, *watched)  # in a slot that moves, refused as WATCH was
        pipe.execute_command("EXEC")
        try:
            *queued, replies = pipe.execute(raise_on_error=False)
            for reply in (*queued[3:], *queued[:3], replies):
                if isinstance(reply, Exception):
                    if isinstance(replies, list):
                        raise RuntimeError("committed without WATCH or guard") from reply
                    raise reply
        except (WatchError, AskError, UnicodeDecodeError) as error:
            log.info("%d entries of %s not committed: %r", len(entry_ids), group.stream, error)
            return []
        return replies or []

    def _while_ours(self, entries: list[Entry]) -> Iterator[Entry]:
        """Each entry, with heartbeats for all of them; not those that were claimed meanwhile."""
        if len(entries) == 1:
            yield entries[0]
            return
        lost: set[str] = set()
        monotonic = time.monotonic
        beat_at = monotonic() + self.min_idle / 3
        for entry in entries:
            if monotonic() > beat_at:
                lost = self.group.touch([entry_id for entry_id, _ in entries])
                beat_at = monotonic() + self.min_idle / 3
            if not lost or entry[0] not in lost:
                yield entry

    def failed(self, entry_id: str, fields: dict[Any, Any], times: int, error: Exception) -> None:
        """The entry stays pending, unless this was the last attempt."""
        log.warning("attempt %d at %s of %s", times, entry_id, self.group.stream, exc_info=error)
        if times >= self.max_deliveries:
            self.bury(entry_id, fields, times, _described(error))

    def bury(self, entry_id: str, fields: dict[Any, Any], times: int, error: str) -> None:
        """Move the entry to the dead-letter stream; one that was deleted has no fields.

        They are read anew, since the handler may have changed those that it got.
        """
        found: dict[Any, Any] = self.group.raw(entry_id) or fields
        if found:
            why = error[:_LONGEST_ERROR].encode(errors="backslashreplace")
            about = {"_id": entry_id, "_deliveries": times, "_error": why}
            own = {name: value for name, value in found.items() if _name(name) not in about}
            self.group.client.xadd(self.dead_letter, own | about)
            log.error("%s of %s is dead: %s", entry_id, self.group.stream, error)
        self.group.ack([entry_id])


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _decoding(handler: Callable[..., object]) -> Callable[..., object]:
    """The handler, given text; bytes that aren't UTF-8 are a failed attempt."""

    def handle(entry_id: str, fields: dict[bytes, bytes], *effects: Effects) -> None:
        decoded = {name.decode(): value.decode() for name, value in fields.items()}
        handler(entry_id, decoded, *effects)

    return handle


def _name(name: Any) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else name
