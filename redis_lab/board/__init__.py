"""The departures board: the service of notebook 90, assembled from redis_lab.patterns.

Open the files: board.py is what screens and desks call, projector.py what follows the bookings,
rights.py what each of them may do.
"""

from redis_lab.board.board import Board, Booking, LoggedOut, SeatTaken
from redis_lab.board.projector import projector
from redis_lab.board.rights import RIGHTS

__all__ = ["RIGHTS", "Board", "Booking", "LoggedOut", "SeatTaken", "projector"]
