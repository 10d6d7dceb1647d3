"""A week that fades: a board for each day, added up with weights."""

NOTEBOOK = "43"
TITLE = "A week that fades"
HINTS = (
    "A day's miles don't change when they fade: only what they count for does. When is that known?",
    "A board for each day, `ZINCRBY` and `EXPIRE` in one trip. Whoever asks adds seven of them up.",
    "`ZUNIONSTORE` takes weights, in redis-py as a dict of key and weight. Its result is a key "
    "like others, and has no end of its own. `ZUNION` would bring everybody.",
    "One pipeline: `pipe.zunionstore(week, {f'{{miles}}:{day - back}': 0.5**back for back in "
    "range(7)})`, `expire`, `zrange` with `desc=True`. What is in braces decides the slot.",
)
WHY = (
    "Popular now, trending, player of the week: a board that never forgets has the same leaders "
    "for ever, and newcomers leave. Weights at the time of asking need no nightly job, and can be "
    "changed tomorrow for yesterday's points."
)


class stub:
    """The best of seven days, of which each counts half as much as the day after it."""

    def __init__(self, r):
        """r: the client to use."""

    def earn(self, member, miles, day):
        """The member flies so many miles on this day, a number."""

    def top(self, n, day):
        """The best n (member, points) of the week that ends with this day, best first."""


class solution:
    def __init__(self, r):
        self.r = r

    def earn(self, member, miles, day):
        key = f"{{miles}}:{day}"
        self.r.pipeline().zincrby(key, miles, member).expire(key, 9 * 86_400).execute()

    def top(self, n, day):
        week = f"{{miles}}:week:{day}"
        days = {f"{{miles}}:{day - back}": 0.5**back for back in range(7)}
        pipe = self.r.pipeline().zunionstore(week, days).expire(week, 60)
        return pipe.zrange(week, 0, n - 1, desc=True, withscores=True).execute()[-1]


class wrong_does_not_fade(solution):
    """a mile of yesterday counts half"""

    def top(self, n, day):
        week = f"{{miles}}:week:{day}"
        days = [f"{{miles}}:{day - back}" for back in range(7)]
        pipe = self.r.pipeline().zunionstore(week, days).expire(week, 60)
        return pipe.zrange(week, 0, n - 1, desc=True, withscores=True).execute()[-1]


class wrong_backwards(solution):
    """count in full on their day"""

    def top(self, n, day):
        week = f"{{miles}}:week:{day}"
        days = {f"{{miles}}:{day - back}": 0.5 ** (6 - back) for back in range(7)}
        pipe = self.r.pipeline().zunionstore(week, days).expire(week, 60)
        return pipe.zrange(week, 0, n - 1, desc=True, withscores=True).execute()[-1]


class wrong_largest_day(solution):
    """the days add up"""

    def top(self, n, day):
        week = f"{{miles}}:week:{day}"
        days = {f"{{miles}}:{day - back}": 0.5**back for back in range(7)}
        pipe = self.r.pipeline().zunionstore(week, days, aggregate="MAX").expire(week, 60)
        return pipe.zrange(week, 0, n - 1, desc=True, withscores=True).execute()[-1]


class wrong_eight_days(solution):
    """seven days ago"""

    def top(self, n, day):
        week = f"{{miles}}:week:{day}"
        days = {f"{{miles}}:{day - back}": 0.5**back for back in range(8)}
        pipe = self.r.pipeline().zunionstore(week, days).expire(week, 60)
        return pipe.zrange(week, 0, n - 1, desc=True, withscores=True).execute()[-1]


class wrong_inflated(solution):
    """seven days ago"""

    def earn(self, member, miles, day):
        worth = miles * 2**day
        pipe = self.r.pipeline().zincrby("{miles}", worth, member)
        pipe.expire("{miles}", 9 * 86_400).execute()

    def top(self, n, day):
        found = self.r.zrange("{miles}", 0, n - 1, desc=True, withscores=True)
        return [(member, worth / 2**day) for member, worth in found]


