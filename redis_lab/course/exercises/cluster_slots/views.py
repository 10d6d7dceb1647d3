"""Spread the counter of one hot flight over the primaries, and still know the total."""

NOTEBOOK = "63"
TITLE = "A counter too hot for one node"
SHAPE = "cluster"
OPTIONS = {"replicas": 0}
HINTS = (
    "One key has one slot and one node. How do several keys become one number?",
    "Each call adds to one of so many copies, picked at random; the total is their sum.",
    "The copies must lie in different slots: what is in braces in their names?",
    "A few copies fall badly on three nodes; with 32 the shares come near to a third. Read them "
    "all through one pipeline without a transaction.",
)
WHY = (
    "More nodes never help one hot key. Several copies do: writes spread, and a read pays for it. "
    "Keep the number of copies a constant that readers and writers share, and let no hash tag "
    "undo it."
)


def stub(r, flight, seen):
    """Count so many views of the flight; with seen == 0, return how many it has had so far."""


def solution(r, flight, seen):
    import random

    copies = [f"views:{flight}:{number}" for number in range(32)]
    if seen:
        r.incrby(random.choice(copies), seen)
        return None
    pipe = r.pipeline(transaction=False)
    for copy in copies:
        pipe.get(copy)
    return sum(int(count or 0) for count in pipe.execute())


def wrong_one_key(r, flight, seen):
    """took 100 % of the views"""
    if seen:
        r.incrby(f"views:{flight}", seen)
        return None
    return int(r.get(f"views:{flight}") or 0)


def wrong_copies_with_one_tag(r, flight, seen):
    """keys in 1 slot, 100 %"""
    import random

    copies = [f"{{views:{flight}}}:{number}" for number in range(32)]
    if seen:
        r.incrby(random.choice(copies), seen)
        return None
    return sum(int(count or 0) for count in r.mget(copies))


def wrong_total_one_by_one(r, flight, seen):
    """32 trips"""
    import random

    copies = [f"views:{flight}:{number}" for number in range(32)]
    if seen:
        r.incrby(random.choice(copies), seen)
        return None
    return sum(int(r.get(copy) or 0) for copy in copies)


def wrong_read_then_write(r, flight, seen):
    """overwrote what came between"""
    import random

    copies = [f"views:{flight}:{number}" for number in range(32)]
    if seen:
        copy = random.choice(copies)
        r.set(copy, int(r.get(copy) or 0) + seen)
        return None
    pipe = r.pipeline(transaction=False)
    for copy in copies:
        pipe.get(copy)
    return sum(int(count or 0) for count in pipe.execute())


def wrong_knows_only_its_own(r, flight, seen):
    """or never read it"""
    import random

    counted = wrong_knows_only_its_own.__dict__
    counted[flight] = counted.get(flight, 0) + seen
    if seen:
        r.incrby(f"views:{flight}:{random.randrange(32)}", seen)
        return None
    return counted[flight]


def wrong_estimate(r, flight, seen):
    """after 7 views it says"""
    import random

    copy = f"views:{flight}:{random.randrange(32)}"
    if seen:
        r.incrby(copy, seen)
        return None
    return int(r.get(copy) or 0) * 32


def wrong_looks_for_its_copies(r, flight, seen):
    """grow with the number of keys"""
    import random

    if seen:
        r.incrby(f"views:{flight}:{random.randrange(32)}", seen)
        return None
    found = list(r.scan_iter(f"views:{flight}:*", count=100))
    return sum(int(count or 0) for count in r.mget_nonatomic(found)) if found else 0


def wrong_a_key_for_each_view(r, flight, seen):
    """keys for one flight"""
    import uuid

    if seen:
        r.incrby(f"views:{flight}:{uuid.uuid4()}", seen)
        return None
    found = list(r.scan_iter(f"views:{flight}:*", count=100_000))
    return sum(int(count or 0) for count in r.mget_nonatomic(found)) if found else 0


