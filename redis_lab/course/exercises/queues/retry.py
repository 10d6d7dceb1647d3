"""A retry with back-off: out of one's hands, into the future, in one step."""

NOTEBOOK = "51"
TITLE = "Later, and later still"
HINTS = (
    "Several keys change together, and one of them depends on a count: no pipeline decides that.",
    "A script. Whether the job was really yours, `LREM` tells: 0 means that nothing may happen.",
    "`HINCRBY` answers the number of this failure; 2 to the power of one less is the delay. "
    "`redis.call('TIME')` gives seconds and microseconds, and both count.",
    "`LREM` 0: return nil. `HINCRBY` 5: `HDEL`, `LPUSH` onto dead, return nil. Else `ZADD` with "
    "`now[1] + now[2] / 1e6 + delay`, and return the delay.",
)
WHY = (
    "A job that fails at once fails again at once, and a hundred of them keep all workers busy "
    "with failing. Back-off makes room; a last attempt makes an end. In one step, or the crash "
    "between two commands loses the job or makes two of it."
)
TAKEN, FAILURES, LATER, DEAD = (
    f"{{jobs}}:{part}" for part in ("taken", "failures", "later", "dead")
)


def stub(r, job):
    """Put a failed job aside for 1, 2, 4, 8 s, the fifth time into dead; the seconds, or None.

    Keys: {jobs}:taken and {jobs}:dead are lists, {jobs}:later a sorted set, {jobs}:failures a hash.
    """


def solution(r, job):
    source = """
        if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return nil end
        local failed = redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
        if failed >= 5 then
            redis.call('HDEL', KEYS[2], ARGV[1])
            redis.call('LPUSH', KEYS[4], ARGV[1])
            return nil
        end
        local now, delay = redis.call('TIME'), 2 ^ (failed - 1)
        redis.call('ZADD', KEYS[3], now[1] + now[2] / 1e6 + delay, ARGV[1])
        return delay
    """
    names = ("taken", "failures", "later", "dead")
    return r.eval(source, 4, *(f"{{jobs}}:{name}" for name in names), job)


def wrong_out_then_in(r, job):
    """is nowhere"""
    if not r.lrem("{jobs}:taken", 1, job):
        return None
    failed = r.hincrby("{jobs}:failures", job, 1)
    if failed >= 5:
        r.pipeline().hdel("{jobs}:failures", job).lpush("{jobs}:dead", job).execute()
        return None
    seconds, us = r.time()
    r.zadd("{jobs}:later", {job: seconds + us / 1e6 + 2 ** (failed - 1)})
    return 2 ** (failed - 1)


def wrong_in_then_out(r, job):
    """is in two places"""
    if r.lpos("{jobs}:taken", job) is None:
        return None
    failed = int(r.hget("{jobs}:failures", job) or 0) + 1
    if failed >= 5:
        r.lpush("{jobs}:dead", job)
        r.pipeline().hdel("{jobs}:failures", job).lrem("{jobs}:taken", 1, job).execute()
        return None
    seconds, us = r.time()
    r.zadd("{jobs}:later", {job: seconds + us / 1e6 + 2 ** (failed - 1)})
    r.pipeline().hincrby("{jobs}:failures", job, 1).lrem("{jobs}:taken", 1, job).execute()
    return 2 ** (failed - 1)


def wrong_never_asks_whose(r, job):
    """somebody else has it"""
    source = """
        redis.call('LREM', KEYS[1], 1, ARGV[1])
        local failed = redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
        if failed >= 5 then
            redis.call('HDEL', KEYS[2], ARGV[1])
            redis.call('LPUSH', KEYS[4], ARGV[1])
            return nil
        end
        local now, delay = redis.call('TIME'), 2 ^ (failed - 1)
        redis.call('ZADD', KEYS[3], now[1] + now[2] / 1e6 + delay, ARGV[1])
        return delay
    """
    names = ("taken", "failures", "later", "dead")
    return r.eval(source, 4, *(f"{{jobs}}:{name}" for name in names), job)


