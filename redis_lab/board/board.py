"""A departures board: what the screens and the desks of an airport ask Redis for.

All that an airport knows of its bookings lies in one slot, so on a Cluster each airport is served
by one primary, and a fault of that primary is a fault of that airport.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from redis_lab.errors import RateLimited, RedisLabError, VersionConflict
from redis_lab.patterns import (
    GCRA,
    EventStore,
    Leaderboard,
    RedisCache,
    RedisLock,
    SessionStore,
)
from redis_lab.patterns.scripting import Client

DAY = "2013-07-01"


class LoggedOut(RedisLabError):
    """The session is unknown, or has ended."""


class SeatTaken(RedisLabError):
    """Somebody else has the seat."""


@dataclass(frozen=True)
class Booking:
    """A seat, sold. request: the caller's name for its wish, the same when it tries again."""

    flight: str
    seat: str
    user: str
    request: str


class Board:
    """The board of one airport.

    client: follows the primary, or routes; timetable: called with an airport and a day, gives its
    flights as a list of dicts that JSON can hold, slowly. pay: called with the Booking while nobody
    else may buy that seat; for a request that it has been called with before, it charges nothing.
    on_error: what a Redis that is away means to who looks: "bypass" asks the timetable instead,
    "raise" is redis-py's error.
    """

    def __init__(
        self,
        client: Client,
        airport: str,
        timetable: Callable[[str, str], list[dict[str, Any]]],
        pay: Callable[[Booking], object] = lambda booking: None,
        on_error: Literal["bypass", "raise"] = "bypass",
    ):
        self.client = client
        self.airport = airport
        self.name = f"flights-{airport}"
        self._timetable, self._pay = timetable, pay
        self._sessions = SessionStore(client, "passengers", ttl=1800)
        self._looks = GCRA(client, "looks", rate=100, burst=200, on_error=on_error)
        self._cache = RedisCache(client, f"timetable-{airport}", ttl=300, on_error=on_error)
        self.bookings = EventStore(client, self.name)
        self.busiest = Leaderboard(client, self.name, ties="name")

    def login(self, user: str) -> str:
        """A new session of this user; its id."""
        return self._sessions.create(user)

    def passenger(self, session: str) -> str:
        """Whose session it is. Raises LoggedOut for an unknown one, and one that has ended."""
        if (found := self._sessions.load(session)) is None:
            raise LoggedOut("no such session, or it has ended")
        return found.user

    def departures(self, who: str, day: str = DAY) -> list[dict[str, Any]]:
        """The flights of that day; who: a screen's or a passenger's name.

        Raises RateLimited for who asks more than a hundred times a second.
        """
        if not (decision := self._looks.hit(who)).allowed:
            raise RateLimited(decision.retry_after)
        return self._cache.get_or_set(day, lambda: self._timetable(self.airport, day))

    def forget(self) -> None:
        """Drop what is cached of the timetable."""
        self._cache.invalidate_all()

    def taken(self, flight: str) -> int:
        """How many seats of the flight are sold, as far as the projectors have come."""
        return int(self.client.hget(taken_key(self.name), flight) or 0)

    def book(self, session: str, flight: str, seat: str, request: str) -> Booking:
        """Sell the seat to the session's user, once; trying again with the same request is safe.

        Raises LoggedOut, SeatTaken, LockNotAcquired while another buys the seat, redis-py's errors.
        """
        wanted = Booking(flight, seat, self.passenger(session), request)
        with RedisLock(self.client, f"{self.name}/{flight}/{seat}", ttl=5, timeout=1):
            return self._sell(wanted)

    def _sell(self, wanted: Booking) -> Booking:
        """The seat is an aggregate of one event: what decides is its version, not the lock."""
        place = f"{wanted.flight}/{wanted.seat}"
        if not self.bookings.events(place):
            self._pay(wanted)
        details = {"user": wanted.user, "request": wanted.request}
        try:
            self.bookings.append(place, "booked", details, expected_version=0)
        except VersionConflict:
            sold = self.bookings.events(place)
            if not sold or sold[0].data != details:
                raise SeatTaken(f"{wanted.seat} of {wanted.flight} is taken") from None
        return wanted


def taken_key(name: str) -> str:
    """The hash of sold seats by flight, in the slot of the bookings."""
    return f"{{{name}}}:taken"
