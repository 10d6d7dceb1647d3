"""Slide a session's end only when a quarter has passed, and never past its greatest age."""

NOTEBOOK = "42"
TITLE = "Slide when it is due"
HINTS = (
    "Most looks need not write. What must you know of the key to tell which?",
    "`PTTL` says what is left, `TIME` what time it is; a script can look at both, and write only "
    "then.",
    "Where it would end: `math.min(now + ttl, ends)`, in milliseconds; `PEXPIREAT` takes that.",
    "Slide if less than three quarters of ttl are left and the end is not reached: "
    "`PEXPIRETIME` gives the present one.",
)
WHY = (
    "Each slide is a write: to the append-only file, to every replica. Tabs that poll make them by "
    "the thousand, and nobody sees the difference between 30 minutes and 22."
)


def stub(r, key, ttl, ends):
    """The session's value, None if it has ended; looking keeps it alive.

    When less than three quarters of ttl seconds are left, it gets ttl seconds anew, but never lives
    past ends (unix seconds, by the server's clock). Else, or at that end, nothing is written; one
    trip.
    """


def solution(r, key, ttl, ends):
    source = """
        local value = redis.call('GET', KEYS[1])
        local now, ttl, ends = redis.call('TIME'), tonumber(ARGV[1]), tonumber(ARGV[2])
        now = now[1] * 1000 + math.floor(now[2] / 1000)
        if value and redis.call('PTTL', KEYS[1]) < 0.75 * ttl
                and redis.call('PEXPIRETIME', KEYS[1]) < ends then
            redis.call('PEXPIREAT', KEYS[1], math.min(now + ttl, ends))
        end
        return value
    """
    return r.eval(source, 1, key, round(1000 * ttl), round(1000 * ends))


