"""EventStore on healthy servers: order, versions, optimistic concurrency, snapshots, bad input."""

import json
import logging
import threading
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError

import redis_lab as rl
from redis_lab import ValueTooLarge, VersionConflict
from redis_lab.lab.waiting import wait_until
from redis_lab.patterns import Event, EventStore, StreamWorker, event_store
from redis_lab.patterns.event import of_all


@pytest.fixture
def store(client):
    return EventStore(client, "orders")


def keyspace(client):
    return sorted(client.scan_iter("*"))


def commands(r):
    """How often which command was called since CONFIG RESETSTAT."""
    stats = r.info("commandstats")
    return {name.removeprefix("cmdstat_"): each["calls"] for name, each in stats.items()}


def follow(store, after=None):
    """Collect what subscribe gives in a thread: the list it grows, the stop event, the thread."""
    seen, stop = [], threading.Event()

    def collect():
        for event in store.subscribe(after, stop):
            seen.append(event)

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    return seen, stop, thread


# append and read


def test_what_is_appended_is_read_again(store, client):
    """An event reads back as append returned it, from its aggregate and from all events."""
    before = datetime.now(UTC) - timedelta(seconds=5)
    first = store.append("o-1", "placed", {"total": 12.5, "items": ["Ä", None, True]})
    other = store.append("o-2", "placed", "just text")
    second = store.append("o-1", "paid", None)
    assert store.events("o-1") == [first, second]
    assert store.events("o-2") == [other]
    assert list(store.all_events()) == [first, other, second]
    assert first == Event(
        first.id, "o-1", 1, "placed", {"total": 12.5, "items": ["Ä", None, True]}, first.at
    )
    assert before < first.at < datetime.now(UTC) + timedelta(seconds=5)
    assert keyspace(client) == [
        "{orders}:aggregate:o-1",
        "{orders}:aggregate:o-2",
        "{orders}:all",
        "{orders}:versions",
    ]


def test_every_kind_of_client(any_client):
    """Text or bytes, protocol 2 or 3: the same events, snapshots and subscriptions."""
    store, stop = EventStore(any_client, "orders"), threading.Event()
    first = store.append("o-1", "placed", {"name": "Zoë"})
    second = store.append("o-1", "paid", [1, 2.5], expected_version=1)
    assert store.events("o-1") == list(store.all_events()) == [first, second]
    assert list(islice(store.subscribe(stop=stop), 2)) == [first, second]
    assert store.snapshot("o-1", {"name": "Zoë"}, 2)
    assert store.latest_snapshot("o-1") == ({"name": "Zoë"}, 2)


def test_versions_count_in_each_aggregate_and_ids_order_all(store):
    """Versions start at 1 in every aggregate; IDs grow over all of them."""
    events = [store.append(f"o-{number % 3}", "step", number) for number in range(9)]
    assert [event.version for event in events] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert list(store.all_events()) == events
    parts = [tuple(map(int, event.id.split("-"))) for event in events]
    assert parts == sorted(set(parts))


def test_after_leaves_out_what_was_read(store):
    """`after` is exclusive: a version for one aggregate, an Event.id for all."""
    events = [store.append("o-1", "step", number) for number in range(4)]
    assert store.events("o-1", after=2) == events[2:]
    assert store.events("o-1", after=9) == []
    assert list(store.all_events(events[1].id)) == events[2:]
    assert list(store.all_events(events[3].id)) == []


def test_reading_goes_page_by_page(store, monkeypatch):
    """However many pages it takes, every event is read once."""
    monkeypatch.setattr(event_store, "_PAGE", 3)
    for count in (2, 3, 7):
        events = [store.append(f"o-{count}", "step", number) for number in range(count)]
        assert store.events(f"o-{count}") == events
        assert len(list(store.all_events())) == len({e.id for e in store.all_events()})


def test_unknown_aggregates_are_empty(store, client):
    """What was never written reads as nothing, and reading writes nothing."""
    assert store.events("o-1") == list(store.all_events()) == []
    assert store.latest_snapshot("o-1") is None
    assert store.rebuild("o-1", lambda state, event: 1, 0) == 0
    assert keyspace(client) == []


