"""MLflow's page, served by `pipeline ui` and looked at by a real browser."""

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.app.studies import command

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
WAIT_MS = 60_000


@pytest.fixture(scope="module")
def links(home: Path) -> Iterator[dict[str, str]]:
    """The address of each study's page while `pipeline ui` serves the home."""
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


@pytest.fixture
def page() -> Iterator[Page]:
    """An empty page of a headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser.new_page(viewport={"width": 1500, "height": 1000})
        browser.close()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: chromium)")
def test_page_shows_the_studys_nested_runs_and_a_curve(links: dict[str, str], page: Page) -> None:
    page.goto(links["small"])
    expect(page.get_by_role("link", name="small").last).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_role("link", name="trial-003")).to_have_count(0)
    page.locator(".ag-row button").first.click()
    trial = page.get_by_role("link", name="trial-003").first
    expect(trial).to_be_visible(timeout=WAIT_MS)
    trial.click()
    page.get_by_text("Model metrics").first.click()
    expect(page.get_by_text("train_loss_no_dropout").first).to_be_visible(timeout=WAIT_MS)
    expect(page.locator(".js-line").first).to_be_visible(timeout=WAIT_MS)
