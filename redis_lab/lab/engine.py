"""The Docker engine: what an image can do, which containers are whose, and their removal.

Whatever goes wrong becomes one LabUnavailable that says the way out; labs on processes go on.
"""

import contextlib
import os
import platform
import re
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

from redis_lab.errors import LabUnavailable
from redis_lab.lab import guard
from redis_lab.lab.servers import MODULES, OLDEST, Server, numbers, require_known
from redis_lab.lab.waiting import wait_until

OWNER = "redis-lab.owner"  # a label: the id of the lab, or "hand"
PROCESS = "redis-lab.process"  # a label: "pid-start" of the process whose lab it is
LIST = "redis-lab.list"  # a label: the machine, user and folder where the lab is noted
ALIVE = ("running", "paused", "restarting")  # as the engine calls the states of a container
TIMEOUT = 60.0
LOOK = "echo $(redis-server --version; ls /usr/local/lib/redis/modules 2>/dev/null)"
WITHOUT = "Labs on processes need no Docker: leave out backend='docker', unset REDIS_LAB_BACKEND"
REASONS = {
    r"no such container": "somebody removed this container; lab.stop() removes the rest",
    r"no space left on device": "the disk is full. docker system prune makes room",
    r"PermissionError|permission denied.*(socket|sock)": "this user may not use the engine. On "
    "Linux: sudo usermod -aG docker $USER, then log in again",
    r"Cannot connect to the Docker daemon|refused|FileNotFoundError|Connection aborted|timed out": (
        "no engine answers. Start Docker (on Debian as root, from a checkout: .ci/engine start)"
    ),
}


class Clash(LabUnavailable):
    """A port or a subnet is taken: another choice may do."""


class Image(Server):
    """The server in an image. All have TLS: ours keeps a second server for it."""

    tls = True


def image_name() -> str:
    """REDIS_LAB_IMAGE, else redis:8.10."""
    return os.environ.get("REDIS_LAB_IMAGE") or "redis:8.10"


@cache
def _api(pid: int) -> Any:
    docker: Any = import_module("docker")
    place = docker.utils.kwargs_from_env()
    if "base_url" not in place and (context := docker.ContextAPI.get_current_context()):
        place["base_url"] = context.Host  # where Compose looks as well
    return docker.APIClient(**place, version="auto", timeout=30)


@contextlib.contextmanager
def calls(what: str) -> Iterator[Any]:
    """The engine's API for a block, whose errors become LabUnavailable. what: it does, in words.

    See docker.APIClient: the calls of the engine as they are, one for each thing asked of it.
    """
    try:
        import docker.errors
        import requests
    except ImportError:
        raise LabUnavailable(
            f'the package docker is missing: python -m pip install "docker>=7.1". {WITHOUT}'
        ) from None
    try:
        yield _api(os.getpid())
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise explained(f"{what}: {error}") from error


def explained(said: str) -> LabUnavailable:
    """The engine's or Compose's words, with what they mean and what to do."""
    short = " ".join(said.split())[-400:]
    if re.search(r"port is already allocated|address already in use|Pool overlaps", said):
        return Clash(f"Docker: {short}")
    for pattern, reason in REASONS.items():
        if re.search(pattern, said, re.IGNORECASE | re.DOTALL):
            return LabUnavailable(f"Docker: {reason}. {WITHOUT}. ({short})")
    return LabUnavailable(f"Docker: {short}. {WITHOUT}")


def find_image(min_version: str = OLDEST, modules: Any = ()) -> Server:
    """What the image's redis-server is and can do. Nothing is pulled here.

    Raises LabUnavailable for an image that is not there, or lacks what is asked for.
    """
    require_known(modules)
    if not numbers(min_version):
        raise ValueError(f"min_version: {min_version!r} is no version, such as '8.0'")
    name = image_name()
    with calls("image") as api:
        here = [image["Id"] for image in api.images(name)]
    if not here:
        raise LabUnavailable(
            f"the image {name} is not here. Get it: docker pull {name}, or, in a checkout and "
            f"without a registry, make image. {WITHOUT}"
        )
    server = _inspected(here[0], name)
    if lack := server.lacks(max(OLDEST, min_version, key=numbers), modules):
        raise LabUnavailable(f"the image {name} {lack}. REDIS_LAB_IMAGE names another. {WITHOUT}")
    return server


@cache
def _inspected(image_id: str, name: str) -> Server:
    """Asked of a container once; kept beside the notes, since what has this id never changes."""
    kept = guard.state_folder().parent / "images" / image_id.replace(":", "-")
    if not kept.is_file():
        server = described(name, said := _asked(image_id, name))
        kept.parent.mkdir(exist_ok=True)
        draft = kept.with_name(f"{kept.name}-{os.getpid()}")
        draft.write_text(said)
        draft.replace(kept)
        return server
    return described(name, kept.read_text())


