"""The page on using a network, its code run as it is."""

import json
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch

from tests.docs.pages import run_page

PAGE = Path(__file__).parents[2] / "docs/use-what-you-found.md"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # MLflow's and torch.export's own
def test_the_page_s_code_loads_serves_and_exports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIPELINE_NO_MODELS")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    try:
        names = run_page(PAGE, tmp_path, monkeypatch)
    finally:
        mlflow.set_tracking_uri("")  # the page sets it for the whole process
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    labels = names["load_digits"]().target.astype(str)
    assert (np.array(names["classes"]) == labels).mean() > 0.2
    logits = torch.from_numpy(names["logits"])
    assert torch.allclose(names["again"], logits, atol=1e-5)
    assert np.allclose(names["by_onnx"], names["logits"], atol=1e-4)
    assert torch.allclose(names["probabilities"], logits.softmax(1), atol=1e-5)
    assert json.loads(names["said"]["dropout_search.json"])["inputs"]["scale"] == 16


def test_the_record_says_how_new_rows_are_made(tmp_path: Path) -> None:
    from pipeline.config import DataConfig
    from pipeline.learning.data import locate, prepare
    from tests.learning.custom.trials import fit, own_trial

    config = DataConfig(name="digits")
    digits = prepare(locate(config, None, cache=tmp_path, system_roots=()), cache=tmp_path)
    facts = fit(digits, own_trial("Plain")).facts
    assert facts is not None
    assert (facts.input_shape, facts.n_classes, facts.scale) == ((8, 8), 10, 16)
    assert facts.class_names == tuple("0123456789")
