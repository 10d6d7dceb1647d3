"""What the course types is sent to another server as it stands, and compared without noise."""

import json

import pandas as pd
import pytest
import record_valkey
from redis.exceptions import ConnectionError

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
    assert not course.command.str.upper().str.match("QUIT|CLIENT KILL").any()  # replay() would stop


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


def test_the_order_of_a_scan_is_not_compared(lab):
    """Two servers hash differently; of an incomplete scan not even the first names are the same."""
    names = [f"{letter}{number}" for letter in "abc" for number in range(10)]
    lines = commands(
        f"MSET {' 1 '.join(names)} 1", "SCAN 0", "SCAN 0 COUNT 99", f"SADD all {' '.join(names)}",
        "SSCAN all 0 COUNT 999", "SCAN 0 MATCH a1 COUNT 99",
    )  # fmt: skip
    one = replay(lab, lines)
    with rl.standalone() as second:
        other = replay(second, lines)
    assert not differ(one, other).any()
    assert one.said.isna().tolist() == [False, True, False, False, False, False]
    assert one.said[5] == "[[b'a1'], b'0']"


def test_a_server_that_is_lost_is_not_one_that_runs_everything():
    """A password that is refused is an answer, though redis-py takes it for a lost connection."""
    with rl.standalone() as lab:
        said = replay(lab, commands("AUTH nobody wrong", "SET gate A1")).said
        assert list(said) == ["error: AuthenticationError", "b'OK'"]
        with pytest.raises(ConnectionError):
            replay(lab, commands("SET gate A1", "SHUTDOWN NOSAVE", "GET gate"))


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
    kept = json.loads((tmp_path / "kept.json").read_text())
    assert kept == {"server": "valkey 9.0", "numbers": {"a": 2.5}}


def test_the_record_is_of_one_server(tmp_path, monkeypatch):
    """Its name is always written; another's is refused, and of two Valkeys its own is taken."""
    kept = tmp_path / "kept.json"
    monkeypatch.setenv("REDIS_LAB_RECORD", str(kept))
    kept.write_text('{"notebooks": {}}')
    complete("one", pd.DataFrame({"valkey 8.0.1": {"a": 1}}))
    written = json.loads(kept.read_text())
    assert written == {"notebooks": {}, "server": "valkey 8.0.1", "one": {"a": 1}}
    with pytest.raises(ValueError, match=r"the record of valkey 8\.0\.1, and here is valkey 9\.0"):
        complete("one", pd.DataFrame({"valkey 9.0": {"a": 2}}))
    assert json.loads(kept.read_text()) == written
    complete("two", pd.DataFrame({"valkey 7.2": {"a": 3}, "valkey 8.0.1": {"a": 4}}))
    assert json.loads(kept.read_text()) == written | {"two": {"a": 4}}


def test_recording_with_another_server_takes_all_of_it(tmp_path, monkeypatch):
    """Nothing of the old one stays, and some notebooks alone are refused."""
    kept, server = tmp_path / "kept.json", tmp_path / "valkey-server"
    server.write_text("#!/bin/sh\necho Valkey server v=9.0.0 malloc=libc\n")
    server.chmod(0o755)
    monkeypatch.setattr(record_valkey, "KEPT", kept)
    monkeypatch.setattr(record_valkey, "whole", lambda path, server: True)
    monkeypatch.setattr(record_valkey, "execute", lambda *ignored: None)
    old = {"server": "valkey 8.0.1", "notebooks": {"99": "gone"}, "miles": {"a": 1}}
    kept.write_text(json.dumps(old))
    with pytest.raises(SystemExit, match=r"the record of valkey 8\.0\.1, not of valkey 9\.0\.0"):
        record_valkey.main(str(server), ["01"])
    assert json.loads(kept.read_text()) == old
    record_valkey.main(str(server), [])
    written = json.loads(kept.read_text())
    assert written["server"] == "valkey 9.0.0" and list(written) == ["server", "notebooks"]
    assert "01" in written["notebooks"] and "99" not in written["notebooks"]
    kept.write_text(json.dumps(written | {"miles": {"a": 2}}))
    record_valkey.main(str(server), ["01"])
    assert json.loads(kept.read_text()) == written | {"miles": {"a": 2}}


def test_the_record_has_every_table_that_the_notebook_asks_for():
    """Else a machine without Valkey would stop in the middle of the notebook."""
    (entry,) = (each for each in elsewhere.notebooks() if each.number == "82")
    source = entry.path.read_text()
    tables = {"names", "commands", "otherwise", "miles", "freed", "chapters", "able", "notebooks"}
    assert tables < set(recorded())
    assert all(f'\\"{name}\\"' in source for name in tables)
