"""StreamWorker under faults of the server: what is handled, how often, what is still there."""

import contextlib
import threading
from types import SimpleNamespace

import pytest
import redis
from redis.cluster import RedisCluster

import redis_lab as rl
from redis_lab.lab.waiting import wait_until
from redis_lab.patterns import StreamWorker
from redis_lab.patterns.outages import is_outage

STREAM, EFFECTS, PATIENCE = "{events}:in", "{events}:effects", 30.0
OUTAGES = (redis.RedisError, redis.exceptions.RedisClusterException)

# Runs until it is killed. "once": counts each entry in its transaction; "least": says each ID.
RUNNER = """
from redis_lab.patterns import StreamWorker
kind, name = sys.argv[1:3]
def count_once(entry_id, fields, pipe):
    pipe.hincrby("{events}:effects", entry_id, 1)
def say(entry_id, fields):
    print(entry_id, flush=True)
worker = StreamWorker(client, "{events}:in", kind, name, count_once if kind == "once" else say,
                      batch=7, min_idle=0.5, max_deliveries=10_000, idempotent=kind == "once")
print("ready", flush=True)
worker.run(threading.Event())
"""


class Workers:
    """Processes: two that do each entry once, one that does it at least once, on the same stream.

    said: the IDs that the last one handled.
    """

    def __init__(self, beside, url):
        self.said = []
        place = SimpleNamespace(url=url)
        names = [("once", "a"), ("once", "b"), ("least", "a")]
        processes = [beside(place, RUNNER, *name) for name in names]
        for each in processes:
            assert each.stdout.readline() == "ready\n"
        reader = threading.Thread(target=self._read, args=(processes[-1].stdout,), daemon=True)
        reader.start()

    def _read(self, lines):
        for line in lines:
            self.said.append(line.strip())


def add(client, count, copies=0):
    """XADD until so many were acknowledged, each by so many replicas as well; those IDs."""
    ids = []
    while len(ids) < count:
        with contextlib.suppress(*OUTAGES), primary(client).pipeline(transaction=False) as pipe:
            entry_id, confirmed = pipe.xadd(STREAM, {"n": 1}).wait(copies, 500).execute()
            ids += [entry_id] if confirmed >= copies else []
    return ids


def primary(client):
    """The client of the node that has the stream: XADD and WAIT must use one connection."""
    if not isinstance(client, RedisCluster):
        return client
    client.set("{events}:where", 1, ex=60)  # who is told MOVED looks again
    return client.get_redis_connection(client.get_node_from_key(STREAM))


def through(lab, beside, fault, url=None):
    """Workers work while entries come and `fault` happens; then every entry is judged."""
    with lab.client() as client:
        confirmed = add(client, 50)
        workers = Workers(beside, url or lab.url)
        fault(lambda copies=0: confirmed.extend(add(client, 50, copies)))
    with lab.client() as client:
        wait_until(lambda: unfinished(client), PATIENCE, "the workers finish")
        there = {entry_id for entry_id, _ in client.xrange(STREAM)}
        assert set(confirmed) <= there
        assert client.hgetall(EFFECTS) == dict.fromkeys(there, "1")
        missing = lambda: "" if set(confirmed) <= set(workers.said) else "some"  # noqa: E731
        wait_until(missing, PATIENCE, "each entry handled at least once")
        assert not client.exists(f"{STREAM}:dead")


def unfinished(client):
    try:
        left = [client.xpending(STREAM, group)["pending"] for group in ("once", "least")]
        counted = client.xlen(STREAM) - client.hlen(EFFECTS)
    except OUTAGES as error:
        return repr(error)
    return "" if [*left, counted] == [0, 0, 0] else f"pending {left}, {counted} not counted"


def test_kill_and_restart_with_aof(beside):
    """kill -9 of the server, twice, AOF on: every acknowledged entry has its effect once, and was
    handled at least once by the other group."""
    with rl.standalone(config={"appendonly": "yes"}) as lab:

        def kill_twice(add_more):
            for _ in range(2):
                lab.kill(lab.nodes[0])
                lab.restart(lab.nodes[0])
                add_more()

        through(lab, beside, kill_twice)


def test_a_pause_longer_than_every_timeout_and_cut_connections(beside):
    """What timed out was applied or not: nobody can know, and still each effect is there once."""
    with rl.standalone() as lab, lab.client(socket_timeout=0.5) as impatient:

        def stall_and_cut(add_more):
            add_more()
            lab.pause(lab.nodes[0])
            for _ in range(5):  # longer than the workers' two seconds
                with pytest.raises(OUTAGES):
                    impatient.ping()
            lab.resume(lab.nodes[0])
            for _ in range(10):
                lab.nodes[0].client().client_kill_filter(_type="normal", skipme=True)
                add_more()

        through(lab, beside, stall_and_cut)


