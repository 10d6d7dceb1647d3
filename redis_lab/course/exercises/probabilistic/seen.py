"""Have I seen this booking? A Bloom filter a day, reserved and asked by the command that adds."""

NOTEBOOK = "11"
TITLE = "Have I seen this booking?"
MODULES = ("bloom",)
HINTS = (
    "A filter for each day. Which command adds, and says in its reply what it knew before?",
    "Nobody may look first and add then: another client can come between the two.",
    "`BF.INSERT` adds, and reserves on the way if there is no filter yet: CAPACITY and ERROR.",
    "`BF.INSERT seen:1 CAPACITY 50000 ERROR 0.001 ITEMS code` answers [1] for a new one. EXPIRE "
    "goes into the same `r.pipeline()`.",
)
WHY = (
    "Duplicates are found in 2 bytes for each booking instead of 50, in one trip, by any number "
    "of clients. What is called known may still be new, one in a thousand times: where that must "
    "not happen, ask the database about those, and about those only."
)


class stub:
    """Tells which bookings come again; each call is one round trip."""

    def __init__(self, r):
        """r: the client to use."""

    def seen(self, day, code):
        """Note a booking of this day (a number): was it there before? True or False."""


class solution:
    def __init__(self, r):
        self.r = r

    def seen(self, day, code):
        key = f"seen:{day}"
        with self.r.pipeline() as pipe:
            reserve = ("CAPACITY", 50_000, "ERROR", 0.001)
            pipe.execute_command("BF.INSERT", key, *reserve, "ITEMS", code)
            pipe.expire(key, 3 * 86400)
            return not pipe.execute()[0][0]


class wrong_no_reserve(solution):
    """in a filter for a hundred"""

    def seen(self, day, code):
        key = f"seen:{day}"
        with self.r.pipeline() as pipe:
            pipe.execute_command("BF.ADD", key, code).expire(key, 3 * 86400)
            return not pipe.execute()[0]


class wrong_looks_first(solution):
    """both were told"""

    def seen(self, day, code):
        if self.r.bf().exists(f"seen:{day}", code):
            return True
        super().seen(day, code)
        return False


class wrong_set(solution):
    """bytes for 50,000 bookings"""

    def seen(self, day, code):
        key = f"seen:{day}"
        return not self.r.pipeline().sadd(key, code).expire(key, 3 * 86400).execute()[0]


class wrong_for_ever(solution):
    """no time to live"""

    def seen(self, day, code):
        insert = ("BF.INSERT", f"seen:{day}", "CAPACITY", 50_000, "ERROR", 0.001, "ITEMS", code)
        return not self.r.execute_command(*insert)[0]


class wrong_one_filter(solution):
    """on another day"""

    def seen(self, day, code):
        return super().seen("all", code)


class wrong_one_filter_with_days(solution):
    """keeps day 1 alive"""

    def seen(self, day, code):
        return super().seen("all", f"{day}:{code}")


class wrong_reply_as_it_is(solution):
    """BF.ADD answers 1"""

    def seen(self, day, code):
        return not super().seen(day, code)


def check(trial):
    from redis_lab.course.answers import Refused
    from redis_lab.course.trial import Gaps

    gaps = Gaps()
    one, other = trial.call(trial.client(gaps)), trial.call(trial.client())

    def seen(counter, day, *codes):
        answers = trial.ask(lambda: [counter.seen(day, code) for code in codes])
        if odd := [answer for answer in answers if answer not in (True, False)]:
            raise Refused(f"seen answered {odd[0]!r:.60}, not True or False")
        return answers

    first = seen(one, 1, "AAAAAA", "BBBBBB")
    trial.require(
        first == [False, False],
        "a new booking was not seen",
        f"two new bookings, and seen answered {first}. (BF.ADD answers 1 for what is new.)",
    )
    keys = trial.keyspace()
    trial.require(bool(keys), "it is noted on the server", "after two bookings there is no key")
    again = seen(other, 1, "BBBBBB", "CCCCCC")
    trial.expect(
        again == [True, False],
        "another client knows it",
        f"one client noted BBBBBB, another asks for BBBBBB and CCCCCC, and hears {again}",
    )
    lasting = [key for key, (_, left) in keys.items() if left is None]
    trial.expect(
        not lasting, "every key ends by itself", f"{', '.join(lasting)} has no time to live"
    )
    left = [left for _, left in keys.values() if left is not None]
    trial.expect(
        all(2 * 86400 < each <= 4 * 86400 for each in left),
        "after three days",
        f"a key ends in {max(left, default=0) / 86400:.1f} days, not in 3",
    )
    for key in keys:
        trial.r.expire(key, 1000)
    tomorrow = seen(one, 2, "AAAAAA")
    trial.expect(
        tomorrow == [False],
        "days are apart",
        "AAAAAA came on day 1, and on day 2 it is called seen: it was noted on another day",
    )
    old = [trial.r.ttl(key) for key in keys]
    trial.expect(
        bool(lasting) or min(old) <= 1000,
        "a day ends though others go on",
        "a booking of day 2 keeps day 1 alive: in one filter for all days nothing is forgotten",
    )
    told = []
    slow = trial.call(trial.client(Gaps(lambda: told.append(other.seen(3, "RACERS")))))
    told += seen(slow, 3, "RACERS")
    told += [] if len(told) > 1 else seen(other, 3, "RACERS")
    trial.expect(
        sorted(told) == [False, True],
        "of two clients with one booking, one hears that it is new",
        "two clients note the same booking at the same time, and both were told that it is new",
    )
    gaps.trips = 0
    seen(one, 1, "DDDDDD")
    trial.expect(gaps.trips == 1, "a call is one round trip", f"a call took {gaps.trips} trips")
    before = set(trial.keyspace())
    seen(one, 4, "AAAAAA")
    own = [key for key in trial.keyspace() if key not in before] or list(before)
    fill(trial.r, own, [f"X{number:05}" for number in range(49_000)])
    for key in own:  # 8.10.2 dies of MEMORY USAGE on a sketch with a time to live
        trial.r.persist(key)
    size = sum(trial.r.memory_usage(key, samples=0) for key in own)
    trial.expect(
        size <= 200_000,
        "a day takes 200 KB",
        f"it takes {size:,} bytes for 50,000 bookings: whole names are kept",
    )
    strangers = [f"Y{number:05}" for number in range(3000)]
    wrong = sum(sum(seen(one, 4, *strangers[at : at + 500])) for at in range(0, 3000, 500))
    trial.expect(
        wrong <= 8,
        "hardly a new booking is called known",
        f"after 50,000 bookings, {wrong} of 3,000 new ones are called known: so it goes in a "
        "filter for a hundred that had to grow, or with too large an error",
    )


def fill(r, keys, items):
    """Put these items into what the answer made, without a trip for each."""
    ways = {"MBbloom--": ["BF.MADD"], "MBbloomCF": ["CF.INSERT"], "set": ["SADD"]}
    pipe = r.pipeline(transaction=False)
    for place, key in enumerate(keys):
        kind = r.type(key)
        if kind in ways:
            words = ["ITEMS"] if kind == "MBbloomCF" else []
            mine = items[place :: len(keys)]
            for first in range(0, len(mine), 1000):
                pipe.execute_command(*ways[kind], key, *words, *mine[first : first + 1000])
    pipe.execute(raise_on_error=False)
