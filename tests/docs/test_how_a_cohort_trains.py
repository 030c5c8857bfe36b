"""The page on networks and cohorts, its code run as it is."""

import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from pipeline import MLP
from pipeline.learning.lightning import expected_warnings
from tests.app.studies import PRUNED_TOO, with_store

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/how-a-cohort-trains.md"


def test_the_page_s_code_trains_loads_and_predicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_store(tmp_path / "mlruns")
    changes = {"training": {"epochs": 2}, "search": {"trials": 2}, "trials": []}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(PRUNED_TOO | changes))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    with expected_warnings(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's advice on loggers and loaders
        for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
            exec(code, names)  # noqa: S102 - the page's own code
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
