"""RedisLock: one holder, bounded waiting, renewal, tokens; on a server and on a cluster."""

import gc
import logging
import math
import threading
import time
from contextlib import contextmanager

import pytest
import redis

from redis_lab.errors import LockLost, LockNotAcquired
from redis_lab.lab.waiting import wait_until
from redis_lab.patterns import RedisLock
from redis_lab.patterns.renewal import Hold
from redis_lab.patterns.scripting import script

DAY = 86_400_000


def ttls(client):
    """The TTL in ms of every key there is."""
    return {key: client.pttl(key) for key in client.scan_iter(count=1000)}


def blocked(client):
    """How many clients wait in a blocking command."""
    if not isinstance(client, redis.RedisCluster):
        return client.info("clients")["blocked_clients"]
    replies = client.info("clients", target_nodes=client.ALL_NODES)
    return sum(reply["blocked_clients"] for reply in replies.values())


def until_blocked(client, count):
    wait_until(lambda: "" if blocked(client) == count else f"{blocked(client)} blocked", 10, "wait")


def renewals():
    """Which renewal threads there are, in words."""
    names = [each.name for each in threading.enumerate()]
    return ", ".join(name for name in names if name.startswith("redis-lab-renewal"))


def lapse(client, name):
    """Let the lock run out, as far as the server is concerned."""
    client.delete(f"{{{name}}}:lock")


@contextmanager
def thread(work):
    """Run it beside the block; what it returned is in the list, once the block has ended."""
    results = []
    running = threading.Thread(target=lambda: results.append(work()))
    running.start()
    try:
        yield results
    finally:
        running.join(30)
        assert results, "the thread failed, or has not ended"


def test_one_holder_at_a_time(client):
    """While one holds the lock nobody else gets it, and after its release anyone does."""
    ann, bob = RedisLock(client, "report"), RedisLock(client, "report")
    assert ann.acquire() and ann.owned()
    assert not bob.acquire(blocking=False) and not bob.acquire(timeout=0.05) and not bob.owned()
    assert ann.release() and not ann.owned() and not ann.release()
    assert bob.acquire(blocking=False) and not ann.acquire(timeout=0.0)


def test_who_tries_once_leaves_no_trace(client):
    """Someone who does not wait is not waited for: after the release the lock is simply gone."""
    lock = RedisLock(client, "a")
    lock.acquire()
    assert not RedisLock(client, "a").acquire(blocking=False)
    assert not RedisLock(client, "a").acquire(timeout=0.0)
    assert lock.release() and set(ttls(client)) == {"{a}:lock:token"}


def test_every_key_has_a_ttl_on_every_path(client):
    """Acquired, waited for, released, extended: no key is left without a TTL."""
    ann, bob = RedisLock(client, "a", ttl=5), RedisLock(client, "a", ttl=5)
    ann.acquire()
    bob.acquire(timeout=0.01)
    ann.extend(8)
    assert set(ttls(client)) == {"{a}:lock", "{a}:lock:token"}
    assert 7000 < client.pttl("{a}:lock") <= 8000 and client.pttl("{a}:lock:token") > DAY - 60_000
    ann.release()
    assert set(ttls(client)) == {"{a}:lock", "{a}:lock:token", "{a}:lock:wake"}
    assert client.pttl("{a}:lock") <= 100
    assert min(ttls(client).values()) > 0
    bob.acquire()
    bob.release()
    assert min(ttls(client).values()) > 0


def test_a_lock_without_ttl_by_default_redis_py_dogpile(client):
    """Nobody has to think of a TTL: ten seconds."""
    RedisLock(client, "a").acquire()
    assert 9000 < client.pttl("{a}:lock") <= 10_000


def test_a_lock_ttl_under_a_second_waits_for_ever_walrus(client):
    """A TTL of milliseconds is one: the lock of a dead holder is soon another's."""
    assert RedisLock(client, "a", ttl=0.3).acquire()
    assert 0 < client.pttl("{a}:lock") <= 300
    after = RedisLock(client, "a", ttl=0.001)
    assert after.acquire(timeout=20)
    wait_until(lambda: "still there" if client.exists("{a}:lock") else "", 20, "1 ms")
    assert not after.owned() and not after.release()


def test_any_holders_exit_deletes_the_next_holders_lock_huey(client):
    """Releasing, extending and leaving a lock that has become someone else's changes nothing."""
    late, next_one = RedisLock(client, "a"), RedisLock(client, "a", ttl=60)
    with pytest.raises(LockLost), late:
        lapse(client, "a")
        next_one.acquire()
        assert not late.owned() and not late.extend()
    assert not late.release()
    assert next_one.owned() and client.pttl("{a}:lock") > 50_000


