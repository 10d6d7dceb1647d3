"""EventStore under faults: what appenders (other processes) and subscribers see of them."""

import json
import threading
from contextlib import suppress

import pytest
from redis.exceptions import ConnectionError, RedisClusterException, RedisError, TimeoutError

import redis_lab as rl
from redis_lab import VersionConflict
from redis_lab.lab.waiting import wait_until
from redis_lab.patterns import EventStore

# Appends numbers to one aggregate until a line comes; the version tells whether an append whose
# answer was lost had been applied. Prints [version, id, number] for each append that returned.
APPENDER = """
store, done, version, number = EventStore(client, "orders"), threading.Event(), 0, 0
threading.Thread(target=lambda: (sys.stdin.readline(), done.set()), daemon=True).start()
while not done.is_set():
    try:
        event = store.append("o-1", "step", number, expected_version=version)
        print(json.dumps([event.version, event.id, number]), flush=True)
        version, number = event.version, number + 1
    except VersionConflict as conflict:
        number += conflict.actual == version + 1
        version = conflict.actual
    except Exception as error:
        print(json.dumps(["error", type(error).__name__]), flush=True)
        time.sleep(0.02)
"""


class Appender:
    """The process above; acknowledged: what it printed for appends that returned."""

    def __init__(self, beside, lab):
        self.acknowledged, self.errors = [], 0
        self._process = beside(lab, APPENDER)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.wait(50)

    def _read(self):
        for line in self._process.stdout:
            entry = json.loads(line)
            if entry[0] == "error":
                self.errors += 1
            else:
                self.acknowledged.append(tuple(entry))

    def wait(self, more):
        """Until so many more appends have returned."""
        wanted = len(self.acknowledged) + more
        wait_until(
            lambda: "" if len(self.acknowledged) >= wanted else f"{len(self.acknowledged)}",
            30,
            f"{wanted} appends",
        )

    def stop(self):
        print("stop", file=self._process.stdin, flush=True)
        self._reader.join(30)


class Follower:
    """A thread that subscribes to everything. seen: what it was given."""

    def __init__(self, store):
        self._store, self._stop = store, threading.Event()
        self.seen, self.error = [], None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        try:
            for event in self._store.subscribe(stop=self._stop):
                self.seen.append(event)
        except BaseException as error:
            self.error = error
            raise

    def stop(self, last):
        """Wait for that event, then stop; the thread must end, and without an error."""
        wait_until(
            lambda: "" if last in self.seen[-1:] else f"{self.seen[-1:]}, not {last}", 20, "the end"
        )
        self.end()
        assert not self._thread.is_alive()
        assert self.error is None

    def end(self):
        self._stop.set()
        self._thread.join(20)


def follow_through(lab, beside, fault):
    """Append in another process and subscribe here while `fault` happens; what came of it."""
    with lab.client() as client:
        follower = Follower(EventStore(client, "orders"))
        try:
            appender = Appender(beside, lab)
            fault(appender)
            appender.wait(50)
            appender.stop()
            events = what_is_there(lab)
            follower.stop(events[-1])
        finally:
            follower.end()
    return events, follower.seen, appender


def what_is_there(lab):
    """All events, once whoever names the primary or the slot's node knows the new one."""
    events = []

    def missing():
        try:
            with lab.client() as client:
                events[:] = EventStore(client, "orders").all_events()
        except (RedisError, RedisClusterException) as error:
            return str(error)
        return "" if events else "no event"

    wait_until(missing, 20, "the events", every=0.05)
    return events


def assert_one_history(events):
    """Versions without gap or duplicate, IDs in order, each number once, as its appender counts."""
    assert [event.version for event in events] == list(range(1, len(events) + 1))
    keys = [tuple(map(int, event.id.split("-"))) for event in events]
    assert keys == sorted(set(keys))
    assert [event.data for event in events] == list(range(len(events)))


