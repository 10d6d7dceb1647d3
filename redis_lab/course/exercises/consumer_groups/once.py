"""An idempotent handler: the effect and the marker that says so, in one step."""

NOTEBOOK = "52"
TITLE = "Count it once"
HINTS = (
    "Something on the server must say that this entry was counted: a key of its own will do.",
    "Marker first, and died: never counted. Effect first, and died: counted twice. Looked first: "
    "somebody else looked too. Both belong into one step that can decide.",
    "A script decides and writes: `SET … NX EX` there is false where the key exists.",
    "`if redis.call('SET', KEYS[1], 1, 'NX', 'EX', 86400) then` `HINCRBY`, `return 1`, `end`, "
    "`return 0`; KEYS are a marker named after the entry, and boarded.",
)
WHY = (
    "At least once plus a handler like this is what people mean by exactly once. The marker lives "
    "where the effect does, and longer than anybody may take to deliver again."
)
DAY = 86_400


def stub(r, entry, flight, people):
    """Add people to flight in the hash boarded, once for this entry ID; whether this call did it.

    Called again within a day, by anybody, it changes nothing. Every key but boarded has an end.
    """


def solution(r, entry, flight, people):
    source = """
    if redis.call('SET', KEYS[1], 1, 'NX', 'EX', 86400) then
        redis.call('HINCRBY', KEYS[2], ARGV[1], ARGV[2])
        return 1
    end
    return 0
    """
    return r.eval(source, 2, f"counted:{entry}", "boarded", flight, people) == 1


def wrong_marker_first(r, entry, flight, people):
    """never counted"""
    if not r.set(f"counted:{entry}", 1, nx=True, ex=86400):
        return False
    r.hincrby("boarded", flight, people)
    return True


def wrong_marker_last(r, entry, flight, people):
    """counted twice"""
    if r.exists(f"counted:{entry}"):
        return False
    r.hincrby("boarded", flight, people)
    r.set(f"counted:{entry}", 1, ex=86400)
    return True


def wrong_looks_first(r, entry, flight, people):
    """two workers"""
    if r.exists(f"counted:{entry}"):
        return False
    with r.pipeline() as pipe:
        pipe.hincrby("boarded", flight, people).set(f"counted:{entry}", 1, ex=86400).execute()
    return True


def wrong_decides_in_multi(r, entry, flight, people):
    """a second call"""
    with r.pipeline() as pipe:
        pipe.set(f"counted:{entry}", 1, nx=True, ex=86400).hincrby("boarded", flight, people)
        return bool(pipe.execute()[0])


def wrong_takes_it_back(r, entry, flight, people):
    """counted twice"""
    with r.pipeline() as pipe:
        pipe.set(f"counted:{entry}", 1, nx=True, ex=86400).hincrby("boarded", flight, people)
        new = bool(pipe.execute()[0])
    if not new:
        r.hincrby("boarded", flight, -people)
    return new


def wrong_for_ever(r, entry, flight, people):
    """has no end"""
    source = """
    local new = redis.call('SADD', KEYS[1], ARGV[3])
    if new == 1 then redis.call('HINCRBY', KEYS[2], ARGV[1], ARGV[2]) end
    return new
    """
    return r.eval(source, 2, "counted", "boarded", flight, people, entry) == 1


def wrong_for_an_hour(r, entry, flight, people):
    """before the day is over"""
    source = """
    if redis.call('SET', KEYS[1], 1, 'NX', 'EX', 3600) then
        redis.call('HINCRBY', KEYS[2], ARGV[1], ARGV[2])
        return 1
    end
    return 0
    """
    return r.eval(source, 2, f"counted:{entry}", "boarded", flight, people) == 1


def wrong_all_end_with_the_first(r, entry, flight, people):
    """ten minutes later"""
    source = """
    local new = redis.call('SADD', KEYS[1], ARGV[3])
    redis.call('EXPIRE', KEYS[1], 86400, 'NX')
    if new == 1 then redis.call('HINCRBY', KEYS[2], ARGV[1], ARGV[2]) end
    return new
    """
    return r.eval(source, 2, "counted", "boarded", flight, people, entry) == 1


def wrong_once_a_flight(r, entry, flight, people):
    """another entry"""
    source = """
    if redis.call('SET', KEYS[1], 1, 'NX', 'EX', 86400) then
        redis.call('HINCRBY', KEYS[2], ARGV[1], ARGV[2])
        return 1
    end
    return 0
    """
    return r.eval(source, 2, f"counted:{flight}", "boarded", flight, people) == 1


def wrong_place_in_the_stream(r, entry, flight, people):
    """came late"""
    source = """
    local ms, n = string.match(ARGV[3], '(%d+)-(%d+)')
    local before, m = string.match(redis.call('GET', KEYS[1]) or '0-0', '(%d+)-(%d+)')
    ms, n, before, m = tonumber(ms), tonumber(n), tonumber(before), tonumber(m)
    if ms < before or (ms == before and n <= m) then return 0 end
    redis.call('SET', KEYS[1], ARGV[3], 'EX', 90000)
    redis.call('HINCRBY', KEYS[2], ARGV[1], ARGV[2])
    return 1
    """
    return r.eval(source, 2, "counted:last", "boarded", flight, people, entry) == 1


_seen: set[str] = set()


