"""The flight data of the course: every departure from New York's three airports in 2013.

Each call returns a pandas DataFrame of your own: change it, and the next caller still sees the
source. A file is read once per process. Origin: US Bureau of Transportation Statistics, FAA, NOAA
and OpenFlights, collected in nycflights13; licence CC0. All columns: README.md beside this file.

For Redis take rows with `frame.to_dict("records")`, a column with `.tolist()`: both give Python's
own str, int and float (a time stays a Timestamp). redis-py refuses missing text and integers,
`pd.NA` or None; missing floats, in weather alone, are NaN, which it stores as the text "nan".
"""

from functools import cache
from importlib.resources import files
from operator import index

import numpy as np
import pandas as pd

from redis_lab.data.origin import Origin

__all__ = [
    "Origin", "airlines", "airports", "flights", "incident", "incident_truth", "planes", "weather",
]  # fmt: skip

# Text is text, not a category: a category still lists the carriers that a filter has removed.
# Columns with gaps take nullable types: a delay stays 2, where a float column makes it 2.0.
# tailnum has no gaps in planes, but a merge keeps its type only if both sides agree.
_NULLABLE = {
    "airlines.csv": {},
    "airports.csv": {"tzone": "string"},
    "flights.csv.xz": {"tailnum": "string"}
    | dict.fromkeys(("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"), "Int64"),
    "planes.csv.xz": {"tailnum": "string", "year": "Int64", "speed": "Int64"},
    "weather.csv.xz": {"wind_dir": "Int64"},
    "incident.csv.xz": {},
    "incident_truth.csv": {},
}


def flights(month: int | None = None, limit: int | None = None) -> pd.DataFrame:
    """Departures in the order of their scheduled time: the year's 336,776, or those of one month.

    `month` is 1 to 12; `limit` keeps the first rows. `id` ("UA1545-20130101-EWR") is unique: a few
    numbers leave two airports on one day. `scheduled` is New York's local time, without a zone;
    `dep_time`, `arr_time` and their `sched_` twins are hhmm, local to the airport (up to 2400);
    delays and `air_time` are minutes, `distance` is miles. A cancelled flight has no `dep_time`.

    Raises TypeError for an argument that is no whole number, ValueError for one out of range.
    """
    if month is not None and not 1 <= _whole(month, "month") <= 12:
        raise ValueError(f"month must be 1 to 12, not {month}")
    if limit is not None and _whole(limit, "limit") < 0:
        raise ValueError(f"limit must be 0 or more, not {limit}")
    frame = _table("flights.csv.xz")
    if month is not None:
        frame = frame[frame["month"] == month]
    return frame[:limit].reset_index(drop=True).copy()


def airports() -> pd.DataFrame:
    """1,458 airports of the United States: FAA code (`faa`), name and place.

    `lat` and `lon` are degrees, `alt` feet, `tz` hours from UTC. Four destinations are not in it
    (BQN, PSE, SJU, STT), and the source puts three airports in Asia or the Arctic (DVT, EEN, MYF).
    """
    return _table("airports.csv").copy()


def airlines() -> pd.DataFrame:
    """The 16 carriers: two-character `carrier` code and name."""
    return _table("airlines.csv").copy()


def planes() -> pd.DataFrame:
    """The 3,322 aircraft found in the FAA's register: `tailnum`, `year` built, model, `seats`, …

    `speed` is mph, known for 23. More than one flight in seven has no aircraft in this table.
    """
    return _table("planes.csv.xz").copy()


def weather() -> pd.DataFrame:
    """Hourly weather at EWR, JFK and LGA: 26,115 rows, by airport, then by time.

    `time_hour` is UTC; year, month, day and hour are New York's. `temp` and `dewp` are °F, `humid`
    percent, `wind_dir` degrees, `wind_speed` and `wind_gust` mph, `precip` inches, `pressure` mbar,
    `visib` miles. One wind speed is an error of the source: 1,048 mph at EWR on 12 February.
    """
    return _table("weather.csv.xz").copy()


def incident() -> pd.DataFrame:
    """Two recorded runs of a server under load, `run` "quiet" and "incident": two samples a second.

    `at` counts seconds from the begin of its run; `error` is "" where the server answered. Then
    come INFO's counters and levels as they were told, `…_calls` and `…_usec` of commands,
    `…_clients` and `…_waiting_bytes` (omem) by client name, and what readers felt, as
    observe.suffered has it: `pages_s`, `late_percent` (over 50 ms, or failed), `p99_ms`,
    `failed_s`. tests/record_incident.py made it; incident_truth() tells what was done when.
    """
    return _table("incident.csv.xz").copy()


def incident_truth() -> pd.DataFrame:
    """What was done to the server of incident(), and when: `run`, `at` (its seconds), `what`."""
    return _table("incident_truth.csv").copy()


@cache
def _table(file: str) -> pd.DataFrame:
    with (files(__name__) / file).open("rb") as stream:
        packed = "xz" if file.endswith(".xz") else None
        frame = pd.read_csv(stream, compression=packed, dtype=_NULLABLE[file])
    if "error" in frame:
        frame["error"] = frame["error"].fillna("")
    if "time_hour" in frame:
        frame["time_hour"] = pd.to_datetime(frame["time_hour"]).astype("datetime64[s, UTC]")
    return _scheduled(frame) if "sched_dep_time" in frame else frame


def _scheduled(frame: pd.DataFrame) -> pd.DataFrame:
    """The flights with `id` and `scheduled` in front, in the order of `scheduled`."""
    midnight = pd.to_datetime(frame[["year", "month", "day"]]).to_numpy("datetime64[s]")
    minutes = frame["sched_dep_time"] // 100 * 60 + frame["sched_dep_time"] % 100
    date = frame["year"] * 10_000 + frame["month"] * 100 + frame["day"]
    columns = (frame["carrier"], frame["flight"], date, frame["origin"])
    rows = zip(*(column.tolist() for column in columns), strict=True)
    ids = [f"{carrier}{flight}-{day}-{origin}" for carrier, flight, day, origin in rows]
    frame.insert(0, "id", pd.Series(ids, dtype=frame["carrier"].dtype))
    frame.insert(1, "scheduled", midnight + minutes.to_numpy() * np.timedelta64(60, "s"))
    return frame.sort_values("scheduled", kind="stable", ignore_index=True)


def _whole(value: int, argument: str) -> int:
    """The value as an int; bool is refused, since `limit=True` is a slip, not one row."""
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        return index(value)
    except TypeError:
        raise TypeError(f"{argument} must be a whole number or None, not {value!r}") from None
