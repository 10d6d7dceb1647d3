"""A Compose project made of a file in docker/, for as many nodes as a lab has. Plain data.

A service of the file is the pattern of all nodes of its kind: what the file says of limits,
networks and kernel settings holds; image, ports, addresses, folder and user are the lab's.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from redis_lab.lab import guard
from redis_lab.lab.engine import OWNER, PROCESS
from redis_lab.lab.node import Node
from redis_lab.lab.starting import HOST


def project(
    file: dict[str, Any], nodes: Sequence[Node], name: str, subnet: str, folder: Path, image: str
) -> dict[str, Any]:
    """The project as a document for docker compose.

    file: a compose file as Compose reads it. folder: the lab's, with a folder for each node.
    """
    labels = _labels(name.removeprefix(guard.PREFIX))
    patterns = file["services"]
    services = {}
    for node in nodes:
        pattern = patterns["sentinel-1" if node.last_role == "sentinel" else "redis-1"]
        services[node.name] = _service(pattern, node, folder, image) | {"labels": labels}
    networks = {}
    for network, said in file["networks"].items():
        kept = {key: value for key, value in said.items() if key not in ("name", "ipam")}
        networks[network] = kept | {"labels": labels}
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
        "environment": {"SKIP_DROP_PRIVS": "1", "PORT": str(node.port)},
        "ports": [f"{HOST}:{node.port}:{node.port}"],
        "networks": networks,
        "volumes": [f"{folder / node.name}:/data", *([f"{tls}:{tls}:ro"] if tls.exists() else [])],
        "healthcheck": {"disable": True},  # the lab asks the servers itself
    }


def _labels(lab_id: str) -> dict[str, str]:
    pid, born = guard.owner()
    return {OWNER: lab_id, PROCESS: f"{pid}-{born}"}
