"""A new number for the board: reports that may be repeated, counted once."""

NOTEBOOK = "44"
TITLE = "A new number in one trip"
HINTS = (
    "Two of the four numbers in the notebook were right after a repeated call. What had they in "
    "common?",
    "Remember which flight said what: then a repeated report has nothing to add, and number, mean "
    "and worst follow from it.",
    "A hash for each airport and hour. Which command sets a field only where there is none?",
    "`HSETNX` and `EXPIRE` in one `r.pipeline()`; `HVALS` brings the delays of an hour.",
)
WHY = (
    "A counter can't tell a second event from a second report of the first. What is stored under "
    "the event's own name can, and the sums are made when somebody asks. It costs a field for each "
    "event; where they are too many, a HyperLogLog of their ids counts them in 12 KB."
)


class stub:
    """Delays by airport and hour; each call is one round trip."""

    def __init__(self, r):
        """r: the client to use."""

    def report(self, flight, airport, hour, minutes):
        """A flight reports its delay, whole minutes, negative if early. Its first report counts."""

    def board(self, airport, hour):
        """(flights, mean delay, worst delay) of an airport's hour; (0, 0, 0) if none reported."""


class solution:
    def __init__(self, r):
        self.r = r

    def report(self, flight, airport, hour, minutes):
        key = f"delays:{airport}:{hour}"
        self.r.pipeline().hsetnx(key, flight, minutes).expire(key, 7 * 86_400 + 3600).execute()

    def board(self, airport, hour):
        delays = [int(minutes) for minutes in self.r.hvals(f"delays:{airport}:{hour}")]
        return (len(delays), sum(delays) / len(delays), max(delays)) if delays else (0, 0, 0)


class wrong_counters(solution):
    """counts for two"""

    def report(self, flight, airport, hour, minutes):
        key = f"{{delays:{airport}:{hour}}}"
        pipe = self.r.pipeline().hincrby(key, "n", 1).hincrby(key, "sum", minutes)
        pipe.zadd(f"{key}:worst", {"worst": minutes}, gt=True)
        pipe.expire(key, 7 * 86_400).expire(f"{key}:worst", 7 * 86_400).execute()

    def board(self, airport, hour):
        key = f"{{delays:{airport}:{hour}}}"
        sums, worst = self.r.pipeline().hgetall(key).zscore(f"{key}:worst", "worst").execute()
        n = int(sums.get("n", 0))
        return (n, int(sums["sum"]) / n, worst) if n else (0, 0, 0)


class wrong_last_report(solution):
    """its first report counts"""

    def report(self, flight, airport, hour, minutes):
        key = f"delays:{airport}:{hour}"
        self.r.pipeline().hset(key, flight, minutes).expire(key, 7 * 86_400).execute()


class wrong_worst_from_zero(solution):
    """the worst of them is"""

    def board(self, airport, hour):
        number, mean, worst = super().board(airport, hour)
        return number, mean, max(0, worst)


class wrong_early_are_punctual(solution):
    """early minutes count too"""

    def report(self, flight, airport, hour, minutes):
        super().report(flight, airport, hour, max(0, minutes))


class wrong_for_ever(solution):
    """stays for ever"""

    def report(self, flight, airport, hour, minutes):
        self.r.hsetnx(f"delays:{airport}:{hour}", flight, minutes)


class wrong_asks_first(solution):
    """is lost, and its repetition is taken for one"""

    def report(self, flight, airport, hour, minutes):
        key = f"{{delays:{airport}:{hour}}}"
        seen = self.r.pipeline().sadd(f"{key}:seen", flight).expire(f"{key}:seen", 7 * 86_400)
        if seen.execute()[0]:
            self.r.pipeline().rpush(key, minutes).expire(key, 7 * 86_400).execute()

    def board(self, airport, hour):
        delays = [int(minutes) for minutes in self.r.lrange(f"{{delays:{airport}:{hour}}}", 0, -1)]
        return (len(delays), sum(delays) / len(delays), max(delays)) if delays else (0, 0, 0)


