"""Every fault on every shape: what clients saw, where the keys are, who leads, what is recorded."""

import threading
import time
from types import SimpleNamespace

import pytest
import redis

import redis_lab as rl
from redis_lab.lab import slots
from redis_lab.lab.waiting import wait_until

START = {
    "standalone": rl.standalone,
    "replicated": rl.replicated,
    "sentinel": lambda **options: rl.sentinel(down_after=0.5, **options),
    "cluster": lambda **options: rl.cluster(node_timeout=0.5, **options),
    "secure": rl.secure,
}
KEYS = {f"key:{number}": str(number) for number in range(60)}
PATIENCE = 20.0
OUTAGE = (redis.ConnectionError, redis.TimeoutError, redis.exceptions.ClusterError)
AOF = {"appendonly": "yes", "appendfsync": "always"}


@pytest.fixture
def lab(request):
    with START[request.param]() as lab:
        fill(lab)
        yield lab


@pytest.fixture
def lab_with_aof(request):
    with START[request.param](config=AOF) as lab:
        fill(lab)
        yield lab


def on(*shapes, fixture="lab"):
    return pytest.mark.parametrize(fixture, shapes, indirect=True)


alone = on("standalone", "secure")
with_replicas = on("replicated", "sentinel", "cluster")
self_healing = on("sentinel", "cluster")
everywhere = on(*START)


def fill(lab):
    """Write KEYS, and wait until every replica has them."""
    client = lab.client()
    for key, value in KEYS.items():
        assert client.set(key, value)
    copied(lab)


def keyspace(node):
    return set(node.client().keys("*"))


def followers(lab, primary):
    return [node for node in lab.replicas if node.primary_address == primary.internal_address]


def copied(lab):
    """Wait until each replica in service holds exactly what its primary holds."""

    def differing():
        for primary in lab.primaries:
            for replica in followers(lab, primary):
                if replica.state == "up" and keyspace(replica) != keyspace(primary):
                    return f"{replica.name} differs from {primary.name}"
        return ""

    wait_until(differing, PATIENCE, "replicas")


def in_order(lab, *expected, primaries=None):
    """Healthy; every acknowledged key is there once; new writes work; roles are as they should."""
    lab.wait_healthy(PATIENCE)
    number = primaries or (3 if lab.shape == "cluster" else 1)
    assert len(lab.primaries) == number
    up = [node for node in lab.data_nodes if node.state == "up"]
    assert sorted(node.role for node in up) == sorted(
        ["primary"] * number + ["replica"] * (len(up) - number)
    )
    client = lab.client()
    wanted = KEYS.keys() if not expected else set(expected)
    assert {key: client.get(key) for key in wanted} == {key: KEYS[key] for key in wanted}
    before = sum(len(keyspace(node)) for node in lab.primaries)
    for number in range(20):
        assert client.set(f"new:{number}", "x") and client.delete(f"new:{number}") == 1
    assert sum(len(keyspace(node)) for node in lab.primaries) == before >= len(wanted)
    copied(lab)


def run_id(node):
    """Another one after each start."""
    return node.info("server")["run_id"]


def kinds(lab, *wanted):
    return [event.kind for event in lab.events if event.kind in wanted]


class Writer:
    """One client of the lab that writes in the background, and goes on after every error."""

    def __init__(self, lab):
        self.acknowledged, self.errors = [], []
        self._client = lab.client(socket_timeout=0.3, socket_connect_timeout=0.3)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def _write(self):
        number = 0
        while not self._over.is_set():
            number += 1
            try:
                assert self._client.set(f"writer:{number}", number)
                self.acknowledged.append(f"writer:{number}")
            except redis.RedisError as error:
                self.errors.append(error)
            time.sleep(0.002)

    def until_it_writes(self, more=30):
        enough = len(self.acknowledged) + more
        wait_until(
            lambda: "" if len(self.acknowledged) >= enough else f"{self.errors[-1:]!r}",
            PATIENCE,
            "the writer writes",
        )

    def __enter__(self):
        self._thread.start()
        self.until_it_writes()
        return self

    def __exit__(self, *exception):
        self._over.set()
        self._thread.join()


