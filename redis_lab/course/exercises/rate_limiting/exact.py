"""A log that keeps its promise: the server's clock, no merged hits, no refusal that counts."""

NOTEBOOK = "41"
TITLE = "A log that tells the truth"
HINTS = (
    "One script: it asks `TIME`, looks, and writes only if it admits.",
    "Only one of the times kept decides: the oldest of the newest `limit`. In a list, newest "
    "first, it is at index `limit - 1`.",
    "If it is there and younger than the window, the wait is what it lacks; else `LPUSH` and "
    "`LTRIM`.",
    "The key must outlive its newest time: `PEXPIRE` with every hit that is admitted. Whole "
    "milliseconds: `math.ceil`.",
)
WHY = (
    "Four faults travel with the recipe that everybody copies: the client's clock, members that "
    "fall together, refusals that count, and a time to live that ends too early or never. Each "
    "passes a test with one client and ten requests."
)


def stub(r, who, limit, window):
    """0.0 if this hit is admitted, else the seconds until the next one would be.

    At most limit hits of who are admitted in any window seconds; what is refused leaves no trace.
    """


def solution(r, who, limit, window):
    source = """
        local now = redis.call('TIME')
        now = now[1] * 1000000 + now[2]
        local oldest, window = redis.call('LINDEX', KEYS[1], ARGV[1] - 1), tonumber(ARGV[2])
        if oldest and oldest + window > now then return oldest + window - now end
        redis.call('LPUSH', KEYS[1], now)
        redis.call('LTRIM', KEYS[1], 0, ARGV[1] - 1)
        redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000) + 1)
        return 0
    """
    return r.eval(source, 1, f"log:{who}", limit, round(window * 1e6)) / 1e6


def wrong_client_clock(r, who, limit, window):
    """a clock that is ahead"""
    import time

    source = """
        local now, window = tonumber(ARGV[3]), tonumber(ARGV[2])
        local oldest = redis.call('LINDEX', KEYS[1], ARGV[1] - 1)
        if oldest and oldest + window > now then return oldest + window - now end
        redis.call('LPUSH', KEYS[1], ARGV[3])
        redis.call('LTRIM', KEYS[1], 0, ARGV[1] - 1)
        redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000) + 1)
        return 0
    """
    now = time.time_ns() // 1000
    return r.eval(source, 1, f"log:{who}", limit, round(window * 1e6), now) / 1e6


def wrong_same_member(r, who, limit, window):
    """fell together"""
    source = """
        local now, window = tonumber(redis.call('TIME')[1]), ARGV[2] / 1000000
        redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
        if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then
            return (redis.call('ZRANGE', KEYS[1], 0, 0)[1] + window - now) * 1000000
        end
        redis.call('ZADD', KEYS[1], now, now)
        redis.call('PEXPIRE', KEYS[1], math.ceil(window * 1000) + 1000)
        return 0
    """
    return r.eval(source, 1, f"log:{who}", limit, round(window * 1e6)) / 1e6


def wrong_counts_refusals(r, who, limit, window):
    """a refusal counted"""
    source = """
        local now = redis.call('TIME')
        now = now[1] * 1000000 + now[2]
        local oldest, window = redis.call('LINDEX', KEYS[1], ARGV[1] - 1), tonumber(ARGV[2])
        redis.call('LPUSH', KEYS[1], now)
        redis.call('LTRIM', KEYS[1], 0, ARGV[1] - 1)
        redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000) + 1)
        if oldest and oldest + window > now then return oldest + window - now end
        return 0
    """
    return r.eval(source, 1, f"log:{who}", limit, round(window * 1e6)) / 1e6


def wrong_dies_early(r, who, limit, window):
    """too early: its time to live"""
    source = """
        local now = redis.call('TIME')
        now = now[1] * 1000000 + now[2]
        local oldest, window = redis.call('LINDEX', KEYS[1], ARGV[1] - 1), tonumber(ARGV[2])
        if oldest and oldest + window > now then return oldest + window - now end
        redis.call('LPUSH', KEYS[1], now)
        redis.call('LTRIM', KEYS[1], 0, ARGV[1] - 1)
        redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000) + 1, 'NX')
        return 0
    """
    return r.eval(source, 1, f"log:{who}", limit, round(window * 1e6)) / 1e6


def wrong_immortal(r, who, limit, window):
    """lives for ever"""
    source = """
        local now = redis.call('TIME')
        now = now[1] * 1000000 + now[2]
        local oldest, window = redis.call('LINDEX', KEYS[1], ARGV[1] - 1), tonumber(ARGV[2])
        if oldest and oldest + window > now then return oldest + window - now end
        redis.call('LPUSH', KEYS[1], now)
        redis.call('LTRIM', KEYS[1], 0, ARGV[1] - 1)
        return 0
    """
    return r.eval(source, 1, f"log:{who}", limit, round(window * 1e6)) / 1e6


def wrong_waits_for_the_key(r, who, limit, window):
    """later than it need"""
    source = """
        local now = redis.call('TIME')
        now = now[1] * 1000000 + now[2]
        local oldest, window = redis.call('LINDEX', KEYS[1], ARGV[1] - 1), tonumber(ARGV[2])
        if oldest and oldest + window > now then return redis.call('PTTL', KEYS[1]) * 1000 end
        redis.call('LPUSH', KEYS[1], now)
        redis.call('LTRIM', KEYS[1], 0, ARGV[1] - 1)
        redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000) + 1000)
        return 0
    """
    return r.eval(source, 1, f"log:{who}", limit, round(window * 1e6)) / 1e6


