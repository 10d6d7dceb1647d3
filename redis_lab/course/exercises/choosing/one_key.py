"""Four questions from one sorted set: a state that is no number is a score at the end."""

NOTEBOOK = "14"
TITLE = "Four questions, one key"
HINTS = (
    "Which structure answers `latest` without sorting? Then make room for the cancelled in it.",
    "A score can be more than any number of minutes. Redis knows a largest one.",
    "`inf` is a score like any other: `ZSCORE` tells it, a range of one score lists it.",
    "`zrange(key, '(inf', '-inf', desc=True, byscore=True, offset=0, num=n, withscores=True)` "
    "leaves the bound out.",
)
WHY = (
    "A second structure must be kept in step with the first, by every writer, for ever. Before you "
    "add one, look whether the state fits into what is there: as a score, a sign, a reserved value."
)


class stub:
    """A day's delays in one key; each call is one round trip."""

    def __init__(self, r):
        """r: the client to use."""

    def report(self, flight, minutes):
        """This flight left so many minutes late (early: below 0), or is cancelled (None)."""

    def status(self, flight):
        """Its minutes, "cancelled", or None if nothing was reported."""

    def latest(self, n):
        """(flight, minutes) of the n latest that left, the latest first; fewer if fewer left."""

    def cancelled(self):
        """The flights that are cancelled, in any order."""


class solution:
    def __init__(self, r):
        self.r = r

    def report(self, flight, minutes):
        self.r.zadd("board", {flight: "inf" if minutes is None else minutes})

    def status(self, flight):
        score = self.r.zscore("board", flight)
        return score if score is None else "cancelled" if score == float("inf") else int(score)

    def latest(self, n):
        bounds = {"start": "(inf", "end": "-inf", "desc": True, "byscore": True}
        found = self.r.zrange("board", **bounds, offset=0, num=n, withscores=True)
        return [(flight, int(score)) for flight, score in found]

    def cancelled(self):
        return self.r.zrange("board", "inf", "inf", byscore=True)


class wrong_two_keys(solution):
    """keys, not one"""

    def report(self, flight, minutes):
        with self.r.pipeline() as pipe:
            if minutes is None:
                pipe.zrem("board", flight).sadd("off", flight)
            else:
                pipe.zadd("board", {flight: minutes}).srem("off", flight)
            pipe.execute()

    def status(self, flight):
        score, off = self.r.pipeline().zscore("board", flight).sismember("off", flight).execute()
        return "cancelled" if off else score

    def cancelled(self):
        return self.r.smembers("off")


class wrong_minus_one(solution):
    """a minute early"""

    def report(self, flight, minutes):
        self.r.zadd("board", {flight: -1 if minutes is None else minutes})

    def status(self, flight):
        score = self.r.zscore("board", flight)
        return "cancelled" if score == -1 else score

    def cancelled(self):
        return self.r.zrange("board", -1, -1, byscore=True)


class wrong_very_late(solution):
    """and stands first"""

    def report(self, flight, minutes):
        self.r.zadd("board", {flight: 99_999 if minutes is None else minutes})

    def status(self, flight):
        score = self.r.zscore("board", flight)
        return "cancelled" if score == 99_999 else score

    def latest(self, n):
        return self.r.zrange("board", 0, n - 1, desc=True, withscores=True)

    def cancelled(self):
        return self.r.zrange("board", 99_999, 99_999, byscore=True)


class wrong_very_early(solution):
    """fills up"""

    def report(self, flight, minutes):
        self.r.zadd("board", {flight: "-inf" if minutes is None else minutes})

    def status(self, flight):
        score = self.r.zscore("board", flight)
        return "cancelled" if score == float("-inf") else score

    def latest(self, n):
        return self.r.zrange("board", 0, n - 1, desc=True, withscores=True)

    def cancelled(self):
        return self.r.zrange("board", "-inf", "-inf", byscore=True)


class wrong_two_names(solution):
    """left after all"""

    def report(self, flight, minutes):
        off = minutes is None
        self.r.zadd("board", {f"off:{flight}" if off else flight: "inf" if off else minutes})

    def status(self, flight):
        left, off = self.r.zmscore("board", [flight, f"off:{flight}"])
        return left if left is not None else off and "cancelled"

    def cancelled(self):
        found = self.r.zrange("board", "inf", "inf", byscore=True)
        return [name.removeprefix("off:") for name in found]


class wrong_pulls_all(solution):
    """the whole board"""

    def report(self, flight, minutes):
        self.r.hset("board", flight, "cancelled" if minutes is None else minutes)

    def status(self, flight):
        value = self.r.hget("board", flight)
        return value if value in (None, "cancelled") else int(value)

    def latest(self, n):
        board = self.r.hgetall("board").items()
        left = [(flight, int(value)) for flight, value in board if value != "cancelled"]
        return sorted(left, key=lambda pair: -pair[1])[:n]

    def cancelled(self):
        return [flight for flight, value in self.r.hgetall("board").items() if value == "cancelled"]


