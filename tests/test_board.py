"""The departures board on one server, on a Sentinel group and on a cluster."""

import pytest
import redis

import redis_lab as rl
from redis_lab import LockNotAcquired, RateLimited
from redis_lab.board import RIGHTS, Board, LoggedOut, SeatTaken, projector
from redis_lab.patterns import RedisLock

FLIGHTS = [{"id": "UA1"}, {"id": "B6-2"}]


@pytest.fixture(scope="module", params=["sentinel", "cluster"])
def lab(request):
    with getattr(rl, request.param)() as lab:
        yield lab


@pytest.fixture
def made(lab):
    """A board, what its timetable was asked, and what was charged."""
    lab.flush()
    asked, charged = [], []

    def timetable(airport, day):
        asked.append((airport, day))
        return FLIGHTS

    return Board(lab.client(), "EWR", timetable, charged.append), asked, charged


def test_the_timetable_is_asked_once(made):
    """Screens read what is cached, until it is dropped."""
    board, asked, _ = made
    assert [board.departures(f"screen {n}", "2013-07-02") for n in range(5)] == [FLIGHTS] * 5
    assert asked == [("EWR", "2013-07-02")]
    board.forget()
    assert board.departures("screen", "2013-07-02") == FLIGHTS and len(asked) == 2


def test_who_looks_too_often_is_told_when_to_come_back(made):
    """A quota for each who asks, not for all together."""
    board, *_ = made
    with pytest.raises(RateLimited) as refused:
        for _ in range(2000):
            board.departures("a program")
    assert refused.value.retry_after > 0
    assert board.departures("somebody else") == FLIGHTS


def test_a_seat_is_sold_and_charged_once(made):
    """The same request again is the same booking; another's is refused and costs nothing."""
    board, _, charged = made
    ann, bob = board.login("ann"), board.login("bob")
    booking = board.book(ann, "UA1", "12A", "r1")
    assert (booking.user, booking.flight, booking.seat) == ("ann", "UA1", "12A")
    assert board.book(ann, "UA1", "12A", "r1") == booking
    for session, request in ((bob, "r1"), (bob, "r2"), (ann, "r3")):
        with pytest.raises(SeatTaken, match="12A of UA1"):
            board.book(session, "UA1", "12A", request)
    assert charged == [booking]
    assert [event.aggregate_id for event in board.bookings.all_events()] == ["UA1/12A"]


def test_who_is_not_logged_in_buys_nothing(made):
    """Neither by an unknown session nor by one that has ended; the message keeps the secret."""
    board, _, charged = made
    with pytest.raises(LoggedOut) as refused:
        board.book("no-such-session", "UA1", "12A", "r1")
    assert "no-such-session" not in str(refused.value) and not charged


def test_nobody_is_charged_while_another_buys(made, lab):
    """A seat in somebody's hands is waited for, and given up after a second."""
    board, _, charged = made
    session = board.login("ann")
    with RedisLock(lab.client(), f"{board.name}/UA1/12A"), pytest.raises(LockNotAcquired):
        board.book(session, "UA1", "12A", "r1")
    assert not charged and board.book(session, "UA1", "12A", "r1")


def test_projectors_count_each_booking_once(made):
    """What the screens show of the seats comes from the events, whoever brings it."""
    board, *_ = made
    session = board.login("ann")
    for seat in range(5):
        board.book(session, "UA1" if seat < 3 else "B6-2", str(seat), f"r{seat}")
    one, other = projector(board, "one"), projector(board, "other")
    assert board.taken("UA1") == 0 and one.lag() == 5
    assert one.run_once() + other.run_once() == 5
    assert [board.taken(flight["id"]) for flight in FLIGHTS] == [3, 2]
    assert [(each.member, each.score) for each in board.busiest.top(5)] == [("UA1", 3), ("B6-2", 2)]


def test_each_part_has_the_rights_that_it_needs_and_no_more(made, lab):
    """A screen can't book; a projector can't read sessions; nobody can read the whole keyspace."""
    for node in lab.data_nodes:
        for user, rules in RIGHTS.items():
            node.tell("ACL", "SETUSER", user, "reset", "on", ">secret", *rules.split())

    def as_user(user):
        return Board(lab.client(username=user, password="secret"), "EWR", lambda *_: FLIGHTS)

    desk, screen = as_user("desk"), as_user("screen")
    session = desk.login("ann")
    desk.book(session, "UA1", "1", "r1")
    assert projector(as_user("projector"), "one").run_once() == 1
    assert screen.departures("screen") == FLIGHTS and screen.taken("UA1") == 1
    assert screen.busiest.top(1)[0].member == "UA1"
    denied = [
        lambda: screen.book(session, "UA1", "2", "r2"),
        lambda: screen.bookings.append("UA1/3", "booked", {}),
        lambda: as_user("projector").login("eve"),
        lambda: desk.client.keys("*"),
        lambda: desk.client.flushall(),
    ]
    for each in denied:
        with pytest.raises(redis.exceptions.NoPermissionError):
            each()
    for node in lab.data_nodes:
        if node.role == "primary":
            said = {str(entry) for entry in node.ask("ACL", "LOG")}
            assert not [entry for entry in said if "'lua'" in entry]


def test_screens_are_served_while_redis_is_away():
    """Limiter and cache step aside: the timetable itself is asked."""
    with rl.standalone() as lab:
        board = Board(lab.client(), "EWR", lambda *_: FLIGHTS)
        lab.kill(lab.nodes[0])
        assert board.departures("screen") == FLIGHTS
        with pytest.raises(redis.ConnectionError):
            board.login("ann")
