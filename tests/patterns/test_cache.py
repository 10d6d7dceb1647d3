"""RedisCache: its contract, on a standalone server and on a cluster."""

import json
import pickle
import threading
import time
from dataclasses import asdict

import pytest
from redis.cluster import LoadBalancingStrategy

from redis_lab.errors import ValueTooLarge
from redis_lab.lab.waiting import wait_until
from redis_lab.observe import trace
from redis_lab.patterns import JSON, CacheStats, RedisCache
from redis_lab.patterns.keys import text
from redis_lab.patterns.scripting import script

NASTY = ["a b", "a:b", "{a}", "}{", "%7B", "ключ", "*", "x" * 5000]
INVALIDATIONS = {
    "key": lambda cache: cache.invalidate("k"),
    "pattern": lambda cache: cache.invalidate_pattern("[a-k]"),
    "tag": lambda cache: cache.invalidate_tag("t"),
    "all": lambda cache: cache.invalidate_all(),
    "set": lambda cache: cache.set("k", "newer"),
}
WAYS = pytest.mark.parametrize("way", INVALIDATIONS)


@pytest.fixture
def cache(client):
    return RedisCache(client, "ns")


def keyspace(client):
    """The names of all keys by time to live in ms."""
    return {text(key): client.pttl(key) for key in client.scan_iter(count=1000)}


def never():
    raise AssertionError("the loader ran")


def test_a_value_is_what_was_set(cache):
    """get gives what set stored; default where there is nothing."""
    for value in ({"a": [1, 2.5, None, True]}, "", 0, False, [], "é\ud800"):
        cache.set("k", value)
        assert cache.get("k", "default") == value
    assert cache.get("other") is None
    assert cache.get("other", "default") == "default"


def test_none_is_a_value_as_it_is_not_in_aiocache(cache):
    """A cached None is a hit."""
    cache.set("k", None)
    assert cache.get("k", "default") is None
    assert cache.get_or_set("k", never) is None
    assert cache.get_or_set("n", lambda: None) is None
    assert cache.get_or_set("n", never) is None


def test_a_miss_gives_what_a_hit_would(cache):
    """What a loader gives passes through the serializer before the caller sees it."""
    assert cache.get_or_set("k", lambda: {1: (2, 3)}) == {"1": [2, 3]} == cache.get("k")


def test_names_are_never_mixed_up(client):
    """Keys and namespaces with braces, spaces, colons and any script stay apart."""
    caches = [RedisCache(client, name) for name in ("a", "a:v", "{a}", "a*", "é")]
    for number, cache in enumerate(caches):
        for key in NASTY:
            cache.set(key, [number, key])
    for number, cache in enumerate(caches):
        assert [cache.get(key) for key in NASTY] == [[number, key] for key in NASTY]
    caches[3].invalidate_pattern("*")
    assert [cache.get("*") is None for cache in caches] == [False, False, False, True, False]


def test_every_key_but_the_version_expires_as_it_does_not_in_throttled_and_cashews(cache, client):
    """No path leaves a key without a time to live, but for the one version key."""
    cache.set("a", 1, ttl=50)
    cache.set("b", 1, tags=["t", "u"])
    cache.warm({"c": 1, "d": 2})
    seen = {}
    cache.get_or_set("e", lambda: seen.update(keyspace(client)), tags=["t"])
    with pytest.raises(ZeroDivisionError):
        cache.get_or_set("f", lambda: 1 / 0)
    left = keyspace(client)
    assert "ns:c:{e}" in seen and not [key for key in left if key.startswith("ns:c:")]
    assert [key for key, life in (seen | left).items() if life < 0] == ["ns:version"]
    assert 10_000 < left["ns:v:{a}"] <= 50_000 < 3_500_000 < left["ns:v:{b}"] <= 3_600_000
    assert left["ns:tag:t"] > left["ns:v:{b}"]


