"""Small trials for the tests of this folder."""

from typing import Any

from pipeline.config import TrialConfig
from pipeline.learning.cohort.fit import fit_cohort
from pipeline.learning.data import PreparedData
from pipeline.trial import Assignment, Cohort, TrialOutcome

PARAMS = {
    "depth": 2,
    "width": 24,
    "input_dropout": 0.1,
    "dropout": 0.3,
    "batch_size": 100,
    "learning_rate": 0.003,
    "weight_decay": 0.01,
}
BLOCKS = {"blocks": 1, "filters": 4, "block_dropout": 0.2}


def trial(
    number: int = 0,
    *,
    model: str = "mlp",
    training: dict[str, Any] | None = None,
    data: dict[str, Any] | None = None,
    **params: Any,
) -> TrialConfig:
    """A trial on the digits; what is not said is small and quick."""
    return TrialConfig.model_validate(
        {
            "study": "tests",
            "number": number,
            "study_seed": 7,
            "data": {"name": "digits"} | (data or {}),
            "model": {"name": model},
            "training": {"epochs": 3, "device": "cpu"} | (training or {}),
            "params": PARAMS | (BLOCKS if model == "cnn" else {}) | params,
        }
    )


def assigned(config: TrialConfig, **stopping: Any) -> Assignment:
    """Hand a trial out for as many epochs as its study says, if nothing else is said."""
    return Assignment(config=config, **{"epochs": config.training.epochs} | stopping)


def fit(data: PreparedData, *assignments: Assignment) -> list[TrialOutcome]:
    """Fit a cohort and hear nothing of its epochs."""
    return fit_cohort(Cohort(assignments), data, lambda _: None)


def fit_one(data: PreparedData, config: TrialConfig, **stopping: Any) -> TrialOutcome:
    """Fit a lone trial."""
    (outcome,) = fit(data, assigned(config, **stopping))
    return outcome
