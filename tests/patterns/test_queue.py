"""ReliableQueue and DelayedQueue: order, time, attempts, and what is said no to."""

import threading
import time
from itertools import pairwise

import pytest
import redis
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection
from redis.retry import Retry

from redis_lab import ValueTooLarge
from redis_lab.lab.waiting import wait_until
from redis_lab.patterns import DelayedQueue, Job, ReliableQueue, script

BODIES = ["text", "", "ü \ud800", 0, 1.5, None, True, [1, [2]], {"a": {"b": [None]}}]


def keyspace(client, lab):
    return sorted(key for node in lab.primaries for key in node.client().scan_iter())


# ReliableQueue


def test_jobs_come_first_in_first_out_with_what_was_put(any_client):
    """Whatever the client decodes: bodies come back as they were, IDs are text."""
    queue = ReliableQueue(any_client, "jobs")
    ids = [queue.put(body) for body in BODIES]
    jobs = [queue.get() for _ in BODIES]
    assert jobs == [Job(*each, 1) for each in zip(ids, BODIES, strict=True)]
    assert queue.get() is None
    assert [queue.ack(job) for job in jobs] == [True] * len(BODIES)


def test_a_job_is_in_the_queue_until_it_is_acknowledged(client, lab):
    """size() counts jobs that wait and jobs that are being worked on; an empty queue has no key."""
    queue = ReliableQueue(client, "jobs")
    queue.put("a"), queue.put("b")
    job = queue.get()
    assert queue.size() == 2
    assert queue.ack(job)
    assert queue.size() == 1
    assert not queue.ack(job)
    assert queue.ack(queue.get())
    assert queue.size() == 0
    assert keyspace(client, lab) == []


def test_a_job_comes_back_when_its_time_is_over(r, clock):
    """Not a microsecond earlier; before those that wait; the attempts are counted."""
    queue = ReliableQueue(r, "jobs", visibility=1.5)
    queue.put("a"), queue.put("b")
    first = queue.get()
    clock.microseconds += 1_499_999
    assert queue.get().body == "b"
    assert queue.get() is None
    clock.microseconds += 1
    again = queue.get()
    assert (again.id, again.body, again.attempts) == (first.id, "a", 2)
    clock.advance(3600)
    assert [queue.get().body, queue.get().body] == ["b", "a"]


def test_ack_of_a_redelivered_job_is_false(r, clock):
    """The consumer that was too late is told; the one that has the job now is not disturbed."""
    queue = ReliableQueue(r, "jobs", visibility=1.0)
    queue.put("a")
    late = queue.get()
    clock.advance(1)
    again = queue.get()
    assert [queue.ack(late), queue.release(late), queue.get()] == [False, False, None]
    assert [queue.ack(again), queue.ack(late), queue.size()] == [True, False, 0]


def test_ack_is_in_time_as_long_as_nobody_else_has_the_job(r, clock):
    """Visibility ran out, and no get() came: the work was done, and need not be done again."""
    queue = ReliableQueue(r, "jobs", visibility=1.0)
    queue.put("a")
    job = queue.get()
    clock.advance(3600)
    assert [queue.ack(job), queue.get(), queue.size()] == [True, None, 0]


def test_a_released_job_goes_behind_those_that_wait(client):
    """At once, with its attempts; the release of one that is not ours changes nothing."""
    queue = ReliableQueue(client, "jobs")
    queue.put("a"), queue.put("b")
    job = queue.get()
    assert [queue.release(job), queue.release(job), queue.ack(job)] == [True, False, False]
    assert queue.size() == 2
    jobs = [queue.get(), queue.get()]
    assert [(job.body, job.attempts) for job in jobs] == [("b", 1), ("a", 2)]


def test_get_without_timeout_is_one_command(client, monkeypatch):
    """timeout=0.0 returns at once: it sends nothing that blocks."""
    queue = ReliableQueue(client, "jobs")
    queue.get()  # loads the script
    commands = spied(client, monkeypatch)
    assert queue.get() is None
    assert [command[0] for command in commands] == ["EVALSHA"]


