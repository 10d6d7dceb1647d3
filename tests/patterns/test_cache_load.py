"""How a cache computes: after an invalidation, None that is not kept, claims left behind."""

import threading
import time
from types import SimpleNamespace

import pytest
import redis
from redis.exceptions import OutOfMemoryError
from test_cache_faults import ASK, hear, left, say

import redis_lab as rl
from redis_lab.lab.waiting import wait_until
from redis_lab.patterns import RedisCache, cache_load
from redis_lab.patterns.cache_flight import Here

# Says "waiting" when a claim is found to be another's, and all threads of this process wait for it.
WAITER = """
from redis_lab.patterns.cache_load import Load
threads = int(sys.argv[3])
claim, told = Load._claim, []
def telling(load, mode):
    answer = claim(load, mode)
    flights = list(cache._here.flights.values())
    if answer == "" and not told and len(flights[0].done._cond._waiters) == threads - 1:
        told.append(say("waiting"))
    return answer
Load._claim = telling
results = []
value = None if sys.argv[2] == "None" else sys.argv[2]
def job():
    client.rpush("loads", os.getpid())
    if threads == 1 and not told:
        say("loading")
        hear()
    else:
        time.sleep(0.2)
    return value
f = cache.cached(name="f", cache_none=False, tags=["t"])(job)
say("ready")
hear()
team = [threading.Thread(target=lambda: results.append(str(f()))) for _ in range(threads)]
for thread in team: thread.start()
for thread in team: thread.join()
say(" ".join(results))
"""


@pytest.fixture
def asker(lab, beside):
    """Start a process whose threads ask for f(), which gives `value`; it computes until told."""

    def start(value, threads=1):
        process = beside(lab, ASK + WAITER, 600.0, value, threads)
        assert hear(process) == "ready"
        say(process)
        return process

    return start


def one_that_loads_and(asker, *, value, waiting, threads=1):
    """A process that computes f(), and others that wait for it."""
    first = asker(value)
    assert hear(first) == "loading"
    others = [asker(value, threads) for _ in range(waiting)]
    assert [hear(other) for other in others] == ["waiting"] * waiting
    return first, others


def test_after_invalidate_all_those_who_wait_compute_once(client, asker):
    """However many processes wait for a value that becomes void: one computes the new one."""
    first, others = one_that_loads_and(asker, value="v", waiting=3)
    cache = RedisCache(client, "ns")
    cache.invalidate_all()
    say(first)
    assert [hear(process) for process in (first, *others)] == ["v"] * 4
    assert client.llen("loads") == 2
    assert cache.get("f@1()") == "v"
    assert not left(client, "ns:c:")


def test_who_waits_under_an_old_version_leaves_a_newer_claim_alone(client, monkeypatch):
    """A newcomer that computes after invalidate_all stores, whoever waits since before it."""
    first, second, third = (RedisCache(client, "ns", load_timeout=600) for _ in range(3))
    loading, end, polled, go = (threading.Event() for _ in range(4))
    runs, results = [], []

    def sleep(seconds):
        if threading.current_thread().name == "waits":
            polled.set()
            go.wait(20)
        time.sleep(seconds)

    def compute(name, *steps):
        runs.append(name)
        for step in steps:
            step()
        return name

    def looks_again():
        polled.clear()
        go.set()
        assert polled.wait(20)

    def ask(cache, name, *steps):
        results.append(cache.get_or_set("k", lambda: compute(name, *steps)))

    monkeypatch.setattr(cache_load, "time", SimpleNamespace(**{**vars(time), "sleep": sleep}))
    one = threading.Thread(target=ask, args=(first, "first", loading.set, lambda: end.wait(20)))
    two = threading.Thread(target=ask, args=(second, "second"), name="waits")
    one.start()
    assert loading.wait(20)
    two.start()
    assert polled.wait(20)
    third.invalidate_all()
    ask(third, "third", looks_again)
    end.set()
    one.join()
    two.join()
    assert runs == ["first", "third"] and sorted(results) == ["first", "third", "third"]
    assert first.get("k") == "third"


