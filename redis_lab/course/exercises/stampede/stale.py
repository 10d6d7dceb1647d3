"""Serve the old value while one caller computes the new one."""

NOTEBOOK = "33"
TITLE = "Old, but at once"
HINTS = (
    "`GET` and `PTTL` in one pipeline: the value, and by what it has left, its age.",
    "It is stale once it has less than `ttl - fresh` left. `SET … NX PX 10000` finds the one who "
    "computes; all others return what they hold.",
    "Only where there is an old value, `except Exception: return` it, and store nothing.",
)
WHY = (
    "Nobody waits for a value that may be old, and a database that is down is nobody's problem "
    "until the old value's time is over. What it costs is age, so the age needs a bound."
)


def stub(r, key, load, fresh, ttl):
    """What is kept under key as JSON; stale, it is answered at once and computed anew by one."""


def solution(r, key, load, fresh, ttl):
    import json

    text, left = r.pipeline(transaction=False).get(key).pttl(key).execute()
    stale = left <= 1000 * (ttl - fresh)
    if text is not None and not (stale and r.set(f"refreshing:{key}", 1, nx=True, px=10_000)):
        return json.loads(text)
    try:
        text = json.dumps(load())
        r.set(key, text, px=int(1000 * ttl))
    except Exception:
        if text is None:
            raise
    r.delete(f"refreshing:{key}")
    return json.loads(text)


def wrong_all_refresh(r, key, load, fresh, ttl):
    """asked load() as well"""
    import json

    text, left = r.pipeline(transaction=False).get(key).pttl(key).execute()
    if text is not None and left > 1000 * (ttl - fresh):
        return json.loads(text)
    try:
        text = json.dumps(load())
        r.set(key, text, px=int(1000 * ttl))
    except Exception:
        if text is None:
            raise
    return json.loads(text)


def wrong_others_wait(r, key, load, fresh, ttl):
    """was made to wait"""
    import json
    from threading import Event

    while True:
        text, left = r.pipeline(transaction=False).get(key).pttl(key).execute()
        if text is not None and left > 1000 * (ttl - fresh):
            return json.loads(text)
        if r.set(f"refreshing:{key}", 1, nx=True, px=10_000):
            break
        Event().wait(0.01)
    try:
        text = json.dumps(load())
        r.set(key, text, px=int(1000 * ttl))
    except Exception:
        if text is None:
            raise
    finally:
        r.delete(f"refreshing:{key}")
    return json.loads(text)


def wrong_error_reaches(r, key, load, fresh, ttl):
    """though an old value was at hand"""
    import json

    text, left = r.pipeline(transaction=False).get(key).pttl(key).execute()
    stale = left <= 1000 * (ttl - fresh)
    if text is not None and not (stale and r.set(f"refreshing:{key}", 1, nx=True, px=10_000)):
        return json.loads(text)
    try:
        text = json.dumps(load())
        r.set(key, text, px=int(1000 * ttl))
    finally:
        r.delete(f"refreshing:{key}")
    return json.loads(text)


def wrong_error_makes_young(r, key, load, fresh, ttl):
    """as if it were new"""
    import json

    text, left = r.pipeline(transaction=False).get(key).pttl(key).execute()
    stale = left <= 1000 * (ttl - fresh)
    if text is not None and not (stale and r.set(f"refreshing:{key}", 1, nx=True, px=10_000)):
        return json.loads(text)
    try:
        text = json.dumps(load())
    except Exception:
        if text is None:
            raise
    r.set(key, text, px=int(1000 * ttl))
    r.delete(f"refreshing:{key}")
    return json.loads(text)


def wrong_immortal_lock(r, key, load, fresh, ttl):
    """would stay old"""
    import json

    text, left = r.pipeline(transaction=False).get(key).pttl(key).execute()
    stale = left <= 1000 * (ttl - fresh)
    if text is not None and not (stale and r.setnx(f"refreshing:{key}", 1)):
        return json.loads(text)
    try:
        text = json.dumps(load())
        r.set(key, text, px=int(1000 * ttl))
    except Exception:
        if text is None:
            raise
    r.delete(f"refreshing:{key}")
    return json.loads(text)


def wrong_lives_for_fresh(r, key, load, fresh, ttl):
    """of 100"""
    import json

    text = r.get(key)
    if text is None:
        text = json.dumps(load())
        r.set(key, text, px=int(1000 * fresh))
    return json.loads(text)


