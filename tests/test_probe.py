"""Probe: a fixed rate, every outcome logged, and an audit of what became of each write."""

import threading
import time

import pandas as pd
import pytest
import redis

import redis_lab as rl
from redis_lab.observe import Probe, longest_gap


@pytest.fixture(scope="module")
def lab():
    with rl.standalone(config={"appendonly": "yes"}) as lab:
        yield lab


@pytest.fixture
def r(lab):
    return lab.client()


def until(reached, patience=20.0):
    """Poll a state; the deadline is for a broken test, not a measurement."""
    deadline = time.monotonic() + patience
    while not reached():
        assert time.monotonic() < deadline, "state not reached"
        time.sleep(0.01)  # leave the interpreter to the threads under test


def done(probe, number):
    """Wait until the probe has done `number` operations more."""
    enough = len(probe.frame()) + number
    until(lambda: len(probe.frame()) >= enough)


def served_again(probe):
    until(lambda: probe.frame().ok.iloc[-5:].all() and not probe.frame().ok.all())


def audit(probe, client):
    (counts,) = probe.audit(client).to_dict("records")
    return counts


def test_operations_are_intended_at_a_fixed_rate(r):
    """Operation n is intended n times `every` after the first, whatever the earlier ones took."""
    with Probe(r, lambda client, number: client.ping(), every=0.005) as probe:
        done(probe, 30)
    frame = probe.frame()
    assert list(frame.number) == list(range(len(frame)))
    assert frame.intended.diff().dropna().round(4).eq(0.005).all()
    assert (frame.started >= frame.intended - 1e-6).all()
    assert (frame.finished >= frame.started).all()
    assert frame.latency.equals(frame.finished - frame.intended)
    assert frame.ok.all() and frame.error.isna().all()


def test_a_blocked_operation_makes_those_behind_it_late():
    """One operation of 0.3 s shows in the latency of all that were due meanwhile."""

    def slow_once(client, number):
        if number == 3:
            time.sleep(0.3)

    with Probe(None, slow_once, every=0.01) as probe:
        done(probe, 40)
    latency = probe.frame().latency
    assert latency[3] >= 0.3
    assert all(latency[late] >= 0.33 - 0.01 * late - 1e-6 for late in range(3, 33))


def test_it_ends_by_itself(r):
    """After `limit` seconds no further operation begins."""
    probe = Probe(r, "read", every=0.01, limit=0.2).start()
    until(lambda: not probe._thread.is_alive())
    assert 0 < len(probe.frame()) <= 20
    probe.stop()


def test_it_runs_once(r):
    """Starting a second time is a mistake; stopping a second time is not."""
    probe = Probe(r, "read")
    probe.stop()
    with probe:
        pass
    probe.stop()
    with pytest.raises(RuntimeError, match="once"):
        probe.start()


def test_errors_are_logged(r):
    """What the client raises is an outcome: class and message stand in the frame."""
    with Probe(r, lambda client, number: client.execute_command("NOSUCH"), every=0.005) as probe:
        done(probe, 3)
    frame = probe.frame()
    assert not frame.ok.any()
    assert frame.error.str.startswith("ResponseError: unknown command").all()
    assert not probe.longest_gap.recovered


def test_errors_of_the_lab_are_outcomes():
    """So are RedisLabErrors, which the patterns raise."""

    def limited(client, number):
        raise rl.RateLimited(1.0)

    with Probe(None, limited, every=0.005) as probe:
        done(probe, 1)
    assert probe.frame().error[0].startswith("RateLimited")


@pytest.mark.parametrize("bug", [TypeError, redis.DataError, ZeroDivisionError])
def test_a_bug_in_the_workload_is_raised_at_stop(bug):
    """An exception that is no answer of a server ends the probe and comes out of stop()."""

    def broken(client, number):
        raise bug("a bug")

    probe = Probe(None, broken).start()
    until(lambda: not probe._thread.is_alive())
    with pytest.raises(bug, match="a bug"):
        probe.stop()
    assert probe.frame().empty


