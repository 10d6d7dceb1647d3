"""The nearest of those that fulfil a condition: a stored search, met with a set."""

NOTEBOOK = "08"
TITLE = "Somewhere to land"
HINTS = (
    "`GEOSEARCH` has no condition, and a `COUNT` comes too early: the nearest ten may all be shut.",
    "`GEOSEARCHSTORE` with `STOREDIST` makes a ranking; `ZINTERSTORE` keeps those that are in the "
    "set as well.",
    "A plain set has a say in the sum: each of its members counts 1, unless it weighs 0.",
    'In one `r.pipeline()`: `geosearchstore("divert", "airports", …, storedist=True)`, '
    '`zinterstore("divert", {"divert": 1, "open": 0})`, `zrange("divert", 0, 2, withscores=True)`, '
    "`delete`.",
)
WHY = (
    "A place is seldom all that matters: open, free, of the right kind. With a set for each "
    "condition the server filters before it counts, and MULTI keeps two planes from meeting in "
    "one temporary key."
)


def stub(r, lon, lat, km):
    """The three nearest airports within km that are in the set open: (code, km), nearest first."""


def solution(r, lon, lat, km):
    near = {"longitude": lon, "latitude": lat, "radius": km, "unit": "km"}
    with r.pipeline() as pipe:
        pipe.geosearchstore("divert", "airports", **near, storedist=True)
        pipe.zinterstore("divert", {"divert": 1, "open": 0})
        pipe.zrange("divert", 0, 2, withscores=True)
        pipe.delete("divert")
        return pipe.execute()[2]


def wrong_counts_then_filters(r, lon, lat, km):
    """behind those that are shut"""
    near = {"longitude": lon, "latitude": lat, "radius": km, "unit": "km"}
    with r.pipeline() as pipe:
        pipe.geosearch("airports", **near, sort="ASC", count=10, withdist=True)
        pipe.smembers("open")
        found, is_open = pipe.execute()
    return [(code, far) for code, far in found if code in is_open][:3]


def wrong_forgets_the_weight(r, lon, lat, km):
    """1 km too far"""
    near = {"longitude": lon, "latitude": lat, "radius": km, "unit": "km"}
    with r.pipeline() as pipe:
        pipe.geosearchstore("divert", "airports", **near, storedist=True)
        pipe.zinterstore("divert", ["divert", "open"])
        pipe.zrange("divert", 0, 2, withscores=True)
        pipe.delete("divert")
        return pipe.execute()[2]


def wrong_without_storedist(r, lon, lat, km):
    """are no distances"""
    near = {"longitude": lon, "latitude": lat, "radius": km, "unit": "km"}
    with r.pipeline() as pipe:
        pipe.geosearchstore("divert", "airports", **near)
        pipe.zinterstore("divert", {"divert": 1, "open": 0})
        pipe.zrange("divert", 0, 2, withscores=True)
        pipe.delete("divert")
        return pipe.execute()[2]


def wrong_leaves_it_there(r, lon, lat, km):
    """stays for ever"""
    near = {"longitude": lon, "latitude": lat, "radius": km, "unit": "km"}
    key = f"near:{lon}:{lat}"
    with r.pipeline() as pipe:
        pipe.geosearchstore(key, "airports", **near, storedist=True)
        pipe.zinterstore(key, {key: 1, "open": 0})
        pipe.zrange(key, 0, 2, withscores=True)
        return pipe.execute()[2]


def wrong_one_by_one(r, lon, lat, km):
    """took 4 trips"""
    near = {"longitude": lon, "latitude": lat, "radius": km, "unit": "km"}
    r.geosearchstore("divert", "airports", **near, storedist=True)
    r.zinterstore("divert", {"divert": 1, "open": 0})
    found = r.zrange("divert", 0, 2, withscores=True)
    r.delete("divert")
    return found


def wrong_filters_here(r, lon, lat, km):
    """for three airports"""
    near = {"longitude": lon, "latitude": lat, "radius": km, "unit": "km"}
    with r.pipeline() as pipe:
        pipe.geosearch("airports", **near, sort="ASC", withdist=True)
        pipe.smembers("open")
        found, is_open = pipe.execute()
    return [(code, far) for code, far in found if code in is_open][:3]


