"""RedisCache beside raw redis-py and the peers: hits, a stampede, warming, invalidating."""

import asyncio
import json
import os
import subprocess
import sys
import time

import pytest
from side_by_side import compare, peer

import redis_lab as rl
from redis_lab.observe import trace
from redis_lab.patterns import RedisCache

FLIGHT = {"carrier": "UA", "number": 1545, "from": "EWR", "to": "IAH", "delay": 2.0, "miles": 1400}
MISSING = "not installed: pip install 'redis-lab[bench]'"
JOB = 0.2  # seconds that the computation of the stampede takes


@pytest.fixture(scope="module")
def lab():
    with rl.standalone() as lab:
        yield lab


@pytest.fixture
def r(lab):
    lab.flush()
    with lab.client() as client:
        yield client


def dogpile_region(lab):
    dogpile = peer("dogpile.cache")
    if not dogpile:
        return None
    region = dogpile.make_region(
        serializer=lambda value: json.dumps(value).encode(), deserializer=json.loads
    )
    pool = lab.client(decode_responses=False).connection_pool
    arguments = {"connection_pool": pool, "redis_expiration_time": 3600, "distributed_lock": True}
    return region.configure("dogpile.cache.redis", arguments={**arguments, "lock_timeout": 30})


def hit_peers(lab):
    ways = dict.fromkeys(["dogpile, get", "dogpile, cached", "walrus, get"], MISSING)
    ways |= dict.fromkeys(["walrus, cached", "pottery, cached", "cashews, cached (async)"], MISSING)
    if region := dogpile_region(lab):
        region.set("dogpile", FLIGHT)
        cached = region.cache_on_arguments()(lambda number: FLIGHT)
        ways["dogpile, get"] = lambda: region.get("dogpile")
        ways["dogpile, cached"] = lambda: cached(1545)
    if walrus := peer("walrus"):
        pool = lab.client(decode_responses=False).connection_pool
        cache = walrus.Database(connection_pool=pool).cache("walrus", default_timeout=3600)
        cache.set("flight", FLIGHT)
        through = cache.cached()(lambda number: FLIGHT)
        ways["walrus, get"] = lambda: cache.get("flight")
        ways["walrus, cached"] = lambda: through(1545)
    if pottery := peer("pottery"):
        kept = pottery.redis_cache(redis=lab.client(), key="pottery")(lambda number: FLIGHT)
        ways["pottery, cached"] = lambda: kept(1545)
    if cashews := peer("cashews"):
        loop, store = asyncio.new_event_loop(), cashews.Cache()
        store.setup(lab.url)

        @store(ttl=3600, key="flight:{number}")
        async def flight(number):
            return FLIGHT

        ways["cashews, cached (async)"] = lambda: loop.run_until_complete(flight(number=1545))
    return ways


def test_hit(lab, r):
    """A value that is there, by get and by decorator."""
    cache = RedisCache(r, "bench")
    cache.set("flight", FLIGHT)
    r.set("flight", json.dumps(FLIGHT), ex=3600)
    flight = cache.cached(name="flight")(lambda number, date="2013-01-01": FLIGHT)
    early = cache.cached(name="early", early=1.0)(lambda number: FLIGHT)
    ways = {
        "raw GET + json.loads": lambda: json.loads(r.get("flight")),
        "ours, get": lambda: cache.get("flight"),
        "ours, get_or_set": lambda: cache.get_or_set("flight", dict),
        "ours, cached": lambda: flight(1545, "2013-01-01"),
        "ours, cached, early": lambda: early(1545),
        **hit_peers(lab),
    }
    floors = {"ours, get": 0.95, "ours, cached": 0.95, "ours, cached, early": 0.90}
    compare("cached call, hit", "raw GET + json.loads", ways, floors, blocks=1000)


COMMON = """
import asyncio, json, os, sys, threading, time
import redis
url, job = os.environ["LAB_URL"], float(os.environ["JOB"])
r = redis.Redis.from_url(url, decode_responses=True)
raw = redis.Redis.from_url(url)
def load():
    r.incr("computed")
    r.set("began", time.monotonic(), nx=True)
    time.sleep(job)
    return {"a": 1}
async def load_async():
    r.incr("computed")
    r.set("began", time.monotonic(), nx=True)
    await asyncio.sleep(job)
    return {"a": 1}
def race(ask):
    start = threading.Barrier(16)
    threads = [threading.Thread(target=lambda: (start.wait(), ask())) for _ in range(16)]
    print("ready", flush=True)
    sys.stdin.readline()
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    print(time.monotonic(), flush=True)
"""
STAMPEDES = {
    "ours": """
from redis_lab.patterns import RedisCache
cache = RedisCache(r, "stampede")
race(lambda: cache.get_or_set("k", load))
""",
    "dogpile, distributed lock": """
from dogpile.cache import make_region
region = make_region(serializer=lambda v: json.dumps(v).encode(), deserializer=json.loads)
region.configure("dogpile.cache.redis", arguments={
    "connection_pool": raw.connection_pool, "redis_expiration_time": 3600,
    "distributed_lock": True, "lock_timeout": 30})
race(lambda: region.get_or_create("k", load, expiration_time=3600))
""",
    "walrus": """
import walrus
cached = walrus.Database(connection_pool=raw.connection_pool).cache("w").cached()(load)
race(cached)
""",
    "pottery": """
import pottery
race(pottery.redis_cache(redis=r, key="p")(load))
""",
    "cashews, lock=True (async)": """
import cashews
store = cashews.Cache()
store.setup(url)
async def all_of_them():
    await store.init(url)
    cached = store(ttl=3600, key="k", lock=True)(load_async)
    print("ready", flush=True)
    sys.stdin.readline()
    await asyncio.gather(*(cached() for _ in range(16)))
    print(time.monotonic(), flush=True)
asyncio.run(all_of_them())
""",
}


