"""Bad luck with Docker: each gives one clear error with a way out, and processes still work."""

import contextlib
import os
import shutil
import socket
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest
import redis

import redis_lab as rl
from redis_lab.lab import compose, engine
from redis_lab.lab.waiting import wait_until

HERE = "127.0.0.1"
PATIENCE = 60.0
pytestmark = pytest.mark.docker
TELL = """
import os, tempfile
def tell(start):
    "The one error of a start, with nothing left; then a lab on processes."
    try: print("started", start())
    except rl.LabUnavailable as error: print(" ".join(str(error).split()))
    left = [name for name in os.listdir(tempfile.gettempdir()) if name.startswith("redis-lab-")]
    running = rl.lab.running()
    with rl.standalone(backend="process") as lab: print(left, running, lab.client().ping())
"""


@pytest.fixture(autouse=True)
def docker(monkeypatch):
    monkeypatch.setenv("REDIS_LAB_BACKEND", "docker")


def told(elsewhere, program="tell(rl.replicated)", **environment):
    """The one error; that nothing is left, and that processes work, is seen to."""
    error, rest = elsewhere.run(TELL + program, **environment).splitlines()
    assert rest == "[] () True"
    assert "Traceback" not in error and len(error) < 900
    return error


# the engine


def test_an_engine_that_is_down_is_told(elsewhere, tmp_path):
    """No socket, a dead one, nothing on a port: what to do, and what works without."""
    dead = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as once:
        once.bind(str(dead))
    for place in (f"unix://{tmp_path}/none.sock", f"unix://{dead}", "tcp://127.0.0.1:9"):
        error = told(elsewhere, DOCKER_HOST=place)
        assert "no engine answers. Start Docker" in error, error
        assert "Labs on processes need no Docker" in error


def test_an_engine_that_may_not_be_used_is_told(elsewhere):
    """Without the right to the socket: how to get it. Root, who may do all, becomes nobody."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # pytest's own is closed to others
    folder.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as closed:
        closed.bind(str(folder / "docker.sock"))
        closed.listen()
        (folder / "docker.sock").chmod(0)
        program = """
