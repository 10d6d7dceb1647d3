"""Keep what isn't there, briefly; and know what there is."""

NOTEBOOK = "33"
TITLE = "What isn't there"
HINTS = (
    "`GET`, `SISMEMBER` and `EXISTS planes` fit into one pipeline.",
    "Text there, `null` too: a hit. No text, not a member, and the set exists: None, nothing kept.",
    "A set without members doesn't exist in Redis: `SISMEMBER` answers 0 for every name then.",
    "`r.set(key, text, ex=3600 if value is not None else 30)`, after `load` has returned.",
)
WHY = (
    "Names that don't exist are the cheapest attack on a database behind a cache. A kept None "
    "stops those that repeat, a set of all names the others, and only if its loss is noticed."
)


def stub(r, tailnum, load):
    """The plane, or None where there is no such plane."""


def solution(r, tailnum, load):
    import json

    key = f"plane:{tailnum}"
    pipe = r.pipeline(transaction=False)
    text, named, known = pipe.get(key).sismember("planes", tailnum).exists("planes").execute()
    if text is not None:
        return json.loads(text)
    if known and not named:
        return None
    value = load(tailnum)
    r.set(key, json.dumps(value), ex=30 if value is None else 3600)
    return value


def wrong_none_not_kept(r, tailnum, load):
    """asked of the origin again"""
    import json

    key = f"plane:{tailnum}"
    pipe = r.pipeline(transaction=False)
    text, named, known = pipe.get(key).sismember("planes", tailnum).exists("planes").execute()
    if text is not None:
        return json.loads(text)
    if known and not named:
        return None
    value = load(tailnum)
    if value is not None:
        r.set(key, json.dumps(value), ex=3600)
    return value


def wrong_none_for_an_hour(r, tailnum, load):
    """hides it"""
    import json

    key = f"plane:{tailnum}"
    pipe = r.pipeline(transaction=False)
    text, named, known = pipe.get(key).sismember("planes", tailnum).exists("planes").execute()
    if text is not None:
        return json.loads(text)
    if known and not named:
        return None
    value = load(tailnum)
    r.set(key, json.dumps(value), ex=3600)
    return value


def wrong_trusts_a_lost_set(r, tailnum, load):
    """the set was gone"""
    import json

    key = f"plane:{tailnum}"
    text, named = r.pipeline(transaction=False).get(key).sismember("planes", tailnum).execute()
    if text is not None:
        return json.loads(text)
    if not named:
        return None
    value = load(tailnum)
    r.set(key, json.dumps(value), ex=30 if value is None else 3600)
    return value


def wrong_keeps_wrong_names(r, tailnum, load):
    """fills the memory"""
    import json

    key = f"plane:{tailnum}"
    pipe = r.pipeline(transaction=False)
    text, named, known = pipe.get(key).sismember("planes", tailnum).exists("planes").execute()
    if text is not None:
        return json.loads(text)
    value = load(tailnum) if named or not known else None
    r.set(key, json.dumps(value), ex=30 if value is None else 3600)
    return value


def wrong_error_is_absence(r, tailnum, load):
    """the origin was down"""
    import json

    key = f"plane:{tailnum}"
    pipe = r.pipeline(transaction=False)
    text, named, known = pipe.get(key).sismember("planes", tailnum).exists("planes").execute()
    if text is not None:
        return json.loads(text)
    if known and not named:
        return None
    try:
        value = load(tailnum)
    except Exception:
        value = None
    r.set(key, json.dumps(value), ex=30 if value is None else 3600)
    return value


def wrong_set_before_cache(r, tailnum, load):
    """though it was kept"""
    import json

    key = f"plane:{tailnum}"
    pipe = r.pipeline(transaction=False)
    text, named, known = pipe.get(key).sismember("planes", tailnum).exists("planes").execute()
    if known and not named:
        return None
    if text is not None:
        return json.loads(text)
    value = load(tailnum)
    r.set(key, json.dumps(value), ex=30 if value is None else 3600)
    return value


