"""Append with an expected version; after a conflict read and decide again."""

NOTEBOOK = "53"
TITLE = "Book, and keep the rule"
HINTS = (
    "Read the flight's events, decide, and append with the version that the decision was made on.",
    "Who is aboard, and how many seats there are: both are folds over the same events.",
    "A conflict means that what you have read is old: all of it, the passenger's name as well.",
    "A `while True:` around everything, `except VersionConflict:` with nothing in it, and "
    "`len(history)` as expected version.",
)
WHY = (
    "The expected version protects a decision, not a write. Whoever repeats the write alone has "
    "caught the error and kept the bug."
)


def stub(r, flight, passenger):
    """True if this call gave the passenger a seat: as an event of EventStore(r, "seats").

    False, and no event, if the flight was never opened, is full, or has the passenger aboard.
    """


def solution(r, flight, passenger):
    from redis_lab.patterns import EventStore, VersionConflict

    store = EventStore(r, "seats")
    while True:
        history, aboard, seats = store.events(flight), set(), 0
        for event in history:
            seats += event.data.get("seats", 0)
            if event.type != "opened":
                (aboard.add if event.type == "booked" else aboard.discard)(event.data["passenger"])
        if passenger in aboard or len(aboard) >= seats:
            return False
        try:
            return bool(store.append(flight, "booked", {"passenger": passenger}, len(history)))
        except VersionConflict:
            pass


def wrong_no_version(r, flight, passenger):
    """more passengers than seats"""
    from redis_lab.patterns import EventStore

    store = EventStore(r, "seats")
    aboard, seats = set(), 0
    for event in store.events(flight):
        seats += event.data.get("seats", 0)
        if event.type != "opened":
            (aboard.add if event.type == "booked" else aboard.discard)(event.data["passenger"])
    if passenger in aboard or len(aboard) >= seats:
        return False
    store.append(flight, "booked", {"passenger": passenger})
    return True


def wrong_its_number(r, flight, passenger):
    """more passengers than seats"""
    from redis_lab.patterns import EventStore, VersionConflict

    store = EventStore(r, "seats")
    history, aboard, seats = store.events(flight), set(), 0
    for event in history:
        seats += event.data.get("seats", 0)
        if event.type != "opened":
            (aboard.add if event.type == "booked" else aboard.discard)(event.data["passenger"])
    if passenger in aboard or len(aboard) >= seats:
        return False
    version = len(history)
    while True:
        try:
            store.append(flight, "booked", {"passenger": passenger}, version)
            return True
        except VersionConflict as conflict:
            version = conflict.actual


def wrong_gives_up(r, flight, passenger):
    """although there was room"""
    from redis_lab.patterns import EventStore, VersionConflict

    store = EventStore(r, "seats")
    history, aboard, seats = store.events(flight), set(), 0
    for event in history:
        seats += event.data.get("seats", 0)
        if event.type != "opened":
            (aboard.add if event.type == "booked" else aboard.discard)(event.data["passenger"])
    if passenger in aboard or len(aboard) >= seats:
        return False
    try:
        store.append(flight, "booked", {"passenger": passenger}, len(history))
        return True
    except VersionConflict:
        return False


def wrong_lets_it_out(r, flight, passenger):
    """raised VersionConflict"""
    from redis_lab.patterns import EventStore

    store = EventStore(r, "seats")
    history, aboard, seats = store.events(flight), set(), 0
    for event in history:
        seats += event.data.get("seats", 0)
        if event.type != "opened":
            (aboard.add if event.type == "booked" else aboard.discard)(event.data["passenger"])
    if passenger in aboard or len(aboard) >= seats:
        return False
    store.append(flight, "booked", {"passenger": passenger}, len(history))
    return True


def wrong_never_given_back(r, flight, passenger):
    """was given back"""
    from redis_lab.patterns import EventStore, VersionConflict

    store = EventStore(r, "seats")
    while True:
        history = store.events(flight)
        seats = sum(event.data.get("seats", 0) for event in history)
        aboard = [event.data["passenger"] for event in history if event.type == "booked"]
        if passenger in aboard or len(aboard) >= seats:
            return False
        try:
            store.append(flight, "booked", {"passenger": passenger}, len(history))
            return True
        except VersionConflict:
            pass


def wrong_looks_for_the_name_once(r, flight, passenger):
    """aboard twice"""
    from redis_lab.patterns import EventStore, VersionConflict

    store, looked = EventStore(r, "seats"), False
    while True:
        history, aboard, seats = store.events(flight), [], 0
        for event in history:
            seats += event.data.get("seats", 0)
            if event.type != "opened":
                change = aboard.append if event.type == "booked" else aboard.remove
                change(event.data["passenger"])
        if (passenger in aboard and not looked) or len(aboard) >= seats:
            return False
        looked = True
        try:
            store.append(flight, "booked", {"passenger": passenger}, len(history))
            return True
        except VersionConflict:
            pass


