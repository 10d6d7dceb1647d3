"""StreamWorker with idempotent=True: what a handler queues happens once, whoever is paused when."""

import os
import signal
import threading

import psutil
import pytest
import redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.cluster import RedisCluster
from redis.connection import AbstractConnection
from redis.retry import Retry

import redis_lab as rl
from redis_lab.lab.waiting import wait_until
from redis_lab.patterns import StreamWorker, script

STREAM, EFFECTS, DEAD = "{events}:in", "{events}:effects", "{events}:in:dead"


def count_once(entry_id, fields, pipe):
    """The effect: how often an entry was done."""
    pipe.hincrby(EFFECTS, fields["n"], 1)


def worker(client, handler=count_once, consumer="c", **options):
    options = {"min_idle": 1000.0, "idempotent": True} | options
    return StreamWorker(client, STREAM, "g", consumer, handler, **options)


def add(client, count, **fields):
    return [client.xadd(STREAM, {"n": n} | fields) for n in range(count)]


def assert_once(client, count):
    """Every entry has its effect once, and none is pending."""
    assert client.hgetall(EFFECTS) == {str(n): "1" for n in range(count)}
    assert client.xpending(STREAM, "g")["pending"] == 0


# one transaction


def test_effects_and_acknowledgement_are_one_transaction(client, lab):
    """Between the effects of a batch and its XACK nobody sees anything: it is one EXEC."""
    add(client, 3)
    ours = worker(client)
    for node in lab.primaries:
        node.client().config_resetstat()
    assert ours.run_once() == 3
    assert_once(client, 3)
    calls = sum(
        node.client().info("commandstats").get("cmdstat_exec", {}).get("calls", 0)
        for node in lab.primaries
    )
    assert calls == 1


def test_effects_work_with_every_client(any_client):
    """Replies decoded or not, protocol 2 or 3; a packaged script can be queued as well."""

    def effect(entry_id, fields, pipe):
        assert isinstance(pipe, Pipeline)
        count_once(entry_id, fields, pipe)
        script("queue_put_later")(pipe, ("{events}:jobs", "{events}:turns"), (fields["n"], 0))

    add(any_client, 5)
    assert worker(any_client, effect).run_once() == 5
    assert any_client.hlen(EFFECTS) == any_client.zcard("{events}:jobs") == 5
    assert any_client.xpending(STREAM, "g")["pending"] == 0


def test_scripts_of_redis_py_can_be_queued(r):
    """redis-py remembers in the pipeline which scripts it must load: that is carried over."""
    script_of_theirs = r.register_script("return redis.call('HINCRBY', KEYS[1], ARGV[1], 1)")

    def effect(entry_id, fields, pipe):
        script_of_theirs([EFFECTS], [fields["n"]], client=pipe)

    add(r, 3)
    r.script_flush()
    assert worker(r, effect).run_once() == 3
    assert_once(r, 3)


def test_what_a_failing_handler_queued_is_dropped(client):
    """Its neighbours' effects happen; of its own, none, until an attempt succeeds."""

    def fails_twice(entry_id, fields, pipe):
        count_once(entry_id, fields, pipe)
        failures.append(fields["n"])
        if fields["n"] == "1" and failures.count("1") < 3:
            raise ValueError

    failures = []
    add(client, 3)
    ours = worker(client, fails_twice)
    assert [ours.run_once(), client.hgetall(EFFECTS)] == [2, {"0": "1", "2": "1"}]
    assert [ours.run_once(), ours.run_once()] == [0, 1]
    assert_once(client, 3)


def test_a_handler_that_always_fails_leaves_nothing_but_a_dead_letter(client):
    """No effect, one dead entry with the reason."""

    def fails(entry_id, fields, pipe):
        count_once(entry_id, fields, pipe)
        raise ValueError("never")

    add(client, 1)
    ours = worker(client, fails, max_deliveries=3)
    assert [ours.run_once() for _ in range(4)] == [0] * 4
    assert not client.exists(EFFECTS)
    [(_, dead)] = client.xrange(DEAD)
    assert (dead["n"], dead["_deliveries"], dead["_error"]) == ("0", "3", "ValueError: never")


