"""Different people over any range of hours, from sketches that are coarser the older they are."""

NOTEBOOK = "44"
TITLE = "From any hour to any other"
HINTS = (
    "People of two hours can't be added up, since some came in both. What can be joined?",
    "Two HyperLogLogs for each visit: one of its hour, one of its day, each with its own end.",
    "`PFCOUNT` takes many keys, joins them and stores nothing. Which keys cover the range: a day "
    "where all of its hours are within, hours for the rest.",
    "Go from first to last: at a multiple of 24 with 23 more hours to go take the day's key and "
    "step 24 on, else the hour's and step 1.",
)
WHY = (
    "Fine detail is kept for short and coarse detail for long: every monitoring system lives from "
    "that. Ranges cost few keys even over months, and since PFCOUNT keeps no result, nobody has to "
    "remember to delete it."
)


class stub:
    """How many different people came, from any hour to any other; each call is one round trip."""

    def __init__(self, r):
        """r: the client to use."""

    def seen(self, person, hour):
        """A person was here in this hour, a number; hour // 24 is its day."""

    def count(self, first, last):
        """About how many different people came from the first to the last hour, both included."""


class solution:
    def __init__(self, r):
        self.r = r

    def seen(self, person, hour):
        fine, coarse = f"{{people}}:hour:{hour}", f"{{people}}:day:{hour // 24}"
        pipe = self.r.pipeline().pfadd(fine, person).expire(fine, 2 * 86_400 + 3600)
        pipe.pfadd(coarse, person).expire(coarse, 91 * 86_400).execute()

    def count(self, first, last):
        keys, hour = [], first
        while hour <= last:
            whole = hour % 24 == 0 and hour + 23 <= last
            keys.append(f"{{people}}:day:{hour // 24}" if whole else f"{{people}}:hour:{hour}")
            hour += 24 if whole else 1
        return self.r.pfcount(*keys)


class wrong_adds_the_hours(solution):
    """once for each hour"""

    def count(self, first, last):
        pipe = self.r.pipeline()
        for hour in range(first, last + 1):
            pipe.pfcount(f"{{people}}:hour:{hour}")
        return sum(pipe.execute())


class wrong_hours_alone(solution):
    """its hours are gone"""

    def count(self, first, last):
        return self.r.pfcount(*[f"{{people}}:hour:{hour}" for hour in range(first, last + 1)])


