"""Compose: its command, its files in docker/, and projects made of them for any number of nodes.

A service of a file is the pattern of all nodes of its kind: what the file says of limits, networks
and kernel settings holds; image, ports, addresses, folder and user are the lab's.
"""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from redis_lab.errors import LabUnavailable
from redis_lab.lab import guard
from redis_lab.lab.engine import TIMEOUT, WITHOUT, explained, labels
from redis_lab.lab.node import Node
from redis_lab.lab.servers import numbers
from redis_lab.lab.starting import HOST


def project(
    file: dict[str, Any], nodes: Sequence[Node], name: str, subnet: str, folder: Path, image: str
) -> dict[str, Any]:
    """The project as a document for docker compose.

    file: a compose file as Compose reads it. folder: the lab's, with a folder for each node.
    """
    ours = {"labels": labels(name.removeprefix(guard.PREFIX))}
    patterns = file["services"]
    services = {}
    for node in nodes:
        pattern = patterns["sentinel-1" if node.last_role == "sentinel" else "redis-1"]
        services[node.name] = _service(pattern, node, folder, image) | ours
    networks = {}
    for network, said in file["networks"].items():
        kept = {key: value for key, value in said.items() if key not in ("name", "ipam")}
        networks[network] = kept | ours
    if "bus" in networks:
        networks["bus"]["ipam"] = {"config": [{"subnet": subnet}]}
    return {"name": name, "services": services, "networks": networks}


def _service(pattern: dict[str, Any], node: Node, folder: Path, image: str) -> dict[str, Any]:
    """A service of the file, with this node's port, address, folder and user."""
    tls = folder / "tls"
    mode = ["--sentinel"] if node.last_role == "sentinel" else []
    mode += ["--tls-port", str(node.port)] if tls.exists() else []
    networks: dict[str, Any] = {"front": None}
    if node.internal_host != HOST:
        networks["bus"] = {"ipv4_address": node.internal_host}
    kept = {key: value for key, value in pattern.items() if key not in ("configs", "secrets")}
    return kept | {
        "image": image,
        "command": ["redis-server", "redis.conf", *mode],
        # The folder is this user's alone, and the server must write there.
        "user": f"{os.getuid()}:{os.getgid()}",
        "environment": {"SKIP_DROP_PRIVS": "1", "PORT": str(node.port), "TZ": _time_zone()},
        "ports": [f"{HOST}:{node.port}:{node.port}"],
        "networks": networks,
        "volumes": [f"{folder / node.name}:/data", *([f"{tls}:{tls}:ro"] if tls.exists() else [])],
        "healthcheck": {"disable": True},  # the lab asks the servers itself
    }


def _time_zone() -> str:
    """That of this machine as POSIX writes it, since an image knows no others by name."""
    ahead = datetime.now().astimezone().utcoffset() or timedelta()
    minutes = round(ahead.total_seconds() / 60)
    return f"HERE{'-' if minutes >= 0 else '+'}{abs(minutes) // 60}:{abs(minutes) % 60:02}"


def project_file(shape: str) -> dict[str, Any]:
    """A compose file of docker/, as Compose itself reads it."""
    said = tuple(sorted(each for each in os.environ.items() if each[0].startswith("REDIS_LAB_")))
    return json.loads(_read(_folder() / f"{shape}.yaml", said))


@cache
def _read(path: Path, environment: tuple[tuple[str, str], ...]) -> str:
    return compose("-f", str(path), "config", "--format", "json")


def compose(*arguments: str, document: str | None = None, folder: Path | None = None) -> str:
    """Run docker compose, in a folder by which the guard finds it; what it printed.

    Raises LabUnavailable, Clash.
    """
    _require_compose()
    child = subprocess.Popen(
        ["docker", "compose", *arguments],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said, complaint = child.communicate(document, TIMEOUT)
    except subprocess.TimeoutExpired as error:
        raise LabUnavailable(
            f"docker compose did not finish within {TIMEOUT:g} s. {WITHOUT}"
        ) from error
    except KeyboardInterrupt:
        # Ended in the middle, it would leave the engine at work on what is then overlooked.
        child.communicate(timeout=TIMEOUT)
        raise
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
    if child.returncode:
        raise explained(complaint or said)
    return said


@cache
def _require_compose() -> None:
    if not shutil.which("docker"):
        raise LabUnavailable(f"there is no docker command on PATH. Install Docker. {WITHOUT}")
    asked = subprocess.run(
        ["docker", "compose", "version", "--short"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    version = asked.stdout.strip().lstrip("v")
    if asked.returncode or numbers(version) < (2, 23, 1):
        have = f"version {version}" if not asked.returncode else "missing"
        raise LabUnavailable(
            f"Docker Compose 2.23.1 or newer is needed; here it is {have}. Install the plugin "
            f"docker-compose-v2 (docker-compose in Debian 13). {WITHOUT}"
        )


def _folder() -> Path:
    import redis_lab

    package = Path(redis_lab.__file__).parent
    for place in (package / "_docker", package.parent / "docker"):
        if (place / "standalone.yaml").is_file():
            return place
    raise LabUnavailable(f"this installation of redis-lab carries no compose files. {WITHOUT}")
