"""The contract of Topology and Node, on every shape: names, roles, addresses, who may log in."""

import shutil
import socket
import subprocess

import psutil
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

import redis_lab as rl

NAMES = {
    "standalone": ["redis-1"],
    "replicated": ["redis-1", "redis-2", "redis-3"],
    "sentinel": ["redis-1", "redis-2", "redis-3", "sentinel-1", "sentinel-2", "sentinel-3"],
    "cluster": [f"redis-{number}" for number in range(1, 7)],
    "secure": ["redis-1"],
}
PRIMARIES = {shape: 3 if shape == "cluster" else 1 for shape in NAMES}
every_shape = pytest.mark.parametrize("lab", NAMES, indirect=True, scope="module")


@pytest.fixture(scope="module")
def lab(request):
    with getattr(rl, request.param)() as lab:
        yield lab


def refused(client):
    """The error that the server answers a PING with."""
    with client, pytest.raises(redis.RedisError) as caught:
        client.ping()
    return caught.value


def run_id(node):
    """What tells one run of a server from every other, in a process or in a container."""
    return node.info("server")["run_id"]


def listens(node):
    with socket.socket() as dialling:
        return dialling.connect_ex((node.host, node.port)) == 0


def without_password(node, **more):
    return redis.Redis(node.host, node.port, retry=Retry(NoBackoff(), 0), **(node._extra | more))


@every_shape
def test_nodes_have_names_that_say_no_role_in_start_order(lab):
    """Nodes are called redis-1, redis-2, …, sentinel-1, …, and all of them are up."""
    assert [node.name for node in lab.nodes] == NAMES[lab.shape]
    assert [lab.node(name) for name in NAMES[lab.shape]] == list(lab.nodes)
    assert all(node.alive and node.state == "up" for node in lab.nodes)
    assert len({node.port for node in lab.nodes}) == len({run_id(node) for node in lab.nodes})
    assert len({node.pid or node.container for node in lab.nodes}) == len(lab.nodes)


@every_shape
def test_roles_are_those_that_the_servers_tell(lab):
    """primary, primaries, replicas and sentinels are told by the servers, and nobody is in two."""
    assert len(lab.primaries) == PRIMARIES[lab.shape] and lab.primary is lab.primaries[0]
    groups = [*lab.primaries, *lab.replicas, *lab.sentinels]
    assert sorted(node.name for node in groups) == sorted(NAMES[lab.shape])
    said = {"master": "primary", "slave": "replica", "sentinel": "sentinel"}
    for node in lab.nodes:
        assert said[node.client().execute_command("ROLE")[0]] == node.role == node.last_role
    assert lab.server_version == lab.primary.info("server")["redis_version"]


@every_shape
def test_an_unknown_name_is_a_key_error_with_the_names(lab):
    """node("nope") says which names there are; a fault on it does the same."""
    for ask in (lab.node, lab.kill, lab.cli):
        with pytest.raises(KeyError, match=r"nope.*redis-1") as caught:
            ask("nope")
        assert all(name in str(caught.value) for name in NAMES[lab.shape])


@every_shape
def test_client_writes_and_every_replica_gets_it(lab):
    """What lab.client() writes is read back, as text, and reaches the replicas."""
    client = lab.client()
    assert client.set("greeting", "hello") and client.get("greeting") == "hello"
    assert client.incrby("count", 2) == 2
    lab.wait_healthy()
    kept = [set(node.client().keys("*")) for node in lab.primaries]
    assert set().union(*kept) == {"greeting", "count"}
    lab.flush()
    assert [node.client().dbsize() for node in lab.primaries] == [0] * PRIMARIES[lab.shape]


@every_shape
def test_replicas_get_every_write_from_the_start(lab):
    """No primary holds back its stream until a replica's first acknowledgement, up to a second.

    With Redis 7.0 a diskless copy ends so, while both ends already say that the link is up.
    """
    for node in lab.data_nodes:
        assert "to enable streaming" not in node.log(10_000)
        assert node.client().config_get("repl-diskless-sync") == {"repl-diskless-sync": "no"}