class wrong_days_stay(solution):
    """stays for ever"""

    def earn(self, member, miles, day):
        self.r.zincrby(f"{{miles}}:{day}", miles, member)


class wrong_week_stays(solution):
    """stays for ever"""

    def top(self, n, day):
        week = f"{{miles}}:week:{day}"
        days = {f"{{miles}}:{day - back}": 0.5**back for back in range(7)}
        pipe = self.r.pipeline().zunionstore(week, days)
        return pipe.zrange(week, 0, n - 1, desc=True, withscores=True).execute()[-1]


class wrong_gone_at_midnight(solution):
    """before its week is over"""

    def earn(self, member, miles, day):
        key = f"{{miles}}:{day}"
        self.r.pipeline().zincrby(key, miles, member).expire(key, 86_400).execute()


class wrong_brings_everybody(solution):
    """brought the whole week"""

    def top(self, n, day):
        days = {f"{{miles}}:{day - back}": 0.5**back for back in range(7)}
        found = self.r.zunion(days, withscores=True)
        return sorted(found, key=lambda pair: -pair[1])[:n]


class wrong_two_trips(solution):
    """a flight took 2 trips"""

    def earn(self, member, miles, day):
        key = f"{{miles}}:{day}"
        self.r.zincrby(key, miles, member)
        self.r.expire(key, 9 * 86_400)


class wrong_slots(solution):
    """slots of a cluster"""

    def earn(self, member, miles, day):
        key = f"miles:{day}"
        self.r.pipeline().zincrby(key, miles, member).expire(key, 9 * 86_400).execute()

    def top(self, n, day):
        week = f"miles:week:{day}"
        days = {f"miles:{day - back}": 0.5**back for back in range(7)}
        pipe = self.r.pipeline().zunionstore(week, days).expire(week, 60)
        return pipe.zrange(week, 0, n - 1, desc=True, withscores=True).execute()[-1]


class wrong_one_board_that_shrinks(solution):
    """seven days ago"""

    def earn(self, member, miles, day):
        source = """
            local last = tonumber(redis.call('GET', KEYS[2]) or ARGV[3])
            local day = tonumber(ARGV[3])
            if day > last then
              redis.call('ZUNIONSTORE', KEYS[1], 1, KEYS[1], 'WEIGHTS', 0.5 ^ (day - last))
              last = day
            end
            redis.call('ZINCRBY', KEYS[1], ARGV[2] * 0.5 ^ (last - day), ARGV[1])
            redis.call('SET', KEYS[2], last, 'EX', 777600)
            return redis.call('EXPIRE', KEYS[1], 777600)
        """
        self.r.eval(source, 2, "{miles}", "{miles}:last", member, miles, day)

    def top(self, n, day):
        pipe = self.r.pipeline(transaction=False).get("{miles}:last")
        last, found = pipe.zrange("{miles}", 0, n - 1, desc=True, withscores=True).execute()
        return [(member, points * 0.5 ** (day - int(last))) for member, points in found]


