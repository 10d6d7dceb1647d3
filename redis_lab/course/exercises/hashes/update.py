"""Change some fields, take away others, and hear what the object is now: one transaction."""

NOTEBOOK = "04"
TITLE = "Part of a flight"
HINTS = (
    "Name only the fields that change. What you read first is old when you write it.",
    "Two commands write: one sets fields, one removes them. A third tells what there is now.",
    "`r.pipeline()` sends all three in one trip, as a transaction. An empty mapping is an error in "
    "redis-py: ask for each command whether it has anything to do.",
    "Order matters: a hash that loses its last field is gone, and its time to live with it. Set "
    "first, remove afterwards.",
)
WHY = (
    "This is PATCH, as every service has it: what the caller names changes, the rest belongs to "
    "others. And the answer is what is stored, not what you believe is stored."
)


def stub(r, flight, changes):
    """Set these fields of the hash, remove those whose value is None; the flight as it is now."""


def solution(r, flight, changes):
    gone = [field for field, value in changes.items() if value is None]
    kept = {field: value for field, value in changes.items() if value is not None}
    with r.pipeline() as pipe:
        if kept:
            pipe.hset(flight, mapping=kept)
        if gone:
            pipe.hdel(flight, *gone)
        return pipe.hgetall(flight).execute()[-1]


def wrong_saves_the_whole(r, flight, changes):
    """was undone"""
    whole = r.hgetall(flight) | changes
    gone = [field for field, value in whole.items() if value is None]
    kept = {field: value for field, value in whole.items() if value is not None}
    with r.pipeline() as pipe:
        pipe.delete(flight) if not kept else pipe.hset(flight, mapping=kept)
        if gone:
            pipe.hdel(flight, *gone)
        pipe.execute()
    return kept


def wrong_starts_anew(r, flight, changes):
    """fields that nobody named are gone"""
    kept = {field: value for field, value in changes.items() if value is not None}
    with r.pipeline() as pipe:
        pipe.delete(flight)
        if kept:
            pipe.hset(flight, mapping=kept)
        return pipe.hgetall(flight).execute()[-1]


def wrong_empty_text(r, flight, changes):
    """is still there"""
    kept = {field: "" if value is None else value for field, value in changes.items()}
    with r.pipeline() as pipe:
        if kept:
            pipe.hset(flight, mapping=kept)
        return pipe.hgetall(flight).execute()[-1]


def wrong_removes_first(r, flight, changes):
    """its time to live went with it"""
    gone = [field for field, value in changes.items() if value is None]
    kept = {field: value for field, value in changes.items() if value is not None}
    with r.pipeline() as pipe:
        if gone:
            pipe.hdel(flight, *gone)
        if kept:
            pipe.hset(flight, mapping=kept)
        return pipe.hgetall(flight).execute()[-1]


def wrong_zero_is_nothing(r, flight, changes):
    """values too"""
    with r.pipeline() as pipe:
        for field, value in changes.items():
            if value:
                pipe.hset(flight, field, value)
        if gone := [field for field, value in changes.items() if not value]:
            pipe.hdel(flight, *gone)
        return pipe.hgetall(flight).execute()[-1]


def wrong_three_trips(r, flight, changes):
    """took 3 trips"""
    gone = [field for field, value in changes.items() if value is None]
    kept = {field: value for field, value in changes.items() if value is not None}
    if kept:
        r.hset(flight, mapping=kept)
    if gone:
        r.hdel(flight, *gone)
    return r.hgetall(flight)


def wrong_nothing_to_set(r, flight, changes):
    """nothing to set"""
    gone = [field for field, value in changes.items() if value is None]
    kept = {field: value for field, value in changes.items() if value is not None}
    with r.pipeline() as pipe:
        if gone and not kept:
            return {}
        if kept:
            pipe.hset(flight, mapping=kept)
        if gone:
            pipe.hdel(flight, *gone)
        return pipe.hgetall(flight).execute()[-1]


