"""A writer that may die: what is stored goes before the write, and nothing old comes after it."""

NOTEBOOK = "31"
TITLE = "A writer that may die"
HINTS = (
    "Whatever must have happened when the writer dies has to happen before it saves.",
    "A deletion before the save leaves a place where readers store. Something has to lie in it.",
    "Readers store with `NX`, and take what is no JSON for a miss: put a word there, with `EX 5`.",
    "After the save a reader may still hold an old answer: so the place must stay taken.",
    "A long save may outlive the word: put it there again. `SET hold`, `save()`, `SET hold`.",
)
WHY = (
    "Most writers delete after they save, and are right until one is killed between the two: then "
    "the cache is wrong for a whole time to live. A hold costs some misses after each write and "
    "bounds what a crash can do."
)


def stub(r, key, save):
    """What save() returns; what was stored under key before it is never shown after it."""


def solution(r, key, save):
    r.set(key, "hold", ex=5)
    saved = save()
    r.set(key, "hold", ex=5)
    return saved


def wrong_deletes_after(r, key, save):
    """died after its save"""
    saved = save()
    r.delete(key)
    return saved


def wrong_deletes_before(r, key, save):
    """reader during the save"""
    r.delete(key)
    return save()


def wrong_deletes_twice(r, key, save):
    """reader who had asked"""
    r.delete(key)
    saved = save()
    r.delete(key)
    return saved


def wrong_takes_the_hold_away(r, key, save):
    """reader who had asked"""
    r.set(key, "hold", ex=5)
    saved = save()
    r.delete(key)
    return saved


def wrong_once(r, key, save):
    """longer than the hold"""
    r.set(key, "hold", ex=5)
    return save()


def wrong_for_ever(r, key, save):
    """for ever"""
    r.set(key, "hold")
    saved = save()
    r.set(key, "hold", ex=5)
    return saved


def wrong_for_a_minute(r, key, save):
    """what it left lives for another"""
    r.set(key, "hold", ex=60)
    saved = save()
    r.set(key, "hold", ex=5)
    return saved


def check(trial):
    import json

    from redis_lab.course.answers import Refused

    database = {}

    def ask(key):
        return json.dumps({"minutes": database.setdefault(key, 100)})

    def stored(key):
        """What a reader takes for an answer, or None."""
        text = trial.r.get(key) if trial.r.type(key) == "string" else None
        return text if (text or "").startswith("{") else None

    def store(key, answer):
        """The end of a reader, as they all are."""
        trial.r.set(key, answer, nx=True, ex=3600)

    def stale(key):
        return stored(key) not in (None, ask(key))

    def save(key, before=lambda: None):
        def saves():
            before()
            database[key] = database.setdefault(key, 100) + 1
            return database[key]

        return saves

    store("plane:N1", ask("plane:N1"))
    saved = trial.run("plane:N1", save("plane:N1"))
    trial.require(
        saved == 101 == database["plane:N1"],
        "it gives what save() gave, and saves once",
        f"save() gave 101 and you {saved}; the database has {database['plane:N1']}",
    )
    trial.expect(
        not stale("plane:N1"),
        "after it nobody gets what was stored before",
        f"after it a reader still gets {stored('plane:N1')}",
    )
    longest = [(left is None, left) for _, left in trial.keyspace().values()]
    trial.expect(
        not any(never for never, _ in longest) and max([0, *(left for _, left in longest)]) <= 5,
        "what it leaves there ends within 5 s",
        "it left something that stays for more than 5 s: for so long nothing can be cached",
    )
    for after in (1, 2, 3):
        key = f"plane:N2{after}"
        store(key, ask(key))
        trial.crash(key, save(key), after=after)
        trial.expect(
            not stale(key),
            f"nor if it dies after {after} trips",
            f"it died after its save, and for an hour readers get {stored(key)}",
        )
        left = trial.r.ttl(key)
        trial.expect(
            left != -1 and (left <= 5 or stored(key) is not None),
            f"a crash after {after} trips leaves nothing that keeps readers from storing for long",
            f"it died after {after} trips, and what it left lives "
            + ("for ever" if left == -1 else f"for another {left} s: too long for the readers"),
        )
    key = "plane:N20"
    store(key, ask(key))
    trial.crash(key, save(key), after=0)
    trial.expect(
        not stale(key),
        "nor if it dies before its first trip",
        f"it died after its save, before its first trip, and readers get {stored(key)}",
    )
    key = "plane:N3"
    trial.run(key, save(key, before=lambda: store(key, ask(key))))
    trial.expect(
        not stale(key),
        "a reader during the save stores nothing that stays",
        f"a reader during the save stored the old answer, and it stays: {stored(key)}",
    )
    late = []
    key = "plane:N4"
    trial.run(key, save(key, before=lambda: late.append(ask(key))))
    store(key, late[0])
    trial.expect(
        not stale(key),
        "a reader who asked before the save and stores after it is refused",
        f"a reader who had asked before the save stored after it: {stored(key)}",
    )
    key = "plane:N5"

    def slow():
        old = ask(key)
        trial.r.delete(key)  # as if the save took so long that whatever you put there has ended
        store(key, old)

    trial.run(key, save(key, before=slow))
    trial.expect(
        not stale(key),
        "a save that takes longer than 5 s changes nothing",
        f"the save took longer than the hold, and a reader stored what was old: {stored(key)}",
    )

    def fails():
        raise OSError("the disk is full")

    store("plane:N6", ask("plane:N6"))
    try:
        reason = f"it gave {trial.run('plane:N6', fails)!r}"
    except Refused as refusal:
        reason = "" if "OSError" in str(refusal) else str(refusal)
    trial.expect(
        not reason, "what save() raises reaches the caller", f"save() raised OSError, and {reason}"
    )