def wrong_spoils_the_map(r, lon, lat, km):
    """has changed"""
    near = {"longitude": lon, "latitude": lat, "radius": km, "unit": "km"}
    with r.pipeline() as pipe:
        pipe.zinterstore("airports", {"airports": 1, "open": 0})
        pipe.geosearch("airports", **near, sort="ASC", count=3, withdist=True)
        return pipe.execute()[1]


def check(trial):
    import redis_lab.data
    from redis_lab.course.answers import Refused
    from redis_lab.course.trial import Gaps

    table = redis_lab.data.airports()
    trial.r.geoadd("airports", table[["lon", "lat", "faa"]].to_numpy().ravel().tolist())
    shut = {"longitude": -74.17, "latitude": 40.69, "radius": 150, "unit": "km"}
    closed = set(trial.r.geosearch("airports", **shut))
    trial.r.sadd("open", *sorted(set(table.faa) - closed), "LGA")
    before = trial.r.zcard("airports"), trial.r.scard("open")
    gaps = Gaps()
    client = trial.client(gaps)

    def found(lon, lat, km):
        answer = trial.call(client, lon, lat, km)
        try:
            return {str(code): float(far) for code, far in answer}
        except (TypeError, ValueError):
            said = f"it answered {answer!r:.90}, no list of (code, km) pairs"
            raise Refused(said) from None

    def right(lon, lat, km):
        near = {"longitude": lon, "latitude": lat, "radius": km, "unit": "km"}
        pairs = trial.r.geosearch("airports", **near, sort="ASC", withdist=True)
        return dict([pair for pair in pairs if trial.r.sismember("open", pair[0])][:3])

    def sent():
        return int(trial.r.info("stats")["total_net_output_bytes"])

    chicago = (-87.9, 41.98, 100)
    seen, best = found(*chicago), right(*chicago)
    left = set(trial.keyspace()) - {"airports", "open"}
    changed = (trial.r.zcard("airports"), trial.r.scard("open")) != before
    trial.require(
        not changed, "airports and open stay as they are", "one of airports and open has changed"
    )
    trial.require(
        max(seen.values(), default=0) < 1e6,
        "its numbers are distances",
        f"{max(seen.values(), default=0):,.0f} and the like are no distances",
    )
    trial.require(
        set(seen) == set(best),
        "near Chicago all are open, and the nearest three come",
        f"near Chicago it found {list(seen)}, not {list(best)}",
    )
    off = [seen[code] - best[code] for code in best]
    trial.expect(
        max(map(abs, off)) < 0.05,
        "in kilometres, and exact",
        f"each is {off[0]:.2g} km too far, or in another unit: {seen}, not {best}",
    )
    trial.expect(list(seen) == list(best), "the nearest first", f"their order is {list(seen)}")
    newark = (-74.17, 40.69, 400)
    seen, best = found(*newark), right(*newark)
    trial.expect(
        set(seen) == set(best),
        f"around Newark {len(closed) - 1} are shut, and it looks beyond them",
        f"around Newark it found {list(seen)}, not {list(best)}: the open ones lie behind those "
        "that are shut",
    )
    few = found(-74.17, 40.69, 60)
    trial.expect(
        set(few) == {"LGA"},
        "within 60 km only LaGuardia is open",
        f"within 60 km of Newark it found {list(few)}, and only LGA is open",
    )
    none = found(-40.0, 35.0, 900)
    trial.expect(not none, "over the Atlantic there is none", f"in mid-ocean it found {none}")
    left = {key: kept for key, (_, kept) in trial.keyspace().items() if key in left}
    lasting = sorted(key for key, kept in left.items() if kept is None)
    trial.expect(
        not lasting,
        "it leaves nothing that stays",
        f"{', '.join(lasting)} stays for ever: one more for each plane, or for the next to find",
    )
    gaps.trips = 0
    found(*newark)
    trial.expect(gaps.trips == 1, "one trip", f"it took {gaps.trips} trips")
    asking = -sent() + sent()
    now = sent()
    found(-74.17, 40.69, 4000)
    kilobytes = (sent() - now - asking) / 1000
    trial.expect(
        kilobytes < 3,
        "which brings three, whatever the range",
        f"the server sent {kilobytes:.0f} KB for three airports",
    )
