"""A version as a proof of age: read before the question, never the same twice."""

NOTEBOOK = "34"
TITLE = "What was asked for before is void"
HINTS = (
    "Each text is kept together with the version of its group; a reader compares the two.",
    "`MGET key version:<group>` brings both in one trip, so the version stands in the value, not "
    "in the name.",
    "When must the version be known that goes with the answer: before `load()`, or after it?",
    "A counter that is lost begins anew and arrives at numbers that it has had. `uuid4().hex` "
    "never does; where there is no version, make one with `SET … NX`, and ask which one won.",
)
WHY = (
    "The answer carries the time of its question, so a store may come as late as it likes: no "
    "lock, no second look. That works only if no version ever comes twice, and counters do, the "
    "day they are lost."
)


class stub:
    """Texts of a group, all of which one command makes void."""

    def __init__(self, r, group):
        """r: the client to use; group: its name."""

    def get(self, key, load):
        """The text under key, or what load() gives, kept for 60 seconds."""

    def void(self):
        """Make every text of the group void."""


class solution:
    def __init__(self, r, group):
        self.r, self.version = r, f"version:{group}"

    def get(self, key, load):
        from uuid import uuid4

        kept, version = self.r.mget(key, self.version)
        if version is None:
            mine = uuid4().hex
            version = self.r.set(self.version, mine, nx=True, get=True) or mine
        elif kept is not None and kept.startswith(f"{version} "):
            return kept.partition(" ")[2]
        text = load()
        self.r.set(key, f"{version} {text}", ex=60)
        return text

    def void(self):
        from uuid import uuid4

        self.r.set(self.version, uuid4().hex)


class wrong_late_version(solution):
    """asked for before the void"""

    def get(self, key, load):
        from uuid import uuid4

        kept, version = self.r.mget(key, self.version)
        if version and kept is not None and kept.startswith(f"{version} "):
            return kept.partition(" ")[2]
        text, mine = load(), uuid4().hex
        version = self.r.set(self.version, mine, nx=True, get=True) or mine
        self.r.set(key, f"{version} {text}", ex=60)
        return text


class wrong_looks_again(solution):
    """between two of its trips"""

    def get(self, key, load):
        from uuid import uuid4

        kept, version = self.r.mget(key, self.version)
        if version and kept is not None and kept.startswith(f"{version} "):
            return kept.partition(" ")[2]
        text = load()
        if self.r.get(self.version) == version:
            mine = uuid4().hex
            version = self.r.set(self.version, mine, nx=True, get=True) or mine
            self.r.set(key, f"{version} {text}", ex=60)
        return text


class wrong_counts(solution):
    """came back to life"""

    def get(self, key, load):
        kept, version = self.r.mget(key, self.version)
        version = version or "0"
        if kept is not None and kept.startswith(f"{version} "):
            return kept.partition(" ")[2]
        text = load()
        self.r.set(key, f"{version} {text}", ex=60)
        return text

    def void(self):
        self.r.incr(self.version)


class wrong_whole_seconds(solution):
    """one after the other"""

    def void(self):
        import time

        self.r.set(self.version, int(time.time()))


class wrong_in_the_name(solution):
    """trips: one would do"""

    def get(self, key, load):
        from uuid import uuid4

        version = self.r.get(self.version)
        if version is None:
            mine = uuid4().hex
            version = self.r.set(self.version, mine, nx=True, get=True) or mine
        text = self.r.get(f"{key}:{version}")
        if text is None:
            text = load()
            self.r.set(f"{key}:{version}", text, ex=60)
        return text


class wrong_walks(solution):
    """commands to void"""

    def void(self):
        from uuid import uuid4

        for key in self.r.scan_iter("flight:*", count=1000):
            self.r.unlink(key)
        self.r.set(self.version, uuid4().hex)