class wrong_reads_and_writes(solution):
    """reported between two trips"""

    def report(self, flight, airport, hour, minutes):
        import json

        key = f"delays:{airport}:{hour}"
        known = json.loads(self.r.get(key) or "{}")
        self.r.set(key, json.dumps({flight: minutes} | known), ex=7 * 86_400 + 60)

    def board(self, airport, hour):
        import json

        delays = json.loads(self.r.get(f"delays:{airport}:{hour}") or "{}").values()
        return (len(delays), sum(delays) / len(delays), max(delays)) if delays else (0, 0, 0)


class wrong_equal_delays(solution):
    """equal delays are one"""

    def report(self, flight, airport, hour, minutes):
        key = f"delays:{airport}:{hour}"
        self.r.pipeline().sadd(key, minutes).expire(key, 7 * 86_400 + 60).execute()

    def board(self, airport, hour):
        delays = [int(minutes) for minutes in self.r.smembers(f"delays:{airport}:{hour}")]
        return (len(delays), sum(delays) / len(delays), max(delays)) if delays else (0, 0, 0)


class wrong_two_trips(solution):
    """without an end"""

    def report(self, flight, airport, hour, minutes):
        key = f"delays:{airport}:{hour}"
        self.r.hsetnx(key, flight, minutes)
        self.r.expire(key, 7 * 86_400)


class wrong_one_hour(solution):
    """hours and airports are kept apart"""

    def report(self, flight, airport, hour, minutes):
        super().report(flight, airport, hour % 24, minutes)

    def board(self, airport, hour):
        return super().board(airport, hour % 24)