def stampede(lab, r, program):
    """Computations, and seconds from the end of the job to the last of 32 results."""
    lab.flush()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", COMMON + program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "LAB_URL": lab.url, "JOB": str(JOB)},
        )
        for _ in range(2)
    ]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        ends = [float(process.stdout.readline()) for process in processes]
        return int(r.get("computed")), max(ends) - float(r.get("began")) - JOB
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def test_stampede(lab, r):
    """Two processes with 16 threads each miss at once: one computation, and no long wait."""
    print(f"\nstampede, 2 processes x 16 threads, a job of {JOB} s")
    modules = {"ours": "redis_lab"}
    ours = []
    for name, program in STAMPEDES.items():
        if not peer(modules.get(name, name.split(",")[0])):
            print(f"  {name:34} {MISSING}")
            continue
        runs = [stampede(lab, r, program) for _ in range(5 if name == "ours" else 2)]
        ours = ours or runs
        most, best = max(computed for computed, _ in runs), min(late for _, late in runs)
        print(f"  {name:34} {most:3} computed   last waiter job + {best * 1000:6.1f} ms")
    assert {computed for computed, _ in ours} == {1}
    assert min(late for _, late in ours) <= 0.050, ours


def test_warm(lab, r):
    """100,000 keys with a TTL each."""
    cache, items = (
        RedisCache(r, "warm"),
        {f"flight:{i}": FLIGHT | {"number": i} for i in range(10**5)},
    )

    def pipelined():
        pipe = r.pipeline(transaction=False)
        for at, (key, value) in enumerate(items.items(), 1):
            pipe.set(key, json.dumps(value), px=3_600_000)
            if at % 1000 == 0:
                pipe.execute()

    ways = {"raw pipeline of 1000 SETs": pipelined, "ours": lambda: cache.warm(items)}
    region = dogpile_region(lab)
    ways["dogpile set_multi"] = (lambda: region.set_multi(items)) if region else MISSING
    title = "warm 100,000 keys with TTL"
    compare(title, "raw pipeline of 1000 SETs", ways, {"ours": 2.5}, calls=1, blocks=10)


def best_of(prepare, invalidate, runs):
    """The shortest time of invalidate() in seconds; prepare() goes before each, untimed."""
    times = []
    for _ in range(runs):
        prepare()
        started = time.perf_counter()
        invalidate()
        times.append(time.perf_counter() - started)
    return min(times)


def test_invalidate(lab, r):
    """1,000 values out of 100,000."""
    cache, plain = RedisCache(r, "inv"), RedisCache(r, "plain")
    plain.warm({f"k{i}": i for i in range(99_000)})

    def tagged():
        for number in range(1000):
            cache.set(f"k{number}", number, tags=["t"])

    def scan():
        batch = list(r.scan_iter(match="inv:v:*", count=1000))
        r.unlink(*batch)

    rows = {
        "raw SCAN + UNLINK": best_of(tagged, scan, 5),
        "ours, by pattern": best_of(tagged, lambda: cache.invalidate_pattern("k*"), 5),
        "ours, by tag": best_of(tagged, lambda: cache.invalidate_tag("t"), 40),
        "ours, all (by version)": best_of(tagged, cache.invalidate_all, 5),
    }
    if cashews := peer("cashews"):
        loop, store = asyncio.new_event_loop(), cashews.Cache()
        store.setup(lab.url)
        store.register_tag("t", "c:{number}")

        async def fill():
            await asyncio.gather(
                *(store.set(f"c:{i}", i, expire=3600, tags=["t"]) for i in range(1000))
            )

        rows["cashews, by tag"] = best_of(
            lambda: loop.run_until_complete(fill()),
            lambda: loop.run_until_complete(store.delete_tags("t")),
            5,
        )
        rows["cashews, by pattern"] = best_of(
            lambda: loop.run_until_complete(fill()),
            lambda: loop.run_until_complete(store.delete_match("c:*")),
            3,
        )
    print("\ninvalidate 1,000 of 100,000")
    for name, seconds in rows.items():
        print(f"  {name:34} {seconds * 1000:9.2f} ms")
    for name in ("cashews",) if not peer("cashews") else ():
        print(f"  {name:34} {MISSING}")
    with trace(r) as seen:
        cache.invalidate_all()
    assert seen.commands == 1
    assert rows["ours, by tag"] <= 0.0015, rows