def wrong_own_clock(r, job):
    """by the clock of the client"""
    import time

    source = """
        if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return nil end
        local failed = redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
        if failed >= 5 then
            redis.call('HDEL', KEYS[2], ARGV[1])
            redis.call('LPUSH', KEYS[4], ARGV[1])
            return nil
        end
        local delay = 2 ^ (failed - 1)
        redis.call('ZADD', KEYS[3], ARGV[2] + delay, ARGV[1])
        return delay
    """
    names = ("taken", "failures", "later", "dead")
    return r.eval(source, 4, *(f"{{jobs}}:{name}" for name in names), job, time.time())


def wrong_adds_a_second(r, job):
    """grows by addition"""
    source = """
        if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return nil end
        local failed = redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
        if failed >= 5 then
            redis.call('HDEL', KEYS[2], ARGV[1])
            redis.call('LPUSH', KEYS[4], ARGV[1])
            return nil
        end
        local now = redis.call('TIME')
        redis.call('ZADD', KEYS[3], now[1] + now[2] / 1e6 + failed, ARGV[1])
        return failed
    """
    names = ("taken", "failures", "later", "dead")
    return r.eval(source, 4, *(f"{{jobs}}:{name}" for name in names), job)


def wrong_whole_seconds(r, job):
    """up to a second too early"""
    source = """
        if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return nil end
        local failed = redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
        if failed >= 5 then
            redis.call('HDEL', KEYS[2], ARGV[1])
            redis.call('LPUSH', KEYS[4], ARGV[1])
            return nil
        end
        local delay = 2 ^ (failed - 1)
        redis.call('ZADD', KEYS[3], redis.call('TIME')[1] + delay, ARGV[1])
        return delay
    """
    names = ("taken", "failures", "later", "dead")
    return r.eval(source, 4, *(f"{{jobs}}:{name}" for name in names), job)


def wrong_keeps_the_count(r, job):
    """dies at its first failure"""
    source = """
        if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return nil end
        local failed = redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
        if failed >= 5 then
            redis.call('LPUSH', KEYS[4], ARGV[1])
            return nil
        end
        local now, delay = redis.call('TIME'), 2 ^ (failed - 1)
        redis.call('ZADD', KEYS[3], now[1] + now[2] / 1e6 + delay, ARGV[1])
        return delay
    """
    names = ("taken", "failures", "later", "dead")
    return r.eval(source, 4, *(f"{{jobs}}:{name}" for name in names), job)


def wrong_for_ever(r, job):
    """is never given up"""
    source = """
        if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return nil end
        local failed = redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
        local now, delay = redis.call('TIME'), 2 ^ math.min(failed - 1, 3)
        redis.call('ZADD', KEYS[3], now[1] + now[2] / 1e6 + delay, ARGV[1])
        return delay
    """
    return r.eval(source, 3, "{jobs}:taken", "{jobs}:failures", "{jobs}:later", job)


