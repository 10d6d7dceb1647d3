"""Values of a cache: how they are written, and what is known of one that was found."""

from collections.abc import Callable
from dataclasses import dataclass
from json import JSONDecoder, JSONEncoder
from typing import Any, NamedTuple, Protocol


class Serializer(Protocol):
    """What a cache wants of its serializer; the json module itself would do."""

    def dumps(self, value: Any, /) -> bytes | str: ...

    def loads(self, payload: Any, /) -> Any: ...


class JSON:
    """Values as compact UTF-8 JSON: tuples come back as lists, keys of dicts as str."""

    _encode = JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    _escape = JSONEncoder(separators=(",", ":")).encode
    _decode = JSONDecoder().raw_decode  # decode() looks for spaces around, of which we have none

    @staticmethod
    def dumps(value: Any) -> bytes:
        try:
            return JSON._encode(value).encode()
        except UnicodeEncodeError:  # half a surrogate pair: JSON can escape it, UTF-8 has none
            return JSON._escape(value).encode()

    @staticmethod
    def loads(payload: bytes | str) -> Any:
        text = payload if isinstance(payload, str) else payload.decode()
        value, end = JSON._decode(text)
        if end != len(text):
            raise ValueError(f"not one JSON text: it ends at {end} of {len(text)} characters")
        return value


@dataclass(frozen=True)
class CacheStats:
    """What one cache object has seen in this process.

    hits, misses: calls that found a value, or none; loads: loaders run; errors: values that could
    not be read, early refreshes that failed, failures of Redis that were bypassed.
    """

    hits: int
    misses: int
    loads: int
    errors: int


class Found(NamedTuple):
    """A value; expires: µs of server time, 0 if it was not stored; cost: µs it took to compute."""

    value: Any
    expires: int
    cost: int


class Plan(NamedTuple):
    """How a computed value is kept. ttl: seconds; the rest as in `cached`."""

    ttl: float
    tags: tuple[str, ...] = ()
    early: float = 0.0
    keep_none: bool = True


Loader = Callable[[], Any]
Token = str | bytes  # a version, in the type in which the cache reads its values