def check(trial):
    from redis.crc import key_slot

    import redis_lab.data
    from redis_lab.course.answers import Refused
    from redis_lab.course.trial import Gaps

    gaps, asking = Gaps(), Gaps()
    writer, reader = trial.call(trial.client(gaps)), trial.call(trial.client(asking))

    def top(n, day):
        answer = trial.ask(reader.top, n, day)
        try:
            return [(str(member), round(float(points), 6)) for member, points in answer]
        except (TypeError, ValueError):
            said = f"top answered {answer!r:.90}, no list of (member, points) pairs"
            raise Refused(said) from None

    def sent(day):
        """Bytes that the server sends for top(3, day); asking for that is taken off."""
        counts = [trial.r.info("stats")["total_net_output_bytes"] for _ in range(2)]
        top(3, day)
        counts.append(trial.r.info("stats")["total_net_output_bytes"])
        return counts[2] - counts[1] - (counts[1] - counts[0])

    today = 366  # small: 2**15706 would be too long a number for hiredis, and end the kernel
    trial.ask(writer.earn, "F1", 800, today)
    gaps.trips = 0
    trial.ask(writer.earn, "F1", 200, today)
    trial.require(
        bool(gaps.trips and trial.keyspace()),
        "miles reach the server",
        "a flight left nothing on the server. (An end that is reckoned from the number of the day "
        "is over before it begins.)",
    )
    trial.expect(
        gaps.trips == 1,
        "each flight in one trip",
        f"a flight took {gaps.trips} trips: a process that dies in between leaves half of it",
    )
    left = [left for _, left in trial.keyspace().values()]
    trial.expect(
        all(each is None or each > 604_700 for each in left),
        "it is kept for its week",
        f"a key of it ends in {min(each or 0 for each in left):,.0f} s, before its week is over",
    )
    now = top(5, today)
    trial.require(
        now == [("F1", 1000)],
        "two flights of one day add up, and count in full on that day",
        f"F1 flew 800 and 200 miles today, and top says {now}: they count in full on their day",
    )
    later = {back: dict(top(5, today + back)).get("F1", 0) for back in range(9)}
    trial.require(
        later[1] == 500 and later[2] == 250,
        "a day later half is left, two days later a quarter",
        f"a mile of yesterday counts half, and one of the day before a quarter; of 1,000 there "
        f"are {later[1]:g} and {later[2]:g}",
    )
    trial.expect(
        later[6] == 1000 / 64,
        "six days later it still counts, a 64th",
        f"six days later there are {later[6]:g} of 1,000 miles, not 15.625",
    )
    trial.expect(
        later[7] == later[8] == 0,
        "after that it is gone",
        f"what was flown seven days ago is out of the week, and counts {later[7]:g}",
    )
    trial.ask(writer.earn, "F2", 600, today + 1)
    trial.ask(writer.earn, "F1", 200, today + 1)
    sums = top(5, today + 1)
    trial.expect(
        sums == [("F1", 700), ("F2", 600)],
        "over the week the days add up",
        f"1,000 yesterday and 200 today are 700; it says {sums}: the days add up",
    )
    trial.ask(writer.earn, "F2", 300, today)
    late = top(1, today + 1)
    trial.expect(
        late == [("F2", 750)],
        "a late report counts for its own day",
        f"F2 has 600 of today and, reported late, 300 of yesterday: 750; it says {late}",
    )
    flights = redis_lab.data.flights(month=1)
    flights = flights[(flights.day <= 9) & flights.tailnum.notna()].sample(500, random_state=43)
    base = today + 100
    for flight in flights.itertuples():
        trial.ask(writer.earn, flight.tailnum, flight.distance, base + flight.day)
    wrong = []
    for day in (3, 7, 9):
        week = flights[flights.day.between(day - 6, day)]
        points = (week.distance * 0.5 ** (day - week.day)).groupby(week.tailnum).sum().round(6)
        got = top(10, base + day)
        best = points.nlargest(10).tolist()
        if [round(each, 3) for _, each in got] != [round(each, 3) for each in best] or any(
            abs(points[name] - each) > 0.001 for name, each in got
        ):
            due = list(points.nlargest(3).items())
            wrong.append(f"for day {day} of January top begins with {got[:3]}, not with {due}")
    trial.expect(
        not wrong, "for 500 flights of January it agrees with pandas", f"{'; '.join(wrong[:1])}"
    )
    asking.trips = 0
    few = sent(base + 9)
    trial.expect(asking.trips == 1, "top is one trip", f"top took {asking.trips} trips")
    trial.expect(
        few < 3000,
        "and brings no more than it shows",
        f"for three members the server sent {few:,} bytes: it brought the whole week",
    )
    stays = [key for key, (_, left) in trial.keyspace().items() if left is None]
    trial.expect(
        not stays,
        "everything ends by itself",
        f"{stays[0] if stays else ''} has no time to live: it stays for ever",
    )
    slots = {key_slot(key.encode()) for key in trial.keyspace()}
    trial.expect(
        len(slots) == 1,
        "all keys are in one slot",
        f"its keys lie in {len(slots)} slots of a cluster, where a union takes keys of one",
    )