def test_a_hit_leaves_the_ttl_alone_as_it_does_not_in_pottery(cache, client):
    """Reading a value prolongs nothing."""
    cache.set("k", 1, ttl=100)
    client.pexpire("ns:v:{k}", 5000)
    assert cache.get("k") == cache.get_or_set("k", never) == 1
    assert keyspace(client)["ns:v:{k}"] <= 5000


def test_a_hit_is_one_round_trip(r):
    """On a single server a hit is one MGET, whichever way, early refresh included."""
    cache = RedisCache(r, "ns")
    square = cache.cached(name="square", early=0.001)(lambda x: x * x)
    cache.set("k", 1)
    assert square(3) == 9
    square(3)  # asks for the server's time, once a minute
    for call in (lambda: cache.get("k"), lambda: cache.get_or_set("k", never), lambda: square(3)):
        with trace(r) as seen:
            call()
        assert (seen.trips, list(seen.frame().command)) == (1, ["MGET"])


def test_invalidate_all_is_one_command(cache, client):
    """However many values there are, all go in one command, and the token never repeats."""
    cache.warm({f"k{i}": i for i in range(100)})
    cache.invalidate_all()
    tokens = set()
    for _ in range(50):
        with trace(client) as seen:
            cache.invalidate_all()
        assert seen.commands == 1
        tokens.add(client.get("ns:version"))
    assert len(tokens) == 50
    assert [cache.get(f"k{i}") for i in range(100)] == [None] * 100


def test_the_version_never_repeats_even_if_the_clock_does(r, clock):
    """Two tokens made in the same microsecond of the server's clock differ."""
    cache = RedisCache(r, "ns")
    cache.set("k", 1)
    before = r.get("ns:version")
    r.delete("ns:version")
    cache.set("other", 1)
    assert before.split("-")[0] == r.get("ns:version").split("-")[0]
    assert cache.get("k") is None


def test_a_lost_version_empties_the_cache_for_good(cache, client):
    """Once the version key is gone, no old value is seen again, whatever is stored later."""
    cache.set("old", 1)
    client.delete("ns:version")
    fresh = RedisCache(client, "ns")  # on a cluster ours may know the version for another second
    assert fresh.get("old") is None
    fresh.set("new", 2)
    assert (fresh.get("new"), fresh.get("old")) == (2, None)
    assert fresh.get_or_set("old", lambda: 3) == 3 == fresh.get("old")


def test_other_processes_see_invalidate_all(client):
    """Another cache object sees it: at once on a single server, within a second on a cluster."""
    ours, theirs = RedisCache(client, "ns"), RedisCache(client, "ns")
    ours.set("k", 1)
    assert theirs.get("k") == 1
    ours.invalidate_all()
    assert ours.get("k") is None
    if ours.clustered:
        wait_until(lambda: "still there" if theirs.get("k") else "", 10, "invalidate_all")
    assert theirs.get("k") is None
    theirs.set("k", 2)
    assert ours.get("k") == 2


@WAYS
def test_a_value_computed_before_an_invalidation_is_not_stored_after_it_as_in_redis_io(
    way, cache, client
):
    """Whatever is invalidated while a loader runs keeps its value out of the cache."""
    other = RedisCache(client, "ns")
    cache.set("k", "older", tags=["t"])
    cache.invalidate("k")

    def loader():
        INVALIDATIONS[way](other)
        return "old"

    assert cache.get_or_set("k", loader, tags=["t"]) == "old"
    if way == "set":
        assert cache.get("k") == "newer"
    else:
        assert cache.get("k") is None
        assert cache.get_or_set("k", lambda: "new", tags=["t"]) == "new" == other.get("k")


@WAYS
def test_an_early_refresh_obeys_invalidations_too(way, cache, client):
    """A value recomputed before its time is not stored after an invalidation either."""
    other, plan = RedisCache(client, "ns"), cache._plan(None, ["t"])._replace(early=1e12)

    def again():
        INVALIDATIONS[way](other)
        return 2

    assert cache.fetch("k", lambda: 1, plan).value == 1
    assert cache.fetch("k", again, plan).value == 2
    assert cache.get("k") == ("newer" if way == "set" else None)


