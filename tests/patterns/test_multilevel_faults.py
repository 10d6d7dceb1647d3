"""The local tier when servers stop, connections break, primaries change, processes fork."""

import os
import signal
import threading
import time
from contextlib import suppress

import pytest
import redis
from redis.exceptions import RedisClusterException
from test_multilevel import OTHER, gives, is_local, settle, tell

import redis_lab as rl
from redis_lab.lab.waiting import wait_until
from redis_lab.patterns.cache import RedisCache
from redis_lab.patterns.multilevel import MultiLevelCache
from redis_lab.patterns.tracking import SILENCE

GONE = (redis.RedisError, RedisClusterException)


def becomes_local(tier, key):
    try:
        return is_local(tier, key)
    except GONE as error:
        return repr(error)


def writes(cache, key, value):
    try:
        cache.set(key, value)
    except GONE as error:
        return repr(error)
    return ""


def test_a_lost_connection_drops_the_tier(client, lab, beside):
    """Every value, at once; the tier fills again once it hears again."""
    cache = RedisCache(client, "shop")
    with MultiLevelCache(cache) as tier:
        tier.set("a", 1)
        settle(tier, "a")
        nodes = [lab.nodes[0]] if len(lab.nodes) == 1 else lab.primaries
        with nodes[-1].client() as direct:
            direct.client_kill_filter(_type="pubsub")
        wait_until(lambda: str(tier.stats().local_items or ""), 5, "the drop", every=0.0)
        wait_until(lambda: becomes_local(tier, "a"), 10, "a local value again")
        other = beside(lab, OTHER)
        tell(other, "cache.set('a', 2)")
        wait_until(lambda: gives(lambda: tier.get("a"), 2), 5, "the message")


def test_a_read_begun_as_the_connection_is_lost_is_not_kept(server, r):
    """A thread that knew of tracking just before its end keeps nothing that changes unheard."""
    with server.client() as client, MultiLevelCache(RedisCache(client, "shop")) as tier:
        elsewhere = RedisCache(r, "shop")
        elsewhere.set("a", "old")
        known, go, again = threading.Event(), threading.Event(), threading.Event()
        expect, opened = tier._tier.expect, tier._tracking._open

        def late(key, fresh_until):
            known.set()
            go.wait(20)
            return expect(key, fresh_until)

        def later(pool):
            again.wait(20)
            return opened(pool)

        tier._tier.expect, tier._tracking._open = late, later
        reader = threading.Thread(target=tier.get, args=("a",))
        reader.start()
        assert known.wait(20)
        tier._tier.expect = expect
        r.client_kill_filter(_type="pubsub")
        wait_until(lambda: "" if not tier._tracking.fresh_until else "fresh", 5, "loss", every=0)
        go.set()
        reader.join()
        elsewhere.set("a", "new")  # nobody hears of it
        again.set()
        wait_until(lambda: "" if tier._tracking.fresh_until else "not yet", 10, "tracking", every=0)
        assert tier.get("a") == "new"


def test_two_seconds_of_silence_drop_the_tier():
    """A server that is stopped says nothing, and so nothing is known: no value is local then."""
    with rl.standalone() as lab, MultiLevelCache(RedisCache(lab.client(), "shop")) as tier:
        tier.set("a", "old")
        settle(tier, "a")
        lab.pause(lab.primary)
        paused = time.monotonic()
        with pytest.raises(redis.TimeoutError):
            while True:
                assert tier.get("a") == "old"
        assert tier._tracking.fresh_until <= paused + SILENCE
        wait_until(lambda: str(tier.stats().local_items or ""), 5, "the drop")
        lab.resume(lab.primary)
        wait_until(lambda: becomes_local(tier, "a"), 15, "a local value again")


