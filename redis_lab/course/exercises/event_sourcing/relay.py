"""The outbox's relay: exactly once into the stream, since an ID can be given once."""

NOTEBOOK = "53"
TITLE = "A relay that can't repeat itself"
HINTS = (
    "It may die between the `XADD` and the commit. Who knows then what has been sent?",
    "The rows have numbers that only grow. So have the IDs of a stream.",
    "An ID of your own makes the stream know how far you came: ask it before you begin. Don't take "
    "every error for 'already there': Redis may be full.",
    '`id=f"{number}-0"`, and `r.xinfo_stream("bookings")["last-generated-id"]` where the stream '
    "exists; rows up to that number are only deleted.",
)
WHY = (
    "A relay is at least once by nature. Where the receiver can refuse a number that it has seen, "
    "at least once becomes exactly once, without a word to the database."
)


def stub(r, db):
    """Bring the rows of the table outbox to the stream `bookings`, in order, and delete them.

    db: sqlite3; outbox has the columns number (grows, never reused), flight, passenger. Entries
    have the fields flight and passenger.
    """


def solution(r, db):
    there = r.exists("bookings")
    last = r.xinfo_stream("bookings")["last-generated-id"] if there else "0-0"
    rows = db.execute("SELECT number, flight, passenger FROM outbox ORDER BY number").fetchall()
    for number, flight, passenger in rows:
        if number > int(last.partition("-")[0]):
            entry = {"flight": flight, "passenger": passenger}
            r.xadd("bookings", entry, id=f"{number}-0")
        db.execute("DELETE FROM outbox WHERE number = ?", [number])
        db.commit()


def wrong_plain(r, db):
    """is in the stream twice"""
    rows = db.execute("SELECT number, flight, passenger FROM outbox ORDER BY number").fetchall()
    for number, flight, passenger in rows:
        r.xadd("bookings", {"flight": flight, "passenger": passenger})
        db.execute("DELETE FROM outbox WHERE number = ?", [number])
        db.commit()


def wrong_deletes_first(r, db):
    """in neither of them"""
    rows = db.execute("SELECT number, flight, passenger FROM outbox ORDER BY number").fetchall()
    for number, flight, passenger in rows:
        db.execute("DELETE FROM outbox WHERE number = ?", [number])
        db.commit()
        r.xadd("bookings", {"flight": flight, "passenger": passenger})


def wrong_remembers_after(r, db):
    """is in the stream twice"""
    rows = db.execute("SELECT number, flight, passenger FROM outbox ORDER BY number").fetchall()
    for number, flight, passenger in rows:
        if not r.sismember("relayed", number):
            r.xadd("bookings", {"flight": flight, "passenger": passenger})
            r.sadd("relayed", number)
        db.execute("DELETE FROM outbox WHERE number = ?", [number])
        db.commit()


def wrong_remembers_before(r, db):
    """in neither of them"""
    rows = db.execute("SELECT number, flight, passenger FROM outbox ORDER BY number").fetchall()
    for number, flight, passenger in rows:
        if r.sadd("relayed", number):
            r.xadd("bookings", {"flight": flight, "passenger": passenger})
        db.execute("DELETE FROM outbox WHERE number = ?", [number])
        db.commit()


def wrong_pipeline(r, db):
    """is in the stream twice"""
    rows = db.execute("SELECT number, flight, passenger FROM outbox ORDER BY number").fetchall()
    for number, flight, passenger in rows:
        if not r.sismember("relayed", number):
            with r.pipeline(transaction=False) as pipe:
                pipe.xadd("bookings", {"flight": flight, "passenger": passenger})
                pipe.sadd("relayed", number)
                pipe.execute()
        db.execute("DELETE FROM outbox WHERE number = ?", [number])
        db.commit()


def wrong_any_error(r, db):
    """Redis was full"""
    from redis import ResponseError

    rows = db.execute("SELECT number, flight, passenger FROM outbox ORDER BY number").fetchall()
    for number, flight, passenger in rows:
        try:
            entry = {"flight": flight, "passenger": passenger}
            r.xadd("bookings", entry, id=f"{number}-0")
        except ResponseError:
            pass
        db.execute("DELETE FROM outbox WHERE number = ?", [number])
        db.commit()


