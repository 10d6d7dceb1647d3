"""A semaphore: several holders at once, and the places of the dead are free by themselves."""

NOTEBOOK = "40"
TITLE = "Three crews"
HINTS = (
    "Each place needs an end of its own: a sorted set of holders, by the moment at which it ends.",
    "First remove those whose time is over, then look and count, then add: all in one script.",
    "`TIME` in the script is the clock that all clients share. Who is in needs no new place.",
    "The key itself should end with the place that ends last: `PEXPIREAT` of the highest score.",
)
WHY = (
    "A counter of free places is right until the first holder dies: then it is one too low for "
    "ever. Leases end by themselves. As with any lock, a holder that sleeps past its time still "
    "believes that it has a place."
)


def stub(r, name, holder, places, ttl):
    """True if the holder has one of the places now, for ttl seconds; False if all are taken."""


def solution(r, name, holder, places, ttl):
    source = """
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
        local mine = redis.call('ZSCORE', KEYS[1], ARGV[1])
        local taken = redis.call('ZCARD', KEYS[1])
        if not mine and taken >= tonumber(ARGV[2]) then return 0 end
        redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
        redis.call('PEXPIREAT', KEYS[1], redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2])
        return 1
    """
    return r.eval(source, 1, f"places:{name}", holder, places, round(ttl * 1000)) == 1


def wrong_counter(r, name, holder, places, ttl):
    """took a second place"""
    if r.incr(f"places:{name}") > places:
        r.decr(f"places:{name}")
        return False
    r.pexpire(f"places:{name}", round(ttl * 1000))
    return True


def wrong_one_end_for_all(r, name, holder, places, ttl):
    """a dead one keeps its place"""
    source = """
        local mine = redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 1
        if not mine and redis.call('SCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
        redis.call('SADD', KEYS[1], ARGV[1])
        redis.call('PEXPIRE', KEYS[1], ARGV[3], redis.call('TTL', KEYS[1]) < 0 and 'NX' or 'GT')
        return 1
    """
    return r.eval(source, 1, f"places:{name}", holder, places, round(ttl * 1000)) == 1


def wrong_counts_here(r, name, holder, places, ttl):
    """between its look and its entry"""
    seconds, micros = r.time()
    now, key = seconds + micros / 1e6, f"places:{name}"
    r.zremrangebyscore(key, "-inf", now)
    if r.zscore(key, holder) is None and r.zcard(key) >= places:
        return False
    with r.pipeline() as pipe:
        pipe.zadd(key, {holder: now + ttl}).pexpire(key, 100_000).execute()
    return True


def wrong_client_clock(r, name, holder, places, ttl):
    """whose clock is"""
    import time

    source = """
        redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[4])
        local mine = redis.call('ZSCORE', KEYS[1], ARGV[1])
        if not mine and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
        redis.call('ZADD', KEYS[1], ARGV[4] + ARGV[3], ARGV[1])
        redis.call('PEXPIRE', KEYS[1], 100000)
        return 1
    """
    now = round(time.time() * 1000)
    return r.eval(source, 1, f"places:{name}", holder, places, round(ttl * 1000), now) == 1


def wrong_refused_stays(r, name, holder, places, ttl):
    """refused, and took a place all the same"""
    source = """
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
        redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
        redis.call('PEXPIRE', KEYS[1], 100000)
        return redis.call('ZCARD', KEYS[1]) <= tonumber(ARGV[2]) and 1 or 0
    """
    return r.eval(source, 1, f"places:{name}", holder, places, round(ttl * 1000)) == 1


def wrong_key_ends_with_the_latest(r, name, holder, places, ttl):
    """the places of all others went with"""
    source = """
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
        local mine = redis.call('ZSCORE', KEYS[1], ARGV[1])
        if not mine and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
        redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
        redis.call('PEXPIRE', KEYS[1], ARGV[3])
        return 1
    """
    return r.eval(source, 1, f"places:{name}", holder, places, round(ttl * 1000)) == 1


def wrong_never_extends(r, name, holder, places, ttl):
    """asked again in time, and lost its place"""
    source = """
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
        if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 1 end
        if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
        redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
        redis.call('PEXPIRE', KEYS[1], 100000)
        return 1
    """
    return r.eval(source, 1, f"places:{name}", holder, places, round(ttl * 1000)) == 1


def wrong_immortal(r, name, holder, places, ttl):
    """lives for ever"""
    source = """
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
        local mine = redis.call('ZSCORE', KEYS[1], ARGV[1])
        if not mine and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
        redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
        return 1
    """
    return r.eval(source, 1, f"places:{name}", holder, places, round(ttl * 1000)) == 1


