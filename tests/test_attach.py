"""A server, Sentinel or cluster that runs elsewhere: read it, never break it, spare its data."""

import socket

import pytest
import redis

import redis_lab as rl
from redis_lab.lab.waiting import wait_until


def refuses_everything(lab):
    for fault in (
        lambda: lab.kill("redis-1"), lambda: lab.pause("redis-1"), lambda: lab.resume("redis-1"),
        lambda: lab.restart("redis-1"), lambda: lab.failover(), lambda: lab.partition("redis-1"),
        lab.heal,
    ):  # fmt: skip
        with pytest.raises(rl.LabUnavailable, match="did not start this server, so it breaks"):
            fault()


@pytest.fixture(scope="module")
def alone():
    with rl.standalone() as lab:
        yield lab


@pytest.fixture(scope="module")
def watched():
    with rl.sentinel() as lab:
        yield lab


@pytest.mark.parametrize(
    "start", [rl.standalone, rl.replicated, rl.secure], ids=lambda s: s.__name__
)
def test_attach_to_a_server(start):
    """lab.url is all it takes: TLS, login, version and replicas are found; nothing is broken."""
    with start() as home:
        client = home.client()
        assert client.set("a", "b")
        lab = rl.attach(home.url)
        assert lab.shape == "attached" and lab.server_version == home.server_version
        assert len(lab.nodes) == len(home.nodes) and lab.wait_healthy(5.0) >= 0
        assert [node.port for node in lab.primaries] == [home.primary.port]
        assert {node.port for node in lab.replicas} == {node.port for node in home.replicas}
        assert lab.client().get("a") == "b" and lab.client().set("c", "d")
        assert redis.from_url(lab.url, decode_responses=True).get("c") == "d"
        refuses_everything(lab)
        lab.stop()
        lab.stop()
        assert client.get("c") == "d" and all(node.alive for node in home.nodes)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_attach_to_a_sentinel(watched, host):
    """From one Sentinel's URL come all data nodes and Sentinels; the client follows the primary."""
    url = watched.node("sentinel-2").url.replace("127.0.0.1", host)
    with rl.attach(url) as lab:
        assert (len(lab.data_nodes), len(lab.sentinels), len(lab.replicas)) == (3, 3, 2)
        assert lab.primary.port == watched.primary.port and lab.wait_healthy(5.0) >= 0
        assert lab.client().set("from", "afar") and watched.client().get("from") == "afar"
        refuses_everything(lab)
    assert watched.wait_healthy() >= 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_attach_to_a_cluster(host):
    """From one node's URL come all others, none of them twice; the client routes."""
    with rl.cluster(primaries=2, replicas=1) as home:
        with rl.attach(home.url.replace("127.0.0.1", host)) as lab:
            ports = [node.port for node in lab.nodes]
            assert sorted(ports) == sorted(node.port for node in home.nodes)
            assert {node.port for node in lab.primaries} == {node.port for node in home.primaries}
            assert lab.wait_healthy(5.0) >= 0 and len(lab.replicas) == 2
            client = lab.client()
            for number in range(20):
                assert client.set(f"key:{number}", number)
            refuses_everything(lab)
        assert home.client().get("key:7") == "7"


def test_attach_to_a_replica_set_by_another_name():
    """A host name in the URL and the address that the replicas know are one and the same node."""
    with rl.replicated() as home, rl.attach(home.url.replace("127.0.0.1", "localhost")) as lab:
        assert lab.wait_healthy(5.0) >= 0 and len(lab.nodes) == 3


def test_attach_through_a_unix_socket(stranger, tmp_path_factory):
    """A unix:// URL works as any other; that server's replicas are dialled by their own ports."""
    path = tmp_path_factory.mktemp("s") / "r.sock"
    first = stranger("--unixsocket", str(path), "--repl-diskless-sync-delay", "0")
    second = stranger("--replicaof", f"127.0.0.1 {first.port}")
    wait_until(lambda: "" if first.client.execute_command("ROLE")[2] else "none", 20, "online")
    with rl.attach(f"unix://{path}") as lab:
        assert lab.client().set("a", "b") and first.client.get("a") == "b"
        assert lab.url == f"unix://{path}"
        assert lab.wait_healthy(5.0) >= 0
        assert [node.port for node in lab.replicas] == [second.port]
        assert lab.replicas[0].info("server")["tcp_port"] == str(second.port)
        refuses_everything(lab)


