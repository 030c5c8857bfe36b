"""MLflow's page, served by `pipeline ui` and looked at by a real browser."""

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from pipeline.app.browse import show_study
from pipeline.app.workspace import Workspace
from tests.app.studies import command

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
WAIT_MS = 60_000
OF_THIS_MACHINE = ("http://127.0.0.1:", "data:", "blob:")
ERROR = 400
OPTIONAL = "/mlflow/users/current"
"""What MLflow's pages ask, and a server without accounts does not have."""


@pytest.fixture(scope="module")
def links(home: Path) -> Iterator[dict[str, dict[str, str]]]:
    """The addresses of each study's pages while `pipeline ui` serves the home."""
    words = command("ui", "--home", home, "--port", "0", "--json")
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        said = ""
        try:
            while not said.endswith("\n}\n"):
                line = server.stdout.readline()
                assert line, "the server ended"
                said += line
            yield json.loads(said)["studies"]
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(20)
    assert server.returncode == 130


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page, which afterwards has asked nobody but this machine and met no error."""
    page = browser.new_page(viewport={"width": 1500, "height": 1000})
    asked: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: errors.append(dialog.message))
    page.on("response", lambda answer: errors.extend([answer.url] * (answer.status >= ERROR)))
    yield page
    page.close()
    assert not [url for url in asked if not url.startswith(OF_THIS_MACHINE)]
    assert not [error for error in errors if not error.endswith(OPTIONAL)]


pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine (Debian: chromium)"
)


def row(page: Page, index: int) -> str:
    """The text of a row of the table, whose cells are in several parts of the page."""
    cells = page.locator(f'.ag-row[row-index="{index}"]')
    expect(cells.first).to_be_visible(timeout=WAIT_MS)
    return " ".join(" ".join(cells.all_inner_texts()).split())


def test_leaderboard_has_the_best_trials_first_with_value_and_rates(
    links: dict[str, dict[str, str]], page: Page, home: Path
) -> None:
    page.goto(links["small"]["leaderboard"])
    trials = show_study(Workspace(home=home, tracking_uri=None), "small").trials
    ranked = sorted(
        ((trial.value, trial) for trial in trials if trial.value is not None), key=itemgetter(0)
    )
    expect(page.get_by_text(f"{len(ranked)} matching runs")).to_be_visible(timeout=WAIT_MS)
    for index, (value, trial) in enumerate(ranked[:3]):
        shown = row(page, index)
        assert f"trial-{trial.number:03}" in shown
        assert f"{value:.12f}"[:10] in shown
        for name in ("input_dropout", "dropout_1"):
            if name in trial.params:
                assert str(trial.params[name])[:8] in shown, name
    expect(page.get_by_text("dropout_1", exact=True).first).to_be_visible()


def test_curves_of_the_best_are_drawn(links: dict[str, dict[str, str]], page: Page) -> None:
    page.goto(links["small"]["curves"])
    expect(page.get_by_text("Curves by epoch")).to_be_visible(timeout=WAIT_MS)
    expect(page.locator(".js-line").first).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_text("generalization_gap").first).to_be_visible()


def test_best_settings_are_compared(links: dict[str, dict[str, str]], page: Page) -> None:
    page.goto(links["small"]["compare"])
    expect(page.get_by_text("Comparing 5 Runs from 1 Experiment")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_text("Parallel Coordinates Plot").first).to_be_visible()


def test_all_trials_tell_which_were_pruned(
    links: dict[str, dict[str, str]], page: Page, home: Path
) -> None:
    page.goto(links["small"]["trials"])
    trials = show_study(Workspace(home=home, tracking_uri=None), "small").trials
    for number, trial in enumerate(trials[:10]):
        shown = row(page, number)
        assert f"trial-{number:03}" in shown
        assert trial.state.value in shown


def test_study_run_says_what_the_study_came_to(
    links: dict[str, dict[str, str]], page: Page
) -> None:
    page.goto(links["small"]["study"])
    expect(page.get_by_text("n_complete")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_text("Best: ")).to_be_visible()
    expect(page.get_by_text("search.sampler")).to_be_visible()


def test_trial_page_has_its_curves(links: dict[str, dict[str, str]], page: Page) -> None:
    page.goto(links["small"]["leaderboard"])
    trial = page.get_by_role("link", name="trial-003").first
    expect(trial).to_be_visible(timeout=WAIT_MS)
    trial.click()
    page.get_by_text("Model metrics").first.click()
    expect(page.get_by_text("generalization_gap").first).to_be_visible(timeout=WAIT_MS)
    expect(page.locator(".js-line").first).to_be_visible(timeout=WAIT_MS)