def _asked(image_id: str, name: str) -> str:
    """What a container of the image says to LOOK; none of it stays."""
    look = f"image-{secrets.token_hex(6)}"
    try:
        return run(image_id, ["sh", "-c", LOOK], look)
    except LabUnavailable as error:
        raise LabUnavailable(f"the image {name} can't be asked what it has. {error}") from error
    finally:
        remove({look})


def run(
    image: str, command: list[str], lab_id: str, user: str = "", folder: Path | None = None
) -> str:
    """What a command prints in a container without network; folder: where it works, as /data."""
    with calls(f"a container of {image}") as api:
        binds = [f"{folder}:/data"] if folder else []
        alone = api.create_host_config(network_mode="none", auto_remove=True, binds=binds)
        made = api.create_container(
            image,
            command,
            user=user,
            labels=labels(lab_id),
            host_config=alone,
            entrypoint=[],
            working_dir="/data" if folder else None,
        )
        said = api.attach(made["Id"], stream=True)
        api.start(made["Id"])
        return b"".join(said).decode(errors="replace")


def described(name: str, said: str) -> Server:
    """An image's server by what it says to LOOK. Raises LabUnavailable where that is nothing."""
    found = re.search(r"(Redis|Valkey) server v=(\S+).*?malloc=([^\s-]+)", said)
    if not found:
        raise LabUnavailable(f"the image {name} has no redis-server: it says {said[:100]!r}")
    kind, version, allocator = found.groups()
    return Image(name, kind.lower(), version, allocator, tuple(_modules(said)))


def _modules(files: str) -> list[tuple[str, str]]:
    return [
        (module, name) for module in MODULES for name in files.split() if name in MODULES[module]
    ]


def containers(lab_ids: set[str]) -> list[dict[str, Any]]:
    """The containers of these labs as the engine lists them, which costs milliseconds."""
    with calls("list of containers") as api:
        return _of(lab_ids, api.containers(all=True, filters={"label": OWNER}))


def labels(lab_id: str) -> dict[str, str]:
    """What containers and networks say of themselves, so that they are found without a note."""
    pid, born = guard.owner()
    return {OWNER: lab_id, PROCESS: f"{pid}-{born}", LIST: _list()}


def abandoned() -> set[str]:
    """Labs of this list that have containers or networks, but no note, and no owner any more."""
    noted = guard.notes()
    with calls("list of labs") as api:
        found = api.containers(all=True, filters={"label": f"{LIST}={_list()}"})
        found += api.networks(filters={"label": f"{LIST}={_list()}"})
    owners = {each["Labels"][OWNER]: each["Labels"][PROCESS] for each in found}
    return {
        lab_id
        for lab_id, process in owners.items()
        if lab_id not in noted and not guard.is_running(_owner(process))
    }


def _owner(process: str) -> guard.Owner:
    pid, _, born = process.partition("-")
    return int(pid), float(born)


def _list() -> str:
    return f"{os.getuid()}@{platform.node()}:{guard.state_folder()}"


def remove(lab_ids: set[str]) -> None:
    """Remove the containers, volumes and networks of these labs; none is no error."""
    wait_until(partial(_removed, lab_ids), TIMEOUT, "removal of containers", 0.02)


def _removed(lab_ids: set[str]) -> str:
    """Remove what is listed; what it was, since more may have come meanwhile."""
    with calls("removal of containers") as api:
        inside = containers(lab_ids)
        _at_once([partial(api.remove_container, e["Id"], v=True, force=True) for e in inside])
        networks = _of(lab_ids, api.networks(filters={"label": OWNER}))
        _at_once([partial(api.remove_network, each["Id"]) for each in networks])
    return f"{len(inside)} containers, {len(networks)} networks" if inside or networks else ""


def _at_once(actions: list[Callable[[], object]]) -> None:
    try:
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(_despite_haste, actions))
    except RuntimeError:  # the interpreter is about to end, and starts no threads any more
        for action in actions:
            _despite_haste(action)


def _of(lab_ids: set[str], listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in listed if each["Labels"].get(OWNER) in lab_ids]


def _despite_haste(action: Callable[[], object]) -> None:
    """Two may clean up at once: what is gone, going, or just getting used is seen again."""
    import docker.errors

    try:
        action()
    except docker.errors.APIError as error:
        if error.status_code not in (403, 404, 409):
            raise
