"""Pub/Sub that comes back: a subscriber that subscribes again whenever its connection is lost.

Redis keeps no message for those who are not there: what is published meanwhile is missed, and the
subscriber says when that was. What must not be missed belongs in a stream: worker, event_store.
"""

import logging
import os
import selectors
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from redis.cluster import RedisCluster

from redis_lab.errors import ValueTooLarge
from redis_lab.patterns.checks import seconds, whole
from redis_lab.patterns.outages import FAILURES, is_outage
from redis_lab.patterns.scripting import Client, checked_client
from redis_lab.patterns.subscription import Subscription

log = logging.getLogger("redis_lab.patterns.pubsub")

_LOOK = 0.1  # seconds after which a quiet listen() sees that close() was called


@dataclass(frozen=True)
class Message:
    """What was published.

    pattern: through which it came, or None. data: str where the client decodes replies and the
    bytes are text, else bytes. channel and pattern are bytes only where they are no text.
    """

    channel: str | bytes
    pattern: str | bytes | None
    data: str | bytes


def publish(
    client: Client,
    channel: str,
    message: str | bytes,
    *,
    sharded: bool = False,
    max_bytes: int = 16 * 2**20,
) -> int:
    """Publish, and return how many subscribers the node that took it has delivered it to.

    sharded: to those who named the channel as sharded. On a Cluster all nodes get a message, a
    sharded one those that hold its slot. Raises ValueTooLarge for a message above max_bytes, and
    redis-py's errors; a client that repeats commands by itself may publish twice.
    """
    checked_client(client)
    _checked("channel", [channel])
    if not isinstance(message, str | bytes):
        raise TypeError(f"message must be str or bytes, not {type(message).__name__}")
    encoded = client.get_encoder().encode(message)
    if len(encoded) > whole("max_bytes", max_bytes):
        raise ValueTooLarge(f"message: {len(encoded)} bytes, max_bytes is {max_bytes}")
    receivers: Any = (client.spublish if sharded else client.publish)(channel, encoded)
    return receivers