class wrong_days_alone(solution):
    """of other hours"""

    def count(self, first, last):
        days = range(first // 24, last // 24 + 1)
        return self.r.pfcount(*[f"{{people}}:day:{day}" for day in days])


class wrong_any_24_hours(solution):
    """of other hours"""

    def count(self, first, last):
        keys, hour = [], first
        while hour <= last:
            whole = hour + 23 <= last
            keys.append(f"{{people}}:day:{hour // 24}" if whole else f"{{people}}:hour:{hour}")
            hour += 24 if whole else 1
        return self.r.pfcount(*keys)


class wrong_last_is_open(solution):
    """the last hour is not in it"""

    def count(self, first, last):
        return super().count(first, last - 1) if last > first else 0


class wrong_merges_into_one(solution):
    """of an earlier question"""

    def count(self, first, last):
        hours = [f"{{people}}:hour:{hour}" for hour in range(first, last + 1)]
        pipe = self.r.pipeline().pfmerge("{people}:asked", *hours).expire("{people}:asked", 60)
        return pipe.pfcount("{people}:asked").execute()[-1]


class wrong_merges_stay(solution):
    """asking left"""

    def count(self, first, last):
        target = f"{{people}}:{first}:{last}"
        hours = [f"{{people}}:hour:{hour}" for hour in range(first, last + 1)]
        return self.r.pipeline().pfmerge(target, *hours).pfcount(target).execute()[-1]


class wrong_hours_for_ever(solution):
    """without an end"""

    def seen(self, person, hour):
        fine, coarse = f"{{people}}:hour:{hour}", f"{{people}}:day:{hour // 24}"
        self.r.pipeline().pfadd(fine, person).pfadd(coarse, person).execute()


class wrong_hours_for_90_days(solution):
    """hours are kept for two days"""

    def seen(self, person, hour):
        for_long = 91 * 86_400
        fine, coarse = f"{{people}}:hour:{hour}", f"{{people}}:day:{hour // 24}"
        pipe = self.r.pipeline().pfadd(fine, person).expire(fine, for_long)
        pipe.pfadd(coarse, person).expire(coarse, for_long).execute()


class wrong_sets(solution):
    """bytes for 400 people"""

    def seen(self, person, hour):
        fine, coarse = f"{{people}}:hour:{hour}", f"{{people}}:day:{hour // 24}"
        pipe = self.r.pipeline().sadd(fine, person).expire(fine, 2 * 86_400 + 3600)
        pipe.sadd(coarse, person).expire(coarse, 91 * 86_400).execute()

    def count(self, first, last):
        keys, hour = [], first
        while hour <= last:
            whole = hour % 24 == 0 and hour + 23 <= last
            keys.append(f"{{people}}:day:{hour // 24}" if whole else f"{{people}}:hour:{hour}")
            hour += 24 if whole else 1
        return len(self.r.sunion(keys))


class wrong_two_trips(solution):
    """seen took 2 trips"""

    def seen(self, person, hour):
        for key, ends in ((f"hour:{hour}", 2 * 86_400 + 60), (f"day:{hour // 24}", 91 * 86_400)):
            key = f"{{people}}:{key}"
            self.r.pipeline().pfadd(key, person).expire(key, ends).execute()


def check(trial):
    import random

    from redis_lab.course.answers import Refused
    from redis_lab.course.gaps import Gaps

    gaps, asking = Gaps(), Gaps()
    writer, reader = trial.call(trial.client(gaps)), trial.call(trial.client(asking))
    begin = 16_036 * 24  # 27 November 2013, 0:00 UTC, in hours since 1970

    def seen(person, hour):
        trial.ask(writer.seen, person, hour)

    def count(first, last):
        answer = trial.ask(reader.count, first, last)
        if isinstance(answer, bool) or not isinstance(answer, int | float):
            raise Refused(f"count answered {answer!r:.60}, not a number")
        return answer

    seen("Ada", begin + 8)
    keys = trial.keyspace()
    trial.require(
        bool(keys),
        "a visit reaches the server",
        "seen left nothing on the server. (An end that is reckoned from the number of the hour is "
        "over before it begins.)",
    )
    gaps.trips = 0
    seen("Bo", begin + 8)
    trial.expect(gaps.trips == 1, "a visit is one trip", f"seen took {gaps.trips} trips")
    keys = trial.keyspace()
    lasting = [key for key, (_, left) in keys.items() if left is None]
    trial.expect(
        not lasting, "every key ends by itself", f"{', '.join(lasting)} is there without an end"
    )
    ends = sorted(left / 86_400 for _, left in keys.values() if left is not None)
    if not lasting:
        trial.expect(
            1.99 < ends[0] < 3.01,
            "hours are kept for two days, and some hours more",
            f"a visit made keys that end in {', '.join(f'{left:.1f}' for left in ends)} days: "
            "hours are kept for two days, three at most",
        )
        trial.expect(
            89.99 < ends[-1] < 92.01,
            "days for 90",
            f"a visit made keys that end in {', '.join(f'{left:.1f}' for left in ends)} days: "
            "days are kept for 90, 92 at most",
        )
    one = count(begin + 8, begin + 8)
    trial.require(
        one == 2,
        "two people in an hour are two",
        f"Ada and Bo were there in one hour, and count of that hour is {one!r}"
        + (": a single hour has nobody, or the last hour is not in it" if one == 0 else ""),
    )
    seen("Bo", begin + 10), seen("Cy", begin + 10)
    both = count(begin + 8, begin + 10)
    trial.expect(
        both == 3,
        "who comes in two hours is one person",
        f"Ada and Bo came, two hours later Bo and Cy, and count says {both!r}, not 3"
        + (": who comes again is counted once for each hour" if both == 4 else ""),
    )
    parts = count(begin + 10, begin + 11), count(begin + 9, begin + 9), count(begin, begin + 8)
    trial.expect(
        parts == (2, 0, 2),
        "a part of a day has the people of its hours alone",
        f"the hours from 10 to 11 have 2 people, 9 has none, 0 to 8 have 2; count says {parts}: "
        "people of other hours are in it, or of an earlier question",
    )
    draw = random.Random(44)
    visits = {}
    for _ in range(450):
        person, hour = f"P{draw.randrange(250):03}", begin + 240 + draw.randrange(96)
        seen(person, hour)
        visits.setdefault(hour, set()).add(person)
    start, wrong = begin + 240, []
    ranges = ((0, 95), (24, 47), (5, 17), (20, 70), (1, 24), (30, 90), (23, 48), (12, 35), (47, 72))
    for first, last in ranges:
        right = len(set().union(*(visits.get(start + hour, ()) for hour in range(first, last + 1))))
        got = count(start + first, start + last)
        if abs(got - right) > 2 + right / 30:
            wrong.append(f"from hour {first} to {last} came {right} people, count says {got}")
    trial.expect(
        not wrong,
        "nine ranges over four days are right to a few percent",
        f"{'; '.join(wrong[:2])}: people of other hours are in it, or some are not, or are "
        "counted once for each hour",
    )
    asking.trips = 0
    before = trial.keyspace()
    count(start, start + 95), count(start + 3, start + 90), count(start - 90, start + 3)
    trial.expect(
        asking.trips == 3,
        "a question is one trip",
        f"three questions took {asking.trips} trips",
    )
    stays = [
        key
        for key, (_, left) in trial.keyspace().items()
        if key not in before and (left is None or left > 3600)
    ]
    marked = [
        key
        for key, (_, left) in trial.keyspace().items()
        if left is None and key not in keys and not lasting
    ]
    trial.expect(
        not stays and not marked,
        "and leaves nothing behind",
        f"asking left {', '.join([*stays, *marked][:2])}, a key for each range that was asked for",
    )

    def size():
        return sum(trial.r.memory_usage(key, samples=0) for key in trial.keyspace())

    before = size()
    for number in range(400):
        seen(f"passenger-number-{number:06}", begin + 2400)
    more = size() - before
    trial.expect(
        more < 34_000,
        "an hour takes no more than a sketch, a day too",
        f"it takes {more:,} bytes for 400 people of an hour, more than 15 KB for the hour and as "
        "much for the day",
    )
    for key, (_, left) in trial.keyspace().items():
        if left is not None and left < 4 * 86_400:
            trial.r.delete(key)
    old = count(start + 24, start + 71)
    right = len(set().union(*(visits.get(start + hour, ()) for hour in range(24, 72))))
    trial.expect(
        abs(old - right) <= 2 + right / 30,
        "when the hours have ended, whole days still answer",
        f"three days later {right} people of two whole days should be known, and count says {old}: "
        "its hours are gone, and the days were there",
    )
