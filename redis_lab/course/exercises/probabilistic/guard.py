"""A Bloom filter before the origin that may be lost, and built again, while bookings go on."""

NOTEBOOK = "11"
TITLE = "A guard that may die"
MODULES = ("bloom",)
HINTS = (
    "What does `BF.EXISTS` say when there is no filter? How would `find` notice?",
    "One more item in the filter, added when it is complete: `BF.MEXISTS` asks for mark and code "
    "at once. Without the mark the origin is asked.",
    "`book` writes to the filter first: whatever the origin has, the filter must know already.",
    "`build`: an empty filter without a mark, and only then `codes()`, so that who books meanwhile "
    "is noted in the new filter. Then all codes, then the mark.",
)
WHY = (
    "A filter that says no is believed, so it must be able to say that it doesn't know. A mark "
    "inside the filter goes when the filter goes; a flag in another key would stay behind."
)


class stub:
    """Bookings, with a Bloom filter before the origin."""

    def __init__(self, r, origin):
        """r: the client. origin: has insert(code, flight), find(code) and codes()."""

    def build(self):
        """Make the filter anew, for up to 50,000 bookings, from what the origin has."""

    def book(self, code, flight):
        """Store a booking, for good."""

    def find(self, code):
        """The flight of a booking, or None."""


class solution:
    def __init__(self, r, origin):
        self.r, self.origin = r, origin

    def build(self):
        with self.r.pipeline() as pipe:
            pipe.delete("codes").execute_command("BF.RESERVE", "codes", 0.01, 50_000).execute()
        self.r.bf().madd("codes", *self.origin.codes(), "*complete*")

    def book(self, code, flight):
        self.r.bf().add("codes", code)
        self.origin.insert(code, flight)

    def find(self, code):
        complete, known = self.r.bf().mexists("codes", "*complete*", code)
        return self.origin.find(code) if known or not complete else None


class wrong_no_filter(solution):
    """invented codes reached"""

    def find(self, code):
        return self.origin.find(code)


class wrong_trusts_the_lost(solution):
    """the filter was lost"""

    def find(self, code):
        return self.origin.find(code) if self.r.bf().exists("codes", code) else None


class wrong_origin_first(solution):
    """between its two writes"""

    def book(self, code, flight):
        self.origin.insert(code, flight)
        self.r.bf().add("codes", code)


class wrong_flag_apart(solution):
    """the filter was lost"""

    def build(self):
        super().build()
        self.r.set("complete", 1)

    def find(self, code):
        complete, known = self.r.get("complete"), self.r.bf().exists("codes", code)
        return self.origin.find(code) if known or not complete else None


class wrong_key_is_there(solution):
    """after the next booking"""

    def find(self, code):
        there, known = self.r.exists("codes"), self.r.bf().exists("codes", code)
        return self.origin.find(code) if known or not there else None


class wrong_mark_first(solution):
    """half built"""

    def build(self):
        with self.r.pipeline() as pipe:
            pipe.delete("codes").execute_command("BF.RESERVE", "codes", 0.01, 50_000).execute()
        codes = ["*complete*", *self.origin.codes()]
        for first in range(0, len(codes), 1000):
            self.r.bf().madd("codes", *codes[first : first + 1000])


class wrong_renames(solution):
    """while the filter was built"""

    def build(self):
        codes = self.origin.codes()
        with self.r.pipeline() as pipe:
            pipe.delete("new").execute_command("BF.RESERVE", "new", 0.01, 50_000)
            pipe.execute_command("BF.MADD", "new", *codes, "*complete*")
            pipe.rename("new", "codes").execute()


class wrong_reads_twice(solution):
    """while the filter was built"""

    def build(self):
        with self.r.pipeline() as pipe:
            pipe.delete("new").execute_command("BF.RESERVE", "new", 0.01, 50_000).execute()
        for _ in range(2):
            self.r.bf().madd("new", *self.origin.codes())
        self.r.bf().add("new", "*complete*")
        self.r.rename("new", "codes")


class wrong_set(solution):
    """bytes for 5,000 bookings"""

    def build(self):
        self.r.delete("codes")
        self.r.sadd("codes", *self.origin.codes(), "*complete*")

    def book(self, code, flight):
        self.r.sadd("codes", code)
        self.origin.insert(code, flight)

    def find(self, code):
        complete, known = self.r.smismember("codes", ["*complete*", code])
        return self.origin.find(code) if known or not complete else None


