"""Partitions: who still reaches whom, what clients on each side are told, what is left of it."""

import contextlib

import pytest
import redis

import redis_lab as rl
from redis_lab.lab.waiting import wait_until

PATIENCE = 20.0


@pytest.fixture
def lab():
    with rl.sentinel(down_after=0.5) as lab:
        yield lab


def keyspace(node):
    return set(node.client().keys("*"))


def until(reached, what):
    wait_until(lambda: "" if reached() else "not yet", PATIENCE, what)


def never(reached, what):
    """Not in one and a half seconds, that is; links are tried anew every second."""
    with pytest.raises(rl.LabUnavailable, match="not so after"):
        wait_until(lambda: "" if reached() else "not yet", 1.5, what)


def until_replaced(lab, old):
    until(lambda: named(lab) not in (None, old), f"another primary than {old.name}")
    lab.wait_healthy(PATIENCE)


def named(lab):
    """The primary, or None while a vote goes on and no majority names one."""
    with contextlib.suppress(rl.LabUnavailable):
        return lab.primary


def link(replica):
    return replica.info("replication")["master_link_status"]


def write(client, prefix, number=50):
    """The keys whose writes were acknowledged."""
    keys = [f"{prefix}:{n}" for n in range(number)]
    return {key for key in keys if client.set(key, "x")}


def heal(lab):
    """Heal, wait, and check that all nodes hold the same keys again."""
    lab.heal()
    lab.wait_healthy(PATIENCE)
    until(lambda: len({frozenset(keyspace(node)) for node in lab.data_nodes}) == 1, "same keys")
    assert all(node.state == "up" for node in lab.nodes) and len(lab.replicas) == 2


def test_writes_to_an_isolated_primary_are_acknowledged_and_then_gone(lab):
    """A client that stays with the old primary is told OK each time; after the heal none is left.

    Writes before the partition and those to the new primary survive.
    """
    old = lab.primary
    stays = old.client()
    before = write(lab.client(), "before")
    lab.partition(old)
    assert old.state == "cut off" and old.role == "primary"
    lost = write(stays, "lost")
    until_replaced(lab, old)
    lost |= write(stays, "later")
    follows = lab.client()
    kept = write(follows, "kept")
    assert old.role == "primary" and stays.get("lost:1") == "x" and follows.get("lost:1") is None
    assert keyspace(lab.primary) == before | kept and keyspace(old) == before | lost
    heal(lab)
    assert keyspace(old) == keyspace(lab.primary) == before | kept
    assert old.role == "replica" and lab.primary is not old
    with pytest.raises(redis.ReadOnlyError):
        stays.set("a", "b")
    kinds = [event.kind for event in lab.events if event.kind in ("partition", "heal")]
    assert kinds == ["partition", "heal"]


def test_min_replicas_to_write_bounds_what_is_lost():
    """With min-replicas-to-write an isolated primary soon refuses instead of acknowledging."""
    config = {"min-replicas-to-write": 1, "min-replicas-max-lag": 1}
    with rl.sentinel(down_after=0.5, config=config) as lab:
        old = lab.primary
        client = old.client()
        assert client.set("a", "b") and client.wait(2, 20_000) == 2
        lab.partition(old)
        until(lambda: "NOREPLICAS" in answer(client), "a refusal")
        assert client.get("a") == "b"
        until_replaced(lab, old)
        assert lab.client().get("a") == "b"


def answer(client):
    try:
        return str(client.set("probe", "x"))
    except redis.ResponseError as error:
        return str(error)


def test_a_replica_that_is_cut_off_serves_the_past(lab):
    """Writers notice nothing; the replica's link is down and it answers with what it had."""
    primary, victim = lab.primary, lab.replicas[0]
    before = write(lab.client(), "before")
    until(lambda: keyspace(victim) == before, "copy")
    lab.partition(victim)
    until(lambda: link(victim) == "down", "link down")
    after = write(lab.client(), "after")
    lab.wait_healthy(PATIENCE)
    assert lab.primary is primary and victim.state == "cut off"
    assert keyspace(victim) == before and victim.client().get("after:1") is None
    heal(lab)
    assert keyspace(victim) == before | after and lab.primary is primary


def test_primary_and_sentinel_cut_off_together_still_see_each_other(lab):
    """The minority's Sentinel goes on naming the old primary; the majority elects another.

    A new client of the lab believes the majority, though it reaches both.
    """
    old, minority = lab.primary, lab.node("sentinel-1")
    stays = old.client()
    lab.partition(old, minority)
    until_replaced(lab, old)
    named = minority.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")
    assert (named[0], int(named[1])) == old.internal_address
    seen = minority.ask("SENTINEL", "MASTER", "mymaster")
    assert "s_down" not in seen["flags"].split(",")
    lost, kept = write(stays, "lost"), write(lab.client(), "kept")
    assert lab.client().get("lost:1") is None
    heal(lab)
    assert keyspace(old) == kept and not keyspace(old) & lost
    named = minority.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")
    assert (named[0], int(named[1])) == lab.primary.internal_address


def test_sentinels_cut_off_from_everything_decide_nothing(lab):
    """With two of three Sentinels away there is no quorum; clients and replicas go on."""
    primary = lab.primary
    lab.partition("sentinel-1")
    lab.partition("sentinel-2")
    with pytest.raises(rl.LabUnavailable, match="1 of 3 Sentinels in service"):
        lab.wait_healthy(1.0)
    kept = write(lab.client(), "kept")
    assert lab.primary is primary and primary.role == "primary"
    until(lambda: all(keyspace(node) == kept for node in lab.data_nodes), "copies")
    heal(lab)