@every_shape
def test_url_opens_the_primary(lab):
    """redis.from_url(lab.url) is all that another program needs."""
    with redis.from_url(lab.url, decode_responses=True) as client:
        assert client.info("server")["run_id"] == run_id(lab.primary)
    for node in lab.nodes:
        with redis.from_url(node.url) as client:
            assert client.info("server")["run_id"] == run_id(node)


@every_shape
@pytest.mark.skipif(not shutil.which("redis-cli"), reason="redis-cli is not on PATH")
def test_cli_is_a_line_for_a_shell(lab):
    """lab.cli() and lab.cli(node) work in a shell as they are; the password is no argument."""
    for node in [None, *lab.nodes]:
        line = lab.cli(node)
        secret, _, command = line.partition(" ")
        assert secret.partition("=")[2] not in command
        done = subprocess.run(f"{line} INFO server", shell=True, capture_output=True, text=True)
        assert f"run_id:{run_id(node or lab.primary)}" in done.stdout, done.stderr


@every_shape
def test_no_node_lets_a_stranger_in(lab):
    """Without a password, or with another lab's, every node refuses: Sentinels as well."""
    for node in lab.nodes:
        error = refused(without_password(node))
        assert "NOAUTH" in str(error) or isinstance(error, redis.AuthenticationError)
        error = refused(without_password(node, password="0" * 32))
        assert isinstance(error, redis.AuthenticationError)


@every_shape
@pytest.mark.processes("containers: test_docker_labs.py looks at what they publish")
def test_listens_on_the_loopback_only_and_never_on_6379(lab):
    """Every listening socket of every node, the cluster bus included, is on 127.0.0.1."""
    for node in lab.nodes:
        connections = psutil.Process(node.pid).net_connections("all")
        listening = [c.laddr for c in connections if c.status == psutil.CONN_LISTEN]
        assert {address.ip for address in listening} == {"127.0.0.1"}
        ports = {address.port for address in listening}
        assert node.port in ports and 6379 not in ports
        assert ports == {node.port, node.bus_port} - {None}


@every_shape
def test_nothing_is_persisted_unless_asked_for(lab):
    """Neither RDB nor AOF by default."""
    for node in lab.data_nodes:
        persistence = node.client().config_get("save", "appendonly")
        assert persistence == {"save": "", "appendonly": "no"}


@every_shape
def test_files_are_private(lab):
    """Folder and configuration, which hold passwords, are for this user's eyes only."""
    folder = lab._runner.folder
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in folder.rglob("*"):
        if path.suffix in (".conf", ".key"):
            assert path.stat().st_mode & 0o777 == 0o600, path


@every_shape
def test_repr_and_drawing_show_every_node_and_no_password(lab):
    """The HTML drawing has each node's name and role; passwords are in neither form."""
    html = lab._repr_html_()
    for node in lab.nodes:
        assert f"<b>{node.name}</b><br>{node.last_role}<br>port {node.port}" in html
        assert node.name in repr(lab)
        assert node.login.password not in html + repr(lab) + repr(node) + repr(node.login)


@every_shape
def test_start_is_recorded(lab):
    """events begins with the start of every node, in order, with its first role."""
    started = [event for event in lab.events if event.kind == "start"]
    assert [event.node for event in started] == NAMES[lab.shape]
    assert sum(event.detail == "primary" for event in started) == PRIMARIES[lab.shape]
    assert lab.events == sorted(lab.events, key=lambda event: event.at)


@every_shape
def test_log_has_the_last_lines_of_the_server(lab):
    """node.log(n) gives the last n lines that this server wrote."""
    for node in lab.nodes:
        assert len(node.log(2).splitlines()) == 2
        mark = f"{node.info('server')['process_id']}:"
        assert any(line.startswith(mark) for line in node.log(200).splitlines())


def test_config_reaches_all_data_nodes():
    """Directives of config hold on primaries and replicas; lists and booleans are spelled out."""
    config = {
        "maxmemory": "64mb",
        "Maxmemory-Policy": "allkeys-lfu",
        "appendonly": True,
        "save": ["3600 1", "300 100"],
        "notify-keyspace-events": "KEA",
    }
    wanted = {
        "maxmemory": str(64 * 2**20),
        "maxmemory-policy": "allkeys-lfu",
        "appendonly": "yes",
        "save": "3600 1 300 100",
    }
    with rl.sentinel(replicas=1, sentinels=1, config=config) as lab:
        for node in lab.data_nodes:
            assert node.client().config_get(*wanted) == wanted
        assert not any("maxmemory 64mb" in path.read_text() for path in configs(lab, "sentinel"))


