"""StreamWorker: who gets which entry when, what becomes of failures, and what is said no to."""

import logging
import random
import threading
import time
from itertools import pairwise

import pytest
import redis
from redis.cluster import RedisCluster
from redis.crc import key_slot

from redis_lab.lab.waiting import wait_until
from redis_lab.patterns import StreamWorker, handling

NEVER_IDLE, LONG_IDLE = 1000.0, 10_000_000  # seconds; ms


def add(client, stream, count, **fields):
    return [text(client.xadd(stream, {"n": n} | fields)) for n in range(count)]


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def left_by(client, consumer, stream, count, idle=LONG_IDLE):
    """Entries that this consumer of "g" read, and has left alone for `idle` ms."""
    reply = client.xreadgroup("g", consumer, {stream: ">"}, count=count)
    found = reply[stream][0] if isinstance(reply, dict) else reply[0][1]
    ids = [entry_id for entry_id, _ in found]
    client.xclaim(stream, "g", consumer, 0, ids, idle=idle, justid=True)
    return ids


class Handler:
    """Remembers what it was given; fails where `fails(fields)` says so."""

    def __init__(self, fails=lambda fields: False):
        self.seen, self.fails = [], fails

    def __call__(self, entry_id, fields, *pipe):
        self.seen.append((entry_id, fields))
        if self.fails(fields):
            raise ValueError(f"no {fields['n']}")

    @property
    def numbers(self):
        return [int(fields["n"]) for _, fields in self.seen]


def worker(client, handler, consumer="c", stream="events", **options):
    options = {"min_idle": NEVER_IDLE} | options
    return StreamWorker(client, stream, "g", consumer, handler, **options)


def drained(client, stream="events"):
    return client.xpending(stream, "g")["pending"] == 0


# new entries


def test_the_group_begins_with_the_oldest_entry(client):
    """Group and stream are made; entries that were there before are handled; each once."""
    handler = Handler()
    assert worker(client, handler).run_once() == 0
    assert client.exists("events") == 1
    add(client, "early", 3)
    ours = worker(client, handler, stream="early", batch=2)
    assert [ours.run_once() for _ in range(3)] == [2, 1, 0]
    assert handler.numbers == [0, 1, 2]
    assert drained(client, "early")


def test_busygroup_alone_is_swallowed(client):
    """A second worker of the group is no error; a key that is no stream is."""
    worker(client, Handler())
    worker(client, Handler(), "another")
    client.set("text", "x")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        worker(client, Handler(), stream="text")


def test_the_handler_gets_text_from_every_client(any_client):
    """ID and fields are text, decoded replies or not, protocol 2 or 3; also the second time."""
    add(any_client, "events", 1, city="Zürich")
    handler = Handler(lambda fields: len(handler.seen) == 1)
    ours = worker(any_client, handler)
    assert [ours.run_once(), ours.run_once(), ours.pending(), ours.lag()] == [0, 1, 0, 0]
    entry = text(any_client.xrange("events")[0][0]), {"n": "0", "city": "Zürich"}
    assert handler.seen == [entry, entry]


def test_run_once_without_block_asks_and_returns(client, monkeypatch):
    """block=0.0 sends no BLOCK, where Redis's own 0 would wait for ever."""
    waits = spied_waits(client, monkeypatch)
    assert worker(client, Handler()).run_once() == 0
    assert waits == [None]


@pytest.mark.parametrize("timeout", [2.0, 0.5])
def test_waiting_for_ever_is_done_in_bounded_blocks(lab, monkeypatch, timeout):
    """block=None waits, never for longer than half the client's socket timeout, until one comes."""
    client = lab.client(socket_timeout=timeout)
    waits = spied_waits(client, monkeypatch)
    results = []
    thread = threading.Thread(target=lambda: results.append(ours.run_once(block=None)))
    ours = worker(client, Handler())
    thread.start()
    wait_until(lambda: "" if len(waits) > 1 else f"{len(waits)} blocks", 20, "blocks")
    add(lab.client(), "events", 1)
    thread.join(20)
    assert results == [1]
    assert min(waits) > 0 and max(waits) <= timeout / 2 * 1000


