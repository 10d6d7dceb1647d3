"""The course in a real browser: what a learner sees and clicks, from `redis-lab lab` on."""

import json

import pytest

from redis_lab.lab.waiting import wait_until

pytestmark = pytest.mark.browser
NOTEBOOK = "00_start_here.ipynb"


def cells(page, text):
    """The code cells whose source contains the text."""
    return page.locator(".jp-CodeCell").filter(has=page.locator(".cm-content", has_text=text))


def run_all(page):
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()


def run(page, cell):
    cell.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")


def test_all_cells_of_a_notebook_run_in_the_browser(notebook, jupyterlab):
    """Every cell gets its number, figures and replies of Redis are seen, nothing is an error."""
    page = notebook(NOTEBOOK)
    run_all(page)
    last = page.locator(".jp-CodeCell").last
    page.wait_for_function(
        "cell => /\\[\\d+\\]/.test(cell.querySelector('.jp-InputPrompt').textContent)",
        arg=last.element_handle(),
    )
    number = last.locator(".jp-InputPrompt").inner_text()
    assert number == f"[{page.locator('.jp-CodeCell').count()}]:"
    assert page.locator('[data-mime-type="application/vnd.jupyter.stderr"]').count() == 0
    assert page.locator('[data-mime-type="application/vnd.jupyter.error"]').count() == 0
    assert page.locator(".jp-RenderedImage img").count() >= 1
    assert cells(page, "%%redis").first.locator(".jp-OutputArea-output").inner_text()


def test_a_prediction_is_a_widget_that_answers(notebook, jupyterlab):
    """Buttons are seen; a click says whether it is right, and why, and is recorded."""
    page = notebook(NOTEBOOK)
    run_all(page)
    asked = page.locator(".jp-CodeCell").filter(has_text="How many of the 1,001 keys")
    asked.get_by_role("button", name="about half").click()
    asked.get_by_text("No: none.").wait_for()
    assert asked.get_by_role("button", name="none", exact=True).is_disabled()
    record = jupyterlab[2] / "state" / "progress.json"
    wait_until(lambda: "" if record.exists() else "no record", 20, "the record")
    assert list(json.loads(record.read_text())["predictions"].values()) == [False]


def test_an_exercise_is_solved_by_typing(notebook):
    """The stub is refused; the typed answer turns the check green."""
    page = notebook("01_strings_and_counters.ipynb")
    run(page, page.locator(".jp-CodeCell").first)
    stub, check = cells(page, "def sell("), cells(page, 'rl.check("strings.sell"')
    run(page, stub)
    run(page, check)
    check.get_by_text("Sold out: not yet").wait_for()
    stub.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.type("def sell(r, flight, seats):\n")
    page.keyboard.type('seat = r.incr(f"seats:{flight}")\n')
    page.keyboard.type("return seat if seat <= seats else None")
    page.keyboard.press("Shift+Enter")
    run(page, check)
    check.get_by_text("Sold out: passed").wait_for()
    border = check.locator(".jp-OutputArea-output div").first
    assert "rgb(0, 158, 115)" in border.evaluate("each => getComputedStyle(each).borderLeftColor")
