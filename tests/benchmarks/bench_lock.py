"""Lock and unlock, ours and the peers', of which none hands out a fencing token."""

import secrets

import pytest
from side_by_side import compare, peer

import redis_lab as rl
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
    )
