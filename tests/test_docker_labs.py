"""What only containers can do, or must promise besides: a cut cluster, addresses, times, leftovers.

The contract of every lab, containers or not, is in the other files: `make test-docker` runs them.
"""

import json
import socket
import subprocess
import time

import pytest
import redis

import redis_lab as rl
from redis_lab.lab import backends, engine, guard
from redis_lab.lab.waiting import wait_until

PATIENCE = 60.0
HERE = "127.0.0.1"
SHAPES = ["standalone", "replicated", "sentinel", "cluster", "secure"]
pytestmark = pytest.mark.docker


@pytest.fixture(autouse=True)
def docker(monkeypatch):
    monkeypatch.setenv("REDIS_LAB_BACKEND", "docker")


def until(reached, what):
    wait_until(lambda: "" if reached() else "not yet", PATIENCE, what)


def inspected(node):
    with engine.calls("inspect") as api:
        return api.inspect_container(node.container)


def keyspace(node):
    return set(node.client().keys("*"))


def write(client, keys):
    """The keys whose writes were acknowledged."""
    kept = set()
    for key in keys:
        try:
            assert client.set(key, "x")
            kept.add(key)
        except redis.RedisError:
            continue
    return kept


# a cluster in two


def keys_of(lab, node, prefix, number=40):
    """Keys that live on this primary."""
    client = lab.client()
    named = (f"{prefix}:{count}" for count in range(100_000))
    mine = (key for key in named if client.get_node_from_key(key).port == node.port)
    return [next(mine) for _ in range(number)]


def replaced(lab, old):
    try:
        return old not in lab.primaries
    except rl.LabUnavailable:
        return False


def test_a_cut_off_primary_of_a_cluster_serves_is_replaced_and_loses_the_difference():
    """Its clients are served for a while, then refused; what only it was told is gone."""
    with rl.cluster(node_timeout=2.0) as lab:
        old = lab.primaries[0]
        before, after, lost = (keys_of(lab, old, name) for name in ("before", "after", "lost"))
        assert write(lab.client(), before) == set(before)
        lab.wait_healthy(PATIENCE)
        stays = old.client()
        lab.partition(old)
        assert old.state == "cut off" and stays.get(before[0]) == "x"
        lost = write(stays, lost)
        assert lost, "an isolated primary serves until it notices"
        until(lambda: "ClusterDown" in answer(stays, before[1]), "the minority stops")
        until(lambda: replaced(lab, old), "another primary")
        lab.wait_healthy(PATIENCE)
        assert old.alive and old not in lab.primaries
        client = lab.client()
        assert write(client, after) == set(after)
        assert [client.get(key) for key in sorted(lost)] == [None] * len(lost)
        lab.heal()
        lab.wait_healthy(PATIENCE)
        assert old.role == "replica" and old.state == "up"
        until(lambda: keyspace(old) == {*before, *after}, "the old primary follows")
        kinds = [event.kind for event in lab.events if event.kind in ("partition", "heal")]
        assert kinds == ["partition", "heal"]


def answer(client, key):
    try:
        return str(client.set(key, "x"))
    except redis.RedisError as error:
        return repr(error)


def test_a_cluster_without_a_majority_stops():
    """Of four primaries two cut off leave no majority: nobody is promoted; heal mends it."""
    with rl.cluster(primaries=4, replicas=0, node_timeout=1.0) as lab:
        assert [node.name for node in lab.primaries] == [f"redis-{n}" for n in (1, 2, 3, 4)]
        lab.partition("redis-1", "redis-2")
        for node in lab.nodes:
            client = node.client()
            until(lambda client=client: "ClusterDown" in answer(client, "a"), "a refusal")
        with pytest.raises(rl.LabUnavailable):
            lab.wait_healthy(0.5)
        lab.heal()
        lab.wait_healthy(PATIENCE)
        assert lab.client().set("a", "b")
        assert [node.name for node in lab.primaries] == [f"redis-{n}" for n in (1, 2, 3, 4)]


def test_faults_during_a_partition_of_a_cluster_end_in_order():
    """A node that was killed, restarted and paused behind the cut comes back with the heal."""
    with rl.cluster(node_timeout=1.0) as lab:
        replica = lab.replicas[0]
        lab.partition(replica)
        lab.kill(replica)
        lab.restart(replica)
        assert replica.state == "cut off"
        assert "redis-lab-" + lab.id + "_bus" not in networks(replica)
        lab.pause(replica)
        lab.heal()
        lab.resume(replica)
        lab.wait_healthy(PATIENCE)
        assert replica.role == "replica" and "redis-lab-" + lab.id + "_bus" in networks(replica)


def networks(node):
    return set(inspected(node)["NetworkSettings"]["Networks"])


# addresses