def test_sentinel_failover(beside):
    """kill -9 of the primary: entries that the replicas confirmed are all there, and every entry
    that is there has its effect once, since effects and XACK are copied together."""
    with rl.sentinel(replicas=2, sentinels=3, down_after=0.5) as lab:

        def fail_over(add_more):
            add_more(copies=2)
            lab.kill(lab.primary)
            add_more(copies=1)

        through(lab, beside, fail_over, lab.sentinels[0].url)


def test_cluster_failovers(beside):
    """A handover by the primary that has the stream, then kill -9 of the next: the same."""
    with rl.cluster(primaries=3, replicas=1, node_timeout=0.5) as lab:

        def fail_over(add_more):
            lab.failover(owner(lab))
            add_more(copies=1)
            lab.kill(owner(lab))
            add_more()

        through(lab, beside, fail_over)


def owner(lab):
    with lab.client() as client:
        port = client.get_node_from_key(STREAM).port
    return next(node for node in lab.primaries if node.port == port)


# the group vanishes


def flush_all(client):
    client.flushall()


def delete_the_stream(client):
    client.delete(STREAM)


def destroy_the_group(client):
    client.xgroup_destroy(STREAM, "g")


VANISHINGS = pytest.mark.parametrize("vanish", [flush_all, delete_the_stream, destroy_the_group])


@VANISHINGS
def test_a_group_that_vanished_is_made_anew(client, vanish):
    """NOGROUP costs no entry: neither those that come, nor those that are in the stream still."""
    handled = []
    worker = StreamWorker(client, STREAM, "g", "c", lambda _, fields: handled.append(fields["n"]))
    client.xadd(STREAM, {"n": "early"})
    vanish(client)
    client.xadd(STREAM, {"n": "late"})
    assert worker.run_once() == len(handled)
    assert handled == (["early", "late"] if vanish is destroy_the_group else ["late"])


@VANISHINGS
@pytest.mark.parametrize(
    "ask", [lambda w: (w.pending(), w.lag()), lambda w: (0, w.run_once())], ids=["count", "work"]
)
def test_every_call_survives_a_vanished_group(client, vanish, ask):
    """pending(), lag() and run_once() make the group anew, each by itself."""
    worker = StreamWorker(client, STREAM, "g", "c", lambda *_: None, idempotent=True)
    client.xadd(STREAM, {"n": 1})
    vanish(client)
    assert ask(worker) == (0, 1 if vanish is destroy_the_group else 0)


@VANISHINGS
def test_a_group_that_vanishes_under_a_waiting_worker_is_made_anew(lab, client, vanish):
    """The worker that blocks in XREADGROUP goes on, whatever the server tells it."""
    handled, results = [], []
    waiting = lab.client(socket_timeout=0.5)  # blocks for at most a quarter of a second
    worker = StreamWorker(waiting, STREAM, "g", "c", lambda _, fields: handled.append(fields["n"]))
    thread = threading.Thread(target=lambda: results.append(worker.run_once(block=None)))
    thread.start()
    wait_until(lambda: blocked(lab), 20, "the worker waits")
    vanish(client)
    client.xadd(STREAM, {"n": "late"})
    thread.join(20)
    assert (handled, results) == (["late"], [1])


def blocked(lab):
    counts = [node.client().info("clients")["blocked_clients"] for node in lab.primaries]
    return "" if sum(counts) else "nobody"


def test_a_group_that_vanishes_under_a_transaction_applies_nothing(client):
    """What is no longer pending for us is not committed; it is delivered anew, and done once."""

    def destroy(entry_id, fields, pipe):
        pipe.incr(EFFECTS)
        if client.get("{events}:destroyed") is None:
            client.set("{events}:destroyed", 1, ex=60)
            client.xgroup_destroy(STREAM, "g")

    client.xadd(STREAM, {"n": 1})
    worker = StreamWorker(client, STREAM, "g", "c", destroy, idempotent=True)
    assert [worker.run_once(), worker.run_once(), worker.run_once()] == [0, 1, 0]
    assert client.get(EFFECTS) == "1"


# what servers say no to


def test_script_flush_in_the_middle(client):
    """Claims, heartbeats and second deliveries are scripts: they survive SCRIPT FLUSH."""
    attempts = []

    def fail_first(entry_id, fields):
        attempts.append(fields["n"])
        client.script_flush()
        if len(attempts) == 1:
            raise ValueError

    worker = StreamWorker(client, STREAM, "g", "c", fail_first, min_idle=0.001)
    for n in range(3):
        client.xadd(STREAM, {"n": n})
    while worker.pending() or worker.lag():
        worker.run_once()
    assert sorted(attempts) == ["0", "0", "1", "2"]


