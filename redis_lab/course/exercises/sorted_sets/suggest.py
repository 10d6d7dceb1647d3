"""Autocomplete by any word of a name: one sorted set of equal scores, one trip a letter."""

NOTEBOOK = "06"
TITLE = "Any word of the name"
HINTS = (
    "An airport may stand in the index more than once. Under what would you look for it?",
    "`john f kennedy intl`, `f kennedy intl`, `kennedy intl`, `intl`: what can be typed, each a "
    "member with code and name behind it, all of the same score.",
    "Two words may begin alike and bring an airport twice: read more than five, and let a `dict` "
    "drop what repeats.",
    "From `[typed` to `(typed\\xff`, with `bylex=True, offset=0, num=20`; then "
    '`entry.split("|")[1:]` is code and name.',
)
WHY = (
    "The work is done when a name is stored, once, and not at every letter somebody types. Four "
    "members for each name are cheap; a search through all names, thousands of times a second, "
    "is not."
)


class stub:
    """Airports by the first letters of any word of their name."""

    def __init__(self, r):
        """r: the client to use."""

    def index(self, airports):
        """Store these (code, name) pairs."""

    def find(self, typed):
        """A list of five (code, name) pairs, or of as many as there are, in one round trip."""


class solution:
    def __init__(self, r):
        self.r = r

    def index(self, airports):
        entries = {}
        for code, name in airports:
            words = name.lower().split()
            starts = [" ".join(words[place:]) for place in range(len(words))]
            entries |= {f"{start}|{code}|{name}": 0 for start in starts}
        self.r.zadd("words", entries)

    def find(self, typed):
        low, high = f"[{typed.lower()}", f"({typed.lower()}\xff"
        found = self.r.zrange("words", low, high, bylex=True, offset=0, num=20)
        return list(dict(entry.split("|")[1:] for entry in found).items())[:5]


class wrong_beginning_of_the_name:
    """in the middle of a name"""

    def __init__(self, r):
        self.r = r

    def index(self, airports):
        self.r.zadd("names", {f"{name.lower()}|{code}|{name}": 0 for code, name in airports})

    def find(self, typed):
        low, high = f"[{typed.lower()}", f"({typed.lower()}\xff"
        found = self.r.zrange("names", low, high, bylex=True, offset=0, num=20)
        return list(dict(entry.split("|")[1:] for entry in found).items())[:5]


class wrong_word_by_word:
    """the word after it"""

    def __init__(self, r):
        self.r = r

    def index(self, airports):
        for code, name in airports:
            self.r.zadd("words", {f"{word}|{code}|{name}": 0 for word in name.lower().split()})

    def find(self, typed):
        low, high = f"[{typed.lower()}", f"({typed.lower()}\xff"
        found = self.r.zrange("words", low, high, bylex=True, offset=0, num=20)
        return list(dict(entry.split("|")[1:] for entry in found).items())[:5]


class wrong_capitals_matter(solution):
    """whatever the capitals"""

    def find(self, typed):
        low, high = f"[{typed}", f"({typed}\xff"
        found = self.r.zrange("words", low, high, bylex=True, offset=0, num=20)
        return list(dict(entry.split("|")[1:] for entry in found).items())[:5]


class wrong_up_to_z(solution):
    """sorts behind every letter"""

    def find(self, typed):
        low, high = f"[{typed.lower()}", f"[{typed.lower()}z"
        found = self.r.zrange("words", low, high, bylex=True, offset=0, num=20)
        return list(dict(entry.split("|")[1:] for entry in found).items())[:5]


class wrong_five_entries(solution):
    """stands there twice"""

    def find(self, typed):
        low, high = f"[{typed.lower()}", f"({typed.lower()}\xff"
        found = self.r.zrange("words", low, high, bylex=True, offset=0, num=5)
        return [tuple(entry.split("|")[1:]) for entry in found]


class wrong_five_before_the_dict(solution):
    """are left when repeats are dropped"""

    def find(self, typed):
        low, high = f"[{typed.lower()}", f"({typed.lower()}\xff"
        found = self.r.zrange("words", low, high, bylex=True, offset=0, num=5)
        return list(dict(entry.split("|")[1:] for entry in found).items())


class wrong_searches_here:
    """the whole list"""

    def __init__(self, r):
        self.r = r

    def index(self, airports):
        self.r.hset("airports", mapping=dict(airports))

    def find(self, typed):
        names = self.r.hgetall("airports").items()
        return [each for each in names if f" {typed.lower()}" in f" {each[1].lower()}"][:5]


