"""All legs of a journey or none: a bounded counter on each, and nothing half done."""

NOTEBOOK = "22"
TITLE = "Both flights or none"
HINTS = (
    "One script over all keys. A script that stops has done what it has done: so when should it "
    "write for the first time?",
    "First look at every leg, and note nothing; only if all have room, a second loop takes the "
    "seats.",
    "`GET` of a key that isn't there is `false`; of a list it is an error. Both must come up in "
    "the first loop. And '12.5' is a number for `tonumber`, but not for `DECRBY`: "
    "`text:find('^%d+$')` tells whole ones.",
    "A leg may be in the journey twice: it needs room for both. Count what you want of each key, "
    "or take and give back.",
)
WHY = (
    "A script has no rollback. Look at everything first, write when nothing can fail any more: "
    "then an error leaves the data as it was, whatever it is."
)


def stub(r, legs, party):
    """Take so many seats of each leg (keys seats:<leg>), or none at all.

    The seats left of each leg, in order; None if one of them has too few, or is not on sale.
    """


def solution(r, legs, party):
    source = """
        local wanted = {}
        for _, key in ipairs(KEYS) do
            wanted[key] = (wanted[key] or 0) + ARGV[1]
            local free = redis.call('GET', key) or '0'
            if not free:find('^%d+$') or tonumber(free) < wanted[key] then return nil end
        end
        local left = {}
        for at, key in ipairs(KEYS) do left[at] = redis.call('DECRBY', key, ARGV[1]) end
        return left
    """
    return r.eval(source, len(legs), *[f"seats:{leg}" for leg in legs], party)


def wrong_takes_lua_for_the_judge(r, legs, party):
    """holds 12.5 by mistake"""
    source = """
        local wanted = {}
        for _, key in ipairs(KEYS) do
            wanted[key] = (wanted[key] or 0) + ARGV[1]
            if tonumber(redis.call('GET', key) or 0) < wanted[key] then return nil end
        end
        local left = {}
        for at, key in ipairs(KEYS) do left[at] = redis.call('DECRBY', key, ARGV[1]) end
        return left
    """
    return r.eval(source, len(legs), *[f"seats:{leg}" for leg in legs], party)


def wrong_one_after_the_other(r, legs, party):
    """keeps the seats of the first"""
    source = """
        local left = {}
        for at, key in ipairs(KEYS) do
            if tonumber(redis.call('GET', key) or 0) < tonumber(ARGV[1]) then return nil end
            left[at] = redis.call('DECRBY', key, ARGV[1])
        end
        return left
    """
    return r.eval(source, len(legs), *[f"seats:{leg}" for leg in legs], party)


def wrong_gives_back(r, legs, party):
    """an error on the second leg"""
    source = """
        local left = {}
        for at, key in ipairs(KEYS) do
            left[at] = redis.call('DECRBY', key, ARGV[1])
            if left[at] < 0 then
                for back = 1, at do redis.call('INCRBY', KEYS[back], ARGV[1]) end
                if left[at] == -tonumber(ARGV[1]) then redis.call('DEL', key) end
                return nil
            end
        end
        return left
    """
    return r.eval(source, len(legs), *[f"seats:{leg}" for leg in legs], party)


def wrong_compares_texts(r, legs, party):
    """compared as texts"""
    source = """
        for _, key in ipairs(KEYS) do
            if (redis.call('GET', key) or '0') < ARGV[1] then return nil end
        end
        local left = {}
        for at, key in ipairs(KEYS) do left[at] = redis.call('DECRBY', key, ARGV[1]) end
        return left
    """
    return r.eval(source, len(legs), *[f"seats:{leg}" for leg in legs], party)


def wrong_same_leg_twice(r, legs, party):
    """fewer than none"""
    source = """
        for _, key in ipairs(KEYS) do
            if tonumber(redis.call('GET', key) or 0) < tonumber(ARGV[1]) then return nil end
        end
        local left = {}
        for at, key in ipairs(KEYS) do left[at] = redis.call('DECRBY', key, ARGV[1]) end
        return left
    """
    return r.eval(source, len(legs), *[f"seats:{leg}" for leg in legs], party)


def wrong_undeclared(r, legs, party):
    """KEYS does not name them"""
    source = """
        local wanted, left = {}, {}
        for at = 2, #ARGV do
            local key = 'seats:' .. ARGV[at]
            wanted[key] = (wanted[key] or 0) + ARGV[1]
            if tonumber(redis.call('GET', key) or 0) < wanted[key] then return nil end
        end
        for at = 2, #ARGV do
            left[at - 1] = redis.call('DECRBY', 'seats:' .. ARGV[at], ARGV[1])
        end
        return left
    """
    return r.eval(source, 0, party, *legs)


def wrong_looks_from_here(r, legs, party):
    """trips: somebody comes between"""
    keys = [f"seats:{leg}" for leg in legs]
    if any(
        int(free or 0) < party * keys.count(key)
        for key, free in zip(keys, r.mget(keys), strict=True)
    ):
        return None
    with r.pipeline() as pipe:
        for key in keys:
            pipe.decrby(key, party)
        return pipe.execute()


