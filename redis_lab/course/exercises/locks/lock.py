"""Three bugs of everyday locks: two steps to take it, one name for many holders, two to free it."""

NOTEBOOK = "40"
TITLE = "Spot the three bugs"
HINTS = (
    "Ask of each line: what if this process dies here? What if its time runs out here?",
    "One command can take the lock and set its end: `SET` with two options.",
    "Threads of a process share its number. Who holds a lock is an instance, so each needs a token "
    "that nobody else has.",
    "The look and the delete must be one step: a script with `GET`, a comparison and `DEL`, or "
    "`WATCH` and `MULTI`.",
)
WHY = (
    "All three pass every test that one person runs at one desk. The first needs a crash, the "
    "second two threads, the third a pause; production has all of them every week, and none leaves "
    "an error in a log."
)


class stub:
    """A lock for all threads and processes, under lock:<name>; each instance is a holder."""

    def __init__(self, r, name, ttl):
        import os

        self.r, self.key, self.ttl = r, f"lock:{name}", ttl
        self.token = f"worker-{os.getpid()}"

    def acquire(self):
        """True if the lock is this instance's now, for ttl seconds; False if somebody has it."""
        if not self.r.setnx(self.key, self.token):
            return False
        return bool(self.r.pexpire(self.key, round(self.ttl * 1000)))

    def release(self):
        """True if the lock was still this instance's, and is free now; else False."""
        mine = self.r.get(self.key) == self.token
        return mine and bool(self.r.delete(self.key))


class solution:
    def __init__(self, r, name, ttl):
        import secrets

        self.r, self.key, self.ttl = r, f"lock:{name}", ttl
        self.token = secrets.token_hex(16)

    def acquire(self):
        return bool(self.r.set(self.key, self.token, nx=True, px=round(self.ttl * 1000)))

    def release(self):
        source = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"
        return self.r.eval(source, 1, self.key, self.token) == 1


class wrong_two_steps:
    """has no end"""

    def __init__(self, r, name, ttl):
        import secrets

        self.r, self.key, self.ttl = r, f"lock:{name}", ttl
        self.token = secrets.token_hex(16)

    def acquire(self):
        if not self.r.setnx(self.key, self.token):
            return False
        self.r.pexpire(self.key, round(self.ttl * 1000))
        return True

    def release(self):
        source = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"
        return self.r.eval(source, 1, self.key, self.token) == 1


class wrong_transaction:
    """moved its end"""

    def __init__(self, r, name, ttl):
        import secrets

        self.r, self.key, self.ttl = r, f"lock:{name}", ttl
        self.token = secrets.token_hex(16)

    def acquire(self):
        with self.r.pipeline() as pipe:
            pipe.setnx(self.key, self.token).pexpire(self.key, round(self.ttl * 1000))
            return bool(pipe.execute()[0])

    def release(self):
        source = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"
        return self.r.eval(source, 1, self.key, self.token) == 1


class wrong_token_of_the_process:
    """another instance in the same process"""

    def __init__(self, r, name, ttl):
        import os

        self.r, self.key, self.ttl = r, f"lock:{name}", ttl
        self.token = f"worker-{os.getpid()}"

    def acquire(self):
        return bool(self.r.set(self.key, self.token, nx=True, px=round(self.ttl * 1000)))

    def release(self):
        source = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"
        return self.r.eval(source, 1, self.key, self.token) == 1


class wrong_token_of_the_address:
    """of one that is no more"""

    def __init__(self, r, name, ttl):
        self.r, self.key, self.ttl, self.token = r, f"lock:{name}", ttl, str(id(self))

    def acquire(self):
        return bool(self.r.set(self.key, self.token, nx=True, px=round(self.ttl * 1000)))

    def release(self):
        source = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"
        return self.r.eval(source, 1, self.key, self.token) == 1


class wrong_compares_here:
    """freed the lock of the next one"""

    def __init__(self, r, name, ttl):
        import secrets

        self.r, self.key, self.ttl = r, f"lock:{name}", ttl
        self.token = secrets.token_hex(16)

    def acquire(self):
        return bool(self.r.set(self.key, self.token, nx=True, px=round(self.ttl * 1000)))

    def release(self):
        if self.r.get(self.key) != self.token:
            return False
        return bool(self.r.delete(self.key))


class wrong_looks_at_the_end:
    """freed the lock of the next one"""

    def __init__(self, r, name, ttl):
        import secrets

        self.r, self.key, self.ttl = r, f"lock:{name}", ttl
        self.token = secrets.token_hex(16)

    def acquire(self):
        return bool(self.r.set(self.key, self.token, nx=True, px=round(self.ttl * 1000)))

    def release(self):
        with self.r.pipeline() as pipe:
            was, _ = pipe.get(self.key).delete(self.key).execute()
        return was == self.token


class wrong_remembers:
    """somebody else's lock"""

    def __init__(self, r, name, ttl):
        self.r, self.key, self.ttl, self.mine = r, f"lock:{name}", ttl, False

    def acquire(self):
        self.mine = bool(self.r.set(self.key, "taken", nx=True, px=round(self.ttl * 1000)))
        return self.mine

    def release(self):
        held, self.mine = self.mine, False
        return held and bool(self.r.delete(self.key))


