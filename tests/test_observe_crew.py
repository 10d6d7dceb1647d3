"""crew: worker processes that are killed in the middle; held: who held what, from their trail."""

import importlib
import os

import pytest

import redis_lab as rl
from redis_lab.observe import crew, held

WORKER = """
import os, sys, redis
url, me = sys.argv[1:]
r = redis.Redis.from_url(url, decode_responses=True)
r.hset("pid", me, os.getpid())
while True:
    if taken := r.blmove("in", f"hand:{me}", 0.05, "LEFT", "RIGHT"):
        r.incr(f"taken:{me}")
        if r.exists("slow"):
            r.blpop("never", 5)
        r.pipeline().lpush("out", taken).delete(f"hand:{me}").execute()
"""


@pytest.fixture
def lab():
    with rl.standalone() as lab:
        yield lab


def alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    return True


def test_kills_in_the_middle_and_starts_anew(lab):
    """The process dies with what it holds; its successor does the rest; no process is left."""
    r, deaths, pids = lab.client(), [], []
    r.rpush("in", 1, 2, 3)
    r.set("slow", 1)

    def killed(name):
        deaths.append((name, r.lrange(f"hand:{name}", 0, -1)))
        pids.append(r.hget("pid", name))
        r.delete("slow", f"hand:{name}")

    crew(
        WORKER, {"Ann": (lab.url, "Ann")}, kills=["Ann"],
        ready=lambda name: r.exists(f"hand:{name}") == 1,
        done=lambda: r.llen("out") == 2, killed=killed,
    )  # fmt: skip
    assert deaths == [("Ann", ["1"])] or deaths == [("Ann", ["3"])]
    pids.append(r.hget("pid", "Ann"))
    assert len(set(pids)) == 2 and not any(map(alive, pids))


def test_a_replacement_does_nothing_before_its_turn(lab):
    """It stands by with its imports done, and no line more."""
    r, seen = lab.client(), []
    source = WORKER.replace("while True", 'r.incr("starts")\nwhile True')

    def ready(name):
        seen.append(r.get("starts"))
        return seen.count("1") > 50

    crew(
        source, {"Ann": (lab.url, "Ann")}, kills=["Ann"],
        ready=ready, done=lambda: r.get("starts") == "2",
    )  # fmt: skip
    assert set(seen) <= {None, "1"}


def test_ends_them_all_when_something_is_raised(lab):
    """Whatever ready() or done() raises comes out, and the processes are gone."""
    r = lab.client()

    def done():
        if r.hlen("pid") == 2:
            raise KeyError("enough")
        return False

    with pytest.raises(KeyError, match="enough"):
        crew(
            WORKER, {name: (lab.url, name) for name in ("Ann", "Bob")},
            ready=lambda name: True, done=done,
        )  # fmt: skip
    assert not any(map(alive, r.hvals("pid")))


def test_says_what_did_not_come(lab, monkeypatch):
    """A wait without end is a TimeoutError that names it."""
    module = importlib.import_module("redis_lab.observe.crew")  # the function has its name
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    with pytest.raises(TimeoutError, match="all is done"):
        crew("", {"Ann": ()}, ready=lambda name: True, done=lambda: False)


def test_says_what_a_worker_failed_of():
    """A mistake in the source comes out at once, with its own words."""
    with pytest.raises(RuntimeError, match="Ann failed: NameError: name 'bord' is not defined"):
        crew("bord", {"Ann": ()}, kills=["Ann"], ready=lambda name: False, done=lambda: False)


def test_a_trail_becomes_spans(lab):
    """Read, acknowledged, died with, taken over, done again: a row for each time in a hand."""
    r = lab.client()
    steps = [
        ("Ann", "1", "reads"), ("Ann", "2", "reads"), ("Ann", "1", "does"), ("Bob", "3", "reads"),
        ("Bob", "3", "does"), ("Bob", "3", "acks"), ("Ann", "", "dies"), ("Bob", "1", "reads"),
        ("Bob", "2", "reads"), ("Bob", "1", "acks"), ("Bob", "2", "acks"), ("Bob", "4", "reads"),
    ]  # fmt: skip
    for n, (who, what, did) in enumerate(steps):
        r.xadd("trail", {"who": who, "what": what, "did": did}, id=f"{1000 + 500 * n}-0")
    found = held(r, "trail")
    assert found[["who", "what", "outcome"]].to_numpy().tolist() == [
        ["Bob", "3", "acknowledged"], ["Ann", "1", "dead worker's"], ["Ann", "2", "dead worker's"],
        ["Bob", "1", "done again"], ["Bob", "2", "taken over"],
    ]  # fmt: skip
    assert found.start.tolist() == [1.5, 0.0, 0.5, 3.5, 4.0]
    assert found.end.tolist() == [2.5, 3.0, 3.0, 4.5, 5.0]
