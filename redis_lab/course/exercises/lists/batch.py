"""Batches without polling: BLMPOP takes what is there, and waits where there is nothing."""

NOTEBOOK = "03"
TITLE = "A batch, or a wait"
HINTS = (
    "One command takes several elements, looks into several lists, and waits.",
    "It is the blocking form of `LMPOP`, and takes a `COUNT`.",
    "The order of its keys is the order of urgency. At which end does the oldest stand?",
    '`r.blmpop(0.2, 2, "urgent", "normal", direction="RIGHT", count=most)` answers a name and a '
    "list, or None.",
)
WHY = (
    "A worker that takes a hundred at a time, and sleeps in the server when there are none, needs "
    "one command where a polling one needs thousands. What it took is gone if it dies: for work "
    "that matters `BLMOVEM` (8.10) or a stream."
)


def stub(r, most):
    """The oldest flights of `urgent`, else of `normal`, `most` at the most; waits 0.2 s for one."""


def solution(r, most):
    reply = r.blmpop(0.2, 2, "urgent", "normal", direction="RIGHT", count=most)
    return reply[1] if reply else []


def wrong_look_then_trim(r, most):
    """another desk came between"""
    for queue in ("urgent", "normal"):
        if flights := r.lrange(queue, -most, -1):
            r.ltrim(queue, 0, -most - 1)
            return flights[::-1]
    reply = r.brpop(["urgent", "normal"], 0.2)
    return [reply[1]] if reply else []


def wrong_one_by_one(r, most):
    """one by one"""
    reply = r.brpop(["urgent", "normal"], 0.2)
    return [reply[1]] if reply else []


def wrong_wait_then_pop(r, most):
    """the first is lost if you die before the second"""
    if reply := r.brpop(["urgent", "normal"], 0.2):
        return [reply[1], *(r.rpop(reply[0], most - 1) or [])]
    return []


def wrong_does_not_wait(r, most):
    """did not wait"""
    reply = r.lmpop(2, "urgent", "normal", direction="RIGHT", count=most)
    return reply[1] if reply else []


def wrong_polls(r, most):
    """asked again and again"""
    import time

    until = time.monotonic() + 0.2
    while time.monotonic() < until:
        if reply := r.lmpop(2, "urgent", "normal", direction="RIGHT", count=most):
            return reply[1]
        time.sleep(0.005)
    return []


def wrong_sleeps_here(r, most):
    """slept in your process"""
    import time

    ask = lambda: r.lmpop(2, "urgent", "normal", direction="RIGHT", count=most)  # noqa: E731
    reply = ask()
    if not reply:
        time.sleep(0.2)
        reply = ask()
    return reply[1] if reply else []


def wrong_newest_first(r, most):
    """the newest"""
    reply = r.blmpop(0.2, 2, "urgent", "normal", direction="LEFT", count=most)
    return reply[1] if reply else []


def wrong_order_of_keys(r, most):
    """stood in urgent"""
    reply = r.blmpop(0.2, 2, "normal", "urgent", direction="RIGHT", count=most)
    return reply[1] if reply else []


def wrong_in_a_transaction(r, most):
    """inside MULTI no command waits"""
    pipe = r.pipeline().blmpop(0.2, 2, "urgent", "normal", direction="RIGHT", count=most)
    reply = pipe.execute()[0]
    return reply[1] if reply else []


def wrong_none_for_nothing(r, most):
    """an empty list, not None"""
    reply = r.blmpop(0.2, 2, "urgent", "normal", direction="RIGHT", count=most)
    return reply and reply[1]


