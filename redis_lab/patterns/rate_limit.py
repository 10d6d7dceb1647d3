"""Rate limiters: five ways to say "so many units in so much time", each one script and one key.

Promised: server time, integer microseconds, one quota for all processes; a refusal consumes nothing
and its retry_after is true; every key expires, at most twice its time and 11 s after the last hit.
Not promised: fairness among those who wait, nor more than replication keeps in a failover. A hit
whose reply is lost may have been counted. To choose: GCRA, unless a contract counts in windows.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, wraps
from typing import Any, Literal, ParamSpec, TypeVar

from redis.exceptions import RedisClusterException, RedisError

from redis_lab.errors import RateLimited
from redis_lab.patterns.checks import LONGEST, one_of, positive, seconds, whole
from redis_lab.patterns.keys import escaped
from redis_lab.patterns.scripting import Client, Script, checked_client, script

_log = logging.getLogger("redis_lab.patterns.rate_limit")
_EXACT = 2**52  # Lua counts in doubles: whole numbers are exact up to twice this

_P = ParamSpec("_P")
_R = TypeVar("_R")
OnError = Literal["raise", "bypass"]


@dataclass(frozen=True)
class Decision:
    """What a limiter said.

    remaining: units that could be admitted now, after this hit; retry_after: seconds until the same
    hit would be admitted, 0.0 when it was; limit: units a window, or the burst.
    """

    allowed: bool
    remaining: int
    retry_after: float
    limit: int


@cache
def _looking(hit: Script) -> Script:
    """The same script for cost 0, declared to write nothing: a read-only replica runs it."""
    return Script(f"{hit.name}_peek", f"#!lua flags=no-writes\n{hit.source}")


class _Limiter:
    """What all five share: `lua` names the script and the kind of key, `arguments` are its own."""

    def __init__(
        self, client: Client, name: str, lua: str, arguments: tuple[int, ...], on_error: OnError
    ):
        one_of("on_error", on_error, ("raise", "bypass"))
        self.client = checked_client(client)
        self.on_error, self.limit = on_error, arguments[0]
        self._hit, self._peek = script(lua), _looking(script(lua))
        self._arguments = arguments
        self._prefix = ":".join([escaped(name), lua, *map(str, arguments[1:])])

    def hit(self, identity: str, cost: int = 1) -> Decision:
        """Take `cost` units for this identity, if they are to be had.

        Raises ValueError for a cost above the limit, which no waiting would admit, and what the
        client raises; with on_error="bypass" that is logged as a warning and the hit allowed.
        """
        self._check(cost)
        return self._decide(self._hit, identity, cost)

    def peek(self, identity: str) -> Decision:
        """What a hit of 1 would get; it consumes nothing and writes nothing."""
        return self._decide(self._peek, identity, 0)

    def reset(self, identity: str) -> None:
        """Forget this identity: its next hit is its first."""
        self.client.unlink(self._key(identity))

    def limited(
        self, *, identity: str | Callable[_P, str], cost: int = 1
    ) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
        """A decorator: each call is a hit, a refused one raises RateLimited(retry_after).

        identity: a string, or a function of the call's arguments that returns one.
        """
        self._check(cost)
        if not callable(identity):
            escaped(identity, "identity")

        def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
            @wraps(function)
            def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
                who = identity(*args, **kwargs) if callable(identity) else identity
                decision = self.hit(who, cost)
                if not decision.allowed:
                    raise RateLimited(decision.retry_after)
                return function(*args, **kwargs)

            return wrapper

        return decorate

    def _check(self, cost: int) -> None:
        if whole("cost", cost) > self.limit:
            raise ValueError(f"cost must be at most {self.limit}, the limit, not {cost}")

    def _key(self, identity: str) -> str:
        return f"{self._prefix}:{escaped(identity, 'identity')}"

    def _decide(self, way: Script, identity: str, cost: int) -> Decision:
        key = self._key(identity)
        try:
            reply: Any = way(self.client, (key,), (*self._arguments, cost))
        except (RedisError, RedisClusterException) as error:
            if self.on_error == "raise":
                raise
            _log.warning("%s: not limited, since the server can't be asked: %s", key, error)
            return Decision(True, 0, 0.0, self.limit)
        if isinstance(reply, list):
            return Decision(False, reply[0], reply[1] / 1_000_000, self.limit)
        return Decision(True, reply, 0.0, self.limit)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._prefix}, limit {self.limit}>"


def _window(limit: int, window: float, most: int) -> tuple[int, int]:
    """The limit, and the window in µs; both checked."""
    if whole("limit", limit) > most:
        raise ValueError(f"limit must be at most {most}, not {limit}")
    return limit, round(seconds("window", window) * 1_000_000)


def _bucket(rate: float, burst: int) -> tuple[int, int, int]:
    """The burst, and the interval of a unit in µs as a ratio: nothing is lost where it is none.

    The ratio is true to a millionth or better, and burst * its first part stays exact in Lua.
    """
    interval = 1_000_000 / Fraction(str(float(positive("rate", rate))))
    fill = whole("burst", burst) * interval
    if fill > LONGEST * 1_000_000:
        raise ValueError(f"burst / rate must be at most 50 years, not {burst} / {rate}")
    ratio = interval.limit_denominator(min(1_000_000, _EXACT // max(1, int(fill))))
    if not ratio or burst * ratio.numerator > 2 * _EXACT:
        raise ValueError(f"rate and burst are too large to be exact: {rate} and {burst}")
    return burst, ratio.numerator, ratio.denominator


class FixedWindow(_Limiter):
    """At most `limit` units in each window of `window` seconds, counted from 1970 (UTC).

    client: Redis or RedisCluster; limit: 1 to 2^52; window: 0.001 s to 50 years. The quota comes
    back at once when a window begins: around that moment twice the limit passes in a short time.
    Limiters of one name with different windows count apart. Memory an identity: 150 bytes, by
    MEMORY USAGE with a name and an identity of 24 bytes.
    """

    def __init__(
        self, client: Client, name: str, limit: int, window: float, *, on_error: OnError = "raise"
    ):
        super().__init__(client, name, "fixed_window", _window(limit, window, _EXACT), on_error)


class SlidingLog(_Limiter):
    """At most `limit` units in any `window` seconds, exactly: it keeps the time of each unit.

    limit: 1 to 1,000,000; the rest as for FixedWindow. Memory an identity: 220 bytes, and 11 for
    each unit of the last window. A hit of cost n writes n times.
    """

    def __init__(
        self, client: Client, name: str, limit: int, window: float, *, on_error: OnError = "raise"
    ):
        super().__init__(client, name, "sliding_log", _window(limit, window, 1_000_000), on_error)


class SlidingCounter(_Limiter):
    """Near SlidingLog at the price of FixedWindow: two counters, as if hits came evenly.

    Admits when previous * (1 - elapsed/window) + current + cost <= limit, where previous and
    current are the units of the last window and of this one, `elapsed` seconds old. In the last
    `window` seconds there may have been up to previous * elapsed/window units more than it reckons,
    and up to previous * (1 - elapsed/window) fewer; always less than twice the limit.
    limit: 1 to 2^26; the rest as for FixedWindow. Memory an identity: 150 bytes.
    Source: Cloudflare, "How we built rate limiting capable of scaling to millions of domains".
    """

    def __init__(
        self, client: Client, name: str, limit: int, window: float, *, on_error: OnError = "raise"
    ):
        super().__init__(client, name, "sliding_counter", _window(limit, window, 2**26), on_error)


class TokenBucket(_Limiter):
    """A bucket of `burst` tokens that gains `rate` a second; a unit takes a token out.

    client: Redis or RedisCluster; rate: units a second, above 0, may be fractional, kept true to a
    millionth; burst: units admitted at once from rest, burst / rate at most 50 years. In any t
    seconds it admits at most burst + rate * t units. Limiters of one name with different rates
    count apart. Memory an identity: 150 bytes.
    """

    def __init__(
        self, client: Client, name: str, rate: float, burst: int, *, on_error: OnError = "raise"
    ):
        super().__init__(client, name, "token_bucket", _bucket(rate, burst), on_error)


class GCRA(_Limiter):
    """Decides as TokenBucket does, from a single time: when the identity will be at rest again.

    Arguments, promise and memory are those of TokenBucket. The two differ when the server's clock
    steps back: an identity then waits that much longer here, but never more than burst / rate.
    Source: ITU-T I.371, the virtual scheduling algorithm.
    """

    def __init__(
        self, client: Client, name: str, rate: float, burst: int, *, on_error: OnError = "raise"
    ):
        super().__init__(client, name, "gcra", _bucket(rate, burst), on_error)
