"""Redis servers as Python objects: start a topology, break it, ask it, stop it.

    with rl.sentinel(replicas=2, sentinels=3) as lab:
        lab.kill(lab.primary)
        lab.wait_healthy()

Servers listen on 127.0.0.1 only, on free ports, behind a random password, with their data in a
private temporary folder; nothing of them remains when the process that started them ends, however
it ends.
"""

import atexit
import contextlib
import os
from collections.abc import Sequence
from typing import Any, TypedDict, Unpack

from redis.exceptions import RedisError

from redis_lab.errors import LabUnavailable
from redis_lab.lab import attached, backends, formation, guard, servers, shapes
from redis_lab.lab.events import LabEvent
from redis_lab.lab.node import Node
from redis_lab.lab.proxy import Proxy
from redis_lab.lab.topology import Topology

__all__ = [
    "LabEvent", "Node", "Proxy", "Topology", "attach", "cluster", "replicated", "running", "secure",
    "sentinel", "standalone",
]  # fmt: skip

_started: list[Topology] = []
_guards: dict[int, int] = {}


class Options(TypedDict, total=False):
    """What every call takes.

    config: redis.conf directives for all data nodes, by name; min_version: the oldest server that
    will do; modules: of json, search, bloom, timeseries, vectorset; backend: "process" or "docker"
    (default: REDIS_LAB_BACKEND, else process); detached: the lab outlives this process, until
    `redis-lab down`; server: the redis-server to run, of redis_lab.lab.servers.at_hand() or by its
    path, in place of the newest that will do (processes only).
    """

    config: dict[str, Any]
    min_version: str
    modules: Sequence[str]
    backend: str
    detached: bool
    server: servers.Server | str | None


def standalone(**options: Unpack[Options]) -> Topology:
    """Start one server. Raises LabUnavailable if there is none that fits; options as in Options."""
    return _start("standalone", shapes.data_nodes(1, 0), {}, options)


def replicated(replicas: int = 2, **options: Unpack[Options]) -> Topology:
    """Start one primary and its replicas, all in sync when this returns."""
    _require_count("replicas", replicas, 1)
    return _start("replicated", shapes.data_nodes(1, replicas), {}, options)


def sentinel(
    replicas: int = 2, sentinels: int = 3, down_after: float = 1.0, **options: Unpack[Options]
) -> Topology:
    """Start a replica set watched by Sentinels, which all know each other when this returns.

    down_after: seconds without an answer until a Sentinel holds a node to be down.
    """
    _require_count("replicas", replicas, 1)
    _require_count("sentinels", sentinels, 1)
    _require_seconds("down_after", down_after)
    nodes = shapes.data_nodes(1, replicas) + shapes.named("sentinel", sentinels, "sentinel")
    return _start("sentinel", nodes, {"settings": {"down_after": down_after}}, options)


def cluster(
    primaries: int = 3,
    replicas: int = 1,
    node_timeout: float = 1.0,
    spares: int = 0,
    **options: Unpack[Options],
) -> Topology:
    """Start a Redis Cluster, all 16384 slots covered.

    replicas: of each primary. node_timeout: seconds without an answer until a node counts as
    failing. spares: nodes beside it that no other knows yet, the last of .nodes: for CLUSTER MEET.
    """
    _require_count("primaries", primaries, 1)
    _require_count("replicas", replicas, 0)
    _require_count("spares", spares, 0)
    _require_seconds("node_timeout", node_timeout)
    nodes = shapes.data_nodes(primaries, primaries * replicas, spares)
    settings = {"node_timeout": node_timeout, "spares": spares}
    more = {"clustered": True, "settings": settings}
    return _start("cluster", nodes, more, options)


def secure(
    mutual: bool = False, users: dict[str, str] | None = None, **options: Unpack[Options]
) -> Topology:
    """Start one server that speaks TLS only, with ACL users and the default user off.

    mutual: clients need a certificate as well. users: ACL rules by name, such as {"app": "~app:*
    +@read +@write"}; by default admin, app (keys app:*) and reader. Passwords are random unless a
    rule >secret gives one: lab.users has them, lab.client(username="app") fills them in.
    """
    more = {"users": shapes.checked_users(users), "tls": True, "mutual": bool(mutual)}
    more["login"] = shapes.Login(shapes.LAB_USER)
    return _start("secure", shapes.data_nodes(1, 0), more, options)


