"""Tracking: hear of every change under some prefixes, on an own connection to each primary.

Promises: until `fresh_until`, every change that is more than 2 s old has been told to `changed`, in
the server's order. Once that can't be said any more (a lost or silent connection, a failover, other
primaries) fresh_until is over, `lost` is called, and tracking begins anew.
By public means only: CLIENT TRACKING (Redis 6.0) in broadcasting mode, redirected to the connection
itself, which reads the messages in RESP2, whatever the protocol of the client.
https://redis.io/docs/latest/develop/reference/client-side-caching/
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.connection import ConnectionPool
from redis.exceptions import ConnectionError, RedisClusterException, TimeoutError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from redis_lab.patterns.scripting import Client

SILENCE = 2.0  # seconds without an answer after which a connection counts as lost
_EVERY = 1.0  # seconds between two PINGs, and between two looks at who is primary
_LOOK = 0.2  # seconds that a thread may take to see that it should end
_PAUSE = 0.25  # seconds before tracking begins anew
_OWN = {
    "protocol": 2,
    "decode_responses": False,
    "socket_timeout": SILENCE,
    "socket_connect_timeout": SILENCE,
    "health_check_interval": 0,
    "retry": Retry(NoBackoff(), 0),
    "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    "maint_notifications_pool_handler": None,
    "oss_cluster_maint_notifications_handler": None,
}
log = logging.getLogger("redis_lab.patterns.tracking")


class Tracking:
    """Follows the primaries of a client in background threads, from start() to stop().

    changed: gets the names (bytes) that changed, or None for all (FLUSHALL). lost: takes nothing;
    once more when tracking has begun and fresh_until is still over.
    Both are called from those threads and must not block. fresh_until: `time.monotonic()` until
    which all that was to be heard has been; 0.0 while there is no tracking.
    """

    def __init__(
        self,
        client: Client,
        prefixes: tuple[str, ...],
        changed: Callable[[list[bytes] | None], None],
        lost: Callable[[], None],
    ):
        self.client, self.prefixes = client, prefixes
        self._changed, self._lost = changed, lost
        self.fresh_until = 0.0
        self._nodes: frozenset[str] = frozenset()  # the primaries that are followed, on a Cluster
        self._answered: dict[Any, float] = {}  # by connection: when the last answered PING went out
        self._lock = threading.Lock()
        self._over = threading.Event()  # this round of tracking has ended
        self._stopping = threading.Event()
        self.live = threading.Event()  # every connection has answered for the first time
        self._thread = threading.Thread(target=self._run, name="redis-lab-tracking", daemon=True)

    @property
    def started(self) -> bool:
        return self._thread.ident is not None

    def start(self) -> None:
        """Begin. Twice is fine."""
        with self._lock:
            if not self.started:
                self._thread.start()

    def stop(self) -> None:
        """End tracking and close its connections. Twice is fine."""
        self._stopping.set()
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(SILENCE)
        self._end()

    def covers_all(self) -> bool:
        """Whether every primary that the client may read from is followed."""
        return self._primaries() == self._nodes

    def _primaries(self) -> frozenset[str]:
        """Names of the primaries that the client knows of now; none for a single server."""
        if not isinstance(self.client, RedisCluster):
            return frozenset()
        return frozenset(node.name for node in self.client.get_primaries())

    def _run(self) -> None:
        failed = False
        while not self._stopping.is_set():
            try:
                if failed and isinstance(self.client, RedisCluster):
                    self.client.nodes_manager.initialize()  # who is primary now?
                self._follow()
                failed = False
            except (RedisError, RedisClusterException, OSError) as error:
                (log.debug if failed else log.warning)("no tracking: %r", error)
                failed = True
            except Exception:
                log.exception("tracking failed; it begins anew")
                failed = True
            self._stopping.wait(_PAUSE)

    def _follow(self) -> None:
        """One round of tracking: returns or raises when it is lost or stopped."""
        self._nodes = self._primaries()
        self._over.clear()
        links: list[tuple[ConnectionPool, Any, str]] = []
        threads: list[threading.Thread] = []
        try:
            for pool in self._pools():
                links.append((pool, *self._open(pool)))
            self._lost()  # what was read since the last round ended was read unheard
            self._answered = dict.fromkeys((link[1] for link in links), 0.0)
            for _, connection, _ in links:
                thread = threading.Thread(target=self._listen, args=(connection,), daemon=True)
                thread.start()
                threads.append(thread)
            while not self._over.wait(_EVERY) and not self._stopping.is_set():
                self._look(links)
        finally:
            self._end()
            for thread in threads:
                thread.join()
            for _, connection, _ in links:
                connection.disconnect()

    def _pools(self) -> list[ConnectionPool]:
        if not isinstance(self.client, RedisCluster):
            return [self.client.connection_pool]
        nodes = [node for node in self.client.get_primaries() if node.name in self._nodes]
        return [self.client.get_redis_connection(node).connection_pool for node in nodes]

    def _open(self, pool: ConnectionPool) -> tuple[Any, str]:
        """A connection like the pool's, in tracking mode, and the history its server is part of."""
        connection: Any = pool.connection_class(**{**pool.connection_kwargs, **_OWN})

        def ask(*command: Any) -> Any:
            connection.send_command(*command)
            return connection.read_response()

        try:
            connection.connect()
            prefixes = [part for prefix in self.prefixes for part in ("PREFIX", prefix)]
            history = _history(ask("INFO", "replication"))
            me = ask("CLIENT", "ID")
            ask("CLIENT", "TRACKING", "ON", "REDIRECT", me, "BCAST", *prefixes)
            ask("SUBSCRIBE", "__redis__:invalidate")
        except BaseException:
            connection.disconnect()
            raise
        return connection, history

    def _look(self, links: list[tuple[ConnectionPool, Any, str]]) -> None:
        """Raise where reads of the client go to other primaries than those we follow.

        A failover gives the new primary a new replication ID, and the demoted one takes it over.
        """
        if not self.covers_all():
            raise ConnectionError("the Cluster has other primaries now")
        for pool, _, history in links:
            now = Redis(connection_pool=pool).execute_command("INFO", "replication")
            if _history(now) != history:
                raise ConnectionError("there was a failover")

    def _listen(self, connection: Any) -> None:
        sent = due = 0.0  # when the PING without an answer went out, 0.0 if there is none
        try:
            while not self._over.is_set():
                now = time.monotonic()
                if not sent and now >= due:
                    connection.send_command("PING")
                    sent = now
                if connection.can_read(timeout=_LOOK):
                    kind, *_, content = connection.read_response()
                    if kind == b"pong":
                        self._answer(connection, sent)
                        sent, due = 0.0, sent + _EVERY
                    elif kind == b"message":
                        self._changed(content)
                elif sent and now - sent > SILENCE:
                    raise TimeoutError(f"no answer to PING for {SILENCE:g} s")
        except (RedisError, OSError) as error:
            log.warning("tracking lost: %r", error)
        except Exception:
            log.exception("tracking lost")
        finally:
            self._end()

    def _end(self) -> None:
        """This round is over, at once, whatever its other threads wait for."""
        self._over.set()
        with self._lock:
            self._answered = {}
            self.fresh_until = 0.0
        self.live.clear()
        self._lost()

    def _answer(self, connection: Any, sent: float) -> None:
        """What was to be heard before the PING went out has been heard on this connection."""
        with self._lock:
            if connection in self._answered:
                self._answered[connection] = sent
                if oldest := min(self._answered.values()):
                    self.fresh_until = oldest + SILENCE
                    self.live.set()


def _history(info: Any) -> str:
    """The replication ID in what INFO replied, parsed by the client or not."""
    if isinstance(info, dict):
        return str(info["master_replid"])
    lines = info.decode() if isinstance(info, bytes) else str(info)
    return lines.split("master_replid:")[1].split()[0]
