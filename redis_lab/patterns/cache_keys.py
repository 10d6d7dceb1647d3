"""Keys for calls: the same call gives the same key in every process, however it is spelled.

A key is made of the function's name, a version and its arguments, by value. Types whose value has
one spelling are taken; anything else is a TypeError, since repr() and hash() of an object may
differ from one process to the next, or be the same for two that differ.
"""

import inspect
import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from hashlib import sha256
from json.encoder import encode_basestring_ascii
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from redis_lab.patterns.keys import escaped

_LONGEST = 200  # characters of arguments; longer ones are written as their SHA-256
_REMEMBERED = 1024  # calls of each function whose key is not made again
_PLAIN = {str, int, bool, bytes, type(None)}
_BY_NAME = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
_GLOB = re.compile(r"\\(.)|\[(\^?)((?:\\.|[^\]\\])*)\]?|([*?])|(.)", re.DOTALL)


def spelled(value: Any) -> str:
    """The one spelling of a value; two that differ in type or value never share theirs.

    Raises TypeError for a type that has none.
    """
    kind = type(value)
    if kind is str:
        return encode_basestring_ascii(value)
    if kind in (int, bool, float) or value is None:
        return repr(value)
    if kind in (tuple, list):
        inside = ",".join(map(spelled, value))
        return f"({inside},)" if kind is tuple else f"[{inside}]"
    if kind is dict:
        pairs = sorted((spelled(key), spelled(item)) for key, item in value.items())
        return "{" + ",".join(f"{key}:{item}" for key, item in pairs) + "}"
    if kind in (set, frozenset):
        return f"{kind.__name__}({','.join(sorted(map(spelled, value)))})"
    if kind is bytes:
        return f"0x{value.hex()}"
    if isinstance(value, Enum):
        member = value.name or spelled(value.value)  # a flag may have a value and no name
        return f"{kind.__module__}.{kind.__qualname__}.{member}"
    if kind is date:
        return f"date({value.isoformat()})"
    if kind in (datetime, time):
        return f"{kind.__name__}({value.isoformat()}{_zone(value.tzinfo)})"
    if kind in (Decimal, UUID):
        return f"{kind.__name__}({value})"
    if kind is timedelta:
        return f"timedelta({value.days},{value.seconds},{value.microseconds})"
    raise TypeError(
        f"no key can be made of a {kind.__qualname__}: pass key=, a function of the arguments"
    )


def _zone(zone: Any) -> str:
    """Its name: two zones may have the same offset at one time."""
    if zone is None:
        return ""
    if type(zone) is timezone or (type(zone) is ZoneInfo and zone.key):
        return f",{zone}"
    raise TypeError(f"no key can be made of the time zone {zone!r}: pass key=")


class CallKeys:
    """Keys of the calls of one function: `keys(args, kwargs)`.

    key: a function of the same arguments whose result stands for them; None: all of them do.
    """

    def __init__(
        self, function: Callable[..., Any], name: str, version: int, key: Callable[..., Any] | None
    ):
        self._head = f"{name}@{version}"
        self._key = key
        self._signature = inspect.signature(function)
        parameters = self._signature.parameters.values()
        self._names = tuple(each.name for each in parameters)
        self._all = frozenset(self._names)
        self._simple = all(each.kind in _BY_NAME for each in parameters)
        self._by_position = sum(each.kind is _BY_NAME[0] for each in parameters)
        self._remembered = lru_cache(_REMEMBERED, typed=True)(self._remember)
        self._defaults = {e.name: e.default for e in parameters if e.default is not e.empty}

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        try:
            known = None if self._key else self._remembered(*args, **kwargs)
        except TypeError:  # arguments that no dict takes
            known = None
        return known or self._spelled(args, kwargs)

    def _remember(self, *args: Any, **kwargs: Any) -> str | None:
        """The key, where arguments that are equal and of the same type are spelled alike."""
        if {*map(type, args), *map(type, kwargs.values())} <= _PLAIN:
            return self._spelled(args, kwargs)
        return None

    def _spelled(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        values = (self._key(*args, **kwargs),) if self._key else self._values(args, kwargs)
        try:
            inside = ",".join(map(spelled, values))
        except (RecursionError, ValueError) as error:  # holds itself; an int of 4300 digits
            raise TypeError(f"no key can be made of the arguments ({error}): pass key=") from None
        if len(inside) > _LONGEST:
            inside = f"sha256={sha256(inside.encode()).hexdigest()}"
        return f"{self._head}({inside})"

    def _values(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """All arguments in the order of the signature; raises TypeError as the call would."""
        if self._simple and len(args) <= self._by_position:
            if len(args) == len(self._names) and not kwargs:
                return args
            given = dict(zip(self._names, args, strict=False))
            every = {**self._defaults, **given, **kwargs}
            if every.keys() == self._all and given.keys().isdisjoint(kwargs):
                return tuple(map(every.get, self._names))
        bound = self._signature.bind(*args, **kwargs)  # the slow way, and the one with good errors
        bound.apply_defaults()
        return tuple(bound.arguments.values())


def globbed(literal: str) -> str:
    """Text as a glob that matches only itself."""
    return re.sub(r"([*?\[\]\\])", r"\\\1", literal)


def pattern_of(pattern: str) -> tuple[str, re.Pattern[str]]:
    """A pattern of Redis over keys: as a glob over their escaped names, and as a regex over keys.

    A character may be three long when it is escaped, so the glob has * for ? and [...], and finds
    too much; the regex decides.
    """
    if not isinstance(pattern, str):
        raise TypeError(f"pattern must be a str, not {type(pattern).__name__}")
    if not pattern:
        raise ValueError("pattern must not be empty")
    coarse, exact = "", ""
    for found in _GLOB.finditer(pattern):
        if literal := found[1] or found[5]:
            coarse += globbed(escaped(literal))
            exact += re.escape(literal)
        elif found[4] == "*":
            coarse, exact = coarse + "*", exact + ".*"
        else:
            coarse += "*"
            exact += "." if found[4] else _one_of(found[3], negated=bool(found[2]))
    return coarse, re.compile(exact, re.DOTALL)


def _one_of(inside: str, negated: bool) -> str:
    pairs = re.findall(r"\\?(.)(?:-\\?(.))?", inside, re.DOTALL)
    if not pairs:
        return "." if negated else "(?!)"
    ranges = [sorted((first, last or first)) for first, last in pairs]
    listed = "".join(f"{re.escape(first)}-{re.escape(last)}" for first, last in ranges)
    return f"[{'^' if negated else ''}{listed}]"
