"""The local tier: what it keeps, and how every change reaches it."""

import math
import threading
import time

import pytest

from redis_lab.lab.waiting import wait_until
from redis_lab.patterns.cache import RedisCache
from redis_lab.patterns.multilevel import MultiLevelCache

# Another process, in which the test runs one line after the other.
OTHER = """
cache = RedisCache(client, "shop")
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


def is_local(tier, key):
    """Empty if a get of this key needs no Redis; the get makes it so for the next time."""
    before = tier.stats().local_hits
    tier.get(key)
    return "" if tier.stats().local_hits > before else f"{key} is not local"


def settle(tier, *keys):
    """Read until these keys are local: the messages about earlier writes have arrived."""
    for key in keys:
        wait_until(lambda key=key: is_local(tier, key), 5, "a local value", every=0.001)


def gives(read, wanted):
    return "" if (value := read()) == wanted else f"{value!r}, not {wanted!r}"


def tell(process, line):
    process.stdin.write(line + "\n")
    process.stdin.flush()
    assert process.stdout.readline() == "done\n"


@pytest.fixture
def cache(client):
    return RedisCache(client, "shop")


@pytest.fixture
def tier(cache):
    with MultiLevelCache(cache) as tier:
        yield tier


def commands(client):
    """How many reading commands the servers have run, by INFO commandstats."""
    replies = client.info("commandstats", target_nodes="all") if is_cluster(client) else [0]
    replies = replies.values() if is_cluster(client) else [client.info("commandstats")]
    reading = ("cmdstat_get", "cmdstat_mget", "cmdstat_evalsha", "cmdstat_eval")
    return sum(stats[name]["calls"] for stats in replies for name in reading if name in stats)


def is_cluster(client):
    return hasattr(client, "get_primaries")


def test_a_local_hit_asks_no_server(tier, client):
    """Once a value is local, the servers hear nothing of a get."""
    tier.set("a", {"n": 1})
    settle(tier, "a")
    before = commands(client)
    assert [tier.get("a") for _ in range(100)] == [{"n": 1}] * 100
    assert commands(client) == before
    assert tier.get("a") is tier.get("a")


def test_a_miss_and_none_are_two_things(tier):
    """None is a value, here as in Redis; what is not there is asked for each time."""
    assert tier.get("a", "missing") == "missing"
    tier.set("a", None)
    settle(tier, "a")
    assert tier.get("a", "missing") is None
    assert tier.get_or_set("a", lambda: pytest.fail("loaded")) is None


def test_own_writes_are_seen_at_once(tier):
    """After set and invalidate return, this process reads what it wrote, whoever else reads."""
    stop = threading.Event()

    def read():
        while not stop.is_set():
            tier.get("a")

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for number in range(60):
            tier.set("a", number)
            assert tier.get("a") == number
            if number % 10 == 0:
                tier.invalidate("a")
                assert tier.get("a") is None
    finally:
        stop.set()
        for reader in readers:
            reader.join()


WAYS = {
    "set": "cache.set('a', 'new')",
    "set with a tag": "cache.set('a', 'new', tags=['t'])",
    "warm": "cache.warm({'a': 'new'})",
    "invalidate": "cache.invalidate('a')",
    "invalidate_pattern": "cache.invalidate_pattern('a*')",
    "invalidate_tag": "cache.invalidate_tag('t')",
    "invalidate_all": "cache.invalidate_all()",
    "expire": "client.pexpire(cache.value_key('a'), 1)",
    "a lost version": "client.delete(cache.version_key)",
    "flushdb": "client.flushdb()",
    "another tier": "MultiLevelCache(cache).set('a', 'new')",
}


def test_every_change_from_another_process_reaches_this_one(lab, cache, tier, beside):
    """However it is changed, the old value is gone here, and does not come back."""
    other = beside(lab, OTHER)
    for way, line in WAYS.items():
        tier.set("a", "old", tags=["t"])
        tier.set("aside", "stays")
        settle(tier, "a", "aside")
        tell(other, line)
        wanted = "new" if "new" in line else None
        wait_until(lambda: gives(lambda: tier.get("a"), wanted), 5, way, every=0.001)  # noqa: B023
        assert [tier.get("a") for _ in range(50)] == [wanted] * 50, way


def test_other_values_stay(lab, cache, tier, beside):
    """A message about one key drops that key, and a namespace hears nothing of another."""
    other = beside(lab, OTHER)
    tier.set("a", 1)
    tier.set("b", 2)
    settle(tier, "a", "b")
    tell(other, "RedisCache(client, 'shopping').set('b', 3); RedisCache(client, 'sho').set('b', 3)")
    tell(other, "RedisCache(client, 'shopping').invalidate_all(); cache.set('c', 4)")
    tell(other, "cache.set('a', 5)")
    wait_until(lambda: gives(lambda: tier.get("a"), 5), 5, "the message", every=0.001)
    before = tier.stats().local_hits
    assert tier.get("b") == 2
    assert tier.stats().local_hits == before + 1


class Held(RedisCache):
    """A cache whose reads, once they have an answer, let something else happen first."""

    meanwhile = None

    def lookup(self, key):
        return self._after(super().lookup(key))

    def fetch(self, key, loader, plan):
        return self._after(super().fetch(key, loader, plan))

    def _after(self, found):
        if self.meanwhile:
            self.meanwhile()
        return found


@pytest.mark.parametrize("read", ["get", "get_or_set", "cached"])
@pytest.mark.parametrize("change", ["invalidate", "set", "invalidate_all", "tracking is lost"])
def test_a_read_whose_invalidation_comes_first_is_not_kept(client, read, change):
    """Read, then changed, then heard of the change, then back from the read: not kept."""
    elsewhere, held = RedisCache(client, "shop"), Held(client, "shop")
    with MultiLevelCache(held) as tier:
        compute = tier.cached(name="f")(lambda: "old")
        key = compute.key() if read == "cached" else "a"
        ways = {"get": lambda: tier.get(key), "get_or_set": lambda: tier.get_or_set(key, str)}
        elsewhere.set(key, "old")
        changes = {
            "invalidate": lambda: elsewhere.invalidate(key),
            "set": lambda: elsewhere.set(key, "new"),
            "invalidate_all": elsewhere.invalidate_all,
            "tracking is lost": lambda: tier._tracking._end(),
        }

        def meanwhile():
            if key not in tier._tier._expected:
                return  # tracking pauses on a busy machine: the next read will do
            held.meanwhile = None
            changes[change]()
            wait_until(lambda: "not heard" if key in tier._tier._expected else "", 5, "message")

        settle(tier, key)  # so that no message of the first set is on its way
        held.meanwhile = meanwhile
        while held.meanwhile:
            tier._tier.forget(key)
            assert ways.get(read, compute)() == "old"
        assert len(tier._tier) == 0
        if change != "tracking is lost":
            wanted = "new" if change == "set" else None
            assert [tier.get(key) for _ in range(20)] == [wanted] * 20


class Halting(RedisCache):
    """A cache that halts once, when it has stored a value."""

    def __init__(self, *args):
        super().__init__(*args)
        self.stored, self.go = threading.Event(), threading.Event()

    def _store(self, *args):
        expires = super()._store(*args)
        if not self.stored.is_set():
            self.stored.set()
            self.go.wait()
        return expires


def test_who_comes_after_an_invalidation_gets_no_result_from_before_it(client):
    """Though the thread that computed it has not got round to saying that it is done."""
    with MultiLevelCache(Halting(client, "shop")) as tier:
        cache, late = tier.cache, []
        first = threading.Thread(target=tier.get_or_set, args=("a", lambda: "old"))
        first.start()
        cache.stored.wait()
        tier.invalidate("a")
        second = threading.Thread(target=lambda: late.append(tier.get_or_set("a", lambda: "new")))
        second.start()
        wait_until(lambda: "" if late or waits(cache) else "it is on its way", 5, "the second")
        cache.go.set()
        first.join()
        second.join()
        assert late == ["new"]
        assert tier.get("a") == "new"


def waits(cache):
    """Whether a thread waits for the one that halts."""
    flights = list(cache._here.flights.values())
    return any(len(flight.done._cond._waiters) for flight in flights)


def test_the_least_recently_used_goes_first(cache):
    """The tier holds max_items values."""
    with MultiLevelCache(cache, max_items=3) as tier:
        for key in "abcd":
            tier.set(key, key)
        settle(tier, "a", "b", "c")
        settle(tier, "a")
        tier.get("d")
        wait_until(lambda: is_local(tier, "d"), 5, "d is local", every=0.001)
        assert tier.stats().local_items == 3
        assert set(tier._tier._entries) == {"a", "c", "d"}


def test_no_value_stays_longer_than_local_ttl(cache, client):
    """Even where no message says that it changed, it is read again."""
    with MultiLevelCache(cache, local_ttl=0.05) as tier:
        tier.set("a", 1)
        settle(tier, "a")
        wait_until(lambda: "" if is_local(tier, "a") else "still local", 5, "local_ttl")
        assert tier.get("a") == 1


def test_no_value_outlives_its_own_time(tier, client, cache):
    """Gone in Redis is gone here, also where Redis has not said so yet."""
    tier.set("a", 1, ttl=0.2)
    settle(tier, "a")
    _, until = tier._tier._entries["a"]
    tier.set("b", 1)
    settle(tier, "b")
    assert until < tier._tier._entries["b"][1] - 30
    wait_until(lambda: "there" if client.exists(cache.value_key("a")) else "", 5, "expiry")
    assert tier.get("a") is None


def test_a_local_copy_ends_where_early_refresh_may_begin(r, monkeypatch):
    """With early the local life ends at the gap that XFetch draws, not with the value's own."""
    cache = RedisCache(r, "shop")
    monkeypatch.setattr("random.random", lambda: 1 - math.exp(-2))
    with MultiLevelCache(cache, local_ttl=1e7) as tier:
        f = tier.cached(name="f", early=1e7, ttl=1e6)(lambda: sum(range(1000)))  # some µs
        plain = tier.cached(name="plain", ttl=1e6)(lambda: 1)
        ends = {}
        for call in (f, plain):
            wait_until(lambda call=call: local_after(tier, call), 5, "a local value", every=0.001)
            found = cache.lookup(call.key())
            _, until = tier._tier._entries[call.key()]
            ends[call] = time.monotonic() + cache.remaining(found) - until
        gap = cache.lookup(f.key()).cost * 1e7 * 2 / 1e6
        assert gap >= 20 and abs(ends[f] - gap) < 5 > abs(ends[plain])


