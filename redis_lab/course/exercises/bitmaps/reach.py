"""How many different people, over any range of days: a HyperLogLog a day, joined by PFCOUNT."""

NOTEBOOK = "07"
TITLE = "How many different people"
HINTS = (
    "They have names, no numbers, and nobody asks who they were.",
    "A HyperLogLog for each day. `PFADD` takes many names at once.",
    "`PFCOUNT` takes many keys: it joins them, counts, and stores nothing.",
    "The time to live goes into the same `r.pipeline()` as the names.",
)
WHY = (
    "Reach over any range of days, from 12 KB a day, however many come. PFMERGE pays where the "
    "same range is asked for again and again: into a key that is new, since what stands in the "
    "target is merged too."
)


class stub:
    """How many different people came, over any days; each call is one round trip."""

    def __init__(self, r):
        """r: the client to use."""

    def boarded(self, day, people):
        """These people (a list of names) came on this day (a number); kept for 90 days."""

    def reach(self, first, last):
        """About how many different people came from the first to the last day, both included."""


class solution:
    def __init__(self, r):
        self.r = r

    def boarded(self, day, people):
        key = f"{{reach}}:{day}"
        self.r.pipeline().pfadd(key, *people).expire(key, 90 * 86400).execute()

    def reach(self, first, last):
        return self.r.pfcount(*[f"{{reach}}:{day}" for day in range(first, last + 1)])


class wrong_adds_the_days(solution):
    """once for each day"""

    def reach(self, first, last):
        pipe = self.r.pipeline()
        for day in range(first, last + 1):
            pipe.pfcount(f"{{reach}}:{day}")
        return sum(pipe.execute())


class wrong_merges_into_one(solution):
    """of an earlier question"""

    def reach(self, first, last):
        days = [f"{{reach}}:{day}" for day in range(first, last + 1)]
        with self.r.pipeline() as pipe:
            pipe.pfmerge("{reach}:all", *days).expire("{reach}:all", 60)
            return pipe.pfcount("{reach}:all").execute()[-1]


class wrong_sets(solution):
    """bytes for 5,000 people"""

    def boarded(self, day, people):
        key = f"{{reach}}:{day}"
        self.r.pipeline().sadd(key, *people).expire(key, 90 * 86400).execute()

    def reach(self, first, last):
        return len(self.r.sunion([f"{{reach}}:{day}" for day in range(first, last + 1)]))


class wrong_counts_the_new(solution):
    """PFADD's reply"""

    def boarded(self, day, people):
        with self.r.pipeline() as pipe:
            for person in people:
                pipe.pfadd("{reach}:known", person)
            new = sum(pipe.expire("{reach}:known", 90 * 86400).execute()[:-1])
        key = f"{{reach}}:{day}"
        self.r.pipeline().incrby(key, new).expire(key, 90 * 86400).execute()

    def reach(self, first, last):
        counts = self.r.mget([f"{{reach}}:{day}" for day in range(first, last + 1)])
        return sum(int(count or 0) for count in counts)


class wrong_for_ever(solution):
    """no time to live"""

    def boarded(self, day, people):
        self.r.pfadd(f"{{reach}}:{day}", *people)


class wrong_last_day(solution):
    """the last day is not"""

    def reach(self, first, last):
        return self.r.pfcount(*[f"{{reach}}:{day}" for day in range(first, last)] or ["none"])


class wrong_one_for_all(solution):
    """other days"""

    def boarded(self, day, people):
        self.r.pipeline().pfadd("reach", *people).expire("reach", 90 * 86400).execute()

    def reach(self, first, last):
        return self.r.pfcount("reach")


class wrong_a_trip_each(solution):
    """trips for 100 people"""

    def boarded(self, day, people):
        for person in people:
            self.r.pfadd(f"{{reach}}:{day}", person)
        self.r.expire(f"{{reach}}:{day}", 90 * 86400)


