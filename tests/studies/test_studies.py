"""Every study file runs, in a small form."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.app.study import Study
from pipeline.app.workspace import Workspace

FILES = sorted((Path(__file__).parents[2] / "studies").glob("*.yaml"))
EMBEDDED = ("mnist-5k",)
SMALLER = {
    "mnist_cnn": ["space.filters=4", "space.width=16"],
    "mnist_dropconnect": ["space.width=32"],
    "mnist_autoencoder": ["space.width=32"],
}


def a_few_colour_pictures(folder: Path) -> Path:
    """A stand-in for CIFAR-10 with its shapes and classes."""
    random = np.random.default_rng(0)
    labels = np.arange(200) % 10
    images = random.integers(0, 256, (200, 32, 32, 3), dtype=np.uint8)
    path = folder / "pictures.npz"
    np.savez(path, x_train=images, y_train=labels, x_test=images[:20], y_test=labels[:20])
    return path


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_study_file_runs_in_a_small_form(file: Path, tmp_path: Path) -> None:
    whole = Study.load(file).config
    n_trials = max(len(whole.trials), 2)
    overrides = [f"search.trials={n_trials}", "training.epochs=1", *SMALLER.get(file.stem, [])]
    if whole.data.name == "cifar10":
        overrides.append(f"data={{name: npz, path: {a_few_colour_pictures(tmp_path)}}}")
    elif whole.data.name not in EMBEDDED:
        overrides.append("data={name: mnist-5k, validation: 0.2}")
    study = Study.load(
        file, overrides=overrides, workspace=Workspace(home=tmp_path / "home", tracking_uri=None)
    )
    result = study.run(workers=2)
    assert result.counts == {"complete": n_trials, "pruned": 0, "failed": 0}
    assert result.best is not None


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_study_file_begins_with_its_measured_result(file: Path) -> None:
    header = [line for line in file.read_text(encoding="utf-8").splitlines() if line[:1] == "#"]
    for word in ("Question:", "Command:", "Result:", "Date:", "Commit:"):
        assert any(line.startswith(f"# {word}") for line in header), word


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_table_of_studies_has_a_row_for_each_file(file: Path) -> None:
    table = (file.parent / "README.md").read_text(encoding="utf-8")
    assert f"`{file.name}`" in table
