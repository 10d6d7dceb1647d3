"""A booking in three trips: what has the last word needs no lock before it."""

NOTEBOOK = "90"
TITLE = "Fewer places to fail"
HINTS = (
    "Five trips: session, lock, look, event, lock. Which of them decide something that no other "
    "one decides?",
    "`board.bookings.append(…, expected_version=0)` lets one of all passengers win, on one server, "
    "in one step. Who has won can be charged in peace.",
    "`VersionConflict` means that the seat is sold: to somebody else, or to this very request, "
    "whose reply was lost, or whose caller died before it had paid.",
    "The event has `user` and `request` in its data, as `Board._sell` writes it. Where both are "
    "yours, pay (again) and return the booking.",
)
WHY = (
    "Each trip is a place to fail, and on a Cluster each key a server that must be there. The lock "
    "spared a charge to who came second; charging the winner does so too, since there is one "
    "winner. Only the order has changed: first what can't be taken back in Redis, then the money, "
    "under a name that makes paying twice paying once."
)


def stub(board, session, flight, seat, request, pay):
    """Sell the seat in three trips at most: the Booking, or LoggedOut or SeatTaken.

    pay: called with the Booking; for a request that it knows, it charges nothing.
    """


def solution(board, session, flight, seat, request, pay):
    from redis_lab import VersionConflict
    from redis_lab.board import Booking, SeatTaken

    booking = Booking(flight, seat, board.passenger(session), request)
    place, details = f"{flight}/{seat}", {"user": booking.user, "request": request}
    try:
        board.bookings.append(place, "booked", details, expected_version=0)
    except VersionConflict:
        if board.bookings.events(place)[0].data != details:
            raise SeatTaken(f"{seat} of {flight} is taken") from None
    pay(booking)
    return booking


def wrong_as_it_was(board, session, flight, seat, request, pay):
    """5 trips"""
    board._pay = pay
    return board.book(session, flight, seat, request)


def wrong_pays_first(board, session, flight, seat, request, pay):
    """was charged"""
    from redis_lab import VersionConflict
    from redis_lab.board import Booking, SeatTaken

    booking = Booking(flight, seat, board.passenger(session), request)
    place, details = f"{flight}/{seat}", {"user": booking.user, "request": request}
    pay(booking)
    try:
        board.bookings.append(place, "booked", details, expected_version=0)
    except VersionConflict:
        if board.bookings.events(place)[0].data != details:
            raise SeatTaken(f"{seat} of {flight} is taken") from None
    return booking


def wrong_looks_and_then_sells(board, session, flight, seat, request, pay):
    """at the same moment"""
    from redis_lab.board import Booking, SeatTaken

    booking = Booking(flight, seat, board.passenger(session), request)
    place, details = f"{flight}/{seat}", {"user": booking.user, "request": request}
    there = board.bookings.events(place)
    if not there:
        board.bookings.append(place, "booked", details)
    elif there[0].data != details:
        raise SeatTaken(f"{seat} of {flight} is taken")
    pay(booking)
    return booking


def wrong_pays_the_first_time_only(board, session, flight, seat, request, pay):
    """never charged"""
    from redis_lab import VersionConflict
    from redis_lab.board import Booking, SeatTaken

    booking = Booking(flight, seat, board.passenger(session), request)
    place, details = f"{flight}/{seat}", {"user": booking.user, "request": request}
    try:
        board.bookings.append(place, "booked", details, expected_version=0)
        pay(booking)
    except VersionConflict:
        if board.bookings.events(place)[0].data != details:
            raise SeatTaken(f"{seat} of {flight} is taken") from None
    return booking


def wrong_each_conflict_is_taken(board, session, flight, seat, request, pay):
    """the same request"""
    from redis_lab import VersionConflict
    from redis_lab.board import Booking, SeatTaken

    booking = Booking(flight, seat, board.passenger(session), request)
    place, details = f"{flight}/{seat}", {"user": booking.user, "request": request}
    try:
        board.bookings.append(place, "booked", details, expected_version=0)
    except VersionConflict:
        raise SeatTaken(f"{seat} of {flight} is taken") from None
    pay(booking)
    return booking


def wrong_knows_the_request_only(board, session, flight, seat, request, pay):
    """of the same name"""
    from redis_lab import VersionConflict
    from redis_lab.board import Booking, SeatTaken

    booking = Booking(flight, seat, board.passenger(session), request)
    place, details = f"{flight}/{seat}", {"user": booking.user, "request": request}
    try:
        board.bookings.append(place, "booked", details, expected_version=0)
    except VersionConflict:
        if board.bookings.events(place)[0].data["request"] != request:
            raise SeatTaken(f"{seat} of {flight} is taken") from None
    pay(booking)
    return booking


def wrong_knows_the_passenger_only(board, session, flight, seat, request, pay):
    """under another name"""
    from redis_lab import VersionConflict
    from redis_lab.board import Booking, SeatTaken

    booking = Booking(flight, seat, board.passenger(session), request)
    place, details = f"{flight}/{seat}", {"user": booking.user, "request": request}
    try:
        board.bookings.append(place, "booked", details, expected_version=0)
    except VersionConflict:
        if board.bookings.events(place)[0].data["user"] != booking.user:
            raise SeatTaken(f"{seat} of {flight} is taken") from None
    pay(booking)
    return booking


