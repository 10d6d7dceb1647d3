"""A reliable hand-over: LMOVE into a list of one's own, LREM when the work is done."""

NOTEBOOK = "03"
TITLE = "A desk that may die"
HINTS = (
    "Between the queue and your function the flight must be somewhere on the server, all the time.",
    "`LMOVE` into a list of this desk's own; nobody else looks there. Let go when `board` is back.",
    "What the desk of that name died with lies in its list: look there first (`LINDEX`).",
    'Two lines: `flight = r.lindex(mine, -1) or r.lmove("queue", mine, "RIGHT", "LEFT")`, and '
    "after `board(flight)` an `r.lrem(mine, 1, flight)`.",
)
WHY = (
    "None lost, some done twice: that is what every hand-over over a network can give. So the work "
    "must bear being done twice, and a desk that never comes back needs somebody who notices: "
    "notebooks 51 and 52."
)


def stub(r, desk, board):
    """Board the oldest flight of `queue`, let go of it after that; answer it, or None."""


def solution(r, desk, board):
    mine = f"taken:{desk}"
    flight = r.lindex(mine, -1) or r.lmove("queue", mine, "RIGHT", "LEFT")
    if flight:
        board(flight)
        r.lrem(mine, 1, flight)
    return flight


def wrong_pop_then_board(r, desk, board):
    """when boarding fails, the flight is gone"""
    flight = r.rpop("queue")
    if flight:
        board(flight)
    return flight


def wrong_put_back_in_except(r, desk, board):
    """a killed process runs no except"""
    flight = r.rpop("queue")
    if flight:
        try:
            board(flight)
        except BaseException:
            r.rpush("queue", flight)
            raise
    return flight


def wrong_never_looks_back(r, desk, board):
    """nobody looks there"""
    flight = r.lmove("queue", f"taken:{desk}", "RIGHT", "LEFT")
    if flight:
        board(flight)
        r.lrem(f"taken:{desk}", 1, flight)
    return flight


def wrong_one_list_for_all(r, desk, board):
    """in a list that every desk looks into"""
    flight = r.lindex("taken", -1) or r.lmove("queue", "taken", "RIGHT", "LEFT")
    if flight:
        board(flight)
        r.lrem("taken", 1, flight)
    return flight


def wrong_look_board_pop(r, desk, board):
    """still stood in the queue"""
    flight = r.lindex("queue", -1)
    if flight:
        board(flight)
        r.lrem("queue", -1, flight)
    return flight


def wrong_never_lets_go(r, desk, board):
    """boarded again"""
    mine = f"taken:{desk}"
    flight = r.lindex(mine, -1) or r.lmove("queue", mine, "RIGHT", "LEFT")
    if flight:
        board(flight)
    return flight


def wrong_newest_first(r, desk, board):
    """the newest"""
    mine = f"taken:{desk}"
    flight = r.lindex(mine, -1) or r.lmove("queue", mine, "LEFT", "LEFT")
    if flight:
        board(flight)
        r.lrem(mine, 1, flight)
    return flight


def wrong_two_trips_between(r, desk, board):
    """in neither list"""
    mine = f"taken:{desk}"
    flight = r.lindex(mine, -1) or r.rpop("queue")
    if flight:
        r.lpush(mine, flight)
        board(flight)
        r.delete(mine)
    return flight


