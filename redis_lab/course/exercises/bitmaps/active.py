"""Seven-day active users: a bitmap a day, joined when somebody asks."""

NOTEBOOK = "07"
TITLE = "Seven days active"
HINTS = (
    "A key for each day, a bit for each person.",
    "Whoever was there on any of seven days: which of `BITOP`'s operations is that?",
    "`BITOP` stores its result. One `r.pipeline()` joins, counts and lets the result go again.",
    'The keys: `[f"{{active}}:{day - back}" for back in range(7)]`. The braces keep them on one '
    "node of a cluster (notebook 63).",
)
WHY = (
    "Daily, weekly, monthly active users come from the same bitmaps: only the number of days "
    "changes. `pipeline()` is a transaction, so nobody else's union gets between yours and its "
    "count."
)


class stub:
    """Who was active, by day and by week; each call is one round trip."""

    def __init__(self, r):
        """r: the client to use."""

    def seen(self, person, day):
        """A person (numbered from 0) was active on this day (numbered too)."""

    def week(self, day):
        """How many people were active on this day or one of the six before it."""


class solution:
    def __init__(self, r):
        self.r = r

    def seen(self, person, day):
        key = f"{{active}}:{day}"
        self.r.pipeline().setbit(key, person, 1).expire(key, 8 * 86400).execute()

    def week(self, day):
        days = [f"{{active}}:{day - back}" for back in range(7)]
        pipe = self.r.pipeline().bitop("OR", "{active}:week", *days).bitcount("{active}:week")
        return pipe.delete("{active}:week").execute()[1]


class wrong_adds_the_days(solution):
    """counted once for each day"""

    def week(self, day):
        pipe = self.r.pipeline()
        for back in range(7):
            pipe.bitcount(f"{{active}}:{day - back}")
        return sum(pipe.execute())


class wrong_every_day(solution):
    """on every one of the seven"""

    def week(self, day):
        days = [f"{{active}}:{day - back}" for back in range(7)]
        pipe = self.r.pipeline().bitop("AND", "{active}:week", *days).bitcount("{active}:week")
        return pipe.delete("{active}:week").execute()[1]


class wrong_eight_days(solution):
    """seven days before"""

    def week(self, day):
        days = [f"{{active}}:{day - back}" for back in range(8)]
        pipe = self.r.pipeline().bitop("OR", "{active}:week", *days).bitcount("{active}:week")
        return pipe.delete("{active}:week").execute()[1]


