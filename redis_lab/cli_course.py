"""The commands for learners: the course in JupyterLab, its catalogue, exercises and progress."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from redis_lab.cli_terminal import GET, busy, table
from redis_lab.errors import LabUnavailable

course = typer.Typer()


@course.command(epilog="Example: redis-lab lab --no-browser --port 8899")
def lab(
    browser: Annotated[bool, typer.Option(help="Open a browser on it.")] = True,
    port: Annotated[int | None, typer.Option(min=1, max=65535, metavar="N")] = None,
) -> None:
    """Open the course in JupyterLab, on your own copy of the notebooks: the folder work, here.

    What you have not touched there is brought up to date, what you wrote is never overwritten.
    """
    from redis_lab.course import work

    if not find_spec("jupyterlab"):
        raise LabUnavailable(f"JupyterLab is missing. {GET}")
    folder = _work()
    steps = work.update(folder)
    if copied := sum(step.kind == "copied" for step in steps):
        typer.echo(f"{folder}: {copied} notebooks copied")
    for step in (step for step in steps if step.kind != "copied"):
        typer.echo(f"{folder}: {step}")
    if os.geteuid() == 0:
        typer.echo("You are root: JupyterLab gets --allow-root, and notebooks may do anything.")
    command, environment = work.jupyterlab(folder, port, browser)
    sys.stdout.flush()
    os.execve(command[0], command, environment)


@course.command("list", epilog="Example: redis-lab list")
def catalogue() -> None:
    """List the notebooks: minutes for reading and for exercises, needs, whether they run here."""
    from redis_lab.course.catalogue import verdicts

    rows = []
    for entry, reason in verdicts():
        needs = entry.needs + "".join(f", after {each}" for each in entry.requires)
        minutes = f"{entry.teaching} + {entry.exercises}"
        rows.append((entry.number, entry.title, minutes, needs, reason or "yes"))
    table(("", "notebook", "minutes", "needs", "runs here"), rows)


@course.command(epilog="Example: redis-lab progress")
def progress() -> None:
    """Show which exercises you have passed, and how your predictions went."""
    from redis_lab.course.learner import progress_rows, progress_total

    rows = progress_rows()
    table(("", "exercise", "state", "attempts", "hints"), rows)
    typer.echo(progress_total(rows))


@course.command(epilog="Example: redis-lab reset 06")
def reset(number: Annotated[str, typer.Argument(metavar="NN")]) -> None:
    """Restore one notebook in work; what you made of it goes to work/backups."""
    from redis_lab.course import work

    if not (_work() / work.MEMORY).exists():
        raise ValueError(f"there is no copy of the course in {_work()}; redis-lab lab makes one")
    kept = work.reset(_work(), number)
    typer.echo(f"{_work()}: notebook {number} is as it was shipped")
    if kept:
        typer.echo(f"yours is {kept}")


@course.command(epilog="Example: redis-lab verify strings.ticket")
def verify(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID")] = None,
) -> None:
    """Prove exercises: the stub fails, the solution passes, each wrong answer gets its reason.

    Without an id, all of them, one on each core.
    """
    from redis_lab.course.verify import verify_all

    with busy("Verifying"):
        findings = sorted(verify_all(ids or ()), key=lambda finding: finding.id)
    rows = []
    for each in findings:
        said = "; ".join(each.faults) or (f"not judged: {each.skipped}" if each.skipped else "fine")
        rows.append((each.id, f"{each.seconds:.1f} s", said))
    table(("exercise", "took", "finding"), rows)
    if any(each.faults or each.skipped for each in findings):
        raise typer.Exit(1)


@course.command(epilog="Example: redis-lab coverage 01 06")
def coverage(
    numbers: Annotated[list[str] | None, typer.Argument(metavar="NN")] = None,
) -> None:
    """Run notebooks 00 to 14, or those named, and tell which commands of Redis they teach.

    Of each group of data commands: run in a notebook, only explained in one's table, or missing.
    """
    from redis_lab.course import coverage
    from redis_lab.course.catalogue import verdicts

    chosen = [
        (entry, reason)
        for entry, reason in verdicts()
        if (entry.number in numbers if numbers else entry.number <= "14")
    ]
    if unknown := set(numbers or ()) - {entry.number for entry, _ in chosen}:
        raise typer.BadParameter(f"there is no notebook {', '.join(sorted(unknown))}")
    ran = {}
    for entry, reason in chosen:
        if reason:
            typer.echo(f"{entry.path.name}: not run: {reason}")
            continue
        with busy(f"Running {entry.path.name}"):
            ran[entry.number] = coverage.run(entry)
    found = coverage.taught(coverage.of_this_server(), [entry for entry, _ in chosen], ran)
    rows = []
    for group in coverage.GROUPS:
        those = [each for each in found if each.group == group]
        run = sum(bool(each.run_in) for each in those)
        told = sum(bool(each.explained_in) and not each.run_in for each in those)
        missing = [each.command for each in those if not (each.run_in or each.explained_in)]
        rows.append((group, len(those), run, told, ", ".join(missing)))
    table(("group", "commands", "run", "explained", "missing"), rows)
    covered = sum(bool(each.run_in or each.explained_in) for each in found)
    typer.echo(f"{covered} of {len(found)} commands: {covered / len(found):.0%}")


def _work() -> Path:
    """The learner's copy: this folder if it is one, else work in it."""
    from redis_lab.course.work import MEMORY

    here = Path.cwd()
    return here if (here / MEMORY).exists() else here / "work"
