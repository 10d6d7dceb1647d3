"""The seam between redis-py and the wire: each write that a client makes, with the replies to it.

While somebody listens, a few methods are replaced on the client's own objects, never on a class:
`get_connection` of its pools, `create_redis_node` of a Cluster client, and `_METHODS` of every
connection handed out. When the last listener leaves, they are taken off again. About 10 µs a call.
Not counted, being no command of the caller's: setting a connection up (HELLO, AUTH, CLIENT SETINFO,
SELECT, READONLY) and redis-py's health-check PING. Not for asyncio.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import redis

from redis_lab.observe.commands import Command, Trip, parse, summary

_METHODS = (
    "send_packed_command",
    "read_response",
    "connect_check_health",
    "_send_ping",
    "re_auth",
)
_lock = threading.RLock()
_seams: dict[int, "_Seam"] = {}  # by the id of the pool (or node list), which the seam keeps alive


def address(connection: Any) -> str:
    """host:port of a connection, or the path of its Unix socket."""
    return str(getattr(connection, "path", "") or f"{connection.host}:{connection.port}")


@dataclass(eq=False)
class Wire:
    """The trips that one client makes from open() to close(), in the order they left.

    met: called with (pool, connection) before the first trip to a node.
    """

    client: Any
    met: Callable[[Any, Any], None]
    trips: list[Trip] = field(default_factory=list)
    nodes: set[str] = field(default_factory=set)
    _joined: list["_Seam"] = field(default_factory=list)
    _open: bool = False

    def open(self) -> None:
        self._open = True
        if isinstance(self.client, redis.RedisCluster):
            self._join(self.client.nodes_manager, "create_redis_node")
        for pool in self.pools():
            self.join_pool(pool)

    def close(self) -> None:
        with _lock:
            self._open = False
            for seam in self._joined:
                seam.listeners = tuple(wire for wire in seam.listeners if wire is not self)
                if not seam.listeners:
                    del _seams[id(seam.owner)]
                    seam.remove()
            self._joined.clear()

    def pools(self, primaries: bool = False) -> list[Any]:
        """The pools that the client has now; on demand only those of a Cluster's primaries."""
        if not isinstance(self.client, redis.RedisCluster):
            return [self.client.connection_pool]
        nodes = self.client.get_primaries() if primaries else self.client.get_nodes()
        return [node.redis_connection.connection_pool for node in nodes if node.redis_connection]

    def join_pool(self, pool: Any) -> None:
        seam = self._join(pool, "get_connection")
        if seam:
            for connection in pool._get_in_use_connections():
                seam.tap(connection)

    def _join(self, owner: Any, method: str) -> "_Seam | None":
        with _lock:
            if not self._open or any(seam.owner is owner for seam in self._joined):
                return None
            if id(owner) not in _seams:
                _seams[id(owner)] = _Seam(owner, method)
            seam = _seams[id(owner)]
            seam.listeners += (self,)
            self._joined.append(seam)
            return seam


class _Seam:
    """One method of one pool (or node list), replaced on that instance while somebody listens."""

    def __init__(self, owner: Any, method: str):
        self.owner, self.method = owner, method
        self.listeners: tuple[Wire, ...] = ()
        self.taps: dict[int, _Tap] = {}
        self._before = {name: own for name, own in vars(owner).items() if name == method}
        self._real = getattr(owner, method)
        setattr(owner, method, self)

    def __call__(self, *args: Any, **options: Any) -> Any:
        made = self._real(*args, **options)
        if isinstance(made, redis.Redis):  # the client of a node that is new to a Cluster client
            for wire in self.listeners:
                wire.join_pool(made.connection_pool)
        else:
            self.tap(made)
        return made

    def tap(self, connection: Any) -> None:
        connection = getattr(connection, "_conn", connection)  # with client-side caching, the inner
        if id(connection) not in self.taps:
            with _lock:
                if self.listeners and id(connection) not in self.taps:
                    self.taps[id(connection)] = _Tap(connection, self)

    def remove(self) -> None:
        delattr(self.owner, self.method)
        vars(self.owner).update(self._before)
        for tap in self.taps.values():
            tap.remove()


