"""Checks of arguments, each with an error that names the argument."""

import json
import math
from typing import Any

from redis_lab.errors import ValueTooLarge

LONGEST = 50 * 365 * 86400  # seconds: a float still holds twice that to the microsecond
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def number(argument: str, value: Any) -> float:
    """The value, a finite int or float. Raises TypeError, ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{argument} must be a number, not {type(value).__name__}")
    try:
        finite = math.isfinite(value)
    except OverflowError:
        finite = False
    if not finite:
        raise ValueError(f"{argument} must be finite, and no larger than a float can be")
    return value


def positive(argument: str, value: Any) -> float:
    """The value, a number above zero. Raises TypeError, ValueError."""
    if number(argument, value) <= 0:
        raise ValueError(f"{argument} must be positive, not {value}")
    return value


def whole(argument: str, value: Any, least: int = 1) -> int:
    """The value, an int of at least `least`. Raises TypeError, ValueError."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{argument} must be an int, not {type(value).__name__}")
    if value < least:
        raise ValueError(f"{argument} must be at least {least}, not {value}")
    return value


def seconds(argument: str, value: Any, least: float = 0.001) -> float:
    """The value, seconds from `least` (Redis keeps time to live in ms) to 50 years."""
    if number(argument, value) < least:
        raise ValueError(f"{argument} must be at least {least:g} s, not {value}")
    if value > LONGEST:
        raise ValueError(f"{argument} must be at most 50 years, not {value} s")
    return value


def one_of(argument: str, value: Any, allowed: tuple[str, ...]) -> str:
    """The value, one of these. Raises ValueError that lists them."""
    if value not in allowed:
        raise ValueError(f"{argument} must be one of {', '.join(allowed)}, not {value!r}")
    return value


def as_json(argument: str, value: Any, max_bytes: int) -> bytes:
    """The value as JSON in UTF-8. Raises TypeError, ValueError (NaN, circles), ValueTooLarge."""
    try:
        # UTF-8 has no lone surrogates: with a backslash they are what JSON writes for them
        document = _encode(value).encode(errors="backslashreplace")
    except TypeError as error:
        raise TypeError(f"{argument} must be what JSON can say: {error}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{argument} must be what JSON can say: {error}") from error
    if len(document) > max_bytes:
        raise ValueTooLarge(f"{argument}: {len(document)} bytes as JSON, max_bytes is {max_bytes}")
    return document


def json_and_back(argument: str, value: Any, max_bytes: int) -> tuple[bytes, Any]:
    """as_json(), and what JSON gives back. Raises TypeError as well where that is not the value."""
    document = as_json(argument, value, max_bytes)
    copied = json.loads(document)
    if copied != value:
        raise TypeError(f"{argument} must be JSON: only str keys and lists come back unchanged")
    return document, copied