def test_a_bug_does_not_hide_the_exception_of_the_body():
    """When the block fails too, its exception comes out, with a note about the probe's."""
    with pytest.raises(KeyError) as caught, Probe(None, lambda client, number: 1 / 0) as probe:
        until(lambda: not probe._thread.is_alive())
        raise KeyError("body")
    assert "ZeroDivisionError" in caught.value.__notes__[0]


def test_every_write_is_found(r):
    """Without a fault all writes are acknowledged and in the data once, under keys that expire."""
    with Probe(r, every=0.002) as probe:
        done(probe, 50)
    counts = audit(probe, r)
    assert counts["attempted"] == counts["acknowledged"] == len(probe.frame())
    assert counts["failed"] == counts["lost"] == counts["duplicated"] == counts["unknown"] == 0
    assert sum(r.llen(key) for key in probe.keys) == len(probe.frame())
    assert all(0 < r.ttl(key) <= 3600 for key in probe.keys)


def test_audit_reads_raw_clients_too(lab, r):
    """A client without decode_responses gives the same audit."""
    with Probe(r, every=0.002) as probe:
        done(probe, 20)
    assert audit(probe, lab.client(decode_responses=False)) == audit(probe, r)


def test_audit_counts_lost_and_duplicated(r):
    """What was removed is lost, what stands twice is duplicated."""
    with Probe(r, every=0.002) as probe:
        done(probe, 40)
    r.lpop(probe.keys[0])
    r.rpush(probe.keys[1], 1)
    counts = audit(probe, r)
    assert (counts["lost"], counts["duplicated"]) == (1, 1)


def test_audit_counts_unknown(r):
    """A write that raised and was applied all the same is unknown: an error proves nothing."""

    class Deaf:
        def eval(self, script, keys, *args):
            r.eval(script, keys, *args)
            if args[1] == 3:
                raise redis.TimeoutError("no answer")

    with Probe(Deaf(), every=0.002) as probe:
        done(probe, 10)
    counts = audit(probe, r)
    assert (counts["failed"], counts["unknown"], counts["lost"]) == (1, 1, 0)


def test_audit_is_for_finished_writers(r):
    """No audit of a probe that reads, nor of one that still runs."""
    with Probe(r, "read") as probe:
        done(probe, 1)
    with pytest.raises(ValueError, match="write"):
        probe.audit(r)
    with Probe(r) as probe, pytest.raises(RuntimeError, match="stop"):
        probe.audit(r)


def test_a_reader_stores_nothing(r):
    """The "read" workload leaves no key."""
    before = r.dbsize()
    with Probe(r, "read", every=0.002) as probe:
        done(probe, 20)
    assert r.dbsize() == before
    assert probe.frame().ok.all()


def test_a_kill_shows_as_a_gap_and_nothing_is_lost(lab, r):
    """A killed server with an append-only file: errors, one gap until it is back, no loss."""
    node = lab.nodes[0]
    with Probe(r) as probe:
        done(probe, 20)
        killed = time.time()
        lab.kill(node)
        until(lambda: (~probe.frame().ok).sum() >= 60)
        restarted = time.time()
        lab.restart(node)
        served_again(probe)
    gap = probe.longest_gap
    assert gap.recovered
    assert gap.seconds == pytest.approx(gap.end - gap.start)
    # The last success may be logged a moment after the kill was ordered.
    assert gap.start < restarted < gap.end
    assert gap.seconds >= (restarted - killed) / 2
    frame = probe.frame()
    assert not frame[frame.finished.between(gap.start, gap.end, inclusive="neither")].ok.any()
    counts = audit(probe, lab.client())
    assert counts["failed"] == (~frame.ok).sum() >= 60
    assert counts["lost"] == counts["duplicated"] == 0