def check(trial):
    import json

    from redis_lab.course.answers import Refused

    def empty():
        for key in list(trial.r.scan_iter()):
            trial.r.delete(key)

    asked, sky = [], {"N14228": {"flights": 111}, "N725MQ": {"flights": 575}, "N0NEW": None}

    def load(tailnum):
        asked.append(tailnum)
        return sky.get(tailnum)

    def find(tailnum):
        asked.clear()
        return trial.run(tailnum, load)

    trial.r.sadd("planes", *sky)
    given = find("N14228")
    trial.require(
        given == sky["N14228"], "it finds a plane", f"load gave {sky['N14228']}, and you {given}"
    )
    text, life = trial.r.get("plane:N14228"), trial.r.ttl("plane:N14228")
    trial.require(
        text is not None and json.loads(text) == sky["N14228"] and 3500 < life <= 3600,
        "it is kept as JSON for an hour",
        f"under plane:N14228 there is {text!r}, for {life} s",
    )
    given = find("N14228")
    trial.expect(
        given == sky["N14228"] and not asked,
        "the second time Redis answers",
        f"the second time it gave {given}, and asked {asked}",
    )
    trips = trial.trips_of("N14228", load)
    trial.expect(trips <= 1, "in one trip", f"a hit took {trips} trips")

    given = find("N0NEW")
    life = trial.r.ttl("plane:N0NEW")
    trial.expect(
        given is None and life <= 30,
        "an absence lives for 30 seconds at most",
        f"N0NEW may fly tomorrow; a None kept for {life} s hides it",
    )
    given = find("N0NEW")
    trial.expect(
        given is None and not asked,
        "until then it is not asked for again",
        "what isn't there was asked of the origin again",
    )

    before = set(trial.r.scan_iter())
    given = [find(f"X{number}") for number in range(3)]
    trial.expect(
        given == [None] * 3 and not asked,
        "a name that is not in the set is None without the origin",
        f"of wrong names it made {given}, and asked the origin for {asked}",
    )
    more = sorted(set(trial.r.scan_iter()) - before)
    trial.expect(
        not more,
        "and without a key",
        f"wrong names left {more}: whoever invents enough of them fills the memory",
    )
    trips = trial.trips_of("X4", load)
    trial.expect(trips <= 2, "in two trips or fewer", f"a wrong name took {trips} trips")

    trial.r.srem("planes", "N14228")
    given = find("N14228")
    trial.expect(
        given == sky["N14228"],
        "what is kept is answered, whatever the set says",
        f"N14228 is not in the set, and it gave {given} though it was kept",
    )
    trial.r.delete("planes")
    given = find("N725MQ")
    trial.expect(
        given == sky["N725MQ"],
        "a lost set is noticed: the origin is asked",
        f"the set was gone, and with it every plane: it gave {given} for N725MQ",
    )
    given = find("X5")
    life = trial.r.ttl("plane:X5")
    trial.expect(
        given is None and asked == ["X5"] and life <= 30 and life != -1,
        "also for what isn't there, which is kept briefly",
        f"without the set it gave {given} for X5, asked {asked}, and kept that for {life} s",
    )

    def down(tailnum):
        raise TimeoutError(f"no answer about {tailnum}: the origin is down")

    trial.r.delete("plane:N14228")
    try:
        said = f"it gave {trial.run('N14228', down)!r}"
    except Refused as refusal:
        said = "" if "no answer about" in str(refusal) else str(refusal)
    trial.expect(
        not said and not trial.r.exists("plane:N14228"),
        "an error is no absence: it reaches the caller and is not kept",
        f"the origin was down, and {said or 'something was kept'}",
    )
    stays = [name for name, (_, left) in trial.keyspace().items() if left is None]
    trial.expect(not stays, "nothing lives for ever", f"these live for ever: {stays}")
    for after in (1, 2, 3):
        empty()
        trial.crash("N725MQ", load, after=after)
        trial.expect(
            trial.r.ttl("plane:N725MQ") != -1,
            f"a crash after {after} trips leaves nothing immortal",
            f"after {after} trips it died, and the key lives for ever",
        )
