import subprocess
import sys
import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from redis_lab import data

TABLES = {
    "airlines": (16, "carrier name"),
    "airports": (1_458, "faa name lat lon alt tz dst tzone"),
    "flights": (
        336_776,
        "id scheduled year month day dep_time sched_dep_time dep_delay arr_time sched_arr_time "
        "arr_delay carrier flight tailnum origin dest air_time distance",
    ),
    "planes": (3_322, "tailnum year type manufacturer model engines seats speed engine"),
    "weather": (
        26_115,
        "origin year month day hour temp dewp humid wind_dir wind_speed wind_gust precip "
        "pressure visib time_hour",
    ),
}
CALLS = [getattr(data, name) for name in TABLES]


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    return data.flights()


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_all_rows_and_columns(name):
    """Each table has the rows and the columns that the README promises, numbered from 0."""
    frame = getattr(data, name)()
    rows, columns = TABLES[name]
    assert list(frame.columns) == columns.split()
    assert frame.index.equals(pd.RangeIndex(rows))


@pytest.mark.parametrize("call", CALLS)
def test_no_integer_turns_into_a_float(call):
    """Integers with gaps are Int64, without gaps int64; a float column holds true fractions."""
    frame = call()
    for name, column in frame.items():
        if pd.api.types.is_integer_dtype(column):
            assert column.dtype == ("Int64" if column.isna().any() else "int64"), name
        elif pd.api.types.is_float_dtype(column):
            assert column.dtype == "float64", name
            assert (column.dropna() % 1 != 0).any(), name


@pytest.mark.parametrize("call", CALLS)
def test_text_is_text(call):
    """What is neither number nor time is plain text, never a category."""
    frame = call()
    for name, column in frame.items():
        if not pd.api.types.is_numeric_dtype(column) and column.dtype.kind != "M":
            assert not isinstance(column.dtype, pd.CategoricalDtype), name
            assert {type(value) for value in column.dropna()} == {str}, name


@pytest.mark.parametrize("call", [data.airports, data.flights, data.planes])
def test_a_missing_value_is_one_that_redis_py_refuses(call):
    """Outside weather's floats a missing value is pd.NA, never a NaN that Redis would store."""
    frame = call()
    gaps = [name for name in frame if frame[name].isna().any()]
    assert gaps
    for name in gaps:
        assert frame[name][frame[name].isna()].iloc[0] is pd.NA, name


def test_records_fit_into_redis(flights):
    """to_dict("records") gives str, int and None, never numpy's numbers."""
    rows = flights.drop(columns="scheduled")[::50].to_dict("records")
    values = [value for row in rows for value in row.values() if pd.notna(value)]
    assert {type(value) for value in values} == {str, int}


def test_flights_come_in_scheduled_order(flights):
    """Rows are ordered by scheduled departure, which year, month, day and sched_dep_time give."""
    assert flights["scheduled"].is_monotonic_increasing
    assert flights["scheduled"].dtype == "datetime64[s]"
    written = flights["scheduled"].dt.strftime("%Y%m%d%H%M").astype("int64")
    parts = flights[["year", "month", "day", "sched_dep_time"]]
    assert (written == (parts * [10**8, 10**6, 10**4, 1]).sum(axis=1)).all()
    assert flights["scheduled"].iloc[0] == pd.Timestamp("2013-01-01 05:15")
    assert flights["scheduled"].iloc[-1] == pd.Timestamp("2013-12-31 23:59")


def test_flights_of_one_minute_come_as_they_left(flights):
    """Flights scheduled for the same minute keep the source's order: as they left."""
    same_minute = flights["scheduled"].diff() == pd.Timedelta(0)
    assert same_minute.sum() > 100_000
    assert not (flights["dep_time"].diff()[same_minute] < 0).any()


def test_scheduled_is_never_ambiguous_in_new_york(flights):
    """No flight is scheduled in an hour that daylight saving skips or repeats."""
    local = flights["scheduled"].dt.tz_localize("America/New_York", ambiguous="raise")
    assert local.dt.tz_convert("UTC").is_monotonic_increasing


def test_the_id_names_one_flight(flights):
    """A flight's id is unique, and is made of carrier, number, day and origin."""
    assert flights["id"].is_unique
    first = flights.iloc[0]
    assert first["id"] == "UA1545-20130101-EWR"
    assert (first["carrier"], first["flight"], first["origin"]) == ("UA", 1545, "EWR")
    assert flights["id"].str.fullmatch(r"[A-Z0-9]{2}\d{1,4}-2013\d{4}-(EWR|JFK|LGA)").all()


def test_cancelled_flights_are_there(flights):
    """8,255 flights never left: no departure, no delay, no time in the air."""
    cancelled = flights[flights["dep_time"].isna()]
    assert len(cancelled) == 8_255
    assert cancelled[["dep_delay", "arr_time", "arr_delay", "air_time"]].isna().all(axis=None)


