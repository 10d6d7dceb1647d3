"""Move some members at random: what is drawn is not yet moved, and SMOVE says who moved it."""

NOTEBOOK = "05"
TITLE = "Free upgrades"
HINTS = (
    "What `SPOP` took is nowhere but in your process. What if that dies?",
    "Look first, without taking: `SRANDMEMBER`. Then move each, in one command that can't be "
    "half done.",
    "`SMOVE` answers whether it moved somebody. If not, another caller was there first.",
    "Draw as many as are still missing, `SMOVE` them in one pipeline, keep those whose reply was "
    "true; again, until there are enough or nobody is left.",
)
WHY = (
    "Look, then take with a command that says whether you were the one: no lock, and a crash "
    "leaves everybody somewhere. Lists have LMOVE for this, strings SET NX, sets SMOVE."
)


def stub(r, flight, seats):
    """Move so many, drawn by lot, from economy:<flight> to business:<flight>; who it was."""


def solution(r, flight, seats):
    economy, business = f"economy:{flight}", f"business:{flight}"
    moved = []
    while drawn := r.srandmember(economy, seats - len(moved)):
        with r.pipeline(transaction=False) as pipe:
            for name in drawn:
                pipe.smove(economy, business, name)
            moved += [name for name, done in zip(drawn, pipe.execute(), strict=True) if done]
    return moved


def wrong_pop_then_add(r, flight, seats):
    """in neither class"""
    names = list(r.spop(f"economy:{flight}", seats))
    if names:
        r.sadd(f"business:{flight}", *names)
    return names


def wrong_both_classes(r, flight, seats):
    """in both classes"""
    names = list(r.srandmember(f"economy:{flight}", seats))
    if names:
        r.sadd(f"business:{flight}", *names)
        r.srem(f"economy:{flight}", *names)
    return names


def wrong_draws_again(r, flight, seats):
    """drawn more than once"""
    names = r.srandmember(f"economy:{flight}", -seats) if seats else []
    with r.pipeline() as pipe:
        for name in names:
            pipe.smove(f"economy:{flight}", f"business:{flight}", name)
        pipe.execute()
    return names


def wrong_never_looks(r, flight, seats):
    """two callers upgraded"""
    names = r.srandmember(f"economy:{flight}", seats)
    with r.pipeline() as pipe:
        for name in names:
            pipe.smove(f"economy:{flight}", f"business:{flight}", name)
        pipe.execute()
    return names


def wrong_gives_up(r, flight, seats):
    """seats stayed empty"""
    names = r.srandmember(f"economy:{flight}", seats)
    with r.pipeline() as pipe:
        for name in names:
            pipe.smove(f"economy:{flight}", f"business:{flight}", name)
        done = pipe.execute()
    return [name for name, moved in zip(names, done, strict=True) if moved]


def wrong_first_come(r, flight, seats):
    """not a lottery"""
    moved = []
    for name in sorted(r.smembers(f"economy:{flight}")):
        if len(moved) < seats and r.smove(f"economy:{flight}", f"business:{flight}", name):
            moved.append(name)
    return moved


def check(trial):
    from redis_lab.course.answers import Refused

    people = [f"P{number:03}" for number in range(200)]

    def board(flight, names):
        trial.r.delete(f"economy:{flight}", f"business:{flight}")
        trial.r.sadd(f"economy:{flight}", *names)

    def classes(flight):
        return trial.r.smembers(f"economy:{flight}"), trial.r.smembers(f"business:{flight}")

    def names_of(answer):
        if isinstance(answer, list | tuple | set | frozenset):
            return list(map(str, answer))
        raise Refused(f"it answered {answer!r:.60}, not who was upgraded")

    board("UA1545", people)
    names = names_of(trial.run("UA1545", 100))
    economy, business = classes("UA1545")
    trial.expect(
        len(names) == len(set(names)) == 100,
        "a hundred seats go to a hundred passengers",
        f"it upgraded {len(set(names))} passengers to 100 seats"
        + (": some were drawn more than once" if len(names) > len(set(names)) else ""),
    )
    trial.require(
        business == set(names) and economy == set(people) - set(names),
        "who is upgraded moves from one class to the other",
        f"there are {len(economy)} in economy and {len(business)} in business, and it named "
        f"{len(names)}: {len(economy & business)} are in both classes",
    )
    drawn = []
    for number in range(4):
        board(f"DL{number}", people)
        drawn.append(frozenset(names_of(trial.run(f"DL{number}", 8))))
    trial.expect(
        len(set(drawn)) > 1,
        "four flights with the same passengers draw differently",
        f"on four flights the same eight of 200 were upgraded ({', '.join(sorted(drawn[0])[:3])}, "
        "…): that is not a lottery",
    )
    board("B6725", people[:5])
    few = names_of(trial.run("B6725", 8))
    trial.expect(
        sorted(few) == people[:5],
        "five passengers and eight seats: five are upgraded",
        f"of five passengers with eight seats it named {few}",
    )
    trial.expect(
        names_of(trial.run("B6725", 3)) == [],
        "with nobody left nobody is upgraded",
        "economy was empty, and it named somebody",
    )
    lost, double = set(), set()
    for after in (1, 2, 3):
        board("AA1141", people[:30])
        trial.crash("AA1141", 10, after=after)
        economy, business = classes("AA1141")
        lost |= set(people[:30]) - economy - business
        double |= economy & business
    trial.expect(
        not lost,
        "a crash loses nobody",
        f"its process died between two trips, and {len(lost)} passengers are in neither class",
    )
    trial.expect(
        not double,
        "nor leaves anybody in two seats",
        f"its process died between two trips, and {len(double)} passengers are in both classes",
    )
    shared, empty = 0, 0
    for after in (1, 2):
        board("UA1714", people[:30])
        rivals = []

        def rival(rivals=rivals):
            rivals.append(set(names_of(trial.run("UA1714", 14))))

        mine = set(names_of(trial.run("UA1714", 16, between=rival, after=after)))
        both = mine.intersection(*rivals) if rivals else set()
        shared = max(shared, len(both))
        empty = max(empty, 16 - len(mine) if rivals and not both else 0)
    trial.expect(
        not shared,
        "two callers never upgrade the same passenger",
        f"{shared} passengers were named by both: two callers upgraded them",
    )
    trial.expect(
        not empty,
        "and all seats are given while there is somebody",
        f"another caller took some of those drawn, and {empty} seats stayed empty with passengers "
        "left in economy",
    )