def check(trial):
    import random

    from redis_lab.course.answers import Refused
    from redis_lab.course.trial import Gaps

    gaps, asking = Gaps(), Gaps()
    writer, reader = trial.call(trial.client(gaps)), trial.call(trial.client(asking))

    def boarded(day, people):
        trial.ask(writer.boarded, day, people)

    def reach(first, last):
        answer = trial.ask(reader.reach, first, last)
        if isinstance(answer, bool) or not isinstance(answer, int | float):
            raise Refused(f"reach answered {answer!r:.60}, not a number")
        return answer

    boarded(10, ["Ada", "Bo", "Cy"])
    keys = trial.keyspace()
    trial.require(bool(keys), "who boards reaches the server", "boarded left no key there")
    lasting = [key for key, (_, left) in keys.items() if left is None]
    trial.expect(
        not lasting,
        "every key ends by itself",
        f"{', '.join(lasting)} has no time to live",
    )
    shortest = min((left for _, left in keys.values() if left is not None), default=90 * 86400)
    trial.expect(
        89 * 86400 < shortest <= 91 * 86400,
        "after 90 days",
        f"a key of it ends in {shortest / 86400:.1f} days, not 90",
    )
    one = reach(10, 10)
    trial.require(
        one == 3,
        "three people on one day are three",
        f"three people came on day 10, and reach(10, 10) is {one!r}: the last day is not in it"
        if one == 0
        else f"three people came on day 10, and reach(10, 10) is {one!r}",
    )
    boarded(10, ["Bo", "Cy"])
    boarded(12, ["Cy", "Di"])
    both = reach(10, 12)
    trial.expect(
        both == 4,
        "who comes again is no new person",
        f"Ada, Bo, Cy came, later Cy and Di, and reach(10, 12) is {both!r}, not 4"
        + (": who comes on two days is counted once for each day" if both == 5 else ""),
    )
    apart = reach(12, 12), reach(11, 11), reach(10, 11)
    trial.expect(
        apart == (2, 0, 3),
        "only the days that were asked for are counted",
        f"day 12 has 2 people, day 11 none, days 10 and 11 have 3, and reach says {apart}: it "
        "counts people of other days, or of an earlier question",
    )
    gaps.trips = asking.trips = 0
    boarded(13, [f"{n}" for n in range(100)])
    trial.expect(
        gaps.trips == 1,
        "a list of people is one trip",
        f"boarded took {gaps.trips} trips for 100 people",
    )
    reach(10, 39)
    trial.expect(
        asking.trips == 1, "a question too", f"reach took {asking.trips} trips for 30 days"
    )
    draw = random.Random(2013)
    names = [f"{draw.getrandbits(64):016x}" for _ in range(20_000)]
    days = {100 + day: draw.sample(names, 5000) for day in range(10)}
    before = set(trial.keyspace())
    for day, people in days.items():
        boarded(day, people)
    sizes = {key: trial.r.memory_usage(key, samples=0) for key in set(trial.keyspace()) - before}
    largest = max(sizes.values(), default=0)
    trial.expect(
        largest <= 17_000 and sum(sizes.values()) <= 180_000,
        "a day takes 12 KB, whoever comes",
        f"it takes {largest:,} bytes for 5,000 people of one day"
        if largest > 17_000
        else f"ten days take {sum(sizes.values()):,} bytes, in {len(sizes)} keys",
    )
    for first, last in ((100, 109), (103, 105), (108, 108)):
        right = len({name for day in range(first, last + 1) for name in days[day]})
        answer = reach(first, last)
        trial.expect(
            0.95 < answer / right < 1.05,
            f"{right:,} people of {last - first + 1} days are counted within 5 %",
            f"{right:,} people came from day {first} to {last}, and reach says {answer:,}: "
            + (
                "too few. (PFADD's reply tells that the sketch changed, not who is new)"
                if answer < right
                else "who comes on three days is counted once for each day"
                if 0.95 < answer / sum(len(days[day]) for day in range(first, last + 1)) < 1.05
                else "too many: people of other days are among them"
            ),
        )
    stays = [key for key, (_, left) in trial.keyspace().items() if left is None]
    trial.expect(
        not stays or bool(lasting),
        "asking leaves nothing that stays",
        f"{', '.join(stays[:3])} has no time to live",
    )