def test_a_server_that_dies_takes_the_tier_with_it():
    """Local values do not outlive the server: what it no longer has, nobody gives."""
    with rl.standalone() as lab, MultiLevelCache(RedisCache(lab.client(), "shop")) as tier:
        tier.set("a", "old")
        settle(tier, "a")
        lab.kill(lab.primary)
        with pytest.raises(redis.ConnectionError):
            while True:
                assert tier.get("a") == "old"
        lab.restart(lab.nodes[0])
        lab.wait_healthy()
        assert tier.get("a") is None
        tier.set("a", "new")
        wait_until(lambda: becomes_local(tier, "a"), 15, "a local value again")
        assert tier.get("a") == "new"


def test_without_a_server_the_tier_waits_for_one():
    """The constructor does not need one; what is read first afterwards becomes local."""
    with rl.standalone() as lab:
        client = lab.client()
        lab.kill(lab.primary)
        with MultiLevelCache(RedisCache(client, "shop", on_error="bypass")) as tier:
            assert tier.get("a") is None
            assert tier.get_or_set("a", lambda: 1) == 1
            lab.restart(lab.nodes[0])
            lab.wait_healthy()
            tier.set("a", 2)
            wait_until(lambda: becomes_local(tier, "a"), 15, "a local value")


def test_a_failover_drops_the_tier():
    """Also one whose old primary lives on and answers: reads and messages have one source."""
    with rl.sentinel(replicas=1, sentinels=3, down_after=0.5) as lab:
        cache = RedisCache(lab.client(), "shop")
        with MultiLevelCache(cache) as tier:
            tier.set("a", "old")
            settle(tier, "a")
            before = tier._tracking.fresh_until
            old = lab.primary
            lab.failover(old)
            lab.wait_healthy()
            elsewhere = RedisCache(lab.client(), "shop")
            wait_until(lambda: writes(elsewhere, "a", "new"), 10, "a write on the new primary")
            assert lab.primary is not old
            wait_until(lambda: gives(lambda: reads(tier, "a"), "new"), 10, "the new value")
            wait_until(lambda: becomes_local(tier, "a"), 15, "a local value again")
            assert tier.get("a") == "new"
            assert tier._tracking.fresh_until > before


def reads(tier, key):
    with suppress(*GONE):
        return tier.get(key)


def test_a_tier_left_at_an_old_primary_notices():
    """Its connection lives, answers and says nothing, while the client has moved on."""
    with rl.replicated(replicas=1) as lab:
        client = lab.client()
        with MultiLevelCache(RedisCache(client, "shop")) as tier:
            tier.set("a", "old")
            settle(tier, "a")
            other = next(node for node in lab.nodes if node is not lab.primary)
            with other.client() as direct:
                direct.replicaof("NO", "ONE")
                client.connection_pool.connection_kwargs.update(host=other.host, port=other.port)
                client.connection_pool.reset()
                wait_until(lambda: str(tier.stats().local_items or ""), 10, "the drop")
                wait_until(lambda: becomes_local(tier, "a"), 10, "a local value again")
                RedisCache(direct, "shop").set("a", "new")
                wait_until(lambda: gives(lambda: tier.get("a"), "new"), 5, "the message")


@pytest.mark.parametrize("how", ["failover", "kill"])
def test_a_cluster_failover_drops_the_tier(how):
    """Whether the primary hands over or dies: the tier hears the new one."""
    with rl.cluster(primaries=3, replicas=1) as lab:
        client = lab.client()
        with MultiLevelCache(RedisCache(client, "shop")) as tier:
            keys = [f"k{number}" for number in range(12)]
            for key in keys:
                tier.set(key, "old")
            settle(tier, *keys)
            changed = lab.primaries[0]
            first = tier._tracking._thread.ident
            getattr(lab, how)(changed)
            lab.wait_healthy()
            elsewhere = RedisCache(lab.client(), "shop")
            for key in keys:
                wait_until(lambda key=key: writes(elsewhere, key, "new"), 15, "a write")
            for key in keys:
                wait_until(lambda key=key: gives(lambda: reads(tier, key), "new"), 10, key)
            for key in keys:
                wait_until(lambda key=key: becomes_local(tier, key), 15, f"{key} is local")
            for key in keys:
                elsewhere.set(key, "newest")
                wait_until(lambda key=key: gives(lambda: tier.get(key), "newest"), 5, key)
            assert tier._tracking._thread.ident == first


