"""JupyterLab as a learner starts it, and a real browser that looks at it."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from redis_lab.lab import processes

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
PATIENCE = 120.0
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--no-sandbox", "--disable-background-networking", "--no-first-run", "--disable-sync",
    "--disable-dev-shm-usage",
)  # fmt: skip


@pytest.fixture(scope="session")
def browser():
    """Debian's Chromium under Playwright. Skipped where there is none, except in CI."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        found, why = None, "the package playwright is missing"
    else:
        why = "no Chromium on PATH"
    if not found:
        assert "CI" not in os.environ, why
        pytest.skip(f"{why}: make test-browser gets it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def jupyterlab(tmp_path):
    """The address of a JupyterLab that `redis-lab lab` opened on a fresh copy of the course."""
    settings = tmp_path / "settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    # All cells stay in the page, so that the test can look at each.
    (settings / "tracker.jupyterlab-settings").write_text(json.dumps({"windowingMode": "none"}))
    own = {
        "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_DATA_DIR": str(tmp_path / "data"),
        "REDIS_LAB_STATE": str(tmp_path / "state"),
    }
    port = processes.free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "redis_lab.cli", "lab", "--no-browser", "--port", str(port)],
        cwd=tmp_path,
        env={**os.environ, **own},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    said: list[str] = []
    address = threading.Event()

    def listen():
        for line in process.stderr:
            said.append(line)
            if "?token=" in line:
                address.set()

    threading.Thread(target=listen, daemon=True).start()
    assert address.wait(PATIENCE), "".join(said)
    found = re.search(r"(http://127\.0\.0\.1:\d+)/lab\S*\?token=(\w+)", "".join(said))
    yield found[1], found[2], tmp_path
    process.terminate()
    process.wait(PATIENCE)


@pytest.fixture
def notebook(browser, jupyterlab, request):
    """Call it with a notebook's file name to open it; a screenshot is kept at the end."""
    url, token, _ = jupyterlab
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(PATIENCE * 1000)

    def open_notebook(name):
        page.goto(f"{url}/lab/tree/{name}?reset&token={token}")
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
        return page

    yield open_notebook
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{request.node.name}.png")
    page.close()
