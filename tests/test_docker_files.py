"""What the compose files and the image's recipe promise, read from the files, without an engine."""

import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

DOCKER = Path(__file__).parents[1] / "docker"
ALONE = ("standalone", "secure")
GROUPS = ("replicated", "sentinel", "cluster")
FILES = {name: DOCKER / f"{name}.yaml" for name in (*ALONE, *GROUPS, "course")}
TEXTS = {name: path.read_text() for name, path in FILES.items()}
MODELS: dict[str, dict[str, Any]] = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
EVERYTHING = [path for path in sorted(DOCKER.rglob("*")) if path.is_file()]
SERVICES = [(name, each) for name, model in MODELS.items() for each in model["services"]]
SERVERS = [(name, each) for name, each in SERVICES if each not in ("form", "course")]
NETWORKS = [(name, each) for name, model in MODELS.items() for each in model["networks"]]
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(:-)?(?:\$\{PIP_CERT:-)?([^}]*)\}")


def inside(path: Path) -> str:
    return str(path.relative_to(DOCKER))


def service(name: str, each: str) -> dict[str, Any]:
    return MODELS[name]["services"][each]


def published(name: str) -> list[int]:
    """The ports that a file publishes by default."""
    ports = [port for each in MODELS[name]["services"].values() for port in each.get("ports", ())]
    return [int(re.findall(r":-(\d+)\}", port)[0]) for port in ports]


def test_there_is_a_file_for_each_shape_and_for_the_course():
    """docker/ has the six files that the course names, and no other."""
    assert {path.name for path in DOCKER.glob("*.yaml")} == {path.name for path in FILES.values()}


@pytest.mark.parametrize("name", FILES)
def test_a_comment_at_the_top_says_what_is_shown(name):
    """The first lines say what the file shows, and the commands that bring it up and down."""
    head = TEXTS[name].partition("\nname:")[0]
    assert all(line.startswith("#") for line in head.splitlines())
    assert f"docker compose -f docker/{name}.yaml up --wait" in head
    assert f"docker compose -f docker/{name}.yaml down" in head


@pytest.mark.parametrize("name", FILES)
def test_every_variable_has_a_default(name):
    """`docker compose -f FILE up --wait` needs nothing in the environment."""
    used = VARIABLE.findall(TEXTS[name])
    assert used
    assert [variable for variable, has_default, _ in used if not has_default] == []


@pytest.mark.parametrize("name", FILES)
def test_ports_are_published_on_this_machine_only(name):
    """127.0.0.1, the port from a variable, and the same number inside, where nodes name it."""
    for each in MODELS[name]["services"].values():
        for port in each.get("ports", ()):
            outside, inside = re.fullmatch(r"127\.0\.0\.1:(\$\{.+\}):(\$\{.+\})", port).groups()
            assert outside == inside


def test_no_two_files_use_the_same_ports_or_addresses():
    """All files can be up at the same time."""
    ports = [port for name in FILES for port in published(name)]
    assert len(ports) == len(set(ports))
    subnets = [MODELS[name]["networks"]["bus"]["ipam"]["config"][0]["subnet"] for name in GROUPS]
    assert len(set(subnets)) == len(GROUPS)
    names = [MODELS[name]["name"] for name in FILES]
    assert names == [f"redis-lab-{name}" for name in FILES]


@pytest.mark.parametrize("path", EVERYTHING, ids=inside)
def test_no_file_of_docker_has_what_is_forbidden(path):
    """Not redis's own port, no floating tag, no privileges, no password, no host of a mirror."""
    text = path.read_text()
    assert "6379" not in text
    assert "latest" not in text
    assert not re.search("privileged: *true|network_mode|pid: *host|cap_add|docker.sock", text)
    assert not re.search(r"requirepass|masterauth|auth-pass|[>=][0-9a-f]{16}", text)
    assert not re.search(r"https?://(?!127\.0\.0\.1)", text)


