"""What a module logs beside the study's own scores becomes curves, within bounds."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name
from torch.nn import functional

from pipeline.learning.custom.logged import MOST, OURS, select
from pipeline.learning.data import PreparedData
from pipeline.trial import EpochScores, TrialState, curve_sha256
from tests.fakes import epoch_scores
from tests.learning.custom.modules import Batch, Plain
from tests.learning.custom.trials import fit, own_trial


class Talkative(Plain):
    """Logs more than the study asks for, the second half of it late."""

    def training_step(self, batch: Batch, batch_idx: int) -> Any:
        """Log by step and by epoch."""
        loss = functional.cross_entropy(self(batch[0]), batch[1])
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        self.log("batches", float(batch_idx))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log names as templates have them, and one that MLflow does not take."""
        super().validation_step(batch, batch_idx)
        self.log("val/f1", 0.5 + self.current_epoch / 10)
        self.log("f1 (macro)", 1.0)
        self.log("best_val_loss", 0.0)
        if self.current_epoch:
            self.log("late", torch.tensor(2.0))


def own(model: str, **given: Any) -> Any:
    """A trial of this module's."""
    config = own_trial(**given)
    path = {"class_path": f"{__name__}.{model}"}
    return type(config).model_validate(config.model_dump(exclude={"model"}) | {"model": path})


def test_every_logged_scalar_is_an_epochs_score(digits: PreparedData) -> None:
    outcome = fit(digits, own("Talkative"))
    assert outcome.state is TrialState.COMPLETE, outcome.cause
    first, second, _ = outcome.curve
    assert first.logged["val/f1"] == pytest.approx(0.5)
    assert first.logged["batches"] > 1
    assert set(first.logged) == {"val/f1", "batches"}
    assert second.logged["late"] == 2.0
    assert outcome.logged == ("batches", "late", "val/f1")
    assert {"val/f1", "late", "val_loss"} <= second.metrics.keys()


def test_what_is_not_kept_is_said(digits: PreparedData) -> None:
    outcome = fit(digits, own("Talkative"))
    assert outcome.unlogged == ("best_val_loss", "f1 (macro)")
    assert "2 logged names not kept: best_val_loss, f1 (macro)" in str(outcome.warning)


def test_a_missing_val_loss_is_told_with_what_was_logged(digits: PreparedData) -> None:
    outcome = fit(digits, own_trial("Silent"))
    assert "(logged was train_accuracy)" in str(outcome.cause)


def test_the_curve_s_digest_counts_what_is_logged() -> None:
    scores = epoch_scores(0, 1, 0.5)
    with_f1 = replace(scores, logged={"f1": 0.5})
    assert curve_sha256([scores]) != curve_sha256([with_f1])
    assert curve_sha256([with_f1]) != curve_sha256([replace(scores, logged={"f1": 0.25})])
    assert curve_sha256([scores]) == curve_sha256([replace(scores, logged={"f1": float("nan")})])


def test_no_logged_name_hides_a_score_of_the_study() -> None:
    names = set(epoch_scores(0, 1, 0.5).metrics)
    assert names == OURS
    kept = select(dict.fromkeys(names, 1.0) | {"f1": 1.0}, ())
    assert kept == ({"f1": 1.0}, ())


NAMES = st.text(st.sampled_from("ab1_/. -:é\n#"), min_size=1, max_size=12)


@given(st.dictionaries(NAMES, st.floats(0, 1, allow_subnormal=False), max_size=20))
def test_what_is_kept_is_what_mlflow_takes(logged: dict[str, float]) -> None:
    kept, left_out = select(logged, ())
    for name in kept:
        _validate_metric_name(name)  # type: ignore[no-untyped-call]
    assert not set(kept) & set(left_out)


def test_the_first_names_are_kept_and_stay() -> None:
    many = {f"metric {number:03}": 1.0 for number in range(MOST + 3)}
    kept, left_out = select(many, ())
    assert list(kept) == list(many)[:MOST]
    assert left_out == tuple(many)[MOST:]
    later = {"new": 2.0} | many
    assert select(later, kept).kept == kept
    assert "new" in select(later, kept).left_out


def test_a_name_by_step_and_epoch_is_one() -> None:
    logged = {"f1": 1.0, "f1_step": 2.0, "f1_epoch": 1.0, "only_step": 3.0}
    assert select(logged, ()).kept == {"f1": 1.0, "only_step": 3.0}


def test_scores_with_logged_names_can_be_hashed() -> None:
    scores: EpochScores = replace(epoch_scores(0, 1, 0.5), logged={"f1": 0.5})
    assert len({scores, scores}) == 1
