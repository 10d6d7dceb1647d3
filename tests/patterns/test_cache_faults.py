"""RedisCache among processes, and with its server flushed, full, killed, paused, failed over."""

import signal
import threading

import pytest
import redis
from redis.exceptions import OutOfMemoryError, ReadOnlyError

import redis_lab as rl
from redis_lab.lab.waiting import wait_until
from redis_lab.patterns import RedisCache
from redis_lab.patterns.keys import text

ASK = """
cache = RedisCache(client, "ns", load_timeout=float(sys.argv[1]))
def loader():
    client.rpush("loads", os.getpid())
    say("loading")
    hear()
    return "theirs"
def say(word): print(word, flush=True)
def hear():
    word = sys.stdin.readline().strip()
    if word == "fail": raise ZeroDivisionError
    return word
"""
ONE = """
say("ready")
hear()
try:
    say(cache.get_or_set("k", loader, tags=["t"]))
except ZeroDivisionError:
    say("failed")
"""
SIXTEEN = """
start, results = threading.Barrier(16), []
def job():
    client.incr("computed")
    time.sleep(0.2)
    return "value"
def ask():
    start.wait()
    results.append(cache.get_or_set("k", job))
threads = [threading.Thread(target=ask) for _ in range(16)]
say("ready")
hear()
for thread in threads: thread.start()
for thread in threads: thread.join()
say(" ".join(sorted(set(results))) + f" {len(results)}")
"""


def say(process, word=""):
    process.stdin.write(f"{word}\n")
    process.stdin.flush()


def hear(process):
    return process.stdout.readline().strip()


@pytest.fixture
def asker(lab, beside):
    """Start a process that asks for "k" when told to, and whose loader says so and waits."""

    def start(load_timeout=600.0, program=ONE):
        process = beside(lab, ASK + program, load_timeout)
        assert hear(process) == "ready"
        return process

    return start


def left(client, start):
    return [key for key in map(text, client.scan_iter(count=1000)) if key.startswith(start)]


def test_the_stampede_guard_holds_over_processes_as_it_does_not_in_cashews(client, asker):
    """Two processes with sixteen threads each miss at once: one computation, one value."""
    both = [asker(program=SIXTEEN) for _ in range(2)]
    for process in both:
        say(process)
    assert [hear(process) for process in both] == ["value 16", "value 16"]
    assert client.get("computed") == "1"


def test_a_loader_that_fails_elsewhere_holds_up_nobody(client, asker):
    """Its process has the error; another one that waits computes at once, not after the claim."""
    first, second = asker(), asker()
    say(first)
    assert hear(first) == "loading"
    say(second)
    say(first, "fail")
    assert hear(first) == "failed"
    assert hear(second) == "loading"
    say(second)
    assert hear(second) == "theirs" and RedisCache(client, "ns").get("k") == "theirs"
    assert not left(client, "ns:c:")


def test_a_loader_that_is_killed_holds_up_others_for_load_timeout(client, asker):
    """kill -9 leaves a claim, which ends by itself; a process that waits then computes."""
    first = asker(load_timeout=0.5)
    say(first)
    assert hear(first) == "loading"
    first.kill()
    assert RedisCache(client, "ns").get_or_set("k", lambda: "ours") == "ours"
    assert client.llen("loads") == 1 and not left(client, "ns:c:")


def test_a_loader_that_was_stopped_for_too_long_stores_nothing(client, asker):
    """Its process gets its value; what another computed in the meantime stays."""
    first = asker(load_timeout=0.5)
    say(first)
    assert hear(first) == "loading"
    first.send_signal(signal.SIGSTOP)
    cache = RedisCache(client, "ns")
    assert cache.get_or_set("k", lambda: "ours") == "ours"
    first.send_signal(signal.SIGCONT)
    say(first)
    assert hear(first) == "theirs" and cache.get("k") == "ours"


@pytest.mark.parametrize("way", ["key", "pattern", "tag", "all"])
def test_a_value_computed_elsewhere_before_an_invalidation_is_not_stored_after_it(
    way, client, asker
):
    """An invalidation in one process ends what another one computes."""
    cache = RedisCache(client, "ns")
    first = asker()
    say(first)
    assert hear(first) == "loading"
    if way == "key":
        cache.invalidate("k")
    elif way == "pattern":
        cache.invalidate_pattern("*")
    elif way == "tag":
        cache.invalidate_tag("t")
    else:
        cache.invalidate_all()
    say(first)
    assert hear(first) == "theirs"
    assert cache.get("k") is None
    assert not left(client, "ns:v:") and not left(client, "ns:c:")
    assert cache.get_or_set("k", lambda: "new") == "new" == cache.get("k")


