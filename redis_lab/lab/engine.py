"""The Docker engine: asked through its library, Compose through its command.

Whatever goes wrong becomes one LabUnavailable that says the way out; labs on processes go on.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any

from redis_lab.errors import LabUnavailable
from redis_lab.lab.servers import MODULES, OLDEST, Server, numbers, require_known

OWNER = "redis-lab.owner"  # a label: the id of the lab
PROCESS = "redis-lab.process"  # a label: "pid-start" of the process whose lab it is
COMPOSE_TIMEOUT = 60.0
WITHOUT = "Labs on processes need no Docker: leave out backend='docker', unset REDIS_LAB_BACKEND"
REASONS = {
    r"no space left on device": "the disk is full. docker system prune makes room",
    r"permission denied.*(socket|sock)": "this user may not use the engine. On Linux: "
    "sudo usermod -aG docker $USER, then log in again",
    r"Cannot connect to the Docker daemon|ConnectionRefused|FileNotFoundError|Connection aborted": (
        "no engine answers. Start Docker (on Debian as root, from a checkout: .ci/engine start)"
    ),
}


class Clash(LabUnavailable):
    """A port or a subnet is taken: another choice may do."""


def image_name() -> str:
    """REDIS_LAB_IMAGE, else redis:8.10."""
    return os.environ.get("REDIS_LAB_IMAGE") or "redis:8.10"


@cache
def _client(pid: int) -> Any:
    try:
        import docker
    except ImportError:
        raise LabUnavailable(
            f'the package docker is missing: python -m pip install "docker>=7.1". {WITHOUT}'
        ) from None
    try:
        return docker.from_env(timeout=30)  # type: ignore[attr-defined]
    except Exception as error:
        raise explained(str(error)) from error


def client() -> Any:
    """The engine's client, one for each process. Raises LabUnavailable where none answers."""
    return _client(os.getpid())


@contextlib.contextmanager
def calls(what: str) -> Any:
    """Errors of the engine in this block become LabUnavailable. what: is being done, in words."""
    import docker.errors
    import requests

    try:
        yield
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
    import docker.errors

    name = image_name()
    try:
        with calls("image"):
            image = client().images.get(name)
    except LabUnavailable as error:
        if isinstance(error.__cause__, docker.errors.ImageNotFound):
            raise LabUnavailable(
                f"the image {name} is not here. Get it: docker pull {name}, or, in a checkout and "
                f"without a registry, make image. {WITHOUT}"
            ) from None
        raise
    server = _inspected(image.id, name)
    if lack := server.lacks(min_version, modules):
        raise LabUnavailable(f"the image {name} {lack}. REDIS_LAB_IMAGE names another. {WITHOUT}")
    return server


@cache
def _inspected(image_id: str, name: str) -> Server:
    """Ask a server of the image, in a container that is gone afterwards."""
    ask = "redis-server --version; ls /usr/local/lib/redis/modules 2>/dev/null || true"
    with calls(f"image {name}"):
        run = client().containers.run
        said = run(image_id, ["sh", "-c", ask], remove=True, network_mode="none").decode()
    found = re.search(r"(Redis|Valkey) server v=(\S+).*?malloc=([^\s-]+)", said)
    if not found:
        raise LabUnavailable(f"the image {name} has no redis-server: it says {said[:100]!r}")
    kind, version, allocator = found.groups()
    return Server(name, kind.lower(), version, allocator, tuple(_modules(said)))


def _modules(files: str) -> list[tuple[str, str]]:
    return [
        (module, name) for module in MODULES for name in files.split() if name in MODULES[module]
    ]


def project_file(shape: str) -> dict[str, Any]:
    """A compose file of docker/, as Compose itself reads it."""
    said = compose("-f", str(_folder() / f"{shape}.yaml"), "config", "--format", "json")
    return json.loads(said)


def compose(*arguments: str, document: str | None = None) -> str:
    """Run docker compose; what it printed. Raises LabUnavailable, Clash."""
    _require_compose()
    try:
        done = subprocess.run(
            ["docker", "compose", *arguments],
            input=document,
            stdin=subprocess.DEVNULL if document is None else None,
            capture_output=True,
            text=True,
            timeout=COMPOSE_TIMEOUT,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        raise LabUnavailable(
            f"docker compose did not finish within {COMPOSE_TIMEOUT:g} s. {WITHOUT}"
        ) from error
    if done.returncode:
        raise explained(done.stderr or done.stdout)
    return done.stdout


@cache
def _require_compose() -> None:
    if not shutil.which("docker"):
        raise LabUnavailable(f"there is no docker command on PATH. Install Docker. {WITHOUT}")
    asked = subprocess.run(
        ["docker", "compose", "version", "--short"], capture_output=True, text=True, timeout=30
    )
    version = asked.stdout.strip().lstrip("v")
    if asked.returncode or numbers(version) < (2, 20):
        have = f"version {version}" if not asked.returncode else "missing"
        raise LabUnavailable(
            f"Docker Compose 2.20 or newer is needed; here it is {have}. Install the plugin "
            f"docker-compose-v2 (docker-compose in Debian 13). {WITHOUT}"
        )


def _folder() -> Path:
    import redis_lab

    package = Path(redis_lab.__file__).parent
    for place in (package / "_docker", package.parent / "docker"):
        if (place / "standalone.yaml").is_file():
            return place
    raise LabUnavailable(f"this installation of redis-lab carries no compose files. {WITHOUT}")


def remove(lab_ids: set[str]) -> None:
    """Remove the containers, volumes and networks of these labs; none is no error."""
    found = [{"filters": {"label": f"{OWNER}={lab_id}"}} for lab_id in lab_ids]
    with calls("cleaning up"), ThreadPoolExecutor(16) as pool:
        listed = [client().containers.list(all=True, ignore_removed=True, **each) for each in found]
        removals = [partial(each.remove, v=True, force=True) for some in listed for each in some]
        list(pool.map(_despite_haste, removals))
        networks = [client().networks.list(**each) for each in found]
        list(pool.map(_despite_haste, [each.remove for some in networks for each in some]))


def _despite_haste(action: Any) -> None:
    """Two may clean up at once: what is gone, or going, is fine."""
    import docker.errors

    try:
        action()
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        if error.status_code != 409:
            raise