@pytest.mark.parametrize(
    ("queue", "reason"),
    [
        (lambda pipe: pipe.execute_command("NO SUCH COMMAND", EFFECTS), "unknown command"),
        (lambda pipe: pipe.execute_command("HINCRBY", EFFECTS), "wrong number"),
        (lambda pipe: pipe.set(EFFECTS, {}), "DataError"),
        (lambda pipe: pipe.hset(EFFECTS, "x", "\ud800"), "UnicodeEncodeError"),
        (lambda pipe: pipe.execute(), "the worker executes"),
        (lambda pipe: pipe.reset(), "the worker executes"),
        (lambda pipe: pipe.watch(EFFECTS), "the worker executes"),
        (lambda pipe: pipe.multi(), "the worker executes"),
        (lambda pipe: pipe.__exit__(None, None, None), "the worker executes"),
    ],
    ids=["unknown", "arity", "type", "text", "execute", "reset", "watch", "multi", "with"],
)
def test_a_command_that_can_not_be_queued_fails_its_entry_alone(client, queue, reason):
    """A refused command, or a handler that runs the pipeline itself: nothing of that entry is
    applied, its neighbours are done once, and the dead letter says why."""

    def bad(entry_id, fields, pipe):
        count_once(entry_id, fields, pipe)
        if fields["n"] == "1":
            queue(pipe)

    add(client, 3)
    ours = worker(client, bad, max_deliveries=3)
    for _ in range(5):
        ours.run_once()
    assert client.hgetall(EFFECTS) == {"0": "1", "2": "1"}
    [(_, dead)] = client.xrange(DEAD)
    assert dead["n"] == "1"
    assert reason in dead["_error"]
    assert client.xpending(STREAM, "g")["pending"] == 0


def test_an_effect_in_another_slot_fails_its_entry_alone(client):
    """On a Cluster all keys of an effect must be in the stream's slot; one server takes any."""

    def elsewhere(entry_id, fields, pipe):
        count_once(entry_id, fields, pipe)
        if fields["n"] == "1":
            pipe.incr("elsewhere")

    add(client, 3)
    ours = worker(client, elsewhere, max_deliveries=3)
    for _ in range(5):
        ours.run_once()
    if not isinstance(client, RedisCluster):
        assert_once(client, 3)
        return
    assert client.hgetall(EFFECTS) == {"0": "1", "2": "1"}
    assert not client.exists("elsewhere")
    [(_, dead)] = client.xrange(DEAD)
    assert (dead["n"], client.xpending(STREAM, "g")["pending"]) == ("1", 0)


def test_an_effect_that_fails_in_exec_is_told(client):
    """Redis rolls nothing back: the entry is done in part, once, and the dead letter says so."""

    def wrong_type(entry_id, fields, pipe):
        count_once(entry_id, fields, pipe)
        if fields["n"] == "1":
            pipe.incr(EFFECTS)

    add(client, 4)
    ours = worker(client, wrong_type)
    assert [ours.run_once(), ours.run_once()] == [3, 0]
    assert_once(client, 4)
    [(_, dead)] = client.xrange(DEAD)
    assert dead["n"] == "1"
    assert dead["_error"].startswith("done in part: ResponseError: WRONGTYPE")


def test_an_effect_whose_reply_is_no_text_is_done_once(client):
    """The client can't decode the reply of EXEC: what was applied is not repeated."""
    client.eval("redis.call('SET', KEYS[1], string.char(255))", 1, "{events}:raw")

    def reads(entry_id, fields, pipe):
        attempts.append(entry_id)
        count_once(entry_id, fields, pipe)
        pipe.get("{events}:raw")
        if len(attempts) <= 3:
            raise ValueError

    attempts = []
    add(client, 3)
    ours = worker(client, reads)
    for _ in range(4):
        ours.run_once()
    assert len(attempts) == 6
    assert_once(client, 3)
    assert not client.exists(DEAD)


# two workers that have the same entries


def takes_over(client, lab, how):
    """Another worker, that does what the first one has in hand."""
    other = lab.client()
    if how == "same name":
        return worker(other)
    idle(client)
    return worker(other, consumer="other", min_idle=100.0)


def idle(client):
    """Make everything that is pending look as if it had been left alone for hours."""
    for each in client.xpending_range(STREAM, "g", "-", "+", 100):
        client.xclaim(STREAM, "g", each["consumer"], 0, [each["message_id"]], 10**7, justid=True)


@pytest.fixture(params=["claimed", "same name"])
def how(request):
    """Entries reach a second worker when it claims them, or when it has the first one's name."""
    return request.param


def test_a_paused_handler_commits_nothing_that_others_have_done(client, lab, how):
    """The other one takes over and commits while the handler of the first is still at it."""

    def paused(entry_id, fields, pipe):
        count_once(entry_id, fields, pipe)
        if fields["n"] == "4":
            assert takes_over(client, lab, how).run_once() == 5

    add(client, 5)
    ours = worker(client, paused)
    assert [ours.run_once(), ours.run_once()] == [0, 0]
    assert_once(client, 5)


