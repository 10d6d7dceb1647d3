"""What several test files need: a list of running labs of our own, and processes beside ours."""

import contextlib
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import psutil
import pytest
import redis

from redis_lab import lab
from redis_lab.errors import LabUnavailable
from redis_lab.lab import engine, processes, servers
from redis_lab.lab.waiting import wait_until

# Whoever runs the tests in a shell's background has Ctrl-C ignored, which children inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def on_docker() -> bool:
    """Whether labs run in containers here, unless a test says otherwise."""
    return os.environ.get("REDIS_LAB_BACKEND") == "docker"


def pytest_collection_modifyitems(items):
    """Skip, with the reason, what this machine or the backend in force can't do.

    Where labs run on Docker its tests are never skipped; they then say what is missing.
    """
    for item in items:
        markers = {marker.name: marker for marker in item.iter_markers()}
        secure = "secure" in item.nodeid or "secure" in item.fixturenames or "tls" in markers
        reason = ""
        if on_docker():
            reason = markers["processes"].args[0] if "processes" in markers else ""
        elif "docker" in markers:
            reason = _no_engine()
        elif secure:
            reason = _no_tls()
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


@cache
def _no_tls() -> str:
    return _words(lambda: servers.find_server(tls=True)) and "no redis-server with TLS here"


@cache
def _no_engine() -> str:
    return _words(engine.find_image)


def _words(find: Callable[[], object]) -> str:
    try:
        find()
    except LabUnavailable as error:
        return str(error)
    return ""


@pytest.fixture(scope="session", autouse=True)
def own_list_of_labs(tmp_path_factory):
    """Test processes neither see nor sweep each other's labs, or those of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REDIS_LAB_STATE", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture
def labs_left():
    """Call it for the labs of this process that began after the test did, and still run."""
    before = lab.running()
    return lambda: [each for each in lab.running() if each not in before]


class Elsewhere:
    """Python processes beside this one, with a temporary folder and a list of labs of their own."""

    def __init__(self, folder: Path):
        self.tmp, self.state = folder / "tmp", folder / "state"
        self.tmp.mkdir(parents=True)
        self.started: list[subprocess.Popen[str]] = []

    def start(self, program: str, **environment: str) -> subprocess.Popen[str]:
        """Run a program that has redis_lab as rl; read from its stdout, write to its stdin."""
        places = {"TMPDIR": str(self.tmp), "REDIS_LAB_STATE": str(self.state)}
        process = subprocess.Popen(
            [sys.executable, "-c", f"import redis_lab as rl\n{program}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, **places, **environment},
        )
        self.started.append(process)
        return process

    def run(self, program: str, **environment: str) -> str:
        """Run a program to its good end; what it printed."""
        process = self.start(program, **environment)
        said, complaint = process.communicate(timeout=60)
        assert process.returncode == 0, complaint
        return said

    def servers(self) -> list[int | str]:
        """Ids of processes that work below our temporary folder; on Docker names of containers."""
        if on_docker():
            return [each["Names"][0].lstrip("/") for each in self._noted("containers", all=True)]
        found: list[int | str] = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if self.tmp in Path(process.cwd()).parents:
                    found.append(process.pid)
        return found

    def leftovers(self) -> str:
        """What of a lab is still there, in words: servers, networks, folders, notes."""
        files = [*self.tmp.glob("redis-lab-*"), *self.state.rglob("*.*")]
        networks = [each["Name"] for each in self._noted("networks")] if on_docker() else []
        return ", ".join(map(str, [*self.servers(), *networks, *files]))

    def _noted(self, kind: str, **options: bool) -> list[dict]:
        """Containers or networks of the labs in our list, whether their notes are there or not."""
        ours = f"{os.getuid()}@{platform.node()}:{self.state / 'labs'}"
        with engine.calls(f"list of {kind}") as api:
            return getattr(api, kind)(filters={"label": f"{engine.LIST}={ours}"}, **options)

    def end(self) -> None:
        for process in self.started:
            process.kill()
            process.communicate()
        if on_docker():
            left = self._noted("containers", all=True) + self._noted("networks")
            engine.remove({each["Labels"][engine.OWNER] for each in left})
        else:
            for pid in self.servers():
                with contextlib.suppress(psutil.Error):
                    psutil.Process(pid).kill()


@pytest.fixture
def elsewhere(tmp_path):
    """See Elsewhere; what a failed test left of it is ended."""
    elsewhere = Elsewhere(tmp_path / "elsewhere")
    yield elsewhere
    elsewhere.end()


class Stranger:
    """A redis-server that is no lab's: a port of 127.0.0.1, no password, data of its own."""

    def __init__(self, folder: Path, *options: str):
        self.port = processes.free_port()
        self.client = redis.Redis("127.0.0.1", self.port, decode_responses=True)
        place = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self.process = subprocess.Popen(
            [servers.find_server().path, *place, *options], cwd=folder, stdout=subprocess.DEVNULL
        )
        wait_until(self._silence, 20, "stranger")

    def _silence(self) -> str:
        try:
            return "" if self.client.ping() else "no PONG"
        except redis.RedisError as error:
            return str(error)


@pytest.fixture
def stranger(tmp_path):
    """Call it with options of redis-server to start a Stranger."""
    started = []

    def start(*options: str) -> Stranger:
        started.append(Stranger(tmp_path, *options))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()
