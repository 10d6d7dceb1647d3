"""Reminders for later: moved, cancelled, and given to one caller, whatever happens in between."""

NOTEBOOK = "54"
TITLE = "In half an hour, or not at all"
HINTS = (
    "One reminder for each passenger, found by its time: which structure holds both?",
    "A sorted set: the passenger is the member, so that a second `ZADD` moves it.",
    "Between your look and your removal others move, cancel and take. There must be no between.",
    "`MULTI` with `ZRANGE … BYSCORE` and `ZREMRANGEBYSCORE`, both up to `now`: what was seen is "
    "what was removed.",
)
WHY = (
    "A message that waits can still be changed, which lists and streams can't do. But who takes it "
    "and dies takes it along: hand it on at once, to a queue that survives its worker."
)


class stub:
    """Reminders for later; each is given to one caller, unless it is cancelled or moved before."""

    def __init__(self, r):
        """r: the client to use."""

    def remind(self, passenger, at):
        """Remind this passenger at this time, in seconds; a reminder that waits is moved."""

    def cancel(self, passenger):
        """This passenger's reminder, if one waits, is not to be given."""

    def due(self, now):
        """Passengers whose time has come, the earliest first; each reminder to one caller, once."""


class solution:
    def __init__(self, r):
        self.r = r

    def remind(self, passenger, at):
        self.r.zadd("reminders", {passenger: at})

    def cancel(self, passenger):
        self.r.zrem("reminders", passenger)

    def due(self, now):
        with self.r.pipeline() as pipe:
            pipe.zrange("reminders", "-inf", now, byscore=True)
            pipe.zremrangebyscore("reminders", "-inf", now)
            return pipe.execute()[0]


class wrong_list(solution):
    """at her old time"""

    def remind(self, passenger, at):
        self.r.rpush("reminders", f"{at} {passenger}")

    def cancel(self, passenger):
        for text in self.r.lrange("reminders", 0, -1):
            if text.endswith(f" {passenger}"):
                self.r.lrem("reminders", 0, text)

    def due(self, now):
        found = [text.split(" ", 1) for text in self.r.lrange("reminders", 0, -1)]
        ready = sorted((float(at), passenger) for at, passenger in found if float(at) <= now)
        texts = [
            text for text in self.r.lrange("reminders", 0, -1) if float(text.split()[0]) <= now
        ]
        return [
            p
            for (_, p), text in zip(ready, texts, strict=True)
            if self.r.lrem("reminders", 1, text)
        ]


class wrong_look_then_remove(solution):
    """to two callers"""

    def due(self, now):
        found = self.r.zrange("reminders", "-inf", now, byscore=True)
        self.r.zremrangebyscore("reminders", "-inf", now)
        return found


class wrong_who_removes_has_it(solution):
    """was moved while"""

    def due(self, now):
        found = self.r.zrange("reminders", "-inf", now, byscore=True)
        return [passenger for passenger in found if self.r.zrem("reminders", passenger)]


class wrong_pop_and_put_back(solution):
    """was cancelled while"""

    def due(self, now):
        found = []
        while popped := self.r.zpopmin("reminders", 1):
            passenger, at = popped[0]
            if at > now:
                self.r.zadd("reminders", {passenger: at})
                break
            found.append(passenger)
        return found


class wrong_by_name(solution):
    """the earliest first"""

    def remind(self, passenger, at):
        self.r.hset("reminders", passenger, at)

    def cancel(self, passenger):
        self.r.hdel("reminders", passenger)

    def due(self, now):
        waiting = self.r.hgetall("reminders").items()
        found = sorted((at, passenger) for passenger, at in waiting if float(at) <= now)
        return [passenger for _, passenger in found if self.r.hdel("reminders", passenger)]


class wrong_stays(solution):
    """a second time"""

    def due(self, now):
        return self.r.zrange("reminders", "-inf", now, byscore=True)


class wrong_keeps_the_first(solution):
    """at her old time"""

    def remind(self, passenger, at):
        self.r.zadd("reminders", {passenger: at}, nx=True)


