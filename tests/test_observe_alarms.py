"""Rules over samples, rates of counters, readers, and the recorded incident."""

from pathlib import Path

import pandas as pd
import pytest

import redis_lab as rl
from redis_lab import data
from redis_lab.observe import Readers, Recorder, Rule, alarms, rates, suffered

PAGES = {f"page:{number}": "C71" for number in range(50)}


def told(values, rule, every=0.5):
    """The alarms of these values, told every half second: (since, at, until) in seconds."""
    frame = pd.DataFrame({"at": [n * every for n in range(len(values))], "late": values})
    return [tuple(row) for row in alarms(frame, [rule])[["since", "at", "until"]].to_numpy()]


def test_a_rule_fires_after_its_duration_and_ends_with_its_condition():
    """since is the first bad sample, at the one that fires, until the first good one."""
    assert told([0, 9, 9, 9, 9, 0, 0], Rule("late", "late > 5", hold=1)) == [(0.5, 1.5, 2.5)]


def test_one_good_sample_begins_the_duration_anew():
    """Two bad stretches that are too short are no alarm."""
    assert told([9, 9, 0, 9, 9, 0], Rule("late", "late > 5", hold=1)) == []


def test_what_comes_back_before_it_is_clear_is_the_same_alarm():
    """A dip shorter than clear doesn't end it; its end is the first sample of the last dip."""
    values = [9, 9, 9, 0, 9, 9, 0, 0, 0, 0, 9, 9, 9]
    (first, second) = told(values, Rule("late", "late > 5", hold=1, clear=1))
    assert first == (0, 1, 3) and second[:2] == (5, 6) and pd.isna(second[2])


def test_a_missing_number_meets_no_condition_unless_it_asks():
    """late > 5 is silent where nobody measured, late.isna() isn't."""
    values = [0, None, None, None]
    assert told(values, Rule("late", "late > 5")) == []
    assert told(values, Rule("unknown", "late.isna()", hold=1))[0][:2] == (0.5, 1.5)


def test_a_negative_duration_is_refused():
    """hold and clear are seconds."""
    with pytest.raises(ValueError, match="hold and clear"):
        Rule("late", "late > 5", hold=-1)


def test_no_alarm_is_an_empty_table():
    """With its columns, so that it can be counted and joined."""
    assert list(alarms(pd.DataFrame({"at": [1.0], "x": [1]}), [Rule("x", "x > 1")]).columns) == [
        "rule",
        "since",
        "at",
        "until",
    ]


def test_rates_are_per_second_and_unknown_over_a_reset():
    """Over a reset no counter has a rate, also one that has passed its old value since."""
    frame = pd.DataFrame({"at": [0, 2, 3], "hits": [10, 30, 5], "rare": [0, 1, 2]})
    found = rates(frame, ["hits", "rare"])
    assert found.iloc[1].tolist() == [10, 0.5]
    assert found.iloc[[0, 2]].isna().all(axis=None)


def test_a_recorder_has_no_rate_over_a_reset():
    """CONFIG RESETSTAT makes counters fall; that is no negative rate."""
    with rl.standalone() as lab:
        client, steps = lab.client(), []

        def act():
            steps.append(client.config_resetstat() if len(steps) == 3 else client.mget(["x"] * 99))

        with Recorder(lab.client(), every=0.02, then=act) as recorder:
            while len(recorder.frame()) < 8:
                client.ping()
    rated = recorder.frame().commands_s.iloc[1:]
    assert rated.isna().any() and (rated.dropna() >= 0).all()


def test_readers_fill_the_cache_and_go_on_without_a_server():
    """First from the origin, then from the cache; when the server is gone, errors."""
    with rl.standalone() as lab:
        client = lab.client()
        with Readers(lab.url, PAGES, rate=400, cost=0.001, name="readers") as readers:
            readers.wait(200)
            assert "readers" in {each["name"] for each in client.client_list()}
            assert client.dbsize() > 20
            lab.kill(lab.nodes[0])
            readers.wait(200)
    frame = readers.frame()
    assert not frame.hit.iloc[0] and frame.hit[frame.error == ""].iloc[-20:].any()
    assert (frame.error != "").sum() > 100 and frame["at"].is_monotonic_increasing
    with pytest.raises(RuntimeError, match="once"):
        readers.__enter__()


@pytest.mark.parametrize("wrong", [{"rate": 0}, {"cost": -1}, {"workers": 0}])
def test_readers_without_sense_are_refused(wrong):
    """Before a process is started."""
    with pytest.raises(ValueError, match="above 0"):
        Readers("redis://127.0.0.1:1", PAGES, **wrong)


def test_what_readers_suffered_is_told_for_each_moment():
    """Late are those over the limit and those that failed; nobody asked is no percentage."""
    pages = pd.DataFrame(
        {
            "at": [0.1, 0.2, 0.3, 0.4, 2.5],
            "wait": [0.01, 0.2, 0.01, 0.01, 0.01],
            "hit": True,
            "error": ["", "", "TimeoutError", "", ""],
        }
    )
    frame = suffered(pages, [0, 1, 2, 3])
    assert frame.late_percent.iloc[1] == 50 and pd.isna(frame.late_percent.iloc[2])
    assert frame.pages_s.tolist()[1:] == [4, 0, 1] and frame.failed_s.tolist()[1:] == [1, 0, 0]


def test_the_recording_is_small_and_has_two_runs():
    """Two samples a second, a truth beside it, and errors where the server was away."""
    record, truth = data.incident(), data.incident_truth()
    assert set(record.run) == set(truth.run) == {"quiet", "incident"}
    assert record.error.map(type).eq(str).all() and (record.error != "").any()
    for _, part in record.groupby("run"):
        assert part["at"].is_monotonic_increasing and 0.4 < part["at"].diff().median() < 0.6
    folder = Path(data.__file__).parent
    files = ("incident.csv.xz", "incident_truth.csv")
    assert sum((folder / name).stat().st_size for name in files) < 60_000


def test_the_recording_shows_what_its_notebook_claims():
    """Silent on the quiet day; each of three faults is followed by late pages within 25 s."""
    record, truth = data.incident(), data.incident_truth()
    quiet, incident = (record[record.run == run] for run in ("quiet", "incident"))
    rule = Rule("readers wait", "late_percent > 5", hold=3, clear=5)
    assert alarms(quiet, [rule]).empty
    woken = alarms(incident, [rule])
    done = truth[truth.run == "incident"]["at"].tolist()[1:4]
    assert len(woken) == 3
    assert all(0 < at - fault < 25 for at, fault in zip(woken["at"], done, strict=True))
    assert (quiet.uptime_in_seconds.diff().dropna() >= 0).all()
    assert (quiet.total_commands_processed.diff() < 0).sum() == 1  # CONFIG RESETSTAT
    assert incident.uptime_in_seconds.dropna().diff().min() < 0  # the restart
    assert incident.maxmemory.iloc[0] > 0 and incident.maxmemory.iloc[-1] == 0
