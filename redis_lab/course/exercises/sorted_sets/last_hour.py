"""A sliding top ten: small boards by the minute, added up when somebody asks."""

NOTEBOOK = "06"
TITLE = "The last sixty minutes"
HINTS = (
    "A score can't be count and time at once. Which of the two can go into the key?",
    "One small sorted set for each minute: `ZINCRBY` by destination, and `EXPIRE` in the same "
    "trip.",
    "`ZUNIONSTORE` adds up sixty of them; `ZRANGE` with `desc=True` in the same pipeline reads "
    "the first ten.",
    'The keys: `[f"{{hour}}:{now // 60 - back}" for back in range(60)]`. The braces keep them on '
    "one node of a cluster (notebook 63).",
)
WHY = (
    "Trending, busiest, most wanted: every list of the last hour is a sum of small parts that go "
    "by themselves. Finer parts are more exact, coarser ones cheaper to add up."
)


class stub:
    """The busiest destinations of the last sixty minutes; each call is one round trip."""

    def __init__(self, r):
        """r: the client to use."""

    def depart(self, dest, at):
        """A flight to dest leaves at this time, a full minute in seconds since 1970."""

    def top(self, now):
        """The ten (dest, departures) with now - 3600 < at <= now, most departures first."""


class solution:
    def __init__(self, r):
        self.r = r

    def depart(self, dest, at):
        key = f"{{hour}}:{at // 60}"
        self.r.pipeline().zincrby(key, 1, dest).expire(key, 7200).execute()

    def top(self, now):
        minutes = [f"{{hour}}:{now // 60 - back}" for back in range(60)]
        pipe = self.r.pipeline().zunionstore("{hour}:top", minutes)
        return pipe.zrange("{hour}:top", 0, 9, desc=True, withscores=True).execute()[1]


class wrong_hour_of_the_clock(solution):
    """began at the full hour"""

    def depart(self, dest, at):
        key = f"hour:{at // 3600}"
        self.r.pipeline().zincrby(key, 1, dest).expire(key, 7200).execute()

    def top(self, now):
        return self.r.zrange(f"hour:{now // 3600}", 0, 9, desc=True, withscores=True)


class wrong_one_board(solution):
    """never leave it"""

    def depart(self, dest, at):
        self.r.pipeline().zincrby("hour", 1, dest).expire("hour", 3600).execute()

    def top(self, now):
        return self.r.zrange("hour", 0, 9, desc=True, withscores=True)


class wrong_same_minute(solution):
    """counted as one"""

    def depart(self, dest, at):
        with self.r.pipeline() as pipe:
            pipe.zadd("log", {f"{dest}:{at}": at})
            pipe.zremrangebyscore("log", "-inf", at - 3600).execute()

    def top(self, now):
        from collections import Counter

        seen = self.r.zrange("log", f"({now - 3600}", now, byscore=True)
        return Counter(each.split(":")[0] for each in seen).most_common(10)


class wrong_sixty_one_minutes(solution):
    """60 minutes ago"""

    def top(self, now):
        minutes = [f"{{hour}}:{now // 60 - back}" for back in range(61)]
        pipe = self.r.pipeline().zunionstore("{hour}:top", minutes)
        return pipe.zrange("{hour}:top", 0, 9, desc=True, withscores=True).execute()[1]


class wrong_for_ever(solution):
    """are kept for ever"""

    def depart(self, dest, at):
        self.r.zincrby(f"{{hour}}:{at // 60}", 1, dest)


class wrong_growing_log(solution):
    """grew with the day"""

    def depart(self, dest, at):
        import uuid

        with self.r.pipeline() as pipe:
            pipe.zadd("log", {f"{dest}:{uuid.uuid4()}": at}).expire("log", 7200).execute()

    def top(self, now):
        from collections import Counter

        seen = self.r.zrange("log", f"({now - 3600}", now, byscore=True)
        return Counter(each.split(":")[0] for each in seen).most_common(10)


class wrong_ends_too_early(solution):
    """before its hour is over"""

    def depart(self, dest, at):
        key = f"{{hour}}:{at // 60}"
        self.r.pipeline().zincrby(key, 1, dest).expire(key, 60).execute()


class wrong_two_trips(solution):
    """a departure took 2 trips"""

    def depart(self, dest, at):
        key = f"{{hour}}:{at // 60}"
        self.r.zincrby(key, 1, dest)
        self.r.expire(key, 7200)