def test_a_vanished_server_is_redis_pys_own_error():
    """run_once, pending and lag raise what the client raises; nothing is acknowledged."""
    with rl.standalone(config={"appendonly": "yes"}) as lab:
        client, handled = lab.client(), []

        def kill(entry_id, fields):
            handled.append(entry_id)
            lab.kill(lab.nodes[0])

        worker = StreamWorker(client, STREAM, "g", "c", kill)
        entry_id = client.xadd(STREAM, {"n": 1})
        for call in (worker.run_once, worker.run_once, worker.pending, worker.lag):
            with pytest.raises(redis.ConnectionError):
                call()
        lab.restart(lab.nodes[0])
        assert worker.pending() == 1
        with pytest.raises(redis.ConnectionError):
            worker.run_once()
        assert handled == [entry_id, entry_id]


def test_a_full_server_uses_up_no_attempts():
    """OOM under noeviction: effects wait, none is half done, no entry is declared dead for it."""
    with rl.standalone() as lab, lab.client() as client:

        def effect(entry_id, fields, pipe):
            pipe.hincrby(EFFECTS, fields["n"], 1)

        worker = StreamWorker(client, STREAM, "g", "c", effect, idempotent=True, max_deliveries=99)
        for n in range(3):
            client.xadd(STREAM, {"n": n})
        client.config_set("maxmemory", 1)
        for _ in range(10):
            with pytest.raises(redis.exceptions.OutOfMemoryError):
                worker.run_once()
        client.config_set("maxmemory", 0)
        assert worker.run_once() == 3
        assert client.hgetall(EFFECTS) == {"0": "1", "1": "1", "2": "1"}
        assert not client.exists(f"{STREAM}:dead")


def test_a_slow_script_elsewhere_does_not_end_run(caplog):
    """BUSY passes: the worker says so, waits, and handles what comes once the script has ended."""
    with rl.standalone(config={"busy-reply-threshold": 50}) as lab:
        impatient, handled = lab.client(socket_timeout=0.3), []
        worker = StreamWorker(impatient, STREAM, "g", "c", lambda entry_id, _: handled.append(1))
        with running(worker):
            with busy(lab):
                wait_until(
                    lambda: "" if "BUSY" in caplog.text else f"log {caplog.text}", 20, "BUSY"
                )
            lab.client().xadd(STREAM, {"n": 1})
            wait_until(lambda: "" if handled else "nothing", 20, "the entry")


@contextlib.contextmanager
def running(worker):
    """The worker runs in a thread until the block is left, and not for longer."""
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        yield
        assert thread.is_alive()
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()


@contextlib.contextmanager
def busy(lab):
    """The server runs a script without end, until the block is left."""

    def run_on():
        with contextlib.suppress(redis.RedisError):
            lab.client(socket_timeout=60).eval("while true do end", 0)

    thread = threading.Thread(target=run_on)
    thread.start()
    try:
        yield
    finally:
        lab.client().script_kill()
        thread.join(20)


def test_what_passes_by_itself_and_what_does_not():
    """A busy server does, a group that is there already does not, however alike they begin."""
    assert is_outage(redis.ResponseError("BUSY Redis is busy running a script."))
    assert is_outage(redis.ConnectionError()) and is_outage(redis.exceptions.ClusterDownError(""))
    assert not is_outage(redis.ResponseError("BUSYGROUP Consumer Group name already exists"))
    assert not is_outage(redis.AuthenticationError()) and not is_outage(OSError("a handler's own"))


def test_a_replica_is_refused():
    """A client of a read-only replica gets the server's own error."""
    with rl.replicated(replicas=1) as lab, pytest.raises(redis.ReadOnlyError):
        StreamWorker(lab.replicas[0].client(), STREAM, "g", "c", print)


def test_the_lag_is_right_after_failovers():
    """A replica of before 7.4 isn't told how many entries a group has read, and reckons wrongly."""
    with rl.replicated(replicas=1) as lab:
        for _ in range(3):
            client = lab.client()
            worker = StreamWorker(client, STREAM, "g", "c", lambda entry_id, fields: None, batch=30)
            while worker.run_once():
                pass
            assert worker.lag() == 0
            for n in range(100):
                client.xadd(STREAM, {"n": n})
            assert (worker.lag(), worker.run_once(), worker.lag()) == (100, 30, 70)
            assert client.wait(1, 10_000) == 1
            lab.failover()


def test_a_long_lag_is_what_xinfo_says(client):
    """Beyond 10,000 it is not counted, unless XINFO doesn't know."""
    worker = StreamWorker(client, STREAM, "g", "c", lambda entry_id, fields: None, batch=1)
    ids = []
    for _ in range(3):
        with client.pipeline(transaction=False) as pipe:
            for n in range(5000):
                pipe.xadd(STREAM, {"n": n})
            ids += pipe.execute()
    assert worker.lag() == 15_000
    client.xdel(STREAM, ids[7000])
    assert worker.lag() == 14_999
