"""Where labs run: as processes of this machine, or in containers."""

import os
import secrets
from collections.abc import Sequence
from typing import Any

from redis_lab.lab import servers, shapes

BACKENDS = ("process", "docker")


def chosen(backend: str | None = None) -> str:
    """The backend asked for, else that of REDIS_LAB_BACKEND, else "process"."""
    backend = backend or os.environ.get("REDIS_LAB_BACKEND") or "process"
    if backend not in BACKENDS:
        raise ValueError(f"backend: {backend!r}; there are {' and '.join(map(repr, BACKENDS))}")
    return backend


def servers_here() -> list[servers.Server]:
    """What a lab could run on: with REDIS_LAB_BACKEND=docker the image's server, else all here.

    The newest first. Raises LabUnavailable for an image that is not here.
    """
    if chosen() == "docker":
        from redis_lab.lab import engine

        return [engine.find_image()]
    here = servers.candidates()
    return sorted(here, key=lambda server: servers.numbers(server.version), reverse=True)


def runner(
    backend: str,
    shape: shapes.Shape,
    min_version: str,
    modules: Sequence[str],
    server: servers.Server | str | None = None,
) -> Any:
    """What starts and breaks the servers of a new lab, and the server that they will be."""
    if backend == "docker":
        if server is not None:
            raise ValueError("server: of processes only; in containers it is the image's")
        from redis_lab.lab import engine
        from redis_lab.lab.compose import Containers

        image = engine.find_image(min_version, modules)
        return Containers(secrets.token_hex(6), image, shape.name), image
    from redis_lab.lab.processes import Processes

    if server is None:
        server = servers.find_server(min_version, modules, shape.tls)
    else:
        server = servers.chosen(server, min_version, modules, shape.tls)
    return Processes(secrets.token_hex(6), server, modules), server