def check(trial):
    import contextlib

    import redis_lab.data
    from redis_lab.course.answers import Killed, Refused
    from redis_lab.course.gaps import mortal

    flights = redis_lab.data.flights(limit=40).id.tolist()

    def fill(number):
        trial.r.delete(*trial.keyspace(), "queue")
        trial.r.lpush("queue", *flights[:number])

    def dies(board, after=1000):
        """Desk A runs until it is killed: in `board`, or after that many trips."""
        life = mortal(after)
        try:
            trial.call(trial.client(life), "A", lambda flight: board(flight, life.die))
        except Killed:
            return True
        return False

    def rest(boarded):
        """Desk A is started again, desk B helps, until nothing waits for them."""
        for _ in range(12):
            if trial.run("A", boarded.append) is None and trial.run("B", boarded.append) is None:
                return

    def where(flight):
        lists = [key for key, (kind, _) in trial.keyspace().items() if kind == "list"]
        found = [key for key in lists if trial.r.lpos(key, flight) is not None]
        return f"lies in {found[0]}, and nobody looks there" if found else ""

    fill(3)
    seen = []
    first = trial.run("A", seen.append)
    trial.require(
        first == flights[0],
        "the oldest flight comes first",
        f"it answered {first!r}, {'the newest' if first == flights[2] else 'not the oldest'}: the "
        f"queue was filled by LPUSH, and {flights[0]} stands at the right",
    )
    trial.require(seen == [first], "and is boarded", f"board was called with {seen}")
    second = trial.run("A", seen.append)
    trial.require(
        second == flights[1] and seen == flights[:2],
        "then the next one",
        f"{first} was boarded again, though it had left"
        if second == first
        else f"the second call answered {second!r} and boarded {seen[1:]}",
    )

    fill(3)
    boarding = []

    def meanwhile(flight):
        where_now = "still stood in the queue"
        if trial.r.lpos("queue", flight) is None:
            where_now = "was in a list that every desk looks into"
        boarding.append((flight, trial.run("B", lambda other: None), where_now))

    trial.run("A", meanwhile)
    flight, other, where_now = boarding[0]
    trial.require(
        other == flights[1],
        "a flight that desk A is boarding is no other desk's",
        f"desk B boarded {other}, while desk A did: it {where_now}"
        if other == flight
        else f"while A was boarding {flight}, desk B got {other!r}, not the next flight",
    )
    for after in (1, 2, 3):
        fill(3)
        boarded = []
        rival = lambda boarded=boarded: trial.run("B", boarded.append)  # noqa: E731
        trial.run("A", boarded.append, between=rival, after=after)
        if len(set(boarded)) < len(boarded):
            break
    trial.expect(
        len(set(boarded)) == len(boarded),
        "nor one that it is taking",
        f"two desks boarded {boarded[0]}: one came between the two trips of the other",
    )

    fill(3)
    boarded = []

    def raises(flight):
        raise RuntimeError("no crew")

    with contextlib.suppress(Refused):
        trial.run("A", raises)
    rest(boarded)
    trial.expect(
        set(boarded) == set(flights[:3]),
        "a flight whose boarding fails is boarded later",
        f"when boarding fails, the flight is gone: {flights[0]} was not seen again"
        if not where(flights[0])
        else f"board raised an error, and {flights[0]} {where(flights[0])}",
    )

    fill(3)
    boarded = []
    dies(lambda flight, die: die())
    trial.run("B", boarded.append)
    trial.expect(
        boarded != flights[:1],
        "while desk A is down, its flight is not given to others",
        f"desk A died with {flights[0]}, and desk B boarded it at once",
    )
    back = trial.run("A", boarded.append)
    rest(boarded)
    lost = sorted(set(flights[:3]) - set(boarded))
    trial.expect(
        not lost,
        "a desk killed while it boards loses nothing",
        f"desk A was killed while it boarded {''.join(lost[:1])}, and the flight "
        + (where("".join(lost[:1])) or "is gone: a killed process runs no except, no finally"),
    )
    if not lost:
        trial.expect(
            back == flights[0],
            "started again, it goes on with that flight",
            f"desk A died with {flights[0]}; started again, it took {back} first",
        )

    gone, held, twice = [], [], []
    for after in range(1, 9):
        fill(3)
        boarded = []
        if not dies(lambda flight, _, boarded=boarded: boarded.append(flight), after):
            break
        done = list(boarded)
        rest(boarded)
        gone += [f"after {after}" for flight in flights[:3] if flight not in boarded]
        held += [f"{key} after {after}" for key in trial.keyspace()]
        twice += [each for each in set(boarded) if boarded.count(each) > 1 + (each in done)]
    if not lost:
        trial.expect(
            not gone,
            "nor does one killed between two of its commands",
            f"killed {', '.join(gone)} trips, it lost a flight, which was in neither list then",
        )
    trial.expect(not twice, "nothing is boarded for no reason", f"boarded again: {twice}")

    fill(40)
    boarded = []
    calls = [(f"desk-{number}", boarded.append) for number in range(16)]
    trial.together(calls)
    trial.expect(
        sorted(boarded) == sorted(flights[:16]),
        "sixteen desks at once board sixteen flights",
        f"sixteen desks at once boarded {len(set(boarded))} different flights, {len(boarded)} in "
        "all",
    )
    fill(2)
    rest([])
    left = [*trial.keyspace(), *held]
    trial.expect(not left, "nothing is left of flights that were boarded", f"left are {left[:4]}")
    trial.expect(
        trial.run("A", boarded.append) is None,
        "an empty queue is None",
        "with an empty queue it did not answer None",
    )
