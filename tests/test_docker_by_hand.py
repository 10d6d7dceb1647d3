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

from redis_lab.lab import clients
from redis_lab.lab.starting import free_port
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


def asking(host: str, port: int, **options) -> redis.Redis:
    """A client that repeats nothing: an error is seen at once."""
    return redis.Redis(**clients.options(host=host, port=port, **options))


class Hand:
    """One compose file, brought up."""

    def __init__(self, name: str, **environment: str):
        self.name = name
        self.project = f"redis-lab-test-{secrets.token_hex(4)}"
        self.given = environment
        self.choose()

    def choose(self) -> None:
        """Ports and addresses that nobody uses at this moment."""
        self.net = f"10.213.{100 + secrets.randbelow(150)}"
        self.ports = [free_port() for _ in range(DATA[self.name])]
        self.sentinels = [free_port() for _ in range(3)]
        self.course = free_port()
        ports = {f"REDIS_LAB_PORT_{n}": str(port) for n, port in enumerate(self.ports, 1)}
        ports |= {f"REDIS_LAB_SENTINEL_PORT_{n}": str(p) for n, p in enumerate(self.sentinels, 1)}
        own = {"REDIS_LAB_NET": self.net, "REDIS_LAB_COURSE_PORT": str(self.course)}
        self.environment = {"REDIS_LAB_OWNER": self.project, **ports, **own, **self.given}

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
        return asking(HERE, self.ports[number - 1], **options)


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
        lab = Hand(name, **environment)
        started.append(lab)
        for _ in range(5):
            try:
                lab.up()
                return lab
            except AssertionError as error:  # another program was faster
                if not re.search("already in use|already allocated|Pool overlaps", str(error)):
                    raise
                lab.down()
                lab.choose()
        raise AssertionError("five times in a row a port or a network was taken meanwhile")

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


def nodes(lab: Hand) -> list[redis.Redis]:
    """A client of each data node."""
    return [lab.client(number) for number in range(1, len(lab.ports) + 1)]


def named_primary(lab: Hand) -> redis.Redis:
    """A client of the node that the first Sentinel names: its port, on this machine."""
    watching = asking(HERE, lab.sentinels[0])
    return asking(HERE, int(watching.sentinel_get_master_addr_by_name("mymaster")[1]))


def copies(lab: Hand) -> bool:
    """Whether every node has what was written."""
    return {node.get("flight") for node in nodes(lab)} == {"boarding"}


def roles(lab: Hand) -> list[str]:
    """What each data node holds itself to be; one that does not answer is "silent"."""
    found = []
    for node in nodes(lab):
        try:
            found.append(node.info("replication")["role"])
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
    elif name == "sentinel":
        # On a busy machine a Sentinel may mistake a late answer for a death: ask, as a client does.
        until(lambda: named_primary(lab).set("flight", "boarding") and copies(lab), "copies")
    else:
        assert lab.client(1).set("flight", "boarding")
        until(lambda: copies(lab), "copies")


def test_sentinels_know_each_other_when_up_returns(hand, this_machine_only):
    """All three know the primary, both replicas and each other, at once and not 10 s later."""
    lab = hand("sentinel")
    for port in lab.sentinels:
        seen = asking(HERE, port).info("sentinel")["master0"]
        assert (seen["slaves"], seen["sentinels"]) == (2, 3)


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
        assert described.split() == [str(2**30), "1000000000", "128"]


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
            asking(address, lab.ports[0]).ping()


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
    number = roles(lab).index("master") + 1
    service = f"redis-{number}"
    old, other = lab.client(number), lab.client(number % 3 + 1)
    assert old.ping()
    lab.cut(service)
    assert old.ping() and lab.client(number).ping() and other.ping()
    if name == "cluster":
        until(lambda: roles(lab).count("master") == 4, "a replica takes over")
        until(lambda: old.cluster("INFO")["cluster_state"] == "fail", "a minority stops")
    else:
        assert old.set("flight", "boarding")
        assert other.get("flight") is None
    if name == "sentinel":
        until(lambda: roles(lab).count("master") == 2, "a replica takes over")
    lab.join(service)
    if name == "replicated":
        until(lambda: copies(lab), "what was written reaches the others")
    else:
        until(lambda: roles(lab)[number - 1] == "slave", "the old primary gives in")
        until(lambda: old.info("replication")["master_link_status"] == "up", "replication")


def test_sentinels_replace_a_killed_primary(hand, this_machine_only):
    """SIGKILL for redis-1; the Sentinels name another, and redis-1 comes back as its replica."""
    lab = hand("sentinel")
    lab.compose("kill", "-s", "KILL", "redis-1")
    until(lambda: named_primary(lab).set("flight", "boarding"), "a write to another primary")
    lab.up()
    until(lambda: roles(lab)[0] == "slave", "redis-1 back as a replica")
    until(lambda: lab.client(1).get("flight") == "boarding", "redis-1 has what was written")


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
    with pytest.raises(RedisError, match="authenticate"):
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
