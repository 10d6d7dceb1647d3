"""How fast labs in containers are ready and gone, against the bounds of the design: `make bench`.

Medians on a quiet machine, the image here already; the first start of a process also reads the
compose file and looks at the image.
"""

import statistics
import subprocess
import sys
import time

import pytest

import redis_lab as rl
from redis_lab.lab import engine

ROUNDS = 3
STOPPED = 2.0


@pytest.fixture(autouse=True)
def docker(monkeypatch):
    monkeypatch.setenv("REDIS_LAB_BACKEND", "docker")
    try:
        engine.find_image()
    except rl.LabUnavailable as error:
        pytest.skip(str(error))


def start_and_stop(make) -> tuple[float, float]:
    started = time.perf_counter()
    lab = make()
    lab.client().ping()
    ready = time.perf_counter()
    lab.stop()
    return ready - started, time.perf_counter() - ready


def report(what: str, seconds: float, bound: float) -> None:
    print(f"\n{what:34} {seconds:8.3f} s   at most {bound:g} s", end="")
    assert seconds <= bound


@pytest.mark.parametrize(
    ("make", "bound"),
    [(rl.standalone, 1.0), (rl.replicated, 5.0), (rl.sentinel, 5.0), (rl.cluster, 5.0)],
    ids=["standalone", "replicated", "sentinel", "cluster"],
)
def test_start_and_stop(make, bound):
    """Ready within the bound of its shape, and gone within two seconds."""
    times = [start_and_stop(make) for _ in range(ROUNDS)]
    starts, stops = (statistics.median(column) for column in zip(*times, strict=True))
    report(f"{make.__name__} in containers ready", starts, bound)
    report(f"{make.__name__} in containers gone", stops, STOPPED)


def test_the_first_of_a_process():
    """A kernel's first lab, imports included, as a learner waits for it."""
    program = "import redis_lab as rl; rl.standalone().client().ping()"

    def first() -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True)
        return time.perf_counter() - started

    report("first lab, from import to exit", statistics.median(first() for _ in range(ROUNDS)), 3.0)
