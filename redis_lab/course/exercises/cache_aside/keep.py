"""Cache a query: every value is a value, one trip a hit, and no crash leaves an immortal key."""

NOTEBOOK = "30"
TITLE = "Cache a query"
HINTS = (
    "The stored text tells a hit from a miss: `is None`, before anything is read from it.",
    "`json.dumps(None)` is the text `null`, which is true, and not None.",
    "`SET` takes the time to live along (`ex=`): with a second command a crash can come between.",
    "On a miss return `json.loads` of the text that you have stored.",
)
WHY = (
    "The look-up decides what a hit is, the value never does: else the answers None, 0 and [] go "
    "to the database for ever, and those are what a search without results gives."
)


def stub(r, key, load, ttl):
    """What is kept under key as JSON; else what load() gives, kept for ttl seconds."""


def solution(r, key, load, ttl):
    import json

    text = r.get(key)
    if text is None:
        text = json.dumps(load())
        r.set(key, text, ex=ttl)
    return json.loads(text)


def wrong_none_is_a_miss(r, key, load, ttl):
    """asked again for None"""
    import json

    text = r.get(key)
    value = json.loads(text) if text else None
    if value is None:
        text = json.dumps(load())
        r.set(key, text, ex=ttl)
    return json.loads(text)


def wrong_nothing_is_a_miss(r, key, load, ttl):
    """asked again for 0"""
    import json

    text = r.get(key)
    if text is None or (text != "null" and not json.loads(text)):
        text = json.dumps(load())
        r.set(key, text, ex=ttl)
    return json.loads(text)


def wrong_two_forms(r, key, load, ttl):
    """the miss gave"""
    import json

    text = r.get(key)
    if text is not None:
        return json.loads(text)
    value = load()
    r.set(key, json.dumps(value), ex=ttl)
    return value


def wrong_expire_behind(r, key, load, ttl):
    """for ever"""
    import json

    text = r.get(key)
    if text is None:
        text = json.dumps(load())
        r.set(key, text)
        r.expire(key, ttl)
    return json.loads(text)


def wrong_prolongs(r, key, load, ttl):
    """a hit prolonged it"""
    import json

    text = r.getex(key, ex=ttl)
    if text is None:
        text = json.dumps(load())
        r.set(key, text, ex=ttl)
    return json.loads(text)


def wrong_keeps_errors(r, key, load, ttl):
    """what load raised"""
    import json

    text = r.get(key)
    if text is None:
        try:
            text = json.dumps(load())
        except Exception:
            text = "null"
        r.set(key, text, ex=ttl)
    return json.loads(text)


def check(trial):
    import json

    from redis_lab.course.answers import Refused

    loads = []

    def loader(value):
        def load():
            loads.append(value)
            return value

        return load

    row = {"tailnum": "N14228", "flights": 111, "late": 24}
    first = trial.run("plane:N14228", loader(row), 100)
    trial.require(first == row, "it answers what load() gave", f"load() gave {row}, you {first}")
    loads.clear()
    again = trial.run("plane:N14228", loader({"flights": -1}), 100)
    trial.require(
        again == row and not loads,
        "the second call is answered from Redis",
        f"the second call gave {again}, and asked load() {len(loads)} times",
    )
    text = trial.r.get("plane:N14228") if trial.r.type("plane:N14228") == "string" else None
    try:
        stored = json.loads(text or "")
    except ValueError:
        stored = text
    trial.expect(
        stored == row, "it is kept under that key, as JSON", f"under that key there is {text!r}"
    )
    for value in (None, 0, False, "", [], {}):
        key = f"value:{value!r}"
        trial.run(key, loader(value), 100)
        loads.clear()
        given = trial.run(key, loader("another"), 100)
        trial.expect(
            given == value and type(given) is type(value) and not loads,
            f"{value!r} is a value",
            f"load() was asked again for {value!r}" if loads else f"{value!r} came as {given!r}",
        )
    months = {1: 25, 2: (3, 4)}
    given = [trial.run("months", loader(months), 100) for _ in range(2)]
    trial.expect(
        given[0] == given[1],
        "a miss gives the same as a hit",
        f"the miss gave {given[0]}, the hit {given[1]}: JSON had changed it",
    )
    trial.r.expire("months", 40)
    trial.run("months", loader(months), 100)
    lives = {key: left for key, (_, left) in trial.keyspace().items()}
    immortal = [key for key, left in lives.items() if left is None]
    trial.expect(not immortal, "every key ends", f"these live for ever: {immortal}")
    longest = max((left or 0 for left in lives.values()), default=0)
    trial.expect(longest <= 100, "after ttl seconds or sooner", f"one has {longest:.0f} s of 100")
    trial.expect(
        (lives.get("months") or 0) <= 40,
        "a hit leaves the time to live as it is",
        "a hit prolonged it: what is asked for often would never become fresh",
    )
    trips = trial.trips_of("months", loader(months), 100)
    missed = trial.trips_of("another", loader(1), 100)
    trial.expect(trips <= 1, "a hit is one trip", f"a hit took {trips} trips")
    trial.expect(missed <= 2, "a miss is two", f"a miss took {missed} trips")
    for after in (1, 2, 3):
        trial.r.delete("crashed")
        trial.crash("crashed", loader(1), 100, after=after)
        trial.expect(
            trial.r.ttl("crashed") != -1,
            f"a crash after {after} trips leaves nothing immortal",
            f"after {after} trips the process died, and the key lives for ever",
        )

    class OriginDown(Exception):
        pass

    def fails():
        raise OriginDown("the origin is down")

    try:
        given = trial.run("down", fails, 100)
        raised = f"it answered {given!r}"
    except Refused as refusal:
        raised = "" if "OriginDown" in str(refusal) else str(refusal)
    trial.expect(
        not raised and not trial.r.exists("down"),
        "what load() raises reaches the caller and is not kept",
        f"what load raised was kept or swallowed: {raised or 'there is a key now'}",
    )