def test_reading_one_aggregate_never_scans_the_others(r):
    """Beside 2,000 events of others, an aggregate of three costs one XRANGE of its own stream."""
    store = EventStore(r, "orders")
    for number in range(2000):
        store.append(f"other-{number % 50}", "step", number)
    for number in range(3):
        store.append("mine", "step", number)
    r.config_resetstat()
    written = r.info("stats")["total_net_output_bytes"]
    assert [event.data for event in store.events("mine")] == [0, 1, 2]
    read = r.info("stats")["total_net_output_bytes"] - written
    assert commands(r).pop("xrange") == 1
    assert set(commands(r)) <= {"xrange", "info", "config|resetstat"}
    assert read < 20_000  # three events and an INFO


def test_one_namespace_is_one_slot_and_no_prefix_of_another(client):
    """All keys carry the namespace's hash tag, and odd names stay apart."""
    names = ["a", "a:all", "{a}", "a b", "ä", "a%3Aall"]
    for name in names:
        EventStore(client, name).append("x:{y} ü", "kind of:thing", name)
    for name in names:
        (event,) = EventStore(client, name).all_events()
        assert (event.aggregate_id, event.type, event.data) == ("x:{y} ü", "kind of:thing", name)
        assert EventStore(client, name).events("x:{y} ü") == [event]
    assert len(keyspace(client)) == 3 * len(names)


def test_events_never_expire(store, client):
    """Events and snapshots are the user's data: no key has a TTL."""
    store.append("o-1", "placed", 1)
    store.snapshot("o-1", 1, 1)
    assert [client.ttl(key) for key in keyspace(client)] == [-1] * 4


# optimistic concurrency


def test_version_conflict_writes_nothing(store, client):
    """A wrong expected_version, lower or higher, is a VersionConflict, and no stream grows."""
    store.append("o-1", "placed", 1)
    store.append("o-1", "paid", 2)
    for expected in (0, 1, 3, 99):
        with pytest.raises(VersionConflict) as caught:
            store.append("o-1", "sent", 3, expected_version=expected)
        assert (caught.value.expected, caught.value.actual) == (expected, 2)
    assert client.xlen("{orders}:aggregate:o-1") == client.xlen("{orders}:all") == 2
    assert store.append("o-1", "sent", 3, expected_version=2).version == 3


def test_expected_version_zero_means_new(store, client):
    """With 0 the aggregate must not exist, and one that does exist is left as it is."""
    assert store.append("o-1", "placed", 1, expected_version=0).version == 1
    with pytest.raises(VersionConflict):
        store.append("o-1", "placed", 1, expected_version=0)
    with pytest.raises(VersionConflict):
        store.append("o-2", "paid", 1, expected_version=1)
    assert keyspace(client) == ["{orders}:aggregate:o-1", "{orders}:all", "{orders}:versions"]


APPENDERS = """
store, me = EventStore(client, "orders"), sys.argv[1]
print("ready", flush=True)
sys.stdin.readline()
for number in range(150):
    event = store.append("free", "step", [me, number])
    print(json.dumps(["free", event.version, event.id]))
    while True:
        version = len(store.events("strict"))
        try:
            event = store.append("strict", "step", [me, number], expected_version=version)
        except VersionConflict as conflict:
            assert conflict.actual > version
            continue
        print(json.dumps(["strict", event.version, event.id]))
        break
"""


def test_appenders_in_two_processes_leave_no_gap_and_no_duplicate(store, lab, beside):
    """Every append of two processes has a version and a place of its own, in the same order."""
    processes = [beside(lab, APPENDERS, name) for name in "ab"]
    for process in processes:
        process.stdout.readline()
    for process in processes:
        print("go", file=process.stdin, flush=True)
    returned = defaultdict(list)
    for process in processes:
        for line in process.communicate()[0].splitlines():
            aggregate, version, number = json.loads(line)
            returned[aggregate].append((version, number))
    everything = list(store.all_events())
    for aggregate in ("free", "strict"):
        events = store.events(aggregate)
        assert [event.version for event in events] == list(range(1, 301))
        assert sorted(returned[aggregate]) == [(event.version, event.id) for event in events]
        assert [event for event in everything if event.aggregate_id == aggregate] == events
        for me in "ab":
            mine = [event.data[1] for event in events if event.data[0] == me]
            assert mine == list(range(150))