def check(trial):
    import contextlib

    from redis_lab.course.answers import Refused

    def free(**seats):
        trial.r.delete(*[f"seats:{leg}" for leg in seats])
        for leg, number in seats.items():
            if number is not None:
                trial.r.set(f"seats:{leg}", number)

    def left(*legs):
        return [trial.r.get(f"seats:{leg}") for leg in legs]

    free(UA1545=50, UA1714=3)
    got = trial.run(["UA1545", "UA1714"], 2)
    trial.require(
        got == [48, 1] and left("UA1545", "UA1714") == ["48", "1"],
        "two travel on both legs, and hear what is left of each",
        f"50 and 3 were free, two seats were asked for; it answered {got!r}, and there are "
        f"{left('UA1545', 'UA1714')}",
    )
    got = trial.run(["UA1545", "UA1714"], 2)
    trial.expect(
        got is None and left("UA1545", "UA1714") == ["48", "1"],
        "where the second leg is too full, none is booked",
        f"48 and 1 were free and two were asked for; it answered {got!r}, there are "
        f"{left('UA1545', 'UA1714')}: who could not travel keeps the seats of the first",
    )
    free(UA1545=50, DL1743=None)
    got = trial.run(["UA1545", "DL1743"], 1)
    trial.expect(
        got is None and left("UA1545", "DL1743") == ["50", None],
        "a leg that is not on sale has no seats",
        f"seats:DL1743 did not exist; it answered {got!r}, there are {left('UA1545', 'DL1743')}",
    )
    free(UA1545=50)
    trial.r.delete("seats:AA1141")
    trial.r.rpush("seats:AA1141", "12A", "12B")
    with contextlib.suppress(Refused):
        trial.run(["UA1545", "AA1141"], 1)
    trial.expect(
        left("UA1545") == ["50"],
        "an error leaves everything as it was",
        f"seats:AA1141 is a list by mistake, and there are {left('UA1545')[0]} of 50 seats on the "
        "other leg: an error on the second leg does not undo the first",
    )
    free(UA1545=50, AA1141="12.5")
    with contextlib.suppress(Refused):
        trial.run(["UA1545", "AA1141"], 1)
    trial.expect(
        left("UA1545", "AA1141") == ["50", "12.5"],
        "whatever the error is",
        f"seats:AA1141 holds 12.5 by mistake, and there are {left('UA1545')[0]} of 50 seats on "
        "the other leg: DECRBY counts whole numbers, and refused when the first leg was taken",
    )
    free(UA1545=100, B6725=9)
    got = trial.run(["UA1545", "B6725"], 9)
    again = trial.run(["UA1545"], 10)
    trial.expect(
        got == [91, 0] and again == [81],
        "a hundred is more than nine",
        f"100 and 9 were free; asked for 9 it answered {got!r}, then for 10 of the rest {again!r}: "
        "compared as texts, 100 comes before 9",
    )
    free(UA1545=3)
    got = trial.run(["UA1545", "UA1545"], 2)
    trial.expect(
        got is None and left("UA1545") == ["3"],
        "a leg that is there twice needs room for both",
        f"3 were free, the same leg was asked for twice with 2 each; it answered {got!r} and "
        f"{left('UA1545')[0]} are left: that can be fewer than none",
    )
    free(UA1545=50, UA1714=50)
    trial.r.expire("seats:UA1545", 1000)
    trips = min(trial.trips_of(["UA1545", "UA1714"], 1) for _ in range(2))
    trial.expect(
        0 < trial.r.ttl("seats:UA1545") <= 1000,
        "the time to live stays",
        "the key had a time to live, and has none now",
    )
    trial.expect(
        trips == 1,
        "nobody comes between its look and its write",
        f"a call took {trips} trips: somebody comes between them",
    )
    declared = _declared(trial, ["UA1545", "UA1714"])
    trial.expect(
        declared,
        "every key that it uses is one of KEYS",
        "it uses seats:UA1545 and seats:UA1714, and KEYS does not name them: on a cluster the call "
        "goes to any node",
    )
    free(UA1545=49, UA1714=49)
    many = trial.together([(["UA1545", "UA1714"], 2)] * 32)
    booked = [each for each in many if each is not None]
    trial.expect(
        len(booked) == 24 and left("UA1545", "UA1714") == ["1", "1"],
        "of 32 couples, 24 find room for 49",
        f"{len(booked)} couples were booked, and {left('UA1545', 'UA1714')} are left",
    )


def _declared(trial, legs):
    """Whether the keys are KEYS of the script, asked of the server, which logs what it was sent."""
    from redis.client import NEVER_DECODE

    trial.r.config_set("slowlog-log-slower-than", 0)
    trial.r.slowlog_reset()
    trial.run(legs, 1)
    trial.r.config_set("slowlog-log-slower-than", -1)
    named = set()
    for entry in trial.r.execute_command("SLOWLOG", "GET", 128, **{NEVER_DECODE: True}):
        words = entry[3]
        if words[0].upper().startswith((b"EVAL", b"FCALL")) and words[2] != b"0":
            named.update(trial.r.command_getkeys(*words))
    return {f"seats:{leg}" for leg in legs} <= named
