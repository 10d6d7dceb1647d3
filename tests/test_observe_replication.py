"""observe.replication: who copies whom, and how far each has come."""

import math

import pytest

import redis_lab.lab
from redis_lab.lab.waiting import wait_until
from redis_lab.observe import distance, replication


@pytest.fixture(scope="module")
def lab():
    with redis_lab.lab.replicated(replicas=2) as lab:
        yield lab


def caught_up(lab):
    behind = replication(lab).behind
    return "" if behind.notna().all() and (behind == 0).all() else f"behind: {list(behind)}"


def test_tells_the_primary_from_its_replicas(lab):
    """Replicas follow the primary by name, with its replid, and none is behind on a quiet lab."""
    lab.client().set("gate", "B12")
    wait_until(lambda: caught_up(lab), 10, "the lab")
    table = replication(lab)
    assert list(table.index) == ["redis-1", "redis-2", "redis-3"]
    assert list(table.role) == ["primary", "replica", "replica"]
    assert list(table.follows) == ["", "redis-1", "redis-1"]
    assert list(table.link) == ["", "up", "up"]
    assert table.replid.nunique() == 1 and table.offset.nunique() == 1
    assert table.full["redis-1"] >= 2


def test_a_chain_with_a_frozen_middle(lab):
    """A replica of a frozen replica says that its link is up; behind counts what it lacks."""
    third = lab.node("redis-3")
    third.client().replicaof(*lab.node("redis-2").internal_address)
    wait_until(
        lambda: "" if third.info("replication")["master_link_status"] == "up" else "no", 10, "x"
    )
    wait_until(lambda: caught_up(lab), 10, "the chain")
    lab.pause("redis-2")
    lab.client().set("gate", "B" * 1000)
    table = replication(lab)
    lab.resume("redis-2")
    assert table.role["redis-2"] == "" and table.offset.isna()["redis-2"]
    assert table.follows["redis-3"] == "redis-2" and table.link["redis-3"] == "up"
    assert table.behind["redis-3"] > 1000


def test_distance_of_a_frozen_replica(lab):
    """What was reported is there while it is frozen; asked itself, it doesn't answer."""
    one, two = lab.node("redis-1"), lab.node("redis-2")
    lab.pause(two)
    lab.client().set("gate", "B" * 1000)
    frozen = distance(one, two)
    lab.resume(two)
    wait_until(lambda: caught_up(lab), 10, "the chain")
    assert frozen["behind_as_reported_bytes"] > 1000
    assert math.isnan(frozen["behind_when_asked_bytes"])
    assert distance(one, two)["behind_when_asked_bytes"] == 0


def test_distance_of_a_stranger(lab):
    """The third copies from the second: the first does not list it."""
    seen = distance(lab.node("redis-1"), lab.node("redis-3"))
    assert math.isnan(seen["lag_field"]) and seen["behind_when_asked_bytes"] >= 0


def test_a_primary_that_is_gone(lab):
    """Without the top of the chain nobody can say how far behind the others are."""
    lab.kill("redis-1")
    table = replication(lab)
    assert table.role["redis-1"] == "" and table.behind.isna().all()