def check(trial):
    import json

    from redis_lab.course.answers import Refused

    def empty():
        for key in list(trial.r.scan_iter()):
            trial.r.delete(key)

    loads = []

    def loader(value, *steps):
        def load():
            loads.append(value)
            for step in steps:
                step()
            return value

        return load

    def put(key, left=30):
        """An old value: 70 of its 100 seconds are over."""
        empty()
        loads.clear()
        trial.r.set(key, json.dumps("old"), ex=left)

    def immortal():
        return [name for name, (_, left) in trial.keyspace().items() if left is None]

    first = trial.run("page", loader("first"), 20, 100)
    trial.require(
        first == "first", "it answers what load() gave", f"load() gave first, you {first}"
    )
    text, life = trial.r.get("page"), trial.r.ttl("page")
    trial.require(
        text is not None and json.loads(text) == "first" and 90 < life <= 100,
        "it is kept under the key, as JSON, for ttl seconds",
        f"under the key there is {text!r}, for {life} s of 100",
    )
    loads.clear()
    trips = trial.trips_of("page", loader("again"), 20, 100)
    trial.expect(
        trips <= 1 and not loads,
        "a fresh value is one trip, and asks nobody",
        f"a fresh value took {trips} trips, and asked load() {len(loads)} times",
    )
    put("page", 81)
    given = trial.run("page", loader("new"), 20, 100)
    trial.expect(given == "old" and not loads, "19 s is young", "at 19 s of 20 it was refreshed")

    put("page")
    given = trial.run("page", loader("new"), 20, 100)
    now, life = json.loads(trial.r.get("page") or "null"), trial.r.ttl("page")
    trial.require(
        given in ("old", "new") and loads == ["new"],
        "a stale value is answered and computed anew",
        f"a stale value gave {given!r}, and load() was asked {len(loads)} times",
    )
    trial.expect(
        now == "new" and 90 < life <= 100,
        "the new one is kept for ttl seconds",
        f"after that there is {now!r}, for {life} s of 100",
    )
    loads.clear()
    trial.r.expire("page", 30)
    trial.run("page", loader("newer"), 20, 100)
    trial.expect(
        trial.r.get("page") == '"newer"' or not immortal(),
        "later it is refreshed again",
        "once refreshed, it stays for ever",
    )

    put("page")
    seen = []

    def second():
        before = trial.seconds
        trial.seconds = 2.5
        try:
            seen.append(trial.run("page", loader("second"), 20, 100))
        except Refused as refusal:
            seen.append(f"it waited ({refusal})")
        finally:
            trial.seconds = before

    trial.run("page", loader("new", second), 20, 100)
    trial.expect(
        "second" not in loads,
        "meanwhile a second caller asks nobody",
        "while one was computing, a second caller asked load() as well",
    )
    trial.expect(
        seen == ["old"] or "second" in loads,
        "it gets the old value at once",
        f"while one was computing, a second caller was made to wait: {seen}",
    )

    class OriginDown(Exception):
        pass

    def fails():
        raise OriginDown("the origin is down")

    put("page")
    try:
        given = trial.run("page", fails, 20, 100)
    except Refused as refusal:
        given = str(refusal)
    trial.expect(
        given == "old",
        "if load() raises, the old value is the answer",
        f"load() raised, and so did it, though an old value was at hand: {given}",
    )
    text, life = trial.r.get("page"), trial.r.ttl("page")
    trial.expect(
        text == '"old"' and 0 < life <= 30,
        "and it grows no younger",
        f"load() raised, and {text!r} is kept for {life} s as if it were new",
    )
    empty()
    try:
        given = f"it answered {trial.run('page', fails, 20, 100)!r}"
    except Refused as refusal:
        given = "" if "OriginDown" in str(refusal) else str(refusal)
    trial.expect(
        not given and not trial.r.exists("page"),
        "where nothing is, the error reaches the caller and is not kept",
        f"with nothing at hand load() raised, and {given or 'something was kept'}",
    )
    loads.clear()
    trial.run("none", loader(None), 20, 100)
    trial.run("none", loader("again"), 20, 100)
    trial.expect(loads == [None], "None is a value", "None was taken for nothing")

    for after in range(1, 6):
        put("page")
        trial.crash("page", loader("new"), 20, 100, after=after)
        trial.expect(
            not immortal(),
            f"a crash after {after} trips leaves nothing immortal",
            f"after {after} trips it died, and {immortal()} is for ever: the page would stay old",
        )
        longest = max((left or 0 for name, (_, left) in trial.keyspace().items() if name != "page"),
                      default=0)  # fmt: skip
        trial.expect(
            longest <= 10,
            "others may refresh 10 seconds later",
            f"after {after} trips it died, and keeps others from it for {longest:.0f} s",
        )