def spied_waits(client, monkeypatch):
    """The BLOCK of each XREADGROUP that this client sends."""
    waits, read = [], client.xreadgroup

    def spy(*arguments, block=None, **options):
        waits.append(block)
        return read(*arguments, block=block, **options)

    monkeypatch.setattr(client, "xreadgroup", spy)
    return waits


def test_stop_finishes_the_batch(client):
    """The whole batch in hand is handled and acknowledged, and no other is begun."""
    add(client, "events", 30)
    stop, handler = threading.Event(), Handler(lambda fields: stop.set())
    worker(client, handler, batch=10).run(stop)
    assert handler.numbers == list(range(10))
    assert drained(client)
    assert worker(client, handler).lag() == 20


def test_run_works_until_stop(lab, client):
    """Entries are handled as they come; stop ends a worker that waits."""
    stop, handler = threading.Event(), Handler()
    thread = threading.Thread(target=worker(client, handler).run, args=(stop,))
    thread.start()
    with lab.client() as producer:
        for count in (1, 3):
            add(producer, "events", 2)
            wait_until(lambda n=count: "" if len(handler.seen) > n else "few", 20, "entries")
    stop.set()
    thread.join(20)
    assert not thread.is_alive()
    assert handler.numbers == [0, 1, 0, 1]


# failures


def test_a_failed_entry_is_delivered_again_and_then_dead(client):
    """Neighbours are acknowledged; after max_deliveries attempts it is in the dead-letter stream,
    with the original fields, ID, count and error, and handled no more."""
    ids = add(client, "{events}:in", 3, kind="x")
    handler = Handler(lambda fields: fields["n"] == "1")
    ours = worker(client, handler, stream="{events}:in", max_deliveries=3)
    assert [ours.run_once() for _ in range(5)] == [2, 0, 0, 0, 0]
    assert handler.numbers == [0, 1, 2, 1, 1]
    [(_, dead)] = client.xrange("{events}:in:dead")
    assert dead == {
        **{"n": "1", "kind": "x"},
        **{"_id": ids[1], "_deliveries": "3", "_error": "ValueError: no 1"},
    }
    assert drained(client, "{events}:in")


def test_the_dead_letter_may_be_any_stream(client):
    """Of another name, in another slot; fields of an earlier death are overwritten."""
    client.xadd("events", {"n": "1", "_error": "earlier"})
    ours = worker(client, Handler(lambda _: True), max_deliveries=1, dead_letter="graves")
    ours.run_once()
    [(_, dead)] = client.xrange("graves")
    assert (dead["n"], dead["_error"]) == ("1", "ValueError: no 1")
    assert not client.exists("events:dead")


def test_any_error_can_be_written_down(client, monkeypatch):
    """A message that is long, or that UTF-8 can't say, keeps no entry from its grave."""
    # pytest's own processes can't send each other a log that UTF-8 can't say.
    monkeypatch.setattr(logging.getLogger("redis_lab"), "propagate", False)

    def fails(entry_id, fields):
        raise ValueError("\ud800" + "x" * 100_000)

    add(client, "events", 1)
    worker(client, fails, max_deliveries=1).run_once()
    [(_, dead)] = client.xrange("events:dead")
    assert dead["_error"].startswith("ValueError: \\ud800xxx")
    assert len(dead["_error"]) < 2000
    assert drained(client)


def test_an_entry_that_is_not_text_is_poison_and_stays_as_it_was(any_client, server):
    """Bytes that aren't UTF-8 reach no handler; the dead-letter stream has them unchanged."""
    add(any_client, "events", 1)
    any_client.xadd("events", {"n": b"\xff\x00", b"\xfe": "x"})
    add(any_client, "events", 1)
    handler = Handler()
    ours = worker(any_client, handler, max_deliveries=2)
    assert ours.run_once() == 2
    ours.run_once()
    assert handler.numbers == [0, 0]
    with server.client(decode_responses=False) as binary:
        [(_, dead)] = binary.xrange("events:dead")
    assert (dead[b"n"], dead[b"\xfe"], dead[b"_deliveries"]) == (b"\xff\x00", b"x", b"2")
    assert dead[b"_error"].startswith(b"UnicodeDecodeError")
    assert drained(any_client)


