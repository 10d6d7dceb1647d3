"""What a Writer noted is what its server answered."""

import time

import pytest
from redis.exceptions import RedisError

import redis_lab as rl
from redis_lab.observe import Writer, growth


@pytest.fixture
def lab():
    with rl.replicated(replicas=1) as lab:
        yield lab


def test_every_acknowledged_write_is_in_the_list_once(lab):
    """Closed between two pipelines, it has noted all that it wrote, however often it was asked."""
    r = lab.client()
    with Writer(lab.url, batch=50) as writer:
        for _ in range(20):
            writer.wait(100)
    told = writer.audit(r).iloc[0]
    assert told.acknowledged >= 2000
    assert (told.refused, told.unconfirmed, told.lost) == (0, 0, 0)
    assert list(map(int, r.lrange(writer.key, 0, -1))) == list(range(told.acknowledged))
    r.lrem(writer.key, 1, 7)
    assert writer.audit(r).iloc[0].lost == 1


def test_it_keeps_to_its_rate(lab):
    """Not more than `rate` a second."""
    with Writer(lab.url, batch=10, rate=200) as writer:
        writer.wait(60)
    frame = writer.frame()
    assert frame["at"].iloc[-1] - frame["at"].iloc[0] >= (len(frame) - 2) * 10 / 200


def test_what_is_refused_is_told_and_it_goes_on(lab):
    """NOREPLICAS is an answer: it writes on, and again when it may."""
    admin = lab.primary.client()
    with Writer(lab.url, batch=20, key="board") as writer:
        admin.config_set("min-replicas-to-write", 2)
        writer.wait(40, "refused")
        admin.config_set("min-replicas-to-write", 0)
        writer.wait(40)
    told = writer.audit(admin).iloc[0]
    assert told.refused >= 40 and told.lost == 0
    assert admin.llen("board") == told.acknowledged


def test_only_what_replicas_confirm_is_acknowledged(lab):
    """With more copies asked for than there are replicas, none is, yet it is written."""
    r = lab.client()
    with Writer(lab.url, batch=20, copies=1) as confirmed:
        confirmed.wait(20)
    assert confirmed.audit(r).iloc[0].lost == 0
    lab.pause("redis-2")
    with pytest.raises(TimeoutError, match="of 1 acknowledged"):
        _wait_briefly(writer := Writer(lab.url, batch=20, copies=1))
    assert writer.count("unconfirmed") >= 20 and writer.count() == 0
    assert r.llen(writer.key) >= 20


def _wait_briefly(writer):
    writer.wait, ask = lambda count: None, writer.wait  # its start waits for a first success
    with writer:
        ask(20, "unconfirmed")
        ask(1, timeout=0.3)


def test_growth_counts_from_a_moment_on(lab):
    """The sum is what was acknowledged after it; who began later is missing before."""
    with Writer(lab.url, batch=10, rate=500) as first:
        since = time.time()
        first.wait(100)
        with Writer(lab.url, batch=10, rate=500) as second:
            second.wait(50)
    table = growth({"first": first, "second": second}, since)
    after = first.frame().query("at > @since").acknowledged.sum()
    assert table["first"].max() == after and table["second"].max() == second.count()
    assert table["second"].isna().iloc[0] and table.index[0] == pytest.approx(0.1)


def test_a_dead_server_ends_it(lab):
    """Waiting for it is an error then, and so is an audit before its end, or a second run."""
    with Writer(lab.url) as writer:
        with pytest.raises(RuntimeError, match="not closed"):
            writer.audit(lab.client())
        lab.kill("redis-1")
        with pytest.raises((RuntimeError, RedisError), match="no more"):
            writer.wait(10**7)
    with pytest.raises(RuntimeError, match="once"):
        writer.__enter__()
    with pytest.raises(ValueError, match="above 0"):
        Writer(lab.nodes[0].url, batch=0)
