"""What time it is on the server, without asking it each time."""

import time
from typing import Any

from redis.cluster import RedisCluster

from redis_lab.patterns.scripting import Client

_ESTIMATE = 60.0  # seconds between two questions for the server's time


class ServerClock:
    """The server's time without a trip: the monotonic clock plus an offset, asked once a minute.

    The clock of this machine may be an hour off, or be set while we look: it plays no part. On a
    Cluster it is the time of one node; the others are taken to agree.
    """

    def __init__(self, client: Client):
        self.client = client
        self._offset = self._until = 0.0

    def now(self, key: str | None = None) -> float:
        """Microseconds since 1970, as the server sees it, give or take half a round trip.

        key: of a Cluster, ask the node that holds it, which the caller needs in any case; else the
        client's default node, whose failure would then be that of calls on all shards.
        """
        now = time.monotonic()
        if now >= self._until:
            node: dict[str, Any] = {}
            if key and isinstance(self.client, RedisCluster):
                node = {"target_nodes": self.client.get_node_from_key(key)}
            seconds, micros = self.client.time(**node)
            answered = time.monotonic()
            self._offset = seconds * 1e6 + micros - (now + answered) / 2 * 1e6
            self._until, now = answered + _ESTIMATE, answered
        return now * 1e6 + self._offset
