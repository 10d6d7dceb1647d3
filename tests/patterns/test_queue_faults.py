"""Queues under faults: consumers killed and paused at any instant, servers that go away."""

import contextlib
import os
import signal
import threading
from collections import Counter
from types import SimpleNamespace

import psutil
import pytest
import redis

import redis_lab as rl
from redis_lab.lab.waiting import wait_until
from redis_lab.patterns import DelayedQueue, ReliableQueue

OUTAGES = (redis.RedisError, redis.exceptions.RedisClusterException)

# Takes jobs until it is killed, and says what it has done: body and attempts.
CONSUMER = """
from redis_lab.patterns import ReliableQueue
queue = ReliableQueue(client, "jobs", visibility=float(sys.argv[1]))
print("ready", flush=True)
while True:
    try:
        job = queue.get(None)
        if queue.ack(job):
            print(job.body, job.attempts, flush=True)
    except Exception as error:
        time.sleep(0.02)
"""

# Strikes itself down right after it got a job; goes on if it can.
DOOMED = """
import signal
from redis_lab.patterns import ReliableQueue
queue = ReliableQueue(client, "jobs", visibility=float(sys.argv[1]))
job = queue.get()
print(job.body, flush=True)
os.kill(os.getpid(), getattr(signal, sys.argv[2]))
print(queue.ack(job), queue.release(job), flush=True)
"""

# Pops what is due until a line comes; says each body.
POPPER = """
from redis_lab.patterns import DelayedQueue
queue = DelayedQueue(client, "later")
print("ready", flush=True)
sys.stdin.readline()
idle = 0
while idle < 20:
    bodies = queue.pop_due(int(sys.argv[1]))
    idle = 0 if bodies else idle + 1
    for body in bodies:
        print(body)
"""


class Consumers:
    """Processes that work; done: the bodies that they acknowledged."""

    def __init__(self, beside, url, count, visibility):
        self.done = []
        self._beside, self._url, self._visibility = beside, url, visibility
        self.processes = [self.start() for _ in range(count)]

    def start(self):
        process = self._beside(SimpleNamespace(url=self._url), CONSUMER, self._visibility)
        assert process.stdout.readline() == "ready\n"
        threading.Thread(target=self._read, args=(process.stdout,), daemon=True).start()
        return process

    def _read(self, lines):
        for line in lines:
            self.done.append(int(line.split()[0]))


def put(queue, numbers, copies=0):
    """Put until each was acknowledged; with errors, a number may be there several times."""
    for number in numbers:
        confirmed = False
        while not confirmed:
            with contextlib.suppress(*OUTAGES):
                queue.put(number)
                confirmed = queue.client.wait(copies, 500) >= copies if copies else True


def emptied(queue):
    try:
        return "" if queue.size() == 0 else f"{queue.size()} left"
    except OUTAGES as error:
        return repr(error)


def test_consumers_killed_again_and_again_lose_nothing(server, r, beside):
    """kill -9 whatever they are doing: every job is acknowledged in the end, and by one consumer
    (one that was killed may have had no time to say so)."""
    queue = ReliableQueue(r, "jobs", visibility=0.2)
    consumers = Consumers(beside, server.url, 3, 0.2)
    for turn in range(4):
        put(queue, range(turn * 100, turn * 100 + 100))
        consumers.processes[turn % 3].kill()
        consumers.processes[turn % 3] = consumers.start()
    wait_until(lambda: emptied(queue), 30, "all done")
    wait_until(lambda: "" if len(consumers.done) >= 396 else f"{len(consumers.done)}", 10, "said")
    assert max(Counter(consumers.done).values()) == 1
    assert set(consumers.done) <= set(range(400))
    assert r.dbsize() == 0


def test_a_consumer_that_dies_with_a_job_loses_it_to_the_next(server, r, beside):
    """kill -9 right after get(): the job comes back, once, with one more attempt."""
    queue = ReliableQueue(r, "jobs", visibility=0.3)
    queue.put("a")
    doomed = beside(server, DOOMED, 0.3, "SIGKILL")
    assert doomed.wait(20) == -signal.SIGKILL
    job = queue.get(None)
    assert (job.body, job.attempts) == ("a", 2)
    assert queue.ack(job)
    assert r.dbsize() == 0


def test_a_consumer_that_was_paused_is_told_that_it_was_too_late(server, r, beside):
    """SIGSTOP past the visibility timeout: the job is another's, ack() and release() are False."""
    queue = ReliableQueue(r, "jobs", visibility=0.3)
    queue.put("a")
    paused = beside(server, DOOMED, 0.3, "SIGSTOP")
    assert paused.stdout.readline() == "a\n"
    process = psutil.Process(paused.pid)
    wait_until(lambda: "" if process.status() == "stopped" else "runs", 20, "SIGSTOP")
    job = queue.get(None)
    os.kill(paused.pid, signal.SIGCONT)
    assert paused.communicate(timeout=20)[0] == "False False\n"
    assert queue.ack(job)


