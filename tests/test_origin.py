"""The SQLite file in front of which the course puts its caches."""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context

import pytest

from redis_lab import data
from redis_lab.data.origin import PREFIX


@pytest.fixture
def origin(tmp_path, monkeypatch):
    """An origin of its own, in a folder of its own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with data.Origin() as origin:
        yield origin


def test_it_answers_what_the_data_says(origin):
    """All flights are there, and a plane's year is that of pandas."""
    flights = data.flights()
    tail = flights.tailnum.value_counts().index[0]
    own = flights[flights.tailnum == tail].dep_delay
    assert origin.ask("SELECT count(*) AS n FROM flights") == [{"n": len(flights)}]
    assert origin.plane(tail) == {
        "tailnum": tail, "flights": len(own), "late": int((own > 15).sum()),
        "mean": pytest.approx(own.mean(), abs=0.06),
    }  # fmt: skip
    assert origin.plane("none") == {"tailnum": "none", "flights": 0, "late": 0, "mean": None}
    [plan] = origin.ask("EXPLAIN QUERY PLAN SELECT * FROM flights WHERE id = 'a'")
    assert plan["detail"].startswith("SCAN")


def test_calls_are_counted_across_threads_and_processes(origin):
    """Failed ones, too; forget() starts again."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(origin.ask, ["SELECT 1"] * 40))
    child = get_context("fork").Process(target=origin.ask, args=("SELECT 1",))
    child.start()
    child.join()
    other = data.Origin(origin.path)
    with pytest.raises(sqlite3.OperationalError):
        other.ask("SELECT nothing FROM nowhere")
    assert origin.calls == other.calls == 42 == len(origin.log())
    assert set(origin.log().process) == {os.getpid(), child.pid}
    origin.forget()
    assert origin.calls == 0 and origin.log().empty


def test_writes_are_seen_by_others(origin):
    """One table for all who have the path."""
    other = data.Origin(origin.path)
    [before] = other.ask("SELECT dep_delay FROM flights WHERE id = 'UA1545-20130101-EWR'")
    origin.ask("UPDATE flights SET dep_delay = 90 WHERE id = 'UA1545-20130101-EWR'")
    [after] = other.ask("SELECT dep_delay FROM flights WHERE id = 'UA1545-20130101-EWR'")
    assert (before["dep_delay"], after["dep_delay"]) == (2, 90)


def test_closing_removes_the_file_and_only_the_maker_does(tmp_path, monkeypatch):
    """Another user of the path may close as often as it likes; a forked child, too."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    origin = data.Origin()
    data.Origin(origin.path).close()
    child = get_context("fork").Process(target=origin.close)
    child.start()
    child.join()
    assert origin.ask("SELECT 1 AS one") == [{"one": 1}]
    origin.close()
    origin.close()
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError):
        data.Origin(origin.path)
    with ThreadPoolExecutor(1) as pool, pytest.raises(sqlite3.ProgrammingError, match="closed"):
        pool.submit(origin.ask, "SELECT 1").result()


def test_what_a_killed_process_leaves_is_swept(tmp_path, monkeypatch):
    """The next origin removes it, and nothing that lives."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = "from redis_lab import data; kept = data.Origin(); print('ready', flush=True); input()"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, text=True, **pipes)
    assert process.stdout.readline() == "ready\n"
    [left] = tmp_path.glob(f"{PREFIX}*")
    an_hour_ago = time.time() - 3600
    os.utime(left, (an_hour_ago, an_hour_ago))
    with data.Origin():
        assert left.exists()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with data.Origin() as origin:
        assert [origin.path.parent] == list(tmp_path.glob(f"{PREFIX}*"))
