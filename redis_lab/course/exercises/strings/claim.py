"""Set if absent, with a time to live and the answer, in one command."""

NOTEBOOK = "01"
TITLE = "One gate, one flight"
HINTS = (
    "Let the server decide who was first: it does one command at a time.",
    "Two options of `SET`, and a time to live.",
    "Since 7.0, `NX` and `GET` go together. What does the reply say if the gate was free?",
)
WHY = (
    "This is how anything is given to the first who asks: a gate, a coupon, a job, a lock. `None` "
    "means that nobody was before you, and who asks again hears its own name."
)


def stub(r, gate, flight):
    """Give a free gate to the flight for 45 minutes; answer the flight that has it."""


def solution(r, gate, flight):
    return r.set(f"claim:{gate}", flight, nx=True, get=True, ex=45 * 60) or flight


def wrong_look_then_take(r, gate, flight):
    """both believe that the gate is theirs"""
    holder = r.get(f"claim:{gate}")
    if holder is None:
        r.set(f"claim:{gate}", flight, ex=45 * 60)
        return flight
    return holder


def wrong_latecomer_prolongs(r, gate, flight):
    """prolonged it"""
    with r.pipeline() as pipe:
        pipe.set(f"claim:{gate}", flight, nx=True).expire(f"claim:{gate}", 45 * 60)
        return pipe.get(f"claim:{gate}").execute()[-1]


def wrong_overwrites(r, gate, flight):
    """the latecomer's name is written over the holder's"""
    return r.set(f"claim:{gate}", flight, get=True, ex=45 * 60) or flight


def wrong_for_ever(r, gate, flight):
    """no time to live"""
    return r.set(f"claim:{gate}", flight, nx=True, get=True) or flight


def check(trial):
    first = trial.run("C71", "UA1545")
    trial.require(first == "UA1545", "a free gate goes to who asks", f"it answered {first!r}")
    keys = trial.keyspace()
    trial.require(
        len(keys) == 1, "one key holds the claim", f"there are {', '.join(keys) or 'none'}"
    )
    key, (_, left) = keys.popitem()
    trial.require(left is not None, "the claim ends by itself", f"{key} has no time to live")
    trial.expect(2690 < left <= 2700, "after 45 minutes", f"it has {left:.0f} s left, not 2,700")
    trial.r.expire(key, 100)
    second = trial.run("C71", "B6725")
    made = ": redis-py makes a bool of a raw SET's reply, r.set(…, get=True) hands it on"
    trial.require(
        second == "UA1545",
        "who comes later hears who has it",
        f"it answered {second!r}" + (made if isinstance(second, bool) else ""),
    )
    trial.expect(
        trial.r.get(key) == "UA1545",
        "the claim stays as it was",
        f"the latecomer's name is written over the holder's: {key} is now {trial.r.get(key)!r}",
    )
    trial.expect(
        trial.r.ttl(key) <= 100,
        "and does not prolong it",
        f"the latecomer prolonged it, from 100 to {trial.r.ttl(key)} s",
    )
    elsewhere = trial.run("B22", "DL1743")
    trial.expect(
        elsewhere == "DL1743",
        "another gate is free",
        f"gate B22 was free, and it answered {elsewhere!r}: is each gate claimed by itself?",
    )
    others = []
    mine = trial.run("A12", "DL1743", between=lambda: others.append(trial.run("A12", "AA1141")))
    trial.expect(
        not others or mine == others[0],
        "two at the same moment agree on who has it",
        f"both believe that the gate is theirs: {mine} and {''.join(others)} came between each "
        "other's two trips",
    )
    with trial.cost() as cost:
        trial.run("C71", "UA1545")
    number = sum(cost.commands.values())
    trial.expect(
        number == 1,
        "one command, no script",
        f"the server ran {number} commands: {', '.join(cost.commands)}",
    )