def check(trial):
    import contextlib

    from redis_lab.course.answers import Killed
    from redis_lab.course.gaps import Gaps, mortal

    def desk(gaps=None):
        """As another process would have it."""
        return trial.call(trial.client(gaps))

    def remind(**times):
        for passenger, at in times.items():
            trial.ask(desk().remind, passenger, at)

    def due(now, gaps=None):
        given = trial.ask(desk(gaps).due, now)
        return list(given) if isinstance(given, list | tuple) else given

    remind(Ann=1800, Bob=900, Cem=2700)
    given = [due(now) for now in (899, 900, 2000)]
    trial.require(
        given == [[], ["Bob"], ["Ann"]],
        "each is due at its time",
        f"Ann at 1800, Bob at 900, Cem at 2700: at 899, 900 and 2000 due were {given}, and "
        "expected was [[], ['Bob'], ['Ann']]"
        + (
            ". Bob was given a second time"
            if given[2] == ["Bob", "Ann"] or given[1:] == [["Bob"], ["Ann", "Bob"]]
            else ""
        ),
    )
    trial.expect(
        due(2000) == [], "and only once", "what had been given at 2000 was given a second time"
    )
    remind(Dee=3600, Eva=10800, Fay=900.5, Gil=7200)
    given = due(20000)
    trial.require(
        given == ["Fay", "Cem", "Dee", "Gil", "Eva"],
        "the earliest first",
        f"due were Fay at 900.5, Cem at 2700, Dee at 3600, Gil at 7200, Eva at 10800, and it gave "
        f"{given}: not the earliest first",
    )
    remind(Ann=1800)
    remind(Ann=3600)
    early, later, after = due(1800), due(3600), due(9000)
    trial.require(
        (early, later, after) == ([], ["Ann"], []),
        "a reminder that is moved comes at its new time, once",
        f"Ann was moved from 1800 to 3600: due were {early} at 1800, {later} at 3600, {after} at "
        "9000" + (": she was reminded at her old time" if early else ""),
    )
    remind(Ann=3600)
    remind(Ann=1800)
    early, later = due(1800), due(3600)
    trial.require(
        (early, later) == (["Ann"], []),
        "also one that is moved forward",
        f"Ann was moved from 3600 to 1800: due were {early} at 1800, and {later} at 3600: she was "
        "reminded at her old time",
    )
    remind(Ann=1800, Bob=1800)
    trial.ask(desk().cancel, "Ann")
    trial.ask(desk().cancel, "Nobody")
    given = due(1800)
    trial.expect(
        given == ["Bob"],
        "one that is cancelled never comes",
        f"Ann was cancelled and Bob was not; due were {given}",
    )
    remind(Ann=1800)
    given = due(1800)
    trial.expect(given == ["Ann"], "unless it is asked for anew", f"due were {given}, without Ann")

    twice, moved, cancelled, lost = [], [], [], []
    for after in range(1, 7):
        remind(Ann=900, Bob=950, Cem=5000)
        others = []
        first = due(1000, Gaps(lambda others=others: others.extend(due(1000)), after))
        twice += [name for name in first if name in others]
        lost += [name for name in ("Ann", "Bob") if name not in [*first, *others, *due(1000)]]
        due(9000)
        remind(Ann=900, Bob=950, Cem=5000)
        acted = Gaps(lambda: remind(Bob=5000, Cem=6000), after)
        due(1000, acted)
        if acted.acted:
            found = due(5500)
            moved += [] if found in (["Bob"], ["Bob", "Ann"], ["Ann", "Bob"]) else [found]
        due(9000)
        remind(Ann=900, Bob=950, Cem=5000)
        acted = Gaps(lambda: [trial.ask(desk().cancel, name) for name in ("Bob", "Cem")], after)
        due(1000, acted)
        if acted.acted:
            cancelled += [name for name in due(9000) if name != "Ann"]
        due(9000)
        remind(Ann=900, Cem=5000)
        with contextlib.suppress(Killed):
            trial.ask(desk(mortal(after)).due, 1000)
        lost += [] if "Cem" in due(9000) else ["Cem"]
    trial.expect(
        not twice,
        "two callers never get the same one",
        f"{twice[:1]} was given to two callers: one came between two trips of the other",
    )
    trial.expect(
        not moved,
        "one that is moved while somebody asks comes at its new time",
        f"Bob was moved while somebody asked, from 950 to 5000, and Cem from 5000 to 6000; at 5500 "
        f"due were {''.join(map(str, moved[:1]))}, not Bob alone: what had been read before he was "
        "moved was acted on after it",
    )
    trial.expect(
        not cancelled,
        "one that is cancelled while somebody asks is cancelled",
        f"{cancelled[:1]} was cancelled while somebody asked, between two trips, and came later",
    )
    trial.expect(
        not lost,
        "none gets lost on the way",
        f"{sorted(set(lost))} came to nobody: somebody asked or died in between",
    )