# kill


@alone
def test_kill_without_replica_takes_everything(lab):
    """While it is down every call is a ConnectionError; a restart brings an empty server back."""
    client, run = lab.client(), run_id(lab.primary)
    lab.kill("redis-1")
    assert not lab.primary.alive and lab.primary.state == "down" and lab.primary.role == "primary"
    for _ in range(2):
        with pytest.raises(redis.ConnectionError):
            client.get("key:1")
    lab.kill("redis-1")
    with pytest.raises(rl.LabUnavailable, match="redis-1, is down"):
        lab.wait_healthy(0.1)
    port = lab.primary.port
    lab.restart("redis-1")
    lab.wait_healthy()
    assert lab.primary.port == port and run_id(lab.primary) != run
    assert client.dbsize() == 0 and client.set("key:1", "again")
    assert kinds(lab, "start", "kill", "restart") == ["start", "kill", "restart"]


@on("standalone", "secure", fixture="lab_with_aof")
def test_kill_with_aof_takes_nothing(lab_with_aof):
    """Each write that was acknowledged with appendfsync always is there after kill and restart."""
    lab = lab_with_aof
    with Writer(lab) as writer:
        lab.kill("redis-1")
        wait_until(lambda: "" if writer.errors else "no error", PATIENCE, "errors")
        lab.restart("redis-1")
        writer.until_it_writes()
    assert all(isinstance(error, OUTAGE) for error in writer.errors)
    assert set(writer.acknowledged) <= keyspace(lab.primary)
    in_order(lab)


@on("replicated")
def test_kill_of_a_primary_nobody_watches_stops_writes_only(lab):
    """Without Sentinels nobody takes over: replicas serve reads; failover to one is by hand."""
    old = lab.primary
    lab.kill(old)
    assert lab.primary is old
    with pytest.raises(redis.ConnectionError):
        lab.client().set("a", "b")
    with pytest.raises(rl.LabUnavailable, match="the primary, redis-1, is down"):
        lab.wait_healthy(0.3)
    replica = lab.replicas[0]
    assert keyspace(replica) == set(KEYS) and replica.client().get("key:7") == "7"
    with pytest.raises(redis.ReadOnlyError):
        replica.client().set("a", "b")
    lab.failover(replica)
    assert lab.primary is replica
    in_order(lab)
    lab.restart(old)
    in_order(lab)
    assert old in lab.replicas and keyspace(old) == set(KEYS)


@self_healing
def test_kill_of_a_primary_is_survived(lab):
    """The lab's client writes again with no help, nothing copied is lost, the old one follows."""
    old = lab.primary
    with Writer(lab) as writer:
        lab.kill(old)
        lab.kill(old)
        lab.wait_healthy(PATIENCE)
        writer.until_it_writes()
    assert all(isinstance(error, OUTAGE) for error in writer.errors) and writer.errors
    assert old not in lab.primaries and old.state == "down"
    in_order(lab)
    lab.restart(old)
    in_order(lab)
    assert old.role == "replica" and len(keyspace(old)) >= 1
    assert set(KEYS) <= set().union(*map(keyspace, lab.primaries))
    assert kinds(lab, "kill", "restart") == ["kill", "restart"]
    roles = [(event.node, event.detail) for event in lab.events if event.kind == "role"]
    assert (old.name, "replica") in roles and (lab.primaries[0].name, "primary") in roles


@with_replicas
def test_kill_of_a_replica_is_not_noticed_by_writers(lab):
    """No writer sees an error; the restarted replica gets what it missed."""
    victim = lab.replicas[-1]
    leaders = lab.primaries
    with Writer(lab) as writer:
        lab.kill(victim)
        lab.wait_healthy(PATIENCE)
        writer.until_it_writes()
        lab.restart(victim)
        lab.wait_healthy(PATIENCE)
        writer.until_it_writes()
    assert writer.errors == [] and lab.primaries == leaders
    assert set(writer.acknowledged) | set(KEYS) == set().union(*map(keyspace, lab.primaries))
    in_order(lab)
    assert victim.role == "replica" and keyspace(victim)