def wrong_answers_from_memory(r, flight, changes):
    """what another desk wrote is missing"""
    before = r.hgetall(flight)
    gone = [field for field, value in changes.items() if value is None]
    kept = {field: value for field, value in changes.items() if value is not None}
    with r.pipeline() as pipe:
        if kept:
            pipe.hset(flight, mapping=kept)
        if gone:
            pipe.hdel(flight, *gone)
        pipe.execute()
    return {field: str(value) for field, value in (before | changes).items() if value is not None}


def check(trial):
    from redis_lab.course.answers import Refused

    key = "flight:UA1545"

    def fresh(**fields):
        trial.r.delete(key)
        trial.r.hset(key, mapping=fields)
        trial.r.expire(key, 1000)

    def update(changes, **options):
        said = trial.run(key, changes, **options)
        if not isinstance(said, dict):
            raise Refused(f"it answered {said!r:.90}, not the flight as a dict")
        return {str(field): str(value) for field, value in said.items()}

    fresh(origin="EWR", dest="IAH", gate="C120", remark="crew late")
    update({"gate": "C121", "remark": None, "delay": 15})
    now = trial.r.hgetall(key)
    trial.require(
        now.get("gate") == "C121" and now.get("delay") == "15",
        "what is named is set, old fields and new ones",
        f"after gate C121 and delay 15 the flight is {now}",
    )
    trial.require(
        now.get("origin") == "EWR" and now.get("dest") == "IAH",
        "what is not named stays",
        f"fields that nobody named are gone: the flight is {now}",
    )
    trial.require(
        "remark" not in now,
        "what is None goes",
        f"remark was to go, and is still there: {now.get('remark')!r}",
    )
    left = trial.r.ttl(key)
    trial.expect(
        900 < left <= 1000,
        "the time to live stays",
        f"it was 1,000 s, and is {left} (-1: for ever)",
    )
    said = update({"gate": "C125"})
    trial.expect(
        said == trial.r.hgetall(key),
        "the answer is the flight",
        f"it answered {said}, and the server has {trial.r.hgetall(key)}",
    )
    update({"delay": 0, "remark": ""})
    now = trial.r.hgetall(key)
    trial.expect(
        (now.get("delay"), now.get("remark")) == ("0", ""),
        "0 and an empty text are values",
        f"0 and an empty text are values too: delay 0 and remark '' left {now}",
    )
    said = update({})
    trial.expect(
        said == trial.r.hgetall(key),
        "no changes are no error",
        f"with nothing to change it answered {said}",
    )
    said = update({"delay": None})
    trial.expect(
        said == trial.r.hgetall(key) and "delay" not in said,
        "a change may be a removal alone",
        f"with nothing to set it answered {said}, and the server has {trial.r.hgetall(key)}",
    )
    fresh(status="scheduled")
    update({"status": None, "gate": "C130"})
    left = trial.r.ttl(key)
    trial.expect(
        trial.r.hgetall(key) == {"gate": "C130"} and left > 0,
        "also if every old field goes",
        "the only field was removed before the new one came: for a moment there was no such key, "
        f"and its time to live went with it (TTL {left})"
        if trial.r.exists(key)
        else "a flight with one field lost it and got another, and is gone",
    )
    for after in (1, 2, 3):
        fresh(origin="EWR", gate="C120")
        acted = []

        def rival(acted=acted):
            trial.r.hset(key, mapping={"crew": "complete", "gate": "A7"})
            acted.append(True)

        said = update({"status": "boarding"}, between=rival, after=after)
        now = trial.r.hgetall(key)
        if not acted:
            break
        undone = now.get("crew") != "complete" or now.get("gate") != "A7"
        trial.require(
            not undone,
            "what another desk writes meanwhile stays",
            f"another desk moved the flight to A7 between your trips, and that was undone: {now}",
        )
        trial.expect(
            said == now,
            "and is in the answer",
            f"what another desk wrote is missing in the answer: {said}",
        )
    fresh(origin="EWR", gate="C120", remark="x")
    trips = trial.trips_of(key, {"gate": "C1", "remark": None})
    trial.expect(trips == 1, "one round trip", f"it took {trips} trips")