def test_a_deleted_entry_does_not_free_its_version(store, client):
    """Whoever deletes an event by hand leaves a gap, never a version that is given twice."""
    for number in range(3):
        store.append("o-1", "step", number)
    client.xdel("{orders}:aggregate:o-1", "3-0", "2-0")
    with pytest.raises(VersionConflict):
        store.append("o-1", "step", 9, expected_version=1)
    assert store.append("o-1", "step", 9, expected_version=3).version == 4


def test_a_lost_counter_is_restored_from_the_stream(store, client):
    """Without the hash of versions, the stream says which version is next; nothing is half done."""
    for number in range(3):
        store.append("o-1", "step", number)
    client.delete("{orders}:versions")
    with pytest.raises(VersionConflict) as caught:
        store.append("o-1", "step", 9, expected_version=0)
    assert caught.value.actual == 3
    assert store.append("o-1", "step", 9).version == 4
    assert client.hgetall("{orders}:versions") == {"o-1": "4"}
    assert len(list(store.all_events())) == 4


def test_noscript_after_script_flush(store, client):
    """SCRIPT FLUSH between two calls costs nothing but a trip."""
    store.append("o-1", "placed", 1)
    client.script_flush()
    assert store.append("o-1", "paid", 2, expected_version=1).version == 2
    client.script_flush()
    assert store.snapshot("o-1", 3, 2)


# clocks


def test_a_clock_that_goes_back_keeps_the_order(store, client):
    """IDs go on from the last one, an hour in the future, while `at` says the server's time."""
    first = store.append("o-1", "placed", 1)
    future = int(first.id.split("-")[0]) + 3_600_000
    client.execute_command("XSETID", "{orders}:all", f"{future}-5")
    later = [store.append("o-1", "step", number) for number in range(3)]
    assert [event.id for event in later] == [f"{future}-{number}" for number in (6, 7, 8)]
    assert list(store.all_events()) == [first, *later]
    assert all(event.at - first.at < timedelta(minutes=30) for event in later)
    stop = threading.Event()
    assert list(islice(store.subscribe(first.id, stop), 3)) == later


def test_at_is_the_server_time(store, clock):
    """`at` is what the server's clock said, to the microsecond, back and forth."""
    clock.microseconds = 1_700_000_000_123_456
    first = store.append("o-1", "placed", 1)
    clock.advance(-3600)
    second = store.append("o-1", "paid", 2)
    assert first.at == datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC)
    assert second.at == first.at - timedelta(hours=1)
    assert list(store.all_events()) == store.events("o-1") == [first, second]


# subscribe


def test_subscribe_gives_the_past_and_then_what_comes(store):
    """From the first event on, in order, and each new one as it is appended."""
    past = [store.append("o-1", "step", number) for number in range(3)]
    seen, stop, thread = follow(store)
    wait_until(lambda: "" if len(seen) == 3 else f"{len(seen)} of 3", 10, "the past")
    fresh = [store.append(f"o-{number}", "step", number) for number in range(3)]
    wait_until(lambda: "" if len(seen) == 6 else f"{len(seen)} of 6", 10, "what comes")
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert seen == past + fresh


def test_subscribe_after_an_event(store):
    """A subscriber that kept the last ID it handled goes on behind it."""
    events = [store.append("o-1", "step", number) for number in range(4)]
    assert list(islice(store.subscribe(events[1].id), 2)) == events[2:]


def test_stop_ends_a_subscriber_before_its_next_event(store):
    """Once stop is set no event is handed out, though more are at hand."""
    events = [store.append("o-1", "step", number) for number in range(4)]
    stop, seen = threading.Event(), []
    for event in store.subscribe(stop=stop):
        seen.append(event)
        stop.set()
    assert seen == events[:1]


def test_a_quiet_subscriber_outlasts_the_socket_timeout(lab, caplog):
    """Blocking reads are shorter than half the client's timeout: nothing fails while all is quiet.

    The timeout here is 0.4 s, so one read is at most 0.2 s: the fourth begins after the timeout.
    """
    with lab.client(socket_timeout=0.4) as client:
        store = EventStore(client, "orders")
        nodes = [node.client() for node in lab.primaries]
        for node in nodes:
            node.config_resetstat()
        seen, stop, thread = follow(store)

        def reads():
            return sum(commands(node).get("xread", 0) for node in nodes)

        with caplog.at_level(logging.WARNING, "redis_lab.patterns.event_store"):
            wait_until(lambda: "" if reads() >= 4 else f"{reads()} reads", 10, "quiet reads")
            event = store.append("o-1", "placed", 1)
            wait_until(lambda: "" if seen else "nothing", 10, "the event")
            stop.set()
            thread.join(10)
        assert not thread.is_alive()
        assert seen == [event]
        assert not caplog.records