@pytest.mark.parametrize("way", ["key", "pattern", "tag", "all"])
def test_who_asks_after_an_invalidation_gets_no_older_value(way, cache):
    """A thread that joins a computation begun before an invalidation does not get its result."""
    loading, invalidated, joined = (threading.Event() for _ in range(3))
    results = []

    def slow():
        loading.set()
        invalidated.wait(10)
        joined.wait(10)
        return "old"

    def late():
        joined.set()
        results.append(cache.get_or_set("k", lambda: "new", tags=["t"]))

    first = threading.Thread(target=cache.get_or_set, args=("k", slow), kwargs={"tags": ["t"]})
    first.start()
    loading.wait(10)
    INVALIDATIONS[way](cache)
    invalidated.set()
    second = threading.Thread(target=late)
    second.start()
    first.join()
    second.join()
    assert results == ["new"] and cache.get("k") == "new"


def test_threads_that_wait_share_one_computation(cache):
    """Sixteen threads that miss at once run one loader, and each gets a value of its own."""
    start, results, lock = threading.Barrier(16), [], threading.Lock()
    loads = []

    def ask():
        start.wait()
        value = cache.get_or_set("k", lambda: loads.append(1) or [len(loads)])
        with lock:
            results.append(value)

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[1]] * 16 and len(loads) == 1
    assert len({id(value) for value in results}) == 16


def test_a_loader_that_fails_holds_up_nobody_as_it_does_in_redis_io(cache, client):
    """The error reaches the caller that ran the loader; the next one tries at once."""
    cache.load_timeout, waiting = 3600.0, threading.Event()
    outcomes = []

    def failing():
        wait_until(lambda: "" if follower.is_alive() else "no follower", 10, "follower")
        raise ZeroDivisionError

    def follow():
        outcomes.append(cache.get_or_set("k", lambda: "second"))

    follower = threading.Thread(target=follow)

    def loader():
        follower.start()
        waiting.wait(0.01)
        return failing()

    with pytest.raises(ZeroDivisionError):
        cache.get_or_set("k", loader)
    follower.join(20)
    assert outcomes == ["second"]
    assert "ns:c:{k}" not in keyspace(client)