@pytest.fixture
def between_guard_and_multi(monkeypatch):
    """Call it with a function: it is called when WATCH and the guard were sent, and MULTI wasn't.

    All that goes in one packet; here it goes in two, as TCP may cut it.
    """
    send = AbstractConnection.send_packed_command

    def hook(strike):
        def cut(connection, command, check_health=True):
            packet = command if isinstance(command, bytes) else b"".join(command)
            guarded, multi, rest = packet.partition(b"*1\r\n$5\r\nMULTI\r\n")
            if multi and b"WATCH" in guarded:
                send(connection, [guarded], check_health)
                strike()
                send(connection, [multi + rest], check_health)
            else:
                send(connection, command, check_health)

        monkeypatch.setattr(AbstractConnection, "send_packed_command", cut)

    return hook


@pytest.mark.parametrize("commits_first", ["paused", "other"])
def test_a_pause_between_guard_and_exec_is_seen(
    client, lab, how, commits_first, between_guard_and_multi
):
    """Both have looked and found the entries theirs; then one can commit, whoever comes first: a
    claim breaks the WATCH of the one that was paused, and so does a commit under the same name."""
    looked, go_on = threading.Event(), threading.Event()

    def strike():
        if threading.current_thread() is paused:
            looked.set()
            go_on.wait(30)
        elif commits_first == "paused":
            go_on.set()
            paused.join(30)

    between_guard_and_multi(strike)
    add(client, 5)
    results = []
    ours = worker(client)
    paused = threading.Thread(target=lambda: results.append(ours.run_once()))
    paused.start()
    looked.wait(30)
    results.append(takes_over(lab.client(), lab, how).run_once())
    go_on.set()
    paused.join(30)
    assert sorted(results) == [0, 5]
    assert_once(client, 5)


WORKER = """
import signal
from redis.connection import AbstractConnection
from redis_lab.patterns import StreamWorker, consumer_group, handling
name, instant, what = sys.argv[1:4]
what = getattr(signal, what)

def strike():
    print("struck", flush=True)
    os.kill(os.getpid(), what)

def handler(entry_id, fields, pipe):
    pipe.hincrby("{events}:effects", fields["n"], 1)
    if instant == "handling" and fields["n"] == "2":
        strike()

def after(owner, name):
    inner = getattr(owner, name)
    def call(*arguments, **options):
        result = inner(*arguments, **options)
        strike()
        return result
    setattr(owner, name, call)

worker = StreamWorker(client, "{events}:in", "g", name, handler, min_idle=1000.0, idempotent=True)
if instant == "read":
    after(consumer_group.ConsumerGroup, "read")
if instant == "guarded":
    send = AbstractConnection.send_packed_command
    def cut(connection, command, check_health=True):
        packet = command if isinstance(command, bytes) else b"".join(command)
        guarded, multi, rest = packet.partition(b"*1\\r\\n$5\\r\\nMULTI\\r\\n")
        send(connection, [guarded], check_health)
        if multi:
            strike()
            send(connection, [multi + rest], check_health)
    AbstractConnection.send_packed_command = cut
if instant == "committed":
    after(handling.Handling, "_commit")
if instant == "claimed":
    worker.min_idle = 100.0
    after(consumer_group.ConsumerGroup, "claim")
print(worker.run_once(), worker.run_once(), flush=True)
"""


@pytest.mark.parametrize("instant", ["read", "claimed", "handling", "guarded", "committed"])
def test_kill_9_at_any_instant_repeats_and_loses_nothing(server, r, beside, instant):
    """Whoever takes over, under the same name or another, finds each effect to be done once."""
    add(r, 5)
    if instant == "claimed":
        worker(r)
        r.xreadgroup("g", "dead", {STREAM: ">"})
        idle(r)
    doomed = beside(server, WORKER, "doomed", instant, "SIGKILL")
    assert doomed.wait(30) == -signal.SIGKILL
    idle(r)
    takes = [worker(r, consumer=name, min_idle=100.0) for name in ("doomed", "other")]
    handled = [ours.run_once() for ours in takes]
    assert handled == ([0, 0] if instant == "committed" else [5, 0])
    assert_once(r, 5)


