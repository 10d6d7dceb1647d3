"""A Stream worker beside the bare commands: batches of 100, an empty handler."""

import pytest
import side_by_side

import redis_lab as rl
from redis_lab.patterns.worker import StreamWorker

BATCH, CALLS, BLOCKS = 100, 5, 60
FIELDS = {"flight": "UA1545", "delay": "11", "origin": "EWR"}


@pytest.fixture(scope="module")
def lab():
    with rl.standalone() as lab:
        yield lab


def fill(client, stream, entries=BATCH * CALLS * (BLOCKS + 1)):
    with client.pipeline(transaction=False) as pipe:
        for number in range(entries):
            pipe.xadd(stream, FIELDS)
            if number % 1000 == 999:
                pipe.execute()
        pipe.execute()


def bare(client, stream, group):
    client.xgroup_create(stream, group, id="0")

    def batch():
        reply = client.xreadgroup(group, "c", {stream: ">"}, count=BATCH)
        ids = [entry_id for entry_id, _ in reply[stream][0]]
        assert client.xack(stream, group, *ids) == BATCH

    return batch


def bare_once(client, stream, group):
    """What an effect in the same transaction costs by itself: one INCR an entry."""
    client.xgroup_create(stream, group, id="0")

    def batch():
        reply = client.xreadgroup(group, "c", {stream: ">"}, count=BATCH)
        ids = [entry_id for entry_id, _ in reply[stream][0]]
        with client.pipeline() as pipe:
            for _ in ids:
                pipe.incr("{events}:bare")
            pipe.xack(stream, group, *ids)
            pipe.execute()

    return batch


def ours(client, stream, group, handler, **options):
    worker = StreamWorker(client, stream, group, "c", handler, batch=BATCH, **options)

    def batch():
        assert worker.run_once() == BATCH

    return batch


def walrus_group(lab, stream):
    walrus = side_by_side.peer("walrus")
    if walrus is None:
        return "walrus is not installed"
    database = walrus.Database.from_url(lab.primary.url)  # it needs bytes
    group = database.consumer_group("walrus", [stream])
    group.create()
    group.set_id("0")
    of_stream = getattr(group, stream)

    def batch():
        entries = of_stream.read(count=BATCH)
        of_stream.ack(*[entry_id for entry_id, _ in entries])

    return batch


def test_batches(lab):
    """An entry costs at most a ninth more than by the bare commands; once and only once, twice."""
    client = lab.client()
    fill(client, "events")
    side_by_side.compare(
        f"{BATCH} entries read and acknowledged",
        "XREADGROUP + XACK",
        {
            "XREADGROUP + XACK": bare(client, "events", "bare"),
            "StreamWorker": ours(client, "events", "ours", lambda entry_id, fields: None),
            "StreamWorker, idempotent": ours(
                client, "events", "once", lambda entry_id, fields, pipe: None, idempotent=True
            ),
            "walrus ConsumerGroup": walrus_group(lab, "events"),
        },
        floors={"StreamWorker": 0.90, "StreamWorker, idempotent": 0.50},
        calls=CALLS,
        blocks=BLOCKS,
    )


def test_batches_with_an_effect(lab):
    """One INCR an entry in the transaction: what is ours beside what is Redis's."""
    client = lab.client()
    client.delete("events")
    fill(client, "events")
    side_by_side.compare(
        f"{BATCH} entries, each with one INCR in the transaction",
        "XREADGROUP + MULTI",
        {
            "XREADGROUP + MULTI": bare_once(client, "events", "bare"),
            "StreamWorker, idempotent": ours(
                *(client, "events", "once"),
                lambda entry_id, fields, pipe: pipe.incr("{events}:n"),
                idempotent=True,
            ),
        },
        calls=CALLS,
        blocks=BLOCKS,
    )
