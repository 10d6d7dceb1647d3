"""Count keys by prefix without blocking: SCAN in pages, names counted once, the prefix as text."""

NOTEBOOK = "02"
TITLE = "How many flights from Newark?"
HINTS = (
    "`r.scan_iter` asks for page after page. How long is a page, if nobody says so?",
    "The server can leave out what doesn't match; what it looks at in one go is another option.",
    "A name may come twice. What in Python holds everything once?",
    "`*`, `?`, `[` and `\\` mean something in a pattern. A `\\` before each of them makes it text.",
)
WHY = (
    "One question, asked in pages, and nobody notices it. The same loop deletes by prefix, moves "
    "keys and looks for what has no time to live; a counter of its own is cheaper still, if you "
    "ask every minute."
)


def stub(r, prefix):
    """How many keys begin with this text, asked for in pages of about a thousand."""


def solution(r, prefix):
    import re

    literal = re.sub(r"([\\*?\[])", r"\\\1", prefix)
    return len(set(r.scan_iter(match=literal + "*", count=1000)))


def wrong_keys(r, prefix):
    """it calls KEYS"""
    return len(r.keys(prefix + "*"))


def wrong_sum_of_pages(r, prefix):
    """counted twice"""
    return sum(1 for _ in r.scan_iter(match=prefix + "*", count=1000))


def wrong_stops_at_an_empty_page(r, prefix):
    """an empty page is not the end"""
    found, cursor = set(), 0
    while True:
        cursor, page = r.scan(cursor, match=prefix + "*", count=1000)
        found.update(page)
        if not page or cursor == 0:
            return len(found)


def wrong_default_pages(r, prefix):
    """ten names at a time"""
    return len(set(r.scan_iter(match=prefix + "*")))


def wrong_one_page(r, prefix):
    """in one go"""
    return len(set(r.scan_iter(match=prefix + "*", count=1_000_000)))


def wrong_searches_here(r, prefix):
    """names that nobody asked for"""
    return len({name for name in r.scan_iter(count=1000) if name.startswith(prefix)})


def wrong_prefix_as_pattern(r, prefix):
    """means something else in a pattern"""
    return len(set(r.scan_iter(match=prefix + "*", count=1000)))


def check(trial):
    import redis_lab.data
    from redis_lab.course.trial import Gaps

    flights = redis_lab.data.flights(month=1)
    names = ("flight:" + flights.origin + ":" + flights.id).tolist()
    for start in range(0, len(names), 5000):
        trial.r.mset(dict.fromkeys(names[start : start + 5000], "scheduled"))
    newark = [name for name in names if name.startswith("flight:EWR:")]
    rare = [name for name in names if name.startswith("flight:JFK:HA")]

    def sent():
        return int(trial.r.info("stats")["total_net_output_bytes"])

    before = sent()
    with trial.cost() as cost:
        found = trial.run("flight:JFK:HA")
    received, trips = sent() - before, cost.trips
    trial.require(
        not cost.commands["keys"],
        "others have their turn in between",
        "it calls KEYS: one command, and everybody waits until it has seen all names",
    )
    trial.require(
        found == len(rare),
        "the flights of a small airline are all found, with empty pages between them",
        f"{len(rare)} names begin with flight:JFK:HA, and it answered {found!r}: does it go on "
        "until the cursor is 0? (an empty page is not the end)",
    )
    trial.expect(
        trips >= 3,
        "a page looks at 10,000 names at most",
        f"{len(names):,} names in {trips} round trip{'s' * (trips > 1)}: whatever looks at so many "
        "in one go keeps everybody waiting meanwhile",
    )
    trial.expect(
        trips <= 270,
        "and at a hundred or more",
        f"{len(names):,} names in {trips:,} trips, about ten names at a time: the way costs more "
        "than the looking",
    )
    names_alone = sum(map(len, names))
    trial.expect(
        received < names_alone,
        "what doesn't match stays on the server",
        f"the server sent {received / 1000:,.0f} KB to count {len(rare)} keys: names that nobody "
        "asked for",
    )

    class Shrinking:
        """A page that repeats names of the page before, as it may when a table has shrunk."""

        def __init__(self, read):
            self.read, self.last = read, []

        def __call__(self, reply, **options):
            cursor, page = self.read(reply, **options)
            repeated, self.last = [*self.last, *page], page[:3]
            return cursor, repeated

    twice = trial.client()
    twice.set_response_callback("SCAN", Shrinking(twice.response_callbacks["SCAN"]))
    counted = trial.call(twice, "flight:EWR:")
    trial.expect(
        counted == len(newark),
        "a name that comes twice counts once",
        f"{len(newark):,} names begin with flight:EWR:, and it answered {counted}: names were "
        "counted twice. A table that shrinks meanwhile makes SCAN repeat some",
    )

    def come_and_go():
        trial.r.unlink(*newark[:500])
        trial.r.mset(dict.fromkeys((f"flight:EWR:extra{n}" for n in range(500)), "extra"))

    busy = trial.call(trial.client(Gaps(come_and_go, after=3)), "flight:EWR:")
    low, high = len(newark) - 500, len(newark) + 500
    trial.expect(
        isinstance(busy, int) and low <= busy <= high,
        "what is there all the time is counted, while others come and go",
        f"{low:,} names were there all the time, and it answered {busy}",
    )
    trial.r.mset({"note[1]:a": "", "note[1]:b": "", "note1:c": "", "note*:d": "", "note*:e": ""})
    literal = [trial.run("note[1]:"), trial.run("note*")]
    trial.expect(
        literal == [2, 2],
        "a prefix is text: `note[1]:` and `note*` too",
        f"2 keys begin with note[1]: and 2 with note*; it answered {literal[0]} and {literal[1]}: "
        "what stands there means something else in a pattern",
    )
