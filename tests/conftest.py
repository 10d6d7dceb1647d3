"""What several test files need: a list of running labs of our own, and other Python processes."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest


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
        self.tmp.mkdir()
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
            try:
                if self.tmp in Path(process.cwd()).parents:
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    def leftovers(self) -> str:
        """What of a lab is still there, in words: processes, folders, notes."""
        files = [*self.tmp.glob("redis-lab-*"), *self.state.rglob("*.*")]
        return ", ".join(map(str, [*self.servers(), *files]))


@pytest.fixture
def elsewhere(tmp_path):
    """See Elsewhere; whatever a failed test left is ended."""
    elsewhere = Elsewhere(tmp_path)
    yield elsewhere
    for process in [*elsewhere.started, *elsewhere.servers()]:
        process.kill()
    for process in elsewhere.started:
        process.communicate()
