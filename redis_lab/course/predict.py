"""Predict cells: a question before the cell that answers it, with buttons where a kernel lives.

The same output carries a folded static form, for pages that are read without one. The first choice
is recorded in the learner's progress.
"""

import html
from collections.abc import Sequence
from typing import Any

from redis_lab.course import record
from redis_lab.course.learner import GREEN, RED, Shown


class Prediction(Shown):
    """A question with options: what predict() returns, and a notebook shows."""

    def __init__(self, question: str, options: Sequence[str], answer: str, because: str):
        self.question, self.options, self.answer, self.because = question, options, answer, because
        listed = "".join(f"<li>{html.escape(each)}</li>" for each in options)
        page = (
            f"<p><i>{html.escape(question)}</i></p><ul>{listed}</ul><details><summary>Answer"
            f"</summary><p><b>{html.escape(answer)}.</b> {html.escape(because)}</p></details>"
        )
        super().__init__(f"{question}\n" + "\n".join(f"  - {each}" for each in options), page)

    def choose(self, option: str) -> bool:
        """Record a choice; whether it is right. Only the first one counts."""
        right = option == self.answer
        record.prediction(self.question, right)
        return right

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        static = {"text/plain": repr(self), "text/html": self._repr_html_()}
        try:
            widget = self._widget()
        except ImportError:
            return static
        return {**static, **(widget._repr_mimebundle_() or {}), **static}

    def _widget(self) -> Any:
        from ipywidgets import HTML, Button, Layout, VBox

        said = HTML()
        buttons = [Button(description=each, layout=Layout(width="auto")) for each in self.options]

        def clicked(button: Any) -> None:
            right = self.choose(button.description)
            for each in buttons:
                each.disabled = True
                each.style.font_weight = "bold" if each.description == self.answer else "normal"
                each.icon = "arrow-left" if each is button else ""
            colour, word = (GREEN, "Yes.") if right else (RED, f"No: {html.escape(self.answer)}.")
            said.value = f'<b style="color:{colour}">{word}</b> {html.escape(self.because)}'

        for button in buttons:
            button.on_click(clicked)
        question = HTML(f"<i>{html.escape(self.question)}</i>")
        return VBox([question, *buttons, said], layout=Layout(align_items="flex-start"))


def predict(
    question: str, *, options: Sequence[str], answer: int | str, because: str
) -> Prediction:
    """Ask before you measure: buttons in a notebook, a folded answer on a page.

    answer: one of the options, or its place from 0; because: a sentence shown with it. Raises
    ValueError for fewer than two options, options that are alike, or an answer that is none.
    """
    choices = [str(each) for each in options]
    if len(choices) < 2 or len(set(choices)) != len(choices):
        raise ValueError(f"options must be two or more, all different, not {choices}")
    if isinstance(answer, int) and not isinstance(answer, bool) and 0 <= answer < len(choices):
        answer = choices[answer]
    if answer not in choices:
        raise ValueError(f"answer must be one of {', '.join(choices)}, not {answer!r}")
    return Prediction(str(question), choices, str(answer), str(because))
