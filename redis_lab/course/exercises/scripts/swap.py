"""Compare and set: write only over what was read, in one trip and with one script."""

NOTEBOOK = "22"
TITLE = "Only if it is still C120"
HINTS = (
    "Read, compare and write in one script; the names and values come in as KEYS and ARGV.",
    "A key that isn't there answers `false` in Lua, not `nil`. And `None` can't be an argument: "
    "how do you tell the script that nothing was read?",
    "Send `old` only if there is one: without it, `ARGV[2]` is nil. Then `redis.call('GET', "
    "KEYS[1]) ~= (ARGV[2] or false)` is the case in which nothing is written.",
    "`SET … KEEPTTL` leaves the end where it was.",
)
WHY = (
    "This is what WATCH is mostly used for, in one trip and without a retry loop around the "
    "network. Whoever hears False reads again and decides anew. Redis 8.4 has it built in: "
    "`SET … IFEQ`."
)


def stub(r, key, old, new):
    """Write new if the key still holds old (None: is not there); True if it was written.

    Its time to live stays as it is.
    """


def solution(r, key, old, new):
    source = """
        if redis.call('GET', KEYS[1]) ~= (ARGV[2] or false) then return 0 end
        redis.call('SET', KEYS[1], ARGV[1], 'KEEPTTL')
        return 1
    """
    known = [] if old is None else [old]
    return r.eval(source, 1, key, new, *known) == 1


def wrong_read_then_write(r, key, old, new):
    """somebody else's gate was overwritten"""
    if r.get(key) != old:
        return False
    return bool(r.set(key, new, keepttl=True))


def wrong_pasted(r, key, old, new):
    """it is a new script for each value"""
    expected = "false" if old is None else f"'{old}'"
    return bool(
        r.eval(
            f"if redis.call('GET', KEYS[1]) ~= {expected} then return 0 end "
            f"redis.call('SET', KEYS[1], '{new}', 'KEEPTTL') return 1",
            1,
            key,
        )
    )


def wrong_immortal(r, key, old, new):
    """its time to live is gone"""
    source = """
        if redis.call('GET', KEYS[1]) ~= (ARGV[2] or false) then return 0 end
        redis.call('SET', KEYS[1], ARGV[1])
        return 1
    """
    return r.eval(source, 1, key, new, *([] if old is None else [old])) == 1


def wrong_nil(r, key, old, new):
    """a key that was not there was not written"""
    source = """
        if redis.call('GET', KEYS[1]) ~= ARGV[2] then return 0 end
        redis.call('SET', KEYS[1], ARGV[1], 'KEEPTTL')
        return 1
    """
    return r.eval(source, 1, key, new, *([] if old is None else [old])) == 1


def wrong_empty_for_none(r, key, old, new):
    """an empty gate is not a missing one"""
    source = """
        if (redis.call('GET', KEYS[1]) or '') ~= ARGV[2] then return 0 end
        redis.call('SET', KEYS[1], ARGV[1], 'KEEPTTL')
        return 1
    """
    return r.eval(source, 1, key, new, old or "") == 1


def wrong_as_numbers(r, key, old, new):
    """holds text that only looks like the same number"""
    source = """
        local now, old = redis.call('GET', KEYS[1]), ARGV[2] or false
        local same = tonumber(now or '') and tonumber(now) == tonumber(old or '')
        if now ~= old and not same then return 0 end
        redis.call('SET', KEYS[1], ARGV[1], 'KEEPTTL')
        return 1
    """
    return r.eval(source, 1, key, new, *([] if old is None else [old])) == 1


def wrong_watch(r, key, old, new):
    """trips: one would do"""
    import redis

    with r.pipeline() as pipe:
        try:
            pipe.watch(key)
            if pipe.get(key) != old:
                return False
            pipe.multi()
            return bool(pipe.set(key, new, keepttl=True).execute()[0])
        except redis.WatchError:
            return False


