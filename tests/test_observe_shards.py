"""observe.ShardProbe, Suspicions and elections on a real cluster that loses a primary."""

import threading
import time
from types import SimpleNamespace

import pytest

import redis_lab.lab
from redis_lab import observe


@pytest.fixture(scope="module")
def lost():
    """A cluster through the loss of its first primary: lab, victim, probe, suspicions, when."""
    with redis_lab.lab.cluster(node_timeout=1.0) as lab:
        victim = lab.primary
        with observe.Suspicions(lab) as seen, observe.ShardProbe(lab, socket_timeout=0.5) as probe:
            probe.wait(10)
            began = time.time()
            lab.kill(victim)
            lab.wait_healthy(timeout=30)
            probe.wait(10)
        yield lab, victim, probe, seen, began


def test_each_shard_is_probed_for_itself(lost):
    """Keys lie in the shard they are called by, and only the lost shard meets a dead address."""
    _, victim, probe, _, _ = lost
    assert list(probe.probes) == ["redis-1", "redis-2", "redis-3"]
    assert not set.intersection(*(set(each.keys) for each in probe.probes.values()))
    assert set(probe.frame().shard) == set(probe.probes)
    assert probe.errors().loc[victim.name].sum() > 0
    assert probe.silence()[victim.name] == probe.silence().max()


def test_audit_has_a_row_for_each_shard(lost):
    """Attempts are those of the frame; they are acknowledged or failed."""
    lab, _, probe, _, _ = lost
    audit = probe.audit(lab.client())
    assert audit.attempted.sum() == len(probe.frame())
    assert (audit.acknowledged + audit.failed == audit.attempted).all()


def test_errors_of_a_quiet_probe_are_an_empty_table():
    """Without an error there is a row for each shard and no column."""
    probe = observe.ShardProbe.__new__(observe.ShardProbe)
    quiet = observe.Probe(None)
    quiet._log.append((0, 1.0, 1.0, 1.1, True, None, quiet.keys[0]))
    probe.probes = {"redis-1": quiet}
    assert probe.errors().shape == (1, 0)


def test_shards_are_waited_for_at_the_same_time():
    """No shard's count begins when another's is through."""
    together = threading.Barrier(3)
    probe = observe.ShardProbe.__new__(observe.ShardProbe)
    each = SimpleNamespace(wait=lambda served, timeout: together.wait(timeout))
    probe.probes = {f"redis-{number}": each for number in (1, 2, 3)}
    probe.wait(1, timeout=10)
    assert not together.broken


def test_all_survivors_hold_the_dead_node_to_be_dead(lost):
    """The verdict is seen on each node in service, and begins after the kill."""
    lab, victim, _, seen, began = lost
    spans = seen.spans(began)
    verdict = spans[(spans.what == victim.name) & (spans.outcome == "fail")]
    assert set(verdict.who) == {node.name for node in lab.nodes if node.alive}
    assert (verdict.start > 0).all() and (verdict.end >= verdict.start).all()


def test_elections_tell_who_won_by_name(lost):
    """The winner's line and two votes for it, in names rather than ids, in order of time."""
    lab, victim, _, _, began = lost
    told = observe.elections(lab, began)
    winner = told.node[told.said.str.contains("election won")].iloc[-1]
    assert winner == lab.primary.name
    assert told.said.str.contains(f"Failover auth granted to {winner}").sum() >= 2
    assert told.said.str.contains(f"Marking node {victim.name} as failing").any()
    assert told["at"].is_monotonic_increasing