@pytest.mark.parametrize("timeout", [2.0, 0.5])
def test_waiting_for_ever_is_done_in_bounded_blocks(lab, monkeypatch, timeout):
    """get(None) neither polls busily nor blocks for longer than half the socket timeout: a block
    and a look in turn; a put ends the wait."""
    client = lab.client(socket_timeout=timeout)
    queue, results = ReliableQueue(client, "jobs"), []
    queue.get()
    commands = spied(client, monkeypatch)
    thread = threading.Thread(target=lambda: results.append(queue.get(None)))
    thread.start()
    wait_until(lambda: "" if len(commands) >= 4 else f"{commands}", 20, "two blocks")
    with lab.client() as producer:
        ReliableQueue(producer, "jobs").put("a")
    thread.join(20)
    assert [job.body for job in results] == ["a"]
    names = [command[0] for command in commands]
    assert names == ["EVALSHA", "BLPOP"] * (len(names) // 2) + ["EVALSHA"]
    assert {command[-1] for command in commands if command[0] == "BLPOP"} == {timeout / 2}


def spied(client, monkeypatch):
    """The commands that this client sends."""
    commands, execute = [], client.execute_command

    def spy(*arguments, **options):
        commands.append(arguments)
        return execute(*arguments, **options)

    monkeypatch.setattr(client, "execute_command", spy)
    return commands


def test_waiting_under_a_short_socket_timeout_costs_eight_commands_a_second(lab, monkeypatch):
    """Blocks must be short then, and a pause follows each: a look and a block in 0.25 s."""
    client, looks, results = lab.client(socket_timeout=0.2), [], []
    queue = ReliableQueue(client, "jobs")
    queue.get()
    execute = client.execute_command

    def spy(command, *arguments):
        looks.extend([time.monotonic()] if command == "EVALSHA" else [])
        return execute(command, *arguments)

    monkeypatch.setattr(client, "execute_command", spy)
    thread = threading.Thread(target=lambda: results.append(queue.get(None)))
    thread.start()
    wait_until(lambda: "" if len(looks) >= 5 else f"{len(looks)} looks", 20, "looks")
    waited = looks[:5]
    with lab.client() as producer:
        ReliableQueue(producer, "jobs").put("a")
    thread.join(20)
    assert [job.body for job in results] == ["a"]
    assert all(later - earlier > 0.24 for earlier, later in pairwise(waited))


def test_a_waiting_consumer_gets_what_another_did_not_finish(lab, client, monkeypatch):
    """It waits until the end of visibility, not longer, without any put."""
    queue, other = ReliableQueue(client, "jobs", visibility=0.3), lab.client()
    assert ReliableQueue(other, "jobs").get() is None  # connects, and loads the script
    queue.put("a")
    assert queue.get().attempts == 1
    commands = spied(other, monkeypatch)
    assert ReliableQueue(other, "jobs").get(None).attempts == 2
    waits = [command[-1] for command in commands if command[0] == "BLPOP"]
    assert waits
    assert max(waits) <= 0.3
    assert queue.get(0.001) is None


def test_many_waiting_consumers_get_one_job_each(lab, client):
    """Ten wait, ten jobs are put: each gets one."""
    jobs, bodies = [], list(range(10))
    consumers = [ReliableQueue(lab.client(), "jobs") for _ in bodies]
    threads = [threading.Thread(target=lambda q=q: jobs.append(q.get(None))) for q in consumers]
    for thread in threads:
        thread.start()
    queue = ReliableQueue(client, "jobs")
    for body in bodies:
        queue.put(body)
    for thread in threads:
        thread.join(20)
    assert sorted(job.body for job in jobs) == bodies
    assert {job.attempts for job in jobs} == {1}


def test_a_put_wakes_one_of_those_that_wait(lab, client, monkeypatch):
    """Eight wait; each job costs the script of whoever takes it, and no look in vain."""
    monkeypatch.setattr("redis_lab.patterns.blocking.LONGEST", 60.0)
    queue, jobs = ReliableQueue(client, "jobs"), []
    queue.get()
    consumers = [ReliableQueue(lab.client(socket_timeout=None), "jobs") for _ in range(8)]
    threads = [threading.Thread(target=lambda q=q: jobs.append(q.get(None))) for q in consumers]
    for thread in threads:
        thread.start()
    wait_until(lambda: missing_waiters(lab, 8), 20, "eight waiters")
    before = scripts_run(lab)
    for body in range(8):
        queue.put(body)
    for thread in threads:
        thread.join(20)
    assert sorted(job.body for job in jobs) == list(range(8))
    assert scripts_run(lab) - before == 16
    left = [f"{{jobs}}:queue:{kind}" for kind in ("attempts", "bodies", "taken")]
    assert keyspace(client, lab) == left


def test_those_that_wait_are_served_in_the_order_they_came(lab, client):
    """The one that has waited longest gets the first job."""
    queue, jobs, threads = ReliableQueue(client, "jobs"), {}, []
    queue.get()
    for number in range(4):
        one = ReliableQueue(lab.client(socket_timeout=None), "jobs")

        def wait(number=number, one=one):
            jobs[number] = one.get(None).body

        threads.append(threading.Thread(target=wait))
        threads[-1].start()
        wait_until(lambda number=number: missing_waiters(lab, number + 1), 20, "a waiter")
    for body in range(4):
        queue.put(body)
        wait_until(lambda body=body: "" if len(jobs) == body + 1 else "not yet", 20, "a job")
    for thread in threads:
        thread.join(20)
    assert jobs == {number: number for number in range(4)}


def test_who_takes_a_late_job_wakes_the_next_for_the_new_one(clock, r):
    """A put wakes one; if that one is given what another didn't finish, the new job isn't left."""
    queue = ReliableQueue(r, "jobs", visibility=10)
    queue.put("late")
    queue.get()
    clock.advance(11)
    queue.put("new")
    assert r.blpop(["{jobs}:queue:wake"], 1)
    assert queue.get().body == "late"
    assert r.llen("{jobs}:queue:wake") == 1
    assert queue.get().body == "new"
    assert not r.exists("{jobs}:queue:wake")


def test_words_that_nobody_waits_for_are_few_and_end(client):
    """A backlog of a thousand jobs leaves a hundred words, for two seconds."""
    queue = ReliableQueue(client, "jobs")
    for body in range(1000):
        queue.put(body)
    assert client.llen("{jobs}:queue:wake") <= 100
    assert -2 != client.pttl("{jobs}:queue:wake") <= 2000


def missing_waiters(lab, count):
    """Words while fewer than so many clients are blocked."""
    blocked = sum(int(node.info("clients")["blocked_clients"]) for node in lab.primaries)
    return "" if blocked >= count else f"{blocked} of {count}"


def scripts_run(lab):
    """EVALSHA calls on all primaries."""
    calls = 0
    for node in lab.primaries:
        stats = node.client().info("commandstats")
        calls += stats.get("cmdstat_evalsha", {}).get("calls", 0)
    return calls


def test_a_put_that_is_sent_twice_is_one_job(r):
    """A client that repeats a command after an error, as redis-py does by default, appends once."""
    queue = ReliableQueue(r, "jobs")
    for again in (1, 0):
        assert script("queue_put")(r, queue._keys, ("id", '"a"')) == again
    assert [queue.get().body, queue.get(), queue.size()] == ["a", None, 1]


def test_an_expired_job_is_got_from_a_full_server(r, clock):
    """Under OOM a queue can be drained, jobs whose consumer's time is over first."""
    queue = ReliableQueue(r, "jobs", visibility=1.0)
    for body in "abc":
        queue.put(body)
    queue.get()
    clock.advance(1)
    r.config_set("maxmemory", 1)
    try:
        jobs = [queue.get() for _ in "abc"]
        assert [queue.ack(job) for job in jobs] == [True] * 3
    finally:
        r.config_set("maxmemory", 0)
    assert [(job.body, job.attempts) for job in jobs] == [("a", 2), ("b", 1), ("c", 1)]
    assert r.dbsize() == 0


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_client_clock_an_hour_off_changes_nothing(client, monkeypatch, hours):
    """Deadlines and due times are the server's: nobody's job comes back early, no job late."""
    real = time.time
    monkeypatch.setattr("time.time", lambda: real() + hours * 3600)
    queue, later = ReliableQueue(client, "jobs"), DelayedQueue(client, "later")
    queue.put("a"), later.put("soon"), later.put("not yet", 1000.0)
    job = queue.get()
    assert [queue.get(), later.pop_due(9), queue.ack(job)] == [None, ["soon"], True]
    quick = ReliableQueue(client, "quick", visibility=0.001)
    quick.put("a")
    assert [quick.get().attempts, quick.get(None).attempts] == [1, 2]


def test_a_server_clock_that_is_set_an_hour_off_loses_no_job(r, clock):
    """Set back: what was taken or put comes an hour later. Set forward: at once, and the consumer
    that had it is told."""
    queue, later = ReliableQueue(r, "jobs", visibility=10.0), DelayedQueue(r, "later")
    queue.put("a"), later.put("b", 5.0)
    first = queue.get()
    clock.advance(-3600)
    assert [queue.get(), later.pop_due()] == [None, []]
    clock.advance(3600 + 10)
    again = queue.get()
    assert [again.attempts, later.pop_due(), queue.ack(first)] == [2, ["b"], False]
    clock.advance(3600)
    assert [queue.get().attempts, queue.ack(again), queue.size()] == [3, False, 1]


# a reply that is lost


@pytest.fixture
def lossy(server, monkeypatch):
    """Call it with a number of repeats for a client that takes that number of lost replies, and a
    switch: the next command that is sent is done, and its reply lost."""

    def make(repeats):
        client, armed = server.client(retry=Retry(NoBackoff(), repeats)), []
        send = AbstractConnection.send_packed_command

        def lose(connection, command, check_health=True):
            send(connection, command, check_health)
            if armed:
                armed.clear()
                connection.read_response()
                connection.disconnect()
                raise redis.ConnectionError("the reply was lost")

        monkeypatch.setattr(AbstractConnection, "send_packed_command", lose)
        client.ping()
        return client, lambda: armed.append(True)

    return make


def test_a_lost_reply_of_pop_due_loses_its_jobs(lossy):
    """As the docstring says: an error if the client doesn't repeat, else the next jobs instead."""
    for repeats, left in ((0, [2, 3, 4]), (3, [4])):
        client, lose = lossy(repeats)
        queue = DelayedQueue(client, f"later {repeats}")
        queue.put("loads the scripts"), queue.pop_due()
        for n in range(5):
            queue.put(n)
        lose()
        if repeats:
            assert queue.pop_due(2) == [2, 3]
        else:
            with pytest.raises(redis.ConnectionError):
                queue.pop_due(2)
        assert queue.pop_due(9) == left


def test_a_repeated_get_takes_two_jobs_and_the_first_comes_back(lossy, clock):
    """None is lost: the one whose reply was lost is delivered when its time is over."""
    client, lose = lossy(3)
    queue = ReliableQueue(client, "jobs", visibility=10.0)
    queue.put("a"), queue.put("b")
    assert queue.release(queue.get()) and queue.release(queue.get())
    lose()
    second = queue.get()
    assert (second.body, queue.get(), queue.ack(second)) == ("b", None, True)
    clock.advance(10)
    first = queue.get()
    assert (first.body, first.attempts) == ("a", 3)


def test_a_repeated_ack_or_release_is_false_and_done(lossy):
    """The first one counted, its reply was lost, and the second one found nothing to do."""
    client, lose = lossy(3)
    queue = ReliableQueue(client, "jobs")
    queue.put("a"), queue.put("b")
    assert queue.release(queue.get()) and queue.ack(queue.get())  # loads the scripts
    job = queue.get()
    lose()
    assert [queue.release(job), queue.size()] == [False, 1]
    job = queue.get()
    lose()
    assert [queue.ack(job), queue.size()] == [False, 0]


# DelayedQueue


def test_jobs_are_popped_when_they_are_due(r, clock):
    """Not a microsecond earlier, by the server's clock; the earliest first, whatever came first."""
    queue = DelayedQueue(r, "later")
    for body, delay in (("c", 2.0), ("a", 0.5), ("b", 1.0), ("now", 0.0)):
        queue.put(body, delay)
    assert queue.pop_due(10) == ["now"]
    clock.microseconds += 499_999
    assert queue.pop_due(10) == []
    clock.microseconds += 1
    assert queue.pop_due(10) == ["a"]
    clock.advance(3600)
    assert queue.pop_due(10) == ["b", "c"]


def test_jobs_of_one_time_come_in_the_order_they_were_put(r, clock):
    """Also when an earlier put had the longer delay; a thousand of them, equal bodies included."""
    queue = DelayedQueue(r, "later")
    queue.put("first", 10)
    clock.advance(4)
    queue.put("second", 6)
    clock.advance(6)
    for n in range(1000):
        queue.put(n % 7)
    assert queue.pop_due() == ["first"]
    assert queue.pop_due(2) == ["second", 0]
    assert queue.pop_due(5000) == [n % 7 for n in range(1, 1000)]


def test_equal_bodies_are_jobs_of_their_own(client, lab):
    """Each is popped once; an empty queue has no key."""
    queue = DelayedQueue(client, "later")
    for _ in range(3):
        queue.put({"same": 1})
    assert queue.size() == 3
    assert [queue.pop_due(2), queue.pop_due(2), queue.pop_due(2)] == [
        [{"same": 1}] * 2,
        [{"same": 1}],
        [],
    ]
    assert keyspace(client, lab) == []


def test_delayed_bodies_come_back_as_they_were(any_client):
    """Whatever the client decodes."""
    queue = DelayedQueue(any_client, "later")
    for body in BODIES:
        queue.put(body)
    assert queue.pop_due(len(BODIES)) == BODIES


@pytest.mark.parametrize("delay", [1e-6, 3153600000.0, 1234567.891])
def test_long_and_short_delays_are_exact(r, clock, delay):
    """A microsecond, a century: due then, and not a microsecond before."""
    queue = DelayedQueue(r, "later")
    queue.put("x", delay)
    clock.microseconds += round(delay * 1e6) - 1
    assert queue.pop_due() == []
    clock.microseconds += 1
    assert queue.pop_due() == ["x"]


# both


@pytest.mark.parametrize("name", ["a", "a b:c", "{a}", "{", "}{", "ü", "%7B"])
def test_any_name_will_do_and_shares_nothing(client, lab, name):
    """Two kinds of queue of one name, and a name that begins like another."""
    ours, others = ReliableQueue(client, name), ReliableQueue(client, f"{name}:queue")
    later = DelayedQueue(client, name)
    ours.put(1), others.put(2), later.put(3)
    assert [ours.size(), others.size(), later.size()] == [1, 1, 1]
    assert [ours.get().body, others.get().body, later.pop_due()] == [1, 2, [3]]


def test_script_flush_in_the_middle(client):
    """Every step survives it."""
    queue, later = ReliableQueue(client, "jobs"), DelayedQueue(client, "later")
    for step in (lambda: queue.put(1), lambda: later.put(2)):
        client.script_flush()
        step()
    client.script_flush()
    job = queue.get()
    client.script_flush()
    assert queue.release(job)
    client.script_flush()
    assert later.pop_due() == [2]
    job = queue.get()
    client.script_flush()
    assert queue.ack(job)


@pytest.mark.parametrize("kind", [ReliableQueue, DelayedQueue])
def test_bodies_are_json_and_bounded(r, kind):
    """What JSON can't say is refused, and so is what is too large; nothing is stored."""
    queue = kind(r, "jobs", max_bytes=10)
    circle = []
    circle.append(circle)
    for body in (b"bytes", {1, 2}, object()):
        with pytest.raises(TypeError, match="body"):
            queue.put(body)
    for body in (float("nan"), circle):
        with pytest.raises(ValueError, match="body"):
            queue.put(body)
    with pytest.raises(ValueTooLarge, match="11 bytes"):
        queue.put("x" * 9)
    assert r.dbsize() == 0
    queue.put("x" * 8)
    with pytest.raises(ValueTooLarge):
        kind(r, "jobs").put("x" * 100_000_000)


@pytest.mark.parametrize(
    ("error", "argument", "call"),
    [
        (ValueError, "name", lambda r: ReliableQueue(r, "")),
        (TypeError, "name", lambda r: DelayedQueue(r, b"jobs")),
        (ValueError, "visibility", lambda r: ReliableQueue(r, "jobs", visibility=0)),
        (TypeError, "visibility", lambda r: ReliableQueue(r, "jobs", visibility="1")),
        (ValueError, "max_bytes", lambda r: DelayedQueue(r, "jobs", max_bytes=0)),
        (ValueError, "timeout", lambda r: ReliableQueue(r, "jobs").get(-1)),
        (ValueError, "timeout", lambda r: ReliableQueue(r, "jobs").get(float("nan"))),
        (ValueError, "delay", lambda r: DelayedQueue(r, "jobs").put(1, -0.1)),
        (ValueError, "delay", lambda r: DelayedQueue(r, "jobs").put(1, 1e10)),
        (TypeError, "delay", lambda r: DelayedQueue(r, "jobs").put(1, "1")),
        (ValueError, "count", lambda r: DelayedQueue(r, "jobs").pop_due(0)),
        (TypeError, "count", lambda r: DelayedQueue(r, "jobs").pop_due(1.0)),
        (TypeError, "job", lambda r: ReliableQueue(r, "jobs").ack("id")),
        (TypeError, "job", lambda r: ReliableQueue(r, "jobs").release(None)),
    ],
)
def test_a_wrong_argument_is_named(r, error, argument, call):
    """TypeError or ValueError, before anything is sent."""
    with pytest.raises(error, match=argument):
        call(r)
    assert r.dbsize() == 0


def test_repr_says_which(r):
    """Kind and name."""
    assert repr(ReliableQueue(r, "jobs")) == "<ReliableQueue 'jobs', visibility 30 s>"
    assert repr(DelayedQueue(r, "later")) == "<DelayedQueue 'later'>"