def check(trial):
    key = "gate:UA1545"
    trial.r.set(key, "C120", ex=1000)
    first = trial.run(key, "C120", "C130")
    trial.require(
        trial.r.get(key) == "C130" and first is True,
        "it writes over what was read, and says True",
        f"the gate was C120, as read; it answered {first!r} and the gate is {trial.r.get(key)!r}",
    )
    trial.expect(
        0 < trial.r.ttl(key) <= 1000,
        "the time to live stays",
        "the key had 1,000 s to live, and "
        + (
            f"has {trial.r.ttl(key):,} s now"
            if trial.r.ttl(key) > 0
            else "its time to live is gone"
        ),
    )
    second = trial.run(key, "C120", "C99")
    trial.expect(
        second is False and trial.r.get(key) == "C130",
        "what is old by now writes nothing, and says False",
        f"the gate was C130, not C120; it answered {second!r} and the gate is {trial.r.get(key)!r}",
    )
    free = trial.run("gate:B6725", None, "B42")
    trial.expect(
        free is True and trial.r.get("gate:B6725") == "B42",
        "None stands for a key that is not there",
        f"a key that was not there was not written: it answered {free!r} and the gate is "
        f"{trial.r.get('gate:B6725')!r}",
    )
    taken = trial.run("gate:B6725", None, "B44")
    gone = trial.run("gate:DL1743", "D12", "D14")
    trial.r.set("gate:AA1141", "")
    empty = trial.run("gate:AA1141", None, "A1")
    trial.expect(
        taken is False and trial.r.get("gate:B6725") == "B42",
        "and only for that",
        f"gate B42 was there, None was read; it answered {taken!r}, and the gate is "
        f"{trial.r.get('gate:B6725')!r}",
    )
    trial.expect(
        gone is False and not trial.r.exists("gate:DL1743"),
        "what has gone meanwhile is not written again",
        f"the key had expired, D12 was read; it answered {gone!r}",
    )
    trial.expect(
        empty is False and trial.r.get("gate:AA1141") == "",
        "an empty text is there",
        f"the gate was an empty text, and None was read; it answered {empty!r}: an empty gate is "
        "not a missing one",
    )
    trial.r.set("gate:9E3538", "012")
    same = trial.run("gate:9E3538", "12", "13")
    trial.expect(
        same is False,
        "texts are compared, not numbers",
        "the key holds text that only looks like the same number: 012 is not 12",
    )
    trial.r.set("gate:EV4321", "C1")
    mine = trial.run("gate:EV4321", "C1", "C2", between=lambda: trial.r.set("gate:EV4321", "X9"))
    trips = trial.trips_of("gate:EV4321", trial.r.get("gate:EV4321"), "C3")
    trial.expect(
        trips > 1 or mine is True,
        "nobody comes between",
        "one trip, and what was still there was not written",
    )
    if trips > 1:
        trial.expect(
            mine is False,
            "nobody comes between",
            "another desk wrote X9 between two of its trips, and it answered True: somebody "
            "else's gate was overwritten",
        )
        trial.expect(False, "it is one trip", f"a call took {trips} trips: one would do")
    trial.r.script_flush()
    for number in range(20):
        trial.run("gate:UA1714", None if number == 0 else f"C{number}", f"C{number + 1}")
    cached = trial.r.info("memory")["number_of_cached_scripts"]
    trial.expect(
        cached <= 2,
        "twenty calls are one script",
        f"after twenty calls the server keeps {cached} scripts: it is a new script for each value",
    )
    odd = "it's 'C' \"99\"\n-- {}"
    trial.r.set("gate:US1843", odd)
    quoted = trial.run("gate:US1843", odd, odd + odd)
    trial.expect(
        quoted is True and trial.r.get("gate:US1843") == odd + odd,
        "quotes and line ends are values like others",
        f"a value with quotes was read, it answered {quoted!r}",
    )
