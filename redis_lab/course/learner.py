"""What a learner calls: check, hint, solution, progress. Each returns what a notebook shows."""

import contextlib
import html
from collections.abc import Iterator, Sequence
from typing import Any

from redis_lab.course import exercise as exercises
from redis_lab.course import record
from redis_lab.course.exercise import Exercise, Verdict, judge
from redis_lab.errors import LabUnavailable

GREEN, RED = "#009E73", "#D55E00"
CODE = "white-space:pre-wrap;font-family:var(--jp-code-font-family,monospace);margin:4px 0"


class Shown:
    """Text that a notebook shows as HTML and a terminal as it is."""

    def __init__(self, text: str, page: str):
        self._text = text
        self._page = page

    def __repr__(self) -> str:
        return self._text

    def _repr_html_(self) -> str:
        return self._page


class Checked(Shown):
    """What check() returns. passed: whether the answer does all it must."""

    def __init__(self, verdict: Verdict):
        super().__init__(_verdict_text(verdict), _verdict_page(verdict))
        self.passed = verdict.passed
        self.reasons = verdict.reasons

    def __bool__(self) -> bool:
        return self.passed


def check(exercise_id: str, answer: Any) -> Checked:
    """Judge an answer by what it does on a real server, which is started for it.

    answer: the function itself. On a server that lacks what the exercise needs it says so, and
    nothing is counted as tried. Raises ValueError for an unknown id.
    """
    exercise = exercises.find(exercise_id)
    try:
        verdict = judge(exercise, answer)
    except KeyboardInterrupt:
        return Checked(Verdict(exercise, (), "you stopped the check"))
    except LabUnavailable as error:
        return Checked(Verdict(exercise, (), f"it was not judged: {error}"))
    with _recorded(exercise_id) as fields:
        fields["attempts"] += 1
        if verdict.passed and not fields["passed"]:
            fields["passed"] = record.now()
    return Checked(verdict)


def hint(exercise_id: str) -> Shown:
    """One more hint each time. Raises ValueError for an unknown id."""
    exercise = exercises.find(exercise_id)
    with _recorded(exercise_id) as fields:
        fields["hints"] = min(fields["hints"] + 1, len(exercise.hints))
        given = fields["hints"]
    of = f"{given} of {len(exercise.hints)}"
    last = f' That was the last; rl.solution("{exercise_id}") shows one way.'
    end = last if given == len(exercise.hints) else ""
    lines = [f"{place}. {text}" for place, text in enumerate(exercise.hints[:given], 1)]
    text = "\n".join([f"Hints, {of}.{end}", *lines])
    points = "".join(f"<li>{_marked(each)}</li>" for each in exercise.hints[:given])
    return Shown(text, f"<b>Hints, {of}.</b>{html.escape(end)}<ol>{points}</ol>")


def solution(exercise_id: str, force: bool = False) -> Shown:
    """One solution; before a first attempt it asks whether you mean it.

    force: show it without asking. Raises ValueError for an unknown id.
    """
    exercise = exercises.find(exercise_id)
    if not record.of(exercise_id)["attempts"] and not force:
        text = (
            f"You have not tried {exercise_id} yet. A wrong try teaches more than a right solution "
            f'read. To see it all the same: rl.solution("{exercise_id}", force=True)'
        )
        return Shown(text, f"<p>{html.escape(text)}</p>")
    with _recorded(exercise_id) as fields:
        fields["solution"] = fields["solution"] or record.now()
    source = exercise.source(exercise.solution)
    page = f'<pre style="{CODE}">{html.escape(source)}</pre><p>{_marked(exercise.why)}</p>'
    return Shown(f"{source}\n\n{exercise.why}", page)


def progress() -> Shown:
    """Where you are: each notebook's exercises, and your predictions."""
    rows = progress_rows()
    head = ("notebook", "exercise", "state", "attempts", "hints")
    total = progress_total(rows)
    widths = [max(len(str(row[place])) for row in [head, *rows]) for place in range(len(head))]
    lines = [_spaced(row, widths) for row in [head, *rows]]
    cells = "".join(
        "<tr>" + "".join(f'<td style="text-align:left">{html.escape(str(v))}</td>' for v in row)
        + "</tr>"
        for row in rows
    )  # fmt: skip
    heads = "".join(f'<th style="text-align:left">{each}</th>' for each in head)
    page = f"<p>{total}</p><table><thead><tr>{heads}</tr></thead><tbody>{cells}</tbody></table>"
    return Shown("\n".join([total, "", *lines]), page)


