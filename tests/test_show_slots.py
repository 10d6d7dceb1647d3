"""observe.slots asks a cluster who owns which slot, and show.slots draws it."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import redis
from redis.crc import key_slot

import redis_lab as rl
from redis_lab import observe, show
from redis_lab.lab.waiting import wait_until


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def lab():
    with rl.cluster(primaries=3, replicas=0, node_timeout=2.0, spares=1) as lab:
        yield lab


def two_owners():
    owners = ["redis-1"] * 10_000 + ["redis-2"] * 6_384
    return pd.DataFrame({"node": owners, "to": "", "keys": [2] * 10_000 + [0] * 6_384})


def words(ax):
    return [text.get_text() for text in ax.texts]


def beside(ax):
    """The lines at the right of the map."""
    return [word for word in words(ax) if len(word) > 1]


def test_every_slot_has_its_owner_and_its_keys(lab):
    """The owners are the lab's primaries, and each key is counted in the slot of its name."""
    lab.flush()
    client = lab.client()
    for name in ("flight:UA1545", "{EWR}:out", "{EWR}:in"):
        client.set(name, "due")
    table = observe.slots(lab)
    assert list(dict.fromkeys(table.node)) == [node.name for node in lab.primaries]
    assert table.node.value_counts().sort_index().tolist() == [5461, 5461, 5462]
    assert table["keys"].sum() == 3
    assert table["keys"][key_slot(b"EWR")] == 2
    assert table["keys"][key_slot(b"flight:UA1545")] == 1
    assert set(table.to) == {""}


def test_slots_on_their_way_are_told(lab):
    """While CLUSTER SETSLOT moves a slot the table names the node it goes to; the owner stays."""
    spare, owner = lab.node("redis-4"), lab.node("redis-1")
    lab.primary.tell("CLUSTER", "MEET", *spare.internal_address, spare.bus_port)
    lab.wait_healthy()
    spare.tell("CLUSTER", "SETSLOT", 7, "IMPORTING", owner.tell("CLUSTER", "MYID"))
    owner.tell("CLUSTER", "SETSLOT", 7, "MIGRATING", spare.tell("CLUSTER", "MYID"))
    table = observe.slots(lab)
    assert table.index[table.to == "redis-4"].tolist() == [7]
    assert table.node[7] == "redis-1"
    for node in (spare, owner):
        node.tell("CLUSTER", "SETSLOT", 7, "STABLE")


def test_keys_of_a_dead_owner_are_not_known(lab):
    """Its slots are still its own, until they have another owner; what they hold nobody says."""
    lab.kill("redis-2")
    table = observe.slots(lab)
    assert (table.node == "redis-2").sum() == 5461
    assert table[table.node == "redis-2"]["keys"].isna().all()
    assert table[table.node == "redis-1"]["keys"].notna().all()
    lab.restart("redis-2")
    lab.wait_healthy()


def test_without_an_answer_there_is_no_table():
    """A cluster that is gone is an error, not an empty map."""
    with rl.cluster(primaries=1, replicas=0) as lab:
        lab.kill("redis-1")
        with pytest.raises(redis.RedisError, match="no node"):
            observe.slots(lab)


def test_a_slot_without_an_owner_is_told():
    """CLUSTER DELSLOTS leaves a hole in the map, with a line of its own."""
    with rl.cluster(primaries=1, replicas=0) as lab:
        lab.primary.tell("CLUSTER", "DELSLOTS", 5, 6)
        wait_until(lambda: _owned(lab), 10, "the slots gone")
        table = observe.slots(lab)
        assert table.index[table.node == ""].tolist() == [5, 6]
        assert "no owner: 2 slots" in words(show.slots(table))


def _owned(lab):
    return "" if len(observe.slots(lab).node.unique()) == 2 else "all are owned"


def test_the_map_is_drawn_from_the_lab_itself(lab):
    """A Topology will do; the title says how many slots each owner has."""
    ax = show.slots(lab)
    assert ax.get_title() == "3 owners: 5,461, 5,461, 5,462"
    assert beside(ax)[:3] == [
        "A redis-1: 5,461 slots", "B redis-2: 5,461 slots", "C redis-3: 5,462 slots",
    ]  # fmt: skip


def test_the_title_and_the_map_change_with_the_table():
    """What is written is computed from the table, and letters stand in the blocks."""
    ax = show.slots(two_owners())
    assert ax.get_title() == "2 owners: 10,000, 6,384"
    assert words(ax).count("A") == words(ax).count("B") == 1
    assert len(ax.lines) == 1
    moved = two_owners()
    moved.loc[:499, "node"] = "redis-2"
    assert show.slots(moved).get_title() == "2 owners: 6,884, 9,500"


def test_slots_on_their_way_are_hatched():
    """A stretch of slots is hatched, and a line says how many go where."""
    table = two_owners()
    table.loc[100:299, "to"] = "redis-2"
    ax = show.slots(table)
    assert "//// 200 slots move to redis-2" in words(ax)
    assert [patch.get_hatch() for patch in ax.collections[1:]] == ["////", "////"]


def test_by_keys_the_fullest_slot_is_ringed():
    """Numbers are summed by owner, and the highest slot is named."""
    table = two_owners()
    table.loc[1000, "keys"] = 500
    ax = show.slots(table, by="keys", title="500 keys in one slot")
    assert ax.get_title() == "500 keys in one slot"
    assert beside(ax)[:3] == [
        "A redis-1: 20,498 keys",
        "B redis-2: 0 keys",
        "○ slot 1,000: 500 keys",
    ]
    ring = next(line for line in ax.lines if line.get_marker() == "o")
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (1000 % 256 + 0.5, 1000 // 256 + 0.5)


def test_an_empty_cluster_has_no_ring():
    """Where nothing is counted nothing is the highest."""
    ax = show.slots(two_owners().assign(keys=0), by="keys")
    assert not [line for line in ax.lines if line.get_marker() == "o"]


@pytest.mark.parametrize(("of", "by"), [(two_owners().head(9), None), (two_owners(), "load")])
def test_a_table_that_is_no_map_is_refused(of, by):
    """Too few slots, or a column that isn't there: a ValueError that names the argument."""
    with pytest.raises(ValueError, match="by" if by else "of"):
        show.slots(of, by=by)
