"""One computation over all processes: a claim in Redis that ends whatever happens."""

NOTEBOOK = "33"
TITLE = "Exactly one computation"
HINTS = (
    "`SET claim token NX PX …` is granted to one. Its time to live is for a holder that is killed.",
    "Between your `GET` and your claim another may have stored, and given back: with the claim in "
    "hand, look once more.",
    "Store first, give back then; and give back in a `finally`, so that an error does too.",
    "Give back only what is still yours: a script that compares the token and deletes (or `DELEX` "
    "since 8.4). Who doesn't get the claim pauses a few milliseconds and begins again.",
)
WHY = (
    "A hot key that expires asks the database as often as there are threads. The claim leaves one "
    "question; its random value, second look and `finally` are what the usual eight lines lack."
)


def stub(r, key, load, ttl, patience):
    """What is kept under key as JSON, computed by one caller where nothing is."""


def solution(r, key, load, ttl, patience):
    import json
    import secrets
    from threading import Event

    mine, token = f"claim:{key}", secrets.token_hex(8)
    give = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1])"
    while (text := r.get(key)) is None:
        if not r.set(mine, token, nx=True, px=int(1000 * patience)):
            Event().wait(0.01)
            continue
        try:
            if (text := r.get(key)) is None:
                text = json.dumps(load())
                r.set(key, text, px=int(1000 * ttl))
        finally:
            r.eval(give, 1, mine, token)
    return json.loads(text)


def wrong_no_claim(r, key, load, ttl, patience):
    """callers at once asked load()"""
    import json

    text = r.get(key)
    if text is None:
        text = json.dumps(load())
        r.set(key, text, px=int(1000 * ttl))
    return json.loads(text)


def wrong_local_lock(r, key, load, ttl, patience):
    """another process"""
    import json
    import threading

    lock = globals().setdefault("_lock", threading.Lock())
    text = r.get(key)
    if text is None:
        with lock:
            text = r.get(key)
            if text is None:
                text = json.dumps(load())
                r.set(key, text, px=int(1000 * ttl))
    return json.loads(text)


def wrong_no_second_look(r, key, load, ttl, patience):
    """was there already"""
    import json
    import secrets
    from threading import Event

    mine, token = f"claim:{key}", secrets.token_hex(8)
    give = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1])"
    while (text := r.get(key)) is None:
        if not r.set(mine, token, nx=True, px=int(1000 * patience)):
            Event().wait(0.01)
            continue
        try:
            text = json.dumps(load())
            r.set(key, text, px=int(1000 * ttl))
        finally:
            r.eval(give, 1, mine, token)
    return json.loads(text)


def wrong_error_keeps_the_claim(r, key, load, ttl, patience):
    """load had raised"""
    import json
    import secrets
    from threading import Event

    mine, token = f"claim:{key}", secrets.token_hex(8)
    give = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1])"
    while (text := r.get(key)) is None:
        if not r.set(mine, token, nx=True, px=int(1000 * patience)):
            Event().wait(0.01)
            continue
        if (text := r.get(key)) is None:
            text = json.dumps(load())
            r.set(key, text, px=int(1000 * ttl))
        r.eval(give, 1, mine, token)
    return json.loads(text)


def wrong_immortal_claim(r, key, load, ttl, patience):
    """nobody will ever"""
    import json
    from threading import Event

    mine = f"claim:{key}"
    while (text := r.get(key)) is None:
        if not r.setnx(mine, "1"):
            Event().wait(0.01)
            continue
        try:
            if (text := r.get(key)) is None:
                text = json.dumps(load())
                r.set(key, text, px=int(1000 * ttl))
        finally:
            r.delete(mine)
    return json.loads(text)


def wrong_ends_anothers(r, key, load, ttl, patience):
    """another's claim"""
    import json
    from threading import Event

    mine = f"claim:{key}"
    while (text := r.get(key)) is None:
        if not r.set(mine, "1", nx=True, px=int(1000 * patience)):
            Event().wait(0.01)
            continue
        try:
            if (text := r.get(key)) is None:
                text = json.dumps(load())
                r.set(key, text, px=int(1000 * ttl))
        finally:
            r.delete(mine)
    return json.loads(text)


def wrong_waits_for_the_value(r, key, load, ttl, patience):
    """waits for a dead holder"""
    import json
    import secrets
    from threading import Event

    mine, token = f"claim:{key}", secrets.token_hex(8)
    give = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1])"
    if (text := r.get(key)) is not None:
        return json.loads(text)
    if r.set(mine, token, nx=True, px=int(1000 * patience)):
        try:
            if (text := r.get(key)) is None:
                text = json.dumps(load())
                r.set(key, text, px=int(1000 * ttl))
        finally:
            r.eval(give, 1, mine, token)
    while (text := r.get(key)) is None:
        Event().wait(0.01)
    return json.loads(text)


def wrong_gives_back_first(r, key, load, ttl, patience):
    """before it had stored"""
    import json
    import secrets
    from threading import Event

    mine, token = f"claim:{key}", secrets.token_hex(8)
    give = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1])"
    while (text := r.get(key)) is None:
        if not r.set(mine, token, nx=True, px=int(1000 * patience)):
            Event().wait(0.01)
            continue
        if (text := r.get(key)) is None:
            try:
                text = json.dumps(load())
            finally:
                r.eval(give, 1, mine, token)
            r.set(key, text, px=int(1000 * ttl))
        else:
            r.eval(give, 1, mine, token)
    return json.loads(text)