class _Tap:
    """Stands on one connection, which one thread at a time uses, and reports its trips."""

    def __init__(self, connection: Any, seam: _Seam):
        self.connection, self.seam = connection, seam
        self._pending: deque[Command] = deque()  # sent, not yet answered
        self._trip = Trip("", [], 0)
        self._silent = 0
        self._queueing = False
        self._before = {name: own for name, own in vars(connection).items() if name in _METHODS}
        self._real = {name: getattr(connection, name) for name in _METHODS}
        for name in _METHODS:
            setattr(connection, name, getattr(self, name))
        self._count_bytes()

    def remove(self) -> None:
        for name in _METHODS:
            delattr(self.connection, name)
        vars(self.connection).update(self._before)
        reader = self._reader()
        if isinstance(reader._sock, _CountingSocket):
            reader._sock = reader._sock.real

    def send_packed_command(self, command: Any, *args: Any, **options: Any) -> None:
        if self._silent:
            self._real["send_packed_command"](command, *args, **options)
            return
        node = address(self.connection)
        for wire in self.seam.listeners:
            if node not in wire.nodes:
                wire.nodes.add(node)
                wire.met(self.seam.owner, self.connection)
        self._real["send_packed_command"](command, *args, **options)
        commands = list(parse(command))
        for one in commands:
            if one.words[0] in (b"EXEC", b"DISCARD"):
                self._queueing = False
            one.queued = self._queueing
            if one.words[0] == b"MULTI":
                self._queueing = True
        self._trip = Trip(node, commands, sum(one.sent for one in commands))
        self._pending.extend(commands)
        for wire in self.seam.listeners:
            wire.trips.append(self._trip)

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            response = self._real["read_response"](*args, **options)
        except redis.ResponseError as error:
            self._answered(error)
            raise
        except BaseException as error:
            for command in self._pending:
                command.reply = type(error).__name__
            self._pending.clear()
            raise
        self._answered(response)
        return response

    def connect_check_health(self, *args: Any, **options: Any) -> None:
        if self.connection.is_connected:
            return
        self._pending.clear()
        self._queueing = False
        self._silently("connect_check_health", *args, **options)
        self._count_bytes()

    def _send_ping(self) -> None:
        self._silently("_send_ping")

    def re_auth(self) -> None:
        self._silently("re_auth")

    def _silently(self, name: str, *args: Any, **options: Any) -> None:
        self._silent += 1
        try:
            self._real[name](*args, **options)
        finally:
            self._silent -= 1

    def _answered(self, response: Any) -> None:
        if self._pending and not self._silent:
            self._pending.popleft().reply = summary(response)

    def _came(self, size: int) -> None:
        if self._pending and not self._silent:
            self._trip.received += size

    def _reader(self) -> Any:
        """Where redis-py's parser keeps the socket it reads: in itself (hiredis) or its buffer."""
        parser = self.connection._parser
        return parser._buffer if hasattr(getattr(parser, "_buffer", None), "_sock") else parser

    def _count_bytes(self) -> None:
        reader = self._reader()
        if reader._sock is not None and not isinstance(reader._sock, _CountingSocket):
            reader._sock = _CountingSocket(reader._sock, self._came)


class _CountingSocket:
    """A socket that tells how many bytes came in; in all else it is the socket itself."""

    def __init__(self, real: Any, came: Callable[[int], None]):
        self.real, self._came = real, came

    def fileno(self) -> int:
        return int(self.real.fileno())

    def recv_into(self, *args: Any) -> int:
        size = int(self.real.recv_into(*args))
        self._came(size)
        return size

    def recv(self, size: int, *flags: int) -> bytes:
        read: bytes = self.real.recv(size, *flags)
        if not flags:  # with flags it is a peek: those bytes come again
            self._came(len(read))
        return read

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)
