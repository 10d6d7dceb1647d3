"""Two tabs fill one basket: a conflict means to look again, at the basket and at its limit."""

NOTEBOOK = "42"
TITLE = "One basket, two tabs"
HINTS = (
    "`load`, look, `replace(session, data=…)`, `save`: that is one attempt.",
    "`VersionConflict` says that what you looked at is old. What must you do again?",
    "All of it: load, look whether the seat is there and whether nine are, save. In a loop.",
    "`load` answers None when the session has ended, the second time as well: that ends the loop.",
)
WHY = (
    "A retry that saves the old look under the new version is a lost update with more code. What "
    "was decided on an old look has to be decided again."
)


def stub(r, id, seat):
    """Put a seat into data["basket"] of a session of SessionStore(r); the basket as it is then.

    A list in order; no seat is in it twice, nine at most, a tenth is left out. None if it ended.
    """


def solution(r, id, seat):
    from dataclasses import replace

    from redis_lab.patterns import SessionStore, VersionConflict

    store = SessionStore(r)
    while (session := store.load(id)) is not None:
        basket = session.data.get("basket", [])
        if seat in basket or len(basket) >= 9:
            return basket
        basket = [*basket, seat]
        try:
            store.save(replace(session, data=session.data | {"basket": basket}))
            return basket
        except VersionConflict:
            continue
    return None


def wrong_lets_it_through(r, id, seat):
    """raised VersionConflict"""
    from dataclasses import replace

    from redis_lab.patterns import SessionStore

    store = SessionStore(r)
    session = store.load(id)
    if session is None:
        return None
    basket = session.data.get("basket", [])
    if seat in basket or len(basket) >= 9:
        return basket
    data = session.data | {"basket": [*basket, seat]}
    return store.save(replace(session, data=data)).data["basket"]


def wrong_new_version_old_look(r, id, seat):
    """is lost"""
    from dataclasses import replace

    from redis_lab.patterns import SessionStore, VersionConflict

    store = SessionStore(r)
    session = store.load(id)
    if session is None:
        return None
    basket = session.data.get("basket", [])
    if seat in basket or len(basket) >= 9:
        return basket
    session = replace(session, data=session.data | {"basket": [*basket, seat]})
    while True:
        try:
            return store.save(session).data["basket"]
        except VersionConflict as conflict:
            if not conflict.actual:
                return None
            session = replace(session, version=conflict.actual)


def wrong_counts_once(r, id, seat):
    """seats are in the basket"""
    from dataclasses import replace

    from redis_lab.patterns import SessionStore, VersionConflict

    store = SessionStore(r)
    session = store.load(id)
    if session is None or seat in session.data.get("basket", []):
        return session and session.data["basket"]
    if len(session.data.get("basket", [])) >= 9:
        return session.data["basket"]
    while session:
        basket = [*session.data.get("basket", []), seat]
        try:
            return store.save(replace(session, data=session.data | {"basket": basket})).data[
                "basket"
            ]
        except VersionConflict:
            session = store.load(id)
    return None


def wrong_gives_up(r, id, seat):
    """it answered"""
    from dataclasses import replace

    from redis_lab.patterns import SessionStore, VersionConflict

    store = SessionStore(r)
    session = store.load(id)
    if session is None:
        return None
    basket = session.data.get("basket", [])
    if seat in basket or len(basket) >= 9:
        return basket
    try:
        data = session.data | {"basket": [*basket, seat]}
        return store.save(replace(session, data=data)).data["basket"]
    except VersionConflict:
        return store.load(id) and store.load(id).data["basket"]


def wrong_only_the_basket(r, id, seat):
    """other data"""
    from dataclasses import replace

    from redis_lab.patterns import SessionStore, VersionConflict

    store = SessionStore(r)
    while session := store.load(id):
        basket = session.data.get("basket", [])
        if seat in basket or len(basket) >= 9:
            return basket
        try:
            return store.save(replace(session, data={"basket": [*basket, seat]})).data["basket"]
        except VersionConflict:
            continue
    return None


def wrong_merges(r, id, seat):
    """taken out, and is back"""
    from dataclasses import replace

    from redis_lab.patterns import SessionStore, VersionConflict

    store, mine = SessionStore(r), []
    while session := store.load(id):
        there = session.data.get("basket", [])
        basket = [*mine, *(each for each in there if each not in mine)]
        if seat not in basket and len(basket) < 9:
            basket.append(seat)
        try:
            store.save(replace(session, data=session.data | {"basket": basket}))
            return basket
        except VersionConflict:
            mine = basket
    return None


def wrong_twice(r, id, seat):
    """twice"""
    from dataclasses import replace

    from redis_lab.patterns import SessionStore, VersionConflict

    store = SessionStore(r)
    while session := store.load(id):
        basket = [*session.data.get("basket", []), seat][:9]
        try:
            return store.save(replace(session, data=session.data | {"basket": basket})).data[
                "basket"
            ]
        except VersionConflict:
            continue
    return None


