"""Proxy: a TCP relay in front of one node that loses replies, adds latency or hangs up, when told.

What a bad network does to a client, without a bad network: the command arrives and is done, the
reply isn't there, and the client can't tell that from a command that never arrived.
"""

import asyncio
import re
import ssl
import threading
import time
from collections.abc import Coroutine
from typing import Any

import redis

from redis_lab.lab.node import Node

HOST = "127.0.0.1"
CHUNK = 1 << 16
_COMMAND = re.compile(rb"\*\d+\r\n\$\d+\r\n(\w+)")
_SETTING_UP = {b"HELLO", b"AUTH", b"CLIENT", b"SELECT", b"READONLY"}


class Proxy:
    """Relays connections to a node until closed: `with Proxy(lab.primary) as proxy:`

    delay: seconds that each chunk of bytes takes in each direction (half a round trip). May be
    changed at any time. keep: so many of the last bytes that clients sent stay in .heard, for
    whoever wants to see what the wire shows. TLS passes as it is: the certificate must then fit
    127.0.0.1. certificate: a PEM file of a chain and its key; with it the proxy is the impostor
    that TLS is about: it answers clients itself, talks to the node over a connection of its own,
    and .heard is plain text. Raises ValueError for a node without a TCP port, OSError for a file
    that is no certificate with its key.
    """

    def __init__(
        self, node: Node, delay: float = 0.0, keep: int = 0, certificate: str | None = None
    ):
        if "unix_socket_path" in node._extra:
            raise ValueError(f"node: a proxy needs a TCP port, and {node.name} has none")
        if delay < 0:
            raise ValueError(f"delay: seconds, 0 or more, not {delay!r}")
        if keep < 0:
            raise ValueError(f"keep: bytes, 0 or more, not {keep!r}")
        self.node = node
        self.delay = delay
        self.heard = b""
        self._keep = keep
        self._shown = _shows(certificate) if certificate else None
        self._dials = _dials(node) if certificate and "ssl" in node._extra else None
        self.arrivals: list[float] = []  # when each connection was accepted, unix seconds
        self.swallowed = 0  # replies lost so far
        self._lose, self._every, self._cut, self._seen = 0, 1, False, 0
        self._open: set[asyncio.Task[None]] = set()
        self._closing = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        opening = asyncio.start_server(self._relay, HOST, 0, backlog=1024, ssl=self._shown)
        self._server = self._call(opening)
        self.host, self.port = self._server.sockets[0].getsockname()[:2]

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def client(self, **kwargs: Any) -> redis.Redis:
        """As node.client(), through the proxy."""
        return self.node.client(**{"host": self.host, "port": self.port, **kwargs})

    def swallow(self, replies: int = 1, *, every: int = 1, cut: bool = False) -> None:
        """Lose this many replies from now on: that to each `every`-th write of a client.

        The write arrives at the server; a pipeline is one write. The connection stays open and
        silent, so that the client waits for its timeout, or with `cut` is closed as soon as the
        server has answered. Setting up a connection (HELLO, AUTH, SELECT, CLIENT) isn't counted.
        Raises ValueError for a node that speaks TLS, unless the proxy has a certificate: nobody
        between sees where a command begins.
        """
        if "ssl" in self.node._extra and not self._shown:
            raise ValueError(f"node: {self.node.name} speaks TLS, where no command can be told")
        if replies < 0 or every < 1:
            raise ValueError(f"replies: 0 or more, every: 1 or more, not {replies!r}, {every!r}")
        self._lose, self._every, self._cut, self._seen = replies, every, cut, 0

    def hang_up(self) -> None:
        """Close all connections that are open now."""
        self._call(self._cancel_all())

    def close(self) -> None:
        """Close the port and all connections. Twice: nothing."""
        if self._loop.is_closed():
            return
        self._call(self._cancel_all(closing=True))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _cancel_all(self, closing: bool = False) -> None:
        if closing:
            self._closing = True
            self._server.close()
        while tasks := list(self._open):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=0.1)
        await asyncio.sleep(0)  # the transports' own last step

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closing:  # its handshake ended a moment too late
            writer.transport.abort()
            return
        self.arrivals.append(time.time())
        task = asyncio.current_task()
        assert task
        self._open.add(task)
        try:
            there, back = await asyncio.open_connection(*self.node.address, ssl=self._dials)
            try:
                await self._carry(reader, _Line(writer), there, _Line(back))
            finally:
                await _end(back)
        except (OSError, asyncio.CancelledError):
            pass  # the node is gone, a side hung up, or we were told to
        finally:
            await _end(writer)
            self._open.discard(task)

    async def _carry(
        self,
        client: asyncio.StreamReader,
        to_client: "_Line",
        node: asyncio.StreamReader,
        to_node: "_Line",
    ) -> None:
        lost = asyncio.Event()  # set: no further reply reaches this client

        async def send() -> None:
            while data := await client.read(CHUNK):
                if self._keep:
                    self.heard = (self.heard + data)[-self._keep :]
                if self._loses(data):
                    lost.set()
                await to_node.write(data, self.delay)

        async def answer() -> None:
            while data := await node.read(CHUNK):
                if not lost.is_set():
                    await to_client.write(data, self.delay)
                elif self._cut:
                    break
            await to_client.finish()

        ways = [asyncio.create_task(send()), asyncio.create_task(answer())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    def _loses(self, data: bytes) -> bool:
        found = _COMMAND.match(data)
        if not self._lose or not found or found[1].upper() in _SETTING_UP:
            return False
        self._seen += 1
        if self._seen % self._every:
            return False
        self._lose -= 1
        self.swallowed += 1
        return True


def _shows(certificate: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def _dials(node: Node) -> ssl.SSLContext:
    """How the impostor reaches the node: he doesn't care who that is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if own := node._extra.get("ssl_certfile"):
        context.load_cert_chain(own, node._extra["ssl_keyfile"])
    return context


async def _end(writer: asyncio.StreamWriter) -> None:
    """Close when all is sent, or at once if we are told to while a client doesn't read."""
    writer.close()
    try:
        await writer.wait_closed()
    except (OSError, asyncio.CancelledError):
        writer.transport.abort()


class _Line:
    """One direction: what is written arrives so many seconds later, in order."""

    def __init__(self, writer: asyncio.StreamWriter):
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._due = 0.0

    async def write(self, data: bytes, delay: float) -> None:
        now = self._loop.time()
        self._due = max(self._due, now + delay)
        if self._due > now:
            self._loop.call_at(self._due, self._writer.write, data)
        else:
            self._writer.write(data)
            await self._writer.drain()

    async def finish(self) -> None:
        await asyncio.sleep(max(0.0, self._due - self._loop.time()))