def configs(lab, name):
    return lab._runner.folder.glob(f"{name}-*/redis.conf")


def test_nodes_log_in_to_each_other_as_users_of_their_own():
    """Each node knows one peer user for each other node, and none for itself or the world."""
    with rl.sentinel(replicas=1, sentinels=1) as lab:
        for node in lab.nodes:
            users = node.client().acl_users()
            others = {f"peer-{other.name}" for other in lab.nodes if other is not node}
            assert set(users) == {"default", *others}
            assert "nopass" not in node.client().acl_getuser("default")["flags"]


def test_passwords_differ_from_lab_to_lab():
    """One lab's password and peer password say nothing about the next one's."""
    with rl.replicated(replicas=1) as one, rl.replicated(replicas=1) as other:
        secrets = {lab.nodes[0].login.password for lab in (one, other)}
        secrets |= {lab._shape.peer_password for lab in (one, other)}
        assert len(secrets) == 4 and all(len(secret) >= 32 for secret in secrets)
        assert isinstance(
            refused(without_password(one.primary, password=other.primary.login.password)),
            redis.AuthenticationError,
        )


def test_there_is_no_primary_while_no_sentinel_can_name_one():
    """LabUnavailable, with the state of every node, while no majority names a primary."""
    with rl.sentinel(replicas=1, sentinels=1) as lab:
        lab.pause("sentinel-1")
        for ask in (lambda: lab.primary, lambda: lab.primaries, lab.flush, lab.failover):
            with pytest.raises(rl.LabUnavailable, match=r"no majority.*sentinel-1 sentinel paused"):
                ask()
        lab.resume("sentinel-1")
        assert lab.primary.name == "redis-1"


def test_sentinels_that_disagree_name_nobody():
    """Two Sentinels with two opinions are no majority."""
    with rl.sentinel(replicas=1, sentinels=2) as lab:
        wrong = lab.node("sentinel-2").client()
        wrong.execute_command("SENTINEL REMOVE mymaster")
        wrong.execute_command("SENTINEL MONITOR mymaster 127.0.0.1", lab.node("redis-2").port, 2)
        with pytest.raises(rl.LabUnavailable, match="no majority"):
            _ = lab.primary


def test_there_is_no_primary_while_no_cluster_node_answers():
    """A cluster whose primaries are all gone names nobody."""
    with rl.cluster(primaries=1, replicas=0) as lab:
        assert [node.name for node in lab.primaries] == ["redis-1"]
        lab.kill("redis-1")
        with pytest.raises(rl.LabUnavailable, match="redis-1 primary down"):
            _ = lab.primary


@pytest.mark.parametrize(
    "start",
    [
        lambda: rl.replicated(replicas=1),
        lambda: rl.sentinel(replicas=1, sentinels=1, down_after=0.5),
        lambda: rl.cluster(primaries=2, replicas=0),
        lambda: rl.cluster(primaries=1, replicas=2),
    ],
    ids=["replicated", "sentinel", "two primaries", "one primary"],
)
def test_the_smallest_shapes_serve(start):
    """One replica, one Sentinel, one or two primaries: each is healthy from the start."""
    with start() as lab:
        lab.wait_healthy()
        assert lab.client().set("a", "b")


def test_a_spare_belongs_to_no_cluster_until_it_is_met():
    """It runs, owns nothing and troubles nobody; once met it is waited for like the others."""
    with rl.cluster(primaries=2, replicas=0, spares=1) as lab:
        spare = lab.node("redis-3")
        assert [node.name for node in lab.primaries] == ["redis-1", "redis-2"]
        assert len(spare.ask("CLUSTER", "NODES").splitlines()) == 1
        lab.wait_healthy()
        assert lab.client().set("a", "b")
        lab.primary.tell("CLUSTER", "MEET", *spare.internal_address, spare.bus_port)
        lab.wait_healthy()
        assert {len(node.ask("CLUSTER", "NODES").splitlines()) for node in lab.nodes} == {3}
        for node in (spare, *lab.primaries):
            node.tell("CLUSTER", "SETSLOT", 16383, "NODE", spare.tell("CLUSTER", "MYID"))
        lab.wait_healthy()
        assert [node.name for node in lab.primaries] == ["redis-1", "redis-2", "redis-3"]
        assert lab.client().set("{x}", "y")