def check(trial):
    from dataclasses import replace

    from redis_lab.course.answers import Refused
    from redis_lab.patterns import SessionStore

    store = SessionStore(trial.r)

    def put(*args, **options):
        try:
            return trial.run(*args, **options)
        except Refused as refusal:
            if "VersionConflict" not in str(refusal):
                raise
            told = "another tab saved between its look and its save, and it raised VersionConflict"
            trial.require(False, "who is disturbed looks again", told)

    def basket():
        session = store.load(id)
        return session and session.data.get("basket", [])

    def other_tab(*seats, without=None):
        session = store.load(id)
        now = [seat for seat in session.data.get("basket", []) if seat != without]
        store.save(replace(session, data=session.data | {"basket": [*now, *seats]}))

    id = store.create("ann", {"meal": "vegan"})
    told = [put(id, "12A"), put(id, "12B")]
    trial.require(
        told == [["12A"], ["12A", "12B"]] and basket() == ["12A", "12B"],
        "two seats are in the basket, in order",
        f"12A and 12B were put; it answered {told}, and the basket is {basket()}",
    )
    meal = store.load(id).data.get("meal")
    trial.expect(
        meal == "vegan",
        "what else the session has stays",
        f"the session had a meal, 'vegan', which now is {meal!r}: other data is gone",
    )
    again = put(id, "12A")
    trial.expect(
        again == basket() == ["12A", "12B"],
        "no seat is in it twice",
        f"12A was put twice: it answered {again}, the basket is {basket()}",
    )
    for after in (1, 2, 3):
        id = store.create("ann", {"basket": ["1A"]})
        disturbed = []

        def disturb(disturbed=disturbed):
            disturbed.append(1)
            other_tab("1B")

        told = put(id, "1C", between=disturb, after=after)
        if not disturbed:
            break
        lost = [seat for seat in ("1A", "1B", "1C") if seat not in basket()]
        trial.require(
            not lost,
            "what the other tab puts in meanwhile stays, and so does its own",
            f"the other tab put 1B between two trips, this one 1C: it answered {told}, the basket "
            f"is {basket()}, so {lost[0] if lost else ''} is lost",
        )
        trial.expect(
            sorted(told or []) in (["1A", "1B", "1C"], ["1A", "1C"]),
            "it answers the basket as it is then",
            f"it answered {told}, and the basket is {basket()}",
        )
        id = store.create("ann", {"basket": ["1A"]})
        put(id, "1B", between=lambda: other_tab("1B"), after=after)
        trial.expect(
            sorted(basket()) == ["1A", "1B"],
            "so too when both put the same seat",
            f"both tabs put 1B at the same moment, and the basket is {basket()}: it is there twice",
        )
        id = store.create("ann", {"basket": ["1A", "1B"]})
        put(id, "1C", between=lambda: other_tab(without="1A"), after=after)
        trial.expect(
            basket() == ["1B", "1C"],
            "what the other tab takes out stays out",
            f"1A and 1B were in it; the other tab took out 1A, this one put 1C: it is {basket()}"
            + (": 1A was taken out, and is back" if "1A" in basket() else ""),
        )
        id = store.create("ann", {"basket": [f"1{row}" for row in "ABCDEFGH"]})
        put(id, "2A", between=lambda: other_tab("2B"), after=after)
        trial.expect(
            len(basket()) == 9,
            "nine seats are the most, also with two tabs",
            f"eight were in it, both tabs put one more: {len(basket())} seats are in the basket",
        )
        id = store.create("ann", {"basket": ["1A"]})
        told = put(id, "1B", between=lambda id=id: store.destroy(id), after=after)
        trial.expect(
            store.load(id) is None and told in (None, ["1A", "1B"]),
            "if she logs out meanwhile, it ends",
            f"she logged out between two trips; it answered {told!r}, and the session is "
            f"{store.load(id)}",
        )
    id = store.create("ann", {"basket": [f"1{row}" for row in "ABCDEFGHI"]})
    told = put(id, "2A")
    trial.expect(
        told == basket() and len(told) == 9 and "2A" not in told,
        "a tenth seat is left out",
        f"nine were in the basket; a tenth was put, and it answered {told}",
    )
    store.destroy(id)
    told = put(id, "2A")
    trial.expect(
        told is None,
        "for a session that has ended it answers None",
        f"the session had ended, and it answered {told!r}",
    )
    id = store.create("ann", {})
    seats = [f"{row}{letter}" for row in (1, 2) for letter in "ABCD"]
    told = trial.together([(id, seat) for seat in seats])
    trial.expect(
        sorted(basket()) == seats,
        "eight at once put eight seats",
        f"eight at once put {seats}: they were told {told[0]} …, and {basket()} are in it",
    )
