"""Bad input and bad luck: each gives one clear error, loses nothing, and leaves nothing."""

import json
import os
import re
import shutil
import socket
import subprocess

import pytest
import redis

import redis_lab as rl
from redis_lab.lab import guard, processes

SHAPES = ["standalone", "replicated", "sentinel", "cluster", "secure"]
CLEAR = """
import os, tempfile
def clear(start):
    "The one error that a start gives, with nothing left."
    try: lab = start()
    except rl.LabUnavailable as error: print(error)
    else: print("started", lab.client().set("a", "b"), lab.stop())
    left = [name for name in os.listdir(tempfile.gettempdir()) if name.startswith("redis-lab-")]
    print(left, rl.lab.running())
"""


# ports


@pytest.fixture
def listener():
    """A socket of another program on a port, that never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening


def choose(monkeypatch, *ports):
    """Let free_port choose these ports first."""
    chosen, really = list(ports), processes.free_port
    monkeypatch.setattr(processes, "free_port", lambda: chosen.pop(0) if chosen else really())
    return chosen


@pytest.mark.parametrize("shape", SHAPES)
def test_a_port_that_was_taken_is_given_up_for_another(shape, listener, monkeypatch):
    """Between choice and start another program took the port: the node starts on another one."""
    taken = listener.getsockname()[1]
    chosen = choose(monkeypatch, taken, taken)
    with getattr(rl, shape)() as lab:
        assert chosen == [] and taken not in {node.port for node in lab.nodes}
        assert lab.wait_healthy() >= 0 and lab.client().set("a", "b")
        started = [event.node for event in lab.events if event.kind == "start"]
        assert started == [node.name for node in lab.nodes]


@pytest.mark.parametrize("shape", ["standalone", "replicated", "sentinel", "cluster"])
def test_a_stranger_on_the_port_is_never_taken_for_ours(shape, stranger, monkeypatch):
    """A redis-server without password answers our login with OK; it is told by its process id."""
    other = stranger()
    other.client.set("precious", "1")
    before = other.client.config_get("*"), other.client.acl_list()
    chosen = choose(monkeypatch, other.port, other.port, other.port)
    with getattr(rl, shape)() as lab:
        assert chosen == [] and other.port not in {node.port for node in lab.nodes}
        assert {node.info("server")["process_id"] for node in lab.nodes} == {
            str(node.pid) for node in lab.nodes
        }
        lab.client().set("mine", 1)
        lab.flush()
    assert other.client.keys("*") == ["precious"] and other.client.info()["role"] == "master"
    assert (other.client.config_get("*"), other.client.acl_list()) == before


def test_a_port_that_is_always_taken_ends_the_start(listener, monkeypatch, labs_left):
    """Twenty taken ports in a row are one error, and nothing keeps running."""
    taken = listener.getsockname()[1]
    monkeypatch.setattr(processes, "free_port", lambda: taken)
    with pytest.raises(rl.LabUnavailable, match="20 ports in a row were taken by other programs"):
        rl.replicated(replicas=1)
    assert labs_left() == []


def test_a_wrong_directive_after_a_taken_port_is_told_as_such(listener, monkeypatch):
    """What the server said before the retry is not taken for the reason of the second end."""
    taken = listener.getsockname()[1]
    choose(monkeypatch, taken)
    spawn = processes.Processes._spawn

    def spoil(self, node):
        if node.port != taken:
            path = self.folder / node.name / "redis.conf"
            path.write_text(path.read_text() + "no-such-directive 1\n")
        spawn(self, node)

    monkeypatch.setattr(processes.Processes, "_spawn", spoil)
    with pytest.raises(ValueError, match="no-such-directive"):
        rl.standalone()


def test_a_port_taken_while_the_node_was_down_is_told():
    """restart says whose fault it is; once the port is free it works, with the data."""
    with rl.standalone(config={"appendonly": True, "appendfsync": "always"}) as lab:
        lab.client().set("a", "b")
        port = lab.primary.port
        lab.kill("redis-1")
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", port))
            other.listen()
            with pytest.raises(rl.LabUnavailable, match=f"redis-1: port {port} was taken"):
                lab.restart("redis-1")
            assert lab.primary.state == "down"
        lab.restart("redis-1")
        assert lab.primary.port == port and lab.client().get("a") == "b"


def test_a_stranger_on_the_port_of_a_dead_node_is_not_asked(monkeypatch, stranger):
    """While a node is down, what answers on its port is somebody else."""
    with rl.replicated(replicas=1) as lab:
        lab.kill("redis-2")
        monkeypatch.setattr(processes, "free_port", lambda: lab.node("redis-2").port)
        other = stranger()
        before = other.client.acl_list()
        assert lab.node("redis-2").state == "down"
        assert lab.node("redis-2").role == "replica" and lab.replicas == (lab.node("redis-2"),)
        lab.flush()
        lab.partition("redis-2")
        assert other.client.acl_list() == before and other.client.info()["role"] == "master"


# configuration


@pytest.mark.parametrize("shape", SHAPES[:4])
@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"no-such-directive": 1}, ">>> 'no-such-directive 1'"),
        ({"maxmemory": "lots"}, "'maxmemory lots' argument must be a memory value"),
        ({"appendonly": "perhaps"}, "argument must be 'yes' or 'no'"),
    ],
)
def test_a_wrong_directive_is_told_in_the_words_of_the_server(shape, config, words, labs_left):
    """The error is LabUnavailable and ValueError, and quotes the line and the complaint."""
    with pytest.raises(rl.LabUnavailable) as caught:
        getattr(rl, shape)(config=config)
    assert isinstance(caught.value, ValueError) and words in str(caught.value)
    assert "redis-1 did not start" in str(caught.value) and "redis.conf" not in str(caught.value)
    assert labs_left() == []


@pytest.mark.parametrize("name", ["port", "bind", "requirepass", "DIR", "user", "include"])
def test_the_lab_keeps_some_directives_for_itself(name):
    """A directive that would make the lab unreachable or public is a ValueError that names it."""
    with pytest.raises(ValueError, match=f"config: '{name}' is the lab's own to choose"):
        rl.standalone(config={name: "1"})


@pytest.mark.parametrize(
    "name", ["", "two words", "bind\t0.0.0.0", "port\n7", "#", 'a"b', 7, None, "port\x0b7"]
)
def test_what_is_no_name_of_a_directive_is_refused(name):
    """No white space, no comment and no quote gets round the reserved names."""
    with pytest.raises(ValueError, match="is no name of a directive"):
        rl.standalone(config={name: "1"})


@pytest.mark.parametrize("value", ["1mb\nbind 0.0.0.0", "1mb\r\nport 1", ["1mb", "2mb\n"], "a\0b"])
def test_a_value_with_a_line_break_is_refused(value):
    """One directive can't smuggle in another."""
    with pytest.raises(ValueError, match="config: the value of 'maxmemory' has a line break"):
        rl.standalone(config={"maxmemory": value})