class Subscriber:
    """Messages of channels, patterns (`news.*`) and sharded channels, until close().

    Once it is made, the server has confirmed every subscription: what is published from then on
    arrives. Where that fails it raises redis-py's errors. Later, a lost connection is opened again
    for as long as it takes, at least once a second: each loss and each return is logged,
    `reconnects` counts the returns, and on_reconnect(names) is called between the last message
    before the gap and the first one after it. That is the time to read anew what the messages tell
    about. If Redis is away again meanwhile, it is called again; any other exception is logged.

    silence: seconds without any answer after which a connection counts as lost; it asks by PING
    when nothing else comes. The client's socket timeout does not end a quiet subscription.

    Its connections are its own, not of the client's pool: one for channels and patterns, and on a
    Cluster one for each slot among its sharded channels, which goes where the slot goes. There,
    a message from just before a gap can come again behind it, by way of another node. With
    Sentinels it follows the primary; one that is cut off from them is left when it is demoted.
    While a connection is dialled, for the client's timeouts at most, the other ones wait. A forked
    child can't listen, RuntimeError says so: it makes a Subscriber of its own.
    """

    def __init__(
        self,
        client: Client,
        channels: Iterable[str] = (),
        patterns: Iterable[str] = (),
        sharded: Iterable[str] = (),
        *,
        on_reconnect: Callable[[tuple[str, ...]], object] | None = None,
        silence: float = 5.0,
    ):
        checked_client(client)
        names = {
            "SUBSCRIBE": _checked("channels", channels),
            "PSUBSCRIBE": _checked("patterns", patterns),
            "SSUBSCRIBE": _checked("sharded", sharded),
        }
        if not any(names.values()):
            raise ValueError("channels: name at least one channel, pattern or sharded channel")
        if on_reconnect is not None and not callable(on_reconnect):
            raise TypeError(f"on_reconnect must be callable, not {type(on_reconnect).__name__}")
        seconds("silence", silence)
        self.reconnects, self._pid = 0, os.getpid()
        self._on_reconnect, self._encoder = on_reconnect, client.get_encoder()
        self._links = [Subscription(client, group, silence) for group in _grouped(client, names)]
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._closed = False
        try:
            for link in self._links:
                link.open()
        except BaseException:
            self.close()
            raise

    def listen(self) -> Iterator[Message]:
        """Each message as it comes; ends within a moment of close(), from whichever thread."""
        while True:
            self._check_fork()
            with self._lock:
                if self._closed:
                    return
                replies = [reply for link in self._links if (reply := self._turn(link))]
                sockets = [link.connection._sock for link in self._links if link.connection]
                dues = [link.due for link in self._links if not link.connection]
            for reply in replies:
                if self._closed:
                    return
                yield self._message(reply)
            if not replies:
                _wait(sockets, min([_LOOK, *(due - time.monotonic() for due in dues)]))

    def run_in_background(self, handler: Callable[[Message], object]) -> threading.Thread:
        """Call handler(message) for each message, one after the other, in a thread, until close().

        An exception in the handler is logged, and the next message follows.
        """
        if not callable(handler):
            raise TypeError(f"handler must be callable, not {type(handler).__name__}")
        self._check_fork()
        if self._thread:
            raise RuntimeError("this Subscriber runs in the background already: make another")
        self._thread = threading.Thread(
            target=self._handle, args=(handler,), name="redis-lab-subscriber", daemon=True
        )
        self._thread.start()
        return self._thread

    def close(self) -> None:
        """End listen() and the background thread, wait for that thread, hang up. Twice is fine."""
        self._closed = True
        if self._pid != os.getpid():  # connections are the parent's, and so may the lock be
            return
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join()
        with self._lock:
            for link in self._links:
                link.hang_up()

    def __enter__(self) -> "Subscriber":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _check_fork(self) -> None:
        if self._pid != os.getpid():
            raise RuntimeError("this Subscriber is the parent process's: make another in the child")

    def _handle(self, handler: Callable[[Message], object]) -> None:
        for message in self.listen():
            try:
                handler(message)
            except Exception:
                log.exception("the handler failed on a message from %s", message.channel)

    def _turn(self, link: Subscription) -> list[bytes] | None:
        """A message of this link if one is there; opens the link where that is due."""
        try:
            if link.connection is None and not self._closed and time.monotonic() >= link.due:
                link.open()
                self._returned(link)
            return link.read() if link.connection else None
        except FAILURES as error:
            link.lost(error)
            return None

    def _returned(self, link: Subscription) -> None:
        self.reconnects += 1
        log.warning("subscribed to %s again", ", ".join(link.names))
        try:
            if self._on_reconnect:
                self._on_reconnect(link.names)
        except Exception as error:
            if is_outage(error):
                link.hang_up()
                raise
            log.exception("on_reconnect failed")

    def _message(self, reply: list[bytes]) -> Message:
        *pattern, channel, payload = reply[1:]
        data = self._text(payload) if self._encoder.decode_responses else payload
        return Message(self._text(channel), self._text(pattern[0]) if pattern else None, data)

    def _text(self, raw: bytes) -> str | bytes:
        with suppress(UnicodeDecodeError):
            return raw.decode(self._encoder.encoding)
        return raw

    def __repr__(self) -> str:
        names = ", ".join(name for link in self._links for name in link.names)
        return f"<Subscriber {names}{', closed' if self._closed else ''}>"


def _grouped(client: Client, names: dict[str, list[str]]) -> list[dict[str, list[str]]]:
    """What can share a connection: everything; on a Cluster, the sharded channels of one slot."""
    if not isinstance(client, RedisCluster):
        return [names]
    slots: dict[int, list[str]] = {}
    for name in names.pop("SSUBSCRIBE"):
        slots.setdefault(client.keyslot(name), []).append(name)
    groups = [names] if any(names.values()) else []
    return groups + [{"SSUBSCRIBE": channels} for channels in slots.values()]


def _checked(argument: str, names: Iterable[str]) -> list[str]:
    if isinstance(names, str | bytes) or not isinstance(names, Iterable):
        raise TypeError(f"{argument} must be several names, not {type(names).__name__}")
    names = list(names)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"{argument}: a name must be a str, not {type(name).__name__}")
        if not name:
            raise ValueError(f"{argument}: a name must not be empty")
    return list(dict.fromkeys(names))


def _wait(sockets: list[Any], timeout: float) -> None:
    """Until one of them has something, for so many seconds; close() may shut them meanwhile."""
    with selectors.DefaultSelector() as ready, suppress(OSError, ValueError):
        for each in sockets:
            ready.register(each, selectors.EVENT_READ)
        ready.select(max(0.0, timeout))
