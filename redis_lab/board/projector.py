"""The projectors: they follow the bookings, and keep what the screens show of them.

What is counted and that it was counted happen in one transaction, so a booking is counted once,
whichever projector dies when.
"""

from redis_lab.board.board import Board, taken_key
from redis_lab.patterns import StreamWorker
from redis_lab.patterns.event import of_all
from redis_lab.patterns.handling import Effects


def projector(board: Board, name: str) -> StreamWorker:
    """One of the board's projectors, by its name; run() it in a process of its own."""

    def project(number: str, fields: dict[str, str], effects: Effects) -> None:
        flight, _, seat = of_all((number, fields)).aggregate_id.partition("/")
        effects.hincrby(taken_key(board.name), flight, 1)
        board.busiest.increment_in(effects, flight, 1)
        effects.spublish(f"{{{board.name}}}:news", f"{flight} {seat}")

    stream = board.bookings.stream
    return StreamWorker(
        board.client, stream, "projectors", name, project, batch=20, min_idle=1.0, idempotent=True
    )
