"""The store's end: rows and position in one transaction, so that a batch counts once."""

NOTEBOOK = "32"
TITLE = "Once, whatever comes twice"
HINTS = (
    "Rows and position belong in one transaction: a death leaves both or neither.",
    "Two whole numbers are compared as a pair: `(10, 0) > (9, 7)`; as text it is the other way.",
    "Look at the position after you have the right to write: `BEGIN IMMEDIATE` comes first.",
    "`with db:` commits at its end, and rolls back where something is raised. Inside it: BEGIN "
    "IMMEDIATE, read ms and seq, return False or write both tables.",
)
WHY = (
    "Exactly once does not come from the queue, it comes from the place where the effect is. A "
    "position beside the rows makes every repetition, late or early, by anybody, harmless."
)


def stub(db, position, rows):
    """Save these rows unless this position or a later one was saved; whether it was done."""


def solution(db, position, rows):
    mine = tuple(map(int, position.split("-")))
    with db:
        db.execute("BEGIN IMMEDIATE")
        last = db.execute("SELECT ms, seq FROM position").fetchone()
        if last is not None and mine <= last:
            return False
        db.execute("INSERT OR REPLACE INTO position VALUES (1, ?, ?)", mine)
        db.executemany("INSERT OR REPLACE INTO board VALUES (?, ?)", rows.items())
    return True


def wrong_two_transactions(db, position, rows):
    """died in between"""
    mine = tuple(map(int, position.split("-")))
    with db:
        db.execute("BEGIN IMMEDIATE")
        last = db.execute("SELECT ms, seq FROM position").fetchone()
        if last is not None and mine <= last:
            return False
        db.executemany("INSERT OR REPLACE INTO board VALUES (?, ?)", rows.items())
    with db:
        db.execute("INSERT OR REPLACE INTO position VALUES (1, ?, ?)", mine)
    return True


def wrong_position_first(db, position, rows):
    """died in between"""
    mine = tuple(map(int, position.split("-")))
    last = db.execute("SELECT ms, seq FROM position").fetchone()
    if last is not None and mine <= last:
        return False
    db.execute("INSERT OR REPLACE INTO position VALUES (1, ?, ?)", mine)
    db.commit()
    db.executemany("INSERT OR REPLACE INTO board VALUES (?, ?)", rows.items())
    db.commit()
    return True


def wrong_looks_first(db, position, rows):
    """another process"""
    mine = tuple(map(int, position.split("-")))
    last = db.execute("SELECT ms, seq FROM position").fetchone()
    if last is not None and mine <= last:
        return False
    with db:
        db.execute("INSERT OR REPLACE INTO position VALUES (1, ?, ?)", mine)
        db.executemany("INSERT OR REPLACE INTO board VALUES (?, ?)", rows.items())
    return True


def wrong_as_text(db, position, rows):
    """as text"""
    with db:
        db.execute("BEGIN IMMEDIATE")
        last = db.execute("SELECT ms || '-' || seq FROM position").fetchone()
        if last is not None and position <= last[0]:
            return False
        db.execute("INSERT OR REPLACE INTO position VALUES (1, ?, ?)", position.split("-"))
        db.executemany("INSERT OR REPLACE INTO board VALUES (?, ?)", rows.items())
    return True


def wrong_milliseconds_only(db, position, rows):
    """of the same millisecond"""
    ms, seq = map(int, position.split("-"))
    with db:
        db.execute("BEGIN IMMEDIATE")
        last = db.execute("SELECT ms FROM position").fetchone()
        if last is not None and ms <= last[0]:
            return False
        db.execute("INSERT OR REPLACE INTO position VALUES (1, ?, ?)", (ms, seq))
        db.executemany("INSERT OR REPLACE INTO board VALUES (?, ?)", rows.items())
    return True


def wrong_again(db, position, rows):
    """a second time"""
    mine = tuple(map(int, position.split("-")))
    with db:
        db.execute("BEGIN IMMEDIATE")
        last = db.execute("SELECT ms, seq FROM position").fetchone()
        if last is not None and mine < last:
            return False
        db.execute("INSERT OR REPLACE INTO position VALUES (1, ?, ?)", mine)
        db.executemany("INSERT OR REPLACE INTO board VALUES (?, ?)", rows.items())
    return True


def wrong_each_row(db, position, rows):
    """died in between"""
    mine = tuple(map(int, position.split("-")))
    last = db.execute("SELECT ms, seq FROM position").fetchone()
    if last is not None and mine <= last:
        return False
    for key, value in rows.items():
        with db:
            db.execute("INSERT OR REPLACE INTO board VALUES (?, ?)", (key, value))
            db.execute("INSERT OR REPLACE INTO position VALUES (1, ?, ?)", mine)
    return True


def wrong_never_commits(db, position, rows):
    """nobody else sees"""
    mine = tuple(map(int, position.split("-")))
    db.execute("BEGIN IMMEDIATE") if not db.in_transaction else None
    last = db.execute("SELECT ms, seq FROM position").fetchone()
    if last is not None and mine <= last:
        return False
    db.execute("INSERT OR REPLACE INTO position VALUES (1, ?, ?)", mine)
    db.executemany("INSERT OR REPLACE INTO board VALUES (?, ?)", rows.items())
    return True