def test_an_entry_that_kills_its_worker_takes_no_neighbour_along(client):
    """Delivered again alone, and dead after max_deliveries; its neighbours, read with it and never
    reached, are handled."""
    add(client, "events", 5)

    class Killed(BaseException):
        pass

    def kill(entry_id, fields):
        if fields["n"] == "0":
            raise Killed
        handled.append(fields["n"])

    handled, deaths = [], 0
    while client.xlen("events:dead") == 0:
        try:
            worker(client, kill, max_deliveries=3).run_once()
        except Killed:
            deaths += 1
    assert deaths == 3
    assert handled == ["1", "2", "3", "4"]
    [(_, dead)] = client.xrange("events:dead")
    assert (dead["n"], dead["_deliveries"]) == ("0", "3")
    assert "never finished" in dead["_error"]
    assert drained(client)


def test_what_was_handled_before_an_interrupt_is_acknowledged(client):
    """Ctrl-C in the middle of a batch repeats nothing that was done."""
    add(client, "events", 4)

    def interrupted(entry_id, fields):
        if fields["n"] == "2":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        worker(client, interrupted).run_once()
    handler = Handler()
    assert worker(client, handler).run_once() == 2
    assert handler.numbers == [2, 3]


def test_run_waits_before_it_tries_again(client, monkeypatch):
    """run() goes on with new entries meanwhile: a failure doesn't use up its attempts at once."""
    add(client, "events", 3)
    stop = threading.Event()

    def fails(fields):
        if len(handler.seen) == 3:
            stop.set()
        return fields["n"] == "0"

    handler = Handler(fails)
    worker(client, handler, batch=1).run(stop)
    assert handler.numbers == [0, 1, 2]


def test_run_ends_with_an_error_that_does_not_pass(client):
    """What waiting can't mend is raised: here, the stream's key holds something else."""
    ours = worker(client, Handler())
    client.delete("events")
    client.set("events", "x")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        ours.run(threading.Event())


@pytest.mark.parametrize("idempotent", [False, True])
def test_what_a_handler_does_to_its_fields_is_forgotten(any_client, idempotent):
    """A handler that empties them and fails gets them whole the next time, and so does the
    dead-letter stream: without fields an entry would pass for deleted."""

    def empties(entry_id, fields, *pipe):
        seen.append(dict(fields))
        fields.clear()
        raise ValueError

    seen = []
    add(any_client, "events", 1, kind="x")
    ours = worker(any_client, empties, max_deliveries=2, idempotent=idempotent)
    ours.run_once(), ours.run_once()
    assert seen == [{"n": "0", "kind": "x"}] * 2
    [(_, dead)] = any_client.xrange("events:dead")
    dead = {text(name): text(value) for name, value in dead.items()}
    assert (dead["n"], dead["kind"], dead["_deliveries"]) == ("0", "x", "2")


def test_the_pause_before_another_attempt_doubles(r, monkeypatch):
    """With each attempt, up to min_idle/2: a handler's own outage does not kill every entry."""
    monkeypatch.setattr("redis_lab.patterns.worker.RETRY_PAUSE", 0.05)
    add(r, "events", 1)
    stop, times = threading.Event(), []

    def fails_four_times(entry_id, fields):
        times.append(time.monotonic())
        if len(times) < 5:
            raise OSError("the database is away")
        stop.set()

    worker(r, fails_four_times, min_idle=0.5, max_deliveries=9).run(stop)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert all(gap >= least for gap, least in zip(gaps, [0.05, 0.1, 0.2, 0.25], strict=True))
    assert drained(r)


def test_new_failures_do_not_put_off_the_next_attempt(r, monkeypatch):
    """While entry after entry fails for the first time, the first one is tried again."""
    monkeypatch.setattr("redis_lab.patterns.worker.RETRY_PAUSE", 0.05)
    add(r, "events", 1, first="yes")
    stop, seen = threading.Event(), []

    def always_fails(entry_id, fields):
        seen.append("first" in fields)
        if sum(seen) == 2 or len(seen) == 5000:
            stop.set()
        add(r, "events", 1)
        raise ValueError

    monkeypatch.setattr(logging.getLogger("redis_lab.patterns.worker"), "disabled", True)
    worker(r, always_fails, batch=5000).run(stop)
    assert sum(seen) == 2


