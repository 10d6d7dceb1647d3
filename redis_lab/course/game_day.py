"""A game day: a board under load, five faults in an order that nobody is told, and the bill.

    day = GameDay(lab, Board, seed=7).run()
    day.bill()

Load: for each airport a screen that looks and a desk that sells, each at a fixed rate by the clock
(a Probe). Every second call of a desk asks for a seat that was sold some seconds ago, for somebody
else. Two processes project. What was answered after `patience` counts as not answered.
"""

import logging
import random
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import pandas as pd

from redis_lab.board import Board, Booking, SeatTaken
from redis_lab.course.game_crew import Crew
from redis_lab.course.game_faults import FAULTS
from redis_lab.data import Origin
from redis_lab.lab import Topology
from redis_lab.lab.waiting import wait_until
from redis_lab.observe import Probe, Recorder

AIRPORTS = ("EWR", "JFK", "LGA")
LOOK, SELL = 0.1, 0.05  # seconds from one call of a screen, or of a desk, to the next
AGAIN = 40  # a desk's every second call asks for the seat that it sold so many seats ago
CALM = 20  # calls of each desk before, between and after faults
BACKLOG = 100  # late calls of a desk


class Desk:
    """What a desk of an airport did: by request, the seats that were promised, charged, refused."""

    def __init__(self, board: Board):
        self.board = board
        self.flights = [flight["id"] for flight in board.departures("desk")]
        self.sessions = [board.login(f"{board.airport}-{number}") for number in range(10)]
        self.promised: dict[str, str] = {}
        self.refused: dict[str, str] = {}
        self.calls = 0

    def sell(self, _: Any, number: int) -> None:
        """Call `number`: a new seat, or one that was sold before."""
        new, again = divmod(number, 2)
        seat = max(0, new - AGAIN) if again else new
        flight = self.flights[seat % len(self.flights)]
        session = self.sessions[number % len(self.sessions)]
        request, place = f"{self.board.airport}-{number}", f"{flight}/{seat}"
        try:
            self.board.book(session, flight, str(seat), request)
            self.promised[request] = place
        except SeatTaken:
            self.refused[request] = place
        finally:
            self.calls += 1


