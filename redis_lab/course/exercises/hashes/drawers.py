"""27,004 small values: many small hashes rather than many keys, or one large hash."""

NOTEBOOK = "04"
TITLE = "Gates in drawers"
HINTS = (
    "A key each costs most, one hash for all is a hash table: what lies between?",
    "The drawer must follow from the flight's id alone, so that whoever asks opens the same one.",
    "No drawer may have more than 512 flights. Look at an id: does it say a day and an airport?",
    '`flight.partition("-")` parts UA1545-20130101-EWR after the number: the rest names the '
    "drawer, the number is the field. A pipeline sends an `HSET` for each drawer.",
)
WHY = (
    "Small values by the million fit into a third of the memory, and here an old day is one key to "
    "expire. The price: a single flight has no time to live of its own before 7.4."
)


class stub:
    """The gates of a month's flights, in 40 bytes a flight or less."""

    def __init__(self, r):
        """r: the client to use."""

    def store(self, gates):
        """Keep these, as {flight id: gate}, beside those stored before, in one round trip."""

    def gate(self, flight):
        """The gate of a flight, None if there is none, in one round trip."""


class solution:
    def __init__(self, r):
        self.r = r

    def store(self, gates):
        drawers = {}
        for flight, gate in gates.items():
            number, _, day = flight.partition("-")
            drawers.setdefault(f"gates:{day}", {})[number] = gate
        with self.r.pipeline(transaction=False) as pipe:
            for key, fields in drawers.items():
                pipe.hset(key, mapping=fields)
            pipe.execute()

    def gate(self, flight):
        number, _, day = flight.partition("-")
        return self.r.hget(f"gates:{day}", number)


class wrong_a_key_each(solution):
    """a key for each flight"""

    def store(self, gates):
        self.r.mset({f"gate:{flight}": gate for flight, gate in gates.items()})

    def gate(self, flight):
        return self.r.get(f"gate:{flight}")


class wrong_one_hash(solution):
    """more than 512 fields"""

    def store(self, gates):
        self.r.hset("gates", mapping=gates)

    def gate(self, flight):
        return self.r.hget("gates", flight)


class _hashed(solution):
    drawers = 200

    def key(self, flight):
        import zlib

        return f"gates:{zlib.crc32(flight.encode()) % self.drawers}"

    def store(self, gates):
        with self.r.pipeline(transaction=False) as pipe:
            for flight, gate in gates.items():
                pipe.hset(self.key(flight), flight, gate)
            pipe.execute()

    def gate(self, flight):
        return self.r.hget(self.key(flight), flight)


class wrong_too_few_drawers(_hashed):
    """more than 512 fields"""

    drawers = 40


class wrong_python_hash(_hashed):
    """another process"""

    def key(self, flight):
        return f"gates:{hash(flight) % 200}"


class wrong_first_letters(_hashed):
    """more than 512 fields"""

    def key(self, flight):
        return f"gates:{flight[:3]}"


class wrong_number_alone(solution):
    """have the same number"""

    def store(self, gates):
        with self.r.pipeline(transaction=False) as pipe:
            for flight, gate in gates.items():
                number, day, _ = flight.split("-")
                pipe.hset(f"gates:{day}:{number[:2]}", number, gate)
            pipe.execute()

    def gate(self, flight):
        number, day, _ = flight.split("-")
        return self.r.hget(f"gates:{day}:{number[:2]}", number)


