"""Queues beside the bare commands they are made of; no floor was set for these."""

import itertools
import json

import pytest
import side_by_side

import redis_lab as rl
from redis_lab.patterns.queue import DelayedQueue, ReliableQueue

BODY = {"flight": "UA1545", "delay": 11}


@pytest.fixture(scope="module")
def lab():
    with rl.standalone() as lab:
        yield lab


def bare_list(client):
    """The classic: a list for each consumer; no time, no attempts, and who died is not seen."""

    def job():
        client.rpush("bare:waiting", json.dumps(BODY))
        body = client.lmove("bare:waiting", "bare:taken", "LEFT", "RIGHT")
        assert json.loads(body) == BODY
        client.lrem("bare:taken", 1, body)

    return job


def ours(client):
    queue = ReliableQueue(client, "jobs")

    def job():
        queue.put(BODY)
        assert queue.ack(queue.get())

    return job


def bare_sorted_set(client):
    numbers = itertools.count()

    def job():
        client.zadd("bare:later", {json.dumps([next(numbers), BODY]): 1.0})
        body = client.execute_command("ZPOPMIN", "bare:later")[0]
        assert json.loads(body)[1] == BODY

    return job


def ours_later(client):
    queue = DelayedQueue(client, "later")

    def job():
        queue.put(BODY)
        assert queue.pop_due() == [BODY]

    return job


def walrus_list(lab):
    """Put and pop: whoever dies after the pop takes the job along."""
    walrus = side_by_side.peer("walrus")
    if walrus is None:
        return "walrus is not installed"
    queue = walrus.Database.from_url(lab.primary.url).List("walrus")

    def job():
        queue.append(json.dumps(BODY))
        assert json.loads(queue.popleft()) == BODY

    return job


def pottery_deque(lab):
    """The same."""
    pottery = side_by_side.peer("pottery")
    if pottery is None:
        return "pottery is not installed"
    queue = pottery.RedisDeque(redis=lab.client(), key="pottery")

    def job():
        queue.append(BODY)
        assert queue.popleft() == BODY

    return job


def test_a_job_through_a_reliable_queue(lab):
    """put + get + ack; visibility, attempts and one owner cost little over the bare list."""
    client = lab.client()
    side_by_side.compare(
        "A job: put, taken, acknowledged",
        "RPUSH + LMOVE + LREM",
        {
            "RPUSH + LMOVE + LREM": bare_list(client),
            "ReliableQueue": ours(client),
            "walrus List (not reliable)": walrus_list(lab),
            "pottery RedisDeque (not reliable)": pottery_deque(lab),
        },
    )


def test_a_job_through_a_delayed_queue(lab):
    """put + pop_due, with a due time by the server's clock and the order of puts."""
    client = lab.client()
    side_by_side.compare(
        "A delayed job: put, popped",
        "ZADD + ZPOPMIN",
        {"ZADD + ZPOPMIN": bare_sorted_set(client), "DelayedQueue": ours_later(client)},
    )