class Origin:
    """A database: what is in it, what is done while codes() runs, and how often it was asked."""

    def __init__(self, rows):
        self.rows = dict(rows)
        self.asked = 0
        self.meanwhile = None

    def insert(self, code, flight):
        self.rows[code] = flight

    def find(self, code):
        self.asked += 1
        return self.rows.get(code)

    def codes(self):
        listed = list(self.rows)
        act, self.meanwhile = self.meanwhile, None
        if act:
            act()
        return listed


def check(trial):
    from redis_lab.course.answers import Killed
    from redis_lab.course.trial import Gaps

    origin = Origin((f"B{number:05}", f"UA{number}") for number in range(5000))
    real = list(origin.rows)[::50]

    def desk(gaps=None):
        return trial.call(trial.client(gaps), origin)

    def denied(codes):
        """Those of these real bookings that find does not give."""
        reader = desk()
        answers = trial.ask(lambda: [reader.find(code) for code in codes])
        pairs = zip(codes, answers, strict=True)
        return [code for code, answer in pairs if answer != origin.rows[code]]

    def found(codes, claim, why_not):
        missing = denied(codes)
        trial.expect(not missing, claim, f"{len(missing)} of {len(codes)} real {why_not}")

    def lose():
        for key, (kind, _) in trial.keyspace().items():
            if kind in ("MBbloom--", "MBbloomCF", "set"):
                trial.r.delete(key)

    found(real, "before there is a filter, all are found", "bookings are denied: no filter yet")
    one = desk()
    trial.ask(one.build)
    trial.ask(one.book, "N00001", "AA1141")
    trial.require(
        "N00001" in origin.rows, "a booking reaches the origin", "book did not call origin.insert"
    )
    found([*real, "N00001"], "real bookings are found", "bookings are not found")
    origin.asked = 0
    reader = desk()
    invented = trial.ask(lambda: [reader.find(f"Z{number:05}") for number in range(500)])
    trial.expect(
        not any(invented), "invented ones are not", "find gave a flight for an invented code"
    )
    trial.expect(
        origin.asked <= 10,
        "and don't reach the origin",
        f"{origin.asked} of 500 invented codes reached the origin",
    )
    kept = trial.keyspace()
    for key in kept:  # 8.10.2 dies of MEMORY USAGE on a sketch with a time to live
        trial.r.persist(key)
    size = sum(trial.r.memory_usage(key, samples=0) for key in kept)
    trial.expect(
        0 < size <= 150_000,
        "the filter takes 150 KB at most",
        f"it takes {size:,} bytes for 5,000 bookings",
    )

    other, during = desk(), []

    def meanwhile():
        during.append(f"M{len(during):05}")
        other.book(during[-1], "B6725")

    class Busy(Gaps):
        """Another client books before each trip of a build, the first few hundred of them."""

        def before_a_trip(self):
            if len(during) < 300:
                meanwhile()

    origin.meanwhile = meanwhile
    trial.ask(desk(Busy()).build)
    found(
        [code for code in during if code in origin.rows],
        "who books during a build is found",
        "bookings are denied: another client made them while the filter was built",
    )
    lose()
    found(real, "a lost filter costs no customer", "bookings are denied after the filter was lost")
    trial.ask(one.book, "N00003", "DL461")
    found(
        [*real, "N00003"],
        "nor does a booking after that",
        "bookings are denied after the filter was lost and after the next booking made a new one",
    )
    trial.ask(one.build)

    def die():
        raise Killed

    def dies(after, method, *args):
        gaps = Gaps()
        doomed = desk(gaps)
        gaps.act, gaps.after, gaps.trips = die, after, 0
        try:
            trial.ask(getattr(doomed, method), *args)
        except Killed:
            return True
        return False

    for number in range(4):
        dies(number, "book", f"D{number:05}", "UA1696")
    stored = [f"D{number:05}" for number in range(4) if f"D{number:05}" in origin.rows]
    found(
        stored,
        "nor does a writer that dies",
        "bookings are denied: the writer died between its two writes, and only the origin has it",
    )
    half = []
    for number in range(1, 8):
        lose()
        if not dies(number, "build"):
            break
        half += denied(real)
    trial.expect(
        not half,
        "nor a build that dies",
        f"{len(half)} times a real booking is denied when the filter is half built",
    )