def test_a_refused_command_is_raised(r):
    """A subscriber waits for a server that is away, not for one that says no."""
    r.set("{orders}:all", "not a stream")
    store = EventStore(r, "orders")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        next(store.subscribe())
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        store.append("o-1", "placed", 1)
    assert not r.exists("{orders}:aggregate:o-1")


# snapshots


def count(state, event):
    return {"sum": state["sum"] + event.data, "version": event.version}


def test_rebuild_folds_the_events(store):
    """Without a snapshot the state is apply over all events, from the initial one."""
    for number in (1, 2, 3):
        store.append("o-1", "added", number)
    assert store.rebuild("o-1", count, {"sum": 0, "version": 0}) == {"sum": 6, "version": 3}


def test_rebuild_reads_only_what_follows_the_snapshot(store):
    """Events up to the snapshot's version are not applied, nor read, again."""
    for number in (1, 2, 3, 4):
        store.append("o-1", "added", number)
    assert store.snapshot("o-1", {"sum": 60, "version": 3}, 3)
    applied = []
    state = store.rebuild(
        "o-1", lambda state, event: applied.append(event) or count(state, event), None
    )
    assert state == {"sum": 64, "version": 4}
    assert [event.version for event in applied] == [4]


def test_rebuild_leaves_the_initial_state_alone(store):
    """apply may change the state it is given: the caller's `initial` stays as it was."""
    store.append("o-1", "added", 1)
    initial = []
    assert store.rebuild("o-1", lambda state, event: state.append(1) or state, initial) == [1]
    assert initial == []


def test_an_older_snapshot_does_not_replace_a_newer_one(store, client):
    """Of two processes that write snapshots, the one that has seen more wins."""
    for number in range(3):
        store.append("o-1", "added", number)
    assert store.snapshot("o-1", "newer", 3)
    assert not store.snapshot("o-1", "older", 2)
    assert store.snapshot("o-1", "same", 3)
    assert store.latest_snapshot("o-1") == ("same", 3)
    assert client.hgetall("{orders}:snapshot:o-1") == {"version": "3", "state": '"same"'}


def test_no_snapshot_beyond_the_last_event(store, client):
    """A state from events that are not there would hide those that take their versions."""
    store.append("o-1", "added", 1)
    with pytest.raises(VersionConflict) as caught:
        store.snapshot("o-1", "dream", 2)
    assert (caught.value.expected, caught.value.actual) == (2, 1)
    with pytest.raises(VersionConflict):
        store.snapshot("o-2", "dream", 1)
    assert not client.exists("{orders}:snapshot:o-1")


# bad input


@pytest.mark.parametrize(
    "data",
    [
        {1, 2},
        b"raw",
        (1, 2),
        {"t": (1,)},
        {1: "a"},
        object(),
    ],
    ids=lambda value: "object" if type(value) is object else repr(value),
)
def test_data_is_json_or_a_type_error(store, client, data):
    """What JSON can't give back unchanged is refused by name, and nothing is written."""
    with pytest.raises(TypeError, match="data"):
        store.append("o-1", "placed", data)
    with pytest.raises(TypeError, match="state"):
        store.snapshot("o-1", data, 1)
    assert keyspace(client) == []


def test_numbers_and_circles_that_json_has_not_are_value_errors(store, client):
    """NaN, infinity, a list that holds itself: refused by name, and nothing is written."""
    circle = []
    circle.append(circle)
    for data in (float("nan"), [float("inf")], circle):
        with pytest.raises(ValueError, match="data"):
            store.append("o-1", "placed", data)
    assert keyspace(client) == []


def test_half_a_surrogate_pair_comes_back(any_client):
    """JSON can say what UTF-8 can't: it is kept escaped, and everything beside it as it is."""
    store = EventStore(any_client, "orders")
    event = store.append("o-1", "placed", {"é\ud800": ["ü \udfff", "\\ud800"]})
    assert store.events("o-1") == list(store.all_events()) == [event]


