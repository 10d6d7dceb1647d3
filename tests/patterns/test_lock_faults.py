"""RedisLock under faults: other processes, dead and stopped holders, servers that go away."""

import logging
import os
import signal
import threading
import time

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

import redis_lab as rl
from redis_lab.errors import LockLost
from redis_lab.lab.waiting import wait_until
from redis_lab.patterns import RedisLock

GONE = (redis.ConnectionError, redis.TimeoutError)

# Reads a number and writes it back plus one, under the lock; notes each token. This process's clock
# is off by as many seconds as the first argument says.
COUNTER = """
real, off = time.time, float(sys.argv[1])
time.time = lambda: real() + off
time.time_ns = lambda: int(time.time() * 1e9)
lock = RedisLock(client, "n", ttl=5, timeout=60, renew=True)
for _ in range(int(sys.argv[2])):
    with lock:
        number = int(client.get("{n}:number") or 0)
        client.rpush("{n}:tokens", lock.fencing_token)
        client.set("{n}:number", number + 1)
print("done")
"""

HOLDER = """
try:
    with RedisLock(client, "a", ttl=float(sys.argv[1])) as lock:
        print(lock.fencing_token, flush=True)
        sys.stdin.readline()
    print("released", flush=True)
except LockLost:
    print("lost", flush=True)
"""


def test_one_holder_among_processes_whose_clocks_are_an_hour_off(lab, client, beside):
    """No update is lost and tokens increase, with clocks an hour off, and scripts being flushed."""
    others = [beside(lab, COUNTER, off, 20) for off in (3600, -3600, 0)]
    while any(other.poll() is None for other in others):
        client.script_flush()
    assert [other.stdout.read() for other in others] == ["done\n"] * 3
    tokens = [int(token) for token in client.lrange("{n}:tokens", 0, -1)]
    assert client.get("{n}:number") == "60"
    assert len(tokens) == 60 and tokens == sorted(set(tokens))
    assert max(tokens) < (time.time() + 60) * 1e6
    wait_until(lambda: "kept" if client.exists("{n}:lock") else "", 20, "a free lock")


def test_the_lock_of_a_killed_holder_is_free_after_its_ttl(lab, client, beside):
    """A process that is killed holds the lock for its TTL and no longer."""
    holder = beside(lab, HOLDER, 1.5)
    token = int(holder.stdout.readline())
    holder.kill()
    after = RedisLock(client, "a")
    assert not after.acquire(blocking=False)
    assert after.acquire(timeout=30) and after.fencing_token > token


def test_a_stopped_holder_is_told_and_harms_nobody(lab, client, beside):
    """A process stopped past its TTL gets LockLost at its exit, and leaves the next one's lock."""
    holder = beside(lab, HOLDER, 0.5)
    token = int(holder.stdout.readline())
    holder.send_signal(signal.SIGSTOP)
    after = RedisLock(client, "a", ttl=60)
    assert after.acquire(timeout=30) and after.fencing_token > token
    holder.send_signal(signal.SIGCONT)
    print(file=holder.stdin, flush=True)
    assert holder.stdout.readline() == "lost\n"
    assert after.owned() and after.release()


def test_a_waiter_that_dies_with_the_wakeup_delays_the_others_only(server, r, beside):
    """When the woken waiter is killed, the others get the lock nevertheless."""
    holder = RedisLock(r, "a", ttl=600)
    holder.acquire()
    dead = beside(server, "RedisLock(client, 'a').acquire()")
    wait_until(lambda: "" if r.info("clients")["blocked_clients"] else "starting", 20, "a waiter")
    dead.send_signal(signal.SIGSTOP)
    other, got = RedisLock(r, "a"), []
    waiting = threading.Thread(target=lambda: got.append(other.acquire(timeout=30)))
    waiting.start()
    holder.release()
    waiting.join()
    assert got == [True] and other.owned()


def test_a_lock_outlives_a_restart_with_an_aof():
    """kill -9 and restart of a server with an AOF: held as before; a waiter saw the error."""
    with rl.standalone(config={"appendonly": "yes", "appendfsync": "always"}) as lab:
        client, errors = lab.client(), []
        lock = RedisLock(client, "a", ttl=600)
        lock.acquire()

        def wait():
            try:
                RedisLock(lab.client(), "a").acquire()
            except GONE as error:
                errors.append(error)

        waiter = threading.Thread(target=wait)
        waiter.start()
        wait_until(
            lambda: "" if client.info("clients")["blocked_clients"] else "starting", 20, "a waiter"
        )
        lab.kill(lab.primary)
        waiter.join(30)
        assert len(errors) == 1
        with pytest.raises(GONE):
            lock.owned()
        with pytest.raises(GONE):
            lock.release()
        with pytest.raises(GONE), RedisLock(client, "b"):
            pytest.fail("the body ran")
        lab.restart(lab.nodes[0])
        assert lock.owned() and not RedisLock(client, "a").acquire(blocking=False)
        assert lock.release()


