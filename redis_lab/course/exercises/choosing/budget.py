"""A month's delays in three bytes a flight: packed, a code for nothing, and no room to grow."""

NOTEBOOK = "14"
TITLE = "Three bytes a flight"
HINTS = (
    "Everybody knows the schedule. What does that make superfluous on the server?",
    "A flight's place in the schedule is the place of its number in one string: `BITFIELD`.",
    "A 0 that nobody wrote must not be a delay of 0: what can you add to every delay, so that a "
    "stored 0 is free? And how many bits do -43 to 1,301 need then?",
    "A string that grows doubles. `r.set(key, bytes(2 * len(schedule)), nx=True)` makes it in its "
    "full length, for the first client that comes, and does nothing for the others.",
)
WHY = (
    "Numbers for things that are numbered already take a twentieth of what names and numbers take. "
    "The schedule is part of the format now: who changes its order changes every delay."
)


class stub:
    """Delays in three bytes a flight or less; each call is one round trip."""

    def __init__(self, r, schedule):
        """r: the client to use; schedule: the ids of all flights, in an order all clients know."""

    def report(self, flight, minutes):
        """This flight left so many minutes late, -43 to 1,301; a later report replaces it."""

    def delay(self, flight):
        """Its minutes, None if there was no report."""


class solution:
    def __init__(self, r, schedule):
        self.r = r
        self.place = {flight: f"#{place}" for place, flight in enumerate(schedule)}
        r.set("delays", bytes(2 * len(schedule)), nx=True)

    def report(self, flight, minutes):
        self.r.bitfield("delays").set("u16", self.place[flight], minutes + 1000).execute()

    def delay(self, flight):
        stored = self.r.bitfield_ro("delays", "u16", self.place[flight])[0]
        return stored - 1000 if stored else None


class wrong_a_key_each:
    """a key for each flight"""

    def __init__(self, r, schedule):
        self.r = r

    def report(self, flight, minutes):
        self.r.set(f"delay:{flight}", minutes)

    def delay(self, flight):
        minutes = self.r.get(f"delay:{flight}")
        return None if minutes is None else int(minutes)


class wrong_hashes:
    """names are stored"""

    def __init__(self, r, schedule):
        self.r = r

    def report(self, flight, minutes):
        number, _, day = flight.partition("-")
        self.r.hset(f"delays:{day}", number, minutes)

    def delay(self, flight):
        number, _, day = flight.partition("-")
        minutes = self.r.hget(f"delays:{day}", number)
        return None if minutes is None else int(minutes)


class wrong_zero_is_nothing(solution):
    """nobody has reported it"""

    def report(self, flight, minutes):
        self.r.bitfield("delays").set("i16", self.place[flight], minutes).execute()

    def delay(self, flight):
        return self.r.bitfield_ro("delays", "i16", self.place[flight])[0]


class wrong_zero_is_none(wrong_zero_is_nothing):
    """left at its minute"""

    def delay(self, flight):
        return self.r.bitfield_ro("delays", "i16", self.place[flight])[0] or None


class wrong_one_byte(solution):
    """come back as"""

    def report(self, flight, minutes):
        self.r.bitfield("delays").set("u8", self.place[flight], minutes + 100).execute()

    def delay(self, flight):
        stored = self.r.bitfield_ro("delays", "u8", self.place[flight])[0]
        return stored - 100 if stored else None


class wrong_it_grows(solution):
    """room to grow"""

    def __init__(self, r, schedule):
        self.r = r
        self.place = {flight: f"#{place}" for place, flight in enumerate(schedule)}


class wrong_starts_anew(solution):
    """came later"""

    def __init__(self, r, schedule):
        super().__init__(r, schedule)
        r.set("delays", bytes(2 * len(schedule)))


class wrong_looks_first(solution):
    """2 trips"""

    def report(self, flight, minutes):
        if self.delay(flight) != minutes:
            super().report(flight, minutes)


class wrong_keeps_it_here(solution):
    """another client"""

    def __init__(self, r, schedule):
        super().__init__(r, schedule)
        self.known = {}

    def report(self, flight, minutes):
        self.known[flight] = minutes

    def delay(self, flight):
        return self.known.get(flight)


