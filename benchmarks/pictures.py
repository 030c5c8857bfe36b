"""Take the pictures of MLflow's pages that the documents show.

``pipeline run studies/mnist_5k_mlp.yaml``, then ``python -m benchmarks.pictures`` (Chromium, and
the extra ``dev`` for playwright).
"""

import argparse
import shutil
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, expect, sync_playwright

from pipeline.app.browse import serve_ui
from pipeline.app.workspace import Workspace

FOLDER: Final = Path(__file__).parents[1] / "docs/pictures"
STUDY: Final = "mnist-5k-mlp"
FLAGS: Final = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
WIDTH: Final = 1440
HEIGHTS: Final = {"curves": 1220}
"""Of each page in pixels, where it is not 900."""
WAIT_MS: Final = 120_000
SETTLING_MS: Final = 8_000
"""Charts are drawn one after the other, and nothing tells the last one."""
SHOWN: Final = {
    "leaderboard": ("leaderboard", ".ag-row"),
    "curves": ("curves", ".js-line, .scatterlayer .trace"),
    "compare": ("compare", ".js-plotly-plot"),
    "trials": ("all-trials", ".ag-row"),
    "study": ("study-run", "text=n_complete"),
}
"""Of each page the picture's name, and what must be seen before it is taken."""


def take(links: dict[str, str], folder: Path) -> None:
    """Take a picture of each page.

    Args:
        links: The pages by what they show.
        folder: Where the pictures go; older ones are replaced.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = _quiet_page(browser, links["study"])
        for what, address in links.items():
            name, seen = SHOWN[what]
            page.set_viewport_size({"width": WIDTH, "height": HEIGHTS.get(what, 900)})
            page.goto("about:blank")
            page.goto(address)
            expect(page.locator(seen).first).to_be_visible(timeout=WAIT_MS)
            page.wait_for_timeout(SETTLING_MS)
            page.screenshot(path=folder / f"mlflow-{name}.png")
        browser.close()


def _quiet_page(browser: Browser, address: str) -> Page:
    """A page whose browser has closed MLflow's assistant before, as its user does once."""
    page = browser.new_page()
    page.goto(address)
    question = page.get_by_placeholder("Ask a question")
    question.wait_for(timeout=WAIT_MS)
    page.get_by_role("button", name="Close").last.click()
    question.wait_for(state="hidden")
    return page


def main() -> None:
    """Serve a home and take the pictures of its study's pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path("mlruns"))
    parser.add_argument("--study", default=STUDY)
    parser.add_argument("--out", type=Path, default=FOLDER)
    given = parser.parse_args()
    with serve_ui(Workspace(home=given.home, tracking_uri=None), port=0) as pages:
        take(dict(pages.studies[given.study]), given.out)


if __name__ == "__main__":
    main()