@pytest.mark.parametrize(("name", "each"), SERVICES)
def test_every_service_is_limited_and_labelled(name, each):
    """Memory, processors, processes and logs have a limit; the label says whose it is."""
    described = service(name, each)
    assert {"mem_limit", "cpus", "pids_limit"} <= described.keys()
    assert described["logging"]["options"]["max-size"]
    assert described["labels"] == {"redis-lab.owner": "${REDIS_LAB_OWNER:-hand}"}
    assert described["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize(("name", "each"), NETWORKS)
def test_every_network_is_labelled(name, each):
    """A sweep finds networks as it finds containers, by their owner."""
    assert MODELS[name]["networks"][each]["labels"] == {
        "redis-lab.owner": "${REDIS_LAB_OWNER:-hand}"
    }


def test_volumes_are_there_for_what_must_last():
    """Only a learner's notebooks outlive their container; servers keep their data in theirs."""
    assert [name for name, model in MODELS.items() if "volumes" in model] == ["course"]
    assert [found for found in SERVICES if "volumes" in service(*found)] == [("course", "course")]
    assert MODELS["course"]["volumes"]["work"]["labels"]


@pytest.mark.parametrize(("name", "each"), SERVERS)
def test_servers_run_the_image_of_the_variable(name, each):
    """One variable, one default, and it is a version."""
    assert service(name, each)["image"] == "${REDIS_LAB_IMAGE:-redis:8.10}"


@pytest.mark.parametrize(("name", "each"), SERVERS)
def test_the_server_is_process_1(name, each):
    """What runs before it ends in exec: docker stop then takes 0.3 s and not 10."""
    described = service(name, each)
    assert described["command"][:2] == ["redis-server", "redis.conf"]
    shell, option, script, *_ = described["entrypoint"]
    assert (shell, option) == ("sh", "-c")
    assert script.rpartition("; ")[2].startswith("exec docker-entrypoint.sh")
    assert "init" not in described


@pytest.mark.parametrize(("name", "each"), SERVICES)
def test_health_checks_ask_often_at_the_start_and_seldom_later(name, each):
    """Readiness is seen within a second; a lab that runs is left in peace."""
    check = service(name, each)["healthcheck"]
    assert check["start_interval"] in ("200ms", "500ms", "1s")
    assert check["interval"] in ("10s", "30s")


def test_health_checks_mean_readiness():
    """Not that a process runs: that it answers, replicates, watches, or owns slots with others."""
    expected = {
        ("standalone", "redis-1"): "PONG",
        ("secure", "redis-1"): "--tls",
        ("replicated", "redis-2"): "master_link_status:up",
        ("sentinel", "redis-2"): "master_link_status:up",
        ("sentinel", "sentinel-2"): "slaves=2,sentinels=3",
        ("cluster", "redis-2"): "cluster_state:ok",
        ("cluster", "form"): "formed",
        ("course", "course"): "/api",
    }
    for found, words in expected.items():
        assert words in " ".join(service(*found)["healthcheck"]["test"])


@pytest.mark.parametrize("name", GROUPS)
def test_nodes_have_a_network_for_each_other_and_one_for_clients(name):
    """A partition cuts `bus`; clients come by `front`, where nodes can't reach each other."""
    networks = MODELS[name]["networks"]
    assert networks["bus"]["internal"] is True
    assert networks["front"]["driver_opts"] == {"com.docker.network.bridge.enable_icc": "false"}
    for each in (each for file, each in SERVERS if file == name):
        described = service(name, each)
        assert described["networks"].keys() == {"bus", "front"}
        assert re.fullmatch(
            r"\$\{REDIS_LAB_NET:-[\d.]+\}\.\d+", described["networks"]["bus"]["ipv4_address"]
        )
        # Without it, healing takes minutes: a node dials with the address it had while cut off.
        assert described["sysctls"] == {"net.ipv4.tcp_syn_retries": "1"}


@pytest.mark.parametrize("name", ALONE)
def test_a_node_alone_has_clients_only(name):
    """There is nothing for it to be cut off from."""
    assert MODELS[name]["networks"].keys() == {"front"}


def test_what_the_files_share_is_the_same_in_all():
    """Each file is complete on its own; the same line is written the same way in all of them."""
    for key in ("image", "entrypoint", "working_dir", "mem_limit", "cpus", "pids_limit"):
        assert len({str(service(*found)[key]) for found in SERVERS}) == 1
    default = VARIABLE.search(service("standalone", "redis-1")["image"]).group(3)
    assert f"image=${{1:-{default}}}" in (DOCKER / "offline" / "build").read_text()
    assert f"REDIS_LAB_IMAGE={default}\n" in (DOCKER / "course" / "Dockerfile").read_text()


@pytest.mark.parametrize("path", list(DOCKER.rglob("Dockerfile")), ids=inside)
def test_images_are_built_from_what_is_here(path):
    """No frontend and no base image but the lab's own comes from a registry."""
    text = path.read_text()
    assert "syntax=" not in text
    assert set(re.findall(r"^FROM (.+)$", text, re.M)) <= {"scratch", "${REDIS_LAB_IMAGE}"}


@pytest.mark.parametrize("name", ["image", "certificates", "offline/build"])
def test_scripts_can_be_run(name):
    """They are executable in a clone."""
    assert (DOCKER / name).stat().st_mode & stat.S_IXUSR


def test_certificates_are_private_and_new_each_time(tmp_path):
    """Nobody else can enter their folder; the authority's key is gone once it has signed."""
    folder = tmp_path / "secrets"
    passwords = []
    for _ in range(2):
        ours = {**os.environ, "REDIS_LAB_SECRETS": str(folder)}
        subprocess.run([DOCKER / "certificates"], env=ours, check=True, capture_output=True)
        passwords += re.findall(">([0-9a-f]{32}) ", (folder / "users.acl").read_text())
    assert folder.stat().st_mode & 0o777 == 0o700
    assert not (folder / "ca.key").exists()
    assert len(set(passwords)) == 6


# docker/image, with a program of our own in the place of docker


class Engine:
    """A docker command that answers as it is told, and writes down what it was asked."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.answers = {"info": "exit 0", "image": "exit 1", "pull": "exit 0"}

    def make_image(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run docker/image; REDIS_LAB_IMAGE is one that can't be built without a registry."""
        cases = "\n".join(f"  {word}) {answer} ;;" for word, answer in self.answers.items())
        script = self.folder / "docker"
        script.write_text(f'#!/bin/sh\necho "$@" >>"$0.asked"\ncase $1 in\n{cases}\nesac\n')
        script.chmod(0o755)
        path = f"{self.folder}{os.pathsep}{os.environ['PATH']}"
        ours = {"PATH": path, "REDIS_LAB_IMAGE": "redis:7.2", **environment}
        return subprocess.run(
            [DOCKER / "image"],
            env={**os.environ, **ours},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    @property
    def asked(self) -> list[str]:
        return [line.split()[0] for line in Path(f"{self.folder}/docker.asked").open()]


@pytest.fixture
def engine(tmp_path):
    return Engine(tmp_path)


def test_an_image_that_is_here_is_used_as_it_is(engine):
    """Nothing is pulled, and it says so."""
    engine.answers["image"] = "exit 0"
    done = engine.make_image()
    assert (done.returncode, "redis:7.2 is here already" in done.stdout) == (0, True)
    assert "pull" not in engine.asked


def test_an_image_that_is_missing_is_pulled(engine):
    """It says that it was."""
    done = engine.make_image()
    assert (done.returncode, "redis:7.2 is pulled" in done.stdout) == (0, True)


def test_a_pull_that_fails_says_why_and_what_else_there_is(engine):
    """Only redis:8.10 can be built without a registry; labs on processes always work."""
    engine.answers["pull"] = "echo 'no such host' >&2; exit 1"
    done = engine.make_image()
    assert done.returncode == 1
    assert "redis:7.2 can't be pulled: no such host" in done.stdout
    assert "unset REDIS_LAB_IMAGE" in done.stderr
    assert "processes" in done.stderr


@pytest.mark.parametrize("said", ["", "echo 7.2: Pulling from library/redis; "])
def test_a_pull_never_lasts_for_ever(engine, said):
    """A registry that is silent, or sends a byte now and then, is given up, and the pull ended."""
    engine.answers["pull"] = f'{said}echo $$ >"$0.pid"; exec sleep 1000'
    done = engine.make_image(REDIS_LAB_PULL_SECONDS="1")
    assert done.returncode == 1
    assert "more than 1 seconds" in done.stdout
    pid = int((engine.folder / "docker.pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_an_engine_that_is_down_is_said_at_once(engine):
    """With the engine's own words, and with what works without it."""
    engine.answers["info"] = "echo 'permission denied on the socket' >&2; exit 1"
    done = engine.make_image()
    assert done.returncode == 1
    assert "permission denied on the socket" in done.stderr
    assert "make lab" in done.stderr
    assert engine.asked == ["info"]
