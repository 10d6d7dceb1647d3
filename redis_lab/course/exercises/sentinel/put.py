"""A write that survives a failover: repeated where that is safe, and not for ever."""

NOTEBOOK = "62"
TITLE = "A client that survives"
SHAPE = "sentinel"
SECONDS = 20.0
HINTS = (
    "What does a `SET` leave that is done twice with the same value?",
    "A dead primary is a `redis.ConnectionError`, a frozen one a `redis.TimeoutError`: they are "
    "not of one family.",
    "Wait a little between two tries: an election takes seconds, and a loop without a pause asks "
    "thousands of times.",
    "`deadline = time.monotonic() + patience` before the loop; when it has passed, `raise`.",
)
WHY = (
    "A failover is seconds of errors for a client that gives up, and a slow write for one that "
    "tries again. That is safe for `SET`; an `INCR` whose reply was lost may be counted twice "
    "(notebook 24)."
)


def stub(r, key, value, patience):
    """SET, tried again while there is no primary, for up to patience seconds; then it raises."""


def solution(r, key, value, patience):
    import time

    import redis

    deadline = time.monotonic() + patience
    while True:
        try:
            return r.set(key, value)
        except (redis.ConnectionError, redis.TimeoutError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def wrong_one_try(r, key, value, patience):
    """after one try"""
    return r.set(key, value)


def wrong_five_quick_tries(r, key, value, patience):
    """after 5 tries in"""
    import redis

    for attempt in range(5):
        try:
            return r.set(key, value)
        except (redis.ConnectionError, redis.TimeoutError):
            if attempt == 4:
                raise


def wrong_dead_not_frozen(r, key, value, patience):
    """for a frozen server"""
    import time

    import redis

    deadline = time.monotonic() + patience
    while True:
        try:
            return r.set(key, value)
        except redis.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def wrong_swallows(r, key, value, patience):
    """and put said nothing"""
    import contextlib

    import redis

    with contextlib.suppress(redis.RedisError):
        return r.set(key, value)


def wrong_for_ever(r, key, value, patience):
    """never gave up"""
    import time

    import redis

    while True:
        try:
            return r.set(key, value)
        except (redis.ConnectionError, redis.TimeoutError):
            time.sleep(0.05)


def wrong_no_pause(r, key, value, patience):
    """without a pause"""
    import time

    import redis

    deadline = time.monotonic() + patience
    while True:
        try:
            return r.set(key, value)
        except (redis.ConnectionError, redis.TimeoutError):
            if time.monotonic() > deadline:
                raise


def wrong_one_more_try_at_the_end(r, key, value, patience):
    """slept through the promotion"""
    import time

    import redis

    try:
        return r.set(key, value)
    except (redis.ConnectionError, redis.TimeoutError):
        time.sleep(patience)
        return r.set(key, value)


def wrong_none_at_the_end(r, key, value, patience):
    """as if it had been written"""
    import time

    import redis

    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            return r.set(key, value)
        except (redis.ConnectionError, redis.TimeoutError):
            time.sleep(0.05)


class Tries:
    """Counts how often a client asks for a connection, and the pauses after those that failed."""

    def __init__(self, client, timeout):
        pool = client.connection_pool
        pool.connection_kwargs["socket_timeout"] = timeout
        pool.disconnect()
        pool.reset()
        client.ping()
        self.get, pool.get_connection = pool.get_connection, self.get_connection
        self.count, self.pauses, self.failed = 0, [], None
        self.before_the_third = None

    def get_connection(self, *args, **kwargs):
        import time

        self.count += 1
        if self.failed:
            self.pauses.append(time.monotonic() - self.failed)
        if self.count == 3 and self.before_the_third:
            self.before_the_third()
        try:
            return self.get(*args, **kwargs)
        except Exception:
            self.failed = time.monotonic()
            raise


def check(trial):
    import contextlib
    import statistics
    import time

    from redis_lab.course.answers import Refused
    from redis_lab.course.trial import Gaps
    from redis_lab.errors import LabUnavailable
    from redis_lab.lab.waiting import wait_until

    lab = trial.lab

    def put(client, tries, key, patience):
        """What it raised, or an empty string; the seconds it took."""
        tries.count, started = 0, time.monotonic()
        try:
            trial.call(client, key, f"gate of {key}", patience)
        except Refused as refusal:
            return str(refusal), time.monotonic() - started
        return "", time.monotonic() - started

    def kill():
        trial.r.set("copied", "yes")
        trial.r.wait(2, 5000)
        lab.kill(lab.primary)

    def promoted():
        with contextlib.suppress(LabUnavailable):
            return lab.primary.alive

    client = trial.client(Gaps(kill, after=100))
    tries = Tries(client, 2.0)
    raised, _ = put(client, tries, "flight:first", 15.0)
    trial.require(
        trial.r.get("flight:first") == "gate of flight:first",
        "with all servers up, it sets the key",
        raised or "all servers are up, and the key is not there: was anything sent?",
    )
    keys = [f"flight:{number}" for number in range(200)]
    slowest = (0.0, 0)
    for key in keys:
        raised, seconds = put(client, tries, key, 15.0)
        slowest = max(slowest, (seconds, tries.count))
        often = (
            "after one try" if tries.count == 1 else f"after {tries.count} tries in {seconds:.1f} s"
        )
        if raised:
            break
    trial.require(
        not raised,
        "200 calls, a primary killed in the middle, no exception",
        f"the primary was killed, and {raised}. It gave up {often}; it had 15 s",
    )
    trial.expect(
        slowest[0] < 7.5 or slowest[1] > 2,
        "it goes on soon after there is a primary",
        f"one write took {slowest[0]:.0f} s and {slowest[1]} tries: it slept through the promotion",
    )
    reader = lab.client()
    solution(reader, "flight:after", "the failover", 20.0)
    there = reader.mget(keys)
    missing = [key for key, value in zip(keys, there, strict=True) if value != f"gate of {key}"]
    trial.require(
        not missing,
        "all 200 keys are there",
        f"{len(missing)} of 200 keys are not there, {', '.join(missing[:1])} the first, and put "
        "said nothing",
    )
    wait_until(lambda: "" if promoted() else "no primary", 20, "a failover")
    frozen = lab.primary
    client = trial.client()
    tries = Tries(client, 0.2)
    tries.before_the_third = lambda: lab.resume(frozen)
    lab.pause(frozen)
    try:
        raised, _ = put(client, tries, "flight:frozen", 15.0)
    finally:
        lab.resume(frozen)
    trial.require(
        not raised,
        "a frozen primary is waited for as well",
        f"it gave up for a frozen server: {raised}",
    )
    stored = lab.client().get("flight:frozen")
    trial.expect(
        stored == "gate of flight:frozen",
        "and has the key when it wakes",
        f"after that the key is {stored!r}",
    )
    for node in lab.nodes:
        lab.kill(node)
    tries.before_the_third, trial.seconds = None, 4.0
    raised, seconds = put(client, tries, "flight:nobody", 0.6)
    trial.require(
        bool(raised),
        "when nobody comes, it raises",
        "there was no server at all, and it returned, as if it had been written",
    )
    trial.require(
        "did not come back" not in raised,
        "after its patience",
        f"all servers were gone, its patience was 0.6 s, and it never gave up in {seconds:.0f} s",
    )
    trial.expect(seconds >= 0.5, "and not before", f"it gave up after {seconds:.2f} s; it had 0.6")
    trial.expect(
        not tries.pauses or statistics.median(tries.pauses) > 0.002,
        "it takes a breath between two tries",
        f"it tried {tries.count} times in {seconds:.1f} s without a pause: a thousand clients that "
        "do so are the next outage",
    )