def test_overlapping_partitions_cut_each_group_from_the_rest():
    """Two partitions hold at once: a node in both is alone; one heal ends them all."""
    with rl.replicated(replicas=3) as lab:
        one, two, three = (lab.node(f"redis-{number}") for number in (2, 3, 4))
        lab.partition(one, two)
        lab.partition(two, three)
        until(lambda: {link(node) for node in (one, two, three)} == {"down"}, "links down")
        for node in (one, two, three):
            node.ask("REPLICAOF", *(one if node is two else two).internal_address)
        assert write(lab.primary.client(), "apart")
        never(lambda: "up" in (link(one), link(two), link(three)), "a link")
        for node in (one, two, three):
            node.ask("REPLICAOF", *lab.node("redis-1").internal_address)
        lab.heal()
        lab.wait_healthy(PATIENCE)
        until(lambda: all(keyspace(n) == keyspace(lab.primary) for n in lab.nodes), "same keys")


def test_two_replicas_cut_off_together_still_follow_each_other():
    """Within one side nothing changes: a chain of replicas there goes on."""
    with rl.replicated(replicas=2) as lab:
        middle, end = lab.replicas
        end.ask("REPLICAOF", *middle.internal_address)
        until(lambda: link(end) == "up", "chain")
        lab.partition(middle, end)
        until(lambda: link(middle) == "down", "link down")
        middle.ask("REPLICAOF", "NO", "ONE")
        kept = write(middle.client(), "chain")
        until(lambda: keyspace(end) >= kept, "copies in the chain")
        assert not keyspace(lab.node("redis-1"))


def test_clients_reach_both_sides(lab):
    """Nobody but the nodes is cut off: every node answers the lab and its clients throughout."""
    lab.partition("redis-1", "sentinel-1")
    for node in lab.nodes:
        assert node.alive and node.client().execute_command("PING")
    assert {node.state for node in lab.nodes} == {"up", "cut off"}


def test_a_node_restarted_behind_a_partition_stays_cut_off(lab):
    """Restart does not heal: neither side hears of the other until heal()."""
    victim = lab.replicas[0]
    lab.partition(victim)
    lab.restart(victim)
    assert victim.state == "cut off"
    kept = write(lab.client(), "kept")
    never(lambda: link(victim) == "up", "a link")
    assert not keyspace(victim)
    heal(lab)
    assert keyspace(victim) == kept


def test_a_primary_restarted_behind_a_partition_does_not_empty_the_others():
    """The replicas must not copy the emptiness of a primary that they can't reach."""
    with rl.replicated() as lab:
        old = lab.primary
        kept = write(lab.client(), "kept")
        until(lambda: all(keyspace(node) == kept for node in lab.nodes), "copies")
        lab.partition(old)
        for _ in range(5):
            lab.restart(old)
        assert keyspace(old) == set()
        assert all(keyspace(node) == kept for node in lab.replicas)


def test_a_node_paused_during_a_partition_is_cut_off_when_it_resumes(lab):
    """A paused node can't be told; it is as soon as it answers."""
    victim = lab.replicas[0]
    lab.pause(victim)
    lab.partition(victim)
    assert victim.state == "paused"
    lab.resume(victim)
    assert victim.state == "cut off"
    until(lambda: link(victim) == "down", "link down")
    heal(lab)


def test_a_node_killed_during_a_partition_returns_to_its_side(lab):
    """kill, partition, restart, heal in any order end in order."""
    victim = lab.replicas[0]
    lab.kill(victim)
    lab.partition(victim)
    assert victim.state == "down"
    lab.restart(victim)
    assert victim.state == "cut off"
    never(lambda: link(victim) == "up", "a link")
    heal(lab)


def test_healing_what_is_whole_does_nothing(lab):
    """heal() without a partition records nothing and changes nothing."""
    kept = write(lab.client(), "kept")
    lab.heal()
    assert not [event for event in lab.events if event.kind == "heal"]
    heal(lab)
    assert keyspace(lab.primary) == kept


@pytest.mark.processes("containers: test_docker_labs.py cuts a cluster apart")
def test_a_cluster_on_processes_can_not_be_partitioned():
    """LabUnavailable says why, and what does work here."""
    with rl.cluster(primaries=1, replicas=1) as lab:
        with pytest.raises(rl.LabUnavailable, match=r"bus has no users.*docker.*kill, pause"):
            lab.partition("redis-1")
        lab.heal()
        assert lab.client().set("a", "b") and lab.node("redis-1").state == "up"
        assert not [event for event in lab.events if event.kind == "partition"]


@pytest.mark.parametrize("start", [rl.standalone, rl.secure])
def test_one_node_alone_can_not_be_partitioned(start):
    """There is nothing to cut it off from."""
    with start() as lab:
        with pytest.raises(rl.LabUnavailable, match="nothing to be cut off from"):
            lab.partition("redis-1")
        assert lab.client().ping()


def test_a_partition_needs_two_sides():
    """No node, or all of them, is a ValueError; an unknown name a KeyError."""
    with rl.replicated(replicas=1) as lab:
        with pytest.raises(ValueError, match="at least one node"):
            lab.partition()
        with pytest.raises(ValueError, match="all of them"):
            lab.partition(*lab.nodes)
        with pytest.raises(KeyError, match="redis-1, redis-2"):
            lab.partition("nope")
        assert {node.state for node in lab.nodes} == {"up"}
