"""EventStore beside raw redis-py: `make bench`.

No peer in the extra `bench` has an event store; what people write by hand stands in for them. The
floors are our own: an append against a transaction of two XADD, which checks no version.
"""

import json

import pytest
from redis.exceptions import WatchError
from side_by_side import compare

import redis_lab as rl
from redis_lab.patterns import EventStore

DATA = {"order": 4711, "items": ["b-17", "c-3"], "total": 129.5, "note": "x" * 100}


@pytest.fixture(scope="module")
def client():
    with rl.standalone() as lab, lab.client() as client:
        yield client


def test_append(client):
    """Version check, both streams and the parsing of the reply, against two bare XADD."""
    store = EventStore(client, "bench")
    versions = {"ours": 0, "watch": 0}

    def transaction():
        fields = {"type": "placed", "data": json.dumps(DATA)}
        with client.pipeline(transaction=True) as pipe:
            pipe.xadd("{raw}:all", fields)
            pipe.xadd("{raw}:one", fields)
            pipe.execute()

    def watched():
        fields = {"type": "placed", "data": json.dumps(DATA)}
        with client.pipeline(transaction=True) as pipe:
            while True:
                try:
                    pipe.watch("{watch}:one")
                    if pipe.xlen("{watch}:one") != versions["watch"]:
                        raise ValueError("conflict")
                    pipe.multi()
                    pipe.xadd("{watch}:all", fields)
                    pipe.xadd("{watch}:one", fields)
                    pipe.execute()
                    versions["watch"] += 1
                    return
                except WatchError:
                    continue

    def ours():
        store.append("any", "placed", DATA)

    def checked():
        event = store.append("one", "placed", DATA, expected_version=versions["ours"])
        versions["ours"] = event.version

    compare(
        "append an event to an aggregate and to all events",
        "MULTI, two XADD, EXEC (no check)",
        {
            "MULTI, two XADD, EXEC (no check)": transaction,
            "ours": ours,
            "ours, expected_version": checked,
            "WATCH, XLEN, MULTI, … by hand": watched,
            "walrus, pottery, cashews": "no event store",
        },
        {"ours": 0.65, "ours, expected_version": 0.65},
    )


def test_read(client):
    """The 100 events of an aggregate, beside 10,000 of others."""
    store = EventStore(client, "bench-read")
    for number in range(10_000):
        store.append(f"other-{number % 100}", "step", DATA)
    for _ in range(100):
        store.append("one", "step", DATA)
        client.xadd("raw-read", {"type": "step", "data": json.dumps(DATA)})
    first, *_ = store.events("one")
    compare(
        "read 100 events of one aggregate",
        "XRANGE + json.loads",
        {
            "XRANGE + json.loads": lambda: [
                json.loads(fields["data"]) for _, fields in client.xrange("raw-read")
            ],
            "ours": lambda: store.events("one"),
            "scanning all events for it": lambda: [
                event for event in store.all_events() if event.aggregate_id == first.aggregate_id
            ],
        },
        {"ours": 0.45},
        calls=3,
        blocks=20,
    )
