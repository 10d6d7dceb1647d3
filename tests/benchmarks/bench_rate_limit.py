"""Rate limiters beside one EVALSHA of INCR, limits and throttled-py: admitted hits of one identity.

The limits are so high that nothing is refused. throttled's fixed window is a bare INCRBY on a key
made from the client's clock; all others run Lua.
"""

from functools import partial

import pytest
from side_by_side import compare, peer

import redis_lab as rl
from redis_lab.patterns import GCRA, FixedWindow, SlidingCounter, SlidingLog, TokenBucket

FLOORS = {
    "FixedWindow": 0.95,
    "GCRA": 0.80,
    "SlidingCounter": 0.80,
    "TokenBucket": 0.78,
    "SlidingLog": 0.78,
}
MISSING = "not installed: pip install 'redis-lab[bench]'"
RAW = "EVALSHA INCR"


@pytest.fixture
def lab():
    with rl.standalone() as lab:
        yield lab


@pytest.fixture
def r(lab):
    with lab.client() as client:
        yield client


def increment(r):
    sha = r.script_load("return redis.call('INCR', KEYS[1])")
    return lambda: r.evalsha(sha, 1, "bench:counter")


def ours(r):
    limiters = [
        FixedWindow(r, "bench", 10**9, 3600.0),
        SlidingCounter(r, "bench", 2**26, 3600.0),
        SlidingLog(r, "bench", 1_000_000, 3600.0),
        TokenBucket(r, "bench", 1.0, 10**6),
        GCRA(r, "bench", 1.0, 10**6),
    ]
    return {type(limiter).__name__: (lambda hit=limiter.hit: hit("ann")) for limiter in limiters}


def of_limits(lab):
    limits = peer("limits")
    if not limits:
        return {"limits": MISSING}
    from limits import strategies
    from limits.storage import RedisStorage

    storage, quota = RedisStorage(lab.url), limits.RateLimitItemPerHour(10**9)
    kinds = {
        "limits fixed window": strategies.FixedWindowRateLimiter,
        "limits sliding counter": strategies.SlidingWindowCounterRateLimiter,
        "limits moving window (log)": strategies.MovingWindowRateLimiter,
    }
    return {name: partial(kind(storage).hit, quota, name) for name, kind in kinds.items()}


def of_throttled(lab):
    throttled = peer("throttled")
    if not throttled:
        return {"throttled-py": MISSING}
    store = throttled.RedisStore(server=lab.url)
    quota = throttled.per_hour(10**9, burst=10**9)
    return {
        f"throttled {using}": throttled.Throttled(
            key="ann", using=using, quota=quota, store=store
        ).limit
        for using in ("fixed_window", "sliding_window", "token_bucket", "gcra")
    }


def test_an_admitted_hit(lab, r):
    """Each kind beside its peers."""
    ways = {RAW: increment(r), **ours(r), **of_limits(lab), **of_throttled(lab)}
    compare("rate limit, one admitted hit", RAW, ways, FLOORS)


def test_other_answers(r):
    """For information: refused hits, peeks, and a log that drops units as it takes others."""
    ways = {RAW: increment(r)}
    for kind in (FixedWindow, SlidingLog, SlidingCounter):
        limiter = kind(r, "full", 1000, 1e9)
        limiter.hit("ann", 1000)
        ways[f"{kind.__name__} refused"] = lambda hit=limiter.hit: hit("ann")
        ways[f"{kind.__name__} peek"] = lambda peek=limiter.peek: peek("ann")
    for kind in (TokenBucket, GCRA):
        limiter = kind(r, "full", 1e-6, 1000)
        limiter.hit("ann", 1000)
        ways[f"{kind.__name__} refused"] = lambda hit=limiter.hit: hit("ann")
        ways[f"{kind.__name__} peek"] = lambda peek=limiter.peek: peek("ann")
    log = SlidingLog(r, "moving", 100_000, 0.05)
    ways["SlidingLog that drops old units"] = lambda: log.hit("ann")
    compare("rate limit, other answers", RAW, ways, blocks=100)