def test_with_one_delivery_a_death_buries_all_that_was_read(client):
    """Nobody can tell which entry killed the worker: with max_deliveries=1 none is tried again."""
    add(client, "events", 3)
    worker(client, Handler(), max_deliveries=1)
    left_by(client, "c", "events", 3)
    handler = Handler()
    assert worker(client, handler, max_deliveries=1).run_once() == 0
    assert (handler.seen, client.xlen("events:dead"), drained(client)) == ([], 3, True)


# pending entries


def test_own_pending_entries_come_first_then_those_of_the_dead_then_new_ones(client):
    """A worker that starts again goes on where it was."""
    handler = Handler()
    ours = worker(client, handler, min_idle=100.0)
    add(client, "events", 6)
    left_by(client, "dead", "events", 2)
    left_by(client, "c", "events", 2, idle=0)
    left_by(client, "alive", "events", 1, idle=0)
    assert ours.run_once() == 5
    assert handler.numbers == [2, 3, 0, 1, 5]
    assert client.xpending("events", "g")["consumers"][0]["name"] == "alive"


def test_the_cursor_of_xautoclaim_is_followed(client):
    """Entries of the dead are found behind many of the living, in more calls than one."""
    handler = Handler()
    ours = worker(client, handler, min_idle=100.0, batch=1)
    add(client, "events", 70)
    left_by(client, "alive", "events", 65, idle=0)
    left_by(client, "dead", "events", 5)
    while ours.run_once():
        pass
    assert handler.numbers == [65, 66, 67, 68, 69]
    assert [each["name"] for each in client.xpending("events", "g")["consumers"]] == ["alive"]


def test_deleted_entries_that_are_pending_are_acknowledged_away(client):
    """XDEL or XTRIM of pending entries, one's own or a dead consumer's: no handler sees them, no
    dead letter is written, nothing stays pending."""
    handler = Handler()
    ours = worker(client, handler, min_idle=100.0)
    ids = add(client, "events", 8)
    left_by(client, "c", "events", 4)
    left_by(client, "dead", "events", 4)
    client.xtrim("events", maxlen=5, approximate=False)
    client.xdel("events", ids[5])
    assert ours.run_once() == 4
    assert handler.numbers == [3, 4, 6, 7]
    assert drained(client)
    assert not client.exists("events:dead")


def test_claims_are_made_at_most_every_half_min_idle(r):
    """Twenty rounds within min_idle/2 ask once."""
    ours = worker(r, Handler(), min_idle=100.0)
    r.config_resetstat()
    for _ in range(20):
        add(r, "events", 1)
        assert ours.run_once() == 1
    stats = r.info("commandstats")
    assert stats["cmdstat_xautoclaim"]["calls"] == stats["cmdstat_xpending"]["calls"] == 1


def test_own_pending_entries_beyond_a_batch_are_done_too(client):
    """Left by an earlier self with a larger batch: batch by batch, each once."""
    handler = Handler()
    ours = worker(client, handler, batch=2)
    add(client, "events", 5)
    left_by(client, "c", "events", 5, idle=0)
    assert [ours.run_once() for _ in range(4)] == [2, 2, 1, 0]
    assert handler.numbers == [0, 1, 2, 3, 4]


def test_pending_entries_that_others_claim_meanwhile_are_theirs(client):
    """What was taken from us while we worked on the one before is not delivered to us, not taken
    back, and no attempt is counted."""

    def taken(fields):
        if fields["n"] == "0":
            client.xclaim("events", "g", "other", 0, ids[1:3], justid=True)

    handler = Handler(taken)
    ours = worker(client, handler)
    ids = add(client, "events", 4)
    left_by(client, "c", "events", 4)
    assert ours.run_once() == 2
    assert handler.numbers == [0, 3]
    found = client.xpending_range("events", "g", "-", "+", 10)
    assert [(each["consumer"], each["times_delivered"]) for each in found] == [("other", 1)] * 2


def test_attempts_count_across_consumers(client):
    """What a dead consumer has tried counts."""
    handler = Handler(lambda _: True)
    ours = worker(client, handler, min_idle=100.0, max_deliveries=3)
    [entry_id] = add(client, "events", 1)
    left_by(client, "dead", "events", 1)
    client.xclaim("events", "g", "dead", 0, [entry_id], idle=LONG_IDLE, retrycount=2)
    ours.run_once()
    assert len(handler.seen) == 1
    assert client.xrange("events:dead")[0][1]["_deliveries"] == "3"