class Complaints(logging.Handler):
    """Counts what the patterns log, in place of showing it."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1

    def __enter__(self) -> "Complaints":
        logging.getLogger("redis_lab").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("redis_lab").removeHandler(self)


class GameDay:
    """The load, the faults and the accounts of one game day.

    lab: a Sentinel group or a Cluster; board: Board, or a class or function called like it;
    client: arguments of lab.client() for the boards, such as socket_timeout; seed: of the order of
    the faults, and of which primary each strikes; faults: by name, functions of this day.
    patience: seconds after its due time in which a call has to be answered.
    """

    def __init__(
        self,
        lab: Topology,
        board: Callable[..., Board] = Board,
        *,
        seed: int,
        client: Mapping[str, Any] | None = None,
        faults: Mapping[str, Callable[["GameDay"], None]] = FAULTS,
        patience: float = 0.5,
    ):
        if lab.shape not in ("sentinel", "cluster"):
            raise ValueError(f"lab: a Sentinel group or a Cluster, not {lab.shape}")
        self.lab, self.patience, self.ended = lab, patience, False
        self.chance = random.Random(seed)
        self.order = self.chance.sample(sorted(faults), len(faults))
        self._faults = faults
        self.happened: list[tuple[str, float, float]] = []
        self.charged: dict[str, str] = {}
        self.origin = Origin()
        self.boards = [
            board(lab.client(**(client or {})), airport, self._timetable, self._pay)
            for airport in AIRPORTS
        ]
        self.desks = [Desk(each) for each in self.boards]
        self._looks = [Probe(each, self._look, LOOK, limit=240) for each in self.boards]
        self._sales = [Probe(None, desk.sell, SELL, limit=240) for desk in self.desks]
        self.complaints = Complaints()
        self._waiting = Recorder(self._behind, every=0.2, limit=240)

    def run(self) -> "GameDay":
        """All faults, each after a calm, the first after three; then the projectors do the rest."""
        url = (self.lab.sentinels or self.lab.data_nodes)[0].url
        with self.complaints, Crew(url, AIRPORTS, ("A", "B")) as self.crew:
            with ExitStack() as load:
                for probe in (*self._looks, *self._sales):
                    load.enter_context(probe)
                load.enter_context(self._waiting)
                self._opened = time.monotonic()
                self.calm(2 * CALM)
                for name in self.order:
                    self.calm()
                    began = time.time()
                    self._faults[name](self)
                    self.happened.append((name, began, time.time()))
                self.calm()
            wait_until(self._unfinished, 30, "the projectors have done everything")
        self.ended = True
        return self

    # for the faults

    def calm(self, calls: int = CALM) -> None:
        """Until each desk has made up for the calls it is late with, and had so many more.

        More than BACKLOG late ones are not waited for: such a desk is too slow for its rate.
        """
        due = int((time.monotonic() - self._opened) / SELL)
        wanted = [min(max(desk.calls, due), desk.calls + BACKLOG) + calls for desk in self.desks]

        def missing() -> str:
            left = sum(max(0, n - desk.calls) for n, desk in zip(wanted, self.desks, strict=True))
            return f"{left} calls" if left else ""

        wait_until(missing, 60, "calm")

    # the accounts

    def frame(self, kind: str) -> pd.DataFrame:
        """A row for each call of the screens ("looks") or desks ("bookings"), by due time.

        Columns of a Probe, and airport, served: answered, and within the patience.
        """
        probes = {"looks": self._looks, "bookings": self._sales}[kind]
        frames = [
            probe.frame().assign(airport=airport)
            for probe, airport in zip(probes, AIRPORTS, strict=True)
        ]
        frame = pd.concat(frames, ignore_index=True).sort_values("intended", ignore_index=True)
        return frame.assign(served=frame.ok & (frame.latency <= self.patience))

    def timeline(self, every: float = 0.25) -> pd.DataFrame:
        """How many percent of the calls that were due were served, in steps of `every` seconds.

        Columns: at (unix seconds), looks_percent, bookings_percent, and waiting: bookings that no
        projector had counted, missing where nobody could ask. For show.panels, with marks().
        """
        looks, bookings = self.frame("looks"), self.frame("bookings")
        zero = min(looks.intended.min(), bookings.intended.min())
        served = {
            f"{kind}_percent": 100 * frame.groupby((frame.intended - zero) // every).served.mean()
            for kind, frame in (("looks", looks), ("bookings", bookings))
        }
        table = pd.DataFrame(served).reset_index(names="step")
        table.insert(0, "at", zero + table.pop("step") * every)
        known = self._waiting.frame()[["at", "waiting"]].dropna()
        return pd.merge_asof(table, known, on="at", direction="nearest", tolerance=2 * every)

    def marks(self, named: bool = True) -> dict[float, str]:
        """When each fault struck (unix seconds): its name, or its number in the order."""
        struck = enumerate(self.happened, start=1)
        return {began: name if named else str(number) for number, (name, began, _) in struck}

    def bill(self) -> pd.Series:
        """Availability in percent, p99 in ms, and what was lost, sold or charged wrongly."""
        looks, bookings = self.frame("looks"), self.frame("bookings")
        sold = self._sold()
        promised = {
            request: place for desk in self.desks for request, place in desk.promised.items()
        }
        places = pd.Series(promised, dtype=object)
        return pd.Series(
            {
                "looks, %": 100 * looks.served.mean(),
                "bookings, %": 100 * bookings.served.mean(),
                "looks, p99 ms": 1000 * looks.latency.quantile(0.99),
                "bookings, p99 ms": 1000 * bookings.latency.quantile(0.99),
                "promised": len(promised),
                "lost": sum(request not in sold for request in promised),
                "sold twice": int((places.value_counts() > 1).sum()),
                "charged, no seat": len(self.charged.keys() - sold.keys()),
                "counted wrongly": self._miscounted(sold),
            }
        )

    def _sold(self) -> dict[str, str]:
        """The request that has each seat, as the surviving servers have it."""
        events = (event for board in self.boards for event in board.bookings.all_events())
        return {event.data["request"]: event.aggregate_id for event in events}

    def _miscounted(self, sold: Mapping[str, str]) -> int:
        flights = pd.Series([place.partition("/")[0] for place in sold.values()], dtype=object)
        by_flight = flights.value_counts()
        pairs = zip(self.boards, self.desks, strict=True)
        shown = {flight: board.taken(flight) for board, desk in pairs for flight in desk.flights}
        return sum(abs(count - by_flight.get(flight, 0)) for flight, count in shown.items())

    def _unfinished(self) -> str:
        left = self._behind()["waiting"]
        return f"{left} bookings{self.crew.ended()}" if left else ""

    def _behind(self) -> dict[str, float]:
        workers = [self.crew.worker(board) for board in self.boards]
        return {"waiting": sum(each.lag() + each.pending() for each in workers)}

    # the load

    def _look(self, board: Board, number: int) -> None:
        board.departures(f"screen {number % 8}")

    def _timetable(self, airport: str, day: str) -> list[dict[str, Any]]:
        _, month, date = day.split("-")
        columns, where = "id, scheduled, carrier, dest", "origin = ? AND month = ? AND day = ?"
        query = f"SELECT {columns} FROM flights WHERE {where} ORDER BY scheduled LIMIT 40"
        return self.origin.ask(query, airport, int(month), int(date))

    def _pay(self, booking: Booking) -> None:
        self.charged[booking.request] = f"{booking.flight}/{booking.seat}"
