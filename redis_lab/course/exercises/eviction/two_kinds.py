"""A cache and bookings on one server: what may go, and what may not."""

NOTEBOOK = "36"
TITLE = "What may go, and what may not"
HINTS = (
    "Which policies look only at keys with a time to live, and which at all?",
    "So the time to live is the mark: `r.set(key, value, ex=…)` may go, `r.set(key, value)` stays.",
    "And which of the volatile policies knows a key that is asked for often? `CONFIG SET "
    "maxmemory-policy`; the limit is there already.",
    "Leave errors alone: a booking that is refused must not look like one.",
)
WHY = (
    "On a shared server the time to live says what may be lost: with volatile-… a page without one "
    "stays for ever, with allkeys-… nothing is safe. Better are two servers, a policy for each."
)


class stub:
    """A cache and bookings on one server, which nobody else uses; its maxmemory is set."""

    def __init__(self, r):
        """r: the client to use. Set on the server what is missing there."""

    def book(self, number, seat):
        """Store this booking for good. If it can't be stored, the error reaches the caller."""

    def booked(self, number):
        """Its seat, None if there is no such booking."""

    def put(self, name, page):
        """Cache this page for an hour at most, room permitting."""

    def page(self, name):
        """The cached page, None if it is not there."""


class solution:
    def __init__(self, r):
        self.r = r
        r.config_set("maxmemory-policy", "volatile-lfu")

    def book(self, number, seat):
        self.r.set(f"booking:{number}", seat)

    def booked(self, number):
        return self.r.get(f"booking:{number}")

    def put(self, name, page):
        self.r.set(f"page:{name}", page, ex=3600)

    def page(self, name):
        return self.r.get(f"page:{name}")


class wrong_all_keys(solution):
    """bookings are lost"""

    def __init__(self, r):
        self.r = r
        r.config_set("maxmemory-policy", "allkeys-lfu")


class wrong_a_long_time(solution):
    """have a time to live"""

    def book(self, number, seat):
        self.r.set(f"booking:{number}", seat, ex=10 * 365 * 86400)


class wrong_no_mark(solution):
    """refused a page"""

    def put(self, name, page):
        self.r.set(f"page:{name}", page)


class wrong_no_policy(solution):
    """refused a page"""

    def __init__(self, r):
        self.r = r


class wrong_silent(solution):
    """refused, silently"""

    def __init__(self, r):
        self.r = r

    def put(self, name, page):
        from contextlib import suppress

        with suppress(Exception):
            self.r.set(f"page:{name}", page, ex=3600)


class wrong_the_oldest(solution):
    """what nobody asked for twice"""

    def __init__(self, r):
        self.r = r
        r.config_set("maxmemory-policy", "volatile-ttl")


class wrong_swallows(solution):
    """looks like one"""

    def book(self, number, seat):
        from contextlib import suppress

        with suppress(Exception):
            self.r.set(f"booking:{number}", seat)


class wrong_one_name(solution):
    """is a booking's number"""

    def book(self, number, seat):
        self.r.set(number, seat)

    def booked(self, number):
        return self.r.get(number)

    def put(self, name, page):
        self.r.set(name, page, ex=3600)

    def page(self, name):
        return self.r.get(name)


class wrong_prolongs(solution):
    """a look prolongs"""

    def page(self, name):
        return self.r.getex(f"page:{name}", ex=3600)


class wrong_no_limit(solution):
    """the limit"""

    def __init__(self, r):
        self.r = r
        r.config_set("maxmemory-policy", "volatile-lfu")
        r.config_set("maxmemory", 0)


CONFIG = {"lfu-decay-time": 0}
SECONDS = 20.0


