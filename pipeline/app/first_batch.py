"""A user's class is tried on one batch before a study begins: its faults cost seconds."""

from typing import Final

from pipeline.app.training import run_assignment
from pipeline.config import Params, StudyConfig, TrainerConfig, TrialConfig, usual_setting
from pipeline.errors import BadInputError, visible
from pipeline.trial import Assignment, Engine, TrialOutcome, TrialState

OF_THE_SETTING: Final = ("diverged: ", "out of memory: ")
"""Begin causes that another setting may not have: such a trial is recorded, no more."""

LINES_SHOWN: Final = 12
"""Of a traceback the end tells most."""
ONE_BATCH: Final = {
    "limit_train_batches": 1,
    "limit_val_batches": 1,
    "max_steps": None,
    "accumulate_grad_batches": None,
}
"""What is set of the user's Trainer so that one step is made."""


def try_first_batch(
    study: StudyConfig, engine: Engine, *, where: str, params: Params | None = None
) -> TrialOutcome:
    """Train a setting of a study on one batch and validate it on one.

    Args:
        study: Its model or its data is a class of the user's.
        engine: With its data opened.
        where: What an error names: the study file.
        params: By default those that the study begins with.

    Raises:
        BadInputError: The class raises, or does not log what decides.
    """
    params = first_params(study) if params is None else params
    outcome = run_assignment(engine, _one_batch(study, params))
    cause = outcome.cause or ""
    if outcome.state is TrialState.FAIL and not cause.startswith(OF_THE_SETTING):
        section = "model" if study.model.class_path else "data"
        setting = ", ".join(f"{name} {value}" for name, value in params.items())
        path = study.model.class_path or study.data.class_path
        problem = f"{path} fails on its first batch (with {setting or 'no parameter'}): {cause}"
        raise BadInputError(
            where=where, key=f"{section}.class_path", problem=problem + _tail(outcome.log)
        )
    return outcome


def _tail(log: bytes | None) -> str:
    """The last lines of what the class printed and raised, below the sentence."""
    lines = (log or b"").decode().rstrip().splitlines()[-LINES_SHOWN:]
    return "".join(f"\n  {visible(line)}" for line in lines)


def first_params(study: StudyConfig) -> Params:
    """The active parameters of the setting that a study begins with."""
    params = usual_setting(study) | (study.fixed_params(0) if study.trials else {})
    return {name: params[name] for name in study.space.active(params)}


def first_trial(study: StudyConfig) -> TrialConfig:
    """The trial that a study begins with, so far as the study file tells."""
    return _trial(study, first_params(study))


def _trial(study: StudyConfig, params: Params) -> TrialConfig:
    from pipeline.search.blocks import resolve

    return resolve(study, 0, params)


def _one_batch(study: StudyConfig, params: Params) -> Assignment:
    config = _trial(study, params)
    trainer = config.training.trainer or TrainerConfig()
    training = config.training.model_copy(update={"trainer": trainer.model_copy(update=ONE_BATCH)})
    return Assignment(config=config.model_copy(update={"training": training}), epochs=1)
