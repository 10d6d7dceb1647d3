"""One connection with what is subscribed on it: what Subscriber (pubsub) is made of.

It finds the server where it is now (the primary that Sentinels name, the node that holds a slot),
raises when the connection is lost, and leaves it to its owner when to open it again.
"""

import logging
import time
from collections import deque
from typing import Any

from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.exceptions import ConnectionError, TimeoutError
from redis.retry import Retry

from redis_lab.patterns.outages import FAILURES
from redis_lab.patterns.scripting import Client

log = logging.getLogger("redis_lab.patterns.pubsub")

_KINDS = (b"message", b"pmessage", b"smessage")


class Subscription:
    """Open again after lost(), not before `due`. connection: None while there is none.

    commands: the names for each of SUBSCRIBE, PSUBSCRIBE and SSUBSCRIBE; those of SSUBSCRIBE share
    a slot on a Cluster. silence: seconds without an answer after which the connection is lost.
    """

    def __init__(self, client: Client, commands: dict[str, list[str]], silence: float):
        self._client, self._commands, self._silence = client, commands, silence
        self.names = tuple(name for names in commands.values() for name in names)
        self.connection: Any = None
        self.due = self._pause = self._heard = 0.0
        self._asked: float | None = None
        self._early: deque[list[bytes]] = deque()  # messages that came among the confirmations

    def open(self) -> None:
        """Connect, subscribe and await the confirmations.

        On a Cluster at the node that holds the slot of the first name: there redis-py publishes.
        Where that fails it asks anew where that is, and what isn't sharded goes to any node.
        """
        try:
            self._subscribe()
        except FAILURES:
            if not isinstance(self._client, RedisCluster):
                raise
            self._client.nodes_manager.initialize()
            self._subscribe(anywhere="SSUBSCRIBE" not in self._commands)

    def read(self) -> list[bytes] | None:
        """A message as Redis sends it, if one is there. Raises redis-py's errors when lost."""
        if self._early:
            return self._early.popleft()
        while self.connection.can_read(timeout=0):
            reply = self._reply(self.connection)
            if reply[0] in _KINDS:
                return reply
        self._ask()
        return None

    def lost(self, error: Exception) -> None:
        """Hang up; due again at once, after a second failure 0.05 s later, then up to 1 s."""
        names = ", ".join(self.names)
        if self.connection:
            log.warning("lost the subscription to %s: %s", names, error)
            self._pause = 0.0
        else:
            self._pause = min(1.0, self._pause * 2 or 0.05)
            log.info("no subscription to %s yet: %s; again in %g s", names, error, self._pause)
        self.due = time.monotonic() + self._pause
        self.hang_up()

    def hang_up(self) -> None:
        if self.connection:
            self.connection.disconnect()
        self.connection = None

    def _subscribe(self, anywhere: bool = False) -> None:
        connection, early = self._dial(anywhere), deque[list[bytes]]()
        try:
            connection.connect()
            awaited = 0
            for command, names in self._commands.items():
                if names:
                    connection.send_command(command, *names, check_health=False)
                    awaited += len(names)
            while awaited:
                reply = self._reply(connection)
                awaited -= reply[0].endswith(b"subscribe")
                early.extend([reply] if reply[0] in _KINDS else [])
        except BaseException:
            connection.disconnect()
            raise
        self.connection, self._early = connection, early

    def _dial(self, anywhere: bool) -> Any:
        """A connection as the client makes them, but one that neither repeats nor decodes."""
        client = self._client
        if isinstance(client, RedisCluster):
            node = client.get_random_node() if anywhere else client.get_node_from_key(self.names[0])
            client = client.get_redis_connection(node)
        pool = client.connection_pool
        timeout = pool.connection_kwargs.get("socket_timeout") or self._silence
        own = {
            "retry": Retry(NoBackoff(), 0),
            "decode_responses": False,
            "socket_timeout": min(timeout, self._silence),
            "health_check_interval": 0,
        }
        return pool.connection_class(**{**pool.connection_kwargs, **own})

    def _reply(self, connection: Any) -> list[bytes]:
        reply = connection.read_response(push_request=True)
        self._heard, self._asked = time.monotonic(), None
        if not isinstance(reply, list):  # to PING, under protocol 3
            return [reply]
        if reply[0] == b"sunsubscribe":
            raise ConnectionError("the slot has moved to another node")
        return reply

    def _ask(self) -> None:
        now, patience = time.monotonic(), self._silence / 2
        if self._asked is not None and now - self._asked > patience:
            raise TimeoutError(f"no answer for {now - self._heard:.1f} s")
        if self._asked is None and now - self._heard > patience:
            self.connection.send_command("PING", check_health=False)
            self._asked = now