def test_a_server_that_forgets_everything():
    """After a restart without any data the holder is told, and tokens increase all the same."""
    with rl.standalone() as lab:
        client = lab.client()
        with pytest.raises(LockLost), RedisLock(client, "a", ttl=600) as lock:
            lab.kill(lab.primary)
            lab.restart(lab.nodes[0])
            assert not lock.owned()
        after = RedisLock(client, "a")
        assert after.acquire() and after.fencing_token > lock.fencing_token
        with pytest.raises(ZeroDivisionError) as caught, RedisLock(client, "b"):
            lab.kill(lab.primary)
            raise ZeroDivisionError("the body")
        assert "ConnectionError" in caught.value.__notes__[0]


def test_the_renewal_thread_dies_silently_python_redis_lock(caplog):
    """It survives a server that stops for a while, and tells of one that never comes back."""
    caplog.set_level(logging.WARNING, "redis_lab.patterns.lock")
    with rl.standalone() as lab, lab.client(socket_timeout=0.5) as client:
        with RedisLock(client, "a", ttl=3, renew=True) as lock:
            lab.pause(lab.primary)
            failed = "renewal failed"
            wait_until(lambda: "" if failed in caplog.text else "no error", 20, "a failed renewal")
            lab.resume(lab.nodes[0])
            since = client.pttl("{a}:lock")
            wait_until(lambda: "" if client.pttl("{a}:lock") > since else "no", 20, "a renewal")
            assert lock.owned()
        with pytest.raises(LockLost) as caught, RedisLock(client, "a", ttl=0.5, renew=True) as lock:
            lab.kill(lab.primary)
            wait_until(lambda: "" if "was lost" in caplog.text else "renewing", 20, "the loss")
            assert not lock.owned(), "and without asking a server that is gone"
        assert isinstance(caught.value.__cause__, GONE)


def test_a_client_that_retries_gets_its_lock_once():
    """When an acquisition is applied but its answer lost, the client's second try finds its own."""
    noted = threading.Event()

    class Noting(NoBackoff):
        def compute(self, failures):
            noted.set()
            return super().compute(failures)

    with (
        rl.standalone() as lab,
        lab.client(socket_timeout=0.3, retry=Retry(Noting(), 10)) as client,
    ):
        lock, got = RedisLock(client, "a", ttl=60), []
        assert lock.acquire() and lock.release()  # so that the server knows the scripts
        lab.pause(lab.primary)
        acquiring = threading.Thread(target=lambda: got.append(lock.acquire(timeout=30)))
        acquiring.start()
        assert noted.wait(20)
        lab.resume(lab.nodes[0])
        acquiring.join(30)
        assert got == [True] and lock.owned() and client.pttl("{a}:lock") > 0
        assert int(client.get("{a}:lock:token")) == lock.fencing_token
        assert not RedisLock(client, "a").acquire(blocking=False) and lock.release()


@pytest.mark.parametrize("shape", ["sentinel", "cluster"])
def test_failover(shape):
    """A lock that has reached the replica is held on after its primary is killed; tokens go up."""
    start = {
        "sentinel": lambda: rl.sentinel(replicas=1, down_after=0.5),
        "cluster": lambda: rl.cluster(primaries=3, replicas=1, node_timeout=0.5),
    }
    with start[shape]() as lab:
        client = lab.client()
        lock = RedisLock(client, "a", ttl=600)
        lock.acquire()
        wait_until(lambda: "" if any(map(_has_the_lock, lab.replicas)) else "not yet", 20, "a copy")
        if shape == "sentinel":
            with pytest.raises(redis.ReadOnlyError):
                RedisLock(lab.replicas[0].client(), "a").acquire()
        lab.kill(next(node for node in lab.primaries if _has_the_lock(node)))
        lab.wait_healthy()
        again = RedisLock(client, "a")
        wait_until(lambda: _unanswered(lock), 30, "the new primary")
        assert lock.owned() and not again.acquire(blocking=False)
        assert lock.release() and again.acquire() and again.fencing_token > lock.fencing_token


def _has_the_lock(node):
    return node.client().dbsize() > 0


def _unanswered(lock):
    """A client may not have followed yet, and says so by errors."""
    try:
        lock.owned()
    except redis.RedisError as error:
        return repr(error)
    return ""


def test_a_forked_child_frees_nothing(lab, client):
    """A child that inherits a held lock does not hold it: leaving `with` there harms nobody."""
    lock = RedisLock(client, "a", ttl=60)
    with lock:
        if not (child := os.fork()):
            claimed = lock.owned() or lock.extend() or lock.release()
            lock.__exit__(None, None, None)
            os._exit(1 if claimed else 0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert lock.owned()
    assert not client.exists("{a}:lock")