class wrong_whole_seconds:
    """longer than its time"""

    def __init__(self, r, name, ttl):
        import math
        import secrets

        self.r, self.key, self.ttl = r, f"lock:{name}", math.ceil(ttl)
        self.token = secrets.token_hex(16)

    def acquire(self):
        return bool(self.r.set(self.key, self.token, nx=True, ex=self.ttl))

    def release(self):
        source = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"
        return self.r.eval(source, 1, self.key, self.token) == 1


def check(trial):
    import contextlib
    import gc

    from redis_lab.course.answers import Killed
    from redis_lab.course.gaps import Gaps

    r, key = trial.r, "lock:crew"

    def holder(ttl=30.0):
        gaps = Gaps()
        made = trial.call(trial.client(gaps), "crew", ttl)
        made_gaps[id(made)] = gaps
        kept.append(made)
        return made

    made_gaps, kept = {}, []

    def acquire(one):
        return bool(trial.ask(one.acquire))

    def release(one):
        return bool(trial.ask(one.release))

    def before_trip(one, after, act):
        gaps = made_gaps[id(one)]
        gaps.trips, gaps.acted, gaps.after, gaps.act = 0, False, after, act
        return gaps

    a, b = holder(), holder()
    got = acquire(a), acquire(b)
    trial.require(
        got == (True, False) and bool(r.exists(key)),
        "one gets it, the next hears False",
        f"two asked one after the other and heard {got}; the key {key} "
        + ("is there" if r.exists(key) else "is not there"),
    )
    given = release(b)
    trial.expect(
        not given and bool(r.exists(key)),
        "who doesn't hold it releases nothing",
        "A held the lock; B, another instance in the same process, released it"
        if not r.exists(key)
        else f"B never held the lock, and its release answered {given}",
    )
    alike = not r.exists(key)
    r.delete(key)
    a = holder()
    acquire(a)
    given = release(a)
    trial.require(
        given and not r.exists(key),
        "its holder releases it",
        f"release of the holder answered {given}, and the lock is "
        + ("still there" if r.exists(key) else "gone"),
    )
    trial.expect(
        not release(a),
        "a second release hears False",
        "it was released twice, and heard True both times",
    )

    if not alike:
        tokens = set()
        for number in range(1, 101):
            one = trial.call(r, "crew", 30.0)
            acquire(one)
            tokens.add(r.dump(key))
            r.delete(key)
            del one
            if number % 25 == 0:
                gc.collect()
        trial.expect(
            len(tokens) == 100,
            "nobody ever has the token of another, not even of one that is gone",
            f"100 instances, each made when the one before was gone, had {len(tokens)} tokens: "
            "some had that of one that is no more, as an id() is, and could release its lock. "
            "Processes can be as alike",
        )

    short = acquire(holder(0.9))
    r.delete(key)
    acquire(holder(20.01))
    left = r.pttl(key)
    trial.expect(
        short and left <= 20_010,
        "it ends when its time is over",
        f"with a ttl of 20.01 s it lives for {left} ms: "
        + ("it has no end" if left == -1 else "longer than its time")
        if left > 20_010 or left == -1
        else "with a ttl of 0.9 s it could not be had",
    )
    r.pexpire(key, 5_000)
    acquire(holder(20.0))
    left = r.pttl(key)
    trial.expect(
        left <= 5_000,
        "one who is refused changes nothing",
        f"the holder had 5 s left; another was refused, and moved its end: {left} ms",
    )

    r.delete(key)
    lasting = []
    for torn in (False, True):
        for after in range(4):
            one = holder()
            gaps = before_trip(one, after, None)
            gaps.torn, gaps.act = torn, gaps.die
            with contextlib.suppress(Killed):
                acquire(one)
            if r.exists(key) and r.pttl(key) < 0:
                lasting.append(after)
            r.delete(key)
    trial.expect(
        not lasting,
        "who dies while it takes the lock keeps it for its ttl at most",
        f"it died after trip {min(lasting, default=0)} of acquire, and its lock has no end: "
        "nobody gets it again",
    )

    for after in range(1, 5):
        one, other = holder(), holder()
        acquire(one)
        met = []

        def next_one(other=other, met=met):
            r.delete(key)  # its time is over
            met.append(acquire(other))

        before_trip(one, after, next_one)
        given = release(one)
        if not met:
            r.delete(key)
            continue
        there = bool(r.exists(key))
        trial.expect(
            there and (not given or after > 1),
            "a release whose time runs out in the middle frees nothing",
            f"its time ran out after trip {after} of its release, and another took the lock: "
            + ("it freed the lock of the next one" if not there else "and it answered True"),
        )
        r.delete(key)
    one, other = holder(), holder()
    acquire(one)
    r.delete(key)
    acquire(other)
    given = release(one)
    there = bool(r.exists(key))
    trial.expect(
        there and not given,
        "who is late releases nothing",
        "its time was over, another had the lock, and release "
        + (
            f"answered {given}" if there else "freed the lock of the next one: somebody else's lock"
        ),
    )
    r.delete(key)
    for after in range(1, 4):
        one, other, met = holder(), holder(), []
        before_trip(one, after, lambda other=other, met=met: met.append(acquire(other)))
        both = acquire(one) and met == [True]
        trial.expect(
            not both,
            "two who ask at the same moment are not both told True",
            f"another asked after trip {after} of acquire, and both were told True",
        )
        r.delete(key)
