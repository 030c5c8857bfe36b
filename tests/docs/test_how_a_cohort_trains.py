"""The page on networks and cohorts, its code run as it is."""

import re
import warnings
from pathlib import Path

import pytest
import torch

from pipeline import MLP
from pipeline.learning.lightning import expected_warnings
from tests.docs.pages import run_page

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/how-a-cohort-trains.md"


def test_the_page_s_code_trains_loads_and_predicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with expected_warnings(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's advice on loggers and loaders
        names = run_page(PAGE, tmp_path, monkeypatch)
    assert names["trainer"].callback_metrics["val_accuracy"] > 0.8
    assert isinstance(names["model"], MLP)
    right = names["classes"] == names["rows"].tensors[1]
    assert right.float().mean() > 0.2
    assert not names["model"].training
    assert not torch.is_inference_mode_enabled()


def test_the_page_names_files_that_exist() -> None:
    named = re.findall(r"`((?:learning|config)/[\w/]+\.py)`", PAGE.read_text(encoding="utf-8"))
    assert named
    assert all((ROOT / "pipeline" / name).exists() for name in named)
