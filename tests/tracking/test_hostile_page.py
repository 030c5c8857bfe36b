"""A stranger's study is shown by MLflow's page, and can do nothing there."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from pipeline.config import TrialConfig
from pipeline.tracking.ledger import MlflowLedger
from pipeline.tracking.store import artifact_root, tracking_uri
from pipeline.tracking.ui import serve, study_pages
from pipeline.trial import StudyState, TrialRow, TrialState
from tests.cli.test_ui import CHROMIUM, WAIT_MS, browser, page
from tests.tracking.builders import config, outcome, study

__all__ = ["browser", "page"]  # the fixtures of an empty page

EVIL = "http://evil.example"
HOSTILE = (
    "<script>window.hacked=1</script><img src=x onerror='window.hacked=2'>"
    f"![i]({EVIL}/i.png) <img src={EVIL}/j.png> [click](javascript:window.hacked=3) "
    f"<svg onload=window.hacked=4> <iframe src={EVIL}></iframe> [link]({EVIL}/k) `code` **bold**"
)
SECONDS_TO_DO_HARM = 1
SHORT = f"<img src={EVIL}/p.png onerror=window.hacked=5>"


@pytest.fixture(scope="module")
def pages(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The pages of a hostile study while they are served, each with a text that it shows."""
    home = tmp_path_factory.mktemp("hostile")
    shutil.copy(template / "mlflow.db", home / "mlflow.db")
    own: dict[str, Any] = {
        "model": {"class_path": "theirs.Net", "init_args": {"title": [SHORT, {SHORT: SHORT}]}},
        "space": {"flavour": {"choices": [SHORT, "sweet"]}},
    }
    ledger = MlflowLedger(tracking_uri(home), artifact_root(home), seconds_buffered=0)
    ledger.open(study("theirs", question=HOSTILE, **own))
    ended = [
        outcome(0, TrialState.FAIL, cause=f"{SHORT}: {HOSTILE}"),
        *(outcome(number) for number in (1, 2)),
    ]
    trials = [_trial(one.number, own["model"]) for one in ended]
    for trial, one in zip(trials, ended, strict=True):
        ledger.start(trial)
        ledger.finish(trial, one)
    rows = [TrialRow.of(trial, one) for trial, one in zip(trials, ended, strict=True)]
    ledger.close(StudyState(rows=rows, is_done=True))
    with serve(home, 0) as address:
        links = study_pages(home, address)["theirs"]
        root = links["study"].partition("/runs/")[0]
        yield {
            links["study"]: "window.hacked=1",
            links["leaderboard"]: "trial-001",
            links["curves"]: "Curves by epoch",
            links["compare"]: "Comparing 2 Runs",
            links["trials"]: "trial-000",
            f"{root}/runs/{ledger.run_ids[0]}?workflowType=machine_learning": "trial-000",
        }


def _trial(number: int, model: Any) -> TrialConfig:
    """A trial of the study whose one parameter is hostile."""
    other = config(number, "theirs").model_dump(exclude={"model", "params"})
    return TrialConfig.model_validate(other | {"model": model, "params": {"flavour": SHORT}})


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: chromium)")
def test_hostile_texts_are_shown_and_neither_run_nor_loaded(
    pages: dict[str, str], page: Page
) -> None:
    for address, text in pages.items():
        page.goto(address)
        expect(page.get_by_text(text).first).to_be_visible(timeout=WAIT_MS)
        page.wait_for_timeout(SECONDS_TO_DO_HARM * 1_000)
        assert page.evaluate("window.hacked") is None
        assert page.locator(f"a[href^='javascript:'], a[href^='{EVIL}']").count() == 0
        assert page.locator(f"img[src^='{EVIL}'], iframe[src^='{EVIL}']").count() == 0