FLIGHT = "UA1545"


def check(trial):
    import contextlib

    from redis_lab.board import Board
    from redis_lab.course.answers import Killed, Refused
    from redis_lab.course.gaps import Gaps, mortal

    charged = []

    def made(gaps=None):
        """A board over a client of the answer's, and that client's gaps; it is warm."""
        gaps = gaps or Gaps()
        act, gaps.act = gaps.act, None
        board = Board(trial.client(gaps), "EWR", lambda airport, day: [])
        board.book(board.login("warm"), FLIGHT, f"warm-{id(board)}", "warm")
        board.bookings.events("nothing")
        gaps.trips, gaps.act = 0, act
        return board, gaps

    def asked(board, session, seat, request):
        try:
            return trial.call(board, session, FLIGHT, seat, request, charged.append)
        except Refused as refusal:
            return refusal

    def owner(seat):
        return [event.data for event in plain.bookings.events(f"{FLIGHT}/{seat}")]

    plain = Board(trial.r, "EWR", lambda airport, day: [])
    ann, bob = plain.login("ann"), plain.login("bob")
    board, gaps = made()
    sold = asked(board, ann, "1A", "r1")
    trial.require(
        getattr(sold, "user", "") == "ann"
        and owner("1A") == [{"user": "ann", "request": "r1"}]
        and [each.request for each in charged] == ["r1"],
        "Ann has the seat, and is charged",
        f"Ann wanted a free seat; the answer: {sold}. The seat's events are {owner('1A')}, and "
        f"charged were {charged}",
    )
    trial.expect(
        gaps.trips <= 3, "in three trips or fewer", f"it took {gaps.trips} trips to sell a seat"
    )
    gaps.trips = 0
    again = asked(board, ann, "1A", "r1")
    trial.expect(
        again == sold,
        "her request again is the same booking",
        f"the same request came again, as after a lost reply; the answer: {again}",
    )
    del charged[:]
    other = asked(board, bob, "1A", "r2")
    trial.expect(
        "SeatTaken" in str(other) and len(owner("1A")) == 1,
        "another's is SeatTaken",
        f"Bob wanted Ann's seat, and SeatTaken was expected; the answer: {other}",
    )
    trial.expect(
        not charged, "and costs nothing", f"Bob got no seat, and {charged[:1]} was charged to him"
    )
    trial.expect(
        gaps.trips <= 6,
        "nor more than three trips",
        f"a repeated and a refused wish took {gaps.trips} trips together",
    )
    namesake = asked(board, bob, "1A", "r1")
    trial.expect(
        "SeatTaken" in str(namesake),
        "a request of the same name is another's",
        f"Bob's request happened to be of the same name as Ann's; the answer: {namesake}",
    )
    anew = asked(board, ann, "1A", "r3")
    trial.expect(
        "SeatTaken" in str(anew),
        "her own seat under another request is SeatTaken",
        "Ann asked for the seat that she has, under another name, as Board.book refuses it; the "
        f"answer: {anew}",
    )
    for trips in (1, 2):
        seat = f"{trips}C"

        def quicker(seat=seat):
            plain.book(bob, FLIGHT, seat, f"bob-{seat}")

        del charged[:]
        late = asked(made(Gaps(quicker, after=trips))[0], ann, seat, f"ann-{seat}")
        buyers = [each["user"] for each in owner(seat)]
        trial.expect(
            len(buyers) == 1 and hasattr(late, "user") == (buyers == ["ann"]),
            "two at the same moment: one has it",
            f"Bob bought the seat at the same moment, after {trips} trips of Ann's: the events "
            f"name {buyers}, and Ann's answer: {late}",
        )
        trial.expect(
            hasattr(late, "user") or not charged,
            "and costs nothing",
            f"Bob was quicker, and Ann was charged {charged[:1]}",
        )

    def dies(booking):
        raise Killed

    for trips in (1, 2, None):
        seat, request = f"{trips}D", f"dead-{trips}"
        del charged[:]
        board = made(mortal(trips))[0] if trips else made()[0]
        with contextlib.suppress(Killed, Refused):
            trial.call(board, ann, FLIGHT, seat, request, charged.append if trips else dies)
        back = asked(made()[0], ann, seat, request)
        requests = {each.request for each in charged}
        where = f"after {trips} trips" if trips else "before she was charged"
        trial.expect(
            getattr(back, "request", "") == request and requests == {request},
            "who died in the middle comes back, and pays",
            f"the desk died {where}, and asked again; the answer: {back}; and Ann was "
            f"{'charged ' + str(requests) if requests else 'never charged'}",
        )
    nobody = asked(made()[0], "no-such-session", "9A", "r9")
    trial.expect(
        "LoggedOut" in str(nobody) and not owner("9A"),
        "who is not logged in gets LoggedOut",
        f"the session was unknown; the answer: {nobody}",
    )
