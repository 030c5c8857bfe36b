"""What a module logs through its logger is kept with its trial, and changes no bit."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.app.doctor import examine
from pipeline.config import TrialConfig
from pipeline.learning.custom.trial_logger import (
    MOST_FILES,
    LoggedFiles,
    TrialLogger,
    file_name,
)
from pipeline.learning.data import PreparedData
from pipeline.trial import Assignment, TrialOutcome, TrialState
from tests.learning.checkpoints import stops
from tests.learning.custom.talking import a_figure
from tests.learning.custom.test_folds import N_TRIALS, study_in
from tests.learning.custom.trials import fit, own_trial

DRAWN = {
    *("plots_line-0.svg", "plots_line-1.svg", "grey.png", "notes.txt", "facts.json"),
    *("val_line_0.png", "val_line_1.png", "val_image_0.png", "val_image_1.png", "said.txt"),
}


def talking(model: str, **params: Any) -> TrialConfig:
    """A trial of a module of ``talking.py``."""
    config = own_trial("Plain", **params)
    path = f"tests.learning.custom.talking.{model}"
    return config.model_copy(update={"model": config.model.model_copy(update={"class_path": path})})


def picture(content: bytes) -> np.ndarray[Any, Any]:
    """A picture's pixels."""
    return np.asarray(Image.open(io.BytesIO(content)))


def test_figures_images_and_texts_are_kept_by_name_and_change_no_bit(
    digits: PreparedData,
) -> None:
    outcome = fit(digits, talking("Drawing"), epochs=2)
    assert outcome.state is TrialState.COMPLETE, outcome.cause
    assert outcome.logged_files.keys() == DRAWN
    assert outcome.unlogged == ()
    assert outcome.logged_files["notes.txt"] == b"epoch 1", "a name that comes again replaces"
    assert json.loads(outcome.logged_files["facts.json"]) == {"epoch": 1}
    assert outcome.logged_files["plots_line-0.svg"].startswith(b"<?xml")
    assert (picture(outcome.logged_files["grey.png"]) == 200).all()
    assert (picture(outcome.logged_files["val_image_1.png"]) == 255).all()
    assert picture(outcome.logged_files["val_line_0.png"]).ndim == 3
    plain = fit(digits, own_trial("Plain"), epochs=2)
    assert outcome.weights_sha256 == plain.weights_sha256
    assert [one.measured for one in outcome.curve] == [one.measured for one in plain.curve]


def test_each_fold_has_its_own_files(digits: PreparedData) -> None:
    config = talking("Drawing")
    folded = config.model_copy(update={"data": config.data.model_copy(update={"folds": 2})})
    outcome = fit(digits, folded, epochs=2)
    expected = {f"fold_{fold}_{name}" for fold in (1, 2) for name in DRAWN}
    assert outcome.logged_files.keys() == expected


def test_files_lead_nowhere_and_what_is_not_kept_is_told(digits: PreparedData) -> None:
    outcome = fit(digits, talking("Escaping"), epochs=1)
    assert outcome.state is TrialState.COMPLETE, outcome.cause
    assert outcome.logged_files.keys() == {
        *("outside.txt", "etc_passwd.txt", "record.json", "unnamed.txt"),
    }
    assert set(outcome.unlogged) == {"broken.png", "large.txt", "seven-channels.png", "set.json"}
    assert "4 logged names not kept: broken.png, large.txt" in (outcome.warning or "")


def test_a_trial_has_so_many_files_at_most(digits: PreparedData) -> None:
    outcome = fit(digits, talking("Flooding", batch_size=10), epochs=1)
    assert len(outcome.logged_files) == MOST_FILES
    assert "step_64.txt" in outcome.unlogged
    assert "logged names not kept" in (outcome.warning or "")


NAMES = {
    "up": ("../../x.png", "x.png"),
    "absolute": ("/etc/passwd", "etc_passwd.txt"),
    "windows": ("C:\\x\\y.png", "C_x_y.png"),
    "hidden": (".bashrc", "bashrc.txt"),
    "empty": ("", "unnamed.txt"),
    "dots": ("...", "unnamed.txt"),
    "newline": ("a\nb.txt", "a_b.txt"),
    "null": ("a\0b.txt", "a_b.txt"),
    "unicode": ("\u202ex.txt", "x.txt"),
    "long": ("x" * 300 + ".png", "x" * 96 + ".png"),
    "nested": ("plots/epoch_1/x.html", "plots_epoch_1_x.html"),
    "no suffix": ("report", "report.txt"),
}


@pytest.mark.parametrize(("name", "safe"), NAMES.values(), ids=NAMES)
def test_a_name_is_one_of_a_file_in_one_folder(name: str, safe: str) -> None:
    assert file_name(name, ".txt") == safe


def test_mlflow_s_methods_are_called_with_and_without_the_run_s_id() -> None:
    files = LoggedFiles()
    to: Any = TrialLogger(files)[0].experiment
    to.log_text("run", "text", "a.txt")
    to.log_text("text", "b.txt")
    to.log_text(run_id="run", text="text", artifact_file="c.txt")
    to.log_text("run", text="text", artifact_file="d.txt")
    to.log_image("run", torch.zeros(3, 3), key="e/f", step=4)
    to.log_figure("run", figure=a_figure(), artifact_file="g.png")
    assert files.left_out == {}
    assert files.files.keys() == {"a.txt", "b.txt", "c.txt", "d.txt", "e_f_4.png", "g.png"}
    assert {files.files[f"{letter}.txt"] for letter in "abcd"} == {b"text"}


def test_files_of_before_a_kill_are_kept(
    digits: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.learning.checkpoints.states.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("pipeline.learning.checkpoints.states.COST_FACTOR", 0)
    assignment = Assignment(config=talking("Drawing"), epochs=3)
    context = stops.resumable(digits, tmp_path)
    stops.stop_after(context, [assignment], 2)
    (resumed,) = stops.fit(context, [assignment])
    (undisturbed,) = stops.fit(digits, [assignment])
    assert _texts(resumed) == _texts(undisturbed)
    assert resumed.logged_files.keys() == undisturbed.logged_files.keys()
    assert stops.bits(resumed) == stops.bits(undisturbed)


def _texts(outcome: TrialOutcome) -> dict[str, bytes]:
    """Files that hold no time."""
    return {name: one for name, one in outcome.logged_files.items() if not name.endswith(".svg")}


@pytest.mark.slow
def test_mlflow_has_the_files_beside_the_trial_and_the_study_is_sound(tmp_path: Path) -> None:
    study = study_in(tmp_path, name="digits", folds=None)
    path = "tests.learning.custom.talking.Drawing"
    model = study.config.model.model_copy(update={"class_path": path})
    config = study.config.model_copy(update={"model": model})
    drawing = type(study)(config=config, workspace=study.workspace)
    result = drawing.run(workers=2)
    assert result.counts["failed"] == 0
    texts = list((tmp_path / "artifacts").rglob("logged/notes.txt"))
    assert len(texts) == N_TRIALS
    assert drawing.reproduce().comparison.verdict.value == "identical"
    assert examine(drawing.workspace).is_healthy
