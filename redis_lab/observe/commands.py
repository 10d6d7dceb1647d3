"""Commands as they stand on the wire, made short enough to read and free of passwords."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_CONTAINERS = frozenset(
    "ACL CLIENT CLUSTER COMMAND CONFIG FUNCTION HIMPORT LATENCY MEMORY MODULE OBJECT PUBSUB SCRIPT"
    " SENTINEL SLOWLOG XGROUP XINFO".split()
)
_PASSWORD_FOLLOWS = ("AUTH", "AUTH2", "REQUIREPASS", "MASTERAUTH", "AUTH-PASS", "TLS-KEY-FILE-PASS")
_MAY_CARRY_ONE = ("HELLO", "MIGRATE", "CONFIG SET", "SENTINEL SET")
_ARGS, _WORDS, _WORD, _REPLY = 60, 20, 80, 40  # characters, words, characters a word, characters


@dataclass(slots=True)
class Command:
    """One command; `sent` in bytes, `reply` filled in when it comes, `queued`: between MULTI and EXEC."""

    name: str
    args: str
    sent: int
    queued: bool = False
    reply: str = ""


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
        words = []
        for number in range(count):
            end = wire.index(b"\r\n", at)
            size, at = int(wire[at + 1 : end]), end + 2
            if number < _WORDS:
                words.append(wire[at : at + min(size, _WORD)].decode("utf-8", "backslashreplace"))
            at += size + 2
        name = words[0].upper()
        if len(words) > 1 and name in _CONTAINERS:
            name = f"{name} {words[1].upper()}"
        args = " ".join(_readable(word) for word in _without_passwords(name, words))
        yield Command(name, _shortened(args + (" …" if count > _WORDS else ""), _ARGS), at - start)


def summary(reply: Any) -> str:
    """A reply in at most 40 characters: the value, "nil", or how many items it has."""
    if reply is None:
        return "nil"
    if isinstance(reply, list | tuple | set | dict):
        return f"{len(reply)} item{'s' if len(reply) != 1 else ''}"
    if isinstance(reply, bytes):
        reply = reply[:_WORD].decode("utf-8", "backslashreplace")
    return _shortened(_readable(str(reply)[:_WORD]), _REPLY)


def _without_passwords(name: str, words: list[str]) -> list[str]:
    words = words[name.count(" ") + 1 :]
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


def _readable(word: str) -> str:
    word = word if word.isprintable() else repr(word)[1:-1]
    return f'"{word}"' if " " in word or not word else word


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
