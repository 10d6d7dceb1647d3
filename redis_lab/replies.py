"""Command lines as redis-cli reads them, and replies as it prints them.

redis-py's own parsers return the same value for the status OK and for the string "OK"; ReplyParser
keeps the two apart, in RESP2 and RESP3. It does no decoding and no conversion: that is a client's work.
"""

import re
import ssl
from collections.abc import Sequence
from typing import Any

from redis.exceptions import ConnectionError, InvalidResponse, ResponseError


class Status(bytes):
    """A simple string, such as the OK of SET: printed without quotes."""


class Verbatim(bytes):
    """A RESP3 text that is meant for people, such as that of LOLWUT."""


class Number(bytes):
    """A RESP3 double or big number, digit for digit as the server wrote it."""


class Map(list[Any]):
    """A RESP3 map: key, value, key, value, in the server's order."""


class Set(list[Any]):
    """A RESP3 set, in the server's order."""


class Push(list[Any]):
    """A RESP3 message that answers no command, such as an invalidation."""


class ErrorReply(ResponseError):
    """An error reply; str() of it is the server's text."""


def text(raw: bytes) -> str:
    """UTF-8, with what is not valid UTF-8 shown as backslash escapes."""
    return raw.decode("utf-8", "backslashreplace")


class ReplyParser:
    """A `parser_class` for redis-py's connections that keeps the type of each reply.

    Replies are int, bool, bytes, None, list or one of the classes above. redis-py raises an ErrorReply,
    unless it stands inside an array.
    """

    def __init__(self, socket_read_size: int):
        self._size = socket_read_size
        self._socket: Any = None
        self._timeout: float | None = None
        self._unread = bytearray()

    def on_connect(self, connection: Any) -> None:
        """Take over the socket: redis-py calls this and gives its own parsers no public way either."""
        self._socket, self._timeout = connection._sock, connection.socket_timeout

    def on_disconnect(self) -> None:
        """Forget the socket and what was read from it."""
        self._socket = None
        self._unread.clear()

    def can_read(self, timeout: float = 0.0) -> bool:
        """Whether bytes have arrived; redis.ConnectionError if the server hung up. Seconds."""
        try:
            return bool(self._unread) or self._fill(timeout)
        except (BlockingIOError, TimeoutError, ssl.SSLWantReadError):
            return False

    def read_response(self, disable_decoding: bool = False, timeout: Any = None) -> Any:
        """The next reply; the timeout, in seconds, is for each wait. redis-py turns it into its own error."""
        self._patience = timeout if isinstance(timeout, int | float) else self._timeout
        return self._read()

    def _fill(self, timeout: float | None) -> bool:
        self._socket.settimeout(timeout)
        try:
            received = self._socket.recv(self._size)
        finally:
            self._socket.settimeout(self._timeout)
        if not received:
            raise ConnectionError("Server closed the connection")
        self._unread += received
        return True

    def _take(self, length: int) -> bytes:
        while len(self._unread) < length + 2:
            self._fill(self._patience)
        taken = bytes(self._unread[:length])
        del self._unread[: length + 2]
        return taken

    def _line(self) -> bytes:
        while (end := self._unread.find(b"\r\n")) < 0:
            self._fill(self._patience)
        return self._take(end)

    def _read(self) -> Any:
        line = self._line()
        kind, rest = chr(line[0]), line[1:]
        if kind in "$=!*~>%|" and rest == b"-1":
            return None
        match kind:
            case "+":
                return Status(rest)
            case "-":
                return ErrorReply(text(rest))
            case ":":
                return int(rest)
            case "$":
                return self._take(int(rest))
            case "*":
                return self._several(int(rest))
            case "_":
                return None
            case "#":
                return rest == b"t"
            case "," | "(":
                return Number(rest)
            case "!":
                return ErrorReply(text(self._take(int(rest))))
            case "=":
                return Verbatim(self._take(int(rest))[4:])
            case "%":
                return Map(self._several(2 * int(rest)))
            case "~":
                return Set(self._several(int(rest)))
            case ">":
                return Push(self._several(int(rest)))
            case "|":  # attributes of the reply that follows: redis-cli shows them nowhere
                self._several(2 * int(rest))
                return self._read()
        raise InvalidResponse(f"not a Redis reply: {line!r}")

    def _several(self, count: int) -> list[Any]:
        return [self._read() for _ in range(count)]


_WORD = re.compile(
    rb"""\s*([^ \n\r\t"']*)(?:"((?:\\.|[^"\\])*)"|'((?:\\'|[^'\\]|\\(?!'))*)')?(?=\s|\Z)""", re.DOTALL
)
_CONTROL = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "a": "\a"}