def wrong_stuck(r, db):
    """never gets past"""
    rows = db.execute("SELECT number, flight, passenger FROM outbox ORDER BY number").fetchall()
    for number, flight, passenger in rows:
        r.xadd("bookings", {"flight": flight, "passenger": passenger}, id=f"{number}-0")
        db.execute("DELETE FROM outbox WHERE number = ?", [number])
        db.commit()


def wrong_no_order(r, db):
    """in this order"""
    rows = db.execute("SELECT number, flight, passenger FROM outbox").fetchall()
    there = r.exists("bookings")
    last = r.xinfo_stream("bookings")["last-generated-id"] if there else "0-0"
    for number, flight, passenger in rows:
        if number > int(last.partition("-")[0]):
            entry = {"flight": flight, "passenger": passenger}
            r.xadd("bookings", entry, id=f"{number}-0")
        db.execute("DELETE FROM outbox WHERE number = ?", [number])
        db.commit()


def wrong_no_commit(r, db):
    """still in outbox"""
    rows = db.execute("SELECT number, flight, passenger FROM outbox ORDER BY number").fetchall()
    there = r.exists("bookings")
    last = r.xinfo_stream("bookings")["last-generated-id"] if there else "0-0"
    for number, flight, passenger in rows:
        if number > int(last.partition("-")[0]):
            entry = {"flight": flight, "passenger": passenger}
            r.xadd("bookings", entry, id=f"{number}-0")
        db.execute("DELETE FROM outbox WHERE number = ?", [number])


def wrong_empties_the_table(r, db):
    """in neither of them"""
    rows = db.execute("SELECT number, flight, passenger FROM outbox ORDER BY number").fetchall()
    there = r.exists("bookings")
    last = r.xinfo_stream("bookings")["last-generated-id"] if there else "0-0"
    for number, flight, passenger in rows:
        if number > int(last.partition("-")[0]):
            entry = {"flight": flight, "passenger": passenger}
            r.xadd("bookings", entry, id=f"{number}-0")
    db.execute("DELETE FROM outbox")
    db.commit()