def wrong_opens_it(r, flight, passenger):
    """was never opened"""
    from redis_lab.patterns import EventStore, VersionConflict

    store = EventStore(r, "seats")
    while True:
        history, aboard, seats = store.events(flight), set(), 55
        for event in history:
            seats = event.data.get("seats", seats)
            if event.type != "opened":
                (aboard.add if event.type == "booked" else aboard.discard)(event.data["passenger"])
        if passenger in aboard or len(aboard) >= seats:
            return False
        try:
            store.append(flight, "booked", {"passenger": passenger}, len(history))
            return True
        except VersionConflict:
            pass


def check(trial):
    from redis_lab.course.answers import Refused
    from redis_lab.patterns import EventStore

    store = EventStore(trial.r, "seats")

    def aboard(flight):
        people = []
        for event in store.events(flight):
            if event.type == "booked":
                people.append(event.data.get("passenger"))
            elif event.type == "cancelled":
                people.remove(event.data["passenger"])
        return people

    def other(flight, passenger, seats):
        """What somebody else does, who keeps the rule."""
        if passenger not in aboard(flight) and len(aboard(flight)) < seats:
            store.append(flight, "booked", {"passenger": passenger})

    def opened(flight, seats, *people):
        store.append(flight, "opened", {"seats": seats}, 0)
        for each in people:
            store.append(flight, "booked", {"passenger": each})

    flight = "EV5708-20130101-LGA"
    opened(flight, 3)
    answers = [trial.run(flight, "ann"), trial.run(flight, "bob")]
    trial.require(
        answers == [True, True] and aboard(flight) == ["ann", "bob"],
        "two passengers get a seat, as events",
        f"ann and bob booked a flight with three seats: the answers were {answers}, "
        f"the events say that {aboard(flight)} are aboard",
    )
    again = trial.run(flight, "ann")
    trial.expect(
        again is False and aboard(flight) == ["ann", "bob"],
        "nobody is aboard twice",
        f"ann, who is aboard, was answered {again!r}, and now {aboard(flight)} are",
    )
    full = [trial.run(flight, "cem"), trial.run(flight, "dan")]
    trial.expect(
        full == [True, False] and aboard(flight) == ["ann", "bob", "cem"],
        "a full flight takes nobody",
        f"three seats, four people: the last two were answered {full}, and {aboard(flight)} are "
        "aboard",
    )
    store.append(flight, "cancelled", {"passenger": "ann"})
    back = [trial.run(flight, "ann"), trial.run(flight, "eve")]
    trial.expect(
        back == [True, False],
        "a seat that was given back is sold again, to anybody",
        f"ann's seat was given back; ann, then eve asked for it, and were answered {back}",
    )
    nowhere = trial.run("EV1-20130101-LGA", "ann")
    trial.expect(
        nowhere is False and not store.events("EV1-20130101-LGA"),
        "what was never opened can't be booked",
        f"a flight that was never opened answered {nowhere!r} and has "
        f"{len(store.events('EV1-20130101-LGA'))} events",
    )

    def meanwhile(flight, who, seats, after):
        """The answer for "me" while `who` books; what it raised is a reason, not the end."""
        try:
            return trial.run(flight, "me", between=lambda: other(flight, who, seats), after=after)
        except Refused as refusal:
            return str(refusal)

    for after in (1, 2, 3, 4):
        last, room, twice = (f"EV{after}{n}-20130102-EWR" for n in (1, 2, 3))
        opened(last, 1)
        answer = meanwhile(last, "you", 1, after)
        trial.expect(
            len(aboard(last)) == 1 and answer is ("me" in aboard(last)),
            "the last seat is sold once, whoever is quicker",
            f"you booked the last seat after trip {after} of mine: I was answered {answer!r}, and "
            f"{aboard(last)} are aboard"
            + (": more passengers than seats" if len(aboard(last)) > 1 else ""),
        )
        opened(room, 9)
        answer = meanwhile(room, "you", 9, after)
        trial.expect(
            answer is True and aboard(room).count("me") == 1,
            "a conflict is no reason to refuse",
            f"you booked one of nine seats after trip {after} of mine, and I was answered "
            f"{answer!r} although there was room; aboard are {aboard(room)}",
        )
        opened(twice, 9)
        answer = meanwhile(twice, "me", 9, after)
        trial.expect(
            aboard(twice) == ["me"],
            "two tabs of one passenger get one seat",
            f"I booked in another tab after trip {after} of this one, which answered {answer!r}: "
            f"{aboard(twice)} are aboard twice",
        )
    crowd = "EV9-20130102-EWR"
    opened(crowd, 5)
    answers = trial.together([(crowd, f"p{n}") for n in range(12)])
    trial.expect(
        answers.count(True) == 5 == len(aboard(crowd)),
        "of twelve at once, five get the five seats",
        f"five seats, twelve at once: {answers.count(True)} were answered True, "
        f"{len(aboard(crowd))} are aboard",
    )
