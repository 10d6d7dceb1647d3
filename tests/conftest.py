"""What several test files need: a list of running labs of our own, and processes beside ours."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import redis

from redis_lab.errors import LabUnavailable
from redis_lab.lab import processes, servers
from redis_lab.lab.waiting import wait_until


def pytest_collection_modifyitems(items):
    """Skip what needs TLS, and every test of a secure lab, where no server here speaks it."""
    with contextlib.suppress(LabUnavailable):
        if servers.find_server(tls=True):
            return
    for item in items:
        if (
            "secure" in item.nodeid
            or "secure" in item.fixturenames
            or list(item.iter_markers("tls"))
        ):
            item.add_marker(pytest.mark.skip(reason="no redis-server with TLS here"))


@pytest.fixture(scope="session", autouse=True)
def own_list_of_labs(tmp_path_factory):
    """Test processes neither see nor sweep each other's labs, or those of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REDIS_LAB_STATE", str(tmp_path_factory.mktemp("state")))
        yield


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

    def servers(self) -> list[psutil.Process]:
        """Processes that work below our temporary folder."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if self.tmp in Path(process.cwd()).parents:
                    found.append(process)
        return found

    def leftovers(self) -> str:
        """What of a lab is still there, in words: processes, folders, notes."""
        files = [*self.tmp.glob("redis-lab-*"), *self.state.rglob("*.*")]
        return ", ".join(map(str, [*self.servers(), *files]))

    def end(self) -> None:
        for process in self.started:
            process.kill()
            process.communicate()
        for server in self.servers():
            with contextlib.suppress(psutil.Error):
                server.kill()


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
