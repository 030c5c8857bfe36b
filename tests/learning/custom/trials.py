"""Trials of the modules of this folder."""

from typing import Any

from pipeline.config import TrialConfig
from pipeline.learning.custom.datamodule import CustomData
from pipeline.learning.custom.trainer import fit_custom
from pipeline.learning.data import PreparedData
from pipeline.trial import Assignment, TrialOutcome

MODULES = "tests.learning.custom.modules"
MLP: dict[str, Any] = {
    "depth": 1,
    "width": 12,
    "input_dropout": 0.1,
    "dropout": 0.2,
    "batch_size": 20,
    "learning_rate": 0.01,
    "weight_decay": 0.0,
}


def own_trial(
    model: str = "Plain",
    *,
    data: str | None = None,
    training: dict[str, Any] | None = None,
    repeat: int = 0,
    **params: Any,
) -> TrialConfig:
    """A trial of a module of ``modules.py`` (or a built-in one), on the digits or on own data."""
    is_own = model[0].isupper()
    return TrialConfig.model_validate(
        {
            "study": "own",
            "number": 0,
            "study_seed": 7,
            "data": {"class_path": f"{MODULES}.{data}"} if data else {"name": "digits"},
            "model": {"class_path": f"{MODULES}.{model}"} if is_own else {"name": model},
            "training": {"epochs": 3, "device": "cpu"} | (training or {}),
            "params": params,
            "repeat": repeat,
        }
    )


def fit(data: PreparedData | CustomData, config: TrialConfig, **stopping: Any) -> TrialOutcome:
    """Fit a trial and hear nothing of its epochs."""
    handed = {"epochs": config.training.epochs} | stopping
    return fit_custom(Assignment(config=config, **handed), data, lambda _: None)


def fit_on_own(config: TrialConfig, **stopping: Any) -> TrialOutcome:
    """Fit a trial on its own data module."""
    return fit(CustomData(str(config.data.class_path)), config, **stopping)
