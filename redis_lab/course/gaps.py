"""The gaps between the trips of an answer's client: others act there, or the answer dies."""

import socket
from collections.abc import Callable
from typing import Any

import redis

from redis_lab.course.answers import Killed


class _Dead(Killed, redis.ConnectionError):
    """What the dead get that still want to send: redis-py tidies up after a ConnectionError."""


class Gaps:
    """Counts the trips of one client, and acts once, in the gap before one of them.

    act: called after that many trips. torn: what dies there has sent half of its next trip, of a
    pipeline the first half of its commands.
    """

    def __init__(self, act: Callable[[], Any] | None = None, after: int = 1, torn: bool = False):
        self.act, self.after, self.torn = act, after, torn
        self.trips = 0
        self.acted = False
        self.dead = False

    def before_a_trip(self) -> None:
        """Called by the client's connections; from die() on, nothing more is sent."""
        if self.dead:
            raise _Dead
        if self.act and self.trips >= self.after and not self.acted:
            self.acted = True
            self.act()
        self.trips += 1

    def die(self, *_: Any) -> None:
        """The answer's process ends here."""
        self.dead = True
        raise Killed


def mortal(after: int, torn: bool = False) -> Gaps:
    """Gaps of a client that dies after that many trips."""
    gaps = Gaps(after=after, torn=torn)
    gaps.act = gaps.die
    return gaps


def watch(client: Any, gaps: Gaps) -> None:
    """Let every connection that this client opens from now on tell its trips to these gaps."""
    for pool in pools(client):
        pool.disconnect()
        pool.connection_class = _watched(pool.connection_class, gaps)
        pool.reset()


def pools(client: Any) -> list[Any]:
    """The connection pools of a Redis or RedisCluster client."""
    if hasattr(client, "connection_pool"):
        return [client.connection_pool]
    return [node.redis_connection.connection_pool for node in client.get_nodes()]


def _first_half(whole: bytes) -> bytes:
    """The first half of the commands, and half of the one after these."""
    ends = [0]
    while ends[-1] < len(whole):
        at = whole.index(b"\r\n", ends[-1])
        words, at = int(whole[ends[-1] + 1 : at]), at + 2
        for _ in range(words):
            size_ends = whole.index(b"\r\n", at)
            at = size_ends + int(whole[at + 1 : size_ends]) + 4
        ends.append(at)
    middle = (len(ends) - 1) // 2
    return whole[: (ends[middle] + ends[middle + 1]) // 2]


def _watched(kind: type[Any], gaps: Gaps) -> type[Any]:
    class Watched(kind):
        """A connection that tells its gaps of every trip but those of its greeting."""

        greeting = False

        def on_connect_check_health(self, *args: Any, **kwargs: Any) -> None:
            self.greeting = True
            try:
                super().on_connect_check_health(*args, **kwargs)
            finally:
                self.greeting = False

        def send_packed_command(self, command: Any, *args: Any, **kwargs: Any) -> None:
            alive = not gaps.dead
            try:
                if not self.greeting:
                    gaps.before_a_trip()
            except Killed:
                if alive and gaps.torn:
                    whole = command if isinstance(command, bytes) else b"".join(command)
                    super().send_packed_command([_first_half(whole)], *args, **kwargs)
                    self._let_the_server_finish()
                self.disconnect()
                raise
            super().send_packed_command(command, *args, **kwargs)

        def _let_the_server_finish(self) -> None:
            """Until it has done what arrived and, at the end of the stream, hung up."""
            self._sock.settimeout(10)
            self._sock.shutdown(socket.SHUT_WR)
            while self._sock.recv(65536):
                pass

    return Watched