def test_a_late_exit_spares_the_next_hold_of_the_same_instance(client):
    """Threads that share an instance leave their own hold, never the one that came after."""
    shared = RedisLock(client, "a")
    inside, leave, left = threading.Event(), threading.Event(), threading.Event()

    def late():
        with pytest.raises(LockLost), shared:
            inside.set()
            leave.wait(10)
        left.set()
        return True

    with thread(late):
        assert inside.wait(10)
        lapse(client, "a")
        with shared:
            leave.set()
            assert left.wait(10) and shared.owned()


def test_not_reentrant(client):
    """An instance that holds the lock waits like any other when it asks again."""
    lock = RedisLock(client, "a")
    with lock:
        assert not lock.acquire(timeout=0.02)
        assert lock.owned()


def test_nested_with_on_one_instance_tells_the_outer_block(client):
    """When the inner block could only begin because the outer hold had ended, the outer is told."""
    lock = RedisLock(client, "a")
    with pytest.raises(LockLost), lock:
        lapse(client, "a")
        with lock:
            assert lock.owned()


def test_with_never_runs_the_body_without_the_lock(client):
    """`with` waits up to `timeout`, then raises instead of running the body."""
    RedisLock(client, "a").acquire()
    with pytest.raises(LockNotAcquired, match="'a'"), RedisLock(client, "a", timeout=0.02):
        pytest.fail("the body ran")


def test_leaving_the_lock_hides_the_bodys_exception_redis_py(client):
    """The body's own exception comes out, with the lost lock as a note."""
    with pytest.raises(ZeroDivisionError) as caught, RedisLock(client, "a"):
        lapse(client, "a")
        raise ZeroDivisionError("the body")
    assert "LockLost" in caught.value.__notes__[0]
    with pytest.raises(ZeroDivisionError) as caught, RedisLock(client, "a"):
        raise ZeroDivisionError("the body")
    assert not hasattr(caught.value, "__notes__") and not client.exists("{a}:lock")


def test_released_inside_the_block(client):
    """A block that releases early leaves without a word."""
    with RedisLock(client, "a") as lock:
        assert lock.release()


def test_extend_sets_what_is_left(client):
    """`extend` lets it run out that many seconds from now; of a lock not held it says False."""
    lock = RedisLock(client, "a", ttl=5)
    assert not lock.extend() and not lock.release() and not lock.owned()
    lock.acquire()
    assert lock.extend(60) and client.pttl("{a}:lock") > 50_000
    assert lock.extend() and client.pttl("{a}:lock") <= 5000
    lapse(client, "a")
    assert not lock.extend() and not client.exists("{a}:lock")


def test_a_release_wakes_a_waiter(client):
    """A waiter gets the lock from a release, long before its TTL."""
    holder, waiter = RedisLock(client, "a", ttl=600), RedisLock(client, "a")
    holder.acquire()
    with thread(waiter.acquire) as got:
        until_blocked(client, 1)
        assert holder.release()
    assert got == [True] and waiter.owned() and waiter.fencing_token > holder.fencing_token
    assert not client.exists("{a}:lock:wake")


def test_a_lock_kept_for_the_woken_waiter_is_not_a_newcomers(client):
    """What a release has handed to a waiter only that one takes; what nobody took, anyone."""
    client.set("{a}:lock", "+", px=60_000)
    assert not RedisLock(client, "a").acquire(timeout=0.02)
    keys = ["{a}:lock", "{a}:lock:token"]
    assert script("lock_acquire")(client, keys, ["w" * 32 + "+", 1000, "woken"]) > 0
    assert client.get("{a}:lock") == "w" * 32 + "+" and client.pttl("{a}:lock") <= 1000
    client.set("{a}:lock", "+", px=60_000)
    client.rpush("{a}:lock:wake", "free")
    assert RedisLock(client, "a").acquire(blocking=False) and not client.exists("{a}:lock:wake")


def test_a_chain_of_waiters_is_woken_one_by_one(client):
    """Each release wakes the next of several waiters, also of those who marked an earlier lock."""
    first, done = RedisLock(client, "a", ttl=600), []
    first.acquire()

    def wait_and_pass_on():
        lock = RedisLock(client, "a", ttl=600, timeout=30)
        with lock:
            done.append(lock.fencing_token)
        return True

    with thread(wait_and_pass_on), thread(wait_and_pass_on), thread(wait_and_pass_on):
        until_blocked(client, 3)
        first.release()
    assert len(done) == 3 and done == sorted(set(done))


