"""Counters of a byte each, side by side, that stop at their ceiling: BITFIELD with SAT."""

NOTEBOOK = "07"
TITLE = "Counters that stop at 255"
HINTS = (
    "A string of 365 bytes is 365 counters of eight bits, without a sign.",
    "`OVERFLOW` decides what happens beyond 255, for the operations behind it.",
    "An offset that begins with `#` counts counters; one without it counts bits.",
    '`r.bitfield(key).incrby("u8", f"#{day}", 1, overflow="SAT").execute()` answers a list.',
)
WHY = (
    "A counter that stops says: this many or more. One that wraps says that the worst day was a "
    "quiet one, and nobody can tell it from the truth. Since 8.8 INCREX has a ceiling too, for "
    "counters with a key each."
)


def stub(r, airport, day):
    """One more late flight at this airport on this day of the year, 0 to 364: the count so far."""


def solution(r, airport, day):
    field = r.bitfield(f"late:{airport}").incrby("u8", f"#{day}", 1, overflow="SAT")
    return field.execute()[0]


def wrong_wraps(r, airport, day):
    """begins again"""
    return r.bitfield(f"late:{airport}").incrby("u8", f"#{day}", 1).execute()[0]


def wrong_no_answer(r, airport, day):
    """the 256th answered None"""
    field = r.bitfield(f"late:{airport}").incrby("u8", f"#{day}", 1, overflow="FAIL")
    return field.execute()[0]


def wrong_bits(r, airport, day):
    """its neighbours"""
    field = r.bitfield(f"late:{airport}").incrby("u8", day, 1, overflow="SAT")
    return field.execute()[0]


def wrong_signed(r, airport, day):
    """stays at 127"""
    field = r.bitfield(f"late:{airport}").incrby("i8", f"#{day}", 1, overflow="SAT")
    return field.execute()[0]


def wrong_list(r, airport, day):
    """a list"""
    return r.bitfield(f"late:{airport}").incrby("u8", f"#{day}", 1, overflow="SAT").execute()


def wrong_reads_first(r, airport, day):
    """came between"""
    count = r.bitfield(f"late:{airport}").get("u8", f"#{day}").execute()[0]
    r.bitfield(f"late:{airport}").set("u8", f"#{day}", min(count + 1, 255)).execute()
    return min(count + 1, 255)


def wrong_hash(r, airport, day):
    """for a year of one airport"""
    return min(r.hincrby(f"late:{airport}", day, 1), 255)


def wrong_wider(r, airport, day):
    """730 bytes for a year"""
    return min(r.bitfield(f"late:{airport}").incrby("u16", f"#{day}", 1).execute()[0], 255)


def wrong_one_key(r, airport, day):
    """another airport"""
    return r.bitfield("late").incrby("u8", f"#{day}", 1, overflow="SAT").execute()[0]


def check(trial):
    client = trial.client()

    def late(airport, day):
        return trial.call(client, airport, day)

    first = [late("EWR", 50) for _ in range(3)]
    trial.require(
        first == [1, 2, 3] and all(type(count) is int for count in first),
        "three late flights answer 1, 2, 3",
        f"they answered {first}" + (": BITFIELD gives a list" if first == [[1], [2], [3]] else ""),
    )
    counts = [late("JFK", 50), late("LGA", 50)]
    trial.expect(
        counts == [1, 1],
        "another airport counts for itself",
        f"the first late flight of JFK and of LGA answered {counts}: does another airport share "
        "the counter?",
    )
    neighbours = [late("EWR", 49), late("EWR", 51)]
    trial.expect(
        neighbours == [1, 1],
        "another day too",
        f"the first late flight of the days before and after answered {neighbours}: a counter and "
        "its neighbours share bits",
    )
    counts = [late("EWR", 50) for _ in range(252)]
    trial.expect(
        counts == list(range(4, 256)),
        "day 50 counts up to 255",
        f"after 255 flights it answers {counts[-1]!r}"
        + (": it stays at 127, as a signed byte does" if counts[-1] == 127 else "")
        if counts[-1] != 255
        else "it reaches 255 too early: are some of its bits another day's?",
    )
    beyond = [late("EWR", 50) for _ in range(3)]
    trial.expect(
        beyond == [255, 255, 255] or counts[-1] != 255,
        "and stays there",
        f"the 256th answered None, so nobody knows the count: {beyond}"
        if None in beyond
        else f"flights 256 to 258 answered {beyond}: the count begins again",
    )
    neighbours = [late("EWR", 49), late("EWR", 51)]
    trial.expect(
        neighbours == [2, 2] or counts[-1] != 255,
        "its neighbours don't notice",
        f"258 flights of day 50 made its neighbours {neighbours}, not [2, 2]",
    )
    others = []
    mine = trial.run("EWR", 100, between=lambda: others.append(trial.run("EWR", 100)))
    total = late("EWR", 100)
    trial.expect(
        total == 2 + len(others),
        "two reports at the same moment are both counted",
        f"after {1 + len(others)} reports, two of them {mine!r} and {others}, the next answers "
        f"{total!r}: another came between your reading and your writing",
    )
    year = [late("SWF", day) for day in range(365)]
    trial.expect(
        set(year) == {1},
        "a year has 365 counters",
        f"one late flight on each day of a year: day {year.index(2) if 2 in year else 0} already "
        f"answers {max(year, default=0)}",
    )
    keys = trial.keyspace()
    trial.require(
        len(keys) == 4,
        "each airport has one key",
        f"four airports have {len(keys)} keys",
    )
    key = next((key for key in keys if "SWF" in key), "")
    if keys.get(key, ("", 0))[0] == "string":
        size = trial.r.strlen(key)
    else:
        size = max(trial.r.memory_usage(each, samples=0) for each in keys)
    trial.expect(
        size <= 365,
        "a year of an airport is 365 bytes",
        f"it takes {size:,} bytes for a year of one airport",
    )
    with trial.cost() as cost:
        trial.run("EWR", 50)
    number = sum(cost.commands.values())
    trial.expect(
        number == 1,
        "one command, no script",
        f"the server ran {number} commands: {', '.join(cost.commands)}",
    )