def local_after(tier, call):
    before = tier.stats().local_hits
    call()
    return "" if tier.stats().local_hits > before else "not local"


def test_one_loader_for_two_tiers(cache, client):
    """get_or_set is RedisCache's: one computation, and its error reaches its caller."""
    loads = []
    with MultiLevelCache(cache) as one, MultiLevelCache(RedisCache(client, "shop")) as two:
        for tier in (one, two, one, two):
            assert tier.get_or_set("a", lambda: loads.append(1) or {"n": 1}) == {"n": 1}
        assert loads == [1]
        with pytest.raises(ZeroDivisionError):
            one.get_or_set("b", lambda: 1 / 0)
        assert one._tier._expected == {}
        assert two.get_or_set("b", lambda: 2, ttl=5.0, tags=["t"]) == 2
        assert 0 < client.pttl(cache.value_key("b")) <= 5000


def test_a_decorated_function_is_local(tier, cache, client):
    """However a call is spelled, one key; local from the second or third call on."""
    calls = []

    @tier.cached(name="area")
    def area(width, height=2):
        """Width times height."""
        calls.append((width, height))
        return [width, height]

    def again():
        before = tier.stats().local_hits
        assert area(3) == area(3, 2) == area(height=2, width=3) == [3, 2]
        return "" if tier.stats().local_hits == before + 3 else "not local"

    wait_until(again, 5, "a local result", every=0.001)
    assert calls == [(3, 2)]
    assert area.__doc__ == "Width times height." and area.__wrapped__(1) == [1, 2]
    assert cache.get(area.key(3)) == [3, 2]
    area.invalidate(3)
    area(3)
    assert area.refresh(3) == area(3) == [3, 2]
    assert calls[1:] == [(1, 2), (3, 2), (3, 2)]
    other = RedisCache(client, "shop").cached(name="area")(area.__wrapped__)
    assert (other.key(3), other(3)) == (area.key(3), [3, 2])