def test_a_set_that_meets_invalidate_all_goes_by_the_new_version(r):
    """Between the version and the claim of a set with tags all is invalidated: it is stored."""
    cache, other = RedisCache(r, "ns"), RedisCache(r, "ns")
    ensured, asked = cache.version.ensured, []

    def overtaken():
        token = ensured()
        if not asked:
            asked.append(token)
            other.invalidate_all()
        return token

    cache.version.ensured = overtaken
    cache.set("k", 1, tags=["t"])
    assert asked and cache.get("k") == 1 and not left(r, "ns:c:")


@pytest.mark.parametrize("threads", [1, 8])
def test_none_that_is_not_kept_is_computed_once_for_all_processes_that_wait(threads, client, asker):
    """cache_none=False: those who waited get None too; the next one to ask computes."""
    first, others = one_that_loads_and(asker, value=None, waiting=2, threads=threads)
    say(first)
    assert hear(first) == "None"
    assert [hear(other).split() for other in others] == [["None"] * threads] * 2
    assert client.llen("loads") == 1 and not left(client, "ns:v:")
    f = RedisCache(client, "ns").cached(name="f", cache_none=False)(lambda: "new")
    assert f() == "new"


@pytest.mark.parametrize("way", ["key", "all"])
def test_none_from_before_an_invalidation_is_for_nobody_who_waits(way, client, asker):
    """A None whose computation was invalidated is not handed on: it is computed anew, once."""
    cache = RedisCache(client, "ns")
    first, others = one_that_loads_and(asker, value=None, waiting=2)
    if way == "key":
        cache.invalidate("f@1()")
    else:
        cache.invalidate_all()
    say(first)
    assert [hear(process) for process in (first, *others)] == ["None"] * 3
    assert client.llen("loads") == 2


def test_what_is_left_for_those_who_wait_does_not_outlive_the_claim(client):
    """The sign "it is None" has a time to live of 1 s, and less where the claim had less."""
    for load_timeout, most in ((600.0, 1000), (0.5, 500)):
        cache = RedisCache(client, "ns", load_timeout=load_timeout)
        assert cache.cached(name=f"f{most}", cache_none=False)(lambda: None)() is None
        assert 0 < client.pttl(f"ns:c:{{f{most}@1()}}") <= most


def test_a_claim_whose_reply_was_lost_is_given_back():
    """The server granted it and we did not hear: our next call of any kind frees the others."""
    with rl.standalone() as lab:
        cache = RedisCache(lab.client(socket_timeout=0.3), "ns", load_timeout=600)
        other = RedisCache(lab.client(), "ns", load_timeout=600)
        other.get_or_set("there", lambda: 1)  # the server knows the scripts from now on
        read = cache._read

        def stalls(key):
            answer = read(key)
            lab.pause(lab.primary)
            return answer

        cache._read = stalls
        with pytest.raises(redis.TimeoutError):
            cache.get_or_set("k", lambda: "ours")
        lab.resume(lab.primary)
        cache._read = read
        wait_until(lambda: "" if left(other.client, "ns:c:") else "no claim", 10, "the claim")
        assert cache.get("there") == 1
        assert not left(other.client, "ns:c:")
        assert other.get_or_set("k", lambda: "theirs") == "theirs" == cache.get("k")


@pytest.mark.parametrize("on_error", ["raise", "bypass"])
def test_a_value_that_redis_does_not_take_holds_up_nobody(on_error, r):
    """The caller has the error or its value, and the claim is given back at once."""
    cache = RedisCache(r, "ns", load_timeout=600, on_error=on_error)
    limit = r.config_get("maxmemory")["maxmemory"]
    try:
        if on_error == "bypass":
            assert cache.get_or_set("k", lambda: r.config_set("maxmemory", 1)) is True
        else:
            with pytest.raises(OutOfMemoryError):
                cache.get_or_set("k", lambda: r.config_set("maxmemory", 1))
    finally:
        r.config_set("maxmemory", limit)
    assert not left(r, "ns:c:") and not left(r, "ns:v:")
    assert RedisCache(r, "ns", load_timeout=600).get_or_set("k", lambda: 2) == 2