def test_a_config_that_breaks_the_forming_is_one_error(labs_left):
    """A server that starts but refuses what the lab needs: LabUnavailable with its words."""
    with pytest.raises(rl.LabUnavailable, match=r"can't be started: .*REPLICAOF"):
        rl.replicated(replicas=1, config={"rename-command": 'REPLICAOF ""'})
    assert labs_left() == []


# folders and disks


@pytest.mark.tls
@pytest.mark.parametrize("name", ["it's  two words", "ünï-cødé-☃", "x" * 200 + "/" + "y" * 200])
def test_any_name_of_the_temporary_folder_will_do(tmp_path, monkeypatch, name):
    """Blanks, quotes, letters beyond ASCII and several hundred characters break no shape."""
    folder = tmp_path / name
    folder.mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    with rl.cluster(primaries=1, replicas=0) as lab:
        assert lab.client().set("a", "b")
    with rl.sentinel(replicas=1, sentinels=1, config={"appendonly": True}) as lab:
        for node in lab.nodes:
            lab.restart(node)
        assert lab.wait_healthy() >= 0 and lab.client().set("a", "b")
    with rl.secure(mutual=True) as lab:
        assert lab._runner.folder.parent == folder
        assert lab.client().set("a", "b") and redis.from_url(lab.url).ping()
        if shutil.which("redis-cli"):
            line = f"{lab.cli()} PING"
            done = subprocess.run(line, shell=True, capture_output=True, text=True)
            assert done.stdout.strip() == "PONG", done.stderr
        lab.restart("redis-1")
        assert lab.client().ping()
    assert list(folder.iterdir()) == []


