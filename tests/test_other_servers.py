"""Labs on a server that the caller names: server=, restart(…, server=), REDIS_LAB_SERVERS."""

from pathlib import Path

import pytest

import redis_lab as rl
from redis_lab import LabUnavailable
from redis_lab.lab import servers


@pytest.fixture
def other(tmp_path):
    """A program that is the server found here, but lets 77 clients in."""
    path = tmp_path / "redis-server"
    path.write_text(f'#!/bin/sh\nexec {servers.find_server().path} "$@" --maxclients 77\n')
    path.chmod(0o755)
    return str(path)


def clients(node):
    return node.client().config_get("maxclients")["maxclients"]


@pytest.fixture
def pretends(tmp_path):
    """Makes a program that says of itself that it is this server."""

    def make(name, says):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\necho '{says}'\n")
        path.chmod(0o755)
        return str(path)

    return make


def test_a_lab_runs_on_the_server_that_is_named(other):
    """By its path, on all nodes; lab.server tells which."""
    with rl.replicated(replicas=1, server=other) as lab:
        assert lab.server.path == other and [clients(node) for node in lab.nodes] == ["77", "77"]


def test_a_node_goes_on_as_another_server(other):
    """Same port and data, also after the next restart; the others keep theirs."""
    with rl.replicated(replicas=1, config={"appendonly": "yes"}) as lab:
        lab.client().set("gate", "B12")
        replica, usual = lab.replicas[0], clients(lab.primary)
        lab.restart(replica, server=other)
        lab.wait_healthy()
        lab.restart(replica)
        lab.wait_healthy()
        assert [clients(lab.primary), clients(replica)] == [usual, "77"]
        assert replica.client().get("gate") == "B12"
        assert f"as redis {lab.server_version}" in [event.detail for event in lab.events]


def test_a_path_may_be_relative(other, monkeypatch):
    """Servers start in folders of their own, and find it all the same."""
    monkeypatch.chdir(Path(other).parent)
    with rl.standalone(server="./redis-server") as lab:
        assert clients(lab.nodes[0]) == "77"


def test_a_server_that_refuses_the_data_says_why(pretends, other):
    """The node is down; with its old server it starts again."""
    broken = pretends("broken", "Redis server v=9.9.9 sha=0 malloc=libc bits=64")
    with rl.standalone(config={"appendonly": "yes"}) as lab:
        lab.client().set("gate", "B12")
        with pytest.raises(LabUnavailable, match=r"redis-1 did not start; redis 9\.9\.9"):
            lab.restart("redis-1", server=broken)
        lab.restart("redis-1", server=other)
        assert lab.client().get("gate") == "B12"


@pytest.mark.parametrize("server", ["no-such-server", "/bin/true"])
def test_what_is_no_server_is_refused(server):
    """Before anything starts."""
    with pytest.raises(LabUnavailable, match=server.rpartition("/")[2]):
        rl.standalone(server=server)
    with rl.standalone() as lab:
        with pytest.raises(LabUnavailable, match=server.rpartition("/")[2]):
            lab.restart("redis-1", server=server)
        assert lab.client().ping()


def test_a_named_server_must_be_new_enough(pretends):
    """min_version holds for it too."""
    old = pretends("old", "Redis server v=6.2.0 sha=0 malloc=libc bits=64")
    with pytest.raises(LabUnavailable, match=r"6\.2\.0.*older than 7"):
        rl.standalone(server=old)


def test_containers_run_their_image():
    """server= is of processes."""
    with pytest.raises(ValueError, match="server: of processes only"):
        rl.standalone(server="redis-server", backend="docker")


def test_all_servers_at_hand(pretends, monkeypatch):
    """Those of PATH and of REDIS_LAB_SERVERS, the oldest first, each version once."""
    monkeypatch.delenv("REDIS_LAB_SERVERS", raising=False)
    here = servers.at_hand()
    assert here and servers.numbers(here[0].version) <= servers.numbers(here[-1].version)
    new = pretends("new", "Redis server v=99.1.0 sha=0 malloc=libc bits=64")
    valkey = pretends("valkey", "Valkey server v=98.0.1 sha=0 malloc=jemalloc-5 bits=64")
    again = pretends("again", "Redis server v=99.1.0 sha=0 malloc=libc bits=64")
    monkeypatch.setenv("REDIS_LAB_SERVERS", f"{new}:{valkey}:{again}:")
    found = servers.at_hand()
    assert [(each.name, each.version) for each in found[len(here) :]] == [
        ("valkey", "98.0.1"),
        ("redis", "99.1.0"),
    ]
    assert found[: len(here)] == here and found[-1].path == new
    monkeypatch.setenv("REDIS_LAB_SERVERS", "/no/server")
    with pytest.raises(LabUnavailable, match="/no/server"):
        servers.at_hand()
