"""Command lines as redis-cli reads them, and replies as it prints them.

redis-py's own parsers return the same value for the status OK and for the string "OK": ReplyParser
keeps the two apart, in RESP2 and RESP3. It converts nothing: that is a client's work.
"""

import re
import ssl
from collections.abc import Iterable, Sequence
from typing import Any

from redis.exceptions import ConnectionError, InvalidResponse, ResponseError

# RESP type: what redis-cli calls it when it is empty, and the mark behind an index.
_SHAPES = {"*": ("array", ")"), "%": ("hash", "#"), "~": ("set", "~"), ">": ("push", ")")}


class Status(bytes):
    """A simple string, such as the OK of SET, or a RESP3 verbatim text: printed without quotes."""


class Double(bytes):
    """A RESP3 double, digit for digit as the server wrote it."""


class Array(list[Any]):
    """Several replies. kind: "*" array, "%" map (key, value, key, …), "~" set, ">" push."""

    def __init__(self, kind: str, replies: Iterable[Any]):
        super().__init__(replies)
        self.kind = kind
        self.step = 1 + (kind == "%")


class ErrorReply(ResponseError):
    """An error reply; str() of it is the server's text."""

    def __init__(self, raw: bytes):
        super().__init__(_text(raw))


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


_LINES: Any = {"+": Status, "-": ErrorReply, ":": int, "(": int, ",": Double, "#": b"t".__eq__}


class ReplyParser:
    """A `parser_class` for redis-py's connections that keeps the type of each reply.

    Replies are int, bool, bytes, None or one of the classes above; redis-py raises an ErrorReply
    unless it stands inside an Array.
    """

    def __init__(self, socket_read_size: int):
        self._size = socket_read_size
        self._unread = bytearray()
        self._socket: Any = None
        self._timeout: float | None = None

    def on_connect(self, connection: Any) -> None:
        """Take over the socket, the way redis-py's own parsers do: there is no public one."""
        self._socket, self._timeout = connection._sock, connection.socket_timeout

    def on_disconnect(self) -> None:
        """Forget the socket and what was read from it."""
        self._socket = None
        self._unread.clear()

    def can_read(self, timeout: float = 0.0) -> bool:
        """Whether bytes came within `timeout` seconds; ConnectionError if the server hung up."""
        self._socket.settimeout(timeout)
        try:
            return bool(self._unread) or self._receive()
        except (BlockingIOError, TimeoutError, ssl.SSLWantReadError):
            return False
        finally:
            self._socket.settimeout(self._timeout)

    def read_response(self, disable_decoding: bool = False, timeout: Any = None) -> Any:
        """The next reply; `timeout`, in seconds, is for each wait on the socket."""
        self._socket.settimeout(timeout if isinstance(timeout, int | float) else self._timeout)
        return self._read()

    def _receive(self) -> bool:
        received = self._socket.recv(self._size)
        if not received:
            raise ConnectionError("Server closed the connection")
        self._unread += received
        return True

    def _take(self, length: int) -> bytes:
        while len(self._unread) < length + 2:
            self._receive()
        taken = bytes(self._unread[:length])
        del self._unread[: length + 2]
        return taken

    def _read(self) -> Any:
        while (end := self._unread.find(b"\r\n")) < 0:
            self._receive()
        line = self._take(end)
        kind, rest = chr(line[0]), line[1:]
        if kind in _LINES:
            return _LINES[kind](rest)
        if kind == "_" or rest == b"-1":
            return None
        if kind in "$=!":
            body = self._take(int(rest))
            return body if kind == "$" else Status(body[4:]) if kind == "=" else ErrorReply(body)
        if kind in _SHAPES:
            return Array(kind, [self._read() for _ in range(int(rest) * (1 + (kind == "%")))])
        raise InvalidResponse(f"not a Redis reply: {line!r}")


_DOUBLE, _SINGLE = rb'"((?:\\.|[^"\\])*)"', rb"'((?:\\'|[^'\\]|\\(?!'))*)'"
_WORD = re.compile(rb"\s*(?!\s)([^ \n\r\t\"']*)(?:%b|%b)?(?=\s|\Z)" % (_DOUBLE, _SINGLE), re.DOTALL)
_CODE = re.compile(rb"\\x([0-9a-fA-F]{2})|\\(.)", re.DOTALL)
_NAMED = bytes.maketrans(b"nrtba", b"\n\r\t\b\a")