class wrong_without_a_limit(solution):
    """all that match"""

    def find(self, typed):
        low, high = f"[{typed.lower()}", f"({typed.lower()}\xff"
        found = self.r.zrange("words", low, high, bylex=True)
        return list(dict(entry.split("|")[1:] for entry in found).items())[:5]


class wrong_keeps_it_here:
    """or in your object"""

    def __init__(self, r):
        self.r = r
        self.airports = []

    def index(self, airports):
        self.airports += airports
        self.r.hset("airports", mapping=dict(airports))

    def find(self, typed):
        return [each for each in self.airports if f" {typed.lower()}" in f" {each[1].lower()}"][:5]


def check(trial):
    import re

    import redis_lab.data
    from redis_lab.course.answers import Refused
    from redis_lab.course.trial import Gaps

    table = redis_lab.data.airports()
    airports = list(zip(table.faa.tolist(), table.name.tolist(), strict=True))
    gaps = Gaps()
    trial.ask(trial.call(trial.client()).index, airports)
    reader = trial.call(trial.client(gaps))

    def found(typed):
        answer = trial.ask(reader.find, typed)
        pairs = answer if isinstance(answer, list) else [None]
        if all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs):
            return [(str(code), str(name)) for code, name in pairs]
        raise Refused(f"for {typed!r} find answered {answer!r:.90}, no list of (code, name) pairs")

    def sent(typed):
        """KB that the server sends; asking for that is taken off."""
        counts = [int(trial.r.info("stats")["total_net_output_bytes"]) for _ in range(2)]
        found(typed)
        counts.append(int(trial.r.info("stats")["total_net_output_bytes"]))
        return (counts[2] - counts[1] - (counts[1] - counts[0])) / 1000

    ronald = found("ronald")
    trial.require(
        ronald == [("DCA", "Ronald Reagan Washington Natl")],
        "what one client indexed, another finds",
        f"for 'ronald' a second client got {ronald}, not DCA and Ronald Reagan Washington Natl: "
        "is the index on the server, or in your object?",
    )
    kennedy = [code for code, _ in found("kennedy")]
    trial.require(
        kennedy == ["JFK"],
        "`kennedy` finds JFK",
        f"for 'kennedy' it answered {kennedy}: that word stands in the middle of a name",
    )
    capitals = [code for code, _ in found("KeNN")]
    trial.expect(
        capitals == ["JFK"],
        "so does `KeNN`",
        f"for 'KeNN' it answered {capitals}: it must find the same whatever the capitals",
    )
    onward = [code for code, _ in found("f kenn")]
    trial.expect(
        onward == ["JFK"],
        "and `f kenn`, which goes on into the next word",
        f"for 'f kenn' it answered {onward}: a word was found, and the word after it lost it",
    )
    last = [code for code, _ in found("guardia")]
    trial.expect(
        last == ["LGA"],
        "`guardia`, typed to its end, finds LGA",
        f"for 'guardia' it answered {last}: what follows the last word in your members must lie "
        "within the range, and `|` sorts behind every letter",
    )
    trial.expect(found("qqq") == [], "nothing begins with `qqq`", "it found something for 'qqq'")
    foreign, twice, few = [], [], []
    for typed in ("a", "tr", "new", "wal", "intl"):
        pairs, begins = found(typed), re.compile(rf"(^|[^a-z]){typed}")
        total = sum(f" {typed}" in f" {name.lower()}" for _, name in airports)
        different = set(pairs) & set(airports)
        foreign += [pair for pair in pairs if not begins.search(pair[1].lower())]
        foreign += set(pairs) - different
        twice += [typed] if len(set(pairs)) < len(pairs) else []
        few += [f"for {typed!r}: {len(pairs)}"] if len(different) != min(5, total) else []
    trial.expect(not foreign, "all that it finds begins so", f"these don't belong: {foreign[:5]}")
    trial.expect(
        not twice,
        "an airport comes once",
        f"for {', '.join(map(repr, twice))} an airport stands there twice: two words begin so",
    )
    trial.expect(
        not few or bool(twice),
        "five of them, where there are five",
        f"not five airports came {', '.join(few)}: how many are left when repeats are dropped?",
    )
    gaps.trips = 0
    rare, common = sent("kennedy"), sent("a")
    trips = gaps.trips / 2
    trial.require(trips > 0, "the server is asked", "it answers from what is in your object")
    trial.expect(trips == 1, "one trip for each letter typed", f"it took {trips:g} trips")
    trial.expect(
        rare < 8,
        "which does not bring the whole index",
        f"the server sent {rare:.0f} KB to find one airport: the whole list, at every letter",
    )
    trial.expect(
        common < 8 or rare >= 8,
        "nor more than a few KB for `a`",
        f"the server sent {common:.0f} KB for five airports: all that match",
    )
