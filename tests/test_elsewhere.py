"""What the course types is sent to another server as it stands, and compared without noise."""

import json

import pandas as pd
import pytest

import redis_lab as rl
from redis_lab.course import elsewhere
from redis_lab.course.elsewhere import complete, differ, recorded, replay, typed


def commands(*lines, notebook="01"):
    return pd.DataFrame({"notebook": notebook, "command": lines})


@pytest.fixture
def lab():
    with rl.standalone() as lab:
        yield lab


def test_typed_are_the_commands_of_the_notebooks():
    """In order, by chapter, without comments, and without what blocks or streams."""
    course = typed()
    assert list(course.columns) == ["notebook", "chapter", "command", "errors"]
    assert course.notebook.is_monotonic_increasing and len(course) > 400
    assert {"01", "21", "67"} <= set(course.notebook) and not {"10", "62", "82"} & set(
        course.notebook
    )
    assert course.chapter.notna().all() and not course.command.str.match("#|BLPOP|MONITOR").any()
    assert course.errors.any() and not course.errors.all()


def test_each_notebook_has_an_empty_server(lab):
    """What one notebook wrote, the next one does not see."""
    both = pd.concat([commands("SET gate A1"), commands("GET gate", notebook="02")])
    assert list(replay(lab, both.reset_index(drop=True)).said) == ["b'OK'", "None"]


def test_a_refusal_is_told_from_an_error(lab):
    """Unknown, denied and a cluster's are refusals; a wrong type is none."""
    lines = commands("NOSUCH 1", "CONFIG NOSUCH", "SET gate A1", "INCR gate", "CONFIG GET save")
    assert list(replay(lab, lines).refused) == ["unknown", "unknown", "", "", ""]
    assert list(replay(lab, lines, "+@all -config").refused)[1:] == ["unknown", "", "", "denied"]
    with rl.cluster(primaries=1, replicas=0) as cluster:
        said = replay(cluster, commands("MSET gate A1 seats 50", "SELECT 1", "SET gate A1"))
    assert list(said.refused) == ["cluster", "cluster", ""]


def test_clocks_and_chance_are_not_compared(lab):
    """A server sent the same twice differs from itself in nothing."""
    lines = commands(
        "SET gate A1 EX 60", "TTL gate", "EXPIRETIME gate", "XADD log * flight UA1545",
        "INFO server", "SADD standby Ada Ben Cleo", "SRANDMEMBER standby", "SMEMBERS standby",
        "SPOP standby",
    )  # fmt: skip
    one, other = replay(lab, lines), replay(lab, lines)
    assert not differ(one, other).any()


def test_another_answer_is_seen(lab):
    """A value that is not the same is a difference; two errors of one kind are none."""
    one = replay(lab, commands("SET gate A1", "GET gate", "LPUSH gate 1"))
    other = replay(lab, commands("SET gate B2", "GET gate", "SADD gate 1"))
    assert list(differ(one, other)) == [False, True, False]


def test_without_valkey_its_column_is_the_recorded_one():
    """And its head says so."""
    table = complete("miles", pd.DataFrame({"redis 8.0": {"miles:ann": "50"}}))
    assert list(table) == ["redis 8.0", f"{recorded()['server']}, recorded"]
    assert list(table.loc["miles:ann"]) == ["50", "100"]


def test_a_valkey_that_is_there_is_written_down_when_asked(tmp_path, monkeypatch):
    """REDIS_LAB_RECORD names the file; without it nothing is written."""
    live = pd.DataFrame({"redis 8.0": {"a": 1}, "valkey 9.0": {"a": 2.5}})
    assert complete("numbers", live) is live
    monkeypatch.setenv("REDIS_LAB_RECORD", str(tmp_path / "kept.json"))
    complete("numbers", live)
    assert json.loads((tmp_path / "kept.json").read_text())["numbers"] == {"a": 2.5}


def test_the_record_has_every_table_that_the_notebook_asks_for():
    """Else a machine without Valkey would stop in the middle of the notebook."""
    (entry,) = (each for each in elsewhere.notebooks() if each.number == "82")
    source = entry.path.read_text()
    tables = {"names", "commands", "otherwise", "miles", "freed", "chapters", "able", "notebooks"}
    assert tables < set(recorded())
    assert all(f'\\"{name}\\"' in source for name in tables)
