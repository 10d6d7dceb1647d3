"""RealTimeAnalytics: what is counted, in which bucket, and for how long it is kept."""

import math
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redis_lab.errors import ValueTooLarge
from redis_lab.observe import trace
from redis_lab.patterns.analytics import RealTimeAnalytics, Stats
from redis_lab.patterns.keys import text

HOUR, DAY = 3600, 86400
MIDNIGHT = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
MICROSECOND = timedelta(microseconds=1)
NOTHING = Stats(0, 0, [], 0.0)


@pytest.fixture
def analytics(client):
    return RealTimeAnalytics(client, "web")


def at(clock):
    """What the clock shows, as a datetime."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=clock.microseconds)


def everything(client):
    """All keys of the server or cluster."""
    return sorted(text(key) for key in client.scan_iter(count=1000))


def test_an_event_counts_in_its_hour_and_its_day(analytics):
    """Each event adds to total, unique and top users of both periods; the average follows."""
    for user in ("ann", "bob", "ann", "ann"):
        assert analytics.track_event("view", user) is True
    expected = Stats(4, 2, [("ann", 3), ("bob", 1)], 2.0)
    assert analytics.stats("view", "hourly") == expected
    assert analytics.stats("view", "daily") == expected


def test_what_never_happened_is_zero(analytics):
    """An event type without events has zeros, empty lists and no keys."""
    assert analytics.stats("view") == NOTHING
    assert [row[1:] for row in analytics.series("view", "daily", 3)] == [(0, 0)] * 3
    assert analytics.active_users("view", 60) == analytics.recent("view", 5) == []
    assert everything(analytics.client) == []


def test_event_types_and_namespaces_share_nothing(client):
    """Names that look alike when they are joined still count apart."""
    pairs = [("a", "b:c"), ("a:b", "c"), ("{a}", "b"), ("a", "{b}"), ("ä b", "%7B"), ("ä b", "{")]
    for number, (namespace, event_type) in enumerate(pairs, 1):
        for _ in range(number):
            RealTimeAnalytics(client, namespace).track_event(event_type, "ann")
    totals = [RealTimeAnalytics(client, n).stats(e).total_events for n, e in pairs]
    assert totals == [1, 2, 3, 4, 5, 6]


def test_an_event_is_one_round_trip(analytics):
    """Whatever an event changes travels as one command, with and without a time of its own."""
    analytics.track_event("view", "ann")  # the server learns the script
    with trace(analytics.client) as t:
        analytics.track_event("view", "ann", {"page": "/"})
        analytics.track_event("view", "bob", at=time.time() - 2 * HOUR)
    assert (t.trips, t.commands) == (2, 2)


@pytest.mark.parametrize("error", [-HOUR, HOUR])
def test_a_client_clock_an_hour_off_changes_nothing(client, monkeypatch, error):
    """The server's hour counts; a wrong clock costs one more trip, once."""
    right = time.time_ns
    analytics = RealTimeAnalytics(client, "web")
    analytics.track_event("warm up", "ann")
    monkeypatch.setattr(time, "time_ns", lambda: right() + error * 1_000_000_000)
    with trace(client) as t:
        for _ in range(20):
            analytics.track_event("view", "ann")
    assert analytics.stats("view", at=right() / 1e9).total_events == 20
    assert analytics.stats("view").total_events == 20
    assert analytics.stats("view", at=right() / 1e9 + error) == NOTHING
    assert t.trips in (21, 22)  # 22: the script was new to the event type's node


def test_the_servers_hour_and_day_turn_at_midnight_utc(analytics, clock):
    """One microsecond before midnight is the old hour and day, midnight the new ones."""
    clock.microseconds = int(MIDNIGHT.timestamp()) * 1_000_000 - 1
    analytics.track_event("view", "ann")
    clock.microseconds += 1
    analytics.track_event("view", "bob")
    analytics.track_event("view", "cyd")
    for period in ("hourly", "daily"):
        before = analytics.stats("view", period, at=MIDNIGHT - MICROSECOND)
        after = analytics.stats("view", period, at=MIDNIGHT)
        assert (before.total_events, after.total_events) == (1, 2)
        assert [row[1:] for row in analytics.series("view", period, 2)] == [(1, 1), (2, 2)]


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5, minutes=30)), None])
@pytest.mark.parametrize("turn", [MIDNIGHT, MIDNIGHT + timedelta(hours=13)])
def test_given_times_fall_on_the_right_side_of_a_boundary(analytics, clock, zone, turn):
    """A datetime of any zone and unix seconds name the same hour and day, to the microsecond."""
    clock.microseconds = int(MIDNIGHT.timestamp() + DAY) * 1_000_000

    def spelled(moment):
        return moment.astimezone(zone) if zone else moment.timestamp()

    analytics.track_event("view", "ann", at=spelled(turn - MICROSECOND))
    analytics.track_event("view", "bob", at=spelled(turn))
    hours = [analytics.stats("view", at=turn + n * timedelta(hours=1)).top_users for n in (-1, 0)]
    assert hours == [[("ann", 1)], [("bob", 1)]]
    same_day = analytics.stats("view", "daily", at=turn).total_events
    assert same_day == (1 if turn == MIDNIGHT else 2)