def test_a_forked_child_waits_for_no_thread_of_its_parent(lab, beside):
    """A child forked in the middle of a computation asks Redis, not a thread that is not there."""
    program = """
cache = RedisCache(client, "ns", load_timeout=20)
loading, done = threading.Event(), threading.Event()
def job():
    loading.set()
    done.wait()
    return "parent"
thread = threading.Thread(target=cache.get_or_set, args=("k", job))
thread.start()
loading.wait()
child = os.fork()
if child == 0:
    cache.invalidate("k")
    print(cache.get_or_set("k", lambda: "child"), cache.stats().loads, flush=True)
    os._exit(0)
os.waitpid(child, 0)
done.set()
thread.join()
print(cache.get("k"), cache.stats().loads)
"""
    assert beside(lab, program).communicate(timeout=60)[0].split() == ["child", "1", "child", "1"]


def test_script_flush_in_the_middle_does_no_harm_as_it_does_in_pyrate(client):
    """Every script is sent again when the server has forgotten it."""
    cache = RedisCache(client, "ns")

    def job():
        client.script_flush()
        return 1

    assert cache.get_or_set("k", job, tags=["t"]) == 1 == cache.get("k")
    client.script_flush()
    cache.warm({"a": 1})
    client.script_flush()
    cache.set("b", 1, tags=["t"])
    client.script_flush()
    cache.invalidate_tag("t")
    client.script_flush()
    assert [cache.get(key) for key in "kab"] == [None, 1, None]
    cache.invalidate_all()
    assert cache.get("a") is None


def test_invalidations_meet_loads_from_all_sides(client):
    """While threads load, nobody who asks after an invalidation gets what it invalidated."""
    caches = [RedisCache(client, "ns") for _ in range(3)]
    truth, settled, stop, wrong = [0], [0], threading.Event(), []

    def read(cache):
        while not stop.is_set():
            least = settled[0]
            value = cache.get_or_set("k", lambda: truth[0], tags=["t"])
            if value < least:
                wrong.append((least, value))

    readers = [threading.Thread(target=read, args=(cache,)) for cache in caches * 2]
    for reader in readers:
        reader.start()
    ways = [
        lambda: caches[0].invalidate("k"),
        lambda: caches[1].invalidate_pattern("k"),
        lambda: caches[2].invalidate_tag("t"),
    ]
    for number in range(1, 151):
        truth[0] = number
        ways[number % 3]()
        settled[0] = number
    stop.set()
    for reader in readers:
        reader.join()
    assert not wrong


def test_a_server_that_is_full_says_so(server, r):
    """Under noeviction a full server's error surfaces; what is stored can still be read."""
    cache, calls = RedisCache(r, "ns"), []
    bypassing = RedisCache(r, "ns", on_error="bypass")
    cache.set("k", 1)
    limit = r.config_get("maxmemory")["maxmemory"]
    try:
        r.config_set("maxmemory", 1)
        for store in (
            lambda: cache.set("a", 1),
            lambda: cache.get_or_set("a", lambda: calls.append(1)),
            lambda: cache.warm({"a": 1}),
            lambda: bypassing.warm({"a": 1}),
        ):
            with pytest.raises(OutOfMemoryError):
                store()
        assert cache.get("k") == 1 and not calls
        assert bypassing.get_or_set("a", lambda: (2,)) == [2] and bypassing.stats().errors == 1
        bypassing.set("a", 1)
        cache.invalidate("k")
    finally:
        r.config_set("maxmemory", limit)
    assert left(r, "ns:") == ["ns:version"]


def test_a_replica_can_be_read_and_says_that_it_takes_no_writes():
    """Hits are served by a read-only replica; a miss and a set raise ReadOnlyError."""
    with rl.replicated(replicas=1) as lab:
        primary, replica = (
            RedisCache(lab.client(), "ns"),
            RedisCache(lab.replicas[0].client(), "ns"),
        )
        primary.set("k", 1)
        wait_until(lambda: "" if replica.get("k") else "no value", 10, "replica")
        for write in (
            lambda: replica.set("k", 2),
            lambda: replica.get_or_set("other", lambda: 1),
            lambda: replica.invalidate("k"),
            replica.invalidate_all,
        ):
            with pytest.raises(ReadOnlyError):
                write()
        assert replica.get("k") == 1