def test_kill_and_restart_of_the_server_with_aof(beside):
    """kill -9 twice: every job whose put() returned is done."""
    with rl.standalone(config={"appendonly": "yes"}) as lab, lab.client() as client:
        queue = ReliableQueue(client, "jobs", visibility=0.5)
        consumers = Consumers(beside, lab.url, 2, 0.5)
        for turn in range(3):
            put(queue, range(turn * 100, turn * 100 + 100))
            lab.kill(lab.nodes[0])
            lab.restart(lab.nodes[0])
        all_done(queue, consumers, 300)


def test_sentinel_failover(beside):
    """kill -9 of the primary: every job that the replicas had confirmed is done."""
    with rl.sentinel(replicas=2, sentinels=3, down_after=0.5) as lab, lab.client() as client:
        queue = ReliableQueue(client, "jobs", visibility=0.5)
        consumers = Consumers(beside, lab.sentinels[0].url, 2, 0.5)
        put(queue, range(100), copies=2)
        lab.kill(lab.primary)
        put(queue, range(100, 200))
        all_done(queue, consumers, 200)


def test_cluster_failover(beside):
    """The primary that has the queue hands over while jobs come: every job is done."""
    with rl.cluster(primaries=3, replicas=1, node_timeout=0.5) as lab, lab.client() as client:
        queue = ReliableQueue(client, "jobs", visibility=0.5)
        consumers = Consumers(beside, lab.url, 2, 0.5)
        put(queue, range(100))
        port = client.get_node_from_key("{jobs}").port
        lab.failover(next(node for node in lab.primaries if node.port == port))
        put(queue, range(100, 200))
        all_done(queue, consumers, 200)


def all_done(queue, consumers, count):
    """An acknowledgement whose answer was lost is not told: the job is gone all the same."""
    wait_until(lambda: emptied(queue), 30, "all done")
    told = lambda: "" if len(set(consumers.done)) >= count - 10 else "few"  # noqa: E731
    wait_until(told, 10, "the consumers tell")
    assert set(consumers.done) <= set(range(count))


def test_a_vanished_server_is_redis_pys_own_error():
    """Nothing fails open: every verb raises what the client raises, a waiting get() as well."""
    with rl.standalone() as lab:
        queue, later = ReliableQueue(lab.client(), "jobs"), DelayedQueue(lab.client(), "later")
        queue.put(1)
        job, errors = queue.get(), []

        def wait():
            try:
                queue.get(None)
            except redis.RedisError as error:
                errors.append(type(error))

        thread = threading.Thread(target=wait)
        thread.start()
        lab.kill(lab.nodes[0])
        thread.join(20)
        assert errors == [redis.ConnectionError]
        for call in (
            lambda: queue.put(1),
            queue.get,
            lambda: queue.ack(job),
            lambda: queue.release(job),
            queue.size,
            lambda: later.put(1),
            later.pop_due,
            later.size,
        ):
            with pytest.raises(redis.ConnectionError):
                call()


def test_a_full_server_and_a_replica_refuse():
    """OOM and READONLY are the server's own errors; no half of a job is stored."""
    with rl.replicated(replicas=1) as lab, lab.client() as client:
        queue, later = ReliableQueue(client, "jobs"), DelayedQueue(client, "later")
        client.config_set("maxmemory", 1)
        for put_one in (lambda: queue.put(1), lambda: later.put(1)):
            with pytest.raises(redis.exceptions.OutOfMemoryError):
                put_one()
        client.config_set("maxmemory", 0)
        assert client.dbsize() == 0
        later.put(1)
        client.wait(1, 1000)
        replica = lab.replicas[0].client()
        for ask in (ReliableQueue(replica, "jobs").get, DelayedQueue(replica, "later").pop_due):
            with pytest.raises(redis.ReadOnlyError):
                ask()


def test_many_consumers_pop_every_delayed_job_once(lab, client, beside):
    """Three processes, one at a time or in batches, equal bodies: each job goes to one of them, and
    what one of them got is in order."""
    queue = DelayedQueue(client, "later")
    for n in range(600):
        queue.put(n // 2)
    poppers = [beside(lab, POPPER, count) for count in (1, 3, 7)]
    for each in poppers:
        assert each.stdout.readline() == "ready\n"
    for each in poppers:
        print("go", file=each.stdin, flush=True)
    said = [each.communicate(timeout=30)[0] for each in poppers]
    bodies = [list(map(int, each.split())) for each in said]
    assert Counter(body for each in bodies for body in each) == Counter(n // 2 for n in range(600))
    assert all(each == sorted(each) for each in bodies)
    assert queue.size() == 0


def test_delayed_jobs_survive_a_restart_with_aof():
    """kill -9, AOF on: what was put is popped, once, in order."""
    with rl.standalone(config={"appendonly": "yes"}) as lab:
        queue = DelayedQueue(lab.client(), "later")
        for n in range(50):
            queue.put(n)
        assert queue.pop_due(20) == list(range(20))
        lab.kill(lab.nodes[0])
        lab.restart(lab.nodes[0])
        queue = DelayedQueue(lab.client(), "later")
        queue.put("new")
        assert queue.pop_due(100) == [*range(20, 50), "new"]
