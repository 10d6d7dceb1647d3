"""A new value for a cache that may be full: stored, or the old one is gone."""

NOTEBOOK = "36"
TITLE = "A newer value, a full server"
HINTS = (
    "What does a reader get after a `SET` that was refused?",
    "`redis.exceptions.OutOfMemoryError` is that refusal, and no other one.",
    "A full server still takes what makes it smaller: `DEL`, `UNLINK`.",
    "`try` the `SET`; on that error, `r.delete(key)` and answer False.",
)
WHY = (
    "A refused write leaves the old value where it was: a full cache is not empty, it is out of "
    "date. Who can't store the new one has to take the old one away, and deleting is allowed."
)


def stub(r, key, value, ttl):
    """Store value for ttl seconds: True. If the server is full: the old one is gone, and False."""


def solution(r, key, value, ttl):
    from redis.exceptions import OutOfMemoryError

    try:
        r.set(key, value, ex=ttl)
    except OutOfMemoryError:
        r.delete(key)
        return False
    return True


def wrong_lets_it_pass(r, key, value, ttl):
    """the old value"""
    from redis.exceptions import OutOfMemoryError

    try:
        return bool(r.set(key, value, ex=ttl))
    except OutOfMemoryError:
        return False


def wrong_raises(r, key, value, ttl):
    """OutOfMemoryError"""
    return bool(r.set(key, value, ex=ttl))


def wrong_deletes_first(r, key, value, ttl):
    """found nothing"""
    from redis.exceptions import OutOfMemoryError

    r.delete(key)
    try:
        return bool(r.set(key, value, ex=ttl))
    except OutOfMemoryError:
        return False


def wrong_transaction(r, key, value, ttl):
    """refused as a whole"""
    from redis.exceptions import OutOfMemoryError

    try:
        with r.pipeline() as pipe:
            pipe.delete(key).set(key, value, ex=ttl).execute()
        return True
    except OutOfMemoryError:
        return False


def wrong_two_steps(r, key, value, ttl):
    """for ever"""
    from redis.exceptions import OutOfMemoryError

    try:
        return bool(r.set(key, value)) and bool(r.expire(key, ttl))
    except OutOfMemoryError:
        r.delete(key)
        return False


def wrong_any_error(r, key, value, ttl):
    """is no full server"""
    try:
        return bool(r.set(key, value, ex=ttl))
    except Exception:
        r.unlink(key)
        return False


def wrong_makes_room(r, key, value, ttl):
    """of somebody else"""
    from redis.exceptions import OutOfMemoryError

    while True:
        try:
            return bool(r.set(key, value, ex=ttl))
        except OutOfMemoryError:
            if (other := r.randomkey()) is None:
                return False
            r.delete(other)


def wrong_asks_first(r, key, value, ttl):
    """full when the value came"""
    told = r.info("memory")
    if told["maxmemory"] and told["used_memory"] > told["maxmemory"]:
        r.delete(key)
        return False
    return bool(r.set(key, value, ex=ttl))


def check(trial):
    from redis.exceptions import ResponseError

    from redis_lab.course.answers import Refused

    r = trial.r
    old, new = "2 minutes late", "on time " + "·" * 2000

    def full():
        """The server holds 300 gates and one old value, and takes nothing more."""
        r.config_set("maxmemory", 0)
        for gate in range(300):
            r.set(f"gate:{gate}", "C71 " * 20, ex=900)
        r.set("plane:N14228", old, ex=900)
        r.config_set("maxmemory", r.info("memory")["used_memory"] - 200_000)

    def room():
        r.config_set("maxmemory", 0)

    said = trial.run("plane:N14228", old, 100)
    left = trial.r.ttl("plane:N14228")
    trial.require(
        said is True and r.get("plane:N14228") == old and 90 < left <= 100,
        "with room, the value is stored for its time",
        f"with room it answered {said!r}; stored is {r.get('plane:N14228')!r:.40} for {left} s",
    )
    seen = []
    trial.run("plane:N14228", new, 100, between=lambda: seen.append(r.get("plane:N14228")))
    trial.expect(
        None not in seen,
        "with room, a reader finds the old or the new one",
        "a reader between two trips found nothing: it would go to the origin, for each update",
    )
    trial.crash("crashed", new, 100, after=1)
    trial.expect(
        r.ttl("crashed") != -1,
        "a crash leaves nothing without an end",
        "after one trip the process died, and the value lives for ever",
    )
    full()
    said, reason = None, ""
    try:
        said = trial.run("plane:N14228", new, 100)
    except Refused as refusal:
        reason = str(refusal)
    found = r.get("plane:N14228")
    trial.expect(
        not reason and said is False,
        "on a full server it answers False",
        f"a full server is no error of the caller: {reason or f'it answered {said!r}'}",
    )
    trial.expect(
        found is None,
        "and the old value is gone",
        "the server was full, and readers still find the old value"
        + (": a transaction is refused as a whole, its DEL too" if _in_transaction(r) else ""),
    )
    count = sum(r.exists(f"gate:{gate}") for gate in range(300))
    trial.expect(
        count == 300,
        "and the 300 others are there",
        f"{300 - count} keys of somebody else are gone",
    )
    room()
    r.set("plane:N14228", old, ex=900)
    fills = r.info("memory")["used_memory"] - 200_000
    try:
        said = trial.run("plane:N14228", new, 100, between=lambda: r.config_set("maxmemory", fills))
    except Refused as refusal:
        said = refusal
    found = r.get("plane:N14228")
    trial.expect(
        (said, found) in ((True, new), (False, None)),
        "one that is full a trip later is a full server too",
        f"the server was full when the value came, and a trip before it was not: {said!s:.60}; "
        f"readers find {found!r:.20}",
    )
    room()
    r.set("plane:N14228", old, ex=900)
    try:
        reason = f"it answered {trial.run('plane:N14228', new, 0)!r}"
    except Refused as refusal:
        reason = "" if "expire" in str(refusal) else str(refusal)
    trial.expect(
        not reason and r.get("plane:N14228") == old,
        "another refusal reaches the caller, and changes nothing",
        "a time to live of 0 is refused as well, and is no full server: "
        + (reason or "the old value is gone"),
    )
    full()
    r.delete("plane:N14228")
    try:
        said = trial.run("plane:N14228", new, 100)
    except (Refused, ResponseError) as error:
        said = error
    room()
    trial.expect(
        said is False and r.get("plane:N14228") is None,
        "where there was no old one, the same",
        f"of a key that was not there it answered {said!r}",
    )


def _in_transaction(r):
    return bool(r.info("errorstats").get("errorstat_EXECABORT"))