def wrong_leaves_it_open(db, position, rows):
    """a transaction open"""
    mine = tuple(map(int, position.split("-")))
    db.execute("BEGIN IMMEDIATE") if not db.in_transaction else None
    last = db.execute("SELECT ms, seq FROM position").fetchone()
    if last is not None and mine <= last:
        return False
    db.execute("INSERT OR REPLACE INTO position VALUES (1, ?, ?)", mine)
    db.executemany("INSERT OR REPLACE INTO board VALUES (?, ?)", rows.items())
    db.commit()
    return True


def check(trial):
    import contextlib
    import sqlite3
    import tempfile
    from pathlib import Path

    tables = """
        PRAGMA journal_mode = WAL;
        CREATE TABLE board (key TEXT PRIMARY KEY, value TEXT);
        CREATE TABLE position (only_row INTEGER PRIMARY KEY, ms INTEGER, seq INTEGER);
    """
    with contextlib.ExitStack() as at_the_end:
        folder = Path(at_the_end.enter_context(tempfile.TemporaryDirectory()))

        def connect(name):
            db = sqlite3.connect(folder / name, timeout=0, check_same_thread=False)
            return at_the_end.enter_context(contextlib.closing(db))

        def new(name):
            other = connect(name)
            other.executescript(tables)
            return connect(name), other

        def state(db):
            """What another process sees, which is what a death would leave."""
            rows = dict(db.execute("SELECT key, value FROM board"))
            return rows, db.execute("SELECT ms, seq FROM position").fetchone()

        db, other = new("board")
        first = trial.call(db, "9-7", {"UA1545": "closed", "UA1714": "left"})
        trial.require(
            first is True,
            "the first position is saved, and it says True",
            f"nothing was saved before, and it returned {first!r}",
        )
        want = {"UA1545": "closed", "UA1714": "left"}, (9, 7)
        trial.require(
            state(other) == want,
            "another process sees rows and position",
            f"wanted were {want}; nobody else sees more than {state(other)}",
        )

        def once(position, value, done, claim, why_not):
            before = state(other)
            given = trial.call(db, position, {"UA1545": value})
            open_now = db.in_transaction
            pair = tuple(map(int, position.split("-")))
            want = ({**before[0], "UA1545": value}, pair) if done else before
            trial.expect(
                bool(given) is done and state(other) == want and given is not None,
                claim,
                f"{position} after {before[1][0]}-{before[1][1]}: {why_not}; it returned "
                f"{given!r}, and UA1545 is {state(other)[0]['UA1545']!r}",
            )
            trial.expect(
                not open_now,
                f"{position} ends its transaction",
                f"after {position} it leaves a transaction open: nobody else can write",
            )
            if open_now:
                db.rollback()

        late = "an old batch would come over a newer one"
        once("9-7", "again", False, "the same batch changes nothing", "it was saved a second time")
        once("9-6", "older", False, "an older one changes nothing", late)
        once("9-8", "left", True, "the next one is saved", "it is of the same millisecond, later")
        once("9-10", "landed", True, "9-10 is after 9-8", "it is later, only as text it is earlier")
        once("10-0", "towed", True, "10-0 is after 9-10", "it is later, only as text it is earlier")
        once("9-99", "late", False, "9-99 is before 10-0", late)

        seen = []
        db, other = new("deaths")
        trial.call(db, "1-0", {"UA1545": "boarding", "AA1141": "boarding"})
        old = state(other)
        db.set_trace_callback(lambda _: seen.append(state(other)))
        trial.call(db, "2-0", {"UA1545": "left", "AA1141": "left"})
        db.set_trace_callback(None)
        new_one = {"UA1545": "left", "AA1141": "left"}, (2, 0)
        torn = [each for each in [*seen, state(other)] if each not in (old, new_one)]
        trial.expect(
            not torn,
            "a death at any statement leaves rows and position, or neither",
            f"had it died in between, there would be {torn[:1]}",
        )

        for number in range(1, 8):
            db, other = new(f"race {number}")
            trial.call(db, "1-0", {"UA1545": "boarding"})
            statements, waits = [], []

            def write(other=other):
                with other:
                    other.execute("BEGIN IMMEDIATE")
                    other.execute("INSERT OR REPLACE INTO position VALUES (1, 3, 0)")
                    other.execute("INSERT OR REPLACE INTO board VALUES ('UA1545', 'left')")

            def meanwhile(_, number=number, statements=statements, waits=waits, write=write):
                statements.append(number)
                if len(statements) == number:
                    try:
                        write()
                    except sqlite3.OperationalError:  # the answer holds the file: others wait
                        waits.append(number)

            db.set_trace_callback(meanwhile)
            trial.call(db, "2-0", {"UA1545": "closed"})
            db.set_trace_callback(None)
            if len(statements) < number:
                break
            if waits:
                write()
            trial.expect(
                state(other) == ({"UA1545": "left"}, (3, 0)),
                f"another process that saves 3-0 at statement {number} keeps what it saved",
                f"another process saved 3-0 between your statements, and your 2-0 came over it: "
                f"now there is {state(other)}",
            )
