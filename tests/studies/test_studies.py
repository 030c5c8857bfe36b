"""Every study file runs, in a small form."""

from pathlib import Path

import pytest

from pipeline.app import Place, Study

FILES = sorted((Path(__file__).parents[2] / "studies").glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_study_file_runs_in_a_small_form(file: Path, tmp_path: Path) -> None:
    overrides = ["search.trials=2", "training.epochs=1", "space.width={choices: [128, 32]}"]
    study = Study.load(file, overrides=overrides, place=Place(home=tmp_path, tracking_uri=None))
    result = study.run(workers=2)
    assert result.counts == {"complete": 2, "pruned": 0, "failed": 0}
    assert result.best is not None


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_study_file_begins_with_its_measured_result(file: Path) -> None:
    header = [line for line in file.read_text(encoding="utf-8").splitlines() if line[:1] == "#"]
    for word in ("Question:", "Command:", "Result:", "Date:", "Commit:"):
        assert any(line.startswith(f"# {word}") for line in header), word