def check(trial):
    import threading
    import time

    import redis_lab.data

    flights = redis_lab.data.flights(limit=200).id.tolist()

    def fill(normal, urgent=0):
        trial.r.delete("urgent", "normal")
        trial.r.lpush("normal", *flights[:normal])
        if urgent:
            trial.r.lpush("urgent", *flights[100 : 100 + urgent])

    fill(5)
    first = trial.run(3)
    trial.require(
        isinstance(first, list) and bool(first) and isinstance(first[-1], str),
        "it answers a list of flights",
        f"it answered {first!r:.80}, no list of flights",
    )
    trial.require(
        first[0] == flights[0],
        "the oldest comes first",
        f"it took {first}, {'the newest' if flights[4] in first else 'not the oldest'}: the queues "
        f"are filled by LPUSH, and {flights[0]} stands at the right",
    )
    trial.require(
        first == flights[:3],
        "three of five flights are one batch, in their order",
        f"of five flights that waited it brought {first}: flights come one by one, a call for each"
        if first == flights[:1]
        else f"of five flights that waited it brought {first}",
    )
    rest = trial.run(3)
    trial.expect(rest == flights[3:5], "the next batch has the other two", f"it brought {rest}")
    fill(3, urgent=2)
    urgent = trial.run(2)
    trial.expect(
        urgent == flights[100:102],
        "what is urgent goes first",
        f"it took {urgent}, while {flights[100]} stood in urgent",
    )
    several = 0
    for after in (1, 2):
        fill(6)
        others = []
        mine = trial.run(2, after=after, between=lambda o=others: o.extend(trial.run(2)))
        several += bool(others)
        taken = [*mine, *others, *reversed(trial.r.lrange("normal", 0, -1))]
        twice = {flight for flight in taken if taken.count(flight) > 1}
        lost = set(flights[:6]) - set(taken)
        if twice or lost:
            break
    trial.expect(
        not twice and not lost,
        "two desks at once get different flights",
        f"another desk came between your two commands: {len(twice)} flights were handed out twice, "
        f"{len(lost)} vanished",
    )
    fill(5)
    trips = trial.trips_of(3)
    trial.expect(
        trips == 1,
        "a batch is one trip",
        f"it took {trips} trips: the first is lost if you die before the second",
    )
    trial.r.delete("urgent", "normal")
    began = time.monotonic()
    with trial.cost() as cost:
        nothing = trial.run(3)
    waited = time.monotonic() - began
    trial.expect(
        nothing == [],
        "nothing is an empty list",
        f"with empty queues it answered {nothing!r:.60}: an empty list, not None, is nothing",
    )
    trial.expect(
        waited > 0.15,
        "it waits where there is nothing",
        f"it did not wait: with empty queues it was back after {waited * 1000:.0f} ms"
        + (": inside MULTI no command waits" if cost.commands["multi"] else ""),
    )
    number = sum(cost.commands.values()) - cost.commands["multi"] - cost.commands["exec"]
    trial.expect(
        number <= 2,
        "and waits on the server",
        f"with empty queues it asked again and again: {number} commands",
    )

    blocked: list[int] = []

    def push_when_it_waits(over):
        while not blocked and not over.is_set():
            blocked.extend([1] * trial.r.info("clients")["blocked_clients"])
        trial.r.lpush("normal", flights[7])

    for _ in range(3):  # on a busy machine the flight may come when the wait is over
        blocked.clear()
        trial.r.delete("normal")
        over = threading.Event()
        pusher = threading.Thread(target=push_when_it_waits, args=[over])
        pusher.start()
        try:
            came = trial.run(3)
        finally:
            over.set()
            pusher.join()
        if came:
            break
    trial.expect(
        bool(blocked) or waited <= 0.15 or number > 2,
        "in a command that blocks",
        "it slept in your process: a flight that came meanwhile had to wait for you to wake",
    )
    trial.expect(
        came == [flights[7]] or not blocked,
        "a flight that comes ends the wait",
        f"a flight came while it waited, and it answered {came!r:.60}",
    )
    fill(100)
    together = [flight for part in trial.together([(7,)] * 16) for flight in part or []]
    trial.expect(
        sorted(together) == sorted(flights[:100]),
        "sixteen desks empty a queue of a hundred, no flight twice",
        f"sixteen desks of seven got {len(set(together))} different flights, {len(together)} in "
        "all, of 100",
    )
