"""A consumer group as one of its consumers sees it: read, acknowledge, claim. See worker.py.

A group that is not there is made anew, from the stream's beginning: after FLUSHALL, after the
stream was deleted, on a new primary that had not heard of it. So no entry is lost; entries that
were done come again if only the group was destroyed and the stream was not.
"""

from collections.abc import Callable
from math import inf
from typing import Any

from redis import Redis
from redis.client import NEVER_DECODE
from redis.cluster import RedisCluster
from redis.crc import key_slot
from redis.exceptions import ResponseError

from redis_lab.patterns.keys import escaped, text
from redis_lab.patterns.scripting import Client, script

Entry = tuple[str, dict[Any, Any]]
START = "0-0"
_PAGE, _COUNTED = 1000, 10_000
_CLAIM, _TOUCH = script("worker_claim"), script("worker_touch")
_REDELIVER = script("worker_redeliver")


class ConsumerGroup:
    """The group `group` of `stream`, as `consumer` uses it; the group is made if it isn't there.

    Two keys beside the stream, in its slot, serve transactions of consumers that may have been
    paused, and expire an hour after their last use: `claims` changes whenever somebody takes
    entries over, `done` whenever this consumer commits. Watch both, then see that the entries are
    pending for you, and EXEC fails unless they still are. Claims by hand (XCLAIM) don't show there.
    """

    def __init__(self, client: Client, stream: str, group: str, consumer: str):
        self.client = client
        self.stream = stream
        self.group = group
        self.consumer = consumer
        self.decodes = bool(client.get_connection_kwargs().get("decode_responses"))
        beside = f"{_beside(stream)}:worker:{escaped(group, 'group')}"
        self.claims = f"{beside}:claims"
        self.done = f"{beside}:done:{escaped(consumer, 'consumer')}"
        if isinstance(client, RedisCluster) and key_slot(beside.encode()) != key_slot(
            stream.encode()
        ):
            raise ValueError(f"stream: no key can be put beside {stream!r} on a Cluster")
        self.create()

    def create(self) -> None:
        """Make the group, and the stream; both may be there already."""
        try:
            self.client.xgroup_create(self.stream, self.group, id=START, mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    def read(self, count: int, block: float = 0.0) -> list[Entry]:
        """Up to `count` new entries; block: seconds, 0.0 not at all."""
        wait = max(1, round(block * 1000)) if block > 0 else None
        reply: Any = self._with_group(
            lambda: self.client.xreadgroup(
                self.group, self.consumer, {self.stream: ">"}, count=count, block=wait
            )
        )
        if not reply:
            return []
        # protocol 2: [[stream, entries]]; 3: {stream: [entries]}; unified: {stream: entries}
        found = next(iter(reply.values())) if isinstance(reply, dict) else reply[0][1]
        found = found[0] if isinstance(found[0], list) else found
        return found if self.decodes else [(text(entry_id), fields) for entry_id, fields in found]

    def redeliver(self, entry_id: str) -> dict[Any, Any]:
        """The fields of a pending entry, one more delivery counted.

        Empty if it isn't ours any more, or was deleted: then it is acknowledged away.
        """
        arguments = (self.group, self.consumer, entry_id)
        fields = iter(self._with_group(lambda: _REDELIVER(self.client, (self.stream,), arguments)))
        return dict(zip(fields, fields, strict=True))

    def raw(self, entry_id: str) -> dict[bytes, bytes]:
        """The fields as bytes, as the primary has them; empty if the entry was deleted."""
        found: Any = self.node().execute_command(
            "XRANGE", self.stream, entry_id, entry_id, **{NEVER_DECODE: True}
        )
        return found[0][1] if found else {}

    def ack(self, entry_ids: list[str]) -> None:
        self.client.xack(self.stream, self.group, *entry_ids)

    def mine(self, count: int) -> list[tuple[str, int]]:
        """The consumer's own pending entries, oldest first: ID and deliveries so far."""
        found: Any = self._with_group(
            lambda: self.client.xpending_range(
                self.stream, self.group, "-", "+", count, consumername=self.consumer
            )
        )
        return [(text(each["message_id"]), each["times_delivered"]) for each in found]

    def claim(self, min_idle: float, cursor: str, count: int) -> tuple[str, list[tuple[str, int]]]:
        """Take over entries that were left alone for min_idle seconds, from a cursor on.

        The next cursor (START at the end) and the entries, each with its deliveries so far. What
        was deleted meanwhile is acknowledged away by the server.
        """
        idle = round(min_idle * 1000)
        reply = self._with_group(
            lambda: _CLAIM(
                self.client,
                (self.stream, self.claims),
                (self.group, self.consumer, idle, cursor, count),
            )
        )
        return text(reply[0]), [(text(entry_id), times) for entry_id, times in reply[1:]]

    def touch(self, entry_ids: list[str]) -> set[str]:
        """A heartbeat: restart their idle time; those that aren't pending for us any more."""
        arguments = (self.group, self.consumer, *entry_ids)
        return set(
            map(text, self._with_group(lambda: _TOUCH(self.client, (self.stream,), arguments)))
        )

    def node(self) -> Redis:
        """The client of the server that has the stream."""
        if isinstance(self.client, RedisCluster):
            return self.client.get_redis_connection(self.client.get_node_from_key(self.stream))
        return self.client

    def pending(self) -> int:
        """Entries that were delivered and not acknowledged, in the whole group."""
        found: Any = self._with_group(lambda: self.client.xpending(self.stream, self.group))
        return found["pending"]

    def lag(self) -> int:
        """Entries that were not delivered to the group yet, counted up to 10,000.

        Beyond that it is what XINFO says, if it says anything. Before Redis 7.4 that is too many
        after a failover: a replica isn't told how many entries a group has read.
        """
        self.create()
        groups: Any = self.client.xinfo_groups(self.stream)
        info = next(each for each in groups if text(each["name"]) == self.group)
        counted, after = self._count(text(info["last-delivered-id"]), _COUNTED)
        if after is None:
            return counted
        return info["lag"] or counted + self._count(after)[0]

    def _count(self, entry_id: str, most: float = inf) -> tuple[int, str | None]:
        """Entries after this one, by reading them; if there are more, the last that was read."""
        total = 0
        while total < most:
            found = self.node().execute_command(
                "XRANGE", self.stream, f"({entry_id}", "+", "COUNT", _PAGE, **{NEVER_DECODE: True}
            )
            total += len(found)
            if len(found) < _PAGE:
                return total, None
            entry_id = text(found[-1][0])
        return total, entry_id

    def _with_group(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except ResponseError as error:
            # UNBLOCKED: the stream went away while we waited for its next entry.
            if not str(error).startswith(("NOGROUP", "UNBLOCKED")):
                raise
            self.create()
            return call()


def _beside(stream: str) -> str:
    """What keys begin with that live in the slot of the stream."""
    _, brace, rest = stream.partition("{")
    tag, end, _ = rest.partition("}")
    return stream if brace and tag and end else f"{{{stream}}}"