# pause and resume


@on("standalone", "replicated", "secure")
def test_pause_of_the_only_primary_makes_calls_time_out(lab):
    """Clients wait their timeout, the keys stay; after resume all is as before."""
    node = lab.primary
    client = lab.client(socket_timeout=0.2)
    lab.pause(node)
    lab.pause(node)
    assert node.alive and node.state == "paused" and node.role == "primary"
    with pytest.raises(redis.TimeoutError):
        client.get("key:1")
    with pytest.raises(rl.LabUnavailable, match="is paused"):
        lab.wait_healthy(0.1)
    lab.resume(node)
    lab.resume(node)
    assert node.state == "up" and client.get("key:1") == "1"
    in_order(lab)
    assert kinds(lab, "pause", "resume") == ["pause", "resume"]


@self_healing
def test_pause_of_a_primary_is_a_failover_and_resume_brings_a_replica(lab):
    """A primary that was paused too long comes back and follows; no copied key is lost."""
    old = lab.primary
    with Writer(lab) as writer:
        lab.pause(old)
        wait_until(lambda: "" if replaced(lab, old) else "not replaced", PATIENCE, "failover")
        lab.wait_healthy(PATIENCE)
        assert old.state == "paused" and old not in lab.primaries
        writer.until_it_writes()
        lab.resume(old)
        lab.wait_healthy(PATIENCE)
        writer.until_it_writes()
    assert all(isinstance(error, OUTAGE) for error in writer.errors)
    in_order(lab)
    assert old.role == "replica"
    assert kinds(lab, "pause", "resume") == ["pause", "resume"]


def replaced(lab, old):
    try:
        return old not in lab.primaries
    except rl.LabUnavailable:
        return False


@with_replicas
def test_pause_of_a_replica_is_caught_up_after_resume(lab):
    """Writers see no error meanwhile; afterwards the replica holds every key."""
    victim = lab.replicas[0]
    with Writer(lab) as writer:
        lab.pause(victim)
        writer.until_it_writes()
        lab.resume(victim)
        lab.wait_healthy(PATIENCE)
    assert writer.errors == []
    in_order(lab)
    assert victim.role == "replica"


@everywhere
def test_a_dead_node_can_be_neither_paused_nor_resumed(lab):
    """Both say so and name restart; restart ends a pause, too."""
    lab.kill("redis-1")
    for fault in lab.pause, lab.resume:
        with pytest.raises(rl.LabUnavailable, match=r"redis-1 is down: lab.restart\('redis-1'\)"):
            fault("redis-1")
    lab.restart("redis-1")
    lab.pause("redis-1")
    lab.restart("redis-1")
    assert lab.node("redis-1").state == "up" and lab.node("redis-1").client().ping()


@everywhere
def test_a_paused_node_can_be_killed(lab):
    """SIGKILL needs no resume first; the next restart starts it unpaused."""
    lab.pause("redis-1")
    lab.kill("redis-1")
    assert lab.node("redis-1").state == "down"
    lab.restart("redis-1")
    assert lab.node("redis-1").state == "up" and lab.node("redis-1").client().ping()


# restart


@on(*START, fixture="lab_with_aof")
def test_restart_of_the_primary_loses_nothing_that_is_persisted(lab_with_aof):
    """SIGTERM and start on the same port and data: every acknowledged write is still there."""
    lab = lab_with_aof
    node = lab.primary
    run, port = run_id(node), node.port
    lab.restart(node)
    assert run_id(node) != run and node.port == port
    in_order(lab)
    assert kinds(lab, "restart") == ["restart"]


