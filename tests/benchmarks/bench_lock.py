"""Lock and unlock, ours and the peers', of which none hands out a fencing token."""

import secrets
import threading
import time

import pytest
from side_by_side import compare, peer

import redis_lab as rl
from redis_lab.lab.waiting import wait_until
from redis_lab.patterns import RedisLock

FREE = (
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
)
MISSING = "not installed: pip install 'redis-lab[bench]'"


@pytest.fixture(scope="module")
def r():
    with rl.standalone() as lab, lab.client() as client:
        yield client


def pair(lock):
    def lock_and_unlock():
        lock.acquire()
        lock.release()

    return lock_and_unlock


def peers(r):
    ways = {"redis-py Lock": pair(r.lock("redis-py", timeout=10))}
    redis_lock = peer("redis_lock")
    ways["python-redis-lock"] = (
        pair(redis_lock.Lock(r, "python-redis-lock", expire=10)) if redis_lock else MISSING
    )
    walrus = peer("walrus")
    if walrus:
        database = walrus.Database(connection_pool=r.connection_pool)
        ways["walrus"] = pair(database.lock("walrus", ttl=10_000))
    else:
        ways["walrus"] = MISSING
    pottery = peer("pottery")
    ways["pottery"] = (
        pair(pottery.Redlock(key="pottery", masters={r}, auto_release_time=10))
        if pottery
        else MISSING
    )
    return ways


def test_lock_and_unlock(r):
    sha = r.script_load(FREE)

    def raw():
        owner = secrets.token_hex(16)
        r.set("raw", owner, nx=True, px=10_000)
        r.evalsha(sha, 1, "raw", owner)

    ours = "RedisLock, fenced, wakes a waiter"
    compare(
        "lock + unlock",
        "SET NX + EVALSHA",
        {"SET NX + EVALSHA": raw, ours: pair(RedisLock(r, "ours")), **peers(r)},
        floors={ours: 0.90},
        blocks=600,
    )


def test_a_release_wakes_a_waiter(r):
    """From the release to the waiter's holding it: at most 50 ms, each time."""
    delays = []
    for _ in range(50):
        holder, waiter = RedisLock(r, "wake", ttl=60), RedisLock(r, "wake", ttl=60)
        holder.acquire()
        woken = []
        waiting = threading.Thread(
            target=lambda w=waiter, at=woken: (w.acquire(), at.append(time.perf_counter()))
        )
        waiting.start()
        wait_until(lambda: "" if r.info("clients")["blocked_clients"] else "…", 10, "a waiter")
        released = time.perf_counter()
        holder.release()
        waiting.join()
        waiter.release()
        delays.append(woken[0] - released)
    middle = sorted(delays)[len(delays) // 2]
    print(f"\nwoken by a release: median {middle * 1e3:.2f} ms, worst {max(delays) * 1e3:.2f} ms")
    assert max(delays) < 0.050


def contend(make, threads=8, rounds=25):
    """Seconds that each acquisition took, by threads that hold the lock for 2 ms."""
    waits = []

    def work():
        lock = make()
        for _ in range(rounds):
            started = time.perf_counter()
            lock.acquire()
            waits.append(time.perf_counter() - started)
            time.sleep(0.002)
            lock.release()

    running = [threading.Thread(target=work) for _ in range(threads)]
    for each in running:
        each.start()
    for each in running:
        each.join()
    return sorted(waits)


def test_eight_contend(r):
    """How long it takes to get a lock that eight want all the time: ours passes it on in turn."""
    ways = {
        "RedisLock": lambda: RedisLock(r, "ours"),
        "redis-py Lock": lambda: r.lock("redis-py", timeout=10),
    }
    if redis_lock := peer("redis_lock"):
        ways["python-redis-lock"] = lambda: redis_lock.Lock(r, "python-redis-lock", expire=10)
    print("\neight threads, 25 times 2 ms each: waiting for the lock")
    for name, make in ways.items():
        waits = contend(make)
        middle, most = waits[len(waits) // 2], waits[-1]
        print(f"  {name:34} median {middle * 1e3:6.1f} ms   worst {most * 1e3:6.1f} ms")