def wrong_own_memory(r, entry, flight, people):
    """in your process"""
    from redis_lab.course.exercises.consumer_groups.once import _seen

    if (r.connection_pool.connection_kwargs["port"], entry) in _seen:
        return False
    _seen.add((r.connection_pool.connection_kwargs["port"], entry))
    return r.hincrby("boarded", flight, people) > 0


def check(trial):
    r = trial.r
    clock = [1_357_734_000_000]

    def entry():
        clock[0] += 1
        return f"{clock[0]}-0"

    def on(flight):
        said = r.hget("boarded", flight) if r.type("boarded") == "hash" else None
        return int(said or 0)

    first, second = entry(), entry()
    did = trial.run(first, "UA1545", 7)
    trial.require(
        on("UA1545") == 7 and did == 1,
        "7 people board UA1545",
        f"7 people boarded UA1545; it returned {did!r}, and boarded says {on('UA1545')}",
    )
    did = trial.run(first, "UA1545", 7)
    trial.require(
        on("UA1545") == 7 and did is not None and not did,
        "a second call for the same entry changes nothing, and says so",
        f"after a second call for the same entry it returned {did!r}, and boarded says "
        f"{on('UA1545')}, not 7",
    )
    trial.run(second, "UA1545", 7)
    trial.require(
        on("UA1545") == 14,
        "another entry of that flight counts",
        f"another entry of the same flight, with as many people, makes 14; there are "
        f"{on('UA1545')}",
    )
    early, late = entry(), entry()
    trial.run(late, "AA1141", 3)
    trial.run(early, "AA1141", 4)
    trial.require(
        on("AA1141") == 7,
        "one that comes late, behind younger ones, counts",
        f"an entry came late, behind a younger one, and was not counted: {on('AA1141')} of 7",
    )
    trial.run(f"{clock[0]}-1", "AA1141", 5)
    trial.require(
        on("AA1141") == 12,
        "one of the same millisecond counts",
        f"two entries of the same millisecond: {on('AA1141')} of 12",
    )
    kept = [key for key in trial.keyspace() if key != "boarded"]
    if not trial.expect(
        bool(kept),
        "what was counted is remembered on the server",
        "the server remembers nothing beside boarded: what is in your process, another worker "
        "does not know",
    ):
        return
    keys = {key: left for key, (_, left) in trial.keyspace().items() if key != "boarded"}
    endless = [key for key, left in keys.items() if left is None]
    trial.expect(
        not endless,
        "what remembers an entry ends some time",
        f"{', '.join(endless[:3])} has no end: it grows with every entry there ever was",
    )
    soon = {key: left for key, left in keys.items() if left is not None and left < DAY - 60}
    trial.expect(
        not soon,
        "and not within the day",
        "; ".join(f"{key} ends after {left:.0f} s, before the day is over" for key, left in
                  list(soon.items())[:2]),
    )  # fmt: skip
    if not endless and not soon:
        for key, left in keys.items():
            r.expire(key, round(left) - 600)
        trial.run(entry(), "AA1141", 5)
        longest = max(left for key, (_, left) in trial.keyspace().items() if key != "boarded")
        trial.expect(
            longest >= DAY - 60,
            "nor for one that comes later",
            f"an entry was counted ten minutes later; what remembers it ends in {longest:,.0f} s, "
            "with the first one, before the day is over",
        )
    trial.expect(
        trial.keyspace()["boarded"][1] is None,
        "boarded itself stays",
        "boarded has a time to live: the people of all flights go with it",
    )
    for after in (1, 2, 3, 4):
        both, flight, results = entry(), f"DL{after}", []

        def rival(both=both, flight=flight, results=results):
            results.append(trial.run(both, flight, 5))

        results.append(trial.run(both, flight, 5, between=rival, after=after))
        if len(results) == 1:
            break
        trial.expect(
            on(flight) == 5 and sum(map(bool, results)) == 1,
            "of two workers that have the same entry one counts it",
            f"two workers had the same entry of 5 people, the second came after trip {after} of "
            f"the first: they returned {results}, and boarded says {on(flight)}",
        )
    one = entry()
    results = trial.together([(one, "B6725", 2)] * 16)
    trial.expect(
        on("B6725") == 2 and sum(map(bool, results)) == 1,
        "nor do sixteen",
        f"sixteen had the same entry of 2 people: boarded says {on('B6725')}, and "
        f"{sum(map(bool, results))} say that it was theirs",
    )
    for torn in (False, True):
        for after in (1, 2, 3, 4, 5):
            one, flight = entry(), f"WN{after}{torn}"
            died = trial.crash(one, flight, 6, after=after, torn=torn)
            trial.run(one, flight, 6)
            half = "half a trip " if torn else ""
            what = "never counted" if on(flight) < 6 else "counted twice"
            trial.expect(
                on(flight) == 6,
                "a crash, and another try: counted once",
                f"it died {half}after trip {after} and was called again: {what}, boarded says "
                f"{on(flight)} of 6",
            )
            if not died:
                break
    for after in (1, 2, 3, 4):
        one, flight = entry(), f"MQ{after}"
        trial.run(one, flight, 6)
        died = trial.crash(one, flight, 6, after=after)
        trial.expect(
            on(flight) == 6,
            "nor does a crash of a second call change anything",
            f"an entry of 6 people had been counted; a second call died after trip {after}, and "
            f"left it counted twice: boarded says {on(flight)}",
        )
        if not died:
            break