@pytest.mark.parametrize(
    ("ttl", "options"),
    [(60, {}), (0.3, {}), (60, {"socket_timeout": 0.4})],
    ids=["long-ttl", "short-ttl-renewed", "short-socket-timeout"],
)
def test_a_waiter_sends_at_most_five_commands_a_second(server, r, ttl, options):
    """However short the TTL or the client's timeout: five in any second, blocked or not."""
    holder = RedisLock(r, "a", ttl=ttl, renew=True)
    holder.acquire()
    with server.client(**options) as waiting, r.monitor() as monitor:
        address = waiting.client_info()["addr"]
        assert not RedisLock(waiting, "a").acquire(timeout=2.5)
        r.echo("the end")
        sent = []
        for command in monitor.listen():
            if command["command"].startswith("ECHO"):
                break
            by = f"{command['client_address']}:{command['client_port']}"
            if by == address and command["command"].startswith(("EVALSHA", "BLPOP")):
                sent.append(command["time"])
    assert 3 <= len(sent) <= 5 * 2.5 + 5
    assert all(later - sooner > 0.8 for sooner, later in zip(sent, sent[5:], strict=False))
    assert holder.owned() and holder.release()


def test_waiting_looks_at_a_lock_that_lost_its_ttl(client):
    """A key that someone stripped of its TTL is waited for like any other, not taken."""
    RedisLock(client, "a").acquire()
    client.persist("{a}:lock")
    assert not RedisLock(client, "a").acquire(timeout=0.02)


def test_renewal_keeps_the_lock_for_as_long_as_it_is_held(client):
    """A renewed lock outlives its TTL many times, and its thread ends with it."""
    with RedisLock(client, "a", ttl=0.5, renew=True) as lock:
        assert renewals()
        until = time.monotonic() + 1.2
        wait_until(lambda: "" if time.monotonic() > until or not lock.owned() else "…", 20, "1.2 s")
        assert lock.owned() and not RedisLock(client, "a").acquire(blocking=False)
    assert not client.exists("{a}:lock")
    wait_until(renewals, 20, "its end")


def test_renewal_never_shortens(client):
    """A renewal leaves alone what `extend` has given beyond the lock's own TTL."""
    lock = RedisLock(client, "a", ttl=0.3, renew=True)
    lock.acquire()
    lock.extend(600)
    until = time.monotonic() + 0.5
    wait_until(lambda: "" if time.monotonic() > until else "…", 20, "some renewals")
    assert client.pttl("{a}:lock") > 500_000 and lock.owned()
    lock.release()


def test_a_renewal_under_way_at_the_release_raises_no_alarm(caplog):
    """A renewal that comes after the release finds the lock gone, and knows why."""
    hold = Hold("owner", 1, until=math.inf)
    hold.renew(lambda: hold.end() or 0, ttl=0.01, name="a")
    wait_until(renewals, 20, "its end")
    assert not hold.lost and not caplog.text


def test_renewal_tells_the_holder_when_the_lock_is_lost(client, caplog):
    """The renewal stops and says so: in the log, by `owned()`, and by LockLost at the exit."""
    with (
        caplog.at_level(logging.WARNING, "redis_lab.patterns.lock"),
        pytest.raises(LockLost, match="'a'"),
        RedisLock(client, "a", ttl=0.2, renew=True) as lock,
    ):
        lapse(client, "a")
        RedisLock(client, "a", ttl=600).acquire()
        wait_until(renewals, 20, "loss")
        assert not lock.owned() and not lock.extend()
    assert "lost while its holder worked" in caplog.text
    assert client.pttl("{a}:lock") > 500_000


def test_a_forgotten_lock_is_no_longer_renewed(client):
    """When nobody refers to the instance any more, the lock runs out."""
    RedisLock(client, "a", ttl=0.2, renew=True).acquire()
    gc.collect()
    wait_until(lambda: "held" if client.exists("{a}:lock") else "", 20, "running out")


