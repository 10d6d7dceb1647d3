"""An exercise: one small module below redis_lab/course/exercises, read as data.

exercises/strings/ticket.py is the exercise "strings.ticket"; the learner writes a function called
ticket. The module has NOTEBOOK, TITLE, HINTS (three or more), WHY; SHAPE, OPTIONS, MIN_VERSION,
MODULES, CONFIG and SECONDS where the defaults won't do; the functions stub, solution and
check(trial); and wrong answers that people really give, each a function wrong_… whose docstring is
in the reason that it must be refused for.
"""

import importlib
import inspect
import pkgutil
import re
import textwrap
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from redis.exceptions import ConnectionError, TimeoutError

from redis_lab.course import answers
from redis_lab.course.answers import Killed, Refused
from redis_lab.course.trial import EndOfCheck, Line, Trial

FOLDER = Path(__file__).with_name("exercises")
PACKAGE = "redis_lab.course.exercises"
_one_at_a_time = threading.Lock()  # what is printed is caught for the whole process
NOTHING = "your function returned None every time: is a return missing?"


@dataclass(frozen=True)
class Exercise:
    """One exercise. id: "strings.ticket"; notebook: its number, as text.

    hints: from gentle to plain; why: what it teaches for production, shown on success. shape,
    options (what that shape takes, as {"spares": 1}), config, min_version, modules: the lab that
    the check starts. seconds: a call's time limit. wrong: wrong answers by name.
    """

    id: str
    notebook: str
    title: str
    hints: tuple[str, ...]
    why: str
    stub: Callable[..., Any]
    solution: Callable[..., Any]
    check: Callable[[Trial], None]
    wrong: dict[str, Callable[..., Any]]
    shape: str = "standalone"
    options: dict[str, Any] | None = None
    config: dict[str, Any] | None = None
    min_version: str = "7.0"
    modules: tuple[str, ...] = ()
    seconds: float = 5.0

    @property
    def name(self) -> str:
        """What the learner's function is called."""
        return self.id.rpartition(".")[2]

    def source(self, function: Callable[..., Any]) -> str:
        """The source of stub, solution or a wrong answer, under the name the learner uses."""
        text = textwrap.dedent(inspect.getsource(function)).rstrip()
        return re.sub(rf"\b{function.__name__}\b", self.name, text)


@dataclass(frozen=True)
class Verdict:
    """What a check found. refused: why the answer could not be judged further, else empty."""

    exercise: Exercise
    lines: tuple[Line, ...]
    refused: str = ""
    printed: str = ""

    @property
    def passed(self) -> bool:
        """Everything that was looked at is so."""
        return not self.refused and bool(self.lines) and all(line.passed for line in self.lines)

    @property
    def reasons(self) -> list[str]:
        """Why it did not pass."""
        failed = [line.why_not for line in self.lines if not line.passed]
        return [*failed, *([self.refused] if self.refused else [])]


def judge(exercise: Exercise, answer: Any) -> Verdict:
    """Start the exercise's servers, let its check look at the answer, stop them.

    Raises LabUnavailable where the servers can't be had.
    """
    import redis_lab.lab

    try:
        answers.require_callable(answer, exercise.stub, exercise.name)
    except Refused as refusal:
        return Verdict(exercise, (), str(refusal))
    start = getattr(redis_lab.lab, exercise.shape)
    needs = {"min_version": exercise.min_version, "modules": exercise.modules}
    lab = start(config=exercise.config or {}, **needs, **exercise.options or {})
    with lab, _one_at_a_time, answers.quiet() as printed:
        trial = Trial(answer, lab, exercise.seconds)
        refusals = []
        try:
            for step in (exercise.check, Trial.inspect):
                try:
                    step(trial)
                except EndOfCheck:
                    pass
                except Refused as refusal:
                    refusals.append(str(refusal))
                except Killed:  # where the check did not expect it to talk to Redis
                    refusals.append("it went to Redis where nothing was asked of it yet")
                except (ConnectionError, TimeoutError) as error:
                    refusals.append(f"the server went away: did the function stop it? ({error})")
                except Exception as error:  # a check that stumbles over what it was handed
                    said = answers.in_words(error, str)
                    refusals.append(f"the check could not go on: {type(error).__name__}: {said}")
        finally:
            trial.end()
    if not trial.lines and not refusals:
        refusals.append("the check looked at nothing")
    verdict = Verdict(exercise, tuple(trial.lines), "; ".join(refusals), str(printed))
    if not verdict.passed and not trial.returned_something and _returns(exercise.solution):
        return replace(verdict, refused=verdict.refused or NOTHING)
    return verdict


def _returns(function: Callable[..., Any]) -> bool:
    return bool(re.search(r"\breturn \S", inspect.getsource(function)))


@cache
def find(exercise_id: str) -> Exercise:
    """The exercise of this id. Raises ValueError that lists those with a similar id."""
    if exercise_id not in ids():
        near = get_close_matches(str(exercise_id), ids(), 3, 0.4) or ids()[:3]
        raise ValueError(f"there is no exercise {exercise_id!r}; near it are {', '.join(near)}")
    module = importlib.import_module(f"{PACKAGE}.{exercise_id}")
    said = vars(module)
    options = {name.lower(): said[name] for name in _OPTIONS if name in said}
    wrong = {name: each for name, each in said.items() if name.startswith("wrong_")}
    return Exercise(
        exercise_id, module.NOTEBOOK, module.TITLE, tuple(module.HINTS), module.WHY,
        module.stub, module.solution, module.check, wrong, **options,
    )  # fmt: skip


@cache
def ids() -> tuple[str, ...]:
    """The ids of all exercises, in alphabetical order."""
    topics = [path for path in sorted(FOLDER.iterdir()) if path.is_dir() and path.name[0] != "_"]
    return tuple(
        f"{topic.name}.{module.name}"
        for topic in topics
        for module in pkgutil.iter_modules([str(topic)])
    )


def of_notebook(number: str) -> list[Exercise]:
    """The exercises of one notebook."""
    return [exercise for exercise in map(find, ids()) if exercise.notebook == number]


_OPTIONS = ("SHAPE", "OPTIONS", "CONFIG", "MIN_VERSION", "MODULES", "SECONDS")
