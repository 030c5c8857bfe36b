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
from pipeline.tracking.ui import serve
from pipeline.trial import TrialState
from tests.cli.test_ui import CHROMIUM, WAIT_MS, page
from tests.tracking.builders import config, outcome, row, study

__all__ = ["page"]  # the fixture of an empty page

EVIL = "http://evil.example"
HOSTILE = (
    "<script>window.hacked=1</script><img src=x onerror='window.hacked=2'>"
    f"![i]({EVIL}/i.png) <img src={EVIL}/j.png> [click](javascript:window.hacked=3) "
    f"<svg onload=window.hacked=4> <iframe src={EVIL}></iframe> [link]({EVIL}/k) `code` **bold**"
)
SECONDS_TO_DO_HARM = 2
SHORT = f"<img src={EVIL}/p.png onerror=window.hacked=5>"


@pytest.fixture(scope="module")
def pages(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The pages of a hostile study, of its run, and of its trial, while they are served."""
    home = tmp_path_factory.mktemp("hostile")
    shutil.copy(template / "mlflow.db", home / "mlflow.db")
    own: dict[str, Any] = {"model": {"class_path": "theirs.Net"}, "space": {"flavour": SHORT}}
    given = study("theirs", question=HOSTILE, **own)
    trial = TrialConfig.model_validate(
        config(0, "theirs").model_dump(exclude={"model", "params"})
        | {"model": own["model"], "params": {"flavour": SHORT}}
    )
    ledger = MlflowLedger(tracking_uri(home), artifact_root(home), seconds_buffered=0)
    ledger.open(given)
    ledger.start(trial)
    ledger.finish(trial, outcome(0, TrialState.FAIL, cause=f"{SHORT}: {HOSTILE}"))
    best = row(0)
    best.params["flavour"] = SHORT
    ledger.close([best], is_done=True)
    with serve(home, 0) as address:
        server = address.partition("#")[0]
        experiment = f"{server}#/experiments/{ledger._study_run.info.experiment_id}"
        runs = [ledger._study_run.info.run_id, ledger.run_ids[0]]
        yield [f"{experiment}/runs", *(f"{experiment}/runs/{run_id}" for run_id in runs)]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: chromium)")
def test_hostile_texts_are_shown_and_neither_run_nor_loaded(pages: list[str], page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    shown = ["theirs", "window.hacked=1", "trial-000"]
    for address, text in zip(pages, shown, strict=True):
        page.goto(address)
        expect(page.get_by_text(text).first).to_be_visible(timeout=WAIT_MS)
        page.wait_for_timeout(SECONDS_TO_DO_HARM * 1_000)
        assert page.evaluate("window.hacked") is None
        assert page.locator(f"a[href^='javascript:'], a[href^='{EVIL}']").count() == 0
        assert page.locator(f"img[src^='{EVIL}'], iframe[src^='{EVIL}']").count() == 0
    assert not [url for url in asked if url.startswith(EVIL)]
