"""What runs, tags, metrics and artifacts are called in MLflow."""

from collections.abc import Mapping
from dataclasses import fields

from pipeline.config import VAL_LOSS, Objective, ShownNumber
from pipeline.trial import EpochScores

STUDY = "study"
STUDY_DIGEST = "study_digest"
STUDY_RUN = "study_run"
RESOURCES = "resources"
"""Of a study run: what a worker took when the study was run last, as JSON."""
WARM_START_SHA256 = "warm_start_sha256"
"""Of a study run: the digest of ``WARM_START``."""
TRIAL_NUMBER = "trial_number"
TRIAL_STATE = "trial_state"
FINALIST_OF = "finalist_of"
"""Of a finalist's trial: the number of the trial that had its setting first."""
FINALISTS = "finalists"
"""The first and the last number of the trials of all finalists: ``51-59``."""
CAUSE = "cause"
WARNING = "warning"
ATTEMPT = "attempt"
ATTEMPT_OF_TRIAL = "attempt_of_trial"
REPRODUCES = "reproduces"
VERDICT = "verdict"
FIRST_DIFFERENCE = "first_difference"
REFITS = "refits"
CONFIRM_OF_STUDY = "confirm_of_study"
CONFIRMS = "confirms"
REPEAT = "repeat"
SEEDS = "seeds"
WINNER = "winner"
TIED = "tied"
CANDIDATES = "candidates"
"""Of a confirmation: the numbers of its candidates, ascending: ``3, 7, baseline``."""
TEST_OPENED = "test_opened"
TEST_OPENINGS = "test_openings"
WEIGHTS_SHA256 = "weights_sha256"
RECORD_SHA256 = "record_sha256"
IMPORTED = "imported"
"""Of a study run: the SHA-256 of the bundle that the study was imported from."""
PARENT = "mlflow.parentRunId"
RUN_NAME = "mlflow.runName"
NOTE = "mlflow.note.content"

OBJECTIVE = "objective"
"""Of a trial: ``maximize val_accuracy``; it has none where ``val_loss`` is minimised."""
BEST_EPOCH = "best_epoch"
N_PARAMETERS = "n_parameters"
DROPOUT_MEAN = "dropout_mean"
"""Of a trial: the mean of its hidden layers' rates; it has none where no layer has a rate."""
RETRAINED = "retrained_"
"""Begins the best score and ``best_epoch`` of a repeat: a study's leaderboard is its trials'."""
SYSTEM = "system/"
"""Begins the metrics of MLflow's monitor of the machine."""
TEST_LOSS = "test_loss"
TEST_ACCURACY = "test_accuracy"
SCORES = tuple(field.name for field in fields(EpochScores) if field.type is float)
"""The epoch metrics that ``EpochScores`` stores; ``generalization_gap`` follows from them."""

STUDY_FILE = "study.yaml"
WARM_START = "warm_start.json"
RECORD = "record.json"
WEIGHTS = "weights.safetensors"
LOG = "worker.log"
LOGGED = "logged"
"""The folder of what a user's module logs through its logger."""
CONFIRMATION = "confirmation.json"
SECONDS = "seconds.json"
REPORT = "report.html"
PICTURES = "pictures"
"""The folder of a report's pictures."""

CONFIRM_RUN = "confirm"

LARGEST_TAG = 5_000
"""Characters; MLflow refuses a tag of more than 8,000."""


def metric_on_test(name: str) -> str:
    """What a score of a user's module on the test part is called: ``test_val_f1`` of ``val_f1``.

    >>> [metric_on_test(name) for name in ("val_f1", "test/acc", "test_loss")]
    ['test_val_f1', 'test/acc', 'test_step/test_loss']
    """
    if name in (TEST_LOSS, TEST_ACCURACY):  # those that every study has are of validation_step
        return f"test_step/{name}"
    return name if name.startswith("test") else f"test_{name}"


def trial_run(number: ShownNumber) -> str:
    """The name of a trial's run: ``trial-012``; of a setting that no trial had, its name."""
    return number if isinstance(number, str) else f"trial-{number:03}"


def attempt_run(number: int, attempt: int) -> str:
    """The name of the run of an earlier attempt at a trial: ``trial-012-attempt-1``."""
    return f"{trial_run(number)}-attempt-{attempt}"


def best_score(objective: Objective) -> str:
    """The metric that holds a trial's best score: ``best_val_loss``."""
    return f"best_{objective.metric}"


def objective_tags(objective: Objective) -> dict[str, str]:
    """What tells a trial's objective."""
    return {} if objective == VAL_LOSS else {OBJECTIVE: str(objective)}


def objective_of(tags: Mapping[str, str]) -> Objective:
    """The objective that ``objective_tags`` wrote.

    Raises:
        ValidationError: The tag was changed.
    """
    direction, _, metric = tags.get(OBJECTIVE, "").partition(" ")
    return Objective(metric=metric, direction=direction) if direction else VAL_LOSS


def tag_text(text: str) -> str:
    """Cut a text to what a tag holds, and replace what is not Unicode."""
    return text.encode("utf-8", "replace").decode()[:LARGEST_TAG]