def test_tokens_increase_whatever_becomes_of_lock_and_token(client):
    """Release, expiry, deletion and eviction: every token is above all earlier ones."""
    tokens, token_key = [], "{a}:lock:token"
    for gone in ([], ["{a}:lock"], [token_key], ["{a}:lock", token_key], []):
        for key in gone:
            client.delete(key)
        lapse(client, "a")
        lock = RedisLock(client, "a")
        assert lock.fencing_token is None
        lock.acquire()
        tokens.append(lock.fencing_token)
        assert int(client.get(token_key)) == lock.fencing_token
    assert tokens == sorted(set(tokens))


def test_the_token_is_the_servers_time_in_microseconds(client, clock):
    """A token is the time of its acquisition, where the clock has moved on since the last."""
    clock.microseconds = 1_800_000_000_123_456
    lock = RedisLock(client, "a")
    lock.acquire()
    assert lock.fencing_token == 1_800_000_000_123_456


def test_tokens_increase_while_the_servers_clock_goes_back(client, clock):
    """A clock set back by hours adds one to the last token, which is kept a day past its time."""
    lock = RedisLock(client, "a")
    lock.acquire()
    first = lock.fencing_token
    for more in (1, 2):
        lock.release()
        clock.advance(-3600)
        lock.acquire()
        assert lock.fencing_token == first + more
        assert client.get("{a}:lock:token") == str(first + more)
        kept = client.pttl("{a}:lock:token")
        assert DAY + more * 3_600_000 - 60_000 < kept <= DAY + more * 3_600_000 + 1


def test_script_flush_in_the_middle(client):
    """A server that has forgotten the scripts is told them again, at every step."""
    lock = RedisLock(client, "a")
    for step in (lock.acquire, lock.extend, lock.release):
        client.script_flush()
        assert step()


def test_every_kind_of_client(any_client):
    """Text or bytes, protocol 2 or 3: the lock works the same."""
    ann, bob = RedisLock(any_client, "a"), RedisLock(any_client, "a")
    with ann:
        assert ann.owned() and isinstance(ann.fencing_token, int)
        assert not bob.acquire(timeout=0.02)
        assert ann.owned() and ann.extend()
    with bob:
        assert bob.owned()


@pytest.mark.parametrize("name", ["two words", "{tag}", "a:lock", "Grüße 東京", "%7B"])
def test_names_are_kept_apart(client, name):
    """Any name makes a lock of its own."""
    with RedisLock(client, name, timeout=0.0), RedisLock(client, "a", timeout=0.0):
        assert len(ttls(client)) == 4


@pytest.mark.parametrize(
    ("error", "argument", "options"),
    [
        (TypeError, "name", {"name": b"a"}),
        (ValueError, "name", {"name": ""}),
        (ValueError, "ttl", {"ttl": 0}),
        (ValueError, "ttl", {"ttl": -1.0}),
        (ValueError, "ttl", {"ttl": float("nan")}),
        (TypeError, "ttl", {"ttl": "10"}),
        (TypeError, "ttl", {"ttl": None}),
        (ValueError, "timeout", {"timeout": -0.1}),
        (TypeError, "timeout", {"timeout": "1"}),
    ],
)
def test_wrong_arguments_are_named(r, error, argument, options):
    """A wrong argument is a TypeError or ValueError that names it."""
    with pytest.raises(error, match=argument):
        RedisLock(r, **{"name": "a", **options})


def test_wrong_arguments_of_calls_are_named(r):
    """So it is with those of acquire() and extend(), which then change nothing."""
    lock = RedisLock(r, "a")
    with pytest.raises(ValueError, match="timeout"):
        lock.acquire(blocking=False, timeout=1)
    with pytest.raises(ValueError, match="timeout"):
        lock.acquire(timeout=-1)
    with pytest.raises(ValueError, match="ttl"):
        lock.extend(0)
    assert not ttls(r)


def test_a_full_server_grants_no_lock_and_lets_go_of_one(r):
    """Out of memory: acquire() raises redis-py's error, and a lock that is held can be released."""
    held = RedisLock(r, "held")
    held.acquire()
    RedisLock(r, "held").acquire(timeout=0.01)
    r.config_set("maxmemory", 1)
    try:
        with pytest.raises(redis.OutOfMemoryError):
            RedisLock(r, "a").acquire()
        assert held.extend() and held.release()
    finally:
        r.config_set("maxmemory", 0)
    assert set(ttls(r)) - {"{held}:lock"} == {"{held}:lock:token", "{held}:lock:wake"}


def test_repr_names_the_lock(r):
    """The repr tells which lock it is."""
    assert repr(RedisLock(r, "a", ttl=2)) == "<RedisLock 'a' ttl=2 token=None>"