def test_restart_returns_when_the_data_are_loaded():
    """A server answers INFO while it loads, and refuses all else: that is not ready."""
    with rl.standalone(config=AOF | {"key-load-delay": 20}) as lab:
        pipe = lab.client().pipeline(transaction=False)
        for number in range(50_000):
            pipe.set(f"key:{number}", number)
        pipe.execute()
        lab.kill(lab.primary)
        lab.restart(lab.nodes[0])
        assert lab.nodes[0].client(socket_timeout=30).dbsize() == 50_000


@with_replicas
def test_restart_of_a_replica_fills_it_again(lab):
    """A replica without persistence comes back empty, as a replica, and is filled."""
    victim = lab.replicas[0]
    leaders = lab.primaries
    lab.restart(victim)
    in_order(lab)
    assert lab.primaries == leaders and victim.role == "replica" and keyspace(victim)


@on("sentinel")
def test_restart_of_a_sentinel_keeps_what_it_watches(lab):
    """A Sentinel comes back with its own memory; a failover afterwards works as ever."""
    lab.restart("sentinel-1")
    in_order(lab)
    lab.kill(lab.primary)
    in_order(lab)


# failover


@with_replicas
def test_failover_hands_over_to_a_replica(lab):
    """The old primary becomes a replica, no key is lost, and a new client writes at once."""
    old = lab.primary
    lab.failover()
    assert lab.primary is not old or lab.shape == "cluster"
    assert old not in lab.primaries and lab.client().set("key:0", "0")
    in_order(lab)
    assert old.role == "replica"
    assert kinds(lab, "failover") == ["failover"]


@with_replicas
def test_failover_towards_a_chosen_replica(lab):
    """The named replica takes over, of the two that could; twice in a row as well."""
    for _ in range(2):
        heir = followers(lab, lab.primary)[-1]
        lab.failover(heir)
        assert heir in lab.primaries and heir.role == "primary"
        in_order(lab)


@on("replicated", "cluster")
def test_failover_in_good_order_loses_no_acknowledged_write(lab):
    """FAILOVER and CLUSTER FAILOVER wait for the heir: what was acknowledged is on the new one."""
    with Writer(lab) as writer:
        lab.failover()
        acknowledged = len(writer.acknowledged)
        lab.wait_healthy(PATIENCE)
        if lab.shape == "cluster":
            writer.until_it_writes()
    for error in writer.errors:  # one server's client keeps to the old primary, which refuses
        assert isinstance(error, (*OUTAGE, redis.ReadOnlyError))
    assert acknowledged >= 30
    assert set(writer.acknowledged) | set(KEYS) <= set().union(*map(keyspace, lab.primaries))
    in_order(lab)


@self_healing
def test_failovers_may_follow_each_other_at_once(lab):
    """A failover that comes while the last one is still being finished waits for its turn."""
    led = [lab.primary]
    for _ in range(3):
        lab.failover()
        assert lab.primary is not led[-1]
        led.append(lab.primary)
    in_order(lab)
    assert kinds(lab, "failover") == ["failover"] * 3


@on("sentinel")
def test_failover_to_a_chosen_replica_leaves_its_priority(lab):
    """The preference lasts for this failover only."""
    heir = lab.replicas[-1]
    heir.client().config_set("replica-priority", 7)
    lab.failover(heir)
    assert heir.client().config_get("replica-priority") == {"replica-priority": "7"}
    assert lab.primary is heir


@alone
def test_failover_without_replica_is_refused(lab):
    """LabUnavailable says that nobody could take over; the server goes on."""
    with pytest.raises(rl.LabUnavailable, match="redis-1 has no replica in service"):
        lab.failover()
    in_order(lab)


@with_replicas
def test_failover_to_a_node_out_of_service_is_refused(lab):
    """A dead or paused replica can't take over, and nothing changes."""
    victim = lab.replicas[0]
    leaders = lab.primaries
    lab.pause(victim)
    with pytest.raises(rl.LabUnavailable, match=f"{victim.name} is paused"):
        lab.failover(victim)
    lab.kill(victim)
    with pytest.raises(rl.LabUnavailable, match=f"{victim.name} is down"):
        lab.failover(victim)
    assert lab.primaries == leaders


