"""The local tier beside caches that live in one process only, and beside Redis itself."""

import asyncio
import time

import pytest
from redis.cache import CacheConfig
from redis.exceptions import RedisError
from side_by_side import compare, peer

import redis_lab as rl
from redis_lab.lab.waiting import wait_until
from redis_lab.patterns import MultiLevelCache, RedisCache

MISSING = "not installed: pip install 'redis-lab[bench]'"
ITEMS = 10_000
cachetools, dogpile, cashews = peer("cachetools"), peer("dogpile.cache"), peer("cashews")


@pytest.fixture(scope="module")
def lab():
    with rl.standalone() as lab:
        yield lab


@pytest.fixture
def tier(lab):
    lab.flush()
    with lab.client() as client, MultiLevelCache(RedisCache(client, "bench")) as tier:
        yield tier


def once_local(tier, call):
    def missing():
        before = tier.stats().local_hits
        call()
        return "" if tier.stats().local_hits > before else "not local"

    wait_until(missing, 5, "a local value")
    return call


def redis_py_cache(lab):
    """redis-py's own client-side caching, where the server is new enough for it."""
    try:
        client = lab.client(cache_config=CacheConfig())
        client.set("redis-py", 1)
        client.get("redis-py")
    except RedisError as error:
        return f"{type(error).__name__}: {error}"
    return lambda: client.get("redis-py")


def dogpile_region():
    region = dogpile.make_region().configure("dogpile.cache.memory", expiration_time=60)
    region.set("k", {"n": 1})
    return region


def test_local_hit(lab, tier):
    """At most 1.6 times a get of cachetools.TTLCache."""
    if not cachetools:
        pytest.skip(MISSING)
    table = cachetools.TTLCache(ITEMS, 60)
    table["k"] = {"n": 1}
    tier.set("k", {"n": 1})
    get = once_local(tier, lambda: tier.get("k"))
    region = dogpile_region() if dogpile else None
    compare(
        "A hit in this process (1.00: cachetools.TTLCache.get)",
        "cachetools TTLCache",
        {
            "cachetools TTLCache": lambda: table.get("k"),
            "ours": get,
            "dogpile.cache memory": (lambda: region.get("k")) if region else MISSING,
            "cashews mem://": cashews_way(),
            "redis-py client-side cache": redis_py_cache(lab),
            "raw GET": lambda: tier.client.get("k"),
        },
        floors={"ours": 1 / 1.6},
        calls=500,
    )


def cashews_way():
    """asyncio only: 100 awaited gets in a loop of their own, so that one call is a hundredth."""
    if not cashews:
        return MISSING
    cache, loop = cashews.Cache(), asyncio.new_event_loop()
    cache.setup("mem://")
    loop.run_until_complete(cache.set("k", {"n": 1}, expire=60))
    started = time.perf_counter()

    async def hundred():
        for _ in range(100):
            await cache.get("k")

    best = float("inf")
    for _ in range(30):
        started = time.perf_counter()
        loop.run_until_complete(hundred())
        best = min(best, (time.perf_counter() - started) / 100)
    loop.run_until_complete(cache.close())
    loop.close()
    return f"{best * 1e6:9.1f} µs   (asyncio; measured apart)"


def test_decorated_hit(tier):
    """At most 1.5 times cachetools' decorator."""
    if not cachetools:
        pytest.skip(MISSING)

    def product(article, shop):
        return {"article": article, "shop": shop}

    theirs = cachetools.cached(cachetools.TTLCache(ITEMS, 60))(product)
    ours = tier.cached(name="product")(product)
    regional = dogpile_region().cache_on_arguments()(product) if dogpile else None
    compare(
        "A decorated call, hit in this process (1.00: cachetools.cached)",
        "cachetools cached",
        {
            "cachetools cached": lambda: theirs(17, "north"),
            "ours": once_local(tier, lambda: ours(17, "north")),
            "ours, by keyword": lambda: ours(17, shop="north"),
            "dogpile cache_on_arguments": (lambda: regional(17, "north")) if regional else MISSING,
        },
        floors={"ours": 1 / 1.5},
        calls=500,
    )


def test_one_invalidation_among_many(tier):
    """At most 50 µs with 10,000 local values, from the message's names to the value's absence."""
    for number in range(ITEMS):
        token = tier._tier.expect(f"k{number}", float("inf"))
        tier._tier.keep(f"k{number}", token, number, float("inf"))
    assert tier.stats().local_items == ITEMS
    times = []
    for number in range(1000):
        name = tier.cache.value_key(f"k{number}").encode()
        started = time.perf_counter()
        tier._changed([name])
        times.append(time.perf_counter() - started)
    assert tier.stats().local_items == ITEMS - 1000
    median = sorted(times)[500] * 1e6
    print(f"\nOne invalidation, {ITEMS} local values: {median:.1f} µs   at most 50")
    assert median <= 50


def test_how_soon_a_change_arrives(lab, tier):
    """From the moment a SET has returned elsewhere until this process has dropped the value."""
    with lab.client() as client:
        elsewhere, times = RedisCache(client, "bench"), []
        for number in range(300):
            tier.set("k", number)
            once_local(tier, lambda: tier.get("k"))
            elsewhere.set("k", -number)
            started = time.perf_counter()
            while tier._tier._entries:
                time.sleep(0)
            times.append(time.perf_counter() - started)
    times.sort()
    print(f"\nA change arrives: p50 {times[150] * 1e3:.2f} ms, p99 {times[297] * 1e3:.2f} ms later")