def test_a_server_that_is_gone_is_no_empty_cache_as_it_is_no_limit_in_cashews():
    """redis-py's error surfaces; only on_error="bypass" goes on without, and counts it."""
    with rl.standalone() as lab:
        client = lab.client()
        cache = RedisCache(client, "ns")
        bypassing = RedisCache(client, "ns", on_error="bypass")
        cache.set("k", 1)
        node = lab.nodes[0]
        calls = []

        def die():
            lab.kill(node)
            return "computed"

        with pytest.raises(redis.ConnectionError):
            cache.get_or_set("other", die)
        for ask in (
            lambda: cache.get("k"),
            lambda: cache.set("k", 1),
            lambda: cache.get_or_set("k", lambda: calls.append(1)),
            lambda: bypassing.invalidate("k"),
            bypassing.invalidate_all,
            lambda: bypassing.invalidate_tag("t"),
            lambda: bypassing.invalidate_pattern("*"),
        ):
            with pytest.raises(redis.ConnectionError):
                ask()
        assert not calls
        assert bypassing.get("k", "default") == "default"
        bypassing.set("k", 2)
        assert bypassing.get_or_set("k", lambda: ("computed",)) == ["computed"]
        assert bypassing.cached(name="f", early=1.0)(lambda: 5)() == 5
        before = bypassing.stats()
        assert before.errors == 4 and before.loads == 2
        lab.restart(node)
        lab.wait_healthy()
        assert cache.get("k") is None and cache.get_or_set("k", lambda: 3) == 3
        assert bypassing.get("k") == 3


def test_a_loaders_own_redis_error_is_the_loaders(r):
    """A loader that uses Redis and fails is run once, and its error is not bypassed."""
    cache, calls = RedisCache(r, "ns", on_error="bypass"), []

    def loader():
        calls.append(1)
        raise redis.ConnectionError("another server")

    with pytest.raises(redis.ConnectionError, match="another server"):
        cache.get_or_set("k", loader)
    assert len(calls) == 1 and cache.stats().errors == 0


def test_the_server_dies_while_a_value_is_computed():
    """After kill -9 and restart a claim from before holds, and an invalidation ends it."""
    with rl.standalone(config={"appendonly": "yes", "appendfsync": "always"}) as lab:
        cache, other = (RedisCache(lab.client(), "ns", load_timeout=600) for _ in range(2))
        cache.set("old", 1)

        def job():
            lab.kill(lab.nodes[0])
            lab.restart(lab.nodes[0])
            lab.wait_healthy()
            other.invalidate("k")
            return "before"

        assert cache.get_or_set("k", job) == "before"
        assert other.get("k") is None and other.get("old") == 1
        assert other.get_or_set("k", lambda: "after") == "after" == other.get("k")


def test_a_server_that_stalls_times_out_for_all_who_wait():
    """While the server stands still, each caller has redis-py's error in its own time limit."""
    with rl.standalone() as lab:
        client = lab.client(socket_timeout=0.3)
        cache, bypassing = RedisCache(client, "ns"), RedisCache(client, "ns", on_error="bypass")
        start, outcomes = threading.Barrier(8), []

        def ask(cache):
            start.wait()
            try:
                outcomes.append(cache.get_or_set("k", lambda: "computed"))
            except redis.TimeoutError:
                outcomes.append("timeout")

        lab.pause(lab.nodes[0])
        threads = [threading.Thread(target=ask, args=(c,)) for c in [cache, bypassing] * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["computed"] * 4 + ["timeout"] * 4
        lab.resume(lab.nodes[0])
        lab.wait_healthy()
        assert cache.get_or_set("k", lambda: "new") == "new"


@pytest.mark.parametrize("shape", ["sentinel", "cluster"])
def test_a_failover_while_a_value_is_computed(shape):
    """A new primary serves on: values, claims and the version moved with it."""
    options = {"down_after": 0.5} if shape == "sentinel" else {"node_timeout": 0.5}
    with getattr(rl, shape)(**options) as lab:
        cache = RedisCache(lab.client(), "ns")
        cache.warm({f"k{i}": i for i in range(300)})
        for primary in lab.primaries:
            assert primary.client().wait(1, 5000) >= 1

        def job():
            lab.failover(lab.primaries[0])
            lab.wait_healthy()
            return "computed"

        assert cache.get_or_set("k", job) == "computed"
        cache.set("after", 1)
        assert cache.get("after") == 1
        assert [cache.get(f"k{i}") for i in range(300)] == list(range(300))
        cache.invalidate_all()
        assert [cache.get(f"k{i}") for i in range(300)] == [None] * 300
        assert cache.get_or_set("k", lambda: "new") == "new" == cache.get("k")