def check(trial):
    from redis_lab.data import flights

    hot, other = flights(limit=2).id
    client, calls = trial.client(), 400

    def taken():
        """Commands that each primary has done, but what keeps replicas going."""
        done = {}
        for node in trial.lab.primaries:
            stats = node.client().info("commandstats")
            counted = {name: stat["calls"] for name, stat in stats.items()}
            left_out = ("replconf", "info", "ping", "hello", "auth", "client", "cluster")
            done[node.name] = sum(
                count for name, count in counted.items() if not name[8:].startswith(left_out)
            )
        return done

    trial.call(client, hot, 7)
    total = trial.call(client, hot, 0)
    trial.require(total == 7, "seven views are counted", f"after 7 views it says {total!r}")
    none = trial.call(client, other, 0)

    def spread(flight, calls):
        """Count so many views, and look at who did the work."""
        before = taken()
        for _ in range(calls):
            trial.call(client, flight, 1)
        after = taken()
        did = {name: after[name] - before[name] for name in after}
        parts = {
            name: round(100 * count / max(sum(did.values()), 1)) for name, count in did.items()
        }
        most, least = max(parts, key=parts.get), min(parts, key=parts.get)
        keys = [key for key in trial.keyspace() if flight in key]
        slots = len({trial.r.keyslot(key) for key in keys})
        trial.expect(
            parts[most] <= 60,
            "no primary takes more than 60 % of the views",
            f"{most} took {parts[most]} % of the views of {flight}: {len(keys)} keys in {slots} "
            f"slot{'s' * (slots > 1)}, {parts[most]} % of the work on one node",
        )
        trial.expect(
            parts[least] >= 10,
            "and none less than 10 %",
            f"{least} took {parts[least]} % of the views of {flight}: it could have helped",
        )
        return keys

    keys = spread(hot, calls)
    total = trial.call(client, hot, 0)
    trial.expect(
        total == calls + 7,
        "the total is exact",
        f"after {calls + 7} views it says {total!r}: an estimate, or views were lost",
    )
    trial.require(
        0 < len(keys) <= 64,
        "with 64 keys at most",
        f"{len(keys)} keys for one flight, more with each view"
        if keys
        else f"no key has {hot} in its name",
    )
    trips = trial.trips_of(hot, 1)
    trial.expect(trips == 1, "a view costs one trip", f"a view cost {trips} trips")
    trips = trial.trips_of(hot, 0)
    primaries = len(trial.lab.primaries)
    trial.expect(
        trips <= primaries,
        "the total costs a trip to each primary at most",
        f"the total took {trips} trips, for {primaries} primaries",
    )
    pipe = trial.r.pipeline(transaction=False)
    for number in range(6000):
        pipe.set(f"gate:{number}", "A1")
    pipe.execute()
    more = trial.trips_of(hot, 0)
    trial.expect(
        more <= primaries,
        "also on a full cluster",
        f"with 6,000 other keys the total took {more} trips: they grow with the number of keys",
    )
    trial.expect(none == 0, "another flight has none", f"{other} was never seen, and has {none!r}")
    spread(other, 200)

    def disturb():
        """Everybody else counts at this moment, on every copy."""
        pipe = trial.r.pipeline(transaction=False)
        for key in keys:
            pipe.type(key)
        plain = [key for key, kind in zip(keys, pipe.execute(), strict=True) if kind == "string"]
        for key in plain:
            pipe.incr(key)
        pipe.execute()
        added.append(len(plain))

    before, added = trial.call(client, hot, 0), []
    trial.run(hot, 1, between=disturb, after=1)
    if not added:  # one trip has no gap: the others count after it
        disturb()
    total, wanted = trial.call(client, hot, 0), before + 1 + sum(added)
    trial.expect(
        total == wanted,
        "nobody's view is lost",
        f"{sum(added)} views were counted by others in the keys of this flight, and it overwrote "
        f"what came between, or never read it: {total}, not {wanted}",
    )