class Hours:
    """Stands in for the time module: an hour passes whenever a handler says so."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


def test_a_slow_batch_is_not_left_alone(client, monkeypatch):
    """Between two calls of the handler there is a heartbeat for all entries of the batch."""
    hours = Hours()
    monkeypatch.setattr(handling, "time", hours)
    ids, idle = add(client, "events", 3), []

    def slow(entry_id, fields):
        found = client.xpending_range("events", "g", "-", "+", 10)
        idle.append([each["time_since_delivered"] > LONG_IDLE / 2 for each in found])
        client.xclaim("events", "g", "c", 0, ids, idle=LONG_IDLE, justid=True)
        hours.now += 3600

    assert worker(client, slow, min_idle=1000.0).run_once() == 3
    assert idle == [[False] * 3] * 3


def test_calls_of_two_thirds_of_min_idle_leave_no_entry_alone(client, monkeypatch):
    """From one heartbeat to the next, and from the last one to the acknowledgement, less than
    min_idle passes, however long each call lasts below two thirds of it."""
    hours, draw, beats = Hours(), random.Random(3), [0.0]
    monkeypatch.setattr(handling, "time", hours)
    add(client, "events", 60)
    longest = [333.0, 666.0] * 15

    def slow(entry_id, fields):
        hours.now += longest.pop() if longest else draw.uniform(0.0, 666.0)

    ours = worker(client, slow, min_idle=1000.0)
    touch = ours._group.touch
    monkeypatch.setattr(ours._group, "touch", lambda ids: beats.append(hours.now) or touch(ids))
    assert ours.run_once() == 60
    gaps = [later - earlier for earlier, later in pairwise([*beats, hours.now])]
    assert 900 < max(gaps) < 1000


def test_entries_that_were_taken_over_in_a_pause_are_left_to_others(client, monkeypatch):
    """A worker that was paused does not go on with what somebody else has claimed."""
    hours = Hours()
    monkeypatch.setattr(handling, "time", hours)
    ids = add(client, "events", 4)

    def paused(fields):
        if fields["n"] == "1":
            client.xclaim("events", "g", "other", 0, ids[1:3])
            hours.now += 3600

    handler = Handler(paused)
    worker(client, handler, min_idle=1000.0).run_once()
    assert handler.numbers == [0, 1, 3]
    assert [each["name"] for each in client.xpending("events", "g")["consumers"]] == ["other"]


def test_pending_and_lag_count(client):
    """pending: delivered in the whole group; lag: not delivered yet, also after XDEL, when Redis
    itself can't tell."""
    ours = worker(client, Handler())
    ids = add(client, "events", 2500)
    assert (ours.pending(), ours.lag()) == (0, 2500)
    left_by(client, "dead", "events", 10)
    client.xdel("events", ids[100])
    assert (ours.pending(), ours.lag()) == (10, 2489)


def test_delconsumer_destroys_pending_entries(lab, client):
    """So no worker sends it, not for itself and not for those it takes over from; whoever sends it
    by hand drops what was pending for good."""
    ours = worker(client, Handler(lambda fields: fields["n"] != "2"), min_idle=100.0)
    add(client, "events", 3)
    left_by(client, "dead", "events", 1)
    assert ours.run_once() == 1
    stats = [node.client().info("commandstats") for node in lab.primaries]
    assert not [each for each in stats if "cmdstat_xgroup|delconsumer" in each]
    names = {each["name"] for each in client.xinfo_consumers("events", "g")}
    assert (names, ours.pending()) == ({"c", "dead"}, 2)
    assert client.xgroup_delconsumer("events", "g", "c") == 2
    assert (ours.run_once(), ours.pending(), ours.lag()) == (0, 0, 0)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_client_clock_an_hour_off_changes_nothing(client, monkeypatch, hours):
    """What was left alone is taken over, what is being worked on is not."""
    real = time.time
    monkeypatch.setattr("time.time", lambda: real() + hours * 3600)
    handler = Handler()
    ours = worker(client, handler, min_idle=100.0)
    add(client, "events", 3)
    left_by(client, "dead", "events", 1)
    left_by(client, "alive", "events", 1, idle=0)
    assert ours.run_once() == 2
    assert handler.numbers == [0, 2]
    assert [each["name"] for each in client.xpending("events", "g")["consumers"]] == ["alive"]