class wrong_week_of_the_calendar(solution):
    """six days before"""

    def week(self, day):
        days = [f"{{active}}:{each}" for each in range(day // 7 * 7, day + 1)]
        pipe = self.r.pipeline().bitop("OR", "{active}:week", *days).bitcount("{active}:week")
        return pipe.delete("{active}:week").execute()[1]


class wrong_sets(solution):
    """a bit each would be"""

    def seen(self, person, day):
        key = f"{{active}}:{day}"
        self.r.pipeline().sadd(key, person).expire(key, 8 * 86400).execute()

    def week(self, day):
        return len(self.r.sunion([f"{{active}}:{day - back}" for back in range(7)]))


class wrong_estimate(solution):
    """an estimate"""

    def seen(self, person, day):
        key = f"{{active}}:{day}"
        self.r.pipeline().pfadd(key, person).expire(key, 8 * 86400).execute()

    def week(self, day):
        return self.r.pfcount(*[f"{{active}}:{day - back}" for back in range(7)])


class wrong_for_ever(solution):
    """are kept for ever"""

    def seen(self, person, day):
        self.r.setbit(f"{{active}}:{day}", person, 1)


class wrong_ends_with_the_day(solution):
    """before its week is over"""

    def seen(self, person, day):
        key = f"{{active}}:{day}"
        self.r.pipeline().setbit(key, person, 1).expire(key, 86400).execute()


class wrong_leaves_the_union(solution):
    """for every day that was asked for"""

    def week(self, day):
        days = [f"{{active}}:{day - back}" for back in range(7)]
        to = f"{{active}}:week:{day}"
        return self.r.pipeline().bitop("OR", to, *days).bitcount(to).execute()[1]


class wrong_two_trips(solution):
    """week took 3 trips"""

    def week(self, day):
        days = [f"{{active}}:{day - back}" for back in range(7)]
        self.r.bitop("OR", "{active}:week", *days)
        count = self.r.bitcount("{active}:week")
        self.r.delete("{active}:week")
        return count


def check(trial):
    import redis_lab.data
    from redis_lab.course.trial import Gaps

    gaps, asking = Gaps(), Gaps()
    writer, reader = trial.call(trial.client(gaps)), trial.call(trial.client(asking))

    def seen(person, day):
        trial.ask(writer.seen, person, day)

    def week(day):
        return trial.ask(reader.week, day)

    def sent(day):
        """Bytes that the server sends for week(day); asking for that is taken off."""
        counts = [trial.r.info("stats")["total_net_output_bytes"] for _ in range(2)]
        week(day)
        counts.append(trial.r.info("stats")["total_net_output_bytes"])
        return counts[2] - counts[1] - (counts[1] - counts[0])

    seen(7, 1000)
    trial.require(bool(trial.keyspace()), "a visit reaches the server", "it left no key there")
    gaps.trips = 0
    seen(7, 1000)
    trial.expect(gaps.trips == 1, "in one trip", f"seen took {gaps.trips} trips")
    lasting = [key for key, (_, left) in trial.keyspace().items() if left is None]
    trial.expect(
        not lasting,
        "what is stored goes by itself",
        f"{', '.join(lasting)} has no time to live: the days are kept for ever",
    )
    ends = [left for _, left in trial.keyspace().values() if left is not None]
    trial.expect(
        not ends or max(ends) > 6.99 * 86400,
        "but not before its week is over",
        f"a day ends {max(ends, default=0) / 86400:.1f} days after it was written, before its week "
        "is over",
    )
    seen(9, 1000)
    answer = week(1000)
    trial.require(
        answer == 2,
        "two people, one of them seen twice, are two",
        f"persons 7, 7 and 9 were seen on one day, and week answered {answer!r}"
        + (": must they come on every one of the seven days?" if answer == 0 else ""),
    )
    seen(7, 1001)
    seen(7, 1003)
    answer = week(1003)
    trial.expect(
        answer == 2,
        "who comes on three days is one person",
        f"of two people one came on three days, the other on one, and week says {answer!r}: a "
        "person is counted once for each day",
    )
    seen(5, 1010)
    times = {back: week(1010 + back) for back in (5, 6, 7)}
    trial.expect(
        times[5] == times[6] == 1,
        "five and six days later they still count",
        f"one person came on day 1010, and on days 1015 and 1016 week says {times[5]!r} and "
        f"{times[6]!r}: six days before is within the seven",
    )
    trial.expect(
        times[7] == 0,
        "on the seventh day after they don't",
        f"on day 1017 week says {times[7]!r}: what was seven days before is the eighth day",
    )
    trial.expect(
        week(1009) == 1,
        "what came later is not counted",
        f"persons 7 on day 1003 and 5 on day 1010 came: on day 1009 that is one, not {week(1009)}",
    )
    before = len(trial.keyspace())
    for day in range(2000, 2010):
        week(day)
    keys = trial.keyspace()
    left_over = [key for key, (_, left) in keys.items() if left is None and key not in lasting]
    trial.expect(
        not left_over and len(keys) <= before + 1,
        "asking leaves nothing that stays",
        f"ten questions left {len(keys) - before} keys more ({', '.join(left_over[:2])} …): a "
        "union for every day that was asked for",
    )
    asking.trips = 0
    week(1010)
    trial.expect(asking.trips == 1, "a question is one trip", f"week took {asking.trips} trips")
    flights = redis_lab.data.flights(month=3)
    flown = flights[flights.dep_time.notna() & flights.day.between(1, 9)]
    planes = {plane: number for number, plane in enumerate(flown.tailnum.unique())}
    visits = flown.groupby("day").tailnum.unique().map(lambda those: those[:50])
    for day, those in visits.items():
        for plane in those:
            seen(planes[plane], 3000 + day)
    pairs = []
    for last in (7, 9):
        right = len({plane for day in range(last - 6, last + 1) for plane in visits[day]})
        pairs.append((week(3000 + last), right))
    wrong = [f"{answer!r} instead of {right}" for answer, right in pairs if answer != right]
    near = all(abs((answer or 0) - right) < right / 25 for answer, right in pairs)
    trial.expect(
        not wrong,
        "planes of March are counted exactly",
        f"week says {', '.join(wrong)}" + (": an estimate" if near else ""),
    )
    seen(len(planes), 3009)
    trial.expect(
        week(3009) == pairs[1][0] + 1,
        "one plane more, and the next answer has it",
        f"another plane came after a first question, and week says {week(3009)!r} again",
    )

    def size():
        return sum(trial.r.memory_usage(key, samples=0) for key in trial.keyspace())

    before = size()
    for person in range(600):
        seen(person, 4000)
    more = size() - before
    trial.expect(
        more < 1000,
        "600 people of one day take no more than a bit each",
        f"600 people of one day take {more:,} bytes: a bit each would be 75",
    )
    seen(999_999, 5000)
    cost = sent(5000)
    trial.expect(
        cost < 1000,
        "the counting is done on the server",
        f"the server sent {cost:,} bytes for one number",
    )