@on("sentinel")
def test_failover_to_a_sentinel_is_a_mistake(lab):
    """A Sentinel holds no data: ValueError."""
    with pytest.raises(ValueError, match="sentinel-1 is a Sentinel"):
        lab.failover("sentinel-1")


def test_failover_to_a_node_that_copies_nobody_is_a_mistake():
    """A spare of a cluster is no heir: ValueError, and nothing is noted."""
    with rl.cluster(spares=1) as lab:
        with pytest.raises(ValueError, match="redis-7 is no replica"):
            lab.failover("redis-7")
        assert "failover" not in {event.kind for event in lab.events}


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize(
    ("away", "back"), [("kill", "restart"), ("pause", "resume"), ("partition", "heal")]
)
def test_a_primary_replaced_by_hand_follows_when_it_is_back(away, back, replicas):
    """Without Sentinels the lab stands in for the operator: the old primary is told its successor.

    What was written to the new one stays, with one replica as with two.
    """
    with rl.replicated(replicas=replicas) as lab:
        fill(lab)
        old, heir = lab.primary, lab.node("redis-2")
        getattr(lab, away)(old)
        lab.failover(heir)
        assert lab.primary is heir and lab.client().set("meanwhile", "kept")
        getattr(lab, back)(*([] if back == "heal" else [old]))
        in_order(lab)
        assert lab.primary is heir and old.role == "replica"
        assert keyspace(old) == {*KEYS, "meanwhile"}


@on("replicated")
def test_a_primary_made_by_hand_is_left_alone(lab):
    """A node that a learner made a primary keeps its data when another one comes back."""
    stray = lab.node("redis-3")
    stray.client().replicaof("NO", "ONE")
    assert stray.client().set("mine", 1)
    lab.pause("redis-2")
    lab.partition("redis-2")
    lab.resume("redis-2")
    lab.heal()
    assert lab.primary.name == "redis-1" and stray.role == "primary"
    assert stray.client().get("mine") == "1"


# Sentinels, and quorums


@on("sentinel")
def test_one_dead_sentinel_of_three_changes_nothing(lab):
    """Two of three are a quorum: the lab is healthy, and a primary that dies is replaced."""
    lab.kill("sentinel-3")
    in_order(lab)
    old = lab.primary
    lab.kill(old)
    in_order(lab)
    assert lab.primary is not old
    lab.restart("sentinel-3")
    lab.restart(old)
    in_order(lab)
    assert old in lab.replicas and len(lab.sentinels) == 3


@on("sentinel")
def test_a_paused_sentinel_is_outvoted_and_learns(lab):
    """The other two replace a dead primary; a Sentinel that slept through it accepts the result."""
    old = lab.primary
    lab.pause("sentinel-1")
    lab.kill(old)
    in_order(lab)
    assert lab.primary is not old
    lab.resume("sentinel-1")
    lab.restart(old)
    in_order(lab)
    (host, port) = lab.node("sentinel-1").ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")
    assert (host, int(port)) == lab.primary.internal_address and old in lab.replicas


@on("sentinel")
def test_a_lost_quorum_is_told(lab):
    """With one Sentinel of three, wait_healthy says what is missing, and nobody is promoted."""
    lab.kill("sentinel-1")
    lab.kill("sentinel-2")
    with pytest.raises(rl.LabUnavailable, match="1 of 3 Sentinels in service are no majority"):
        lab.wait_healthy(0.5)
    assert lab.primary.name == "redis-1" and lab.client().get("key:1") == "1"
    lab.kill("redis-1")
    with pytest.raises(rl.LabUnavailable, match="no majority"):
        lab.wait_healthy(1.5)
    assert {node.role for node in lab.replicas} == {"replica"} and len(lab.replicas) == 2
    lab.restart("sentinel-1")
    in_order(lab)
    assert lab.primary.name != "redis-1"


