"""The objective: which score a study is about, and which way is better."""

import pytest

from pipeline.config import VAL_LOSS, Objective, check_study, digest
from tests.config.documents import MODELS, SMALLEST, SPACES

HIGHEST = {"metric": "val_accuracy", "direction": "maximize"}


def test_default_is_the_lowest_val_loss_and_no_part_of_the_digest() -> None:
    unsaid = check_study(SMALLEST, "small.yaml")
    said = check_study(SMALLEST | {"objective": {"metric": "val_loss"}}, "small.yaml")
    assert unsaid.objective == VAL_LOSS
    assert digest(unsaid) == digest(said)
    assert "objective" not in unsaid.document


def test_another_is_part_of_the_digest_and_of_what_is_stored() -> None:
    study = check_study(SMALLEST | {"objective": HIGHEST}, "small.yaml")
    assert study.document["objective"] == HIGHEST
    assert check_study(study.document, "stored").objective == study.objective
    assert digest(study) != digest(check_study(SMALLEST, "small.yaml"))


@pytest.mark.parametrize(
    ("direction", "losses"), [("minimize", [0.5, -2.0]), ("maximize", [-0.5, 2.0])]
)
def test_lower_losses_are_better_scores(direction: str, losses: list[float]) -> None:
    objective = Objective.model_validate({"metric": "score", "direction": direction})
    assert [objective.loss(score) for score in (0.5, -2.0)] == losses
    assert [objective.loss(loss) for loss in losses] == [0.5, -2.0]


@pytest.mark.parametrize(
    "metric", ["val/loss", "val_dice_loss", "valid_loss", "val_mapping", "val.loss:mean", "Loss 1"]
)
def test_direction_may_be_left_out_where_lower_is_usual(metric: str) -> None:
    own = SMALLEST | {"model": MODELS["own"], "space": SPACES["own"]}
    study = check_study(own | {"objective": {"metric": metric}}, "small.yaml")
    assert study.objective == Objective(metric=metric, direction="minimize")