def progress_rows() -> list[tuple[Any, ...]]:
    """(notebook, id, state, attempts, hints) of every exercise, in the order of the course."""
    known = record.read()["exercises"]
    rows = []
    for exercise in map(exercises.find, exercises.ids()):
        fields = {**record.FIELDS, **known.get(exercise.id, {})}
        state = "passed" if fields["passed"] else "tried" if fields["attempts"] else "open"
        if state == "passed" and fields["solution"] and fields["solution"] < fields["passed"]:
            state = "passed, solution seen"
        row = (exercise.notebook, exercise.id, state, fields["attempts"], fields["hints"])
        rows.append(row)
    return sorted(rows)


def progress_total(rows: Sequence[Sequence[Any]]) -> str:
    """The sum of it in a sentence."""
    passed = sum(row[2].startswith("passed") for row in rows)
    made = record.read()["predictions"].values()
    right = f"{sum(map(bool, made))} of {len(made)} predictions right"
    return f"{passed} of {len(rows)} exercises passed, {right}"


@contextlib.contextmanager
def _recorded(exercise_id: str) -> Iterator[dict[str, Any]]:
    """The fields of an exercise, to be changed; where they can't be kept, learning goes on."""
    stack = contextlib.ExitStack()
    try:
        fields = stack.enter_context(record.exercise(exercise_id))
    except OSError as error:
        record.not_kept(error)
        fields = dict(record.FIELDS)
    yield fields
    try:
        stack.close()
    except OSError as error:
        record.not_kept(error)


def _spaced(row: Sequence[Any], widths: Sequence[int]) -> str:
    pairs = zip(row, widths, strict=True)
    return "  ".join(str(value).ljust(width) for value, width in pairs).rstrip()


def _verdict_text(verdict: Verdict) -> str:
    lines = [f"{verdict.exercise.title}: {'passed' if verdict.passed else 'not yet'}"]
    for line in verdict.lines:
        lines.append(f"  {'✓' if line.passed else '✗'} {line.claim}")
        lines += [] if line.passed else [f"    {line.why_not}"]
    lines += [f"  ✗ {verdict.refused}"] if verdict.refused else []
    lines += [f"  it printed: {verdict.printed}"] if verdict.printed else []
    return "\n".join([*lines, *_ending(verdict)])


def _verdict_page(verdict: Verdict) -> str:
    colour, word = (GREEN, "passed") if verdict.passed else (RED, "not yet")
    points = []
    for line in verdict.lines:
        mark = _mark(line.passed)
        points.append(f"{mark} {_marked(line.claim)}")
        if not line.passed:
            points[-1] += f'<div style="margin-left:1.4em">{_marked(line.why_not)}</div>'
    points += [f"{_mark(False)} {_marked(verdict.refused)}"] if verdict.refused else []
    if verdict.printed:
        points.append(f'it printed: <pre style="{CODE}">{html.escape(verdict.printed)}</pre>')
    body = "".join(f"<div>{each}</div>" for each in points)
    after = "".join(f"<p>{_marked(each)}</p>" for each in _ending(verdict))
    title = f"<b>{html.escape(verdict.exercise.title)}: {word}</b>"
    return (
        f'<div style="border-left:4px solid {colour};padding-left:10px">{title}{body}{after}</div>'
    )


def _ending(verdict: Verdict) -> list[str]:
    exercise: Exercise = verdict.exercise
    if verdict.passed:
        return [exercise.why]
    return [f'Stuck? rl.hint("{exercise.id}")']


def _mark(passed: bool) -> str:
    colour, sign = (GREEN, "✓") if passed else (RED, "✗")
    return f'<span style="color:{colour};font-weight:bold">{sign}</span>'


def _marked(text: str) -> str:
    """Escaped, with what stands between backticks as code."""
    parts = html.escape(text, quote=False).split("`")
    return "".join(f"<code>{p}</code>" if n % 2 else p for n, p in enumerate(parts))