@pytest.mark.parametrize("shape", SHAPES)
def test_clients_dial_the_loopback_only(shape, monkeypatch):
    """As on Docker Desktop, where addresses of containers can't be dialled from the host."""
    dialled = set()
    really = socket.socket.connect

    def connect(self, address):
        if self.family != socket.AF_UNIX:
            dialled.add(address[0])
            if address[0] != HERE:
                raise OSError(f"{address} can't be dialled from here")
        return really(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    faster = {"sentinel": {"down_after": 0.5}, "cluster": {"node_timeout": 0.5}}.get(shape, {})
    with getattr(rl, shape)(**faster) as lab:
        client = lab.client()
        for number in range(50):
            assert client.set(f"key:{number}", number)
        for node in lab.nodes:
            assert node.host == HERE and node.client().ping()
            assert (node.internal_host != HERE) == (len(lab.nodes) > 1)
        if len(lab.nodes) > 3:  # a client that follows, and MOVED
            old = lab.primary
            lab.kill(old)
            until(lambda: replaced(lab, old), "another primary")
            lab.wait_healthy(PATIENCE)
            assert all(lab.client().get(f"key:{number}") == str(number) for number in range(50))
            lab.restart(old)
            lab.wait_healthy(PATIENCE)
    assert dialled == {HERE}


@pytest.mark.parametrize("shape", ["sentinel", "secure"])
def test_everything_is_published_on_the_loopback_only(shape):
    """Each container publishes the one port of its node, on 127.0.0.1, never 6379."""
    with getattr(rl, shape)() as lab:
        for node in lab.nodes:
            published = inspected(node)["NetworkSettings"]["Ports"]
            bound = [place for places in published.values() for place in places or ()]
            assert bound == [{"HostIp": HERE, "HostPort": str(node.port)}] and node.port != 6379


def test_what_the_file_says_of_a_node_holds():
    """Limits, kernel settings and options of docker/cluster.yaml reach each container."""
    with rl.cluster(primaries=1, replicas=1) as lab:
        for node in lab.nodes:
            seen = inspected(node)
            assert seen["HostConfig"]["Memory"] == 2**30
            assert seen["HostConfig"]["Sysctls"] == {"net.ipv4.tcp_syn_retries": "1"}
            assert "no-new-privileges:true" in seen["HostConfig"]["SecurityOpt"]
            assert not seen["HostConfig"]["Privileged"]
            words = json.dumps(
                [seen["Config"]["Env"], seen["Config"]["Cmd"], seen["Config"]["Labels"]]
            )
            assert node.login.password not in words


# numbers of nodes


def test_a_lab_has_as_many_nodes_as_it_is_asked_for():
    """The files show three of each; a lab may have more, and a quorum to match."""
    with rl.sentinel(replicas=3, sentinels=5, down_after=0.5) as lab:
        assert [len(lab.replicas), len(lab.sentinels)] == [3, 5]
        old = lab.primary
        lab.kill("sentinel-1")
        lab.kill("sentinel-2")
        lab.kill(old)
        lab.wait_healthy(PATIENCE)
        assert lab.primary is not old and lab.client().set("a", "b")


def test_labs_of_a_process_run_beside_each_other():
    """Four shapes at once: none has another's ports, addresses or keys."""
    with rl.standalone() as one, rl.replicated() as two, rl.cluster(replicas=0) as three:
        labs = (one, two, three)
        ports = [node.port for lab in labs for node in lab.nodes]
        assert len(set(ports)) == len(ports) == 7
        for lab in labs:
            assert lab.client().set("mine", lab.shape)
        assert [lab.client().get("mine") for lab in labs] == [lab.shape for lab in labs]
        two.kill("redis-2")
        one.stop()
        assert three.client().get("mine") == "cluster" and two.client().get("mine")


# time


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/St_Johns"])
def test_events_are_at_their_time_wherever_the_host_is(elsewhere, zone):
    """Containers log in the host's time, so that what Sentinels log stands where it belongs."""
    before = time.time()
    said = elsewhere.run(
        "lab = rl.sentinel(replicas=1, sentinels=1, down_after=0.5)\n"
        "lab.failover(); lab.wait_healthy(60)\n"
        "for event in lab.events: print(event.at, event.kind, event.detail)\n"
        "lab.stop()",
        TZ=zone,
    ).splitlines()
    events = [(float(at), rest) for at, _, rest in (line.partition(" ") for line in said)]
    (ordered,) = [at for at, rest in events if rest.startswith("failover")]
    switched = [at for at, rest in events if rest.startswith("sentinel +switch-master")]
    became = [at for at, rest in events if rest.startswith("role primary")]
    assert switched and became and before < ordered < switched[0] < time.time()
    assert max(became) > ordered


# data


@pytest.mark.parametrize("shape", ["standalone", "secure"])
def test_what_is_persisted_survives_kill_and_restart(shape):
    """config reaches the container; its append-only file lies in the lab's folder."""
    config = {"appendonly": "yes", "appendfsync": "always"}
    with getattr(rl, shape)(config=config) as lab:
        client = lab.client()
        for number in range(100):
            assert client.set(f"key:{number}", number)
        for _ in range(2):
            lab.kill("redis-1")
            lab.restart("redis-1")
        assert client.dbsize() == 100 and client.get("key:99") == "99"
        assert list((lab._runner.folder / "redis-1").glob("appendonlydir/*.aof"))
    assert not lab._runner.folder.exists()


# from outside


def test_attach_finds_a_lab_in_containers():
    """Another program reaches it by its URL, a Sentinel's as well, and may not break it."""
    with rl.sentinel(replicas=1, sentinels=1) as lab, rl.attach(lab.url) as seen:
        lab.client().set("a", "b")
        assert seen.client().get("a") == "b" and seen.server_version == lab.server_version
        with pytest.raises(rl.LabUnavailable, match="did not start this server"):
            seen.kill(seen.nodes[0])
    with rl.cluster(primaries=2, replicas=0) as lab, rl.attach(lab.url) as seen:
        assert len(seen.nodes) == 2 and seen.client().set("a", "b")
        assert lab.client().get("a") == "b"


def command(*words, elsewhere):
    """What redis-lab prints; it must succeed."""
    program = f"from redis_lab.cli import app\napp({list(words)!r})"
    return elsewhere.run(program)


def test_a_detached_lab_is_listed_and_removed_by_the_command(elsewhere):
    """It outlives its process; status counts its containers, down removes them."""
    lab_id = elsewhere.run("print(rl.replicated(replicas=1, detached=True).id)").strip()
    elsewhere.run("with rl.standalone(): pass")
    assert len(elsewhere.servers()) == 2
    listed = command("status", elsewhere=elsewhere)
    assert lab_id in listed and "2 of 2" in listed and "detached" in listed
    docker_kill(f"redis-lab-{lab_id}-redis-2-1")
    assert "1 of 2" in command("status", elsewhere=elsewhere)
    assert f"stopped: replicated lab {lab_id}" in command("down", elsewhere=elsewhere)
    assert elsewhere.leftovers() == ""


def docker_kill(name):
    subprocess.run(["docker", "kill", name], check=True, capture_output=True)


# what is left


def test_what_lost_its_note_is_found_by_its_labels(elsewhere):
    """Owner, guard and note are gone: the next start sweeps, and so does redis-lab down."""
    for clean in ("with rl.standalone(): pass", "from redis_lab.cli import app\napp(['down'])"):
        abandon(elsewhere, "rl.replicated(replicas=1)")
        assert len(elsewhere.servers()) == 2
        elsewhere.run(clean)
        assert elsewhere.leftovers() == ""


def abandon(elsewhere, start):
    """A lab whose owner, guard and note were lost in a moment, as in a power cut."""
    owner = elsewhere.start(
        "import psutil, shutil, os\n"
        f"lab = {start}\n"
        "for child in psutil.Process().children():\n"
        "    if 'guard.py' in str(child.cmdline()): child.kill()\n"
        "shutil.rmtree(os.environ['REDIS_LAB_STATE'])\n"
        "shutil.rmtree(lab._runner.folder)\n"
        "print('ready', flush=True)\ninput()"
    )
    assert owner.stdout.readline() == "ready\n", owner.stderr.read()
    owner.kill()
    owner.wait()


def test_a_sweep_spares_what_is_not_ours(elsewhere):
    """Labs of living processes, of other lists, and those brought up by hand stay."""
    mine = elsewhere.start("lab = rl.standalone()\nprint(lab.url, flush=True)\ninput()")
    url = mine.stdout.readline().strip()
    with engine.calls("test") as api:
        labels = engine.labels("0123456789ab")
        others = {"hand": {engine.OWNER: "hand"}, "list": {**labels, engine.LIST: "9@far:/away"}}
        dead = {engine.PROCESS: f"{2**22 + 1}-1.0"}
        made = [
            api.create_network(f"redis-lab-test-{name}-{guard.owner()[0]}", labels={**said, **dead})
            for name, said in others.items()
        ]
        try:
            elsewhere.run("with rl.standalone(): pass")
            elsewhere.run("from redis_lab.cli import app\napp(['down'])")
            left = {network["Id"] for network in api.networks()}
            assert {network["Id"] for network in made} <= left
        finally:
            for network in made:
                api.remove_network(network["Id"])
    assert redis.from_url(url).ping() and len(elsewhere.servers()) == 1


def test_notebooks_are_measured_by_the_image():
    """Whether one can run, and the stamp of its outputs, are about the server in the container."""
    (server,) = backends.servers_here()
    assert server == engine.find_image()
    assert {"json", "search"} <= set(server.modules)
