"""The newest wins: store an answer unless a newer one is there."""

NOTEBOOK = "31"
TITLE = "The newest wins"
HINTS = (
    "Between a look and a write there is room for another writer: both belong on the server.",
    "A script may decode what is stored: `cjson.decode(text).version`.",
    "Two numbers: `tonumber(ARGV[2])`, or the one that cjson gives.",
    "`if had and cjson.decode(had).version >= mine then return 0 end`; else `SET … EX`.",
)
WHY = (
    "With versions nobody deletes and nobody waits, and the last to arrive need not be the last to "
    "have asked. It holds for as long as there is something to compare with: what is evicted or "
    "expired defends itself no longer."
)


def stub(r, key, answer, ttl):
    """Keep answer, unless its version or a newer one is there; whether it was kept."""


def solution(r, key, answer, ttl):
    import json

    script = """local had = redis.call('GET', KEYS[1])
        if had and cjson.decode(had).version >= cjson.decode(ARGV[1]).version then return 0 end
        redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
        return 1"""
    return bool(r.eval(script, 1, key, json.dumps(answer), ttl))


def wrong_looks_first(r, key, answer, ttl):
    """another came between"""
    import json

    had = r.get(key)
    if had and json.loads(had)["version"] >= answer["version"]:
        return False
    return bool(r.set(key, json.dumps(answer), ex=ttl))


def wrong_as_text(r, key, answer, ttl):
    """as text"""
    import json

    script = """local had = redis.call('GET', KEYS[1])
        if had and tostring(cjson.decode(had).version) >= ARGV[3] then return 0 end
        redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
        return 1"""
    return bool(r.eval(script, 1, key, json.dumps(answer), ttl, str(answer["version"])))


def wrong_first_wins(r, key, answer, ttl):
    """newer one was refused"""
    import json

    return bool(r.set(key, json.dumps(answer), ex=ttl, nx=True))


def wrong_prolongs(r, key, answer, ttl):
    """prolonged"""
    import json

    script = """local had = redis.call('GET', KEYS[1])
        redis.call('EXPIRE', KEYS[1], ARGV[2])
        if had and cjson.decode(had).version >= cjson.decode(ARGV[1]).version then return 0 end
        redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
        return 1"""
    return bool(r.eval(script, 1, key, json.dumps(answer), ttl))


def wrong_immortal(r, key, answer, ttl):
    """for ever"""
    import json

    script = """local had = redis.call('GET', KEYS[1])
        if had and cjson.decode(had).version >= cjson.decode(ARGV[1]).version then return 0 end
        redis.call('SET', KEYS[1], ARGV[1])
        return 1"""
    kept = r.eval(script, 1, key, json.dumps(answer), ttl)
    if kept:
        r.expire(key, ttl)
    return bool(kept)


def check(trial):
    import json

    def answer(version):
        return {"minutes": 700 - version, "version": version}

    def stored(key):
        text = trial.r.get(key) if trial.r.type(key) == "string" else None
        try:
            return json.loads(text or "null")
        except ValueError:
            return text

    kept = trial.run("plane:N1", answer(9), 100)
    trial.require(
        kept is True and stored("plane:N1") == answer(9),
        "where nothing is, the answer is kept as JSON, and it says True",
        f"it said {kept!r}, and the key has {stored('plane:N1')}",
    )
    for version, want, why in (
        (10, True, "a newer one was refused: 10 is more than 9, but not as text"),
        (11, True, "a newer one was refused"),
        (8, False, "an older one replaced it"),
        (11, False, "the same version was stored again"),
        (100, True, "a newer one was refused: 100 is more than 11, but not as text"),
        (10**12, True, "a newer one was refused: a million million"),
        (10**12 - 1, False, "an older one replaced it: a million million, less one"),
    ):
        before = stored("plane:N1")
        kept = trial.run("plane:N1", answer(version), 100)
        left = answer(version) if want else before
        trial.expect(
            kept is want and stored("plane:N1") == left,
            f"version {version} after {before.get('version')}: {want}",
            f"{why}; it said {kept!r}, and there is {stored('plane:N1')}",
        )
    trial.r.expire("plane:N1", 40)
    trial.run("plane:N1", answer(3), 100)
    left = trial.r.ttl("plane:N1")
    trial.expect(
        left <= 40,
        "what is refused leaves the time to live as it was",
        f"what was refused prolonged the life of what is there, from 40 s to {left} s",
    )
    trial.run("plane:N1", answer(2 * 10**12), 100)
    left = trial.r.ttl("plane:N1")
    trial.expect(
        40 < left <= 100, "what is kept lives for ttl seconds", f"it has {left} s, ttl was 100"
    )

    came = []

    def newer():
        came.append(trial.r.set("plane:N2", json.dumps(answer(7)), ex=100))

    for after in (1, 2, 3):
        trial.r.set("plane:N2", json.dumps(answer(5)), ex=100)
        trial.run("plane:N2", answer(6), 100, between=newer, after=after)
        trial.expect(
            stored("plane:N2") == answer(7 if came else 6),
            f"nothing newer is lost that comes after {after} trips",
            "another came between your look and your write: version 7 was there, and is "
            f"{stored('plane:N2')} now",
        )
        came.clear()
    trial.together([("plane:N3", answer(version), 100) for version in range(1, 17)])
    trial.expect(
        stored("plane:N3") == answer(16),
        "of sixteen at once the newest stays",
        f"of versions 1 to 16 at once this stayed: {stored('plane:N3')}",
    )
    for after in (1, 2):
        trial.r.delete("plane:N4")
        trial.crash("plane:N4", answer(1), 100, after=after)
        trial.expect(
            trial.r.ttl("plane:N4") != -1,
            f"a crash after {after} trips leaves nothing immortal",
            f"its process died after {after} trips, and the key lives for ever",
        )
    trips = max(trial.trips_of("plane:N5", answer(1), 100) for _ in range(2))
    trial.expect(trips == 1, "a call is one trip", f"a call took {trips} trips")
