"""The compose files as a person uses them, on a Docker engine: up, asked from outside, cut, down.

Each test has a project, ports and addresses of its own: whatever else runs here is left in peace.
"""

import os
import re
import secrets
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis
from redis.cluster import RedisCluster
from redis.exceptions import ConnectionError, NoPermissionError, RedisError

from redis_lab.lab.processes import free_port
from redis_lab.lab.waiting import wait_until

ROOT = Path(__file__).parents[1]
HERE = "127.0.0.1"
DATA = {"standalone": 1, "replicated": 3, "sentinel": 3, "cluster": 6, "secure": 1, "course": 0}
SHAPES = [name for name in DATA if name != "course"]
GROUPS = ["replicated", "sentinel", "cluster"]
# A machine under load: how long a state is waited for, in seconds.
PATIENCE = 90.0

pytestmark = pytest.mark.docker


def docker(*words: str, timeout: float = 300, **environment: str) -> str:
    """What a docker command says; its complaint fails the test."""
    done = subprocess.run(
        ["docker", *words],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def engine():
    """Skip, with the reason, where no engine answers or the image is not there."""
    try:
        docker("info", timeout=20)
    except (OSError, AssertionError, subprocess.TimeoutExpired):
        pytest.skip("no Docker engine answers here (.ci/engine start)")
    try:
        docker("image", "inspect", os.environ.get("REDIS_LAB_IMAGE") or "redis:8.10")
    except AssertionError:
        pytest.skip("the image of the labs is not here (make image)")


class Hand:
    """One compose file, brought up."""

    def __init__(self, name: str, **environment: str):
        self.name = name
        self.project = f"redis-lab-test-{secrets.token_hex(4)}"
        self.net = f"10.213.{100 + secrets.randbelow(150)}"
        self.ports = [free_port() for _ in range(DATA[name])]
        self.sentinels = [free_port() for _ in range(3)]
        self.course = free_port()
        ports = {f"REDIS_LAB_PORT_{n}": str(port) for n, port in enumerate(self.ports, 1)}
        ports |= {f"REDIS_LAB_SENTINEL_PORT_{n}": str(p) for n, p in enumerate(self.sentinels, 1)}
        own = {"REDIS_LAB_NET": self.net, "REDIS_LAB_COURSE_PORT": str(self.course)}
        self.environment = {"REDIS_LAB_OWNER": self.project, **ports, **own, **environment}

    def compose(self, *words: str, timeout: float = 300) -> str:
        place = ("-p", self.project, "-f", f"docker/{self.name}.yaml")
        return docker("compose", *place, *words, timeout=timeout, **self.environment)

    def up(self) -> None:
        self.compose("up", "--wait", timeout=580)

    def down(self) -> None:
        self.compose("down", "-v", "--timeout", "1")

    def container(self, service: str) -> str:
        return f"{self.project}-{service}-1"

    def cut(self, service: str) -> None:
        docker("network", "disconnect", f"{self.project}_bus", self.container(service))

    def join(self, service: str) -> None:
        address = f"{self.net}.{10 + int(service[-1])}"
        bus = f"{self.project}_bus"
        docker("network", "connect", "--ip", address, bus, self.container(service))

    def leftovers(self) -> str:
        """Containers, networks and volumes that bear our label; Compose labels what it makes."""
        mine = f"label=com.docker.compose.project={self.project}"
        owned = f"label=redis-lab.owner={self.project}"
        return "".join(
            docker(*words, "-q", "--filter", label)
            for words in (("ps", "-a"), ("network", "ls"), ("volume", "ls"))
            for label in (mine, owned)
        )

    def client(self, number: int = 1, **options) -> redis.Redis:
        options = {"decode_responses": True, "socket_timeout": 2, **options}
        return redis.Redis(HERE, self.ports[number - 1], **options)


@pytest.fixture
def hand(request) -> Iterator:
    """Call it with a file's name and variables to bring it up; it is taken down at the end."""
    started: list[Hand] = []

    def bring_up(name: str, **environment: str) -> Hand:
        if name == "secure":
            folder = request.getfixturevalue("tmp_path") / "secrets"
            environment = {"REDIS_LAB_SECRETS": str(folder), **environment}
            certificates = [ROOT / "docker" / "certificates"]
            ours = {**os.environ, **environment}
            subprocess.run(certificates, env=ours, check=True, capture_output=True)
        started.append(Hand(name, **environment))
        started[-1].up()
        return started[-1]

    yield bring_up
    for one in started:
        one.down()
        assert one.leftovers() == ""


@pytest.fixture
def this_machine_only(monkeypatch):
    """Whoever dials another address than 127.0.0.1 fails: Docker Desktop routes no other."""
    connect = socket.socket.connect

    def careful(self, address):
        assert self.family == socket.AF_UNIX or address[0] == HERE, f"dialled {address}"
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", careful)


def until(question, what: str) -> None:
    """Ask until it is so; an error of the server is a no."""

    def missing() -> str:
        try:
            return "" if question() else "not yet"
        except RedisError as error:
            return str(error)

    wait_until(missing, PATIENCE, what, every=0.05)


def roles(lab: Hand) -> list[str]:
    """What each data node holds itself to be; one that does not answer is "silent"."""
    found = []
    for number in range(1, len(lab.ports) + 1):
        try:
            found.append(lab.client(number).info("replication")["role"])
        except RedisError:
            found.append("silent")
    return found


@pytest.mark.parametrize("name", SHAPES)
def test_up_wait_means_ready(hand, this_machine_only, name):
    """When `up --wait` returns, the first command from outside works, through 127.0.0.1 alone."""
    lab = hand(name)
    if name == "secure":
        client = lab.client(**login(lab, "app"))
        assert client.set("app:flight", "boarding")
    elif name == "cluster":
        client = RedisCluster(HERE, lab.ports[2], decode_responses=True)
        assert all(client.set(f"flight:{number}", number) for number in range(300))
        assert {node.name for node in client.get_nodes()} == {f"{HERE}:{p}" for p in lab.ports}
    else:
        assert lab.client(1).set("flight", "boarding")
    if name in ("replicated", "sentinel"):
        until(lambda: lab.client(3).get("flight") == "boarding", "replication")
    if name == "sentinel":
        for port in lab.sentinels:
            watching = redis.Redis(HERE, port, decode_responses=True)
            seen = watching.info("sentinel")["master0"]
            assert (seen["status"], seen["slaves"], seen["sentinels"]) == ("ok", 2, 3)
            named = watching.sentinel_get_master_addr_by_name("mymaster")
            assert redis.Redis(HERE, int(named[1])).set("flight", "gone")


@pytest.mark.parametrize("name", SHAPES)
def test_containers_are_what_the_file_promises(hand, name):
    """redis-server is process 1 and no root, its port is on 127.0.0.1, limits are in force."""
    lab = hand(name)
    for line in lab.compose("ps", "--format", "{{.Service}} {{.Ports}}").splitlines():
        service, _, published = line.partition(" ")
        if service == "form":
            continue
        assert re.fullmatch(r"127\.0\.0\.1:(\d+)->\1/tcp", published)
        first = lab.compose("exec", "-T", service, "cat", "/proc/1/comm", "/proc/1/status")
        assert first.startswith("redis-server\n")
        assert re.search(r"^Uid:\s+999\s", first, re.M)
        limit = "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}"
        described = docker("inspect", "--format", limit, lab.container(service))
        assert described.split() == [str(512 * 2**20), "1000000000", "128"]


def test_other_machines_can_not_connect(hand):
    """The published port is closed on every other address that this machine has."""
    lab = hand("standalone")
    addresses = [
        address.address
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family == socket.AF_INET and not address.address.startswith("127.")
    ]
    assert addresses
    for address in addresses:
        with pytest.raises(ConnectionError):
            redis.Redis(address, lab.ports[0], socket_connect_timeout=5).ping()


def test_the_image_has_every_module(hand):
    """JSON, search, Bloom, time series and vector sets answer, and the server is an 8.10."""
    client = hand("standalone").client()
    assert client.info("server")["redis_version"].startswith("8.10.")
    assert client.execute_command("JSON.SET", "json", "$", "1")
    assert client.execute_command("FT.CREATE", "index", "SCHEMA", "word", "TEXT")
    assert client.execute_command("BF.ADD", "filter", "UA1545")
    assert client.execute_command("TS.ADD", "series", 1, 1)
    assert client.execute_command("VADD", "vectors", "VALUES", 2, 1, 2, "UA1545")


@pytest.mark.parametrize("name", GROUPS)
def test_a_partition_leaves_both_sides_reachable(hand, this_machine_only, name):
    """Cut off from `bus`, the primary answers its clients, on old and new connections; others too.

    With Sentinels and in a cluster a replica takes over, and what was cut off gives in when it is
    back.
    """
    lab = hand(name)
    old = lab.client(1)
    assert old.ping()
    lab.cut("redis-1")
    assert old.ping() and lab.client(1).ping() and lab.client(2).ping()
    if name == "cluster":
        until(lambda: roles(lab)[1:].count("master") == 3, "a replica takes over")
        until(lambda: lab.client(1).cluster("INFO")["cluster_state"] == "fail", "a minority stops")
    else:
        assert old.set("written", "while cut off")
        assert lab.client(2).get("written") is None
    if name == "sentinel":
        until(lambda: "master" in roles(lab)[1:], "a replica takes over")
    lab.join("redis-1")
    if name == "replicated":
        until(lambda: lab.client(2).get("written") == "while cut off", "replication")
    else:
        until(lambda: roles(lab)[0] == "slave", "the old primary gives in")
        until(
            lambda: lab.client(1).info("replication")["master_link_status"] == "up", "replication"
        )


def test_sentinels_replace_a_killed_primary(hand, this_machine_only):
    """SIGKILL for redis-1; the Sentinels name another, and redis-1 comes back as its replica."""
    lab = hand("sentinel")
    watching = redis.Redis(HERE, lab.sentinels[0], decode_responses=True)
    lab.compose("kill", "-s", "KILL", "redis-1")
    until(
        lambda: (
            int(watching.sentinel_get_master_addr_by_name("mymaster")[1]) in lab.ports[1:]
            and "master" in roles(lab)[1:]
        ),
        "another primary",
    )
    lab.up()
    until(lambda: roles(lab)[0] == "slave", "redis-1 back as a replica")


@pytest.mark.parametrize("name", GROUPS)
def test_a_node_remembers_its_place(hand, name):
    """After CONFIG REWRITE, which notes the image's modules in the file, a restart works."""
    lab = hand(name)
    number = len(lab.ports)
    lab.client(number).config_rewrite()
    docker("restart", lab.container(f"redis-{number}"))
    until(
        lambda: lab.client(number).info("replication")["master_link_status"] == "up", "replication"
    )


@pytest.mark.parametrize("name", SHAPES)
def test_nothing_is_left_after_down(hand, name):
    """`down -v` leaves no container, no network and no volume, also after kill, pause and a cut."""
    lab = hand(name)
    assert lab.leftovers()
    docker("kill", lab.container("redis-1"))
    if name in GROUPS:
        docker("pause", lab.container("redis-2"))
        lab.cut("redis-3")
    lab.down()
    assert lab.leftovers() == ""


# secure


def login(lab: Hand, user: str) -> dict:
    """What a client of the secure server needs: the password of users.acl, and the authority."""
    folder = Path(lab.environment["REDIS_LAB_SECRETS"])
    passwords = dict(re.findall(r"^user (\w+) on >(\w+)", (folder / "users.acl").read_text(), re.M))
    tls = {"ssl": True, "ssl_ca_certs": str(folder / "ca.crt")}
    return {"username": user, "password": passwords[user], **tls}


def test_secure_lets_in_whom_it_shall(hand, this_machine_only):
    """TLS only, no default user, and each user within its rules."""
    lab = hand("secure")
    with pytest.raises(RedisError):
        lab.client().ping()
    app = login(lab, "app")
    with pytest.raises(RedisError):
        lab.client(**{**app, "password": "guessed"}).ping()
    with pytest.raises(RedisError, match=r"[Aa]uthentication"):
        lab.client(ssl=True, ssl_ca_certs=app["ssl_ca_certs"]).ping()
    client = lab.client(**app)
    assert client.set("app:flight", "boarding")
    with pytest.raises(NoPermissionError):
        client.set("other", 1)
    with pytest.raises(NoPermissionError):
        client.flushall()
    reader = lab.client(**login(lab, "reader"))
    assert reader.get("app:flight") == "boarding"
    assert lab.client(**login(lab, "admin")).config_get("tls-port")


def test_secure_has_certificates_that_pass_the_strictest_check(hand, this_machine_only):
    """Python 3.13 verifies by X509_STRICT; so do we, for both names of this machine."""
    lab = hand("secure")
    context = ssl.create_default_context(cafile=login(lab, "app")["ssl_ca_certs"])
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    for name in (HERE, "localhost"):
        with (
            socket.create_connection((HERE, lab.ports[0])) as plain,
            context.wrap_socket(plain, server_hostname=name) as wrapped,
        ):
            assert wrapped.version() == "TLSv1.3"


def test_secure_can_ask_clients_for_a_certificate(hand, this_machine_only):
    """REDIS_LAB_MUTUAL=yes: without one the handshake fails, with one all is as before."""
    lab = hand("secure", REDIS_LAB_MUTUAL="yes")
    folder = Path(lab.environment["REDIS_LAB_SECRETS"])
    shown = {
        "ssl_certfile": str(folder / "client.crt"),
        "ssl_keyfile": str(folder / "client.key"),
    }
    with pytest.raises(ConnectionError):
        lab.client(**login(lab, "app")).ping()
    assert lab.client(**login(lab, "app"), **shown).ping()


def test_secrets_are_private_and_new_each_time(tmp_path):
    """Nobody else can enter the folder; the authority's key is gone once it has signed."""
    made = []
    for _ in range(2):
        ours = {**os.environ, "REDIS_LAB_SECRETS": str(tmp_path / "secrets")}
        script = ROOT / "docker" / "certificates"
        subprocess.run([script], env=ours, check=True, capture_output=True)
        made.append((tmp_path / "secrets" / "users.acl").read_text())
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert not (tmp_path / "secrets" / "ca.key").exists()
    assert made[0] != made[1]


# course


def test_the_course_runs_in_a_container(hand, this_machine_only):
    """JupyterLab answers on 127.0.0.1, lets nobody in without its token, and its labs start."""
    lab = hand("course")
    address = f"http://{HERE}:{lab.course}"
    assert urllib.request.urlopen(f"{address}/api", timeout=20).status == 200
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{address}/api/contents", timeout=20)
    (token,) = set(re.findall(r"\?token=(\w+)", lab.compose("logs", "course")))
    listed = urllib.request.urlopen(f"{address}/api/contents?token={token}", timeout=20).read()
    assert b"00_start_here.ipynb" in listed
    program = """
import redis_lab as rl
modules = ("json", "search", "bloom", "timeseries", "vectorset")
with rl.secure() as lab: print(lab.client(username="app").ping())
with rl.cluster(modules=modules) as lab: print(lab.client().ping())
"""
    assert lab.compose("exec", "-T", "course", "python", "-c", program).split() == ["True", "True"]