import os, docker, redis_lab.lab.compose
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try: rl.standalone()
except rl.LabUnavailable as error: print(error)
"""
        error = elsewhere.run(program, DOCKER_HOST=f"unix://{folder}/docker.sock")
    shutil.rmtree(folder)
    assert "may not use the engine" in error and "usermod -aG docker" in error, error


def test_a_missing_python_package_is_told(elsewhere):
    """The extra course has it; the error names it."""
    hide = "import sys; sys.modules['docker'] = sys.modules['docker.errors'] = None\n"
    assert 'pip install "docker>=7.1"' in told(elsewhere, f"{hide}tell(rl.standalone)")


def test_processes_work_while_labs_of_a_dead_engine_are_noted(elsewhere, tmp_path):
    """Their notes stay for when it is back; status and down say that it is away."""
    lab_id = elsewhere.run("print(rl.standalone(detached=True).id)").strip()
    away = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    elsewhere.run("with rl.standalone(backend='process') as lab: lab.client().ping()", **away)
    status = "from redis_lab.cli import app\napp(['status'])"
    assert f"{lab_id}" in elsewhere.run(status, **away)
    down = elsewhere.start("from redis_lab.cli import app\napp(['down'])", **away)
    out, complaint = down.communicate(timeout=60)
    assert down.returncode == 1 and "no engine answers" in complaint and "Traceback" not in out
    assert lab_id in elsewhere.run(status) and len(elsewhere.servers()) == 1
    elsewhere.run("from redis_lab.cli import app\napp(['down'])")
    assert elsewhere.leftovers() == ""


# the image


def test_an_image_that_is_not_here_is_told_and_not_pulled(elsewhere):
    """The error comes from this machine alone, and names both ways to an image."""
    error = told(elsewhere, REDIS_LAB_IMAGE="nonexistent.invalid/x:1")
    assert "the image nonexistent.invalid/x:1 is not here" in error
    assert "docker pull nonexistent.invalid/x:1" in error and "make image" in error


def test_an_image_without_a_server_or_too_old_is_told(elsewhere, monkeypatch):
    """What the image lacks is said; a server in it is asked, not its name."""
    with pytest.raises(rl.LabUnavailable, match=r"redis:8\.10.* older than 99\.0.*REDIS_LAB_IMAGE"):
        rl.standalone(min_version="99.0")
    with pytest.raises(ValueError, match="min_version"):
        rl.standalone(min_version="new")
    with pytest.raises(ValueError, match="modules: nope"):
        rl.standalone(modules=["nope"])
    empty = empty_image()
    try:
        error = told(elsewhere, REDIS_LAB_IMAGE=empty)
        assert f"the image {empty} can't be asked what it has" in error
    finally:
        subprocess.run(["docker", "rmi", empty], check=True, capture_output=True)


def empty_image():
    """An image with nothing in it but a file."""
    name = f"redis-lab-test-empty:{os.getpid()}"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "file").touch()
        archive = shutil.make_archive(f"{folder}/image", "tar", folder, "file")
        subprocess.run(["docker", "import", archive, name], check=True, capture_output=True)
    return name


# Compose, with a program of our own in the place of docker


@pytest.fixture
def fake(tmp_path):
    """Call it with lines of shell that see the arguments of docker first; the PATH to use."""

    def place(lines):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        script = folder / "docker"
        script.write_text(f'#!/bin/sh\n{lines}\nexec {shutil.which("docker")} "$@"\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        return f"{folder}{os.pathsep}{os.environ['PATH']}"

    return place


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("echo \"docker: 'compose' is not a docker command\" >&2; exit 1", "here it is missing"),
        ("echo 1.29.2; exit", "here it is version 1.29.2"),
        ("echo v2.23.0; exit", "here it is version 2.23.0"),
    ],
)
def test_a_compose_that_is_missing_or_old_is_told(elsewhere, fake, version, words):
    """What is needed, what is here, and the package that has it."""
    error = told(elsewhere, PATH=fake(f'[ "$2" != version ] || {{ {version}; }}'))
    assert "Compose 2.23.1 or newer is needed" in error and words in error


def test_no_docker_command_is_told(elsewhere, tmp_path):
    """The engine may answer where the command is missing."""
    (tmp_path / "redis-server").symlink_to(shutil.which("redis-server"))
    assert "no docker command on PATH" in told(elsewhere, PATH=str(tmp_path))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("write /var/lib/docker/x: no space left on device", "the disk is full"),
        ("something nobody thought of", "something nobody thought of"),
    ],
)
def test_what_compose_complains_of_is_told(elsewhere, fake, said, words):
    """Half a project is removed: the containers that were made before the disk was full."""
    ups = 'case "$*" in *" up "*) '
    path = fake(f"{ups}{shutil.which('docker')} \"$@\" >&2; echo '{said}' >&2; exit 1;; esac")
    error = told(elsewhere, PATH=path)
    assert words in error and "Labs on processes need no Docker" in error
    assert elsewhere.leftovers() == ""


def test_a_compose_that_hangs_is_given_up(elsewhere, fake):
    """After its time it is ended, with what it started."""
    path = fake('case "$*" in *" up "*) echo $$ >"$0.pid"; exec sleep 1000;; esac')
    program = "from redis_lab.lab import project; project.TIMEOUT = 1.0\ntell(rl.standalone)"
    assert "did not finish within 1 s" in told(elsewhere, program, PATH=path)
    pid = int(Path(path.partition(os.pathsep)[0], "docker.pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


# ports and addresses


def test_a_port_that_was_taken_is_given_up_for_another(monkeypatch):
    """Between choice and start another program took it: the lab comes up on others."""
    with socket.socket() as taken:
        taken.bind((HERE, 0))
        taken.listen()
        chosen, really = [taken.getsockname()[1]], compose.free_port
        monkeypatch.setattr(compose, "free_port", lambda: chosen.pop() if chosen else really())
        with rl.replicated(replicas=1) as lab:
            assert chosen == [] and lab.client().set("a", "b")
            assert taken.getsockname()[1] not in {node.port for node in lab.nodes}


def test_an_address_range_that_was_taken_is_given_up_for_another(monkeypatch):
    """Another network has the addresses: the lab takes others."""
    with rl.replicated(replicas=1) as lab:
        _, second, third, _ = map(int, lab.primary.internal_host.split("."))
        chosen, really = [third, second], compose.random.randint
        monkeypatch.setattr(
            compose.random, "randint", lambda *ends: chosen.pop() if chosen else really(*ends)
        )
        with rl.replicated(replicas=1) as other:
            assert chosen == [] and other.client().set("a", "b")
            net = other.primary.internal_host.rpartition(".")[0]
            assert net != lab.primary.internal_host.rpartition(".")[0]
        assert lab.client().set("a", "b")


def test_ports_that_are_always_taken_end_the_start(monkeypatch, labs_left):
    """Some choices in a row are one error, and nothing stays."""
    with socket.socket() as taken:
        taken.bind((HERE, 0))
        taken.listen()
        monkeypatch.setattr(compose, "TRIES", 2)
        monkeypatch.setattr(compose, "free_port", lambda: taken.getsockname()[1])
        with pytest.raises(rl.LabUnavailable, match="2 choices of ports and addresses in a row"):
            rl.standalone()
    assert labs_left() == []


def test_a_port_taken_while_the_node_was_down_is_told():
    """restart says so; once the port is free it works, with the data."""
    with rl.standalone(config={"appendonly": True, "appendfsync": "always"}) as lab:
        lab.client().set("a", "b")
        lab.kill("redis-1")
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind((HERE, lab.primary.port))
            other.listen()
            with pytest.raises(rl.LabUnavailable, match="address already in use"):
                lab.restart("redis-1")
            assert lab.primary.state == "down"
        lab.restart("redis-1")
        assert lab.client().get("a") == "b"


def test_a_wrong_directive_is_told_in_the_words_of_the_server(labs_left):
    """As on processes: LabUnavailable and ValueError, with the line."""
    with pytest.raises(rl.LabUnavailable, match=r"redis-1 did not start.*maxmemory lots") as caught:
        rl.replicated(replicas=1, config={"maxmemory": "lots"})
    assert isinstance(caught.value, ValueError) and labs_left() == []


# behind our back


def test_a_container_removed_by_hand_is_one_clear_error():
    """The node is down, every order about it says what happened, and stop cleans the rest."""
    with rl.sentinel(replicas=1, sentinels=1, down_after=60.0) as lab:
        node = lab.node("redis-2")
        subprocess.run(["docker", "rm", "-f", node.container], check=True, capture_output=True)
        wait_until(lambda: "alive" if node.alive else "", PATIENCE, "noticed")
        assert node.state == "down" and node.log() == ""
        with pytest.raises(rl.LabUnavailable, match="somebody removed this container"):
            lab.restart(node)
        with pytest.raises(rl.LabUnavailable, match="is down"):
            lab.pause(node)
        lab.kill(node)
        lab.partition("sentinel-1")
        lab.heal()
        assert lab.client().set("a", "b") and "redis-2" in repr(lab)
    assert left(lab) == []


def left(lab):
    """Containers and networks of a lab."""
    with engine.calls("test") as api:
        mine = {"label": f"{engine.OWNER}={lab.id}"}
        found = [*api.containers(all=True, filters=mine), *api.networks(filters=mine)]
    return [each["Id"] for each in found] + [p for p in [lab._runner.folder] if p.exists()]


def test_everything_removed_by_hand_is_no_obstacle():
    """docker compose down behind our back: stop finds nothing and complains of nothing."""
    lab = rl.replicated(replicas=1)
    project = f"redis-lab-{lab.id}"
    done = subprocess.run(
        ["docker", "compose", "-p", project, "down", "-v"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    with pytest.raises((rl.LabUnavailable, redis.ConnectionError)):
        lab.client().ping()
    lab.stop()
    assert left(lab) == []


def test_a_server_killed_by_hand_is_seen_and_restarted():
    """docker kill in a terminal: the node is down, and restart brings it back."""
    with rl.replicated(replicas=1) as lab:
        node = lab.node("redis-2")
        subprocess.run(["docker", "kill", node.container], check=True, capture_output=True)
        wait_until(lambda: "alive" if node.alive else "", PATIENCE, "noticed")
        lab.restart(node)
        lab.wait_healthy(PATIENCE)
        assert node.role == "replica"


def test_paused_cut_off_and_dead_nodes_do_not_keep_a_lab():
    """stop() needs nobody's answer."""
    lab = rl.sentinel(replicas=2, sentinels=1, down_after=60.0)
    lab.pause("redis-1")
    lab.partition("redis-2")
    lab.kill("redis-3")
    subprocess.run(
        ["docker", "pause", lab.node("sentinel-1").container], check=True, capture_output=True
    )
    lab.stop()
    assert left(lab) == []


def test_an_interrupt_while_the_engine_works_leaves_nothing(elsewhere):
    """Ctrl-C in the middle of compose up: a KeyboardInterrupt, and nothing of it remains."""
    owner = elsewhere.start("""
import signal, threading
from redis_lab.lab import compose
really = compose.compose
def up(*words, **more):
    threading.Timer(0.3, signal.raise_signal, [signal.SIGINT]).start()
    return really(*words, **more)
compose.compose = up
try: rl.cluster()
except KeyboardInterrupt: print("interrupted", rl.lab.running(), flush=True)
input()
""")
    assert owner.stdout.readline() == "interrupted ()\n", owner.stderr.read()
    with contextlib.suppress(rl.LabUnavailable):
        wait_until(elsewhere.leftovers, 5.0, "nothing left")
    assert elsewhere.leftovers() == "" and owner.poll() is None