def test_large_data_within_the_limit(store):
    """Two megabytes come back as they went."""
    event = store.append("o-1", "placed", "é" * 1_000_000)
    assert store.events("o-1") == list(store.all_events()) == [event]


def test_data_above_the_limit_is_refused(client):
    """100 MB is a clear error by default, and max_bytes decides, to the byte."""
    with pytest.raises(ValueTooLarge, match="data: 100000002 bytes"):
        EventStore(client, "orders").append("o-1", "placed", "x" * 100_000_000)
    store = EventStore(client, "orders", max_bytes=5)
    store.append("o-1", "placed", "123")
    with pytest.raises(ValueTooLarge):
        store.append("o-1", "placed", "1234")
    with pytest.raises(ValueTooLarge, match="state"):
        store.snapshot("o-1", "1234", 1)
    assert client.xlen("{orders}:all") == 1


@pytest.mark.parametrize(
    ("call", "error", "argument"),
    [
        (lambda s: s.append("", "t", 1), ValueError, "aggregate_id"),
        (lambda s: s.append(7, "t", 1), TypeError, "aggregate_id"),
        (lambda s: s.append("a", "", 1), ValueError, "event_type"),
        (lambda s: s.append("a", None, 1), TypeError, "event_type"),
        (lambda s: s.append("a", "t", 1, expected_version=-1), ValueError, "expected_version"),
        (lambda s: s.append("a", "t", 1, expected_version=1.0), TypeError, "expected_version"),
        (lambda s: s.append("a", "t", 1, expected_version=True), TypeError, "expected_version"),
        (lambda s: s.events(""), ValueError, "aggregate_id"),
        (lambda s: s.events("a", after="1-0"), TypeError, "after"),
        (lambda s: s.events("a", after=-1), ValueError, "after"),
        (lambda s: s.all_events(7), TypeError, "after"),
        (lambda s: s.all_events("latest"), ValueError, "after"),
        (lambda s: s.subscribe(b"1-0"), TypeError, "after"),
        (lambda s: s.subscribe(""), ValueError, "after"),
        (lambda s: s.snapshot("a", 1, 0), ValueError, "version"),
        (lambda s: s.snapshot("", 1, 1), ValueError, "aggregate_id"),
        (lambda s: s.latest_snapshot(None), TypeError, "aggregate_id"),
        (lambda s: EventStore(s._client, ""), ValueError, "namespace"),
        (lambda s: EventStore(s._client, 1), TypeError, "namespace"),
        (lambda s: EventStore(s._client, "n", max_bytes=0), ValueError, "max_bytes"),
    ],
)
def test_wrong_arguments_are_named(r, call, error, argument):
    """At the call, before anything is sent, with the argument's name."""
    with pytest.raises(error, match=argument):
        call(EventStore(r, "orders"))
    assert r.dbsize() == 0


def test_a_full_server_takes_both_streams_or_none(r):
    """Out of memory under noeviction is redis-py's error, and no stream is ahead of the other."""
    store = EventStore(r, "orders")
    store.append("o-1", "placed", 1)
    r.config_set("maxmemory", 1)
    try:
        with pytest.raises(OutOfMemoryError):
            store.append("o-1", "paid", 2)
    finally:
        r.config_set("maxmemory", 0)
    assert r.xlen("{orders}:all") == r.xlen("{orders}:aggregate:o-1") == 1


def test_a_replica_refuses_and_reads():
    """On a read-only replica append is redis-py's error; reading works."""
    with rl.replicated(replicas=1) as lab:
        event = EventStore(lab.client(), "orders").append("o-1", "placed", 1)
        replica = EventStore(lab.replicas[0].client(), "orders")
        wait_until(lambda: "" if replica.events("o-1") else "not there", 10, "the replica")
        with pytest.raises(ReadOnlyError):
            replica.append("o-1", "paid", 2)
        assert list(replica.all_events()) == [event]


def test_its_stream_can_be_given_to_a_worker(r):
    """The key of the stream of all events, whose entries of_all reads."""
    store = EventStore(r, "orders")
    event = store.append("o-1", "placed", {"by": "ann"})
    seen = []
    handler = lambda *entry: seen.append(of_all(entry))  # noqa: E731
    worker = StreamWorker(r, store.stream, "group", "one", handler)
    assert worker.run_once() == 1 and seen == [event]
