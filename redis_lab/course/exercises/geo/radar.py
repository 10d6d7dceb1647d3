"""What moves, and falls silent: a map beside a ranking by time, since a place has no end."""

NOTEBOOK = "08"
TITLE = "Radar"
HINTS = (
    "`GEOADD` of a member that is there moves it. Nothing makes it go away: a map knows no time.",
    "Keep a second sorted set with the time of each plane's last report. Who is too old there?",
    "`ZREMRANGEBYSCORE` takes the old ones off the list of times. A map is a sorted set: "
    "`ZINTERSTORE` keeps those of its members that are in the list as well.",
    "Mind the sum: the map weighs 1, the times weigh 0, or your planes fly off.",
    "All of that and the `GEOSEARCH` go into one `r.pipeline()`; its last reply is the answer.",
)
WHY = (
    "Couriers, taxis, planes: a member of a map has no time to live, and a key that everybody "
    "writes to never expires. Without a list of times the map fills with ghosts, which every "
    "search reads and every screen shows."
)


class stub:
    """Planes near a place; each call is one round trip."""

    def __init__(self, r):
        """r: the client to use."""

    def report(self, plane, lon, lat, at):
        """The plane is here at this time, in seconds; a plane's reports come in order."""

    def near(self, lon, lat, km, now):
        """Planes within km, the nearest first, whose last report came after now - 60."""


class solution:
    def __init__(self, r):
        self.r = r

    def report(self, plane, lon, lat, at):
        with self.r.pipeline() as pipe:
            pipe.geoadd("radar", (lon, lat, plane)).zadd("radar:seen", {plane: at}).execute()

    def near(self, lon, lat, km, now):
        with self.r.pipeline() as pipe:
            pipe.zremrangebyscore("radar:seen", "-inf", now - 60)
            pipe.zinterstore("radar", {"radar": 1, "radar:seen": 0})
            circle = {"longitude": lon, "latitude": lat, "radius": km, "unit": "km"}
            return pipe.geosearch("radar", **circle, sort="ASC").execute()[-1]


class wrong_expires_the_key(solution):
    """still on the screen"""

    def report(self, plane, lon, lat, at):
        with self.r.pipeline() as pipe:
            pipe.geoadd("radar", (lon, lat, plane)).expire("radar", 60).execute()

    def near(self, lon, lat, km, now):
        circle = {"longitude": lon, "latitude": lat, "radius": km, "unit": "km"}
        return self.r.geosearch("radar", **circle, sort="ASC")


