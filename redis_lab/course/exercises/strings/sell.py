"""Sell every seat once: the reply of INCR belongs to one client alone."""

NOTEBOOK = "01"
TITLE = "Sold out"
HINTS = (
    "Don't read first: what you read is old when you write.",
    "The answer of `INCR` belongs to you alone.",
    "An answer above the number of seats is a decision too.",
)
WHY = (
    "The counter goes on counting those who came too late, and that is a number worth having. "
    "Seats that can be given back need more: notebook 21."
)


def stub(r, flight, seats):
    """Sell a seat of this flight: its number from 1 to seats, or None when it is sold out."""


def solution(r, flight, seats):
    seat = r.incr(f"seats:{flight}")
    return seat if seat <= seats else None


def wrong_look_then_sell(r, flight, seats):
    """sold 4 seats of 3"""
    if int(r.get(f"seats:{flight}") or 0) >= seats:
        return None
    return r.incr(f"seats:{flight}")


def wrong_last_seat_stays(r, flight, seats):
    """stays empty"""
    seat = r.incr(f"seats:{flight}")
    return seat if seat < seats else None


def wrong_gives_back(r, flight, seats):
    """the server ran 2 commands"""
    seat = r.incr(f"seats:{flight}")
    if seat > seats:
        r.decr(f"seats:{flight}")
        return None
    return seat


def check(trial):
    sold = [trial.run("UA1545", 3) for _ in range(5)]
    given = [seat for seat in sold if seat is not None]
    trial.require(
        bool(given) and given == list(range(1, len(given) + 1)),
        "seats are numbered from 1",
        f"five buyers got {sold}",
    )
    trial.expect(
        sold[:3] == [1, 2, 3],
        "three buyers fill three seats",
        f"seat {len(given) + 1} stays empty: five buyers got {sold}",
    )
    trial.expect(sold[3:] == [None, None], "the others get None", f"five buyers got {sold}")
    rivals = []
    first = [trial.run("B6725", 3), trial.run("B6725", 3)]
    last = trial.run("B6725", 3, between=lambda: rivals.append(trial.run("B6725", 3)))
    seats = [seat for seat in [*first, last, *rivals] if seat is not None]
    trial.expect(
        len(seats) <= 3 or sold[3:] != [None, None],
        "two who want the last seat: one gets it",
        f"it sold {len(seats)} seats of 3: another buyer came between your question and your sale",
    )
    crowd = [seat for seat in trial.together([("DL1743", 149)] * 32) if seat is not None]
    trial.expect(
        set(crowd) == set(range(1, 33)) and len(crowd) == 32,
        "32 buyers of another flight get seats 1 to 32 at once",
        f"32 buyers of another flight got {sorted(crowd)}: is each flight counted by itself?",
    )
    with trial.cost() as cost:
        trial.run("UA1545", 3)
    number = sum(cost.commands.values())
    trial.expect(
        number == 1,
        "one command, sold out or not, and no script",
        f"the server ran {number} commands: {', '.join(cost.commands)}",
    )