def wrong_each_time(r, key, ttl, ends):
    """looks wrote"""
    now, more = r.time()
    return r.getex(key, pxat=min(round(1000 * ends), now * 1000 + more // 1000 + 1000 * ttl))


def wrong_never(r, key, ttl, ends):
    """will end in"""
    return r.get(key)


def wrong_past_the_end(r, key, ttl, ends):
    """past its end"""
    source = """
        local value = redis.call('GET', KEYS[1])
        if value and redis.call('PTTL', KEYS[1]) < 0.75 * ARGV[1] then
            redis.call('PEXPIRE', KEYS[1], ARGV[1])
        end
        return value
    """
    return r.eval(source, 1, key, round(1000 * ttl))


def wrong_writes_at_the_end(r, key, ttl, ends):
    """near its end"""
    source = """
        local value = redis.call('GET', KEYS[1])
        local now, ttl, ends = redis.call('TIME'), tonumber(ARGV[1]), tonumber(ARGV[2])
        now = now[1] * 1000 + math.floor(now[2] / 1000)
        if value and redis.call('PTTL', KEYS[1]) < 0.75 * ttl then
            redis.call('PEXPIREAT', KEYS[1], math.min(now + ttl, ends))
        end
        return value
    """
    return r.eval(source, 1, key, round(1000 * ttl), round(1000 * ends))


def wrong_puts_it_back(r, key, ttl, ends):
    """came back"""
    now, _ = r.time()
    value, left = r.pipeline().get(key).ttl(key).execute()
    if value and left < 0.75 * ttl and now + left + 1 < ends:
        r.set(key, value, exat=round(min(now + ttl, ends)))
    return value


def wrong_two_trips(r, key, ttl, ends):
    """trips"""
    now, _ = r.time()
    value, left = r.pipeline().get(key).ttl(key).execute()
    if value and left < 0.75 * ttl and now + left + 1 < ends:
        r.expireat(key, round(min(now + ttl, ends)))
    return value


def wrong_own_clock(r, key, ttl, ends):
    """own clock"""
    import time

    source = """
        local value = redis.call('GET', KEYS[1])
        local left = redis.call('PTTL', KEYS[1])
        if value and left < 0.75 * ARGV[1] and redis.call('PEXPIRETIME', KEYS[1]) < tonumber(ARGV[3]) then
            redis.call('PEXPIREAT', KEYS[1], ARGV[2])
        end
        return value
    """  # noqa: E501
    until = min(time.time() + ttl, ends)
    return r.eval(source, 1, key, round(1000 * ttl), round(1000 * until), round(1000 * ends))


def check(trial):
    import time
    from unittest import mock

    key, ttl = "session:ann", 1800

    def now():
        seconds, micros = trial.r.time()
        return seconds + micros / 1e6

    def session(left):
        trial.r.set(key, "basket", px=round(1000 * left))

    def left():
        return trial.r.pttl(key) / 1000

    def changes():
        return trial.r.info("persistence")["rdb_changes_since_last_save"]

    far = now() + 86_400
    session(600)
    value = trial.run(key, ttl, far)
    trial.require(
        value == "basket",
        "it gives the session's value",
        f"the value is 'basket', it gave {value!r}",
    )
    trial.require(
        1700 < left() <= 1800,
        "with 600 of 1,800 s left it gets 1,800 anew",
        f"600 of 1,800 s were left, somebody looked, and it will end in {left():,.0f} s",
    )
    for share, remaining in (("all", 1799), ("more than three quarters", 1500)):
        session(remaining)
        before = changes()
        for _ in range(20):
            trial.run(key, ttl, far)
        wrote = changes() - before
        trial.expect(
            wrote == 0,
            f"with {share} of it left, nothing is written",
            f"{remaining:,} of 1,800 s were left, and 20 looks wrote {wrote} times",
        )
    session(1100)
    before = changes()
    for _ in range(20):
        trial.run(key, ttl, far)
    wrote = changes() - before
    trial.expect(
        wrote == 1 and 1600 < left() <= 1800,
        "when it is due, 20 looks write once",
        f"1,100 of 1,800 s were left, 20 looks wrote {wrote} times, {left():,.0f} s are left",
    )
    ends = int(now()) + 1000
    session(600)
    trial.run(key, ttl, ends)
    after = trial.r.pexpiretime(key) / 1000
    trial.require(
        after <= ends + 0.01,
        "it never lives past ends",
        f"ends is in 1,000 s, somebody looked, and now it lives {after - ends:,.0f} s past its end",
    )
    trial.expect(
        after > ends - 1.01,
        "but lives until then",
        f"ends is in 1,000 s, somebody looked, and it will end {ends - after:,.0f} s before",
    )
    trial.r.pexpireat(key, round(1000 * ends))
    before = changes()
    for _ in range(20):
        trial.run(key, ttl, ends)
    wrote = changes() - before
    trial.expect(
        wrote <= 5,  # whoever reckons with PTTL and TIME may be a millisecond out
        "near its end there is nothing to slide",
        f"it ends when it must; near its end 20 looks wrote {wrote} times, for nothing",
    )
    trial.r.delete(key)
    value = trial.run(key, ttl, far)
    trial.expect(
        value is None and not trial.r.exists(key),
        "one that has ended gives None, and stays away",
        f"there was no session: it gave {value!r}, and the key exists: {trial.r.exists(key)}",
    )
    trips = []
    for remaining in (600, 600, 1799):
        session(remaining)
        trips.append(trial.trips_of(key, ttl, far))
    trial.expect(max(trips[1:]) == 1, "it is one trip", f"it took {max(trips[1:])} trips")
    for after in (1, 2, 3):
        session(600)
        out = []
        trial.run(
            key, ttl, far, between=lambda out=out: out.append(trial.r.delete(key)), after=after
        )
        trial.expect(
            not (out and trial.r.exists(key)),
            "who logs out meanwhile stays out",
            f"between trips {after} and {after + 1} somebody logged out, and the session came back",
        )
    session(600)
    ahead, true = 3600, time.time
    with mock.patch("time.time", lambda: true() + ahead):
        trial.run(key, ttl, far)
    trial.expect(
        1600 < left() <= 1800,
        "a wrong clock on this machine changes nothing",
        f"this machine's clock was an hour ahead: the session has {left():,.0f} s, not 1,800: ends "
        "came from its own clock",
    )
