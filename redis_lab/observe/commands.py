"""Commands as they stand on the wire, made short enough to read and free of passwords."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_CONTAINERS = frozenset(
    (
        *("ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "FUNCTION", "HIMPORT", "LATENCY"),
        *("MEMORY", "MODULE", "OBJECT", "PUBSUB", "SCRIPT", "SENTINEL", "SLOWLOG"),
        *("XGROUP", "XINFO"),
    )
)
_PASSWORD_FOLLOWS = ("AUTH", "AUTH2", "REQUIREPASS", "MASTERAUTH", "AUTH-PASS", "TLS-KEY-FILE-PASS")
_MAY_CARRY_ONE = ("HELLO", "MIGRATE", "CONFIG SET", "SENTINEL SET")
_WORDS, _WORD = 20, 80  # kept of a command: words, bytes of a word
_ARGS, _REPLY = 60, 48  # shown: characters


@dataclass(slots=True)
class Command:
    """One command: its first words, its size in bytes, and in short the reply, once it came.

    queued: it stood between MULTI and EXEC.
    """

    words: list[bytes]
    more: bool
    sent: int
    queued: bool = False
    reply: str = ""

    @property
    def name(self) -> str:
        """In capitals, with the subcommand where there is one: "GET", "CONFIG SET"."""
        name = _text(self.words[0]).upper()
        return f"{name} {_text(self.words[1]).upper()}" if self._sub(name) else name

    @property
    def args(self) -> str:
        """What follows the name, in at most 60 characters, passwords as "(hidden)"."""
        name = self.name
        words = [_text(word) for word in self.words[1 + name.count(" ") :]]
        words = [_quoted(word) for word in _without_passwords(name, words)]
        return _shortened(" ".join(words) + (" …" if self.more else ""), _ARGS)

    def _sub(self, name: str) -> bool:
        return len(self.words) > 1 and name in _CONTAINERS


@dataclass(slots=True)
class Trip:
    """One write to one node together with all replies to it: a round trip. Sizes in bytes."""

    node: str
    commands: list[Command]
    sent: int
    received: int = 0


def parse(packed: Any) -> Iterator[Command]:
    """The commands of a packed write (RESP arrays of bulk strings), in order."""
    wire = packed.encode() if isinstance(packed, str) else b"".join(packed)
    at = 0
    while at < len(wire):
        start, end = at, wire.index(b"\r\n", at)
        count, at = int(wire[at + 1 : end]), end + 2
        words: list[bytes] = []
        for _ in range(count):
            end = wire.index(b"\r\n", at)
            size, at = int(wire[at + 1 : end]), end + 2
            if len(words) < _WORDS:
                words.append(wire[at : at + (size if size < _WORD else _WORD)])
            at += size + 2
        yield Command(words, count > _WORDS, at - start)


def summary(reply: Any) -> str:
    """A reply in at most 48 characters: the value, "nil", an error, or how many items it has."""
    if isinstance(reply, str | bytes):
        return _shortened(_quoted(_text(reply[:_WORD])), _REPLY)
    if reply is None:
        return "nil"
    if isinstance(reply, list | tuple | set | dict):
        return f"{len(reply)} item{'s' if len(reply) != 1 else ''}"
    if isinstance(reply, Exception):
        return _shortened(f"{type(reply).__name__}: {reply}", _REPLY)
    return str(reply)


def _without_passwords(name: str, words: list[str]) -> list[str]:
    if name == "AUTH":
        return ["(hidden)"]
    if name == "ACL SETUSER":
        return [f"{word[0]}(hidden)" if word.startswith((*"<>#!",)) else word for word in words]
    if name in _MAY_CARRY_ONE:
        for at, word in enumerate(words[:-1], 1):
            if word.upper() in _PASSWORD_FOLLOWS:
                return [*words[:at], "(hidden)"]
    if name == "EVALSHA":
        return [_shortened(words[0], 8), *words[1:]]
    return words


def _text(word: str | bytes) -> str:
    if isinstance(word, bytes):
        try:
            word = word.decode()
        except UnicodeDecodeError:
            return repr(word)[2:-1]
    return word if word.isprintable() else repr(word)[1:-1]


def _quoted(word: str) -> str:
    return f'"{word}"' if " " in word or not word else word


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