def split(line: str) -> list[bytes]:
    """The words of a command line, quoted as in redis-cli; ValueError if quotes are unbalanced."""
    words, position, rest = [], 0, line.strip().encode()
    while position < len(rest):
        word = _WORD.match(rest, position)
        if word is None:
            raise ValueError("unbalanced quotes, or text right after a closing quote")
        plain, double, single = word.group(1), word.group(2) or b"", word.group(3) or b""
        double = re.sub(rb"\\(x[0-9a-fA-F]{2}|.)", _unescape, double, flags=re.DOTALL)
        words.append(plain + double + single.replace(rb"\'", b"'"))
        position = word.end()
    return words


def _unescape(escape: re.Match[bytes]) -> bytes:
    name = escape.group(1)
    if len(name) == 3:
        return bytes([int(name[1:], 16)])
    return _CONTROL.get(name.decode("latin-1"), name.decode("latin-1")).encode("latin-1")


_SHOWN = [chr(code) if 32 <= code < 127 else f"\\x{code:02x}" for code in range(256)]
for _letter, _character in {**_CONTROL, '"': '"', "\\": "\\"}.items():
    _SHOWN[ord(_character)] = "\\" + _letter

# (first words, word counts): redis-cli prints the text of these replies as it is, even on a terminal.
_TEXTS = re.compile(
    rb"(INFO|LOLWUT)\b|DEBUG (HTSTATS|HTSTATS-KEY|CLIENT-EVICTION)\b|MEMORY (MALLOC-STATS|DOCTOR)\b"
    rb"|CLIENT (LIST|INFO)\b|CLUSTER (NODES|INFO)\Z|LATENCY (GRAPH \S+|DOCTOR)\Z"
)


def format_reply(reply: Any, raw: bool = False, command: Sequence[bytes] = ()) -> str:
    """What redis-cli prints for a reply, its final newline included; `raw` as its --raw.

    command: the words that were sent; the replies of INFO, CLIENT LIST and their like are not quoted.
    """
    if _TEXTS.match(b" ".join(command).upper()):
        return _raw(reply)
    return _raw(reply) + "\n" if raw else _tty(reply, "")


def _raw(reply: Any) -> str:
    if isinstance(reply, Map):
        pairs = zip(reply[::2], reply[1::2], strict=True)
        return "\n".join(f"{_raw(key)} {_raw(value)}" for key, value in pairs)
    if isinstance(reply, list):
        return "\n".join(map(_raw, reply))
    if isinstance(reply, ErrorReply):
        return f"{reply}\n"
    if isinstance(reply, bool):
        return "(true)" if reply else "(false)"
    return "" if reply is None else text(reply) if isinstance(reply, bytes) else str(reply)


def _tty(reply: Any, indent: str) -> str:
    if isinstance(reply, list):
        return _aggregate(reply, indent)
    if reply is None:
        return "(nil)\n"
    if isinstance(reply, ErrorReply):
        return f"(error) {reply}\n"
    if isinstance(reply, bool):
        return "(true)\n" if reply else "(false)\n"
    if isinstance(reply, int):
        return f"(integer) {reply}\n"
    if isinstance(reply, Number):
        return f"(double) {text(reply)}\n"
    if isinstance(reply, Status | Verbatim):
        return f"{text(reply)}\n"
    return '"' + "".join(map(_SHOWN.__getitem__, reply)) + '"\n'


def _aggregate(reply: list[Any], indent: str) -> str:
    if isinstance(reply, Push) and reply[:1] == [b"invalidate"] and isinstance(reply[1], list):
        return "-> invalidate: " + ", ".join(f"'{text(key)}'" for key in reply[1]) + "\n"
    step = 2 if isinstance(reply, Map) else 1
    name, mark = {Map: ("hash", "#"), Set: ("set", "~"), Push: ("push", ")")}.get(type(reply), ("array", ")"))
    if not reply:
        return f"(empty {name})\n"
    width = len(str(len(reply) // step))
    deeper = indent + " " * (width + 2)
    lines = []
    for place in range(0, len(reply), step):
        line = f"{indent if place else ''}{place // step + 1:>{width}}{mark} " + _tty(reply[place], deeper)
        if step == 2:
            value = reply[place + 1]
            line = f"{line[:-1]} => " + (f"\n{deeper}" if _has_lines(value) else "") + _tty(value, deeper)
        lines.append(line)
    return "".join(lines)


def _has_lines(reply: Any) -> bool:
    step = 2 if isinstance(reply, Map) else 1
    if not isinstance(reply, list) or not reply:
        return False
    return len(reply) > step or _has_lines(reply[step - 1])