def test_nothing_answers(alone):
    """A dead port, and one where nobody speaks TLS or Redis, are told with the address."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(rl.LabUnavailable, match=rf"no Redis server answers at 127.0.0.1:{port}"):
        rl.attach(f"redis://127.0.0.1:{port}")
    with pytest.raises(rl.LabUnavailable, match=r"no Redis server answers at /nowhere.sock"):
        rl.attach("unix:///nowhere.sock")
    with pytest.raises(rl.LabUnavailable, match=r"no Redis server answers at no.such.host.invalid"):
        rl.attach("redis://no.such.host.invalid")
    with pytest.raises(rl.LabUnavailable, match="no Redis server answers"):
        rl.attach(alone.url.replace("redis://", "rediss://"))


def test_a_wrong_password_is_told(alone):
    """The place is in the message, the password is not."""
    url = f"redis://default:wrong-secret@127.0.0.1:{alone.primary.port}"
    with pytest.raises(rl.LabUnavailable, match="refuses the login in the URL") as caught:
        rl.attach(url)
    assert str(alone.primary.port) in str(caught.value)
    assert "wrong-secret" not in str(caught.value)


def test_a_missing_password_is_told(alone):
    """The message says what to put into the URL."""
    with pytest.raises(rl.LabUnavailable, match="wants user:password@ in the URL"):
        rl.attach(f"redis://127.0.0.1:{alone.primary.port}")


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "http://127.0.0.1", "redis://host:port", "redis://[::1", None, 6379,
     "redis://127.0.0.1?nope=1", "redis://127.0.0.1?socket_timeout=soon"],
)  # fmt: skip
def test_what_is_no_url_is_a_value_error(url):
    """The message shows what was given, and the three schemes."""
    with pytest.raises(ValueError, match=r"url: .* is no redis://, rediss:// or unix:// address"):
        rl.attach(url)


def test_flush_needs_permission(alone):
    """An attached server's data is deleted only after allow_flush=True."""
    assert alone.client().set("precious", 1)
    with rl.attach(alone.url) as lab, pytest.raises(rl.LabUnavailable, match="allow_flush=True"):
        lab.flush()
    assert alone.client().get("precious") == "1"
    with rl.attach(alone.url, allow_flush=True) as lab:
        lab.flush()
    assert alone.client().dbsize() == 0


def test_leaving_leaves_the_server_as_it_was(alone):
    """Stopping an attached lab stops no server and writes no note."""
    lab = rl.attach(alone.url)
    assert lab in rl.lab.running()
    lab.stop()
    assert lab not in rl.lab.running() and alone.primary.alive
    with pytest.raises(rl.LabUnavailable, match="was stopped"):
        lab.client()


def test_version_and_modules_are_asked_for(alone):
    """An attached server that is too old, or lacks a module, is refused with its version."""
    with pytest.raises(rl.LabUnavailable, match=f"is {alone.server_version}, older than 99"):
        rl.attach(alone.url, min_version="99")
    with pytest.raises(rl.LabUnavailable, match="has no module timeseries"):
        rl.attach(alone.url, modules=["timeseries"])
    with pytest.raises(ValueError, match="modules: nope unknown"):
        rl.attach(alone.url, modules=["nope"])
    assert alone.client().ping()


def test_a_url_may_choose_a_database(alone):
    """redis://…/3 means database 3 for the clients that the lab hands out."""
    with rl.attach(f"{alone.url}/3") as lab:
        assert lab.client().set("there", 1)
        assert alone.client(db=3).get("there") == "1" and not alone.client().exists("there")


@pytest.mark.tls
def test_a_user_without_rights_is_told():
    """What the server refuses to that user is in the message, in its words."""
    with rl.secure() as home:
        url = home.url.replace(f"admin:{home.users['admin']}", f"reader:{home.users['reader']}")
        with pytest.raises(rl.LabUnavailable, match=r"says: .*(permissions|NOPERM)"):
            rl.attach(url)
