"""RealTimeAnalytics under faults: every event counts once, everywhere or nowhere."""

import pytest
import redis

import redis_lab as rl
from redis_lab.lab.waiting import wait_until
from redis_lab.patterns.analytics import RealTimeAnalytics
from redis_lab.patterns.keys import text

TRACKER = """
analytics = RealTimeAnalytics(client, "web", capacity=50)
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[2])):
    analytics.track_event("view", f"{sys.argv[1]}-{number % 20}")
"""
UNTIL_TOLD = """
import redis
analytics = RealTimeAnalytics(client, "web")
counted = failed = 0
print("ready", flush=True)
for number in range(100_000):
    try:
        analytics.track_event("view", f"{sys.argv[1]}-{number % 20}")
        counted += 1
    except redis.RedisError:
        failed += 1
        break
    if counted == 200:
        print("under way", flush=True)
print(counted, failed, flush=True)
"""


def counts(client, ns="web", event_type="view"):
    """What the keys of the (only) hour and day say: totals, and sums over the users."""
    found = {}
    for key in client.scan_iter(match=f"{{{ns}:{event_type}}}:*", count=1000):
        *_, period, _, what = text(key).split(":")
        if what == "events":
            found[period, what] = found.get((period, what), 0) + int(client.get(key))
        if what == "top":
            sum_ = sum(int(count) for _, count in client.zrange(key, 0, -1, withscores=True))
            found[period, what] = found.get((period, what), 0) + sum_
    return found


def agreed(client):
    """The one number that all the counters show."""
    values = set(counts(client).values())
    assert len(values) == 1, counts(client)
    return values.pop()


def move(source, target, key):
    """Move one key between nodes of a cluster whose slot is being moved."""
    to = target.connection_pool.connection_kwargs
    target_node = (to["host"], to["port"], key, 0, 5000, "AUTH", to["password"])
    source.execute_command("MIGRATE", *target_node)


def test_two_processes_count_every_event_once(lab, client, beside):
    """Nothing is lost or counted twice between processes, nor by SCRIPT FLUSH in the middle."""
    trackers = [beside(lab, TRACKER, name, 400) for name in ("a", "b")]
    for tracker in trackers:
        assert tracker.stdout.readline() == "ready\n"
    for tracker in trackers:
        tracker.stdin.write("go\n")
        tracker.stdin.flush()

    def running():
        client.script_flush()
        return ", ".join(str(tracker.pid) for tracker in trackers if tracker.poll() is None)

    wait_until(running, 60, "trackers")
    assert [tracker.wait() for tracker in trackers] == [0, 0]
    assert agreed(client) == 800
    top = RealTimeAnalytics(client, "web").stats("view", "daily", top=100).top_users
    assert len(top) == 40 and {count for _, count in top} <= set(range(1, 21))


def test_a_killed_server_keeps_what_it_acknowledged(beside):
    """After kill -9 in the middle of events all counters agree; no answered event is missing."""
    with rl.standalone(config={"appendonly": "yes", "appendfsync": "always"}) as lab:
        trackers = [beside(lab, UNTIL_TOLD, name) for name in ("a", "b")]
        for tracker in trackers:
            assert tracker.stdout.readline() == "ready\n"
        for tracker in trackers:
            assert tracker.stdout.readline() == "under way\n"
        lab.kill(lab.primary)
        said = [tuple(map(int, tracker.stdout.readline().split())) for tracker in trackers]
        lab.restart(lab.nodes[0])
        lab.wait_healthy()
        answered, failed = (sum(column) for column in zip(*said, strict=True))
        with lab.client() as client:
            assert failed == 2
            assert answered <= agreed(client) <= answered + failed
            assert [key for key in client.scan_iter() if client.pttl(key) < 0] == []
            assert RealTimeAnalytics(client, "web").track_event("view", "ann") is True


def test_a_paused_server_is_an_error_and_counts_at_most_once():
    """Fault: a retry after a lost answer counts twice. The lab's client does not retry."""
    with rl.standalone() as lab, lab.client(socket_timeout=0.3) as client:
        analytics = RealTimeAnalytics(client, "web")
        analytics.track_event("view", "ann")
        lab.pause(lab.primary)
        with pytest.raises(redis.TimeoutError):
            analytics.track_event("view", "ann")
        lab.resume(lab.primary)
        lab.wait_healthy()
        with lab.client() as fresh:
            assert agreed(fresh) in (1, 2)


def test_a_failover_keeps_counters_whole(beside):
    """After a Sentinel failover the new primary knows no script, counts on, and all agree."""
    with rl.sentinel(replicas=1, sentinels=3, down_after=0.5) as lab, lab.client() as client:
        analytics = RealTimeAnalytics(client, "web")
        for _ in range(50):
            analytics.track_event("view", "ann")
        with pytest.raises(redis.exceptions.ReadOnlyError), lab.replicas[0].client() as replica:
            RealTimeAnalytics(replica, "web").track_event("view", "ann")
        assert client.wait(1, 2000) == 1
        lab.kill(lab.primary)
        lab.wait_healthy()
        with lab.client() as client:
            assert RealTimeAnalytics(client, "web").track_event("view", "ann") is True
            assert agreed(client) == 51
            assert [key for key in client.scan_iter() if client.pttl(key) < 0] == []


def test_resharding_neither_splits_nor_loses_a_bucket():
    """While its slot moves, an event waits or is redirected; after it, all counters agree."""
    with rl.cluster(primaries=3, replicas=0) as lab, lab.client() as client:
        analytics = RealTimeAnalytics(client, "web")
        for _ in range(30):
            analytics.track_event("view", "ann")
        slot = client.keyslot("{web:view}")
        source = client.nodes_manager.get_node_from_slot(slot).port
        nodes = {node.port: node.client() for node in lab.nodes}
        ids = {port: node.cluster("MYID") for port, node in nodes.items()}
        target = next(port for port in nodes if port != source)
        nodes[target].execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[source])
        nodes[source].execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[target])
        keys = sorted(nodes[source].execute_command("CLUSTER GETKEYSINSLOT", slot, 100))
        assert len(keys) == 8
        for key in keys[:4]:
            move(nodes[source], nodes[target], key)
        with pytest.raises(redis.exceptions.ClusterError):  # half here, half there: refused whole
            analytics.track_event("view", "ann")
        for key in keys[4:]:
            move(nodes[source], nodes[target], key)
        counted = 30 + analytics.track_event("view", "ann")
        for port in (target, source):
            nodes[port].execute_command("CLUSTER SETSLOT", slot, "NODE", ids[target])
        counted += analytics.track_event("view", "ann")
        assert agreed(client) == counted