def test_equal_arguments_of_other_types_are_other_calls(tier):
    """1, 1.0, True and "1" are four keys; a list is no obstacle; None can be left out."""
    calls = []

    @tier.cached(name="f", cache_none=False)
    def f(x):
        calls.append(x)
        return None if x is None else repr(x)

    for _ in range(3):
        assert [f(1), f(1.0), f(True), f("1"), f([1]), f(0.0), f(-0.0)] == [
            *("1", "1.0", "True", "'1'", "[1]", "0.0", "-0.0")
        ]
    assert len(calls) == 7
    assert [f(None), f(None)] == [None, None]
    assert len(calls) == 9
    with pytest.raises(TypeError):
        f(1, 2)


def test_a_method_is_keyed_as_its_author_says(tier):
    """`key=` decides each time, so nothing about the call is remembered."""

    class Shop:
        @tier.cached(name="price", key=lambda self, article: article)
        def price(self, article):
            return article * 2

    assert [Shop().price("a"), Shop().price("a")] == ["aa", "aa"]


def test_every_kind_of_client_has_a_tier(any_client):
    """Replies decoded or not, protocol 2 or 3; names with spaces, braces and other scripts."""
    cache = RedisCache(any_client, "sh{o}p: é")
    with MultiLevelCache(cache) as tier:
        assert tier._tracking.fresh_until > 0
        for key in ("a b", "{x}:y%", "ключ"):
            tier.set(key, key)
            settle(tier, key)
            cache.invalidate(key)
            wait_until(lambda key=key: gives(lambda: tier.get(key), None), 5, key, every=0.001)


