"""The heaviest keys of a server that is in use, in bytes, without stopping anybody."""

NOTEBOOK = "70"
TITLE = "The heaviest, in bytes"
HINTS = (
    "Names come from `scan_iter(count=1000)`. How many of the trips are for names, and how many "
    "for weighing?",
    "`MEMORY USAGE` of a thousand keys fits into one pipeline: `r.pipeline(transaction=False)`.",
    "Before 8 the default weighs five items and multiplies. `samples=0` weighs all.",
    "A key that ended between the two trips weighs `None`. Leave it out.",
)
WHY = (
    "A scan that is cheap, exact and bears keys that come and go can run every night, and tells of "
    "a key that grows before anybody waits for it."
)


def stub(r, count):
    """The count heaviest keys, heaviest first: (key, bytes), each item of them weighed."""


def solution(r, count):
    from itertools import islice

    weights, names = {}, r.scan_iter(count=1000)
    while batch := list(islice(names, 1000)):
        with r.pipeline(transaction=False) as pipe:
            for name in batch:
                pipe.memory_usage(name, samples=0)
            weights.update(zip(batch, pipe.execute(), strict=True))
    known = [(name, weight) for name, weight in weights.items() if weight is not None]
    return sorted(known, key=lambda pair: -pair[1])[:count]


def wrong_by_items(r, count):
    """has the most items"""
    sizes = {"hash": r.hlen, "set": r.scard, "zset": r.zcard, "list": r.llen}
    found = {}
    for kind, size in sizes.items():
        for name in r.scan_iter(count=1000, _type=kind):
            found[name] = size(name)
    first = sorted(found, key=lambda name: -found[name])[:count]
    return [(name, r.memory_usage(name, samples=0)) for name in first]


def wrong_no_strings(r, count):
    """a string weighs, too"""
    found = [
        (name, r.memory_usage(name, samples=0))
        for kind in ("hash", "set", "zset", "list", "stream")
        for name in r.scan_iter(count=1000, _type=kind)
    ]
    return sorted(found, key=lambda pair: -pair[1])[:count]


def wrong_a_trip_each(r, count):
    """a trip for each key"""
    found = {name: r.memory_usage(name, samples=0) for name in r.scan_iter(count=1000)}
    known = [(name, weight) for name, weight in found.items() if weight]
    return sorted(known, key=lambda pair: -pair[1])[:count]


def wrong_all_are_there(r, count):
    """ended between two of your trips"""
    names = list(r.scan_iter(count=1000))
    with r.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.memory_usage(name, samples=0)
        weights = pipe.execute()
    known = sorted(zip(names, weights, strict=True), key=lambda pair: -(pair[1] or 0))
    if None in weights:
        known.append((names[weights.index(None)], None))
        known = known[-1:] + known[: count - 1]
    return known[:count]


def check(trial):
    r = trial.r
    with r.pipeline(transaction=False) as pipe:
        for number in range(3000):
            pipe.set(f"flight:{number}", "on time")
        pipe.sadd("seen:today", *range(4000))
        pipe.hset("gates:EWR", mapping={f"UA{number}": "A1" for number in range(600)})
        pipe.hset("gates:EWR", mapping={f"plan {number}": "x" * 60_000 for number in range(8)})
        pipe.set("photo:JFK", "x" * 300_000)
        pipe.zadd("delays", {f"flight {number}" * (1 if number % 50 else 60): number
                             for number in range(400)})  # fmt: skip
        pipe.execute()
    right = ["gates:EWR", "photo:JFK", "seen:today"]
    told = trial.run(3)
    shaped = isinstance(told, list) and all(
        isinstance(each, (tuple, list)) and len(each) == 2 for each in told
    )
    trial.require(
        shaped and len(told) == 3,
        "a list of three pairs",
        f"asked for 3, it gave {told!r:.90}: pairs of key and bytes are wanted",
    )
    named = [each[0] for each in told]
    if named[0] == "seen:today":
        reason = f"it named {named}: seen:today has the most items, gates:EWR a few large ones"
    elif "photo:JFK" not in named and set(named) & set(right):
        reason = f"it named {named}. photo:JFK has 300,000 bytes, and a string weighs, too"
    else:
        reason = f"it named {named}, and the heaviest are {right}"
    trial.require(named == right, "the heaviest in bytes come first", reason)
    exact = [r.memory_usage(name, samples=0) for name in right]
    off = [(name, said, true) for (name, said), true in zip(told, exact, strict=True)
           if said != true]  # fmt: skip
    trial.require(
        not off,
        "the bytes are exact",
        "; ".join(f"{name} weighs {true:,} bytes, it said {said}" for name, said, true in off[:1])
        + ": was every item weighed?",
    )
    trips = trial.trips_of(3)
    trial.expect(
        trips <= 60,
        "at most a trip for fifty keys",
        f"{trips} trips for {r.dbsize():,} keys: that is a trip for each key, or nearly",
    )
    r.set("upload:1", "x" * 900_000)
    told = trial.run(3, between=lambda: None)
    trial.expect(
        bool(told) and told[0][0] == "upload:1",
        "a new key is found",
        f"upload:1 came with 900,000 bytes, and the heaviest is said to be {told[:1]!r:.60}",
    )
    everything = {*r.scan_iter(count=1000)} - {"upload:1"}
    for after in range(1, trips + 1) if trips <= 20 else (4, 5, 6):
        r.set("upload:1", "x" * 900_000)
        told = trial.run(5000, between=lambda: r.delete("upload:1"), after=after) or []
        known = [each[0] for each in told if each[1] is not None]
        trial.expect(
            len(known) == len(told) and {*known} - {"upload:1"} == everything,
            "a key that ends meanwhile is left out",
            f"asked for 5,000 of {len(everything):,} keys, it gave {len(told):,}, of which "
            f"{len(told) - len(known)} weigh None; upload:1 ended between two of your trips",
        )