@on("cluster")
def test_slots_without_an_owner_are_told(lab):
    """Primary and replica of one shard dead: the cluster is down, wait_healthy says so."""
    primary = lab.primaries[0]
    (replica,) = followers(lab, primary)
    lab.kill(replica)
    lab.kill(primary)
    with pytest.raises(rl.LabUnavailable, match=r"cluster is down|still count|slots"):
        lab.wait_healthy(2.0)
    lab.restart(primary)
    lab.wait_healthy(PATIENCE)
    lab.restart(replica)
    lab.wait_healthy(PATIENCE)
    assert lab.client().set("key:1", "1") and primary in lab.primaries


def test_a_replica_of_a_replica_is_told_by_name():
    """What Redis leaves behind after some failovers is named, with the command that mends it."""
    lines = (
        "a1 127.0.0.1:7001@17001 myself,slave a4 0 1 10 connected\n"
        "a4 127.0.0.1:7004@17004 master - 0 1 10 connected 0-16383\n"
        "a7 127.0.0.1:7007@17007 slave {} 0 1 10 connected\n"
    )
    nodes = [
        SimpleNamespace(name=f"redis-{n}", internal_address=("127.0.0.1", 7000 + n))
        for n in (1, 4, 7)
    ]
    for copied, said in (("a4", ""), ("a1", "redis-7 copies redis-1, a replica itself")):
        asked = SimpleNamespace(
            internal_host="127.0.0.1", ask=lambda *_, to=copied: lines.format(to)
        )
        told = slots.copy_of_a_copy(slots.cluster_view(asked), nodes)
        assert told.startswith(said) and bool(told) == bool(said)
    assert "CLUSTER REPLICATE a4 on redis-7" in told


@on("cluster")
def test_all_primaries_but_one_shard_survive_one_after_the_other(lab):
    """Each shard fails over on its own; every copied key is read through the same client."""
    client = lab.client()
    for old in lab.primaries[:2]:
        lab.kill(old)
        lab.wait_healthy(PATIENCE)
        wait_until(lambda: reads_all(client), PATIENCE, "reads")
        lab.restart(old)
        lab.wait_healthy(PATIENCE)
    in_order(lab)


def reads_all(client):
    try:
        read = {key: client.get(key) for key in KEYS}
    except redis.RedisError as error:
        return repr(error)
    return "" if read == KEYS else "keys are missing"


# events


@everywhere
def test_events_are_in_order_of_time(lab):
    """Each fault is one event, with its node, in the order done; times never go back."""
    started = time.time()
    lab.pause("redis-1")
    lab.resume("redis-1")
    lab.kill("redis-1")
    lab.restart("redis-1")
    lab.wait_healthy(PATIENCE)
    done = [event for event in lab.events if event.kind in ("pause", "resume", "kill", "restart")]
    assert [event.kind for event in done] == ["pause", "resume", "kill", "restart"]
    assert {event.node for event in done} == {"redis-1"}
    times = [event.at for event in lab.events]
    assert times == sorted(times) and started <= done[0].at <= done[-1].at <= time.time()
    lab.stop()
    assert lab.events[-1].kind == "stop"


@on("sentinel")
def test_sentinels_tell_the_failover_in_their_words(lab):
    """After a kill, events has +sdown, +odown, +switch-master, in this order, between our own."""
    old = lab.primary
    lab.kill(old)
    lab.wait_healthy(PATIENCE)
    words = [e.detail.split()[0] for e in lab.events if e.kind in ("sentinel", "kill") and e.detail]
    positions = [words.index(word) for word in ("+odown", "+switch-master")]
    assert "+sdown" in words[: positions[0]] and positions == sorted(positions)
    killed = next(event.at for event in lab.events if event.kind == "kill")
    switched = next(event for event in lab.events if event.detail.startswith("+switch-master"))
    assert killed < switched.at and str(lab.primary.port) in switched.detail
    lab.stop()
    assert switched in lab.events
