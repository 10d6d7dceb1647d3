"""Lay out three keys so that they change together, and no two flights weigh on one slot."""

NOTEBOOK = "63"
TITLE = "A booking in one slot"
SHAPE = "cluster"
OPTIONS = {"replicas": 0}
HINTS = (
    "What changes together must lie in one slot. What does a slot depend on?",
    "A hash tag makes the three keys of a flight neighbours. Which part of their names is the same "
    "for these three, and another for every other flight?",
    "Look and change in one go: a script with three KEYS, or WATCH on the three and a MULTI.",
    "`HEXISTS` on both hashes decides; then `HSET`, `HSET`, `INCR`. The keys begin with "
    '`f"{{{flight}}}"`.',
)
WHY = (
    "On a cluster the names of keys decide what can be one transaction. The tag is the thing that "
    "must stay whole, the flight, and nothing larger: an airline's or everybody's tag puts its "
    "whole load on one node, where no further node can help."
)


def stub(r, flight, seat, passenger):
    """True if the seat is now the passenger's; False if it is taken, or he has one already.

    A flight has three keys, whose names contain its own: …:seats, a hash of seat and passenger,
    …:people, a hash of passenger and seat, and …:sold, a counter.
    """


def solution(r, flight, seat, passenger):
    book = """
    if redis.call('HEXISTS', KEYS[1], ARGV[1]) + redis.call('HEXISTS', KEYS[2], ARGV[2]) > 0 then
      return 0
    end
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
    redis.call('HSET', KEYS[2], ARGV[2], ARGV[1])
    redis.call('INCR', KEYS[3])
    return 1
    """
    keys = [f"{{{flight}}}:{what}" for what in ("seats", "people", "sold")]
    return r.eval(book, 3, *keys, seat, passenger) == 1


def wrong_no_tag(r, flight, seat, passenger):
    """nothing can change them together"""
    if r.hexists(f"{flight}:seats", seat) or r.hexists(f"{flight}:people", passenger):
        return False
    pipe = r.pipeline(transaction=False)
    pipe.hset(f"{flight}:seats", seat, passenger)
    pipe.hset(f"{flight}:people", passenger, seat)
    pipe.incr(f"{flight}:sold")
    pipe.execute()
    return True


def wrong_tag_of_all(r, flight, seat, passenger):
    """40 flights share 1 slot"""
    book = """
    if redis.call('HEXISTS', KEYS[1], ARGV[1]) + redis.call('HEXISTS', KEYS[2], ARGV[2]) > 0 then
      return 0
    end
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
    redis.call('HSET', KEYS[2], ARGV[2], ARGV[1])
    redis.call('INCR', KEYS[3])
    return 1
    """
    keys = [f"{{booking}}:{flight}:{what}" for what in ("seats", "people", "sold")]
    return r.eval(book, 3, *keys, seat, passenger) == 1


def wrong_tag_of_the_airline(r, flight, seat, passenger):
    """40 flights share 7 slots"""
    book = """
    if redis.call('HEXISTS', KEYS[1], ARGV[1]) + redis.call('HEXISTS', KEYS[2], ARGV[2]) > 0 then
      return 0
    end
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
    redis.call('HSET', KEYS[2], ARGV[2], ARGV[1])
    redis.call('INCR', KEYS[3])
    return 1
    """
    keys = [f"{{{flight[:2]}}}:{flight}:{what}" for what in ("seats", "people", "sold")]
    return r.eval(book, 3, *keys, seat, passenger) == 1


def wrong_pipeline(r, flight, seat, passenger):
    """half a booking"""
    tag = f"{{{flight}}}"
    if r.hexists(f"{tag}:seats", seat) or r.hexists(f"{tag}:people", passenger):
        return False
    pipe = r.pipeline(transaction=False)
    pipe.hset(f"{tag}:seats", seat, passenger)
    pipe.hset(f"{tag}:people", passenger, seat)
    pipe.incr(f"{tag}:sold")
    pipe.execute()
    return True


def wrong_looks_first(r, flight, seat, passenger):
    """sold to both"""
    tag = f"{{{flight}}}"
    if r.hexists(f"{tag}:seats", seat) or r.hexists(f"{tag}:people", passenger):
        return False
    pipe = r.pipeline(transaction=True)
    pipe.hset(f"{tag}:seats", seat, passenger)
    pipe.hset(f"{tag}:people", passenger, seat)
    pipe.incr(f"{tag}:sold")
    pipe.execute()
    return True