def check(trial):
    from unittest import mock

    def afresh():
        trial.r.delete("none", *trial.r.scan_iter())

    def ask(holder, places=3, ttl=30.0, name="crews", **options):
        return bool(trial.run(name, holder, places, ttl, **options))

    got = [ask(holder) for holder in ("A", "B", "C", "D")]
    trial.require(
        got == [True, True, True, False],
        "three places go to three, the fourth hears False",
        f"of three places, four holders heard {got}",
    )
    trial.expect(
        ask("A", name="trucks"),
        "another semaphore has places of its own",
        "all crews were taken, and a truck could not be had either",
    )
    afresh()
    got = [ask(holder) for holder in ("A", "A", "A", "B", "C", "D")]
    trial.expect(
        got == [True] * 5 + [False],
        "who has a place and asks again needs no other",
        f"A asked three times, then B, C and D, of three places: they heard {got}. A took a second "
        "place, or lost its own",
    )
    afresh()
    ask("A"), ask("B"), ask("C")
    got = [ask(holder, 4) for holder in ("D",)] if not ask("D") and not ask("E") else ["in"]
    trial.expect(
        got == [True],
        "one who is refused leaves no trace",
        "of three places all were taken, D and E were refused. With a fourth place D should get "
        f"it, and heard {got}: E was refused, and took a place all the same",
    )
    afresh()
    many = trial.together([("crews", f"H{n}", 3, 30.0) for n in range(12)])
    trial.expect(
        many.count(True) == 3 and not ask("Z"),
        "of twelve at once, three get a place",
        f"of twelve who asked at once {many.count(True)} got one of three places",
    )
    for after in range(1, 8):
        afresh()
        ask("A"), ask("B")
        came = []
        late = ask("C", between=lambda came=came: came.append(ask("D")), after=after)
        if not came:
            break
        trial.expect(
            not (late and came == [True]),
            "nobody comes between the look and the entry",
            f"one place was left; after trip {after} of C, D came between its look and its entry, "
            "and both got it",
        )
    _clocks(trial, mock, ask, afresh)
    _time(trial, ask, afresh)
    for torn in (False, True):
        for after in range(6):
            afresh()
            died = trial.crash("crews", "A", 3, 30.0, after=after, torn=torn)
            left = [left for _, left in trial.keyspace().values()]
            trial.expect(
                None not in left,
                "every key ends, whenever the caller dies",
                f"after {after} trips of the caller a key lives for ever"
                if died
                else "a key lives for ever: each semaphore that was ever used stays",
            )
            if not died:
                break


def _clocks(trial, mock, ask, afresh):
    import time

    real, real_ns = time.time, time.time_ns
    for ahead, word in ((3600, "ahead"), (-3600, "behind")):
        afresh()
        with (
            mock.patch("time.time", lambda ahead=ahead: real() + ahead),
            mock.patch("time.time_ns", lambda ahead=ahead: real_ns() + ahead * 10**9),
        ):
            if word == "behind":
                ask("A")
        ask("B"), ask("C")
        if word == "ahead":
            ask("A")
        with (
            mock.patch("time.time", lambda ahead=ahead: real() + max(ahead, 0)),
            mock.patch("time.time_ns", lambda ahead=ahead: real_ns() + max(ahead, 0) * 10**9),
        ):
            got = ask("D")
        trial.expect(
            not got,
            "a client's clock plays no part",
            f"three places, three holders; one client, whose clock is an hour {word}, and a fourth "
            "got in",
        )


def _time(trial, ask, afresh):
    """What only time shows."""
    import time

    def now():
        seconds, micros = trial.r.time()
        return seconds + micros / 1e6

    def wait(seconds):
        end = now() + seconds + 0.02
        while now() < end:
            time.sleep(0.01)

    afresh()
    ask("A"), ask("B", ttl=0.05), ask("C", ttl=0.05)
    wait(0.05)
    got = [ask(holder) for holder in ("D", "E", "F")]
    trial.expect(
        got != [True] * 3,
        "who lives keeps its place when others end",
        "A has a place for 30 s; B and C had theirs for 0.05 s. After that D, E and F got in, all "
        "three: the places of all others went with the last",
    )
    trial.expect(
        got[:2] == [True, True],
        "the place of one who doesn't ask again is free after its ttl",
        f"B and C asked once, for 0.05 s, and never again; after that D and E heard {got[:2]}: "
        "a dead one keeps its place",
    )
    for attempt in range(6):
        afresh()
        ttl = 0.2 * 2**attempt
        ask("A", 1, ttl)
        began = now()
        wait(ttl / 2)
        ask("A", 1, ttl)
        again = now()
        wait(max(0.0, began + ttl - again))
        got = ask("B", 1, ttl)
        if now() < began + 1.4 * ttl:
            break
    trial.expect(
        not got,
        "ttl counts from the last time that it asked",
        f"A had the one place for {ttl:.1f} s, asked again in time, and lost its place when the "
        "first time was over",
    )