def check(trial):
    import redis_lab.data

    first, other = redis_lab.data.flights(limit=2).id

    def places(job):
        """Where the job is, a name for each place and time."""
        lists = [TAKEN] * trial.r.lrange(TAKEN, 0, -1).count(job)
        lists += [DEAD] * trial.r.lrange(DEAD, 0, -1).count(job)
        return lists + [LATER] * (trial.r.zscore(LATER, job) is not None)

    def now():
        seconds, us = trial.r.time()
        return seconds + us / 1e6

    def failing(job=first, failures=0):
        """The job is held, beside another one, and has failed so often."""
        trial.r.delete("none", *trial.r.scan_iter())
        trial.r.rpush(TAKEN, other, job)
        if failures:
            trial.r.hset(FAILURES, job, failures)

    def fails(failures, ahead=0.0):
        """The answer, and how far in the future the job is due: at least, at most."""
        failing(failures=failures)
        before = now()
        with _clock(ahead):
            given = trial.run(first)
        due = trial.r.zscore(LATER, first)
        return given, None if due is None else (due - now(), due - before)

    given, _ = fails(0)
    trial.require(
        given == 1, "the first failure waits a second", f"the first failure gave {given!r}, not 1"
    )
    trial.require(
        places(first) == [LATER] and places(other) == [TAKEN],
        "it is out of the worker's hands, and in `later`",
        f"the job is in {places(first) or 'no list and no set'}; another one that is held is in "
        f"{places(other)}",
    )
    for failed, delay in enumerate((1, 2, 4, 8)):
        given, due = fails(failed)
        trial.expect(
            given == delay,
            "then 1, 2, 4, 8 seconds",
            f"failure {failed + 1} gave {given!r}, not {delay}"
            + (": it grows by addition" if given == failed + 1 else ""),
        )
        if due is None:
            trial.expect(False, "in `later` each time", f"failure {failed + 1} is not in {LATER}")
            continue
        least, most = due
        if not trial.expect(
            least <= (given or 0) + 0.001 and most >= (given or 0) - 0.001,
            "due that long from now",
            f"failure {failed + 1} gave {given} s, and is due in {most:.2f} s: "
            + (
                "up to a second too early, as without the fraction of the time"
                if 0 < given - most <= 1
                else "the set says another time"
            ),
        ):
            break
    count = trial.r.hget(FAILURES, first)
    trial.expect(
        count == str(failed + 1),
        "failures are counted",
        f"after failure {failed + 1} the count is {count}",
    )
    for ahead in (-1000.0, 1000.0):
        given, due = fails(0, ahead)
        trial.expect(
            due is not None and abs(due[1] - 1) < 500,
            "due by the server's clock",
            f"with this machine's clock {ahead:+.0f} s off it is due in "
            f"{due[1] if due else 0:.0f} s: by the clock of the client, "
            "and every worker has its own",
        )
    given, due = fails(4)
    trial.expect(
        given is None and places(first) == [DEAD],
        "the fifth time it is dead",
        f"the fifth failure gave {given!r}, and it is in {places(first) or 'nothing'}: "
        + ("it is never given up" if places(first) == [LATER] else "not in `dead` alone"),
    )
    left = trial.r.hget(FAILURES, first)
    trial.expect(
        left is None,
        "and its count is gone",
        f"its count is still {left}: put again after a repair, it dies at its first failure",
    )
    for failures in (0, 4):
        failing(other, failures)
        before = trial.keyspace(), trial.r.hgetall(FAILURES), trial.r.lrange(TAKEN, 0, -1)
        given = trial.run(first)
        after = trial.keyspace(), trial.r.hgetall(FAILURES), trial.r.lrange(TAKEN, 0, -1)
        trial.expect(
            given is None and not places(first) and before == after,
            "a job that isn't held is left alone",
            f"a job that was not in {TAKEN} (somebody else has it, or has done it) gave {given!r}, "
            f"and is in {places(first) or 'no place'}; nothing may change",
        )
    for failures in (0, 4):
        for after in range(1, 9):
            failing(failures=failures)
            if not trial.crash(first, after=after):
                break
            where = places(first)
            count = int(trial.r.hget(FAILURES, first) or 0)
            trial.expect(
                len(where) == 1,
                "whoever dies when, the job is in one place",
                f"a worker died after {after} trips, at failure {failures + 1}: the job "
                + ("is in two places" if where else "is nowhere"),
            )
            torn = (count == failures) != (where == [TAKEN])
            trial.expect(
                len(where) != 1 or not torn,
                "and its failures are counted with it",
                f"a worker died after {after} trips: the job is in {where}, its count {count}",
            )
    for after in (1, 2, 3, 4):
        failing()
        mine = trial.run(first, between=lambda: trial.run(first), after=after)
        count = int(trial.r.hget(FAILURES, first) or 0)
        trial.expect(
            count == 1 and places(first) == [LATER] and mine in (1, None),
            "two that fail with one job fail once",
            f"two workers gave back one job at once: {count} failures, in {places(first)}",
        )


def _clock(ahead):
    """time.time and time.time_ns, so many seconds ahead."""
    import contextlib
    import time
    from unittest import mock

    real, real_ns = time.time, time.time_ns
    stack = contextlib.ExitStack()
    stack.enter_context(mock.patch("time.time", lambda: real() + ahead))
    stack.enter_context(mock.patch("time.time_ns", lambda: real_ns() + int(ahead * 10**9)))
    return stack
