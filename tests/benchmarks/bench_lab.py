"""How fast the lab is, beside the plain ways of doing the same, in one run: `make bench`.

Medians on whatever machine this is; the bounds are those that the course was designed for on two
shared cores. The plain ways are the documented ones, with their default periods.
"""

import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest

import redis_lab as rl
from redis_lab.lab import formation, health, slots
from redis_lab.lab.node import Node
from redis_lab.lab.waiting import wait_until

ROUNDS = 5
NO_CLI = "redis-cli is not on PATH"


def median(measure: Callable[[], float], rounds: int = ROUNDS) -> float:
    return statistics.median(measure() for _ in range(rounds))


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def report(what: str, ours: float, bound: float | None = None, plain: float | None = None) -> None:
    words = f"{what:34} {ours:8.3f} s"
    words += f"   at most {bound:g} s" if bound else ""
    words += f"   the plain way {plain:.2f} s: {plain / ours:.1f} times as long" if plain else ""
    print(f"\n{words}", end="")


def start_and_stop(make: Callable[[], rl.Topology]) -> tuple[float, float]:
    started = time.perf_counter()
    lab = make()
    lab.client(**({"username": "admin"} if lab.users else {})).ping()
    ready = time.perf_counter()
    lab.stop()
    return ready - started, time.perf_counter() - ready


@pytest.mark.parametrize(
    ("make", "bound"),
    [(rl.standalone, 0.05), (rl.replicated, 0.4), (rl.sentinel, 0.6), (rl.cluster, 2.3)],
    ids=["standalone", "replicated", "sentinel", "cluster"],
)
def test_start_and_stop(make, bound):
    """Ready within the bound of its shape, and gone within 0.3 s."""
    times = [start_and_stop(make) for _ in range(ROUNDS)]
    starts, stops = (statistics.median(column) for column in zip(*times, strict=True))
    report(f"{make.__name__} ready", starts, bound)
    report(f"{make.__name__} stopped", stops, 0.3)
    assert starts <= bound
    assert stops <= 0.3


def test_stop_with_a_paused_replica():
    """A paused replica, for which a primary would wait ten seconds, doesn't delay the end."""

    def stop() -> float:
        lab = rl.replicated()
        lab.pause(lab.replicas[0])
        return seconds(lab.stop)

    stopped = median(stop)
    report("stop, a replica paused", stopped, 0.3)
    assert stopped <= 0.3


@pytest.mark.skipif(not shutil.which("redis-cli"), reason=NO_CLI)
def test_cluster_against_redis_cli():
    """Faster than `redis-cli --cluster create` on servers of the same kind, until all agree."""

    def plain() -> float:
        with ExitStack() as stack:
            nodes = unformed_cluster(stack)
            password = nodes[0].login.password
            command = ["redis-cli", "--no-auth-warning", "-a", password, "--cluster", "create"]
            command += [f"{node.host}:{node.port}" for node in nodes]
            command += ["--cluster-replicas", "1", "--cluster-yes"]
            return seconds(lambda: create(command, nodes))

    ours, theirs = median(lambda: start_and_stop(rl.cluster)[0]), median(plain, 2)
    report("cluster 3+3", ours, plain=theirs)
    assert ours < theirs


def create(command: list[str], nodes: list[Node]) -> None:
    subprocess.run(command, check=True, capture_output=True)
    wait_until(lambda: slots.cluster_agrees(nodes), 60, "the cluster")


def unformed_cluster(stack: ExitStack) -> list[Node]:
    """Six started cluster nodes that know nothing of each other, with Redis's own defaults."""
    patch = stack.enter_context(pytest.MonkeyPatch.context())
    patch.setattr(formation, "_cluster", lambda data: None)
    defaults = {"repl-diskless-sync-delay": 5, "repl-ping-replica-period": 10}
    return list(stack.enter_context(rl.cluster(config=defaults)).data_nodes)


def test_sentinel_against_default_periods():
    """Faster than the same group with the periods that Sentinel has by itself."""

    def plain() -> float:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(formation, "EAGER", ("PING-PERIOD", 1000))
            return start_and_stop(rl.sentinel)[0]

    ours, theirs = median(lambda: start_and_stop(rl.sentinel)[0]), median(plain, 3)
    report("sentinel 1+2+3", ours, plain=theirs)
    assert ours < theirs


def test_imports():
    """The patterns cost next to nothing over redis; starting a server, no pandas."""

    codes = {
        "base": "import redis",
        "patterns": "import redis_lab.patterns, redis",
        "lab": "import redis, redis_lab as rl; rl.standalone",
    }
    runs: dict[str, list[float]] = {name: [] for name in codes}
    for _ in range(11):
        for name, code in codes.items():
            runs[name].append(
                seconds(lambda code=code: subprocess.run([sys.executable, "-c", code]))
            )
    medians = {name: statistics.median(times) for name, times in runs.items()}
    patterns, lab = medians["patterns"] - medians["base"], medians["lab"] - medians["base"]
    report("import redis_lab.patterns", patterns, 0.05)
    report("import and look up rl.standalone", lab, 0.3)
    assert patterns <= 0.05
    assert lab <= 0.3


def test_health_is_cheap():
    """Asking a healthy group of six whether it is healthy takes a few milliseconds."""
    with rl.sentinel() as lab:
        ours = median(lambda: seconds(lab.wait_healthy), 20)
        assert health.sentinel_group(lab.sentinels, lab.data_nodes) == ""
    report("wait_healthy of a healthy group", ours)
