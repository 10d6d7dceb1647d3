"""The nearest three within a range: what a circle, an order and a count say together."""

NOTEBOOK = "08"
TITLE = "The nearest three in range"
HINTS = (
    "One `GEOSEARCH` knows the circle, the order and the number; nothing is left to do in Python.",
    "Longitude comes first, and the unit is metres unless you name one.",
    'From a place by `longitude=` and `latitude=`, with `unit="km"`, `sort="ASC"`, `count=3` and '
    "`withdist=True`.",
)
WHY = (
    "Whoever asks for the nearest few should send a range as well: it is the range that decides "
    "what the server has to look at, and it keeps an answer from the other end of the world away."
)


def stub(r, lon, lat, km):
    """The three airports nearest to this place, and within km: (code, km) pairs, nearest first."""


def solution(r, lon, lat, km):
    near = {"longitude": lon, "latitude": lat, "radius": km, "unit": "km"}
    return r.geosearch("airports", **near, sort="ASC", count=3, withdist=True)


def wrong_latitude_first(r, lon, lat, km):
    """nothing there"""
    near = {"longitude": lat, "latitude": lon, "radius": km, "unit": "km"}
    return r.geosearch("airports", **near, sort="ASC", count=3, withdist=True)


def wrong_any_three(r, lon, lat, km):
    """not the nearest"""
    near = {"longitude": lon, "latitude": lat, "radius": km, "unit": "km"}
    return r.geosearch("airports", **near, sort="ASC", count=3, any=True, withdist=True)


def wrong_first_three(r, lon, lat, km):
    """not the nearest"""
    near = {"longitude": lon, "latitude": lat, "radius": km, "unit": "km"}
    return r.geosearch("airports", **near, withdist=True)[:3]


def wrong_box(r, lon, lat, km):
    """lies beyond it"""
    near = {"longitude": lon, "latitude": lat, "width": 2 * km, "height": 2 * km, "unit": "km"}
    return r.geosearch("airports", **near, sort="ASC", count=3, withdist=True)


def wrong_always_three(r, lon, lat, km):
    """lies beyond it"""
    near = {"longitude": lon, "latitude": lat, "radius": 21_000, "unit": "km"}
    return r.geosearch("airports", **near, sort="ASC", count=3, withdist=True)


def wrong_metres(r, lon, lat, km):
    """is that in metres"""
    near = {"longitude": lon, "latitude": lat, "radius": km * 1000}
    return r.geosearch("airports", **near, sort="ASC", count=3, withdist=True)


def wrong_miles(r, lon, lat, km):
    """is that in miles"""
    near = {"longitude": lon, "latitude": lat, "radius": km / 1.609344, "unit": "mi"}
    return r.geosearch("airports", **near, sort="ASC", count=3, withdist=True)


def wrong_fetches_all(r, lon, lat, km):
    """for three airports"""
    near = {"longitude": lon, "latitude": lat, "radius": km, "unit": "km"}
    return r.geosearch("airports", **near, sort="ASC", withdist=True)[:3]


def wrong_asks_again(r, lon, lat, km):
    """2 commands"""
    near = {"longitude": lon, "latitude": lat, "radius": km, "unit": "km"}
    codes = r.geosearch("airports", **near, sort="ASC", count=3)
    places = dict(r.geosearch("airports", **near, sort="ASC", count=3, withdist=True))
    return [(code, places[code]) for code in codes]


def check(trial):
    import redis_lab.data
    from redis_lab.course.answers import Refused

    table = redis_lab.data.airports()
    trial.r.geoadd("airports", table[["lon", "lat", "faa"]].to_numpy().ravel().tolist())

    def found(lon, lat, km):
        answer = trial.run(lon, lat, km)
        try:
            return {str(code): float(far) for code, far in answer}
        except (TypeError, ValueError):
            said = f"it answered {answer!r:.90}, no list of (code, km) pairs"
            raise Refused(said) from None

    def right(lon, lat, km):
        near = {"longitude": lon, "latitude": lat, "radius": km, "unit": "km"}
        return dict(trial.r.geosearch("airports", **near, sort="ASC", count=3, withdist=True))

    def sent():
        return int(trial.r.info("stats")["total_net_output_bytes"])

    harbour, bridge = (-71.0, 42.36), (-73.9, 40.85)
    near, told = found(*harbour, 5), right(*harbour, 5)
    trial.require(
        bool(near),
        "in Boston's harbour there is Logan, BOS",
        "it found nothing there, within 5 km: is longitude first, and is the unit named?",
    )
    trial.require(
        list(near) == list(told) == ["BOS"],
        "and nothing else within 5 km",
        f"within 5 km it found {list(near)}, and all but BOS lies beyond it",
    )
    times = near["BOS"] / told["BOS"]
    units = {"metres": 1000, "miles": 1 / 1.609344}
    slip = [f": is that in {unit}?" for unit, size in units.items() if 0.98 < times / size < 1.02]
    trial.require(
        0.99 < times < 1.01,
        "its distance is in kilometres",
        f"BOS is {told['BOS']:.2f} km away, and it says {near['BOS']:.2f}{''.join(slip)}",
    )
    beyond = set(found(*bridge, 12)) - set(right(*bridge, 12))
    trial.expect(
        not beyond,
        "a range is a circle",
        f"within 12 km of the Hudson it found {', '.join(sorted(beyond))}, which lies beyond it",
    )
    ocean = found(-40.0, 35.0, 900)
    trial.expect(not ocean, "over the Atlantic there is none", f"in mid-ocean it found {ocean}")
    wrong = []
    for place in ((*bridge, 300), (-118.4, 33.9, 2000), (174.2, 52.6, 1000), (-149.9, 61.2, 400)):
        seen, best = found(*place), right(*place)
        if list(seen.values()) != sorted(seen.values()) or set(seen) != set(best):
            wrong.append(f"at {place[0]}, {place[1]} it found {list(seen)}; right is {list(best)}")
    trial.expect(
        not wrong,
        "they are the nearest, in order, from the Hudson to the Aleutians",
        f"those are not the nearest three: {'; '.join(wrong[:1])}",
    )
    with trial.cost() as cost:
        found(*bridge, 4000)
    number = sum(cost.commands.values())
    trial.expect(
        number == 1,
        "one command",
        f"the server ran {number} commands: {', '.join(cost.commands)}",
    )
    asking = -sent() + sent()
    before = sent()
    found(*bridge, 4000)
    kilobytes = (sent() - before - asking) / 1000
    trial.expect(
        kilobytes < 2,
        "which brings three",
        f"the server sent {kilobytes:.0f} KB for three airports",
    )
