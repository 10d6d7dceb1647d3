"""Choose and configure a limiter for a contract: rate, burst, any minute, memory, failure."""

NOTEBOOK = "41"
TITLE = "What the contract says"
HINTS = (
    "Three numbers of the contract belong together: what flows in during a minute, what is there "
    "after a rest, and the most of any minute. In which two of the five do the first two add up?",
    "`rate` is units a second, whatever the contract counts in.",
    "Which error should a partner see when Redis is full or away? Look for `on_error`.",
    '`GCRA(r, "partners", 100 / 60, 20, …)`: 20 that are there, and 100 that flow in, are 120.',
)
WHY = (
    "A contract speaks of windows, a limiter has a rate and a burst: what a customer gets in one "
    "window is the sum of both. Whoever writes only 'a hundred a minute' has left the other half "
    "to chance."
)


def stub(r):
    """One of the five limiters of redis_lab.patterns, such that this contract is kept.

    A partner that asks evenly is served 100 times a minute, for as long as it likes. After a rest
    it is served 20 times at once. No 60 seconds hold more than 120. A partner takes 300 bytes at
    most. If Redis fails, it is served.
    """


def solution(r):
    from redis_lab.patterns import GCRA

    return GCRA(r, "partners", 100 / 60, 20, on_error="bypass")


def wrong_a_second(r):
    """at 100 a second"""
    from redis_lab.patterns import GCRA

    return GCRA(r, "partners", 100, 20, on_error="bypass")


def wrong_burst_is_the_limit(r):
    """a full bucket of 100"""
    from redis_lab.patterns import TokenBucket

    return TokenBucket(r, "partners", 100 / 60, 100, on_error="bypass")


def wrong_window(r):
    """around a border"""
    from redis_lab.patterns import FixedWindow

    return FixedWindow(r, "partners", 100, 60, on_error="bypass")


def wrong_counter(r):
    """spread evenly"""
    from redis_lab.patterns import SlidingCounter

    return SlidingCounter(r, "partners", 120, 60, on_error="bypass")


def wrong_log(r):
    """bytes"""
    from redis_lab.patterns import SlidingLog

    return SlidingLog(r, "partners", 120, 60, on_error="bypass")


def wrong_no_burst(r):
    """after a rest"""
    from redis_lab.patterns import GCRA

    return GCRA(r, "partners", 100 / 60, 1, on_error="bypass")


def wrong_too_slow(r):
    """evenly was refused"""
    from redis_lab.patterns import GCRA

    return GCRA(r, "partners", 80 / 60, 40, on_error="bypass")


def wrong_raises(r):
    """it raised"""
    from redis_lab.patterns import GCRA

    return GCRA(r, "partners", 100 / 60, 20)


def wrong_rounded_down(r):
    """evenly was refused"""
    from redis_lab.patterns import GCRA

    return GCRA(r, "partners", 1.66, 20, on_error="bypass")


def check(trial):
    import logging

    from redis.exceptions import RedisError

    from redis_lab.patterns import GCRA, FixedWindow, SlidingCounter, SlidingLog, TokenBucket

    limiter = trial.run()
    kinds = (FixedWindow, SlidingLog, SlidingCounter, TokenBucket, GCRA)
    trial.require(
        isinstance(limiter, kinds),
        "it gives one of the five",
        f"it gave {limiter!r}, not one of {', '.join(kind.__name__ for kind in kinds)}",
    )
    trial.expect(
        limiter._key("AA") == trial.run()._key("AA"),
        "two processes share one quota",
        "called twice, it counts one partner under two keys: each process has its own quota",
    )
    minute = 60_000_000
    start = 28_000_000 * minute
    rest = _admitted(trial, limiter, [start] * 20)
    trial.expect(
        len(rest) == 20,
        "20 at once are served after a rest",
        f"of 20 at once after a rest {len(rest)} were served",
    )
    evenly = _admitted(trial, limiter, [start + n * 600_000 for n in range(6000)])
    trial.expect(
        len(evenly) == 6000,
        "100 a minute, evenly, are served for an hour",
        f"of 6,000 in an hour {6000 - len(evenly):,} were refused: who asks evenly was refused",
    )
    window = limiter._arguments[1] if isinstance(limiter, kinds[:3]) else minute
    border = (start // window + 1) * window
    hammer = [border - 1] * 125 + [border] * 125
    hammer += [border + n * 100_000 for n in range(1, 1200) for _ in range(5)]
    served = _admitted(trial, limiter, hammer)
    first, most = 0, 0
    for last, time in enumerate(served):
        while served[first] <= time - minute:
            first += 1
        most = max(most, last + 1 - first)
    trial.expect(
        most <= 120,
        "no 60 seconds hold more than 120, whatever the partner does",
        f"a partner that rests, then hammers, was served {most:,} times in 60 seconds: "
        + _why(limiter),
    )
    size = trial.r.memory_usage(limiter._key("AA"), samples=0)
    trial.expect(size <= 300, "a partner takes 300 bytes at most", f"a partner takes {size} bytes")
    trial.r.delete(limiter._key("AA"))
    trial.r.config_set("maxmemory", 1)
    log = logging.getLogger("redis_lab.patterns.rate_limit")
    log.disabled = True  # its warning would stand below the verdict, as if something were wrong
    try:
        kept = limiter.hit("AA").allowed
        said = f"it answered allowed={kept}"
    except RedisError as error:
        kept, said = False, f"it raised {type(error).__name__}"
    finally:
        log.disabled = False
        trial.r.config_set("maxmemory", 0)
    trial.expect(kept, "if Redis fails, the partner is served", f"Redis was full, and {said}")


def _admitted(trial, limiter, times):
    """Which of these times (in µs) the limiter admits, for a partner that never asked before.

    Its own script, told the time, in one transaction: an hour takes a moment.
    """
    from redis_lab.patterns import Script

    key, told = limiter._key("AA"), "{0, ARGV[#ARGV]}"
    script = Script("told", limiter._hit.source.replace("redis.call('TIME')", told))
    sha = trial.r.script_load(script.source)
    trial.r.delete(key)
    with trial.r.pipeline() as pipe:
        for time in times:
            pipe.evalsha(sha, 1, key, *limiter._arguments, 1, time)
        replies = pipe.execute()
    pairs = zip(times, replies, strict=True)
    return [time for time, reply in pairs if not isinstance(reply, list)]


def _why(limiter):
    """What the arguments of this limiter add up to."""
    from redis_lab.patterns import FixedWindow, SlidingCounter, SlidingLog

    limit, second, *more = limiter._arguments
    if isinstance(limiter, FixedWindow):
        return f"twice {limit} around a border of its windows"
    if isinstance(limiter, SlidingCounter):
        return "it takes the last window's units as spread evenly, and they came at its end"
    if isinstance(limiter, SlidingLog):
        return f"{limit} in {second / 1e6:g} s"
    rate = 1e6 * more[0] / second
    return f"a full bucket of {limit}, and what flows in meanwhile at {rate:.3g} a second"
