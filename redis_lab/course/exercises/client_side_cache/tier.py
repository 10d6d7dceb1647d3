"""A local tier that is never stale for long: messages, an age, a heartbeat, and a fresh start."""

NOTEBOOK = "35"
TITLE = "A local tier that is never stale for long"
HINTS = (
    "Keep for each key its value and when it was asked for; keep for the whole when the last "
    "answered `PING` left.",
    "`changed(None)` is everything. A hit changes no time.",
    "After `lost()` nobody listens until the next `pong`: the dictionary is empty, and the last "
    "`pong` counts for nothing.",
    "What is fetched while nobody listens may change unheard: return it, and don't keep it.",
)
WHY = (
    "Messages make a tier fresh in the normal case; the heartbeat and the age bound how wrong it "
    "can be in every other. A tier without the two is right until the first firewall."
)


class stub:
    """Values of Redis kept here: for `age` seconds at most, and only while somebody listens."""

    def __init__(self, fetch, age, silence):
        """fetch(key) asks Redis. age, silence: seconds."""

    def get(self, key, now):
        """The value of key, from here if it may be handed out at `now`."""

    def changed(self, keys):
        """Redis says that these keys changed; None: everything."""

    def pong(self, sent):
        """A PING that left at `sent` was answered: all messages before it have been heard."""

    def lost(self):
        """The connection that listens is gone."""


class solution:
    def __init__(self, fetch, age, silence):
        self.fetch, self.age, self.silence = fetch, age, silence
        self.lost()

    def get(self, key, now):
        listening = self.sent is not None and now - self.sent < self.silence
        if listening and key in self.kept and now - self.kept[key][1] < self.age:
            return self.kept[key][0]
        self.kept.pop(key, None)
        value = self.fetch(key)
        if listening:
            self.kept[key] = value, now
        return value

    def changed(self, keys):
        for key in list(self.kept) if keys is None else keys:
            self.kept.pop(key, None)

    def pong(self, sent):
        self.sent = sent

    def lost(self):
        self.kept, self.sent = {}, None


class wrong_age_only(solution):
    """nobody had answered"""

    def get(self, key, now):
        value, at = self.kept.get(key, (None, -self.age))
        if now - at < self.age:
            return value
        self.kept[key] = self.fetch(key), now
        return self.kept[key][0]


class wrong_lost_keeps_the_pong(solution):
    """nobody listened"""

    def __init__(self, fetch, age, silence):
        self.fetch, self.age, self.silence = fetch, age, silence
        self.kept, self.sent = {}, None

    def lost(self):
        self.kept.clear()


class wrong_keeps_unheard(solution):
    """nobody listened"""

    def get(self, key, now):
        listening = self.sent is not None and now - self.sent < self.silence
        value, at = self.kept.get(key, (None, -self.age))
        if listening and now - at < self.age:
            return value
        self.kept[key] = self.fetch(key), now
        return self.kept[key][0]


class wrong_no_everything(solution):
    """NoneType"""

    def changed(self, keys):
        for key in keys:
            self.kept.pop(key, None)


class wrong_everything_always(solution):
    """dropped others"""

    def changed(self, keys):
        self.kept.clear()


class wrong_sliding(solution):
    """prolonged"""

    def get(self, key, now):
        value = super().get(key, now)
        if key in self.kept:
            self.kept[key] = value, now
        return value


class wrong_no_age(solution):
    """went astray"""

    def __init__(self, fetch, age, silence):
        super().__init__(fetch, float("inf"), silence)


class wrong_lost_keeps_values(solution):
    """before the connection broke"""

    def lost(self):
        self.kept = getattr(self, "kept", {})
        self.sent = None