def test_the_connection_is_plain_and_closes(r):
    """RESP2, broadcasting, only the values and the version; close() leaves nothing behind."""
    cache = RedisCache(r, "shop")
    followers = lambda: r.client_list(_type="pubsub")  # noqa: E731
    with MultiLevelCache(cache) as tier:
        (follower,) = followers()
        assert {"t", "B"} <= set(follower["flags"])
        assert follower["resp"] == "2"
        tier.set("a", 1)
        settle(tier, "a")
    wait_until(lambda: str(followers() or ""), 5, "the connection closes")
    assert not tier._tracking._thread.is_alive()
    assert (tier.get("a"), tier.stats().local_items) == (1, 0)
    tier.close()


def test_stats_count_both_tiers(r):
    """Local hits are hits; what Redis answered is counted by its own cache."""
    with MultiLevelCache(RedisCache(r, "shop")) as tier:
        tier.get("a")
        tier.set("a", 1)
        settle(tier, "a")
        stats = tier.stats()
        assert (stats.misses, stats.loads, stats.errors, stats.local_hits) == (1, 0, 0, 1)
        assert stats.hits >= 2
        assert stats.local_items == 1


@pytest.mark.parametrize(
    "options, error, name",
    [
        ({"max_items": 0}, ValueError, "max_items"),
        ({"max_items": 1.5}, TypeError, "max_items"),
        ({"local_ttl": 0}, ValueError, "local_ttl"),
        ({"local_ttl": "1"}, TypeError, "local_ttl"),
    ],
)
def test_wrong_options_are_named(r, options, error, name):
    """The message names the argument, and no thread is left behind."""
    before = threading.active_count()
    with pytest.raises(error, match=name):
        MultiLevelCache(RedisCache(r, "shop"), **options)
    assert threading.active_count() == before


def test_wrong_keys_are_named(r):
    """As in RedisCache."""
    with MultiLevelCache(RedisCache(r, "shop")) as tier:
        for key, error in [("", ValueError), (3, TypeError), ([], TypeError)]:
            with pytest.raises(error, match="key"):
                tier.get(key)
        assert tier._tier._expected == {}