def check(trial):
    import contextlib

    import redis_lab.data
    from redis_lab.course.answers import Killed, Refused
    from redis_lab.course.gaps import Gaps, mortal

    gaps, asking = Gaps(), Gaps()
    writer, reader = trial.call(trial.client(gaps)), trial.call(trial.client(asking))
    now = 384_880

    def report(*what):
        trial.ask(writer.report, *what)

    def board(airport, hour):
        answer = trial.ask(reader.board, airport, hour)
        try:
            number, mean, worst = answer
            return int(number), round(float(mean), 6), round(float(worst), 6)
        except (TypeError, ValueError):
            said = f"board answered {answer!r:.90}, not (flights, mean delay, worst delay)"
            raise Refused(said) from None

    report("UA1545", "EWR", now, 20)
    keys = trial.keyspace()
    trial.require(
        bool(keys),
        "a report reaches the server",
        "a report left nothing on the server. (An end that is reckoned from the number of the hour "
        "is over before it begins.)",
    )
    forever = [key for key, (_, left) in keys.items() if left is None]
    trial.expect(
        not forever, "everything ends by itself", f"{', '.join(forever[:2])} stays for ever"
    )
    ends = [left for _, left in keys.values() if left is not None]
    trial.expect(
        not ends or (min(ends) > 6.99 * 86_400 and max(ends) < 8.01 * 86_400),
        "after seven days, eight at most",
        f"its keys end {min(ends, default=0) / 86_400:.1f} to {max(ends, default=0) / 86_400:.1f} "
        "days after the report",
    )
    one = board("EWR", now)
    trial.require(
        one == (1, 20, 20),
        "one flight is one, with its own delay",
        f"one flight reported 20 minutes, and board says {one}",
    )
    trial.expect(
        board("JFK", now) == (0, 0, 0),
        "where nobody reported there are none",
        f"nobody reported at JFK, and board says {board('JFK', now)}",
    )
    report("UA1545", "EWR", now, 20)
    again = board("EWR", now)
    trial.expect(
        again == (1, 20, 20),
        "a repeated report changes nothing",
        f"UA1545 reported 20 minutes, and once more since the answer was lost; board says {again}: "
        "a flight counts for two",
    )
    report("UA1545", "EWR", now, 95)
    first = board("EWR", now)
    trial.expect(
        first == again,
        "nor does a later one with another delay",
        f"after 20 minutes UA1545 reported 95, and board says {first}: its first report counts",
    )
    report("UA15", "EWR", now + 24, 50)
    report("B6725", "JFK", now, 7)
    trial.expect(
        (board("EWR", now), board("EWR", now + 24), board("JFK", now))
        == (first, (1, 50, 50), (1, 7, 7)),
        "other hours and other airports have their own",
        f"a flight reported a day later and one at JFK; EWR has {board('EWR', now)}, a day later "
        f"{board('EWR', now + 24)}, JFK {board('JFK', now)}: hours and airports are kept apart",
    )
    report("DL461", "LGA", now, 12), report("DL807", "LGA", now, 12)
    same = board("LGA", now)
    trial.expect(
        same == (2, 12, 12),
        "two flights with the same delay are two",
        f"two flights reported 12 minutes each, and board says {same}: equal delays are one",
    )
    report("AA301", "LGA", now + 1, -8), report("AA303", "LGA", now + 1, -2)
    early = board("LGA", now + 1)
    trial.expect(
        early[:2] == (2, -5),
        "who is early pulls the mean down",
        f"two flights were 8 and 2 minutes early, and board says {early}: early minutes count too",
    )
    trial.expect(
        early[2] == -2 or early[:2] != (2, -5),
        "of flights that were all early, the worst was the least early",
        f"of two flights, 8 and 2 minutes early, the worst of them is -2, not {early[2]:g}",
    )
    gaps.trips = asking.trips = 0
    report("AA305", "LGA", now + 1, 3)
    trial.expect(gaps.trips == 1, "a report is one trip", f"a report took {gaps.trips} trips")
    asking.trips = 0
    board("LGA", now + 1)
    trial.expect(asking.trips == 1, "a question too", f"a question took {asking.trips} trips")
    stays = set()
    for after in (0, 1, 2):
        for torn in (False, True):
            hour = now + 100 + 2 * after + torn
            with contextlib.suppress(Killed):
                dying = trial.call(trial.client(mortal(after, torn)))
                trial.ask(dying.report, "HA51", "JFK", hour, 30)
            stays |= {key for key, (_, left) in trial.keyspace().items() if left is None}
            report("HA51", "JFK", hour, 30)
            found = board("JFK", hour)
            trial.expect(
                found == (1, 30, 30),
                "what dies in the middle and is repeated counts once",
                f"a report died {'half sent ' if torn else ''}after {after} trips and was "
                f"repeated; board says {found}: it is lost, and its repetition is taken for one"
                if found[0] == 0
                else f"a report died after {after} trips, was repeated, and board says {found}",
            )
    trial.expect(
        not stays or bool(forever),
        "nor leaves it a key that stays",
        f"a report that died left {', '.join(sorted(stays)[:2])} without an end",
    )
    meanwhile = Gaps(lambda: report("DL1", "LGA", now + 200, 90), 1)
    slow = trial.call(trial.client(meanwhile))
    trial.ask(slow.report, "DL2", "LGA", now + 200, 10)
    if not meanwhile.acted:
        report("DL1", "LGA", now + 200, 90)
    both = board("LGA", now + 200)
    trial.expect(
        both == (2, 50, 90),
        "two that report at the same time are two",
        f"DL1 with 90 minutes reported between two trips of DL2 with 10, and board says {both}",
    )
    flights = redis_lab.data.flights(month=11)
    flights = flights[(flights.day == 27) & flights.dep_delay.notna()]
    flights = flights.sample(150, random_state=44)
    wrong = []
    for flight in flights.itertuples():
        report(
            flight.id, flight.origin, 500_000 + flight.sched_dep_time // 100, int(flight.dep_delay)
        )
    sums = flights.assign(hour=flights.sched_dep_time // 100).groupby(["origin", "hour"]).dep_delay
    for (origin, hour), delays in list(sums)[::4]:
        right = len(delays), round(float(delays.mean()), 6), float(delays.max())
        if (got := board(origin, 500_000 + hour)) != right:
            wrong.append(f"{origin} at {hour}: {got}, not {right}")
    trial.expect(
        not wrong, "150 flights of 27 November are as pandas has them", "; ".join(wrong[:2])
    )