class wrong_keeps_it_here(solution):
    """another client"""

    def __init__(self, r):
        super().__init__(r)
        self.off = set()

    def report(self, flight, minutes):
        if minutes is None:
            self.off.add(flight)
        else:
            self.r.zadd("board", {flight: minutes})

    def status(self, flight):
        return "cancelled" if flight in self.off else self.r.zscore("board", flight)

    def cancelled(self):
        return list(self.off)


def check(trial):
    import redis_lab.data
    from redis_lab.course.answers import Refused
    from redis_lab.course.trial import Gaps

    gaps, asking = Gaps(), Gaps()
    writer, reader = trial.call(trial.client(gaps)), trial.call(trial.client(asking))

    def status(flight):
        return trial.ask(reader.status, flight)

    def latest(n):
        answer = trial.ask(reader.latest, n)
        if isinstance(answer, list | tuple) and all(
            isinstance(pair, tuple | list) and len(pair) == 2 for pair in answer
        ):
            return [(str(flight), int(minutes)) for flight, minutes in answer]
        raise Refused(f"latest({n}) answered {answer!r:.90}, no list of (flight, minutes)")

    def cancelled():
        answer = trial.ask(reader.cancelled)
        if isinstance(answer, list | tuple | set | frozenset):
            return sorted(map(str, answer))
        raise Refused(f"cancelled() answered {answer!r:.90}, no list of flights")

    first = {"UA1545": 2, "UA1714": 4, "B6725": -1, "AA1141": 0, "EV4308": None}
    for flight, minutes in first.items():
        trial.ask(writer.report, flight, minutes)
    told = {flight: status(flight) for flight in [*first, "DL461"]}
    trial.require(
        told["UA1545"] == 2 and told["EV4308"] == "cancelled" and told["DL461"] is None,
        "minutes, cancelled, or nothing, to another client",
        "UA1545 left 2 minutes late, EV4308 is cancelled, of DL461 nothing is known: another "
        f"client heard {[told[flight] for flight in ('UA1545', 'EV4308', 'DL461')]}",
    )
    trial.require(
        told["B6725"] == -1 and told["AA1141"] == 0,
        "a flight may leave early, or at its minute",
        f"B6725 left a minute early and AA1141 at its minute, and it answered {told['B6725']!r} "
        f"and {told['AA1141']!r}",
    )
    top = latest(2)
    trial.require(
        top == [("UA1714", 4), ("UA1545", 2)],
        "the latest come first",
        f"latest(2) is {top}, not [('UA1714', 4), ('UA1545', 2)]"
        + (": EV4308 is cancelled, and stands first" if top[:1] and top[0][0] == "EV4308" else ""),
    )
    many = [flight for flight, _ in trial.ask(reader.latest, 9) or []]
    trial.require(
        many == ["UA1714", "UA1545", "AA1141", "B6725"],
        "four have left: more than four there never are",
        f"latest(9) has {', '.join(map(str, many))}: a cancelled flight fills up the list"
        if "EV4308" in many
        else f"latest(9) has {', '.join(map(str, many)) or 'nobody'}, not UA1714, UA1545, AA1141, "
        "B6725",
    )
    for flight, minutes in {"EV4308": 50, "UA1545": None, "UA1714": 3}.items():
        trial.ask(writer.report, flight, minutes)
    now = (status("EV4308"), status("UA1545"), cancelled())
    trial.require(
        now == (50, "cancelled", ["UA1545"]),
        "a later report replaces the one before",
        "EV4308 left after all and UA1545 was cancelled; status says "
        f"{now[0]!r} and {now[1]!r}, and cancelled are {', '.join(now[2]) or 'none'}",
    )
    keys = trial.keyspace()
    trial.expect(
        len(keys) == 1,
        "one key holds it all",
        f"there are {len(keys)} keys, not one: {', '.join(keys) or 'nothing is on the server'}",
    )
    january = redis_lab.data.flights(month=1)
    today = january[january.day == 1]
    delays = today.dep_delay.astype(object).where(today.dep_delay.notna(), None)
    for flight, minutes in zip(today.id, delays, strict=True):
        trial.ask(writer.report, flight, minutes)
    asking.trips = gaps.trips = 0
    trial.ask(writer.report, "UA1545", None)
    sent = [int(trial.r.info("stats")["total_net_output_bytes"]) for _ in range(2)]
    top, off, one = latest(10), cancelled(), status("UA1545")
    sent.append(int(trial.r.info("stats")["total_net_output_bytes"]))
    expected = today.nlargest(10, "dep_delay").dep_delay.tolist()
    trial.expect(
        [minutes for _, minutes in top] == expected and len(off) == 5 and one == "cancelled",
        "and it is right for a whole day",
        f"of 842 flights the ten latest are {expected}, and five are cancelled; it answered "
        f"{[minutes for _, minutes in top]} and {len(off)}",
    )
    trial.expect(
        (gaps.trips, asking.trips) == (1, 3),
        "each call is one trip",
        f"report took {gaps.trips} trips; latest, cancelled and status took {asking.trips} trips",
    )
    kb = (sent[2] - sent[1] - (sent[1] - sent[0])) / 1000
    trial.expect(
        kb < 4,
        "and only what was asked for travels",
        f"the server sent {kb:.0f} KB for ten flights, five flights and one: the whole board",
    )
