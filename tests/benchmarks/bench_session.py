"""Reading a session and sliding its TTL: ours beside the plain commands."""

import json

import pytest
from side_by_side import compare

import redis_lab as rl
from redis_lab.patterns import SessionStore

DATA = {"name": "Ann", "theme": "dark", "cart": [17, 42]}
SECONDS = 1800


@pytest.fixture(scope="module")
def r():
    with rl.standalone() as lab, lab.client() as client:
        yield client


def test_load_and_touch(r):
    store = SessionStore(r)
    id = store.create("ann", DATA)
    assert store.load(id).data == DATA
    r.set("raw", json.dumps(DATA), ex=SECONDS)
    r.hset("hash", mapping={"user": "ann", "data": json.dumps(DATA)})

    def two_commands():
        with r.pipeline(transaction=False) as pipe:
            found, _ = pipe.hgetall("hash").expire("hash", SECONDS).execute()
        return json.loads(found["data"])

    compare(
        "session: load + touch",
        "GETEX + json.loads",
        {
            "GETEX": lambda: r.getex("raw", ex=SECONDS),
            "GETEX + json.loads": lambda: json.loads(r.getex("raw", ex=SECONDS)),
            "SessionStore.load": lambda: store.load(id),
            "HGETALL, EXPIRE (pipeline)": two_commands,
        },
        floors={"SessionStore.load": 0.95},
        blocks=1000,
    )