def test_flights_refer_to_the_other_tables(flights):
    """Carriers and origins are in their tables; four destinations and some aircraft are not."""
    faa = set(data.airports()["faa"])
    assert set(flights["carrier"]) == set(data.airlines()["carrier"])
    assert set(flights["origin"]) == set(data.weather()["origin"]) == {"EWR", "JFK", "LGA"}
    assert set(flights["origin"]) <= faa
    assert set(flights["dest"]) - faa == {"BQN", "PSE", "SJU", "STT"}
    unknown = ~flights["tailnum"].isin(data.planes()["tailnum"])
    assert 1 / 7 < unknown.mean() < 1 / 6


def test_keys_are_unique():
    """Each small table has one row for each of its keys."""
    assert data.airlines()["carrier"].is_unique
    assert data.airports()["faa"].is_unique
    assert data.planes()["tailnum"].is_unique
    assert not data.weather().duplicated(["origin", "time_hour"]).any()


def test_planes_merge_on_the_tail_number():
    """A merge of flights with planes keeps tailnum's type."""
    merged = data.flights(limit=100).merge(data.planes(), on="tailnum", how="left")
    assert len(merged) == 100
    assert merged["tailnum"].dtype == "string"


def test_weather_hours_are_utc_and_new_york():
    """time_hour is UTC, and the same moment as year, month, day and hour in New York."""
    weather = data.weather()
    assert weather["time_hour"].dtype == "datetime64[s, UTC]"
    local = weather["time_hour"].dt.tz_convert("America/New_York").dt
    for part in ("year", "month", "day", "hour"):
        assert (getattr(local, part) == weather[part]).all()


def test_months_cut_the_year_without_loss(flights):
    """The twelve months, one after another, are the year."""
    months = [data.flights(month=month) for month in range(1, 13)]
    assert all(set(frame["month"]) == {n} for n, frame in enumerate(months, start=1))
    assert all(frame.index.equals(pd.RangeIndex(len(frame))) for frame in months)
    assert all(a["scheduled"].max() < b["scheduled"].min() for a, b in pairwise(months))
    pd.testing.assert_frame_equal(pd.concat(months, ignore_index=True), flights)


@pytest.mark.parametrize("limit", [0, 1, 1_000, np.int64(7), 336_776, 10**9])
def test_limit_keeps_the_first_rows(flights, limit):
    """limit=n gives the first n rows, or all where there are fewer."""
    pd.testing.assert_frame_equal(data.flights(limit=limit), flights.head(limit))


def test_limit_counts_within_the_month():
    """With a month, limit counts the rows of that month."""
    frame = data.flights(month=12, limit=3)
    pd.testing.assert_frame_equal(frame, data.flights(month=12).head(3))
    assert len(frame) == 3


@pytest.mark.parametrize("argument", ["month", "limit"])
@pytest.mark.parametrize("value", ["x", "1", 1.0, True, np.True_, [1], np.array([1, 2])])
def test_no_whole_number_is_a_type_error(argument, value):
    """What is no whole number raises a TypeError that names the argument."""
    with pytest.raises(TypeError, match=f"^{argument} must be"):
        data.flights(**{argument: value})


@pytest.mark.parametrize(("argument", "value"), [("month", 0), ("month", 13), ("limit", -1)])
def test_out_of_range_is_a_value_error(argument, value):
    """A number out of range raises a ValueError that names the argument and shows the number."""
    with pytest.raises(ValueError, match=f"^{argument} must be .*not {value}$"):
        data.flights(**{argument: value})


@pytest.mark.parametrize("call", [*CALLS, lambda: data.flights(month=3)])
def test_a_caller_cannot_harm_the_next(call):
    """Whatever a caller does to cells, arrays, columns or labels, the next call sees the source."""
    before, mine = call().copy(), call()
    for name in mine:
        array = mine[name].array
        if isinstance(array, pd.arrays.IntegerArray):  # the ones that copy-on-write leaves open
            array[:] = 0
        mine.loc[:, name] = mine[name].iloc[-1]
    mine["more"] = 1
    mine.columns.name = mine.index.name = "mine"
    after = call()
    pd.testing.assert_frame_equal(after, before)
    assert after.index.name is None and after.columns.name is None


@pytest.mark.parametrize("call", CALLS)
def test_a_file_is_read_once(call, monkeypatch):
    """The second call reads no file."""
    first = call()
    monkeypatch.setattr(pd, "read_csv", None)
    pd.testing.assert_frame_equal(call(), first)


def test_the_tables_load_from_a_zip(tmp_path: Path):
    """The files are found as package resources, also where there is no folder to look into."""
    package = Path(data.__file__).parents[1]
    archive = tmp_path / "redis_lab.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in [package / "__init__.py", *Path(data.__file__).parent.glob("*.*")]:
            packed.write(path, Path("redis_lab") / path.relative_to(package))
    program = (
        f"import sys; sys.path.insert(0, {str(archive)!r}); from redis_lab import data; "
        "assert '.zip' in data.__file__; print(len(data.airlines()), len(data.planes()))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd="/")
    assert run.stdout.split() == ["16", "3322"], run.stderr
