"""The ledger's counts are those of the surviving data."""

import pytest

import redis_lab as rl
from redis_lab.observe import Ledger


@pytest.fixture
def lab():
    with rl.standalone(config={"appendonly": "yes", "appendfsync": "always"}) as lab:
        yield lab


def test_what_a_killed_server_has_lost_is_counted(lab):
    """What a server with an AOF acknowledged is there; without its file, all of it is lost."""
    with Ledger(lab.url) as ledger:
        ledger.wait(100)
        lab.kill(lab.nodes[0])
    lab.restart("redis-1")
    lab.wait_healthy()
    kept = ledger.audit(lab.client()).iloc[0]
    assert kept.acknowledged >= 100
    assert kept.lost == 0
    assert kept.doubtful in (0, 20)
    assert kept.applied <= kept.doubtful
    lab.client().delete(ledger.key)
    assert ledger.audit(lab.client()).iloc[0].lost == kept.acknowledged


def test_an_end_without_a_fault_leaves_no_doubt(lab):
    """A writer that is told to end waits for its answer."""
    with Ledger(lab.url, batch=3, bytes=50) as ledger:
        ledger.wait(30)
    told = ledger.audit(lab.client(decode_responses=False)).iloc[0]
    assert (told.lost, told.doubtful, told.applied) == (0, 0, 0)
    assert lab.client().llen(ledger.key) == told.acknowledged
    assert len(lab.client().lindex(ledger.key, 0)) == 50


def test_lost_and_applied_are_told_apart(lab):
    """A hole among the acknowledged is a loss, wherever it is."""
    with Ledger(lab.url) as ledger:
        ledger.wait(100)
    lab.client().lrem(ledger.key, 1, "7:")
    lab.client().lrem(ledger.key, 1, "9:")
    assert ledger.audit(lab.client()).iloc[0].lost == 2


def test_it_says_when_it_can_not_go_on(lab):
    """Waiting for a writer whose server died is an error, as is an audit before the end."""
    with Ledger(lab.url) as ledger:
        ledger.wait(20)
        with pytest.raises(RuntimeError, match="after its block"):
            ledger.audit(lab.client())
        lab.kill("redis-1")
        with pytest.raises(RuntimeError, match="no more"):
            ledger.wait(10**6)
    with pytest.raises(RuntimeError, match="once"):
        ledger.__enter__()
    with pytest.raises(ValueError, match="batch"):
        Ledger("redis://", batch=0)
