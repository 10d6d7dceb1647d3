"""observe.heartbeat asks a node's bus port and reads the slot map in its answer."""

import pytest

import redis_lab as rl
from redis_lab import observe
from redis_lab.errors import LabUnavailable


@pytest.fixture(scope="module")
def lab():
    with rl.cluster(primaries=3, replicas=1, node_timeout=2.0) as lab:
        yield lab


def test_the_map_is_that_of_the_node(lab):
    """Id, slots and length are what the node itself says, for every primary."""
    table = observe.slots(lab)
    for node in lab.primaries:
        beat = observe.heartbeat(node)
        assert beat.sender == node.ask("CLUSTER", "MYID")
        assert beat.slots == table.index[table.node == node.name].tolist()
        assert len(beat.bitmap) == 2048 < len(beat.raw)


def test_a_replica_sends_the_map_of_its_primary(lab):
    """A replica owns nothing, and says whom it would stand in for."""
    owned = {tuple(observe.heartbeat(node).slots) for node in lab.primaries}
    assert tuple(observe.heartbeat(lab.replicas[0]).slots) in owned


def test_nobody_is_met_by_asking(lab):
    """The cluster has as many nodes as before, and is sound."""
    observe.heartbeat(lab.primaries[0])
    assert {len(node.ask("CLUSTER", "NODES").splitlines()) for node in lab.nodes} == {6}
    lab.wait_healthy()


def test_a_node_without_a_bus_is_refused():
    """A standalone server has no bus port."""
    with rl.standalone() as lab, pytest.raises(ValueError, match="redis-1 has no bus port"):
        observe.heartbeat(lab.primary)


def test_silence_is_told(lab, monkeypatch):
    """A bus port that nobody answers on is LabUnavailable, not a hang."""
    node = lab.primaries[0]
    monkeypatch.setattr(node, "bus_port", 1)
    with pytest.raises(LabUnavailable, match=f"nobody answers on the bus port of {node.name}"):
        observe.heartbeat(node)
