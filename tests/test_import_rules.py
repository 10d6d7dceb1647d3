"""Who may know whom (DESIGN.md): the arrows between the parts, checked on the source."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import redis_lab

HOME = Path(redis_lab.__file__).parent
SOURCES = {path.relative_to(HOME): path for path in sorted(HOME.rglob("*.py"))}
# part: the parts it may import, besides itself and errors
ARROWS = {
    "__init__": {"errors", "lab", "magics", "observe", "patterns", "show", "data", "course"},
    "errors": set(),
    "replies": set(),
    "patterns": set(),
    "board": {"patterns"},
    "lab": set(),
    "observe": set(),
    "data": set(),
    "show": {"observe", "lab"},
    "course": {"board", "patterns", "observe", "show", "lab", "data"},
    "magics": {"lab", "observe", "replies"},
}
ALL = {*ARROWS, "cli"}


def part_of(module: Path) -> str:
    return module.parts[0].removesuffix(".py")


def imported(module: Path) -> set[str]:
    """The dotted names of all that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(SOURCES[module].read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def own_parts(module: Path) -> set[str]:
    names = [name.split(".") for name in imported(module)]
    return {name[1] for name in names if name[0] == "redis_lab" and len(name) > 1} & ALL


@pytest.mark.parametrize("module", SOURCES, ids=str)
def test_a_part_imports_only_what_it_may(module):
    """An arrow is an import; nothing else is allowed."""
    part = part_of(module)
    if part.startswith("cli"):
        return
    assert own_parts(module) <= ARROWS[part] | {part, "errors"}


@pytest.mark.parametrize("module", [m for m in SOURCES if part_of(m) == "patterns"], ids=str)
def test_patterns_know_no_third_party_but_redis(module):
    """A pattern can be lifted out of here with redis-py alone."""
    roots = {name.partition(".")[0] for name in imported(module)}
    assert roots <= {*sys.stdlib_module_names, "redis", "redis_lab"}


@pytest.mark.parametrize("module", [m for m in SOURCES if "exercises" not in m.parts], ids=str)
def test_a_module_can_be_read_in_one_sitting(module):
    """At most 250 lines."""
    assert len(SOURCES[module].read_text().splitlines()) <= 250


@pytest.mark.parametrize("module", [m for m in SOURCES if part_of(m) != "cli"], ids=str)
def test_only_commands_print(module):
    """The package logs, or shows through IPython; print is for what is run in a terminal."""
    text = SOURCES[module].read_text()
    calls = [node for node in ast.walk(ast.parse(text)) if is_print(node)]
    assert not calls or '__name__ == "__main__"' in text, f"{module}:{calls[0].lineno}"


def is_print(node):
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    )


@pytest.mark.parametrize("module", [m for m in SOURCES if part_of(m) == "lab"], ids=str)
def test_shapes_and_formation_know_no_runner(module):
    """Only backends chooses a runner, and runners know neither shape nor formation."""
    names = imported(module)
    runners = {"redis_lab.lab.processes", "redis_lab.lab.compose"}
    if module.name in ("processes.py", "compose.py"):
        assert not {name for name in names if name.startswith("redis_lab.lab.formation")}
        assert not names & {"redis_lab.lab.formation", "redis_lab.lab.topology"}
    elif module.name != "backends.py":
        assert not {name for name in names if name.rpartition(".")[0] in runners} | names & runners


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import redis_lab", ["pandas", "matplotlib", "IPython", "psutil", "redis"]),
        (
            "import redis_lab.patterns",
            ["pandas", "matplotlib", "IPython", "psutil", "redis_lab.lab"],
        ),
        ("import redis_lab; redis_lab.standalone", ["pandas", "matplotlib", "IPython", "trustme"]),
    ],
)
def test_importing_is_light(statement, heavy):
    """What is not needed is not loaded: names are looked up when they are first used."""
    program = f"{statement}\nimport sys\nprint(*[name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


def test_every_public_name_is_there():
    """All names of redis_lab.__all__ can be looked up, and are listed by dir()."""
    for name in redis_lab.__all__:
        if name not in ("magics", "course"):  # they need IPython
            assert getattr(redis_lab, name) is not None
    assert set(redis_lab.__all__) <= set(dir(redis_lab))
    with pytest.raises(AttributeError, match="nope"):
        _ = redis_lab.nope