def test_none_that_is_not_kept_is_shared_with_those_who_wait(cache):
    """cache_none=False: None is computed anew by the next call, not by each who waited for it."""
    loads, results = [], []

    def waiting():
        return sum(len(flight.done._cond._waiters) for flight in cache._here.flights.values())

    @cache.cached(name="f", cache_none=False)
    def nothing():
        loads.append(1)
        if len(loads) == 1:
            wait_until(lambda: "" if waiting() == 7 else f"{waiting()} wait", 20, "all the others")

    threads = [threading.Thread(target=lambda: results.append(nothing())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [None] * 8 and len(loads) == 1
    assert cache.get(nothing.key(), "absent") == "absent"
    assert nothing() is None and len(loads) == 2


def test_early_refresh_recomputes_in_one_caller(cache, client):
    """XFetch: one caller recomputes, others get the old value meanwhile, in any process."""
    other = RedisCache(client, "ns")
    seen, calls = [], []

    def compute():
        calls.append(1)
        if len(calls) == 2:
            seen.extend([fast(), theirs()])  # while we recompute
        return len(calls)

    fast = cache.cached(name="f", early=1e12)(compute)
    theirs = other.cached(name="f", early=1e12)(compute)
    assert fast() == 1
    assert fast() == 2
    assert seen == [1, 1] and len(calls) == 2


def test_early_refresh_replaces_the_value_it_found_and_no_other(cache, client, monkeypatch):
    """Another process refreshes between our reading and our claim: that was the refresh."""
    calls = []

    def compute():
        calls.append(1)
        return len(calls)

    ours = cache.cached(name="f", early=1e12)(compute)
    theirs = RedisCache(client, "ns").cached(name="f", early=1e12)(compute)
    assert ours() == 1
    now, between = cache.clock.now, [theirs]

    def now_after_them(key):
        while between:
            assert between.pop()() == 2
        return now(key)

    monkeypatch.setattr(cache.clock, "now", now_after_them)
    assert ours() == 1 and len(calls) == 2


def test_early_refresh_comes_with_the_end(cache, monkeypatch):
    """The nearer the end and the longer it took, the likelier; never at once after storing."""
    calls = []

    @cache.cached(name="f", ttl=1000, early=1.0)
    def value():
        calls.append(1)
        return len(calls)

    value()
    assert [value() for _ in range(100)] == [1] * 100  # took µs, 1000 s to go
    now = cache.clock.now
    monkeypatch.setattr(cache.clock, "now", lambda key: now(key) + 999.9999e6)
    for _ in range(10_000):
        if value() > 1:
            break
    assert len(calls) == 2


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_client_clock_an_hour_off_changes_nothing(hours, cache, monkeypatch):
    """Expiry is in the server's time: the wall clock of this machine plays no part."""
    real = time.time
    monkeypatch.setattr("time.time", lambda: real() + hours * 3600)
    cache.set("k", 1, ttl=100)
    found = cache.lookup("k")
    assert found.value == 1 and 50 < cache.remaining(found) <= 101
    calls = []
    value = cache.cached(name="f", early=1.0)(lambda: calls.append(1))
    for _ in range(20):
        value()
    assert len(calls) == 1


def test_an_early_refresh_that_fails_leaves_the_old_value(cache, caplog):
    """The value is good until it expires: the failure is logged and counted."""
    outcomes = iter([1, ZeroDivisionError(), 3])

    @cache.cached(name="f", early=1e12)
    def value():
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    assert [value(), value()] == [1, 1]
    assert "ZeroDivisionError" in caplog.text and cache.stats().errors == 1
    assert value() == 3


def test_patterns_are_those_of_keys(cache):
    """invalidate_pattern matches keys as KEYS would, whatever is escaped in their names."""
    keys = ["a:1", "a:2", "a:{3}", "b:1", "a", "a%1", "a*1", "á:1"]
    cases = {
        "a:*": {"a:1", "a:2", "a:{3}"},
        "a?1": {"a:1", "a%1", "a*1"},
        "a[:%]1": {"a:1", "a%1"},
        "a[^:]1": {"a%1", "a*1"},
        "?:[0-1]": {"a:1", "b:1", "á:1"},
        "a\\*1": {"a*1"},
        "a:{3}": {"a:{3}"},
        "nothing": set(),
        "*": set(keys),
    }
    for pattern, gone in cases.items():
        cache.warm((key, 1) for key in keys)
        cache.invalidate_pattern(pattern)
        assert {key for key in keys if cache.get(key) is None} == gone, pattern


def test_a_pattern_finds_all_of_many(cache):
    """Thousands of keys go, in batches, from every primary."""
    cache.warm({f"k{i}": i for i in range(3000)} | {"other": 1})
    cache.invalidate_pattern("k*")
    assert [cache.get(f"k{i}") for i in range(0, 3000, 100)] == [None] * 30
    assert cache.get("other") == 1


def test_a_tag_drops_what_carries_it(cache, client):
    """invalidate_tag drops values of all sizes of tags, and nothing else."""
    for number in range(1200):
        cache.set(f"k{number}", number, tags=["all", "even" if number % 2 == 0 else "odd:{x}"])
    cache.set("none", 1)
    cache.invalidate_tag("odd:{x}")
    assert [cache.get(f"k{i}") for i in range(4)] == [0, None, 2, None]
    cache.invalidate_tag("all")
    assert [cache.get(f"k{i}") for i in range(1200)] == [None] * 1200
    assert cache.get("none") == 1
    assert set(keyspace(client)) == {"ns:v:{none}", "ns:version", "ns:tag:even"}
    cache.invalidate_tag("never used")


def test_a_tag_survives_a_reload(cache):
    """A value that is computed again with its tag is found by the tag again."""
    for round_ in range(3):
        assert cache.get_or_set("k", lambda n=round_: n, tags=["t"]) == round_
        cache.invalidate_tag("t")
        assert cache.get("k") is None


def test_tags_clean_up_after_themselves(r, clock):
    """A tag forgets values that have expired, and its key goes with the last of them."""
    cache = RedisCache(r, "ns", load_timeout=1)
    cache.set("short", 1, ttl=10, tags=["t"])
    cache.set("long", 1, ttl=1000, tags=["t"])
    clock.advance(12)
    cache.set("new", 1, ttl=20, tags=["t"])
    assert set(r.zrange("ns:tag:t", 0, -1)) == {"ns:v:{long}", "ns:v:{new}"}
    assert 900_000 < r.pttl("ns:tag:t") <= 1_001_000


def test_a_tag_noted_again_is_not_forgotten(r, clock):
    """On a cluster a tag forgets what was dropped, but not what was stored again meanwhile."""

    def seen():
        keys = r.zrange("ns:tag:t", 0, -1, withscores=True)
        return [part for key, score in keys for part in (key, f"{score:.0f}")]

    script("cache_tag")(r, ["ns:tag:t"], ["value", 10_000, "claim", 2000])
    before = seen()
    script("cache_tag")(r, ["ns:tag:t"], ["value", 5000, "claim", 1000])  # in the same microsecond
    assert before[::2] == ["claim", "value"] == seen()[::2]
    assert script("cache_untag")(r, ["ns:tag:t"], before) == 0
    assert script("cache_untag")(r, ["ns:tag:t"], seen()) == 2 and not r.exists("ns:tag:t")


def test_warm_stores_many(cache, client):
    """warm takes a mapping or pairs, by the thousand; what is computed meanwhile stays out."""
    assert cache.warm({f"k{i}": i for i in range(2345)}, ttl=100) == 2345
    assert cache.warm([("a", 1), ("b", None)]) == 2 and cache.warm({}) == 0
    assert cache.get("k2344") == 2344 and cache.get("b", 1) is None
    assert 50_000 < keyspace(client)["ns:v:{k7}"] <= 100_000
    assert 50 < cache.remaining(cache.lookup("k7")) <= 101
    cache.invalidate("a")
    assert cache.get_or_set("a", lambda: cache.warm({"a": "newer"}) and "older") == "older"
    assert cache.get("a") == "newer"


def test_warm_that_fails_midway_harms_nobody(cache):
    """The error surfaces, what had gone out may be there, and the connections are sound."""

    def items():
        for number in range(2500):
            if number == 2200:
                raise ZeroDivisionError
            yield f"k{number}", number

    with pytest.raises(ZeroDivisionError):
        cache.warm(items())
    assert cache.get("k0") == 0 and cache.get("k2100") is None
    for _ in range(3):
        assert cache.client.ping() and cache.get("k999") == 999


def test_jitter_spreads_the_ends(client):
    """jitter shortens each time to live by up to that fraction, differently."""
    cache = RedisCache(client, "ns", ttl=1000, jitter=0.5)
    cache.warm({f"w{i}": i for i in range(200)})
    for number in range(50):
        cache.set(f"s{number}", 1)
    lives = keyspace(client)
    for start in ("ns:v:{w", "ns:v:{s"):
        spread = [life for key, life in lives.items() if key.startswith(start)]
        assert 440_000 < min(spread) < 600_000 and 850_000 < max(spread) <= 1_000_000
        assert len(set(spread)) > len(spread) // 2


def test_stats_count_what_was_seen(cache):
    """Hits, misses and loads; a snapshot of plain numbers."""
    cache.get("k")
    cache.get_or_set("k", lambda: 1)
    cache.get_or_set("k", never)
    cache.get("k")
    assert cache.stats() == CacheStats(hits=2, misses=2, loads=1, errors=0)
    assert asdict(cache.stats())["hits"] == 2


class Planted:
    """What a pickle in the cache would run."""

    def __reduce__(self):
        return (never, ())


@pytest.mark.parametrize(
    "planted",
    [
        b"\xff\xfe\xfd",
        b"",
        b"no header",
        b"%s 9 0 {truncated",
        b"%s x y 1",
    ],
)
def test_bytes_that_are_no_value_are_a_miss(planted, any_client):
    """What is not ours counts as an error and is computed anew."""
    planted_is_a_miss(planted, any_client)


@pytest.mark.parametrize("head", [b"", b"%s 9999999999999999 0 "], ids=["bare", "as a value"])
def test_a_pickle_in_the_cache_runs_no_planted_code_as_in_walrus_dogpile_cashews(head, any_client):
    """A pickle is bytes like any others, also where it stands in place of a value's payload."""
    planted = pickle.dumps(Planted())
    with pytest.raises(AssertionError, match="the loader ran"):
        pickle.loads(planted)
    planted_is_a_miss(head + planted, any_client)


def planted_is_a_miss(planted, any_client):
    cache = RedisCache(any_client, "ns")
    cache.set("k", 1)
    token = any_client.get("ns:version")
    token = token if isinstance(token, bytes) else token.encode()
    any_client.set("ns:v:{k}", planted.replace(b"%s", token), ex=100)
    assert cache.get("k", "default") == "default"
    assert cache.stats().errors == 1
    assert cache.get_or_set("k", lambda: 2) == 2 == cache.get("k")


class Binary:
    """A serializer whose bytes are no UTF-8."""

    dumps = staticmethod(lambda value: b"\xff " + JSON.dumps(value))
    loads = staticmethod(lambda payload: JSON.loads(payload.removeprefix(b"\xff ")))


@pytest.mark.parametrize("serializer", [JSON, JSON(), Binary, json])
def test_every_kind_of_client_and_serializer(serializer, any_client):
    """Replies decoded or not, protocol 2 or 3, text or bytes: the values are the same."""
    cache = RedisCache(any_client, "ns", serializer=serializer)
    value = {"ключ": ["é", None, 1.5]}
    cache.set("a", value, tags=["t"])
    cache.warm({"b": value})
    call = cache.cached(name="f", early=1e12)(lambda: value)
    assert [
        cache.get("a"),
        cache.get("b"),
        call(),
        call(),
        cache.refresh("c", call, cache._plan(9)),
    ]
    assert cache.get_or_set("d", lambda: value) == value == cache.get_or_set("d", never)
    cache.invalidate("b")
    cache.invalidate_pattern("d")
    cache.invalidate_tag("t")
    assert [cache.get(key) for key in "abd"] == [None] * 3
    cache.invalidate_all()
    assert cache.get(call.key()) is None and cache.stats().errors == 0


def test_a_value_that_is_too_large_is_refused(cache, client):
    """ValueTooLarge names the size and the option; nothing is stored, nobody waits."""
    small = RedisCache(client, "ns", max_bytes=1000)
    for store in (
        lambda: small.set("k", "x" * 2000),
        lambda: small.warm({"k": "x" * 2000}),
        lambda: small.get_or_set("k", lambda: "x" * 2000),
    ):
        with pytest.raises(ValueTooLarge, match=r"2002 bytes.*max_bytes=1000"):
            store()
    with pytest.raises(ValueTooLarge):
        cache.set("k", "x" * 100_000_000)
    assert not [key for key in keyspace(client) if key != "ns:version"]


def test_a_value_that_cannot_be_serialized_holds_up_nobody(cache):
    """The serializer's error reaches the caller, and the claim is given back."""
    cache.load_timeout = 3600.0
    with pytest.raises(TypeError, match="not JSON serializable"):
        cache.get_or_set("k", object)
    assert cache.get_or_set("k", lambda: 1) == 1


def test_a_loader_that_asks_for_its_own_key_is_told(cache):
    """It would wait for itself: RuntimeError instead."""
    with pytest.raises(RuntimeError, match="'k' asks the cache for 'k'"):
        cache.get_or_set("k", lambda: cache.get_or_set("k", never))
    assert cache.get_or_set("k", lambda: 1) == 1


@pytest.mark.parametrize(
    "options, error, named",
    [
        ({"namespace": ""}, ValueError, "namespace"),
        ({"namespace": 5}, TypeError, "namespace"),
        ({"ttl": 0}, ValueError, "ttl"),
        ({"ttl": -1.0}, ValueError, "ttl"),
        ({"ttl": "1"}, TypeError, "ttl"),
        ({"ttl": float("nan")}, ValueError, "ttl"),
        ({"jitter": 1.1}, ValueError, "jitter"),
        ({"jitter": -0.1}, ValueError, "jitter"),
        ({"jitter": None}, TypeError, "jitter"),
        ({"load_timeout": 0}, ValueError, "load_timeout"),
        ({"max_bytes": 0}, ValueError, "max_bytes"),
        ({"max_bytes": 1.5}, TypeError, "max_bytes"),
        ({"on_error": "ignore"}, ValueError, "on_error"),
        ({"serializer": None}, TypeError, "serializer"),
        ({"client": None}, TypeError, "client"),
    ],
)
def test_wrong_options_are_named(options, error, named, r):
    """TypeError or ValueError that begins with the argument's name."""
    options = {"client": r, "namespace": "ns"} | options
    with pytest.raises(error, match=f"^{named}"):
        RedisCache(options.pop("client"), options.pop("namespace"), **options)


@pytest.mark.parametrize(
    "option, value",
    [
        ("load_balancing_strategy", LoadBalancingStrategy.ROUND_ROBIN),
        pytest.param(
            "read_from_replicas",
            True,
            marks=pytest.mark.filterwarnings("ignore::DeprecationWarning"),
        ),
    ],
)
def test_a_client_that_reads_from_replicas_is_refused(option, value, labs):
    """A replica may answer with what was invalidated, or not have what was stored."""
    client = labs("cluster").client(**{option: value})
    with client, pytest.raises(ValueError, match=f"^client has {option}"):
        RedisCache(client, "ns")


@pytest.mark.parametrize(
    "call, error, named",
    [
        (lambda cache: cache.get(""), ValueError, "key"),
        (lambda cache: cache.get(5), TypeError, "key"),
        (lambda cache: cache.get([]), TypeError, "key"),
        (lambda cache: cache.set(b"k", 1), TypeError, "key"),
        (lambda cache: cache.set("k", 1, ttl=0), ValueError, "ttl"),
        (lambda cache: cache.set("k", 1, tags="t"), TypeError, "tags"),
        (lambda cache: cache.set("k", 1, tags=[""]), ValueError, "tags"),
        (lambda cache: cache.set("k", 1, tags=[5]), TypeError, "tags"),
        (lambda cache: cache.get_or_set("k", 5), TypeError, "loader"),
        (lambda cache: cache.get_or_set("k", never, ttl=-1), ValueError, "ttl"),
        (lambda cache: cache.invalidate("a", ""), ValueError, "keys"),
        (lambda cache: cache.invalidate_pattern(""), ValueError, "pattern"),
        (lambda cache: cache.invalidate_pattern(None), TypeError, "pattern"),
        (lambda cache: cache.invalidate_tag(""), ValueError, "tag"),
        (lambda cache: cache.warm({"": 1}), ValueError, "items"),
        (lambda cache: cache.warm({"a": 1}, ttl=0), ValueError, "ttl"),
        (lambda cache: cache.cached(early=-1), ValueError, "early"),
        (lambda cache: cache.cached(ttl="x"), TypeError, "ttl"),
        (lambda cache: cache.cached(name="")(len), ValueError, "name"),
        (lambda cache: cache.cached(key="x")(len), TypeError, "key"),
        (lambda cache: cache.cached(tags="t")(len), TypeError, "tags"),
    ],
)
def test_wrong_arguments_are_named(call, error, named, r):
    """TypeError or ValueError that begins with the argument's name; nothing is stored."""
    with pytest.raises(error, match=f"^{named}"):
        call(RedisCache(r, "ns"))
    assert keyspace(r).keys() <= {"ns:version"}