def test_a_kill_without_persistence_loses_what_the_audit_says():
    """Everything acknowledged before the kill is lost, everything after it is there."""
    with rl.standalone() as lab:
        with Probe(lab.client(), every=0.005) as probe:
            done(probe, 20)
            lab.kill(lab.nodes[0])
            until(lambda: not probe.frame().ok.iloc[-5:].any())
            lab.restart(lab.nodes[0])
            served_again(probe)
        frame = probe.frame()
        counts = audit(probe, lab.client())
    first_failed = frame.number[~frame.ok].min()
    assert counts["lost"] == frame.ok[frame.number < first_failed].sum() >= 20
    assert counts["acknowledged"] - counts["lost"] == frame.ok[frame.number > first_failed].sum()


def test_a_cluster_is_probed_on_every_primary():
    """The sixteen keys lie in the sixteen parts of the slots, so each primary has some."""
    with rl.cluster(primaries=3, replicas=0) as lab:
        client = lab.client()
        with Probe(client, every=0.002) as probe:
            done(probe, 32)
        owners = {client.get_node_from_key(key).name for key in probe.keys}
        assert len(owners) == 3
        assert len({client.keyslot(key) * 16 // 16384 for key in probe.keys}) == 16
        counts = audit(probe, client)
    assert counts["acknowledged"] == counts["attempted"] and counts["lost"] == 0


def test_longest_gap_of_a_table():
    """The longest time between two successes; the ends of the probe count as edges."""
    frame = pd.DataFrame(
        {
            "intended": [10.0, 11.0, 12.0, 13.0, 14.0],
            "finished": [10.1, 11.1, 12.1, 13.1, 14.1],
            "ok": [True, False, False, True, True],
        }
    )
    gap = longest_gap(frame)
    assert (round(gap.seconds, 6), gap.start, gap.end, gap.recovered) == (3.0, 10.1, 13.1, True)
    gap = longest_gap(frame.assign(ok=[True, True, False, False, False]))
    assert (round(gap.seconds, 6), gap.end, gap.recovered) == (3.0, 14.1, False)
    gap = longest_gap(frame.assign(ok=False))
    assert (gap.start, gap.end, gap.recovered) == (10.0, 14.1, False)
    with pytest.raises(ValueError, match="no operation"):
        longest_gap(frame[:0])


@pytest.mark.parametrize(
    "wrong", [{"workload": "scribble"}, {"every": 0}, {"limit": -1}, {"workload": 7}]
)
def test_wrong_arguments_are_named(wrong):
    """A wrong argument is refused with its name, before a thread starts."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Probe(None, **wrong)
    assert not [t for t in threading.enumerate() if t.name == "redis-lab-probe"]


def test_the_frame_of_a_probe_that_did_nothing_has_its_columns():
    """Empty or not, the table has the same columns and types."""
    frame = Probe(None).frame()
    assert list(frame) == [
        *("number", "intended", "started", "finished", "ok", "error", "key", "latency"),
    ]
    assert frame.ok.dtype == bool and frame.latency.dtype == float


def test_wait_returns_when_so_many_more_were_served(r):
    """wait(n) counts from the moment it is called."""
    with Probe(r, "read", every=0.002) as probe:
        probe.wait(5)
        before = len(probe.frame())
        probe.wait(20)
        assert len(probe.frame()) >= before + 20


def test_wait_says_how_far_it_came():
    """Where nothing is served, wait ends with a TimeoutError that counts."""

    def refused(client, number):
        raise OSError("refused")

    with Probe(None, refused) as probe, pytest.raises(TimeoutError, match="0 of 3"):
        probe.wait(3, timeout=0.1)


def test_wait_on_a_probe_that_ended_is_an_error(r):
    """A probe that is over serves nothing more, and wait doesn't wait for it."""
    probe = Probe(r, "read", limit=0.05).start()
    until(lambda: not probe._thread.is_alive())
    with pytest.raises(RuntimeError, match="not running"):
        probe.wait(1)
