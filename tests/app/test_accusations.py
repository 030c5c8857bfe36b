"""``reproduce`` names what is not as it was: each cause is planted in a real home."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pipeline
from pipeline.analysis import Comparison
from pipeline.app.retraining.reproduce import reproduce
from pipeline.config import derive_seed
from pipeline.errors import WorkFailedError
from pipeline.learning.provenance import SOURCES
from pipeline.trial import sha256_of
from tests.app.planted import DATA, Planted, make_home, train_here, workspace_of

pytestmark = pytest.mark.slow

STUDY_SEED = 5


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which nothing is wrong."""
    return make_home(tmp_path_factory.mktemp("sound"))


@pytest.fixture
def planted(sound: Path, tmp_path: Path) -> Planted:
    """A copy to tamper with."""
    return Planted.copy(sound, tmp_path / "home")


def reproduced(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> Comparison:
    """Train the first trial again, in this process."""
    train_here(monkeypatch)
    return reproduce(workspace_of(planted.home), "small", trial=0).comparison


def change_pixel(planted: Planted) -> None:
    with np.load(planted.home / DATA) as arrays:
        images, labels = arrays["x_train"].copy(), arrays["y_train"]
    images[17, 3, 3] ^= 1
    np.savez(planted.home / DATA, x_train=images, y_train=labels)


def change_all_seeds(planted: Planted) -> None:
    own = {name: derive_seed(6, 0, name) for name in ("initialisation", "dropout")}
    shared = {name: derive_seed(6, name) for name in ("order", "split")}
    planted.edit_record(trial__study_seed=6, seeds=own | shared)


def change_weight(planted: Planted) -> None:
    path = planted.file("weights.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def change_weight_everywhere(planted: Planted) -> None:
    change_weight(planted)
    sha256 = str(sha256_of(planted.file("weights.safetensors").read_bytes()))
    planted.edit_record(weights_sha256=sha256)
    planted.tag(weights_sha256=sha256)
    planted.sign_record()


def change_source(planted: Planted) -> None:
    record = json.loads(planted.file("record.json").read_text())
    sources = record["facts"]["sources"] | {"pipeline/learning/layers.py": "0" * 64}
    planted.edit_record(facts__sources=sources)


def add_point(planted: Planted) -> None:
    planted.client.log_metric(planted.run.info.run_id, "val_loss", 0.125, step=2)


def change_record(**values: Any) -> Callable[[Planted], None]:
    return lambda planted: planted.edit_record(**values)


def change_tag(**tags: str) -> Callable[[Planted], None]:
    return lambda planted: planted.tag(**tags)


def change_database(change: str) -> Callable[[Planted], None]:
    return lambda planted: planted.sql(change)


PACKAGES = {"torch": "1.0", "pytorch-lightning": "2.6.6", "numpy": "2.0", "safetensors": "0.5"}
NEW_POINT = "UPDATE metrics SET value = 0.125 WHERE key = 'val_loss' AND step = 2 AND run_uuid = ?"
NO_POINT = "DELETE FROM metrics WHERE key = 'val_loss' AND step = 2 AND run_uuid = ?"
LEDGER_S_CURVE = "curve: the ledger's points are not those"
ACCUSATIONS: dict[str, tuple[Callable[[Planted], None], str, tuple[str, ...]]] = {
    "a byte of the data": (change_pixel, "close|different", ("data: SHA-256 ", "epoch 1 ")),
    "a line of the model": (change_source, "different", ("code: pipeline/learning/layers.py 0",)),
    "a package's version": (
        change_record(facts__packages=PACKAGES),
        "different",
        ("package: torch 1.0 recorded, ", "record: "),
    ),
    "Python's version": (change_record(facts__python="3.1"), "different", ("Python: 3.1 ",)),
    "a seed": (change_record(seeds__dropout=7), "different", ("seed: dropout 7 ", "record: ")),
    "the study's seed": (
        change_record(trial__study_seed=6),
        "different",
        ("seed: initialisation ", "record: ", "split: ", "epoch 1 "),
    ),
    "the study's seed and all that follow": (change_all_seeds, "different", ("record: ", "epoch")),
    "the thread count trained with": (
        change_record(trial__training__threads=2),
        "different",
        ("thread count: 1 recorded, 2 now", "record: "),
    ),
    "the thread count recorded": (
        change_record(facts__threads=2),
        "different",
        ("thread count: 2 recorded, 1 now", "record: "),
    ),
    "the precision": (
        change_record(facts__precision="bf16-mixed"),
        "different",
        ("precision: bf16-mixed recorded, 32-true now",),
    ),
    "the device": (change_record(facts__device="cuda"), "different", ("device: cuda recorded, ",)),
    "the processor": (change_record(facts__processor="Z80"), "different", ("processor: Z80 ",)),
    "a parameter": (
        change_record(trial__params__dropout=0.9),
        "different",
        ("record: record.json has SHA-256 ", "epoch 1 "),
    ),
    "a weight": (change_weight, "different", ("weights: the file in the ledger has SHA-256 ",)),
    "the weights' tag": (
        change_tag(weights_sha256="0" * 64),
        "different",
        ("weights: the run's tag says SHA-256 0000",),
    ),
    "a weight, its tag and its record": (
        change_weight_everywhere,
        "close",
        ("weights: SHA-256 ",),
    ),
    "the state's tag": (
        change_tag(trial_state="PRUNED"),
        "different",
        ("state: the run's tag says PRUNED, the record says COMPLETE",),
    ),
    "a point of the curve": (
        change_database(NEW_POINT),
        "different",
        (LEDGER_S_CURVE, "epoch 2 val_loss: 0.125 recorded, "),
    ),
    "a point that is gone": (
        change_database(NO_POINT),
        "different",
        (LEDGER_S_CURVE, "epoch 2 val_loss: nan recorded, "),
    ),
    "a point that was added": (
        add_point,
        "different",
        (LEDGER_S_CURVE, "epoch 2 val_loss: 0.125 recorded, "),
    ),
}


@pytest.mark.parametrize(("plant", "verdicts", "told"), ACCUSATIONS.values(), ids=ACCUSATIONS)
def test_each_change_is_told_from_the_others(
    planted: Planted,
    monkeypatch: pytest.MonkeyPatch,
    plant: Callable[[Planted], None],
    verdicts: str,
    told: tuple[str, ...],
) -> None:
    plant(planted)
    answer = reproduced(planted, monkeypatch)
    assert answer.verdict.value in verdicts.split("|")
    assert str(answer.first_difference).startswith(told[0])
    rest = iter(answer.differences)
    for words in told:
        assert any(one.startswith(words) for one in rest), (words, answer.differences)


def test_trial_of_an_untouched_copy_is_identical(
    planted: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = reproduced(planted, monkeypatch)
    assert (answer.verdict, answer.differences) == ("identical", ())
    assert answer.epochs_identical == answer.epochs_compared == 3


def test_record_whose_digest_was_removed_from_its_run_is_named(
    planted: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted.client.delete_tag(planted.run.info.run_id, "record_sha256")
    answer = reproduced(planted, monkeypatch)
    assert str(answer.first_difference).startswith("record: record.json has SHA-256 ")
    assert str(answer.first_difference).endswith("its run's tag says None")


def test_trial_that_failed_is_trained_past_the_last_epoch_that_it_scored(
    planted: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted.edit_record(state="FAIL", cause="raised in epoch 2", epochs_run=1, best_epoch=1)
    planted.tag(trial_state="FAIL")
    answer = reproduced(planted, monkeypatch)
    assert answer.epochs_compared == 3
    assert "state: FAIL recorded, COMPLETE now (raised in epoch 2)" in answer.differences


def remove(name: str) -> Callable[[Planted], None]:
    return lambda planted: planted.file(name).unlink()


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (
            remove("weights.safetensors"),
            r"\(trial-000\): weights.safetensors is damaged: it is missing",
        ),
        (remove("record.json"), r"\(trial-000\): record.json is damaged: it is missing"),
        (
            change_record(format=2, facts__project_version="99.0"),
            r"record.json was written by version 99.0 and cannot be read by 0.*: format: Input",
        ),
        (
            change_record(trial__optimism=1, facts__project_version="99.0"),
            r"record.json was written by version 99.0 .*: trial: .*optimism: unknown key",
        ),
    ],
    ids=["weights gone", "record gone", "later format", "later key"],
)
def test_trial_that_cannot_be_read_is_one_error_and_no_run(
    planted: Planted, monkeypatch: pytest.MonkeyPatch, plant: Callable[[Planted], None], said: str
) -> None:
    plant(planted)
    with pytest.raises(WorkFailedError, match=said):
        reproduced(planted, monkeypatch)
    assert not planted.client.search_runs(["1"], "tags.reproduces != ''")


def test_changed_line_that_changes_no_bit_leaves_a_trial_identical_and_is_told(
    planted: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SOURCES, "pipeline/learning/layers.py", "0" * 64)
    answer = reproduced(planted, monkeypatch)
    assert answer.verdict == "identical"
    (told,) = answer.differences
    assert told.startswith("code: pipeline/learning/layers.py ")


@pytest.mark.usefixtures("planted")
def test_changed_line_of_the_project_is_named_in_a_fresh_process(
    tmp_path: Path,
) -> None:
    copy = tmp_path / "copy" / "pipeline"
    shutil.copytree(Path(pipeline.__file__).parent, copy)
    source = copy / "learning" / "modules" / "layers.py"
    before, changed, after = source.read_text().partition('"relu": nn.ReLU')
    assert changed
    source.write_text(f'{before}"relu": nn.GELU{after}')
    words = ["reproduce", "small", "--trial", "0", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *words, "--home", "home", "--data-dir", "home"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(copy.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    answer = json.loads(done.stdout)
    assert answer["verdict"] in {"close", "different"}
    assert answer["first_difference"].startswith("code: pipeline/learning/modules/layers.py ")
    assert answer["differences"][0] == answer["first_difference"]