def test_a_long_folder_is_swept_too(elsewhere, tmp_path):
    """The guard finds what works in a folder of blanks, many letters and other alphabets."""
    elsewhere.tmp = elsewhere.tmp / ("long " * 40) / "ünï"
    elsewhere.tmp.mkdir(parents=True)
    owner = elsewhere.start("lab = rl.replicated()\nprint('ready', flush=True)\ninput()")
    assert owner.stdout.readline() == "ready\n" and len(elsewhere.servers()) == 3
    owner.kill()
    processes.wait_until(elsewhere.leftovers, 5.0, "nothing left")


@pytest.fixture
def disk(tmp_path):
    """A disk of 400 kB, and a call that fills it but for some pages of 4 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


FILL = """
def leave(pages):
    "Fill the disk but for these pages."
    tempfile.gettempdir()  # looks for a folder with room, once
    with open(os.path.join(os.environ["TMPDIR"], "ballast"), "wb", buffering=0) as ballast:
        try:
            while True: ballast.write(bytes(4096))
        except OSError: ballast.truncate(ballast.tell() - 4096 * pages)
"""


@pytest.mark.parametrize(
    ("shape", "room"),
    [("cluster", (0, 1, 4, 8, 13)), ("sentinel", (0, 1, 2, 3, 4)), ("secure", (0, 1, 3, 5, 8))],
)
def test_a_full_disk_is_one_error(elsewhere, disk, shape, room):
    """However little room there is, a start works or gives LabUnavailable, and leaves nothing."""
    elsewhere.tmp = disk
    said = elsewhere.run(
        f"{CLEAR}{FILL}\nfor pages in {room}:\n    leave(pages); clear(lambda: rl.{shape}())\n"
    ).splitlines()
    assert len(said) == 10 and said[1::2] == ["[] ()"] * 5, said
    assert "No space left" in said[0] and "TMPDIR" in said[0], said[0]
    for line in said[::2]:
        assert re.search("started True|No space left|room in TMPDIR|can't update cluster", line)


def test_a_full_disk_under_a_running_lab_does_not_keep_it_from_stopping(elsewhere, disk):
    """stop() needs no room; the guard neither."""
    elsewhere.tmp = disk
    said = elsewhere.run(
        f"{CLEAR}{FILL}lab = rl.sentinel(replicas=1, sentinels=1)\n"
        "leave(0); lab.pause('redis-1'); lab.stop(); clear(lambda: rl.standalone())"
    ).splitlines()
    assert said[-1] == "[] ()" and elsewhere.leftovers() == ""


def test_a_read_only_temporary_folder_is_one_error(elsewhere, disk):
    """LabUnavailable says where, why, and that TMPDIR can point elsewhere."""
    elsewhere.tmp = disk
    said = elsewhere.run(f"""{CLEAR}
import subprocess
tempfile.gettempdir()
subprocess.run(["mount", "-o", "remount,ro", os.environ["TMPDIR"]], check=True)
clear(lambda: rl.replicated())
""")
    assert f"can't be made in {disk}: Read-only file system" in said
    assert "Set TMPDIR to a folder with room" in said and "[] ()" in said


def test_a_temporary_folder_that_vanished_is_one_error(elsewhere):
    """The error names the folder."""
    said = elsewhere.run(
        f"{CLEAR}\nos.rmdir(tempfile.gettempdir())\n"
        "try: rl.standalone()\nexcept rl.LabUnavailable as error: print(error)"
    )
    assert f"can't be made in {elsewhere.tmp}: No such file" in said


def test_without_a_state_folder_the_temporary_one_serves(elsewhere):
    """Where REDIS_LAB_STATE can't be written, labs work and are swept even so."""
    owner = elsewhere.start(
        "lab = rl.standalone(); lab.client().ping()\nprint('ready', flush=True)\ninput()",
        REDIS_LAB_STATE="/proc/no/such/place",
    )
    assert owner.stdout.readline() == "ready\n", owner.stderr.read()
    (notes,) = elsewhere.tmp.glob(f"redis-lab-{os.getuid()}/labs")
    assert len(list(notes.iterdir())) == 1 and notes.stat().st_mode & 0o777 == 0o700
    owner.kill()
    processes.wait_until(
        lambda: ", ".join(map(str, [*elsewhere.servers(), *notes.iterdir()])), 5.0, "nothing left"
    )