@pytest.mark.parametrize("successor", ["doomed", "other"])
@pytest.mark.parametrize("instant", ["read", "handling", "guarded"])
def test_a_worker_stopped_past_min_idle_commits_nothing(server, r, beside, instant, successor):
    """SIGSTOP, another one does its entries, SIGCONT: it goes on, and its effects don't happen."""
    add(r, 5)
    stopped = beside(server, WORKER, "doomed", instant, "SIGSTOP")
    assert stopped.stdout.readline() == "struck\n"
    wait_until(lambda: "" if is_stopped(stopped.pid) else "runs", 20, "SIGSTOP")
    idle(r)
    assert worker(r, consumer=successor, min_idle=100.0).run_once() == 5
    assert_once(r, 5)
    os.kill(stopped.pid, signal.SIGCONT)
    if instant == "read":  # it reads again, and is stopped again
        wait_until(lambda: "" if is_stopped(stopped.pid) else "runs", 20, "SIGSTOP")
        os.kill(stopped.pid, signal.SIGCONT)
    said, _ = stopped.communicate(timeout=30)
    assert said.splitlines()[-1] == "0 0"
    assert_once(r, 5)


def is_stopped(pid):
    return psutil.Process(pid).status() == psutil.STATUS_STOPPED


def test_an_exec_whose_reply_was_lost_is_not_repeated(between_guard_and_multi):
    """The server stalls under EXEC until the client gives up, and applies it afterwards: before or
    after the second attempt, one of the two."""
    with rl.standalone() as lab:
        client = lab.client(socket_timeout=0.3)
        between_guard_and_multi(lambda: stalls or stalls.append(lab.pause(lab.primary)))
        stalls = []
        add(client, 5)
        ours = worker(client)
        with pytest.raises(redis.TimeoutError):
            ours.run_once()
        lab.resume(lab.primary)
        ours.run_once()
        assert_once(client, 5)


def test_a_commit_that_the_client_repeats_happens_once(server, r, monkeypatch):
    """redis-py by default sends a command again when the connection breaks: applied, it is not
    applied again."""
    send, cuts = AbstractConnection.send_packed_command, []

    def cut_after_exec(connection, command, check_health=True):
        send(connection, command, check_health)
        if b"MULTI" in b"".join(command) and len(cuts) < 2:
            wait_until(lambda: "" if r.hlen(EFFECTS) == 5 else "not applied", 20, "EXEC")
            cuts.append(connection.disconnect())

    add(r, 5)
    ours = worker(server.client(retry=Retry(NoBackoff(), 3)))
    monkeypatch.setattr(AbstractConnection, "send_packed_command", cut_after_exec)
    assert [ours.run_once(), ours.run_once()] == [0, 0]
    assert len(cuts) == 2
    assert_once(r, 5)


def test_a_user_who_may_not_watch_is_told(server, r):
    """An ACL that forbids WATCH takes the guarantee away: that is an error, not a silence."""
    r.acl_setuser("blind", True, passwords="+secret", keys="*", commands=["+@all", "-watch"])
    try:
        add(r, 1)
        with pytest.raises(RuntimeError, match="WATCH"):
            worker(server.client(username="blind", password="secret")).run_once()
    finally:
        r.acl_deluser("blind")


RUNNER = """
from redis_lab.patterns import StreamWorker
def handler(entry_id, fields, pipe):
    pipe.hincrby("{events}:effects", fields["n"], 1)
name, min_idle = sys.argv[1], float(sys.argv[2])
worker = StreamWorker(client, "{events}:in", "g", name, handler, batch=7, min_idle=min_idle,
                      max_deliveries=10_000, idempotent=True)
print("ready", flush=True)
worker.run(threading.Event())
"""


def test_many_kills_and_pauses_leave_every_effect_once(server, r, beside):
    """Three workers, one of them killed or stopped past min_idle again and again, under the same
    name and under new ones, while entries come: each effect once, no dead letter."""
    added = 0
    steady = [beside(server, RUNNER, f"steady-{n}", 0.05) for n in range(2)]
    for each in steady:
        assert each.stdout.readline() == "ready\n"
    for turn in range(4):
        victim = beside(server, RUNNER, f"victim-{turn % 2}", 0.05)
        assert victim.stdout.readline() == "ready\n"
        for n in range(added, added + 150):
            r.xadd(STREAM, {"n": n})
        added += 150
        victim.send_signal(signal.SIGSTOP if turn % 2 else signal.SIGKILL)
        wait_until(lambda n=added - 50: "" if r.hlen(EFFECTS) > n else "few", 20, "the others")
        if turn % 2:
            victim.send_signal(signal.SIGCONT)
    wait_until(lambda: unfinished(r, added), 30, "all")
    assert_once(r, added)
    assert not r.exists(DEAD)


def unfinished(client, count):
    done, pending = client.hlen(EFFECTS), client.xpending(STREAM, "g")["pending"]
    return "" if (done, pending) == (count, 0) else f"{done} of {count} done, {pending} pending"