def test_the_last_float_before_a_boundary_is_before_it(analytics):
    """Unix seconds are cut, never rounded, to microseconds."""
    turn = MIDNIGHT.timestamp()
    analytics.track_event("view", "ann", at=math.nextafter(turn, 0))
    assert analytics.stats("view", "daily", at=turn) == NOTHING
    assert analytics.stats("view", "daily", at=turn - 1).total_events == 1


def test_a_bucket_expires_the_retention_after_its_end(client):
    """Time to live counts from the end of the hour or day, for late events as for others."""
    analytics = RealTimeAnalytics(client, "web", retention=10 * DAY)
    analytics.track_event("view", "ann")
    analytics.track_event("view", "ann", at=time.time() - 3 * DAY - 5)
    ends = []
    for key in everything(client):
        *_, period, start, _ = key.split(":")
        if period in ("hourly", "daily"):
            width = HOUR if period == "hourly" else DAY
            ends.append(client.pexpiretime(key) / 1000 - int(start) - width)
        else:
            assert 0 < client.pttl(key) <= 10 * DAY * 1000
    assert ends == [pytest.approx(10 * DAY, abs=0.01)] * 12


def test_an_event_past_the_retention_is_dropped(client, clock):
    """Exactly the retention away is counted, one microsecond more is not and leaves nothing."""
    analytics = RealTimeAnalytics(client, "web", retention=5 * DAY)
    for away in (-5 * DAY, 5 * DAY):
        beyond = timedelta(seconds=away) + MICROSECOND * (1 if away > 0 else -1)
        assert analytics.track_event("old", "ann", at=at(clock) + beyond) is False
        assert everything(client) == []
    assert analytics.track_event("edge", "ann", at=at(clock) - timedelta(days=5)) is True
    assert analytics.track_event("edge", "ann", at=at(clock) + timedelta(days=5)) is True
    assert analytics.stats("edge", at=at(clock) - timedelta(days=5)).total_events == 1


def test_every_key_expires_even_after_one_was_lost(r):
    """Fault: TTL missing on some path. A key that vanished (evicted) comes back with a TTL."""
    analytics = RealTimeAnalytics(r, "web")
    analytics.track_event("view", "ann")
    for lost in everything(r):
        r.delete(lost)
        analytics.track_event("view", "ann")
        assert [key for key in everything(r) if r.pttl(key) < 0] == []
    assert len(everything(r)) == 8


def test_a_tiny_retention_still_counts_the_present_hour(r):
    """Retention shorter than a bucket keeps the bucket to its end; the rest is forgotten soon."""
    analytics = RealTimeAnalytics(r, "web", retention=0.001)
    assert analytics.track_event("view", "ann") is True
    assert analytics.stats("view", "daily").total_events == 1