def test_without_any_place_for_notes_the_error_is_clear(elsewhere):
    """No list of labs, no lab: LabUnavailable names the place that was tried."""
    (elsewhere.tmp / f"redis-lab-{os.getuid()}").touch()
    said = elsewhere.run(
        "try: rl.standalone()\nexcept rl.LabUnavailable as error: print(error)",
        REDIS_LAB_STATE="/proc/no/such/place",
    )
    assert "no folder for the list of running labs" in said and "/proc/no/such/place" in said
    assert elsewhere.servers() == []


def test_notes_in_a_folder_of_somebody_else_are_not_read(tmp_path, monkeypatch):
    """In a shared /tmp a stranger may have made that folder first."""
    monkeypatch.setenv("REDIS_LAB_STATE", str(tmp_path))
    folder = guard.state_folder()
    assert folder.is_relative_to(tmp_path)
    monkeypatch.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(OSError, match="no folder for the list"):
        guard.state_folder()


# notes


@pytest.mark.parametrize(
    "note",
    ["", "{", "null", "[]", "7", '"text"', "{}", '{"owner": 7}', '{"owner": [1]}',
     '{"owner": ["x", "y"]}', '{"owner": null}', "\xff\xfe\x00", '{"owner": [1, 2, 3]}'],
)  # fmt: skip
def test_a_damaged_note_is_removed_and_harms_nobody(tmp_path, monkeypatch, note):
    """Half a note, or one that makes no sense, does not keep labs from starting."""
    monkeypatch.setenv("REDIS_LAB_STATE", str(tmp_path))
    path = guard.state_folder() / "0123456789ab.json"
    path.write_bytes(note.encode("latin-1"))
    with rl.standalone() as lab:
        assert set(guard.notes()) == {lab.id} and not path.exists()


def test_a_note_of_a_stranger_removes_no_other_folder(tmp_path, monkeypatch):
    """Only a folder that is named after the lab is removed with it."""
    monkeypatch.setenv("REDIS_LAB_STATE", str(tmp_path / "state"))
    precious = tmp_path / "precious"
    precious.mkdir()
    for folder in (str(precious), "", "/", None, 7):
        note = {"owner": [2**22 + 1, 1.0], "folder": folder}
        (guard.state_folder() / "0123456789ab.json").write_text(json.dumps(note))
        assert guard.sweep() == {"0123456789ab"}
    assert precious.exists() and guard.notes() == {}


def test_a_note_that_can_not_be_read_is_left(tmp_path, monkeypatch):
    """Too many open files, say, are no reason to forget a lab that lives."""
    monkeypatch.setenv("REDIS_LAB_STATE", str(tmp_path))
    with rl.standalone() as lab:
        path = guard.state_folder() / f"{lab.id}.json"
        with monkeypatch.context() as patch:
            patch.setattr("pathlib.Path.read_bytes", lambda self: os.open("/no/such/file", 0))
            assert guard.notes() == {} and guard.sweep() == set()
        assert path.exists() and set(guard.notes()) == {lab.id} and lab.client().ping()


def test_an_unfinished_note_of_a_dead_process_is_removed(tmp_path, monkeypatch):
    """What a process wrote when it was killed goes with the next sweep; a living one's stays."""
    monkeypatch.setenv("REDIS_LAB_STATE", str(tmp_path))
    folder = guard.state_folder()
    dead, living = (
        folder / f"0123456789ab.x1.{2**22 + 1}",
        folder / f"0123456789ab.x2.{os.getpid()}",
    )
    odd = folder / "some.other.file"
    for path in (dead, living, odd):
        path.touch()
    guard.sweep()
    assert not dead.exists() and living.exists() and odd.exists()
    guard.forget("0123456789ab")
    assert list(folder.iterdir()) == [odd]
