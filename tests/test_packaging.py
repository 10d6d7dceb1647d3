"""What is installed: the wheel alone must be enough, and conda must get the same as pip."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Names that differ between PyPI and conda-forge.
CONDA_NAMES = {"redis": "redis-py", "matplotlib": "matplotlib-base", "docker": "docker-py"}


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The wheel in an empty environment, its dependencies borrowed from this one."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
    (wheel,) = folder.glob("*.whl")
    site = next((folder / "env" / "lib").glob("python*/site-packages"))
    target = ["--target", str(site), "--no-deps", "--quiet", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "install", *target], check=True)
    here = next(path for path in sys.path if path.endswith("site-packages"))
    (site / "borrowed.pth").write_text(here)
    return folder / "env" / "bin" / "python"


def run(python: Path, code: str, folder: Path) -> str:
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-c", code], cwd=folder, env=env, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_wheel_carries_the_notebooks(installed, tmp_path):
    """Without a checkout, the package finds its notebooks and makes a learner's copy of them."""
    code = """
import redis_lab, pathlib
from redis_lab.course import catalogue, work
assert "wheel" in redis_lab.__file__, redis_lab.__file__
work.update(pathlib.Path("work"))
print(len(catalogue.notebooks()), sorted(p.name for p in pathlib.Path("work").glob("*.ipynb"))[0])
"""
    count, first = run(installed, code, tmp_path).split()
    assert int(count) == len(list((ROOT / "notebooks").glob("*.ipynb")))
    assert first == "00_start_here.ipynb"


def test_the_wheel_carries_the_recorded_incident(installed, tmp_path):
    """What notebook 72 reads is installed with the package, as the flights are."""
    code = """
import redis_lab
from redis_lab import data
assert "wheel" in redis_lab.__file__, redis_lab.__file__
print(len(data.incident()) > 500, len(data.incident_truth()) > 5)
"""
    assert run(installed, code, tmp_path).split() == ["True", "True"]


def test_a_notebook_runs_from_the_wheel(installed, tmp_path):
    """A notebook of the learner's copy runs to its end with what the wheel brought."""
    code = """
import nbformat, pathlib, sys
from nbclient import NotebookClient
from redis_lab.course import work
work.update(pathlib.Path("work"))
book = nbformat.read("work/00_start_here.ipynb", as_version=4)
book.cells.insert(0, nbformat.v4.new_code_cell("import redis_lab; print(redis_lab.__file__)"))
NotebookClient(book, timeout=60, resources={"metadata": {"path": "work"}}).execute()
print(book.cells[0].outputs[0].text)
"""
    assert "wheel" in run(installed, code, tmp_path)


def test_conda_and_pip_get_the_same(project):
    """environment.yml names each dependency of the course, with the same lower bound."""
    wanted = {}
    for line in project["dependencies"] + project["optional-dependencies"]["course"]:
        name, bound = re.match(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)", line).groups()
        wanted[CONDA_NAMES.get(name, name)] = bound
    listed = dict(
        re.findall(r"^  - ([\w-]+)>=([\d.]+)", (ROOT / "environment.yml").read_text(), re.M)
    )
    assert wanted.items() <= listed.items()
    assert listed.keys() - wanted.keys() == {"redis-server", "hiredis"}


def test_the_version_is_one(project):
    """The package says the version that pyproject does."""
    import redis_lab

    assert redis_lab.__version__ == project["version"]


def test_redis_is_the_one_hard_dependency(project):
    """Whoever imports the patterns gets redis with hiredis, and nothing else."""
    assert [line.partition(">=")[0] for line in project["dependencies"]] == ["redis[hiredis]"]