SLEEPER = """
import signal, time
tier = MultiLevelCache(RedisCache(client, "shop"))
while tier.stats().local_hits < 3:
    tier.get("a")
print(tier._tracking.fresh_until, flush=True)
sys.stdin.readline()
signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
print(tier.get("a"), flush=True)
"""


def test_a_process_that_slept_reads_nothing_old(server, r, beside):
    """It wakes with its memory full of old values, and asks Redis before any message is read."""
    cache = RedisCache(r, "shop")
    cache.set("a", "old")
    sleeper = beside(server, SLEEPER)
    assert float(sleeper.stdout.readline()) > time.monotonic()
    sleeper.stdin.write("\n")
    sleeper.stdin.flush()
    wait_until(lambda: "" if is_stopped(sleeper.pid) else "it runs", 5, "asleep")
    slept = time.monotonic()
    cache.set("a", "new")
    wait_until(
        lambda: "" if time.monotonic() > slept + SILENCE else "too fresh", 5, "two seconds pass"
    )
    os.kill(sleeper.pid, signal.SIGCONT)
    assert sleeper.stdout.readline() == "new\n"


def is_stopped(pid):
    with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123
        return stat.read().rpartition(")")[2].split()[0] in "Tt"


FORKER = """
def say(*words):  # in one piece: two processes write to one pipe
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

tier = MultiLevelCache(RedisCache(client, "shop"))

@tier.cached(name="f")
def f(x):
    return x

def until(there):
    end = time.monotonic() + 10
    while not there() and time.monotonic() < end:
        pass

def settle(key):
    before = tier.stats().local_hits
    until(lambda: tier.get(key) and f(1) and tier.stats().local_hits >= before + 2)

tier.set("a", "old")
settle("a")
child = os.fork()
stats = tier.stats()
settle("a")
who = "parent" if child else "child"
say(who, stats.local_items > 0, len(client.client_list(_type="pubsub")))
until(lambda: os.path.exists(sys.argv[1]))
until(lambda: tier.get("a") == "new")
say(who, tier.get("a"))
if child:
    os.wait()
else:
    os._exit(0)
"""


def test_a_forked_child_starts_anew(server, r, beside, tmp_path):
    """It has an empty tier, a connection of its own, and leaves the parent's alone."""
    parent = beside(server, FORKER, tmp_path / "go")
    said = {}
    for _ in range(2):
        who, filled, _ = parent.stdout.readline().split()
        said[who] = filled
    assert said == {"parent": "True", "child": "False"}
    assert len(r.client_list(_type="pubsub")) == 2
    RedisCache(r, "shop").set("a", "new")
    (tmp_path / "go").touch()
    assert {parent.stdout.readline(), parent.stdout.readline()} == {"parent new\n", "child new\n"}
    assert parent.wait(10) == 0


READER = """
tier = MultiLevelCache(RedisCache(client, "shop"))
print("ready", flush=True)
last = int(sys.argv[1])
while tier.get("a") != last:
    pass
stays = {tier.get("a") for _ in range(1000)}
print(stays == {last}, tier.stats().local_hits > 0, flush=True)
"""


def test_readers_in_other_processes_end_with_the_last_value(lab, client, beside):
    """However fast a value changes, what is local at the end is what was written last."""
    cache = RedisCache(client, "shop")
    cache.set("a", 0)
    readers = [beside(lab, READER, 500) for _ in range(2)]
    assert [reader.stdout.readline() for reader in readers] == ["ready\n"] * 2
    for number in range(1, 501):
        cache.set("a", number)
    assert [reader.stdout.readline() for reader in readers] == ["True True\n"] * 2