def test_a_stopped_lab_says_so_and_stopping_twice_does_nothing():
    """After stop() every question but the past raises LabUnavailable; a second stop is silent."""
    lab = rl.standalone()
    folder = lab._runner.folder
    lab.stop()
    lab.stop()
    assert lab.stopped and not listens(lab.nodes[0]) and not folder.exists()
    for ask in (
        lambda: lab.primary, lambda: lab.url, lab.client, lab.async_client, lab.flush, lab.heal,
        lab.wait_healthy, lambda: lab.kill("redis-1"), lambda: lab.restart("redis-1"),
    ):  # fmt: skip
        with pytest.raises(rl.LabUnavailable, match="was stopped"):
            ask()
    assert [event.kind for event in lab.events] == ["start", "stop"]
    assert "stopped" in repr(lab) and "stopped" in lab._repr_html_()
    assert lab.nodes[0].log() == "" and not lab.nodes[0].alive


def test_a_node_of_another_lab_is_refused():
    """A fault is for this lab's own nodes."""
    with rl.standalone() as one, rl.standalone() as other:
        with pytest.raises(ValueError, match="not a node of this lab"):
            one.kill(other.primary)
        assert other.client().ping()


def test_running_lists_the_labs_of_this_process():
    """rl.lab.running() has every lab that was not stopped, the last one last."""
    before = rl.lab.running()
    with rl.standalone() as one, rl.standalone() as other:
        assert rl.lab.running() == (*before, one, other)
        one.stop()
        assert rl.lab.running() == (*before, other)
    assert rl.lab.running() == before


@pytest.mark.parametrize(
    ("call", "wrong"),
    [
        (rl.replicated, {"replicas": 0}),
        (rl.replicated, {"replicas": -1}),
        (rl.replicated, {"replicas": 101}),
        (rl.sentinel, {"replicas": 0}),
        (rl.sentinel, {"sentinels": 0}),
        (rl.sentinel, {"down_after": 0}),
        (rl.sentinel, {"down_after": float("nan")}),
        (rl.cluster, {"primaries": 0}),
        (rl.cluster, {"replicas": -1}),
        (rl.cluster, {"spares": -1}),
        (rl.cluster, {"node_timeout": -1.0}),
        (rl.cluster, {"node_timeout": 3601}),
        (rl.standalone, {"backend": "nope"}),
        (rl.standalone, {"modules": ["nope"]}),
        (rl.standalone, {"min_version": "new"}),
        (rl.secure, {"users": {"default": "~* +@all"}}),
        (rl.secure, {"users": {"lab": "~* +@all"}}),
        (rl.secure, {"users": {"two words": "~* +@all"}}),
    ],
)
def test_a_wrong_value_is_a_value_error_that_names_the_argument(call, wrong):
    """Nothing is started, and the message begins with the argument's name."""
    before = rl.lab.running()
    with pytest.raises(ValueError, match=next(iter(wrong))):
        call(**wrong)
    assert rl.lab.running() == before


@pytest.mark.parametrize(
    ("call", "wrong"),
    [
        (rl.replicated, {"replicas": "2"}),
        (rl.replicated, {"replicas": 2.0}),
        (rl.replicated, {"replicas": True}),
        (rl.sentinel, {"sentinels": None}),
        (rl.sentinel, {"down_after": "1"}),
        (rl.cluster, {"primaries": "3"}),
        (rl.cluster, {"node_timeout": True}),
        (rl.standalone, {"config": "maxmemory 1mb"}),
        (rl.secure, {"users": ["app"]}),
    ],
)
def test_a_wrong_type_is_a_type_error_that_names_the_argument(call, wrong):
    """Text where a number belongs is refused before anything starts."""
    with pytest.raises(TypeError, match=next(iter(wrong))):
        call(**wrong)


