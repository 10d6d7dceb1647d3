"""Checks of arguments, each with an error that names the argument."""

import math
from typing import Any


def number(argument: str, value: Any) -> float:
    """The value, a finite int or float. Raises TypeError, ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{argument} must be a number, not {type(value).__name__}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{argument} must be finite, not {value}")
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
    """The value, seconds of at least `least` (Redis keeps time to live in ms)."""
    if number(argument, value) < least:
        raise ValueError(f"{argument} must be at least {least:g} s, not {value}")
    return value


def one_of(argument: str, value: Any, allowed: tuple[str, ...]) -> str:
    """The value, one of these. Raises ValueError that lists them."""
    if value not in allowed:
        raise ValueError(f"{argument} must be one of {', '.join(allowed)}, not {value!r}")
    return value