def check(trial):
    import sqlite3
    import tempfile
    from contextlib import closing, suppress
    from pathlib import Path

    from redis_lab.course.answers import Killed, Refused

    class Mortal(sqlite3.Connection):
        """Its process dies at the n-th use, and what isn't committed is gone."""

        left = 0

        def use(self):
            self.left -= 1
            if self.left == 0:
                raise Killed

        def execute(self, *args):
            self.use()
            return super().execute(*args)

        def executemany(self, *args):
            self.use()
            return super().executemany(*args)

        def commit(self):
            self.use()
            return super().commit()

        def __exit__(self, kind, *rest):
            if kind is None:
                self.use()
            return super().__exit__(kind, *rest)

    folder = tempfile.TemporaryDirectory()
    path = str(Path(folder.name) / "shop.db")

    def opened():
        db = sqlite3.connect(path, check_same_thread=False, factory=Mortal)
        db.execute("PRAGMA synchronous = OFF")  # processes die here, machines don't
        db.execute("PRAGMA reverse_unordered_selects = ON")  # no ORDER BY, no order
        return closing(db)

    def sell(*passengers):
        with opened() as db:
            rows = [("EV5708", passenger) for passenger in passengers]
            db.executemany("INSERT INTO outbox (flight, passenger) VALUES (?, ?)", rows)
            db.commit()

    def waiting():
        with opened() as db:
            rows = db.execute("SELECT passenger FROM outbox ORDER BY number").fetchall()
        return [passenger for (passenger,) in rows]

    def entries():
        is_stream = trial.r.type("bookings") == "stream"
        return [fields for _, fields in trial.r.xrange("bookings")] if is_stream else []

    def told():
        return [fields.get("passenger") for fields in entries()]

    def run(between=None, after=1):
        """One relay with a connection of its own; what it raised, or an empty text."""
        with opened() as db:
            try:
                trial.run(db, between=between, after=after)
            except Refused as refusal:
                return str(refusal)
        return ""

    def crash(where, after):
        """Whether it died: at that use of the database, or after those trips to Redis."""
        with opened() as db:
            if where != "SQLite":
                return trial.crash(db, after=after, torn=where == "half a trip")
            db.left = after
            try:
                trial.run(db)
            except Killed:
                return True
        return False

    with folder:
        with opened() as db:
            db.execute(
                "CREATE TABLE outbox (number INTEGER PRIMARY KEY AUTOINCREMENT, "
                "flight TEXT, passenger TEXT)"
            )
            db.commit()
        run()
        sell("bob", "cem", "ann")
        said = run()
        fields = entries()
        trial.require(
            told() == ["bob", "cem", "ann"] and fields[0].get("flight") == "EV5708",
            "three rows are told in their order",
            f"bob, cem and ann were in outbox, in this order; in the stream there are {fields}"
            + said,
        )
        trial.require(
            not waiting(),
            "and have left the table",
            f"they are in the stream, and {waiting()} still in outbox for whoever looks there next",
        )
        expected = told()
        sell("dan")
        expected.append("dan")
        said = run() or run()
        trial.expect(
            told() == expected and not said,
            "a later call tells what is new, and nothing again",
            f"dan came, and two calls later {told()} are in the stream" + said,
        )
        places = {"Redis": 6, "half a trip": 6, "SQLite": 9}
        deaths = [(where, after) for where in places for after in range(1, places[where])]
        for number, (where, after) in enumerate(deaths):
            names = [f"{name}{number}" for name in ("eve", "fay", "gus")]
            sell(*names)
            expected += names
            crash(where, after)
            said = run()
            found, left = told(), waiting()
            twice = [name for name in names if found.count(name) > 1]
            gone = [name for name in names if name not in found and name not in left]
            when = f"at use {after} of the database" if where == "SQLite" else f"after trip {after}"
            reason = f"it died {when} and was started again: "
            if said:
                reason += f"now {said}, and never gets past that row"
            elif twice:
                reason += f"{twice[0]} is in the stream twice"
            elif gone:
                reason += f"{gone[0]} is in neither of them"
            else:
                reason += f"the stream has {found[-4:]} at its end, outbox {left}"
            trial.require(
                found == expected and not left and not said,
                "whenever it dies, the next one leaves each row in the stream once",
                reason,
            )
        for after in (1, 2, 3, 4):
            late = f"late{after}"

            def sell_late(late=late):
                """Another process sells, unless the relay has locked the database."""
                with closing(sqlite3.connect(path, timeout=0, check_same_thread=False)) as db:
                    row = ("EV5708", late)
                    with suppress(sqlite3.OperationalError):
                        db.execute("INSERT INTO outbox (flight, passenger) VALUES (?, ?)", row)
                        db.commit()
                        expected.append(late)

            early = [f"early{after}", f"first{after}"]
            sell(*early)
            expected.extend(early)
            run(sell_late, after)
            run()
            trial.require(
                told() == expected and not waiting(),
                "a row that is sold meanwhile is told too",
                f"{late} was sold after trip {after} of the relay. Two calls later it is "
                + ("in neither of them" if late not in [*told(), *waiting()] else "not told once")
                + f": the stream ends in {told()[-3:]}, in outbox there are {waiting()}",
            )
        sell("hal")
        trial.r.config_set("maxmemory", 1)
        try:
            run()
        finally:
            trial.r.config_set("maxmemory", 0)
        run()
        trial.expect(
            told() == [*expected, "hal"] and not waiting(),
            "what Redis refuses stays in the table for the next call",
            f"Redis was full for a while, and took no XADD: hal is {told().count('hal')} times in "
            f"the stream afterwards, {waiting()} wait in outbox",
        )
