"""Three changes, one trip: fields, and a time to live with them."""

NOTEBOOK = "00"
TITLE = "Three changes, one trip"
HINTS = (
    "`HSET` takes several fields at once; the time to live is another command.",
    "Who puts two commands into one trip? `r.pipeline()` collects, `execute()` sends.",
    "`pipe.hset(key, mapping={…})`, `pipe.expire(key, 3600)`, `pipe.execute()`.",
)
WHY = (
    "The way is dearer than the work, so what belongs together travels together. `r.pipeline()` "
    "wraps it in MULTI and EXEC: nobody sees the flight without its time to live."
)


def stub(r, flight, gate, status):
    """Set gate and status in the hash flight:<flight>, which then has an hour to live."""


def solution(r, flight, gate, status):
    with r.pipeline() as pipe:
        pipe.hset(f"flight:{flight}", mapping={"gate": gate, "status": status})
        pipe.expire(f"flight:{flight}", 3600)
        pipe.execute()


def wrong_one_by_one(r, flight, gate, status):
    """3 trips"""
    r.hset(f"flight:{flight}", "gate", gate)
    r.hset(f"flight:{flight}", "status", status)
    r.expire(f"flight:{flight}", 3600)


def wrong_two_trips(r, flight, gate, status):
    """2 trips"""
    r.hset(f"flight:{flight}", mapping={"gate": gate, "status": status})
    r.expire(f"flight:{flight}", 3600)


def wrong_stays(r, flight, gate, status):
    """stays for ever"""
    r.hset(f"flight:{flight}", mapping={"gate": gate, "status": status})


def wrong_never_sent(r, flight, gate, status):
    """there is no key"""
    pipe = r.pipeline()
    pipe.hset(f"flight:{flight}", mapping={"gate": gate, "status": status})
    pipe.expire(f"flight:{flight}", 3600)


def check(trial):
    trial.run("UA1545", "C71", "boarding")
    key = "flight:UA1545"
    kind, left = trial.keyspace().get(key, ("none", None))
    trial.require(
        kind != "none",
        f"`{key}` is there",
        f"there is no key {key}; there is {', '.join(trial.keyspace()) or 'nothing: was it sent?'}",
    )
    trial.require(kind == "hash", "as a hash", f"it is a {kind}, not a hash")
    stored = trial.r.hgetall(key)
    trial.expect(
        stored == {"gate": "C71", "status": "boarding"}, "with both fields", f"it holds {stored}"
    )
    trial.expect(
        left is not None and 3590 < left <= 3600,
        "for an hour",
        "it stays for ever" if left is None else f"it has {left:.0f} s left, not 3,600",
    )
    trial.r.hset("flight:B6725", mapping={"dest": "BQN", "gate": "T1"})
    trial.r.expire("flight:B6725", 60)
    trips = trial.trips_of("B6725", "T5", "delayed")
    second = trial.r.hgetall("flight:B6725")
    trial.expect(
        second == {"dest": "BQN", "gate": "T5", "status": "delayed"},
        "what else is known of a flight stays",
        f"flight:B6725 was to keep its dest, and now holds {second}",
    )
    trial.expect(
        trial.r.ttl("flight:B6725") > 3590,
        "a change begins a new hour",
        f"a flight with a minute left has {trial.r.ttl('flight:B6725')} s after the change",
    )
    trial.expect(trips == 1, "in one trip", f"it took {trips} trips: each is a wait for the way")