def check(trial):
    import redis_lab.data
    from redis_lab.course.trial import Gaps

    flights = redis_lab.data.flights(month=1).iloc[::27]
    schedule = flights.id.tolist()
    left = flights.dropna(subset="dep_delay").sample(frac=1, random_state=14)
    reports = dict(zip(left.id.tolist(), left.dep_delay.tolist(), strict=True))
    silent = [flight for flight in schedule if flight not in reports]
    reports |= dict(zip(list(reports)[:5], (0, -1, -43, 1301, 15), strict=True))
    reports |= {schedule[0]: 2, schedule[-1]: 30}
    silent = [flight for flight in silent if flight not in reports]
    gaps = Gaps()
    writer = trial.call(trial.client(gaps), schedule)
    reader = trial.call(trial.client(), schedule)

    def weigh():
        """Bytes a flight, and the keys."""
        keys = trial.keyspace()
        return sum(trial.r.memory_usage(key, samples=0) for key in keys) / len(schedule), keys

    for flight in (schedule[0], schedule[-1]):
        trial.ask(writer.report, flight, reports[flight])
    heard = [trial.ask(reader.delay, flight) for flight in (schedule[0], schedule[-1])]
    trial.require(
        heard == [2, 30],
        "what one client reports, another hears",
        f"2 and 30 minutes were reported, and another client heard {heard}: is it on the server?",
    )
    quiet = trial.ask(reader.delay, silent[0])
    trial.require(
        quiet is None,
        "no report, no delay",
        f"{silent[0]} has a delay of {quiet!r}, and nobody has reported it",
    )
    early, _ = weigh()
    for flight, minutes in reports.items():
        trial.ask(writer.report, flight, minutes)
    gaps.trips = 0
    trial.ask(writer.report, schedule[1], 33)
    trial.ask(writer.report, schedule[1], reports.get(schedule[1], 33))
    written = gaps.trips / 2
    gaps.trips = 0
    heard = {flight: trial.ask(writer.delay, flight) for flight in [*reports][:20]}
    read = gaps.trips / len(heard)
    off = [flight for flight, minutes in heard.items() if minutes != reports[flight]]
    on_time = [flight for flight in off if reports[flight] == 0 and heard[flight] is None]
    trial.require(
        not on_time,
        "0 minutes are a report as well",
        f"{''.join(on_time[:1])} left at its minute, was reported with 0, and it answered None",
    )
    trial.require(
        not off,
        "-43, 0 and 1,301 minutes come back, and all between",
        "; ".join(f"{reports[flight]} minutes come back as {heard[flight]}" for flight in off[:3]),
    )
    late = trial.call(trial.client(), schedule)
    before = {flight: reports[flight] for flight in [*reports][::100]}
    after = {flight: trial.ask(late.delay, flight) for flight in before}
    lost = sum(after[flight] != before[flight] for flight in before)
    trial.require(
        not lost,
        "a client that comes later finds all of them",
        f"{lost} of {len(before)} delays were not what was reported, to a client that came later: "
        "does making the object write over what is there?",
    )
    hears = [trial.ask(late.delay, flight) for flight in silent]
    trial.expect(
        hears == [None] * len(silent),
        "the cancelled ones still have none",
        f"of {len(silent)} flights without a report {len(hears) - hears.count(None)} have a delay",
    )
    trial.expect(
        (written, read) == (1, 1),
        "each call is one trip",
        f"report took {written:g} trips and delay {read:g} trips",
    )
    each, keys = weigh()
    kinds = {kind for kind, _ in keys.values()}
    if len(keys) > len(schedule) / 2:
        reason = "there is a key for each flight"
    elif kinds & {"hash", "zset", "stream"}:
        reason = "names are stored with the numbers, or numbers of flights: the schedule has both"
    elif kinds != {"string"}:
        reason = f"a {' and a '.join(sorted(kinds))} keeps a length beside each number"
    else:
        length = sum(trial.r.strlen(key) for key in keys)
        reason = f"{length:,} bytes are in strings; the rest is their room to grow, or their number"
    trial.expect(
        max(early, each) <= 3,
        f"{len(schedule):,} flights take three bytes each, or less, from the first report on",
        f"a flight takes {early:.2f} bytes after two reports, {each:.2f} after all: {reason}",
    )
