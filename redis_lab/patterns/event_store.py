"""An event store: what happened, in order, for each aggregate and for all of them together.

An append is one script: it checks the version and writes the aggregate's stream, the stream of all
events and the new version, or nothing. Nothing expires, nothing is trimmed, and every event is
stored twice. One namespace lives in one slot: on a Cluster it is as large and as fast as one node.
"""

import copy
import json
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from redis.cluster import RedisCluster

from redis_lab.errors import VersionConflict
from redis_lab.patterns.blocking import longest_block
from redis_lab.patterns.checks import json_and_back, whole
from redis_lab.patterns.event import Event, Snapshot, of_aggregate, of_all, position, time
from redis_lab.patterns.keys import escaped, tagged, text
from redis_lab.patterns.outages import is_outage
from redis_lab.patterns.scripting import Client, checked_client, script

log = logging.getLogger("redis_lab.patterns.event_store")

_append = script("event_append")
_snapshot = script("event_snapshot")
_PAGE = 500
State = TypeVar("State")


class EventStore:
    """Events of many aggregates, appended under optimistic concurrency.

    stream: the key of the stream of all events, for a StreamWorker; event.of_all reads its entries.
    max_bytes: of one event's data, or one state, as JSON; ValueTooLarge above it. Both must be what
    JSON gives back unchanged: TypeError for keys that aren't str, tuples and the like, ValueError
    for NaN, infinity and what contains itself.

    The versions of an aggregate have no gaps and no duplicates, and `id` orders all events, also
    when the server's clock goes back. An asynchronous failover can lose the last events, although
    append() had returned; on the losing side of a partition, all that were appended there. Their
    versions are then given again, and a subscriber that read them read events that no longer exist.
    It goes on with all that come later, unless the new primary's clock is behind by more than the
    failover took; one that read on the losing side misses what the other side appended meanwhile.

    An append that fails with an error of the connection may have been applied, and a client that
    repeats commands by itself (redis-py's default) may append twice. With expected_version the
    second one is a VersionConflict.
    """

    def __init__(self, client: Client, namespace: str, *, max_bytes: int = 16 * 1024 * 1024):
        prefix = tagged(namespace, "namespace")
        self._client = checked_client(client)
        self._namespace = namespace
        self._max_bytes = whole("max_bytes", max_bytes)
        self.stream = f"{prefix}:all"
        self._versions = f"{prefix}:versions"
        self._streams = f"{prefix}:aggregate:"
        self._snapshots = f"{prefix}:snapshot:"

    def append(
        self, aggregate_id: str, event_type: str, data: Any, expected_version: int | None = None
    ) -> Event:
        """Append an event and return it.

        expected_version: the version of the aggregate that the decision was made on, 0 for "must be
        new", None for any. Raises VersionConflict where it is another.
        """
        key = self._streams + escaped(aggregate_id, "aggregate_id")
        escaped(event_type, "event_type")
        document, data = json_and_back("data", data, self._max_bytes)
        expected: Any = ""
        if expected_version is not None:
            expected = whole("expected_version", expected_version, least=0)
        keys = [key, self.stream, self._versions]
        arguments = [aggregate_id, event_type, document, expected]
        version, *written = _append(self._client, keys, arguments)
        if not written:
            raise VersionConflict(expected, version)
        number, at = written
        return Event(text(number), aggregate_id, version, event_type, data, time(at))

    def events(self, aggregate_id: str, after: int = 0) -> list[Event]:
        """The aggregate's events after that version, oldest first; no other's are read."""
        return list(self._history(aggregate_id, whole("after", after, least=0)))

    def all_events(self, after: str | None = None) -> Iterator[Event]:
        """Every event of the namespace after that Event.id, oldest first, up to now."""
        return map(of_all, self._pages(self.stream, position(after)))

    def subscribe(
        self, after: str | None = None, stop: threading.Event | None = None
    ) -> Iterator[Event]:
        """Every event after that Event.id (None: from the first), then each as it is appended.

        Ends when stop is set: before the next event, or within half the client's socket timeout and
        1 s at most where there is none. While the server is away or busy it tries again, at least
        once a second, and logs it; stop is then seen after the client's own timeouts and repeats.
        To go on in another process, keep the id of the last event that was handled. Raises what the
        server answers to a login or command that it refuses.
        """
        return self._follow(position(after), stop or threading.Event())

    def snapshot(self, aggregate_id: str, state: Any, version: int) -> bool:
        """Keep the state after that version for rebuild(); False if a newer one is kept already.

        Raises VersionConflict where the aggregate has not come that far.
        """
        key = self._snapshots + escaped(aggregate_id, "aggregate_id")
        whole("version", version)
        document, _ = json_and_back("state", state, self._max_bytes)
        arguments = [aggregate_id, version, document]
        kept, actual = _snapshot(self._client, [key, self._versions], arguments)
        if version > actual:
            raise VersionConflict(version, actual)
        return bool(kept)

    def latest_snapshot(self, aggregate_id: str) -> Snapshot | None:
        """The newest snapshot, or None."""
        key = self._snapshots + escaped(aggregate_id, "aggregate_id")
        reply: Any = self._client.hmget(key, "state", "version")
        state, version = reply
        return None if version is None else Snapshot(json.loads(state), int(version))

    def rebuild(
        self, aggregate_id: str, apply: Callable[[State, Event], State], initial: State
    ) -> State:
        """The aggregate's state: apply(state, event) over the events after the latest snapshot.

        initial: where there is no snapshot; apply gets a copy. What the state must know later, such
        as the version to append at, apply takes from the events.
        """
        state, version = self.latest_snapshot(aggregate_id) or (copy.deepcopy(initial), 0)
        for event in self._history(aggregate_id, version):
            state = apply(state, event)
        return state

    def _history(self, aggregate_id: str, after: int) -> Iterator[Event]:
        key = self._streams + escaped(aggregate_id, "aggregate_id")
        for entry in self._pages(key, f"{after}-0"):
            yield of_aggregate(aggregate_id, entry)

    def _pages(self, key: str, after: str) -> Iterator[tuple[Any, Any]]:
        more = True
        while more:
            page: Any = self._client.xrange(key, min=f"({after}", count=_PAGE)
            yield from page
            if more := len(page) == _PAGE:
                after = text(page[-1][0])

    def _follow(self, last: str, stop: threading.Event) -> Iterator[Event]:
        pause = 0.0
        while not stop.wait(pause):
            try:
                entries = self._wait(last)
                pause = 0.0
            except Exception as error:
                if not is_outage(error):
                    raise
                pause = min(1.0, pause * 2 or 0.05)
                log.warning("events of %s: %s; again in %g s", self._namespace, error, pause)
                continue
            for entry in entries:
                if stop.is_set():
                    return
                event = of_all(entry)
                yield event
                last = event.id

    def _wait(self, last: str) -> list[tuple[Any, Any]]:
        """The next events after that ID; none if none comes within half the socket timeout."""
        client, route = self._client, {}
        if isinstance(client, RedisCluster):
            # Left to itself it asks its default node, dead or alive, which word of XREAD is the key
            route["target_nodes"] = client.get_node_from_key(self.stream)
        block = max(1, round(longest_block(client) * 1000))
        command = ("XREAD", "COUNT", _PAGE, "BLOCK", block, "STREAMS", self.stream, last)
        reply: Any = client.execute_command(*command, **route)
        if isinstance(reply, dict):  # protocol 3
            return [entry for pages in reply.values() for page in pages for entry in page]
        return [entry for _, page in reply or () for entry in page]

    def __repr__(self) -> str:
        return f"<EventStore {self._namespace}>"