def check(trial):
    from collections import Counter

    import redis_lab.data
    from redis_lab.course.answers import Refused
    from redis_lab.course.trial import Gaps

    gaps, asking = Gaps(), Gaps()
    writer, reader = trial.call(trial.client(gaps)), trial.call(trial.client(asking))

    def top(now):
        answer = trial.ask(reader.top, now)
        try:
            return {str(dest): float(count) for dest, count in answer}
        except (TypeError, ValueError):
            said = f"top answered {answer!r:.90}, no list of (dest, departures) pairs"
            raise Refused(said) from None

    def held():
        """Elements in keys that stay, and in the largest key."""
        sizes = {"hash": "hlen", "list": "llen", "set": "scard", "stream": "xlen", "zset": "zcard"}
        found = [
            (getattr(trial.r, sizes.get(kind, "memory_usage"))(key), left)
            for key, (kind, left) in trial.keyspace().items()
        ]
        largest = max((size for size, _ in found), default=0)
        return sum(size for size, left in found if left is None), largest

    def sent(now):
        """Bytes that the server sends for top(now); asking for that is taken off."""
        counts = [trial.r.info("stats")["total_net_output_bytes"] for _ in range(2)]
        top(now)
        counts.append(trial.r.info("stats")["total_net_output_bytes"])
        return counts[2] - counts[1] - (counts[1] - counts[0])

    begin = 1362673800  # 7 March 2013, 11:30
    trial.ask(writer.depart, "ORD", begin)
    gaps.trips = 0
    trial.ask(writer.depart, "ORD", begin)
    trial.require(
        bool(gaps.trips and trial.keyspace()),
        "departures reach the server",
        "a departure left nothing on the server. (An end that is reckoned from `at`, in 2013, is "
        "over before it begins.)",
    )
    trial.expect(
        gaps.trips == 1,
        "each in one trip",
        f"a departure took {gaps.trips} trips: a process that dies in between leaves half of it",
    )
    left = min((left for _, left in trial.keyspace().values() if left is not None), default=3600)
    trial.expect(
        left > 3540,
        "each is kept for an hour",
        f"a key of it ends in {left:.0f} s, before its hour is over",
    )
    shown = top(begin)
    trial.require(
        shown == {"ORD": 2},
        "two departures to ORD in one minute are two",
        "two departures of one minute were counted as one"
        if shown == {"ORD": 1}
        else f"two flights left for ORD, and top says {shown}",
    )
    trial.ask(writer.depart, "LAX", begin + 1800)
    times = {minutes: top(begin + 60 * minutes) for minutes in (45, 59, 60, 89)}
    both = {"ORD": 2, "LAX": 1}
    trial.expect(
        times[45] == times[59] == both,
        "45 and 59 minutes later they still count",
        f"what left at 11:30 and 12:00 is {times[45]} at 12:15, {times[59]} at 12:29: the hour "
        "began at the full hour, or somewhere else",
    )
    trial.require(
        times[89].get("ORD", 0) == 0,
        "later they leave the list",
        "flights enter the list and never leave it: at 12:59 it still counts those of 11:30",
    )
    trial.expect(
        times[60].get("ORD", 0) == 0 and times[60].get("LAX") == 1,
        "which is when sixty minutes are over",
        f"at 12:30 it is {times[60]}: what left 60 minutes ago, at 11:30, is out by then",
    )
    flights = redis_lab.data.flights(month=3)
    flights = flights[(flights.day == 8) & flights.dep_time.notna()]
    seconds = flights.scheduled.dt.tz_localize("America/New_York").astype("int64")
    day = list(zip(seconds.tolist(), flights.dest.tolist(), strict=True))
    wrong, costs, sizes, done = [], [], [], 0
    for hour in (9, 13, 17, 21):
        now = 1362718800 + hour * 3600 + 17 * 60
        while done < len(day) and day[done][0] <= now:
            trial.ask(writer.depart, day[done][1], day[done][0])
            done += 1
        shown = top(now)
        right = Counter(dest for at, dest in day if now - 3600 < at <= now)
        best = sorted(right.values(), reverse=True)[:10]
        if list(shown.values()) != best or any(right[dest] != n for dest, n in shown.items()):
            wrong.append(f"at {hour}:17 it is {shown}, not {right.most_common(10)}")
        if hour in (9, 21):
            costs.append(sent(now))
            sizes.append(held())
    trial.expect(
        not wrong, "on 8 March it agrees with pandas", f"on 8 March, {'; '.join(wrong[:1])}"
    )
    asking.trips = 0
    top(now)
    trial.expect(asking.trips == 1, "top is one trip", f"top took {asking.trips} trips")
    trial.expect(
        costs[1] < 2 * costs[0] + 500,
        "at 21:17 it costs what it cost at 9:17",
        f"the server sent {costs[0]:,} bytes for top at 9:17, and {costs[1]:,} at 21:17",
    )
    trial.expect(
        sizes[1][0] < 1.5 * sizes[0][0] + 20,
        "what is no longer needed goes",
        f"{sizes[1][0]} elements at 21:17, {sizes[0][0]} at 9:17, in keys without a time to live: "
        "they are kept for ever",
    )
    trial.expect(
        sizes[1][1] < 1.5 * sizes[0][1] + 20,
        "and no key grows with the day",
        f"a key grew with the day, from {sizes[0][1]} to {sizes[1][1]} elements: a time to live "
        "that each write renews never ends",
    )