def test_a_server_clock_that_was_set_back_an_hour_delays_what_is_taken_over(client):
    """Entries delivered in what is the future now: one's own come at once, a dead consumer's when
    the clock is there; none is lost."""
    handler = Handler()
    worker(client, handler)
    ids = add(client, "events", 3)
    left_by(client, "dead", "events", 1)
    left_by(client, "c", "events", 1)
    future = int(ids[0].split("-")[0]) + 3_600_000
    for consumer, entry_id in (("dead", ids[0]), ("c", ids[1])):
        client.xclaim("events", "g", consumer, 0, [entry_id], time=future, justid=True)
    ours = worker(client, handler, min_idle=100.0)
    assert (ours.run_once(), handler.numbers, ours.pending()) == (2, [1, 2], 1)
    client.xclaim("events", "g", "dead", 0, [ids[0]], time=future - 7_200_000, justid=True)
    assert worker(client, handler, min_idle=100.0).run_once() == 1
    assert handler.numbers == [1, 2, 0]


# keys and bad input


@pytest.mark.parametrize("stream", ["events", "{events}:in", "a {b", "é:{}{x}y"])
def test_own_keys_live_in_the_streams_slot_and_expire(client, stream):
    """Streams are the user's and stay; what a worker keeps beside them expires."""
    if stream.startswith("é") and isinstance(client, RedisCluster):
        pytest.skip("not on a Cluster: see the next test")
    ours = worker(client, Handler(), stream=stream, min_idle=100.0, idempotent=True)
    add(client, stream, 3)
    left_by(client, "dead", stream, 1)
    assert ours.run_once() == 3
    keys = [key for node in nodes(client) for key in node.scan_iter()]
    assert len(keys) == 3
    assert all(0 < client.ttl(key) <= 3600 for key in keys if key != stream)
    if "}{" not in stream:
        assert {key_slot(key.encode()) for key in keys} == {key_slot(stream.encode())}


def nodes(client):
    if not isinstance(client, RedisCluster):
        return [client]
    return [client.get_redis_connection(node) for node in client.get_primaries()]


def test_a_stream_beside_which_no_key_can_be_put_is_refused_on_a_cluster(client):
    """A brace closed that was not opened: nothing can be hashed to that slot by its name."""
    if isinstance(client, RedisCluster):
        with pytest.raises(ValueError, match="stream"):
            worker(client, Handler(), stream="a}b")
    else:
        assert worker(client, Handler(), stream="a}b").run_once() == 0


@pytest.mark.parametrize(
    ("error", "argument", "value"),
    [
        (ValueError, "stream", ""),
        (TypeError, "stream", b"events"),
        (ValueError, "group", ""),
        (TypeError, "consumer", 1),
        (TypeError, "handler", None),
        (ValueError, "batch", 0),
        (TypeError, "batch", 1.5),
        (ValueError, "min_idle", 0.0),
        (ValueError, "min_idle", float("nan")),
        (ValueError, "max_deliveries", 0),
        (ValueError, "dead_letter", "events"),
        (TypeError, "dead_letter", 5),
    ],
)
def test_a_wrong_argument_is_named(r, error, argument, value):
    """TypeError or ValueError, before any key is made."""
    arguments = {"stream": "events", "group": "g", "consumer": "c", "handler": print}
    with pytest.raises(error, match=argument):
        StreamWorker(r, **arguments | {argument: value})
    assert r.dbsize() == 0


def test_wrong_arguments_of_run_and_run_once_are_named(r):
    """A stop that is no Event, a block that is no time."""
    ours = worker(r, Handler())
    with pytest.raises(TypeError, match="stop"):
        ours.run(True)
    for block in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="block"):
            ours.run_once(block=block)
    with pytest.raises(TypeError, match="block"):
        ours.run_once(block="1")


def test_names_may_hold_anything(client):
    """Spaces, colons, braces, any script, in group and consumer."""
    handler = Handler()
    ours = StreamWorker(client, "e", "g {1}: ü", "c }{", handler, idempotent=True)
    add(client, "e", 2)
    assert ours.run_once() == 2
    assert repr(ours) == "<StreamWorker 'c }{' of 'g {1}: ü' on 'e'>"