def wrong_one_passenger_two_seats(r, flight, seat, passenger):
    """has a seat already"""
    book = """
    if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 0 then
      return 0
    end
    redis.call('HSET', KEYS[2], ARGV[2], ARGV[1])
    redis.call('INCR', KEYS[3])
    return 1
    """
    keys = [f"{{{flight}}}:{what}" for what in ("seats", "people", "sold")]
    return r.eval(book, 3, *keys, seat, passenger) == 1


def check(trial):
    from redis_lab.course.answers import Refused
    from redis_lab.data import flights

    r, names = trial.r, iter(flights(limit=200).id)
    first = next(names)
    told = trial.run(first, "12A", "Ada")
    kinds = {key: kind for key, (kind, _) in trial.keyspace().items()}
    wanted = {"seats": "hash", "people": "hash", "sold": "string"}
    found = {key.rpartition(":")[2]: key for key in kinds if first in key}
    trial.require(
        {what: kinds[key] for what, key in found.items()} == wanted and len(kinds) == 3,
        "a booking makes three keys",
        f"after one booking on {first} there are {kinds}, rather than three keys with the flight's "
        "name in theirs: …:seats and …:people, hashes, and …:sold, a counter",
    )

    def books(flight):
        keys = {key.rpartition(":")[2]: key for key in r.scan_iter(f"*{flight}*", count=1000)}
        seats, people, sold = (keys.get(what, f"none:{what}") for what in wanted)
        return r.hgetall(seats), r.hgetall(people), int(r.get(sold) or 0)

    trial.require(
        told is True and books(first) == ({"12A": "Ada"}, {"Ada": "12A"}, 1),
        "which say who sits where, and how many",
        f"Ada booked 12A and was told {told!r}; seats, people and sold are {books(first)}",
    )
    slots = {key: r.keyslot(key) for key in kinds}
    trial.require(
        len(set(slots.values())) == 1,
        "all three in one slot",
        f"the three keys of one flight lie in {len(set(slots.values()))} slots, and nothing can "
        f"change them together: {slots}",
    )
    told = trial.run(first, "12A", "Bob")
    trial.expect(
        told is False and books(first)[0] == {"12A": "Ada"} and books(first)[2] == 1,
        "a seat that is taken stays so",
        f"Bob asked for Ada's 12A and was told {told!r}; the books are {books(first)}",
    )
    told = trial.run(first, "30F", "Ada")
    trial.expect(
        told is False and books(first)[0] == {"12A": "Ada"} and books(first)[2] == 1,
        "one passenger, one seat",
        f"Ada has a seat already, asked for 30F as well, and was told {told!r}; the books are "
        f"{books(first)}",
    )
    client, many = trial.client(), [next(names) for _ in range(40)]
    for flight in many:
        trial.call(client, flight, "1A", "Ada")
    made = [key for key in trial.keyspace() if any(flight in key for flight in many)]
    used = {r.keyslot(key) for key in made}
    trial.expect(
        len(used) >= 35,
        "every flight in a slot of its own",
        f"40 flights share {len(used)} slot{'s' * (len(used) > 1)}: what one of them sells, "
        "others wait for, on one node",
    )
    for torn in (False, True):
        for after in range(7):
            flight = next(names)
            died = trial.crash(flight, "1A", "Ada", after=after, torn=torn)
            seats, people, sold = books(flight)
            trial.require(
                len(seats) == len(people) == sold,
                "who dies on the way leaves a whole booking or none",
                f"it died after {after} trips{' and a part of the next' * torn}, and left half a "
                f"booking: {(seats, people, sold)}",
            )
            if not died:
                break

    def both(mine, theirs, after):
        """Two bookings, one in the gap of the other; what each was told, and the books."""
        flight, came = next(names), []
        between = lambda: came.append(trial.call(client, flight, *theirs))  # noqa: E731
        try:
            told = trial.run(flight, *mine, between=between, after=after)
        except Refused as refusal:
            if "WatchError" not in str(refusal):
                raise
            reason = "somebody booked another moment, and it gave up with WatchError"
            trial.require(False, "who is disturbed tries again", reason)
        return (told, came[0], books(flight)) if came else None

    for after in range(1, 7):
        if not (got := both(("1A", "Ada"), ("1A", "Bob"), after)):
            break
        trial.require(
            sorted(got[:2]) == [False, True] and got[2][2] == 1,
            "two who want one seat at once: one gets it",
            f"two wanted 1A at the same moment, and it was sold to both: they were told {got[:2]}, "
            f"the books are {got[2]}",
        )
        if got := both(("1A", "Ada"), ("2B", "Bob"), after):
            trial.require(
                got[:2] == (True, True) and got[2][2] == 2,
                "two seats at once are two",
                f"two booked two seats at the same moment and were told {got[:2]}; the books are "
                f"{got[2]}",
            )
