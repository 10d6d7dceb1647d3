"""What a game day leaves behind: one page of figures, and the seats that were lost."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from redis_lab import show
from redis_lab.course.game_day import GameDay
from redis_lab.show.style import style

PLACES = ((0.1, 0.52, 0.87, 0.445), (0.15, 0.265, 0.82, 0.175), (0.25, 0.05, 0.72, 0.125))
WRONG = ["lost", "sold twice", "charged, no seat", "counted wrongly"]


def page(day: GameDay) -> Figure:
    """The page; the faults are numbered in the order in which they struck.

    ValueError for a day that has not run to its end.
    """
    if not day.ended:
        raise ValueError("day: it has not run to its end")
    bill = day.bill()
    with style():
        figure = plt.figure(figsize=(8, 14))
        served, took, wrong = (figure.add_axes(place) for place in PLACES)
    show.panels(
        day.timeline(),
        title=f"In time: {bill['looks, %']:.0f} % of the looks, {bill['bookings, %']:.0f} % of the "
        "bookings",
        marks=day.marks(named=False),
        ax=served,
    )
    waits = {kind: day.frame(kind).latency * 1e6 for kind in ("looks", "bookings")}
    slow = waits["bookings"].quantile(0.9) / 1e6
    title = f"One booking in ten took {slow:.1f} s or more"
    show.latencies({name: list(each) for name, each in waits.items()}, title=title, ax=took)
    title = f"Of {bill['promised']:.0f} promised seats {bill['lost']:.0f} are lost"
    show.bars(bill[WRONG], "bookings", title=title, ax=wrong)
    return figure


def lost(day: GameDay) -> pd.DataFrame:
    """The seats that were promised and are not in the data, by the time of the promise.

    Columns: request, seat, airport, promised (unix seconds), during: the fault, or "a calm".
    """
    kept = {event.data["request"] for board in day.boards for event in board.bookings.all_events()}
    seats = {request: seat for desk in day.desks for request, seat in desk.promised.items()}
    calls = day.frame("bookings").rename(columns={"finished": "promised"})
    calls["request"] = calls.airport + "-" + calls.number.astype(str)
    calls["seat"] = calls.request.map(seats)
    calls["during"] = "a calm"
    for name, began, ended in day.happened:
        calls.loc[calls.promised.between(began, ended), "during"] = name
    gone = calls[calls.seat.notna() & ~calls.request.isin(kept)].sort_values("promised")
    return gone[["request", "seat", "airport", "promised", "during"]].reset_index(drop=True)