def attach(
    url: str, *, allow_flush: bool = False, min_version: str = "0", modules: Sequence[str] = ()
) -> Topology:
    """A server, Sentinel or cluster that runs elsewhere: redis://, rediss:// or unix://.

    The lab does not start, stop or break it, and deletes nothing on it unless allow_flush is True.
    Raises LabUnavailable where nothing answers, ValueError for what is no such URL.
    """
    servers.require_known(modules)
    shape, nodes, server = attached.find(url)
    if servers.numbers(server.version) < servers.numbers(min_version):
        raise LabUnavailable(f"the server there is {server.version}, older than {min_version}")
    lab = Topology(shape, attached.Foreign(refuses_flush=not allow_flush), server)
    lab.nodes = nodes
    _require_modules(lab, modules)
    _started.append(lab)
    return lab


def running() -> tuple[Topology, ...]:
    """The labs of this process that were not stopped, the last one started last."""
    for lab in [lab for lab in _started if lab.stopped]:
        with contextlib.suppress(ValueError):  # another thread was faster
            _started.remove(lab)
    return tuple(_started)


def _start(
    name: str, nodes: tuple[shapes.NodeSpec, ...], more: dict[str, Any], options: Options
) -> Topology:
    if unknown := set(options) - set(Options.__annotations__):
        raise TypeError(f"unknown option {', '.join(sorted(unknown))}")
    backend = backends.chosen(options.get("backend"))
    shape = shapes.Shape(name, nodes, shapes.checked_config(options.get("config")), **more)
    modules = options.get("modules", ())
    detached = options.get("detached", False)
    try:
        min_version = options.get("min_version", servers.OLDEST)
        wanted = options.get("server")
        runner, server = backends.runner(backend, shape, min_version, modules, wanted)
        if not detached:
            _watch_over_this_process()
        guard.sweep()
        lab = Topology(shape, runner, server, detached)
        _bring_up(lab)
    except RedisError as error:
        raise LabUnavailable(f"the lab can't be started: {error}") from error
    except OSError as error:
        hint = "Is there room in TMPDIR and in the home folder?"
        raise LabUnavailable(f"the lab can't be started: {error}. {hint}") from error
    _started.append(lab)
    _require_modules(lab, modules)
    return lab


def _bring_up(lab: Topology) -> None:
    """Start and form; whatever goes wrong in the middle, nothing stays."""
    shape, runner = lab._shape, lab._runner
    try:
        lab._note(url="", cli="")
        runner.prepare(shape.tls, shape.mutual)
        tls = runner.tls.directives() if runner.tls else {}
        lines = {spec: shapes.directives(shape, spec, tls) for spec in shape.nodes}
        lab.nodes = tuple(runner.launch(lines, shape.login))
        lab.server = runner.server
        formation.form(shape, lab.nodes)
        for node in lab.nodes:
            lab._record("start", node, node.last_role)
        lab._note(url=lab.url, cli=lab.cli())
    except BaseException:
        try:
            guard.remove({lab.id})  # also a server of whose start we had no time to hear
        finally:
            lab.stop()
        raise


def _watch_over_this_process() -> None:
    """A guard for what is killed, atexit for what ends by itself."""
    if os.getpid() not in _guards:
        _guards[os.getpid()] = guard.start()
        atexit.register(_stop_all, os.getpid())


def _stop_all(pid: int) -> None:
    if pid == os.getpid():
        for lab in running():
            if not lab.detached:
                lab.stop()


def _require_modules(lab: Topology, modules: Sequence[str]) -> None:
    commands = {module: servers.MODULE_COMMANDS[module] for module in modules}
    missing = [name for name, command in commands.items() if not _knows(lab, command)]
    if missing:
        lab.stop()
        raise LabUnavailable(f"{lab.server} has no module {', '.join(missing)}")


def _knows(lab: Topology, command: str) -> bool:
    return lab.data_nodes[0].tell("COMMAND", "INFO", command)[0] is not None


def _require_count(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}: a number of nodes, not {value!r}")
    if not least <= value <= 100:
        raise ValueError(f"{name}: from {least} to 100, not {value}")


def _require_seconds(name: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name}: seconds, not {value!r}")
    if not 0.01 <= value <= 3600:
        raise ValueError(f"{name}: from 0.01 to 3600 seconds, not {value}")