def test_a_flight_that_ends_late_leaves_the_next_one_joinable():
    """A leader that was given up for dead closes its own flight, and no other."""
    here, what = Here(), ("k", b"1")
    dead, _ = here.join(what)
    here.leave(what, dead)
    alive, leads = here.join(what)
    here.close(what, dead)
    here.leave(what, dead)
    assert leads and here.join(what) == (alive, False)
    here.close(what, alive)
    assert here.join(what)[1]


def test_a_read_that_never_finds_what_is_there_does_not_spin(r, monkeypatch):
    """Between two vain rounds of looking there is a pause."""
    cache, pauses = RedisCache(r, "ns"), []
    cache.set("k", "there")
    version, answers = cache.version.fresh(), iter([None] * 4)
    read = cache._read
    cache._read = lambda key: (None, version, False) if next(answers, 1) is None else read(key)
    clock = SimpleNamespace(**{**vars(time), "sleep": pauses.append})
    monkeypatch.setattr(cache_load, "time", clock)
    assert cache.get_or_set("k", pytest.fail) == "there"
    assert len(pauses) == 4 and all(pauses[1:])


def test_own_invalidate_all_is_not_hidden_by_an_answer_from_before_it(client):
    """A thread that learned the old version, and notes it late, brings no old value back."""
    cache = RedisCache(client, "ns")
    cache.set("k", "old")
    stamped, send, answered, note = (threading.Event() for _ in range(4))

    class Slow:
        """The client, as two threads see it that are interrupted at a bad time."""

        def execute_command(self, *command, **options):
            who = threading.current_thread().name
            if who == "renews":
                stamped.set()
                send.wait(20)
            answer = client.execute_command(*command, **options)
            if who == "reads":
                answered.set()
                note.wait(20)
            return answer

    cache.version.client = Slow()
    renews = threading.Thread(target=cache.invalidate_all, name="renews")
    reads = threading.Thread(target=cache.version.fresh, name="reads")
    renews.start()
    assert stamped.wait(20)
    reads.start()
    assert answered.wait(20)
    send.set()
    renews.join()
    note.set()
    reads.join()
    assert cache.get("k") is None


def test_a_cluster_is_asked_for_the_time_where_the_version_is(labs):
    """The node that a call needs in any case: no other node's failure is that of the cache."""
    labs("cluster").flush()
    client = labs("cluster").client()

    def asked():
        seen = client.info("commandstats", target_nodes="primaries")
        return {name: stats.get("cmdstat_time", {}).get("calls", 0) for name, stats in seen.items()}

    for number in range(8):  # in different slots
        cache = RedisCache(client, f"ns{number}")
        cache.set("k", 1)
        before = asked()
        cache.clock.now(cache.version_key)
        cache.clock.now(cache.version_key)
        grown = {name: calls - before[name] for name, calls in asked().items()}
        node = client.get_node_from_key(cache.version_key).name
        assert grown.pop(node) == 1 and not any(grown.values())


def test_a_clock_that_fails_does_not_fail_a_hit(server, r):
    """Where the time can't be asked for, no early refresh is due: the value is at hand."""
    RedisCache(r, "ns").cached(name="f", early=1e12)(lambda: "kept")()

    def late():
        pytest.fail("computed")

    r.acl_setuser(
        "timeless", enabled=True, nopass=True, keys=["*"], categories=["+@all"], commands=["-time"]
    )
    try:
        with server.client(username="timeless", password="any") as client:
            f = RedisCache(client, "ns").cached(name="f", early=1e12)(late)
            assert f() == "kept"
    finally:
        r.acl_deluser("timeless")
