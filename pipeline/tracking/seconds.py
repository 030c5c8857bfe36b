"""Where a study's seconds went, over all of its runs: a file of the study run."""

from mlflow.entities import RunInfo
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from pydantic import ValidationError

from pipeline.tracking import names, runs
from pipeline.tracking.client import is_away
from pipeline.trial import RunTime, TimeSpent

LARGEST_BYTES = 10_000_000


def add_run_time(client: MlflowClient, study_run: RunInfo, spent: RunTime) -> None:
    """Add the seconds of a run of the study to those of earlier ones; twice is once."""
    known = read_time_spent(client, study_run)
    runs.put(client, study_run, names.SECONDS, known.with_run(spent).file)


def read_time_spent(client: MlflowClient, study_run: RunInfo) -> TimeSpent:
    """Read where the seconds of all runs went; none where they were not kept, or are damaged.

    Raises:
        MlflowException: The server does not answer.
    """
    try:
        content = runs.read(client, study_run, names.SECONDS, largest=LARGEST_BYTES)
        return TimeSpent.model_validate_json(content)
    except (MlflowException, OSError, ValidationError) as error:
        if is_away(error):
            raise
        return TimeSpent()