def check(trial):
    from redis_lab.course.gaps import Gaps

    r, loads = trial.r, []
    mine, other = (trial.call(trial.client(), "BOS") for _ in range(2))

    def loader(text):
        def load():
            loads.append(text)
            return text

        return load

    def get(key, text, by=mine):
        return trial.ask(by.get, key, loader(text))

    first = get("flight:UA1", "2 h late")
    again = get("flight:UA1", "new")
    trial.require(
        (first, again) == ("2 h late", "2 h late") and loads == ["2 h late"],
        "the second call is answered from Redis",
        f"load() gave '2 h late'; the calls gave {first!r} and {again!r}, load() ran {len(loads)} "
        "times",
    )
    get("flight:DL2", "")
    trial.expect(
        get("flight:DL2", "new", by=other) == "",
        "an empty text is kept like others, for every client",
        "load() had given an empty text, and another client asked again",
    )
    lives = {key: left for key, (_, left) in trial.keyspace().items() if "version" not in key}
    trial.expect(
        lives and all(left is not None and left <= 60 for left in lives.values()),
        "every text ends after 60 seconds",
        f"these are the lives: {lives}",
    )
    counting = Gaps()
    counted = trial.call(trial.client(counting), "BOS")
    trial.ask(counted.get, "flight:UA1", loader("new"))
    trips = counting.trips
    trial.expect(trips == 1, "a hit is one trip", f"a hit took {trips} trips: one would do")
    west = trial.call(trial.client(), "LAX")
    trial.ask(west.get, "west:UA3", loader("west"))
    for number in range(50):
        get(f"flight:{number}", "old")
    with trial.cost() as cost:
        trial.ask(mine.void)
    calls = sum(cost.commands.values())
    trial.expect(
        calls <= 3 and cost.trips == 1,
        "one command makes them all void",
        f"it took {calls} commands to void 50 texts",
    )
    gone = [get(key, "new", by=other) for key in ("flight:UA1", "flight:DL2", "flight:7")]
    trial.require(
        gone == ["new"] * 3,
        "after it, all are asked for again, by every client",
        f"after the void, load() would give 'new', and the calls gave {gone}",
    )
    trial.expect(
        trial.ask(west.get, "west:UA3", loader("new")) == "west",
        "another group stays",
        "the group LAX was void as well",
    )
    for number in range(20):
        get("flight:AA4", f"{number}")
        trial.ask(other.void)
    trial.expect(
        get("flight:AA4", "last") == "last" and loads[-20:] == [*map(str, range(1, 20)), "last"],
        "twenty voids, one after the other, are twenty",
        "of twenty voids, one after the other, some had no effect",
    )

    def overtaken():
        other.void()
        return "before"

    given = trial.ask(mine.get, "flight:B65", overtaken)
    then = get("flight:B65", "after")
    trial.expect(
        given == "before" and then == "after",
        "a void while load() works makes its answer void",
        f"a text that was asked for before the void was handed out after it: {then!r}",
    )

    def not_late(after):
        """Whether a void after so many trips of a miss reaches what it stores."""
        truth = ["before"]

        def act():
            truth[0] = "after"
            other.void()

        slow = trial.call(trial.client(Gaps(act, after)), "BOS")
        trial.ask(slow.get, f"late:{after}", lambda: truth[0])
        return trial.ask(mine.get, f"late:{after}", lambda: truth[0]) == truth[0]

    trial.expect(
        all(map(not_late, (1, 2, 3, 4, 5))),
        "so does one between any two trips",
        "a void came between two of its trips, and the text from before it was handed out later",
    )
    r.delete("version:BOS")
    for number in range(4):
        get(f"era:{number}", "void")
        trial.ask(mine.void)
    r.delete("version:BOS")
    alive = []
    for number in range(4):
        if get(f"era:{number}", "new") != "new":
            alive.append(f"era:{number}")
        trial.ask(other.void)
    trial.expect(
        not alive,
        "a lost version brings nothing back",
        f"the version was lost, and void texts came back to life: {', '.join(alive)}",
    )

    def loses():
        r.delete("version:BOS")
        other.void()
        return "before"

    trial.ask(mine.get, "flight:WN6", loses)
    trial.expect(
        get("flight:WN6", "after") == "after",
        "not even while load() works",
        "the version was lost and made anew while load() worked, and the old text came back to "
        "life",
    )
