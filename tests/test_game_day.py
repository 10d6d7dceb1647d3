"""The capstone's game day: the load, the faults in a hidden order, and a bill that is true."""

import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

import redis_lab as rl
from redis_lab.board import Board
from redis_lab.course import game_faults
from redis_lab.course.game_day import AIRPORTS, GameDay
from redis_lab.course.game_faults import FAULTS, behind
from redis_lab.course.game_report import lost, page
from redis_lab.lab.waiting import wait_until

BEHIND, ORPHANED = "replicas fall behind, the primary dies", "a projector is killed at work"


@pytest.mark.parametrize("shape", ["sentinel", "cluster"])
def test_what_the_replicas_had_not_heard_is_on_the_bill(shape):
    """Promised seats are gone and sold again; what the projectors count is right all the same."""
    with getattr(rl, shape)(config={"appendonly": "yes"}) as lab:
        day = GameDay(
            lab, Board, seed=3, faults={name: FAULTS[name] for name in (BEHIND, ORPHANED)}
        )
        bill = day.run().bill()
        assert sorted(name for name, *_ in day.happened) == [ORPHANED, BEHIND]
        assert bill["lost"] > 0 and bill["promised"] > bill["lost"]
        assert bill["counted wrongly"] == 0
        assert 0 < bill["bookings, %"] < 100 and bill["bookings, p99 ms"] > 0
        timeline = day.timeline()
        assert list(timeline) == ["at", "looks_percent", "bookings_percent", "waiting"]
        assert timeline.bookings_percent.min() < 100 and set(day.frame("looks").airport) == {
            *AIRPORTS
        }
        assert list(day.marks(named=False).values()) == ["1", "2"]
        assert day.complaints.count > 0
        gone = lost(day)
        assert len(gone) == bill["lost"] and set(gone.during) <= {BEHIND, ORPHANED, "a calm"}
        assert page(day).axes


def test_a_quiet_day_costs_nothing():
    """Without a fault nothing is lost, sold twice, or charged for no seat."""
    with rl.sentinel() as lab:
        bill = GameDay(lab, Board, seed=1, faults={}).run().bill()
    assert bill["promised"] > 0
    assert not bill[["lost", "sold twice", "charged, no seat", "counted wrongly"]].any()


def test_a_seed_is_an_order():
    """The same seed gives the same order, and not every seed gives that one."""
    with rl.sentinel() as lab:
        orders = [tuple(GameDay(lab, seed=seed).order) for seed in (1, 1, 2, 3, 4)]
    assert orders[0] == orders[1] and len(set(orders)) > 1
    assert all(sorted(order) == sorted(FAULTS) for order in orders)


def test_desks_that_stand_still_do_not_keep_the_replicas_deaf():
    """After ten times down_after without its primary a replica is no candidate, ever after."""
    with rl.sentinel(config={"appendonly": "yes"}) as lab:
        old, chance = lab.primary, random.Random(1)
        behind(SimpleNamespace(lab=lab, chance=chance, desks=[SimpleNamespace(calls=0)]))
        assert lab.primary != old and {node.name for node in lab.replicas} >= {old.name}


def test_who_calls_it_wrongly_hears_so_at_once():
    """A lab that can't fail over, and a page of a day that has not ended."""
    with rl.standalone() as lab, pytest.raises(ValueError, match="not standalone"):
        GameDay(lab, seed=1)
    with rl.sentinel() as lab, pytest.raises(ValueError, match="to its end"):
        page(GameDay(lab, seed=1))


def test_a_fault_that_is_broken_off_leaves_a_whole_lab(monkeypatch):
    """Interrupted while it waits for the new primary, it wakes the frozen one all the same."""
    with rl.sentinel() as lab:
        day = GameDay(lab, seed=1)
        monkeypatch.setattr(game_faults, "replaced", Mock(side_effect=KeyboardInterrupt))
        for name in ("a primary is frozen", "a primary is killed"):
            with pytest.raises(KeyboardInterrupt):
                FAULTS[name](day)
        assert all(node.state == "up" for node in lab.nodes)


def test_a_stopped_projector_does_not_outlive_its_parent():
    """Its parent dies while it is stopped: it can't see that, and is ended."""
    with rl.sentinel() as lab:
        code = (
            "import os, signal, sys; from redis_lab.course.game_crew import Crew;"
            "crew = Crew(sys.argv[1], ['EWR'], ['A']).__enter__(); process = crew._processes['A'];"
            "process.send_signal(signal.SIGSTOP); print(process.pid, flush=True);"
            "os.kill(os.getpid(), signal.SIGKILL)"
        )
        run = subprocess.run(
            [sys.executable, "-c", code, lab.sentinels[0].url], capture_output=True, text=True
        )
        child = int(run.stdout)
        wait_until(lambda: "" if _gone(child) else "it is there", 10, "the projector has ended")


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
