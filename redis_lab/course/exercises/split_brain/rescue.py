"""What only the old side has, brought over before the repair destroys it."""

NOTEBOOK = "66"
TITLE = "Before the repair"
SHAPE = "replicated"
HINTS = (
    "Three cases for a key of the old side: the new side lacks it, both have a set, both have "
    "something else.",
    "`DUMP` and `RESTORE` carry a value of any type; how long it may live is not in it.",
    "`RESTORE` takes milliseconds, 0 for ever. `PTTL` answers -1 for a key without an end.",
    "`new.sadd(key, *old.smembers(key))` makes a union. For strings compare the two values.",
)
WHY = (
    "The minutes before the repair are the last in which both histories exist. What can be merged "
    "by rule is merged, and for the rest a person gets a list instead of a guess."
)


def stub(old, new):
    """Bring to new what only old has. The names of the keys that a person must settle, sorted."""


def solution(old, new):
    unsettled = set()
    for key in old.scan_iter(count=1000):
        kind, other = old.type(key), new.type(key)
        if other == "none":
            new.restore(key, max(old.pttl(key), 0), old.dump(key))
        elif kind == other == "set":
            new.sadd(key, *old.smembers(key))
        elif kind != other or old.get(key) != new.get(key):
            unsettled.add(key)
    return sorted(unsettled)


def wrong_overwrites(old, new):
    """was overwritten"""
    unsettled = []
    for key in old.scan_iter():
        if new.exists(key) and old.dump(key) != new.dump(key):
            unsettled.append(key)
        new.restore(key, max(old.pttl(key), 0), old.dump(key), replace=True)
    return sorted(unsettled)


def wrong_for_ever(old, new):
    """it lives for ever"""
    unsettled = []
    for key in old.scan_iter():
        if not new.exists(key):
            new.restore(key, 0, old.dump(key))
        elif old.type(key) == "set":
            new.sadd(key, *old.smembers(key))
        elif old.get(key) != new.get(key):
            unsettled.append(key)
    return sorted(unsettled)


def wrong_sets_are_left(old, new):
    """a union needs no person"""
    unsettled = []
    for key in old.scan_iter():
        if not new.exists(key):
            new.restore(key, max(old.pttl(key), 0), old.dump(key))
        elif old.dump(key) != new.dump(key):
            unsettled.append(key)
    return sorted(unsettled)


def wrong_names_all(old, new):
    """the same on both sides"""
    unsettled = []
    for key in old.scan_iter():
        if not new.exists(key):
            new.restore(key, max(old.pttl(key), 0), old.dump(key))
        elif old.type(key) == "set":
            new.sadd(key, *old.smembers(key))
        else:
            unsettled.append(key)
    return sorted(unsettled)


def wrong_seconds(old, new):
    """ends too early"""
    unsettled = []
    for key in old.scan_iter():
        if not new.exists(key):
            new.restore(key, max(old.ttl(key), 0), old.dump(key))
        elif old.type(key) == "set":
            new.sadd(key, *old.smembers(key))
        elif old.get(key) != new.get(key):
            unsettled.append(key)
    return sorted(unsettled)


def check(trial):
    from redis_lab.lab.waiting import wait_until

    old, new = trial.lab.nodes[0].client(), trial.lab.nodes[1].client()
    old.mset({f"flight:{number}": "on time" for number in range(50)})  # more than one SCAN
    doors = [f"door:{number}" for number in range(6)]  # in order by luck: one time in 40,000
    old.mset(dict.fromkeys(doors, "open"))
    old.set("gate:UA1545", "B12")
    old.set("seats:UA1545", 100)
    old.sadd("standby:UA1545", "ana", "ben")
    old.sadd("crew:UA1545", "kim")

    def copied():
        return "" if new.exists("crew:UA1545") else "not copied yet"

    wait_until(copied, 15, "a copy")
    new.replicaof("NO", "ONE")
    new.set("gate:UA1545", "C70")
    new.decrby("seats:UA1545", 3)
    new.sadd("standby:UA1545", "cem")
    new.set("bag:8", "belt 2")
    new.mset(dict.fromkeys(doors, "shut"))
    old.set("gate:UA1545", "A3")
    old.decrby("seats:UA1545", 5)
    old.srem("standby:UA1545", "ben")
    old.sadd("standby:UA1545", "dina")
    old.set("bag:7", "belt 1")
    old.set("hold:14C", "ana", ex=900)
    old.rpush("queue:desk", "ana", "ben")
    old.hset("flight:new", mapping={"dest": "IAH", "gate": "A3"})

    told = trial.call(old, new)
    there = new.get("gate:UA1545"), new.get("seats:UA1545"), new.get("bag:8")
    trial.require(
        there == ("C70", "97", "belt 2"),
        "what the new side has stays",
        f"on the new side gate, seats and bag:8 were C70, 97 and belt 2, and are {there}: it was "
        "overwritten",
    )
    moved = (
        new.get("bag:7"), new.get("hold:14C"), new.lrange("queue:desk", 0, -1),
        new.hgetall("flight:new"),
    )  # fmt: skip
    life = new.pttl("hold:14C")
    right = ("belt 1", "ana", ["ana", "ben"], {"dest": "IAH", "gate": "A3"})
    ended = moved == (right[0], None, *right[2:])  # all the others came
    trial.require(
        600_000 < life <= 900_000 or (life == -2 and not ended),
        "with the time that they have left",
        "hold:14C had 900 s to live on the old side, and on the new side "
        + ("it lives for ever" if life == -1 else "it ends too early, or never came"),
    )
    trial.require(
        moved == right and new.pttl("bag:7") == -1,
        "what only the old side has is there, of any type",
        f"a string, one with an end, a list and a hash were to come; there are {moved}",
    )
    members = new.smembers("standby:UA1545")
    trial.expect(
        {"ana", "cem", "dina"} <= members,
        "a set has the members of both sides",
        f"standby was ana, dina there and ana, ben, cem here; it is {sorted(members)}, not all of "
        "them: a union needs no person and no choice",
    )
    same = [key for key in told or () if str(key).startswith(("flight:", "crew:"))]
    right = [*doors, "gate:UA1545", "seats:UA1545"]
    trial.expect(
        told == right,
        "it names what differs and can't be merged, sorted",
        f"{same[0]} is the same on both sides, and it is named"
        if same
        else f"it answered {told!r:.200}, not {right}",
    )