class wrong_a_map_a_minute(solution):
    """in two places"""

    def report(self, plane, lon, lat, at):
        with self.r.pipeline() as pipe:
            key = f"radar:{at // 60}"
            pipe.geoadd(key, (lon, lat, plane)).expire(key, 7200).execute()

    def near(self, lon, lat, km, now):
        circle = {"longitude": lon, "latitude": lat, "radius": km, "unit": "km"}
        with self.r.pipeline() as pipe:
            for minute in (now // 60, now // 60 - 1):
                pipe.geosearch(f"radar:{minute}", **circle, sort="ASC")
            found = pipe.execute()
        return list(dict.fromkeys(found[0] + found[1]))


class wrong_hides_the_ghosts(solution):
    """kept for ever"""

    def near(self, lon, lat, km, now):
        circle = {"longitude": lon, "latitude": lat, "radius": km, "unit": "km"}
        with self.r.pipeline() as pipe:
            pipe.zrange("radar:seen", f"({now - 60}", "+inf", byscore=True)
            pipe.geosearch("radar", **circle, sort="ASC")
            fresh, found = pipe.execute()
        return [plane for plane in found if plane in fresh]


class wrong_clears_the_map_alone(solution):
    """kept for ever"""

    def near(self, lon, lat, km, now):
        with self.r.pipeline() as pipe:
            pipe.zrangestore("radar:old", "radar:seen", "-inf", now - 60, byscore=True)
            pipe.zdiffstore("radar", ["radar", "radar:old"]).delete("radar:old")
            circle = {"longitude": lon, "latitude": lat, "radius": km, "unit": "km"}
            return pipe.geosearch("radar", **circle, sort="ASC").execute()[-1]


class wrong_adds_the_times(solution):
    """or in none"""

    def near(self, lon, lat, km, now):
        with self.r.pipeline() as pipe:
            pipe.zremrangebyscore("radar:seen", "-inf", now - 60)
            pipe.zinterstore("radar", ["radar", "radar:seen"])
            circle = {"longitude": lon, "latitude": lat, "radius": km, "unit": "km"}
            return pipe.geosearch("radar", **circle, sort="ASC").execute()[-1]


class wrong_looks_first(solution):
    """near took 4 trips"""

    def near(self, lon, lat, km, now):
        old = self.r.zrange("radar:seen", "-inf", now - 60, byscore=True)
        if old:
            self.r.zrem("radar", *old)
            self.r.zrem("radar:seen", *old)
        circle = {"longitude": lon, "latitude": lat, "radius": km, "unit": "km"}
        return self.r.geosearch("radar", **circle, sort="ASC")


class wrong_two_trips(solution):
    """a report took 2 trips"""

    def report(self, plane, lon, lat, at):
        self.r.geoadd("radar", (lon, lat, plane))
        self.r.zadd("radar:seen", {plane: at})


class wrong_without_order(solution):
    """not the nearest first"""

    def near(self, lon, lat, km, now):
        return sorted(super().near(lon, lat, km, now))


class wrong_keeps_it_here(solution):
    """a second screen"""

    def __init__(self, r):
        self.r, self.seen = r, {}

    def report(self, plane, lon, lat, at):
        self.seen[plane] = at
        self.r.geoadd("radar", (lon, lat, plane))

    def near(self, lon, lat, km, now):
        circle = {"longitude": lon, "latitude": lat, "radius": km, "unit": "km"}
        found = self.r.geosearch("radar", **circle, sort="ASC")
        return [plane for plane in found if self.seen.get(plane, 0) > now - 60]


def check(trial):
    import random

    from redis_lab.course.answers import Refused
    from redis_lab.course.trial import Gaps

    writing, reading = Gaps(), Gaps()
    tower = trial.call(trial.client(writing))
    screen = trial.call(trial.client(reading))

    def near(lon, lat, km, now):
        answer = trial.ask(screen.near, lon, lat, km, now)
        if isinstance(answer, list | tuple) and all(isinstance(plane, str) for plane in answer):
            return list(answer)
        raise Refused(f"near answered {answer!r:.90}, no list of planes")

    def held():
        sizes = {"hash": "hlen", "list": "llen", "set": "scard", "stream": "xlen", "zset": "zcard"}
        return sum(
            getattr(trial.r, sizes.get(kind, "memory_usage"))(key)
            for key, (kind, left) in trial.keyspace().items()
            if left is None
        )

    noon = 1362762000  # 8 March 2013
    trial.ask(tower.report, "N14228", -74.2, 40.7, noon)
    trial.ask(tower.report, "N24211", -73.9, 40.7, noon + 5)
    trial.require(
        bool(trial.keyspace()), "reports reach the server", "a report left nothing on the server"
    )
    seen = near(-74.17, 40.69, 50, noon + 10)
    trial.require(
        sorted(seen) == ["N14228", "N24211"],
        "what one client reports, another sees",
        f"a second screen shows {seen}, not both planes: is all of it on the server?",
    )
    others = [seen, near(-73.87, 40.77, 50, noon + 10)]
    trial.expect(
        others == [["N14228", "N24211"], ["N24211", "N14228"]],
        "the nearest first, from Newark and from LaGuardia",
        f"from Newark it is {others[0]}, from LaGuardia {others[1]}: not the nearest first",
    )
    trial.ask(tower.report, "N14228", -80.0, 42.0, noon + 50)
    trial.ask(tower.report, "N14228", -84.0, 42.0, noon + 62)
    places = {
        lon: near(lon, 42.0 if lon < -75 else 40.7, 20, noon + 63) for lon in (-84, -80, -74.2)
    }
    trial.require(
        places == {-84: ["N14228"], -80: [], -74.2: []},
        "a plane that moves is where it was seen last, and there alone",
        f"N14228 went to 80, then to 84° west; now it is in two places, or in none: {places}",
    )
    late = near(-73.9, 40.7, 20, noon + 64), near(-73.9, 40.7, 20, noon + 65)
    trial.expect(
        late[0] == ["N24211"],
        "59 seconds after its report a plane is still there",
        f"59 seconds after its report the screen shows {late[0]}",
    )
    trial.expect(
        not late[1],
        "after 60 it is gone, whoever else reports",
        f"60 seconds after its last report {''.join(late[1][:1])} is still on the screen",
    )
    trial.ask(tower.report, "N24211", -73.0, 40.7, noon + 66)
    back = near(-73.0, 40.7, 20, noon + 67)
    trial.expect(back == ["N24211"], "until it reports again", f"it reported, and near says {back}")
    rng = random.Random(8)
    sizes, wrong = [], []
    for wave in range(3):
        now = noon + 1000 * (wave + 1)
        for number in range(60):
            lon, lat = rng.uniform(-79, -69), rng.uniform(37, 44)
            trial.ask(tower.report, f"N{wave}{number:02}", lon, lat, now + number // 2)
        shown = near(-74, 40.5, 2000, now + 30)
        sizes.append(held())
        if len(shown) != 60 or any(plane[1] != str(wave) for plane in shown):
            wrong.append(shown)
    trial.expect(
        not wrong,
        "three waves of 60 planes are seen, each by itself",
        "".join(f"of 60 planes it shows {len(each)}: {each[:4]} …" for each in wrong[:1]),
    )
    trial.expect(
        sizes[2] < 1.3 * sizes[0] + 10,
        "what is stored does not grow with the day",
        f"after 60 planes there are {sizes[0]} elements, after 120 other ones {sizes[2]}: the "
        "silent ones are kept for ever",
    )
    writing.trips = reading.trips = 0
    trial.ask(tower.report, "N14228", -74.2, 40.7, noon + 9000)
    near(-74.17, 40.69, 50, noon + 9001)
    trial.expect(
        writing.trips == 1,
        "a report is one trip",
        f"a report took {writing.trips} trips: a process that dies in between leaves half of it",
    )
    trial.expect(reading.trips == 1, "so is near", f"near took {reading.trips} trips")