@pytest.mark.parametrize("shape", NAMES)
def test_an_unknown_option_is_a_type_error(shape):
    """A misspelt option is not swallowed."""
    with pytest.raises(TypeError, match="min_verzion"):
        getattr(rl, shape)(min_verzion="8.0")


def test_the_environment_chooses_the_backend(monkeypatch):
    """REDIS_LAB_BACKEND holds where the call says nothing; an empty one counts as not set."""
    monkeypatch.setenv("REDIS_LAB_BACKEND", "nope")
    with pytest.raises(ValueError, match="backend: 'nope'"):
        rl.standalone()
    with rl.standalone(backend="process") as lab:
        assert lab.client().ping()
    monkeypatch.setenv("REDIS_LAB_BACKEND", "")
    with rl.standalone() as lab:
        assert lab.client().ping()


def test_two_labs_of_a_process_know_nothing_of_each_other():
    """Stopping one leaves the other as it was."""
    with rl.replicated(replicas=1) as one:
        one.client().set("mine", 1)
        with rl.replicated(replicas=1) as other:
            assert not other.client().exists("mine")
            assert not {node.port for node in one.nodes} & {node.port for node in other.nodes}
        assert one.client().get("mine") == "1" and one.wait_healthy() >= 0


def test_the_drawing_shows_what_is_down_paused_or_cut_off():
    """A node out of service says so in words, and is still drawn."""
    with rl.replicated(replicas=3) as lab:
        lab.kill("redis-2")
        lab.pause("redis-3")
        lab.partition("redis-4")
        html = lab._repr_html_()
        for name, state in {"redis-2": "down", "redis-3": "paused", "redis-4": "cut off"}.items():
            assert f"<b>{name}</b><br>replica, {state}<br>" in html
        assert repr(lab).count(" up") == 1


def test_a_forked_child_may_look_but_not_break(elsewhere):
    """In a forked child the lab can be asked; faults are refused, and leaving it stops nothing."""
    said = elsewhere.run("""
import multiprocessing
def child(lab, answers):
    with lab:
        answers.put(lab.primary.name)
        answers.put(lab.client().get("a"))
        for fault in lab.kill, lab.pause, lab.restart, lab.partition:
            try: fault("redis-1")
            except rl.LabUnavailable as error: answers.put(str(error))
context = multiprocessing.get_context("fork")
answers = context.Queue()
with rl.replicated(replicas=1) as lab:
    lab.client().set("a", "b")
    process = context.Process(target=child, args=(lab, answers))
    process.start()
    print(*[answers.get(timeout=20) for _ in range(6)], sep="\\n")
    process.join()
    print(lab.client().get("a"), lab.wait_healthy() < 15, process.exitcode)
""").splitlines()
    assert said[:2] == ["redis-1", "b"] and said[-1] == "b True 0"
    assert len(said) == 7 and all("started this lab" in line for line in said[2:6])


def test_threads_may_ask_at_once():
    """Many threads that read roles, states and the drawing while nodes come and go see no crash."""
    import threading

    failures = []
    over = threading.Event()
    with rl.replicated(replicas=1) as lab:

        def look():
            while not over.is_set():
                try:
                    assert all(node.role in ("primary", "replica") for node in lab.nodes)
                    assert lab.primary and lab.events and lab._repr_html_() and repr(lab)
                except Exception as error:
                    failures.append(error)
                    over.set()

        watchers = [threading.Thread(target=look) for _ in range(6)]
        for watcher in watchers:
            watcher.start()
        for _ in range(3):
            lab.kill("redis-2")
            lab.restart("redis-2")
            lab.pause("redis-1")
            lab.resume("redis-1")
        over.set()
        for watcher in watchers:
            watcher.join()
        assert failures == []
        lab.wait_healthy()


def test_the_folder_of_a_lab_goes_with_it(tmp_path, monkeypatch):
    """stop() leaves nothing in the temporary folder, also when someone emptied it before."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with rl.sentinel(replicas=1, sentinels=1) as lab:
        assert all(map(listens, lab.nodes))
        assert list(tmp_path.iterdir()) == [lab._runner.folder]
        shutil.rmtree(lab._runner.folder)
    assert list(tmp_path.iterdir()) == [] and not any(map(listens, lab.nodes))