def check(trial):
    import contextlib
    import json
    import threading

    from redis_lab.course.answers import Refused

    def empty():
        for key in list(trial.r.scan_iter()):
            trial.r.delete(key)

    loads, page = [], [{"id": "HA51-20130109-JFK", "dep_delay": 1301}]

    def loader(value=page, *steps):
        def load():
            loads.append(value)
            for step in steps:
                step()
            return value

        return load

    def others(key):
        return {name: state for name, state in trial.keyspace().items() if name != key}

    first = trial.run("page", loader(), 100, 30)
    trial.require(first == page, "it answers what load() gave", f"load() gave {page}, you {first}")
    text = trial.r.get("page") if trial.r.type("page") == "string" else None
    trial.require(
        text is not None and json.loads(text) == page and 0 < trial.r.ttl("page") <= 100,
        "it is kept under the key, as JSON, for ttl seconds",
        f"under the key there is {text!r}, for {trial.r.ttl('page')} s of 100",
    )
    loads.clear()
    trips = trial.trips_of("page", loader([]), 100, 30)
    trial.expect(
        trips <= 1 and not loads,
        "a hit is one trip, and asks nobody",
        f"a hit took {trips} trips, and asked load() {len(loads)} times",
    )
    trial.expect(
        not others("page"), "nothing else is left behind", f"it left {list(others('page'))}"
    )
    trial.run("none", loader(None), 100, 30)
    loads.clear()
    again = trial.run("none", loader([]), 100, 30)
    trial.expect(again is None and not loads, "None is a value", "None was computed once more")

    loads.clear()
    begun = threading.Event()
    slowly = loader(page, lambda: begun.wait(0.3))
    given = trial.together([("crowd", slowly, 100, 30)] * 8)
    trial.expect(
        len(loads) == 1,
        "8 callers at once ask load() one time",
        f"8 callers at once asked load() {len(loads)} times",
    )
    trial.expect(given == [page] * 8, "all 8 get its value", f"they got {given}")

    held = []
    trial.run("held", loader(page, lambda: held.append(others("held"))), 100, 30)
    claims = [name for name in held[0] if name not in ("page", "none", "crowd")] if held else []
    trial.require(
        bool(claims),
        "while it computes, all processes can see that in Redis",
        "while it computes, Redis knows nothing of it: another process would compute as well",
    )
    for name in claims:
        _, left = held[0][name]
        trial.expect(
            left is not None and left <= 30,
            "the claim ends after patience seconds",
            f"{name} has {left} s of 30: if its holder is killed, nobody will ever try"
            if left is None
            else f"{name} has {left:.0f} s, and patience is 30",
        )

    empty()
    loads.clear()

    def stored_meanwhile():
        if not others("late"):
            trial.r.set("late", json.dumps("theirs"), ex=100)
            loads.append("stored")

    given = trial.run("late", loader(), 100, 30, between=stored_meanwhile)
    trial.expect(
        page not in loads if "stored" in loads else True,
        "who gets the claim looks once more",
        "the value was there already when it got its claim, and it computed it again",
    )

    for after in range(1, 7):
        empty()
        loads.clear()
        gap = []

        def look():
            gap.append(bool(loads) and not trial.keyspace())  # noqa: B023

        trial.run("order", loader(), 100, 30, between=look, after=after)
        trial.expect(
            not any(gap),
            f"after {after} trips the value or the claim is there",
            "it gave its claim back before it had stored: who comes in between computes again",
        )

    class OriginDown(Exception):
        pass

    def fails():
        raise OriginDown("the origin is down")

    empty()
    try:
        given = trial.run("down", fails, 100, 30)
        said = f"it answered {given!r}"
    except Refused as refusal:
        said = "" if "OriginDown" in str(refusal) else str(refusal)
    trial.expect(not said, "what load() raises reaches the caller", f"load() raised, and {said}")
    trial.expect(
        not trial.keyspace(),
        "after an error the next one may try at once",
        f"load had raised, and {list(trial.keyspace())} stayed: all others wait for nothing",
    )

    for after in range(1, 6):
        empty()
        trial.crash("killed", loader(), 100, 30, after=after)
        stays = [name for name, (_, left) in trial.keyspace().items() if left is None]
        trial.expect(
            not stays,
            f"a crash after {after} trips leaves nothing immortal",
            f"after {after} trips its process died, and {stays} is for ever: nobody will ever try",
        )

    empty()
    name = claims[0].replace("held", "waits")
    trial.r.set(name, "of a dead holder", px=30_000)
    trial.seconds = 4.0
    try:
        ended = trial.run("waits", loader(), 100, 30, between=lambda: trial.r.delete(name), after=4)
        said = "" if ended == page else f"it answered {ended!r}"
    except Refused as refusal:
        said = str(refusal)
    trial.expect(
        not said,
        "who waits tries again, once the claim of a dead holder has ended",
        f"it waits for a dead holder even after the claim has ended: {said}",
    )

    empty()
    name = claims[0].replace("held", "slow")
    taken = loader(page, lambda: trial.r.set(name, "of another", px=30_000))
    with contextlib.suppress(Refused):  # redis-py's Lock tells of it by an error
        trial.run("slow", taken, 100, 30)
    trial.expect(
        trial.r.get(name) == "of another",
        "who is too slow leaves the claim of the next one alone",
        "its claim had run out and another had one; it ended another's claim",
    )