def test_top_users_come_without_reading_all_users(r):
    """The reply grows with `top`, not with the users of the bucket."""
    analytics = RealTimeAnalytics(r, "web")
    for number in range(500):
        analytics.track_event("view", f"user {number:04}")
    for user in ("cyd", "bob", "cyd", "ann", "cyd", "bob"):
        analytics.track_event("view", user)
    with trace(r) as t:
        found = analytics.stats("view", top=3)
    assert found.top_users[:2] == [("cyd", 3), ("bob", 2)] and len(found.top_users) == 3
    assert t.received < 500


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    users=st.lists(st.integers(0, 15).map(lambda n: "abcdefghijklmnop"[n * n // 15]), max_size=80)
)
def test_a_full_bucket_keeps_its_top_users_within_the_bound(r, users):
    """Space-Saving: bounded memory; frequent users are all ranked; counts err upward, to N/m."""
    r.flushall()
    m = 4
    analytics = RealTimeAnalytics(r, "web", capacity=m)
    for user in users:
        analytics.track_event("view", user)
    ranked = dict(analytics.stats("view", "daily", top=100).top_users)
    truth = {user: users.count(user) for user in users}
    bound = len(users) / m
    assert len(ranked) == min(m, len(truth)) and sum(ranked.values()) == len(users)
    assert {user for user, count in truth.items() if count > bound} <= ranked.keys()
    assert all(truth[user] <= count <= truth[user] + bound for user, count in ranked.items())
    if len(truth) <= m:
        assert ranked == truth


def test_unique_users_are_within_three_standard_errors(r):
    """HyperLogLog's standard error is 0.81 %; users are seen twice and count once."""
    analytics = RealTimeAnalytics(r, "web", capacity=10)
    for number in range(6000):
        analytics.track_event("view", f"user {number % 3000}")
    found = analytics.stats("view", "daily")
    assert abs(found.unique_users - 3000) <= 3 * 0.0081 * 3000
    assert found.average_per_user == found.total_events / found.unique_users


def test_a_series_is_oldest_first_with_gaps_as_zeros(analytics, clock):
    """One row for each hour or day up to the present one, whether something happened or not."""
    clock.microseconds = int(MIDNIGHT.timestamp() + 2 * HOUR + 90) * 1_000_000
    for hours, users in ((0, "ab"), (2, "aac"), (3, "a"), (30, "a")):
        for user in users:
            analytics.track_event("view", user, at=at(clock) - timedelta(hours=hours))
    first = MIDNIGHT - timedelta(hours=1)
    starts = [first + timedelta(hours=n) for n in range(4)]
    expected = list(zip(starts, [1, 3, 0, 2], [1, 2, 0, 2], strict=True))
    assert analytics.series("view", "hourly", 4) == expected
    days = [MIDNIGHT - timedelta(days=n) for n in (2, 1, 0)]
    assert analytics.series("view", "daily", 3) == list(
        zip(days, [1, 1, 5], [1, 1, 3], strict=True)
    )
    with trace(analytics.client) as t:
        long = analytics.series("view", "daily", 5000)
    assert len(long) == 5000 and long[-3:] == analytics.series("view", "daily", 3)
    assert t.commands < 80  # what the retention has ended is not asked for


def test_active_users_are_those_of_the_last_seconds(analytics, clock):
    """Latest first, each once; the edge belongs to it; late events move nobody back."""
    start = at(clock)
    for user, second in (("ann", 0), ("bob", 10), ("cyd", 20), ("ann", 25)):
        clock.microseconds = round((start.timestamp() + second) * 1_000_000)
        analytics.track_event("view", user)
    clock.advance(5)
    assert analytics.active_users("view", 10) == ["ann", "cyd"]
    assert analytics.active_users("view", 20) == ["ann", "cyd", "bob"]
    assert analytics.active_users("view", 9.999999) == ["ann"]
    analytics.track_event("view", "cyd", at=start)
    assert analytics.active_users("view", 10) == ["ann", "cyd"]
    analytics.track_event("view", "dan", at=start + timedelta(days=1))
    clock.advance(1)
    assert analytics.active_users("view", 1) == ["dan"], "a future event counts as now"
    clock.advance(1)
    assert analytics.active_users("view", 1) == []


def test_who_was_active_is_forgotten_after_the_retention(r, clock):
    """Users not seen for the retention are removed by the next event of anyone."""
    analytics = RealTimeAnalytics(r, "web", retention=100)
    analytics.track_event("view", "ann")
    clock.advance(100)
    analytics.track_event("view", "bob")
    assert r.zcard("{web:view}:active") == 2
    clock.advance(0.000001)
    analytics.track_event("view", "bob")
    assert r.zrange("{web:view}:active", 0, -1) == ["bob"]


def test_recent_gives_the_last_arrivals_as_they_were(analytics, clock):
    """Latest arrival first, with user, properties and time as tracked."""
    late = at(clock) - timedelta(minutes=3)
    analytics.track_event("view", "ann", {"page": "/ä", "took": [1.5, None]})
    analytics.track_event("view", "bob", at=late)
    expected = [
        {"event_type": "view", "user_id": "bob", "properties": {}, "at": late},
        {
            **{"event_type": "view", "user_id": "ann", "at": at(clock)},
            "properties": {"page": "/ä", "took": [1.5, None]},
        },
    ]
    assert analytics.recent("view", 10) == expected
    assert analytics.recent("view", 1) == expected[:1]


def test_recent_is_bounded_in_number_and_in_time(r):
    """No more than `keep` and a hundred entries; none that arrived before the retention."""
    analytics = RealTimeAnalytics(r, "web", retention=1000, keep=50)
    old = round((time.time() - 1001) * 1000)
    r.xadd("{web:view}:recent", {"user": "old", "at": "0", "properties": "{}"}, id=f"{old}-0")
    assert analytics.recent("view", 10) == [], "not shown while it is still there"
    analytics.track_event("view", "ann")
    assert r.xlen("{web:view}:recent") == 1, "and gone with the next event"
    for _ in range(400):
        analytics.track_event("view", "ann")
    assert 50 <= r.xlen("{web:view}:recent") <= 150
    assert len(analytics.recent("view", 50)) == 50


def test_any_client_reads_and_writes_the_same(any_client):
    """Replies decoded or not, protocol 2 or 3: same types, same values."""
    analytics = RealTimeAnalytics(any_client, "wéb")
    for user in ("ann", "žoë", "žoë"):
        analytics.track_event("view", user, {"page": "ü"})
    assert analytics.stats("view") == Stats(3, 2, [("žoë", 2), ("ann", 1)], 1.5)
    assert analytics.series("view", "hourly", 1)[0][1:] == (3, 2)
    assert analytics.active_users("view", 60) == ["žoë", "ann"]
    newest = analytics.recent("view", 1)[0]
    assert (newest["user_id"], newest["properties"]) == ("žoë", {"page": "ü"})
    assert newest["at"].utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("call", "error", "argument"),
    [
        (lambda a: a.track_event("", "ann"), ValueError, "event_type"),
        (lambda a: a.track_event(None, "ann"), TypeError, "event_type"),
        (lambda a: a.track_event("view", ""), ValueError, "user_id"),
        (lambda a: a.track_event("view", 42), TypeError, "user_id"),
        (lambda a: a.track_event("view", "ann", ["page"]), TypeError, "properties"),
        (lambda a: a.track_event("view", "ann", {"x": object()}), TypeError, "properties"),
        (lambda a: a.track_event("view", "ann", {"x": float("nan")}), ValueError, "properties"),
        (lambda a: a.track_event("view", "ann", {"x": "x" * 10**8}), ValueTooLarge, "properties"),
        (lambda a: a.track_event("view", "a" * 10**8), ValueTooLarge, "user_id"),
        (lambda a: a.track_event("view", "ann", at=datetime(2024, 1, 1)), ValueError, "at"),
        (lambda a: a.track_event("view", "ann", at="now"), TypeError, "at"),
        (lambda a: a.track_event("view", "ann", at=time.time() * 1000), ValueError, "at"),
        (lambda a: a.track_event("view", "ann", at=float("nan")), ValueError, "at"),
        (lambda a: a.track_event("view", "ann", at=-1), ValueError, "at"),
        (lambda a: a.stats("view", "weekly"), ValueError, "period"),
        (lambda a: a.stats("view", top=0), ValueError, "top"),
        (lambda a: a.stats("view", at=datetime(2024, 1, 1)), ValueError, "at"),
        (lambda a: a.series("view", "weekly", 3), ValueError, "period"),
        (lambda a: a.series("view", "hourly", 0), ValueError, "last"),
        (lambda a: a.series("view", "hourly", 10**9), ValueError, "last"),
        (lambda a: a.active_users("view", 0), ValueError, "within"),
        (lambda a: a.active_users("view", 31 * DAY), ValueError, "within"),
        (lambda a: a.recent("view", -1), ValueError, "count"),
        (lambda a: RealTimeAnalytics(a.client, ""), ValueError, "namespace"),
        (lambda a: RealTimeAnalytics(a.client, "web", retention=0), ValueError, "retention"),
        (lambda a: RealTimeAnalytics(a.client, "web", capacity=0), ValueError, "capacity"),
        (lambda a: RealTimeAnalytics(a.client, "web", keep=1.5), TypeError, "keep"),
        (lambda a: RealTimeAnalytics(a.client, "web", max_bytes=0), ValueError, "max_bytes"),
    ],
)
def test_bad_input_names_the_argument_and_leaves_nothing(r, call, error, argument):
    """Wrong arguments never reach the server."""
    with pytest.raises(error, match=argument):
        call(RealTimeAnalytics(r, "web"))
    assert everything(r) == []


def test_a_server_that_is_full_counts_nothing(r):
    """OOM under noeviction: redis-py's error, and no half of an event."""
    analytics = RealTimeAnalytics(r, "web")
    r.config_set("maxmemory", 1)
    try:
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            analytics.track_event("view", "ann")
        assert everything(r) == []
    finally:
        r.config_set("maxmemory", 0)
