"""Every notebook runs to its end, by two independent runners, and leaves nothing behind.

With REDIS_LAB_BACKEND=docker they run in containers, and none of them may be skipped.
"""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import nbformat
import pytest

from redis_lab.course import coverage
from redis_lab.course.catalogue import Entry, can_run, notebooks
from redis_lab.course.execute import CELL_TIMEOUT, execute
from redis_lab.lab.backends import servers_here
from redis_lab.lab.engine import find_image
from redis_lab.lab.servers import numbers

pytestmark = pytest.mark.notebooks
ENTRIES = notebooks()
NEWEST = (8, 10)  # whose commands all of them run
ON_DOCKER = os.environ.get("REDIS_LAB_BACKEND") == "docker"


@pytest.fixture(params=ENTRIES, ids=lambda entry: entry.path.stem)
def entry(request) -> Entry:
    """A notebook that can run on the server here; others are skipped by name and reason."""
    if reason := can_run(request.param, servers_here()[0]):
        pytest.skip(f"{request.param.path.name}: {reason}")
    return request.param


@pytest.fixture
def labs(tmp_path, monkeypatch) -> Path:
    """Where the labs of one run leave their notes."""
    monkeypatch.setenv("REDIS_LAB_STATE", str(tmp_path / "state"))
    return tmp_path / "state" / "labs"


@pytest.mark.docker
@pytest.mark.skipif(bool(os.environ.get("REDIS_LAB_IMAGE")), reason="an image of your own choice")
def test_on_docker_no_notebook_is_skipped():
    """The image of the course has what every notebook needs."""
    assert {entry.name: can_run(entry, find_image()) for entry in ENTRIES} == dict.fromkeys(
        (entry.name for entry in ENTRIES), ""
    )


def test_nbval_runs_every_cell(entry, labs, tmp_path):
    """Under nbval each code cell passes; an xfail, an xpass or a skipped cell is a failure.

    The table of commands has its dots before those that ran, and before no others.
    """
    report, noted = tmp_path / "report.xml", tmp_path / "commands.json"
    command = [sys.executable, "-m", "pytest", "-o", "addopts=", "--nbval-lax"]
    command += ["--nbval-current-env", f"--nbval-cell-timeout={CELL_TIMEOUT}"]
    command += [f"--junitxml={report}", "-q", str(entry.path)]
    environment = {**os.environ, coverage.VARIABLE: str(noted)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    cells = ElementTree.parse(report).getroot().findall(".//testcase")
    troubled = [cell.get("name") for cell in cells if len(cell)]
    code = [cell for cell in nbformat.read(entry.path, 4).cells if cell.cell_type == "code"]
    assert not troubled and done.returncode == 0, f"{troubled}\n{done.stdout[-6000:]}"
    assert len(cells) == len(code)
    ran, told = coverage.run_by(noted), coverage.listed(entry.path)
    dotted = {command for command, dot in told.items() if dot}
    assert ran
    assert sorted(ran & set(told) - dotted) == []
    if numbers(servers_here()[0].version) >= NEWEST:
        assert sorted(dotted - ran) == []
    assert not list(labs.glob("*.json"))


@pytest.mark.processes("the second run tells nothing more of containers than the first")
def test_nbclient_shows_no_error_and_no_warning(entry, labs, tmp_path):
    """In a second, independent run no cell prints an error or a warning."""
    notebook = nbformat.read(entry.path, 4)
    execute(notebook, tmp_path)
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert shown
    assert [output for output in shown if output.output_type == "error"] == []
    assert [output.text for output in shown if output.get("name") == "stderr"] == []
    assert not list(labs.glob("*.json"))
