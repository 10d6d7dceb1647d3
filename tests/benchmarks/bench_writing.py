"""Writing through and behind a cache into SQLite, beside the commands that it cannot do without."""

import json
import logging

import pytest
from side_by_side import compare

import redis_lab as rl
from redis_lab.patterns import ReadThrough, RedisCache, SQLiteStore, WriteBehind, WriteThrough

VALUE = {"article": 17, "price": 9.5, "shop": "north"}


@pytest.fixture(scope="module")
def r():
    with rl.standalone() as lab, lab.client() as client:
        yield client


def test_write(r, tmp_path):
    """Behind: a queued write and an invalidation. Through: a synced transaction."""
    store, bare = SQLiteStore(tmp_path / "a.db", "rows"), SQLiteStore(tmp_path / "b.db", "rows")
    through = WriteThrough(RedisCache(r, "through"), SQLiteStore(tmp_path / "c.db", "rows"))
    number = iter(range(10**9))

    def value():
        return {**VALUE, "price": next(number)}

    def raw():
        r.xadd("raw", {"key": "k", "value": json.dumps(value())}, maxlen=10_000)
        r.unlink("raw:k")

    with WriteBehind(RedisCache(r, "behind"), store, max_backlog=10**6) as behind:
        compare(
            "A write (1.00: XADD, UNLINK)",
            "XADD, UNLINK",
            {
                "XADD, UNLINK": raw,
                "write-behind set": lambda: behind.set("k", value()),
                "write-through set": lambda: through.set("k", value()),
                "SQLite alone": lambda: bare.save({"k": value()}),
            },
            calls=20,
        )


def test_flush(r, tmp_path):
    """What the flusher brings to the store, in batches of 100, beside executemany alone."""
    logging.disable(logging.WARNING)
    store, bare = SQLiteStore(tmp_path / "a.db", "rows"), SQLiteStore(tmp_path / "b.db", "rows")
    behind = WriteBehind(RedisCache(r, "flush"), store, batch=100, interval=3600)
    behind._stopping.set()
    behind._wake.set()
    behind._thread.join()
    number = iter(range(10**9))

    def fill(stream):
        pipe = r.pipeline(transaction=False)
        for at in range(100):
            pipe.xadd(stream, {"key": f"k{at}", "value": json.dumps(next(number))})
        pipe.execute()

    def alone():
        bare.save({f"k{at}": next(number) for at in range(100)})

    def flushed():
        fill(behind.queue)
        assert behind._step() == 100

    def trimmed():
        fill("trimmed")
        entries = r.xrange("trimmed", count=100)
        bare.save({row["key"]: json.loads(row["value"]) for _, row in entries})
        r.xtrim("trimmed", minid=entries[-1][0])

    compare(
        "100 writes queued in a pipeline and flushed (1.00: XRANGE, SQLite, XTRIM)",
        "XRANGE, SQLite, XTRIM",
        {"XRANGE, SQLite, XTRIM": trimmed, "the flusher": flushed, "SQLite alone": alone},
        calls=2,
        blocks=40,
    )
    logging.disable(logging.NOTSET)


def test_read_through(r, tmp_path):
    """A hit is RedisCache's."""
    cache = RedisCache(r, "read")
    through = ReadThrough(cache, SQLiteStore(tmp_path / "a.db", "rows"))
    through.store.save({"k": VALUE})
    through.get("k")
    r.set("raw", json.dumps(VALUE))
    compare(
        "A read, hit (1.00: GET and json.loads)",
        "GET, json.loads",
        {"GET, json.loads": lambda: json.loads(r.get("raw")), "ours": lambda: through.get("k")},
    )