def check(trial):
    import redis_lab.data
    from redis_lab.course.answers import Refused

    r = trial.r
    flights = redis_lab.data.flights(limit=2_100).id.tolist()
    page = '{"gate": "C71", "remark": "' + "on time, " * 30 + '"}'
    pages, bookings = flights[:2_060], [f"{n}A" for n in range(200)]
    limit = r.info("memory")["used_memory"] + 350_000
    r.config_set("maxmemory", limit)
    board = trial.call(trial.client())

    trial.ask(board.book, "R7K2", "12C")
    trial.ask(board.put, "first", "gate C71")
    told = trial.ask(board.booked, "R7K2"), trial.ask(board.page, "first")
    none = trial.ask(board.booked, "nobody"), trial.ask(board.page, "nothing")
    trial.require(
        told == ("12C", "gate C71") and none == (None, None),
        "what was stored is found, and nothing else",
        f"seat 12C was booked and a page cached; it answered {told!r}, and {none!r} for no such",
    )
    for number in bookings:
        trial.ask(board.book, number, f"seat {number}")
    ends = [key for key, (_, left) in trial.keyspace().items() if left is not None]
    marked = len(ends)
    trial.ask(board.put, "R7K2", "gate C72")
    told = trial.ask(board.booked, "R7K2"), trial.ask(board.page, "R7K2")
    trial.expect(
        told == ("12C", "gate C72"),
        "a page may be called like a booking",
        f"a page was cached as R7K2, which is a booking's number; for the two it answered {told!r}",
    )
    refused = ""
    hot = pages[:60]

    def call(method, *args):
        return method(*args)

    def morning():
        """Thousands of pages, asked for once; sixty, again and again."""
        for name in hot:
            board.put(name, page)
        for _ in range(8):
            [board.page(name) for name in hot]
        for name in pages[60:]:
            board.put(name, page)
        return True

    try:
        trial.ask(call, morning)
    except Refused as refusal:
        refused = str(refusal)
    trial.require(
        "OutOfMemory" not in refused,
        "a page can always be cached",
        f"the server refused a page: its policy found nothing that may go ({refused:.150})",
    )
    trial.require(not refused, "pages can be cached", refused)
    new = [f"new:{n}" for n in range(20)]
    found = trial.ask(
        call, lambda: sum((board.put(n, page), board.page(n))[1] == page for n in new)
    )
    trial.expect(
        found > 12,
        "what was cached a moment ago is found",
        f"of 20 new pages {found} were found right after they had been cached: refused, silently?",
    )
    used, now = r.info("memory")["used_memory"], int(r.config_get("maxmemory")["maxmemory"])
    trial.expect(
        now == limit and used < limit + 400_000,
        "and the limit is kept",
        f"the limit was {limit:,} bytes; it is {now:,} now, and {used:,} are taken",
    )
    kept = trial.ask(call, lambda: sum(board.booked(n) == f"seat {n}" for n in bookings))
    trial.expect(
        kept == len(bookings),
        "no booking made room for pages",
        f"bookings are lost: {len(bookings) - kept} of {len(bookings)} made room for pages",
    )
    trial.expect(
        marked <= 1,
        "bookings have no end",
        f"{marked} keys have a time to live before any page but one was cached: bookings too?",
    )
    there = trial.ask(call, lambda: sum(board.page(name) == page for name in hot))
    trial.expect(
        there > 48,
        "pages that are asked for again and again survive",
        f"{there} of 60 such pages are there: they made room for what nobody asked for twice",
    )
    lives = [left for key, (_, left) in trial.keyspace().items() if left is not None]
    trial.expect(
        bool(lives) and max(lives) <= 3600,
        "a page lives for an hour at most",
        f"the longest has {max(lives, default=0):,.0f} seconds",
    )
    for key in [key for key, (_, left) in trial.keyspace().items() if left is not None]:
        r.expire(key, 60)
    trial.ask(call, lambda: [board.page(name) for name in hot] and None)
    lives = [left for key, (_, left) in trial.keyspace().items() if left is not None]
    trial.expect(
        max(lives, default=0) <= 60,
        "a look does not prolong it",
        f"a look prolongs it, from 60 to {max(lives, default=0):,.0f} s: a page that is looked at "
        "often would never end",
    )
    r.config_set("maxmemory", r.info("memory")["used_memory"])
    r.config_set("maxmemory-policy", "noeviction")  # as if every key were a booking
    r.config_set("maxmemory", r.info("memory")["used_memory"] - 100_000)
    try:
        said = trial.ask(board.book, "last", "1A")
        reason = f"it answered {said!r}"
    except Refused as refusal:
        reason = "" if "OutOfMemory" in str(refusal) else str(refusal)
    trial.expect(
        not reason,
        "a booking that can't be stored is an error",
        f"the server was full; a booking that was refused looks like one that was made: {reason}",
    )