def test_kill_and_restart_with_aof_loses_and_repeats_nothing(beside):
    """kill -9 in the middle, twice: no acknowledged event is lost, a subscriber sees each once.

    With appendfsync no the server writes before it answers, and what it wrote outlives the process.
    With everysec it puts the write off while an fsync is under way: kill -9 then loses appends that
    were acknowledged (64 of them, seen once on a slow disk).
    """
    with rl.standalone(config={"appendonly": "yes", "appendfsync": "no"}) as lab:

        def kill_twice(appender):
            for _ in range(2):
                before = appender.errors
                lab.kill(lab.nodes[0])
                wait_until(lambda n=before: "" if appender.errors > n else "none", 20, "an error")
                lab.restart(lab.nodes[0])
                appender.wait(50)

        events, seen, appender = follow_through(lab, beside, kill_twice)
        assert_one_history(events)
        assert seen == events
        assert {(e.version, e.id, e.data) for e in events} >= set(appender.acknowledged)
        assert EventStore(lab.client(), "orders").events("o-1") == events


def test_a_pause_longer_than_the_timeout_loses_and_repeats_nothing(beside):
    """A server that stalls until every client gave up once: an append that timed out and was
    applied all the same is not doubled, and the subscriber goes on where it was."""
    with rl.standalone() as lab:

        def pause(appender):
            lab.pause(lab.nodes[0])
            wait_until(lambda: "" if appender.errors else "no error", 20, "a timeout")
            lab.resume(lab.nodes[0])

        events, seen, appender = follow_through(lab, beside, pause)
        assert_one_history(events)
        assert seen == events
        assert {(e.version, e.id, e.data) for e in events} >= set(appender.acknowledged)


def test_cut_connections_lose_and_repeat_nothing(lab, beside):
    """Every connection is killed ten times: every event is seen once, in order."""

    killed = []

    def cut(appender):
        for _ in range(10):
            for node in lab.primaries:
                with node.client() as admin:
                    killed.append(admin.client_kill_filter(_type="normal", skipme=True))
            appender.wait(10)

    events, seen, _ = follow_through(lab, beside, cut)
    assert sum(killed) >= 10
    assert_one_history(events)
    assert seen == events


def test_sentinel_failover_is_followed_in_order(beside):
    """SENTINEL FAILOVER, then kill -9 of the next primary: what survived was seen once, in order.

    Replication is asynchronous: an acknowledged event may be lost, and was seen or not. The
    appender goes on from the version that is there, so that each version is there once.
    """
    with rl.sentinel(replicas=2, sentinels=3, down_after=0.5) as lab:

        def fail_over(appender):
            lab.failover()
            appender.wait(50)
            lab.kill(lab.primary)

        events, seen, appender = follow_through(lab, beside, fail_over)
        assert [event.version for event in events] == list(range(1, len(events) + 1))
        survived = {event.id for event in events}
        assert [event for event in seen if event.id in survived] == events
        assert len({event.id for event in seen}) == len(seen)
        lost = [entry for entry in appender.acknowledged if entry[1] not in survived]
        assert {version for version, _, _ in lost} <= {event.version for event in events}


def test_an_unreplicated_event_is_lost_and_its_version_given_again():
    """What the docstring says of failover: the event was acknowledged and read, and then is not
    there; another one has its version; the subscriber goes on with what comes later."""
    with rl.sentinel(replicas=2, sentinels=3, down_after=0.5) as lab:
        old = lab.primary
        isolated, client = EventStore(old.client(), "orders"), lab.client()
        first = isolated.append("o-1", "placed", "replicated")
        client.wait(2, 1000)
        follower = Follower(EventStore(client, "orders"))
        lab.partition(old)
        lost = isolated.append("o-1", "paid", "acknowledged", expected_version=1)
        wait_until(lambda: "" if lost in follower.seen else "not seen", 10, "the doomed event")
        wait_until(lambda: promoted(lab, old), 20, "another primary")
        lab.kill(old)
        store = EventStore(lab.client(), "orders")
        with pytest.raises(VersionConflict):
            store.append("o-1", "sent", 0, expected_version=lost.version)
        again = store.append("o-1", "cancelled", "instead", expected_version=1)
        assert again.version == lost.version == 2
        follower.stop(again)
        assert follower.seen == [first, lost, again]
        assert list(store.all_events()) == [first, again]