class wrong_by_the_order(solution):
    """stored in two parts"""

    def store(self, gates):
        self.place = {flight: n // 500 for n, flight in enumerate(gates)}
        with self.r.pipeline(transaction=False) as pipe:
            for flight, gate in gates.items():
                pipe.hset(f"gates:{self.place[flight]}", flight, gate)
            pipe.execute()

    def gate(self, flight):
        return self.r.hget(f"gates:{self.place.get(flight)}", flight)


def check(trial):
    import builtins

    import redis_lab.data
    from redis_lab.course.trial import Gaps

    january = redis_lab.data.flights(month=1)
    gates = {flight: f"{'ABC'[n % 3]}{n % 97}" for n, flight in enumerate(january.id.tolist())}
    twins = ["UA1-20130101-EWR", "UA1-20130101-JFK"]  # in other months there are such pairs
    gates |= dict(zip(twins, ("A1", "C99"), strict=True))
    names = list(gates)
    gaps, asking = Gaps(), Gaps()
    writer, reader = trial.call(trial.client(gaps)), trial.call(trial.client(asking))
    half = len(names) // 2
    trial.ask(writer.store, {name: gates[name] for name in names[:half]})
    gaps.trips = 0
    trial.ask(writer.store, {name: gates[name] for name in names[half:]})
    trial.require(trial.r.dbsize() > 0, "gates reach the server", "after store there is no key")
    trial.expect(
        gaps.trips == 1,
        f"{len(names) - half:,} gates are stored in one trip",
        f"it took {gaps.trips} trips to store {len(names) - half:,} gates",
    )
    sample = [*names[:2000:100], *names[half::500], *twins]
    mine = {name: trial.ask(writer.gate, name) for name in sample}
    trial.require(
        {name: mine[name] for name in twins} == {name: gates[name] for name in twins},
        "two flights of one number are two",
        f"{' and '.join(twins)} have the same number, on one day, and not the same gate: they were "
        f"stored as A1 and C99, and answered as {[mine[name] for name in twins]}",
    )
    wrong = [name for name in sample if mine[name] != gates[name]]
    trial.require(
        not wrong,
        "what is stored is found",
        f"{len(wrong)} of {len(sample)} gates, stored in two parts, are not what was stored: "
        f"{', '.join(wrong[:2])}",
    )
    # Another process draws other numbers from Python's hash(): here, another hash() does.
    methods = [each for kind in type(reader).__mro__ for each in vars(kind).values()]
    spaces = {
        id(each.__globals__): each.__globals__ for each in methods if hasattr(each, "__globals__")
    }
    shadowed = {place: space.get("hash", spaces) for place, space in spaces.items()}
    try:
        for space in spaces.values():
            space["hash"] = lambda value: builtins.hash(("another process", value))
        asking.trips = 0
        theirs = {name: trial.ask(reader.gate, name) for name in sample}
    finally:
        for place, space in spaces.items():
            if shadowed[place] is spaces:
                del space["hash"]
            else:
                space["hash"] = shadowed[place]
    lost = [name for name in sample if theirs[name] != gates[name]]
    trial.require(
        not lost,
        "and by another process too",
        f"another process found {len(sample) - len(lost)} of {len(sample)}. What an object "
        "remembers is lost there, and Python's hash() of a text differs from process to process: "
        "zlib.crc32 does not",
    )
    trial.expect(
        asking.trips == len(sample),
        "each in one trip",
        f"{len(sample)} calls of gate took {asking.trips} trips",
    )
    trial.expect(
        trial.ask(reader.gate, "ZZ1-20130101-EWR") is None,
        "no flight, no gate",
        "a flight that was never stored has a gate",
    )
    keys = list(dict.fromkeys(trial.r.scan_iter(count=1000)))
    with trial.r.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.memory_usage(key, samples=0).hlen(key)
        told = pipe.execute(raise_on_error=False)
    each = sum(told[::2]) / len(gates)
    sizes = [size for size in told[1::2] if isinstance(size, int)]
    if len(keys) >= len(gates):
        reason = "there is a key for each flight"
    elif sizes and max(sizes) > 512:
        reason = f"the largest hash, of {len(keys)}, has {max(sizes):,}: more than 512 fields"
    else:
        reason = f"there are {len(keys):,} keys"
    trial.expect(
        each <= 40, "a gate takes 40 bytes or less", f"a gate takes {each:.0f} bytes: {reason}"
    )
