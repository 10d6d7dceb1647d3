"""RealTimeAnalytics beside the same commands by hand."""

import time
from itertools import cycle

import pytest

import redis_lab as rl
from redis_lab.patterns.analytics import RealTimeAnalytics
from tests.benchmarks.side_by_side import compare

RETENTION_MS = 30 * 86_400_000


@pytest.fixture(scope="module")
def client():
    with rl.standalone() as lab, lab.client() as client:
        yield client


def by_hand(client, users, transaction):
    """What analytics_track.lua does, as a pipeline on keys of its own, by this machine's clock."""

    def track():
        user, now = next(users), time.time()
        pipe = client.pipeline(transaction=transaction)
        for width, period in ((3600, "hourly"), (86400, "daily")):
            start = int(now) // width * width
            bucket = f"{{raw:{transaction}}}:{period}:{start}"
            expires = (start + width) * 1000 + RETENTION_MS
            pipe.incr(f"{bucket}:events")
            pipe.pfadd(f"{bucket}:users", user)
            pipe.zincrby(f"{bucket}:top", 1, user)
            for what in ("events", "users", "top"):
                pipe.pexpireat(f"{bucket}:{what}", expires, nx=True)
        active, recent = f"{{raw:{transaction}}}:active", f"{{raw:{transaction}}}:recent"
        pipe.zadd(active, {user: int(now * 1_000_000)}, gt=True)
        pipe.zremrangebyscore(active, "-inf", f"({int(now * 1_000_000) - RETENTION_MS * 1000}")
        pipe.pexpire(active, RETENTION_MS)
        pipe.xadd(recent, {"user": user, "at": now, "properties": "{}"}, maxlen=1000)
        pipe.xtrim(recent, minid=int(now * 1000) - RETENTION_MS, approximate=False)
        pipe.pexpire(recent, RETENTION_MS)
        pipe.execute()

    return track


def test_one_event(client):
    """The floor of the issue: no slower than MULTI with the same commands."""
    users = cycle([f"user {n * 7919 % 5000}" for n in range(5000)])
    analytics = RealTimeAnalytics(client, "bench")
    full = RealTimeAnalytics(client, "full", capacity=100)
    raw, ours = "pipeline(transaction=True)", "track_event"
    ways = {
        raw: by_hand(client, users, True),
        ours: lambda: analytics.track_event("view", next(users)),
        "track_event, properties and at": lambda: analytics.track_event(
            "view", next(users), {"page": "/flights", "took": 0.25}, at=time.time()
        ),
        "track_event, tops full (100 of 5000)": lambda: full.track_event("view", next(users)),
        "pipeline(transaction=False)": by_hand(client, users, False),
        "cashews, walrus, pottery, …": "none counts events by hour and user",
    }
    compare("one analytics event", raw, ways, floors={ours: 1.0})


def test_reading(client):
    """Questions to a day of 20,000 events by 5,000 users, beside one GET."""
    users = [f"user {n * 7919 % 5000}" for n in range(5000)]
    analytics = RealTimeAnalytics(client, "read")
    for user in users * 4:
        analytics.track_event("view", user)
    ways = {
        "GET": lambda: client.get("nothing"),
        "stats(top=10)": lambda: analytics.stats("view"),
        "stats(top=10, at=…)": lambda: analytics.stats("view", at=time.time()),
        "series, 24 hours": lambda: analytics.series("view", "hourly", 24),
        "series, 720 hours": lambda: analytics.series("view", "hourly", 720),
        "recent(20)": lambda: analytics.recent("view", 20),
        "active_users, 5,000 of them": lambda: analytics.active_users("view", 3600),
    }
    compare("analytics, questions", "GET", ways, calls=5, blocks=30)
    for key in sorted(client.scan_iter(match="{read:view}:*")):
        print(f"  {key:44} {client.memory_usage(key, samples=0):9,} bytes")