def wrong_looks_first(r, who, limit, window):
    """trips: others come between"""
    seconds, micros = r.time()
    now, key = seconds * 10**6 + micros, f"log:{who}"
    oldest = r.lindex(key, limit - 1)
    if oldest and int(oldest) + window * 1e6 > now:
        return int(oldest) / 1e6 + window - now / 1e6
    with r.pipeline() as pipe:
        pipe.lpush(key, now).ltrim(key, 0, limit - 1).pexpire(key, round(window * 1000) + 1)
        pipe.execute()
    return 0.0


def wrong_whole_seconds(r, who, limit, window):
    """cut to whole seconds"""
    source = """
        local now = redis.call('TIME')
        now = now[1] * 1000000 + now[2]
        local oldest, window = redis.call('LINDEX', KEYS[1], ARGV[1] - 1), tonumber(ARGV[2])
        if oldest and oldest + window > now then return oldest + window - now end
        redis.call('LPUSH', KEYS[1], now)
        redis.call('LTRIM', KEYS[1], 0, ARGV[1] - 1)
        redis.call('EXPIRE', KEYS[1], math.floor(window / 1000000))
        return 0
    """
    return r.eval(source, 1, f"log:{who}", limit, round(window * 1e6)) / 1e6


def check(trial):
    from unittest import mock

    def now():
        seconds, micros = trial.r.time()
        return seconds + micros / 1e6

    began = now()
    waits = [trial.run("AA", 3, 60.0) for _ in range(5)]
    took = now() - began
    right = all(isinstance(wait, int | float) for wait in waits)
    trial.require(
        right and waits[:3] == [0, 0, 0] and min(waits[3:]) > 0,
        "three are admitted, the next hears how long to wait",
        f"of five hits, with three in 60 s, it answered {waits}"
        + (": some fell together into one" if waits == [0] * 5 else ""),
    )
    trial.expect(
        all(60 - took <= wait <= 60 for wait in waits[3:]),
        "and the wait is neither too short nor too long",
        f"within {took:.3f} s of the first it told {waits[3:]}, of 60 s: "
        + ("later than it need" if max(waits[3:]) > 60 else "who waits so long is refused again"),
    )
    trial.expect(
        trial.run("BA", 3, 60.0) == 0,
        "others have a log of their own",
        "AA had used its three; BA, who never asked before, was refused",
    )
    trips = min(trial.trips_of("BA", 3, 60.0) for _ in range(2))
    trial.expect(
        trips == 1,
        "it is one trip",
        f"a call took {trips} trips: others come between them",
    )
    many = trial.together([("DL", 20, 60.0)] * 40)
    admitted = sum(wait == 0 for wait in many)
    trial.expect(
        admitted == 20,
        "of 40 at the same moment 20 are admitted",
        f"40 asked at once, with 20 in 60 s; {admitted} were admitted",
    )
    trial.run("HA", 2, 60.0)
    skewed = []
    for ahead in (3600, -3600):
        with _clock(mock, ahead):
            skewed.append(trial.run("HA", 1, 60.0))
    trial.expect(
        all(0 < wait <= 60 for wait in skewed),
        "a client's clock plays no part",
        f"one was admitted, one in 60 s is allowed; clients whose clocks are an hour off heard "
        f"{skewed}: a clock that is ahead forgets what others logged, one that is behind waits",
    )
    _soon(trial, now)
    lives = [left for _, left in trial.keyspace().values()]
    trial.expect(
        bool(lives) and None not in lives and max(lives) <= 7200,
        "every key ends",
        "a key lives for ever: each customer who ever came stays"
        if None in lives
        else f"the keys have {lives} s to live, for windows of 60 s",
    )


def _soon(trial, now):
    """What only time shows: three in half a second; longer where the machine was too slow."""
    import time

    for attempt in range(7):
        who, window = f"UA{attempt}", 0.5 * 1.5**attempt
        first = now()
        admitted = trial.run(who, 3, window)
        known = now()
        time.sleep(window / 2)
        second = now()
        rest = [trial.run(who, 3, window) for _ in range(2)]
        before = now()
        wait = trial.run(who, 3, window)
        after = now()
        for _ in range(5):
            trial.run(who, 3, window)
        if now() > first + window:
            continue  # one of these may have been admitted
        time.sleep(max(0.0, known + window + 0.01 - now()))
        again = [trial.run(who, 3, window) for _ in range(2)]
        if now() < second + window:
            break
    longest, shortest = known + window - before + 0.001, first + window - after - 0.001
    trial.require(
        admitted == 0 and rest == [0, 0] and shortest <= wait <= longest,
        "the wait ends when the oldest leaves the window",
        f"three in {window:.2f} s, hits at 0 and twice at half of it: it answered {admitted} and "
        f"{rest}; the next, after {before - first:.2f} s, heard {wait} s: "
        + ("later than it need" if wait > longest else "it would be too early")
        + (", and 0 says admitted: is the window, or its time to live, cut to whole seconds?")
        * (wait == 0),
    )
    trial.expect(
        again[0] == 0,
        "a refusal leaves no trace",
        f"6 were refused; when the oldest had left the window, it answered {again[0]}: a refusal "
        "counted",
    )
    trial.expect(
        again[1] > 0,
        "the log outlives its newest hit",
        "one place had become free, and two were admitted: the log was gone too early: its time to "
        "live must begin anew with each hit that is admitted",
    )


def _clock(mock, ahead):
    """time.time and time.time_ns, so many seconds ahead."""
    import contextlib
    import time

    real, real_ns = time.time, time.time_ns
    stack = contextlib.ExitStack()
    stack.enter_context(mock.patch("time.time", lambda: real() + ahead))
    stack.enter_context(mock.patch("time.time_ns", lambda: real_ns() + ahead * 10**9))
    return stack