def promoted(lab, old):
    try:
        return "" if lab.primary is not old and lab.primary.role == "primary" else "the old one"
    except rl.LabUnavailable as error:
        return str(error)


def test_cluster_failover_follows_the_slot(beside):
    """The node with the namespace is killed, then its heir hands over: the subscriber follows.

    The node that the client asks by default is the one that dies: nothing may depend on it.
    """
    with rl.cluster(primaries=3, replicas=1, node_timeout=0.5) as lab:

        def fail_over(appender):
            lab.kill(owner(lab))
            lab.wait_healthy()
            appender.wait(50)
            lab.failover(lab.primaries[-1])

        events, seen, appender = follow_through(lab, beside, fail_over)
        assert appender.errors
        assert [event.version for event in events] == list(range(1, len(events) + 1))
        survived = {event.id for event in events}
        assert [event for event in seen if event.id in survived] == events
        assert len({event.id for event in seen}) == len(seen)


def owner(lab):
    """The primary that holds the namespace "orders"."""
    with lab.client() as client:
        node = client.get_node_from_key("{orders}:all")
    return next(each for each in lab.primaries if each.port == node.port)


def test_a_subscriber_outlasts_the_demotion_of_its_server():
    """A primary that becomes a replica throws out who blocks on it: the subscriber reads on."""
    with rl.replicated(replicas=1) as lab:
        old = lab.primary
        with old.client() as client:
            first = EventStore(client, "orders").append("o-1", "placed", 1)
            follower = Follower(EventStore(client, "orders"))
            wait_until(lambda: "" if blocked(old) else "not blocked", 10, "a blocking read")
            lab.failover()
            with lab.client() as new:
                second = EventStore(new, "orders").append("o-1", "paid", 2)
            follower.stop(second)
        assert follower.seen == [first, second]


def blocked(node):
    with node.client() as client:
        return client.info("clients")["blocked_clients"]


def test_a_vanished_server_is_redis_pys_own_error():
    """Nothing fails open: append and reads raise what the client raises."""
    with rl.standalone() as lab:
        store = EventStore(lab.client(), "orders")
        store.append("o-1", "placed", 1)
        lab.kill(lab.nodes[0])
        for call in (
            lambda: store.append("o-1", "paid", 2),
            lambda: store.events("o-1"),
            lambda: list(store.all_events()),
            lambda: store.snapshot("o-1", 1, 1),
            lambda: store.latest_snapshot("o-1"),
            lambda: store.rebuild("o-1", lambda state, event: state, 0),
        ):
            with pytest.raises((ConnectionError, TimeoutError)) as caught:
                call()
            assert isinstance(caught.value, RedisError)


def test_a_slow_script_elsewhere_does_not_end_a_subscriber(caplog):
    """BUSY passes: subscribe() says so, and goes on where it was once the script has ended."""
    with rl.standalone(config={"busy-reply-threshold": 50}) as lab:
        store = EventStore(lab.client(), "orders")
        follower = Follower(EventStore(lab.client(socket_timeout=0.3), "orders"))
        thread = threading.Thread(target=run_on, args=(lab,))
        try:
            thread.start()
            wait_until(lambda: "" if "BUSY" in caplog.text else f"log {caplog.text}", 20, "BUSY")
            lab.client().script_kill()
            event = store.append("o-1", "placed", 1)
            follower.stop(event)
        finally:
            follower.end()
            thread.join(20)
        assert follower.seen == [event]


def run_on(lab):
    """A script without end."""
    with suppress(RedisError):
        lab.client(socket_timeout=60).eval("while true do end", 0)


def test_stop_ends_a_subscriber_whose_server_is_away():
    """While it waits for the server to come back, stop ends it."""
    with rl.standalone() as lab:
        store = EventStore(lab.client(), "orders")
        event = store.append("o-1", "placed", 1)
        follower = Follower(store)
        wait_until(lambda: "" if follower.seen else "nothing", 10, "the first event")
        lab.kill(lab.nodes[0])
        follower.stop(event)