def split(line: str) -> list[bytes]:
    """The words of a command line, quoted as in redis-cli; ValueError if quotes are unbalanced."""
    words, position, rest = [], 0, line.strip().encode()
    while position < len(rest):
        if (word := _WORD.match(rest, position)) is None:
            raise ValueError("unbalanced quotes, or no space after a closing quote")
        plain, double, single = (part or b"" for part in word.groups())
        double = _CODE.sub(
            lambda e: bytes([int(e[1], 16)]) if e[1] else e[2].translate(_NAMED), double
        )
        words.append(plain + double + single.replace(rb"\'", b"'"))
        position = word.end()
    return words


_SHOWN = [chr(code) if 32 <= code < 127 else f"\\x{code:02x}" for code in range(256)]
for _byte, _letter in zip(b'\n\r\t\b\a"\\', 'nrtba"\\', strict=True):
    _SHOWN[_byte] = "\\" + _letter

# The replies whose text redis-cli prints as it is, even on a terminal.
_TEXTS = re.compile(
    rb"(INFO|LOLWUT|CLIENT (LIST|INFO)|DEBUG (HTSTATS(-KEY)?|CLIENT-EVICTION)|MEMORY (MALLOC-STATS"
    rb"|DOCTOR))( |\Z)|CLUSTER (NODES|INFO)\Z|LATENCY (GRAPH \S+|DOCTOR)\Z"
)


def format_reply(reply: Any, raw: bool = False, command: Sequence[bytes] = ()) -> str:
    """What redis-cli prints for a reply, newline at the end included; `raw` is its --raw.

    command: the words that were sent; the texts of INFO, CLIENT LIST and a few more have no quotes.
    """
    if _TEXTS.match(b" ".join(command).upper()):
        return _raw(reply)
    return _raw(reply) + "\n" if raw else _tty(reply, "")


def _raw(reply: Any) -> str:
    if isinstance(reply, Array):
        rows = range(0, len(reply), reply.step)
        return "\n".join(" ".join(map(_raw, reply[row : row + reply.step])) for row in rows)
    if isinstance(reply, bool):
        return "(true)" if reply else "(false)"
    if isinstance(reply, ErrorReply):
        return f"{reply}\n"
    return "" if reply is None else _text(reply) if isinstance(reply, bytes) else str(reply)


def _tty(reply: Any, indent: str) -> str:
    if isinstance(reply, Array):
        return _lines(reply, indent)
    if type(reply) is bytes:
        return '"' + "".join(map(_SHOWN.__getitem__, reply)) + '"\n'
    if isinstance(reply, ErrorReply):
        return f"(error) {reply}\n"
    label = {int: "(integer) ", Double: "(double) ", type(None): "(nil)"}.get(type(reply), "")
    return f"{label}{_raw(reply)}\n"


def _lines(reply: Array, indent: str) -> str:
    if reply.kind == ">" and reply[:1] == [b"invalidate"] and reply[1] is not None:
        return "-> invalidate: " + ", ".join(f"'{_text(key)}'" for key in reply[1]) + "\n"
    name, mark = _SHAPES[reply.kind]
    width = len(str(len(reply) // reply.step))
    deeper = indent + " " * (width + 2)
    shown = []
    for place in range(0, len(reply), reply.step):
        row = f"{indent if place else ''}{place // reply.step + 1:>{width}}{mark} "
        row += _tty(reply[place], deeper)
        for value in reply[place + 1 : place + reply.step]:
            gap = f"\n{deeper}" if _has_lines(value) else ""
            row = f"{row[:-1]} => {gap}{_tty(value, deeper)}"
        shown.append(row)
    return "".join(shown) or f"(empty {name})\n"


def _has_lines(reply: Any) -> bool:
    filled = isinstance(reply, Array) and bool(reply)
    return filled and (len(reply) > reply.step or _has_lines(reply[-1]))