def check(trial):
    fetched = []

    def fetch(key):
        fetched.append(key)
        return trial.r.get(key)

    def new(age=100.0, silence=2.0):
        fetched.clear()
        trial.r.mset({"gate:UA1545": "C120", "gate:B6725": "20"})
        return trial.call(fetch, age, silence)

    def get(its, now, key="gate:UA1545"):
        return trial.ask(its.get, key, now)

    its = new()
    trial.ask(its.pong, 1000.0)
    first, again = get(its, 1000.1), get(its, 1000.2)
    trial.require(
        first == again == "C120", "it gives what Redis has", f"it gave {first!r}, then {again!r}"
    )
    trial.require(
        len(fetched) == 1,
        "the second time it comes from here",
        f"for two looks, fetch was called {len(fetched)} times",
    )
    get(its, 1000.2, "gate:B6725")
    trial.r.set("gate:UA1545", "C132")
    trial.ask(its.changed, ["gate:UA1545", "gate:none"])
    given = get(its, 1000.3)
    trial.expect(given == "C132", "after a message it asks", f"after a message it gave {given!r}")
    fetched.clear()
    get(its, 1000.3, "gate:B6725")
    trial.expect(
        not fetched, "a message drops its own keys only", "a message about one key dropped others"
    )
    for _ in range(2):
        get(its, 1000.4, "gate:none")
    trial.expect(
        len(fetched) == 1, "None is a value", f"for None, fetch was called {len(fetched)} times"
    )
    trial.r.mset({"gate:UA1545": "C133", "gate:B6725": "21"})
    trial.ask(its.changed, None)
    given = get(its, 1000.5), get(its, 1000.5, "gate:B6725")
    trial.expect(
        given == ("C133", "21"), "None means everything", f"after changed(None) it gave {given}"
    )

    its = new()
    given = get(its, 1000.0)
    trial.r.set("gate:UA1545", "C132")
    trial.ask(its.pong, 1000.5)
    given = given, get(its, 1000.6)
    trial.expect(
        given == ("C120", "C132"),
        "before the first pong nothing is kept",
        f"it handed out {given[1]!r}, kept before the first pong: nobody listened then",
    )

    its = new()
    trial.ask(its.pong, 1000.0)
    get(its, 1000.1)
    fetched.clear()
    get(its, 1001.9)
    trial.expect(
        not fetched, "1.9 s after the last pong it is heard well", "it asked without a reason"
    )
    trial.r.set("gate:UA1545", "C132")
    given = get(its, 1002.1)
    trial.expect(
        given == "C132",
        "2.1 s after the last pong it asks",
        f"it handed out {given!r}, and nobody had answered a PING for more than two seconds",
    )

    its = new()
    trial.ask(its.pong, 1000.0)
    get(its, 1000.1)
    trial.ask(its.lost)
    trial.r.set("gate:UA1545", "C132")
    during = get(its, 1000.2)
    trial.r.set("gate:UA1545", "C150")
    still = get(its, 1000.3)
    trial.r.set("gate:UA1545", "C151")
    trial.ask(its.pong, 1000.4)
    after = get(its, 1000.5)
    trial.expect(
        during == "C132",
        "a lost connection empties it",
        f"it handed out {during!r}, which it had before the connection broke",
    )
    trial.expect(
        still == "C150" and after == "C151",
        "what was fetched while nobody listened is not handed out",
        f"it handed out {still!r}, then {after!r}; Redis had 'C150', then 'C151'. It had kept what "
        "it fetched while nobody listened",
    )
    its = new()
    trial.ask(its.pong, 1000.0)
    get(its, 1000.1)
    trial.ask(its.lost)
    trial.r.set("gate:UA1545", "C132")
    trial.ask(its.pong, 1000.2)
    given = get(its, 1000.3)
    trial.expect(
        given == "C132",
        "a new connection begins with nothing",
        f"it handed out {given!r}, which it had before the connection broke; the message about the "
        "change went to nobody",
    )
    fetched.clear()
    get(its, 1000.4)
    trial.expect(not fetched, "then it keeps again", "after the new connection it keeps nothing")

    its = new(age=10.0)
    for second in range(1000, 1010):
        trial.ask(its.pong, float(second))
        get(its, second + 0.1)
    trial.expect(
        len(fetched) == 1, "for 10 s it comes from here", f"in 10 s fetch ran {len(fetched)} times"
    )
    trial.r.set("gate:UA1545", "C132")
    trial.ask(its.pong, 1010.0)
    given = get(its, 1010.2)
    also = new(age=10.0)
    trial.ask(also.pong, 1000.0)
    get(also, 1000.1)
    trial.r.set("gate:UA1545", "C132")
    trial.ask(also.pong, 1010.0)
    seldom = get(also, 1010.2)
    trial.expect(
        seldom == "C132",
        "after `age` seconds it asks, whatever was heard",
        f"the message went astray, and after 10.1 of 10 seconds it handed out {seldom!r}",
    )
    trial.expect(
        given == "C132" or seldom != "C132",
        "hits make no difference to that",
        "each hit prolonged it: what is looked at often would never be asked for again",
    )
