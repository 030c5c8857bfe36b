"""What goes wrong in a database that holds Optuna's trials, in one sentence."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError

from pipeline.errors import WorkFailedError

P = ParamSpec("P")
R = TypeVar("R")


def explained(work: Callable[P, R]) -> Callable[P, R]:
    """Turn a storage's errors into one sentence.

    Raises:
        WorkFailedError: From the decorated function, in place of the storage's own error.
    """

    @wraps(work)
    def attempt(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return work(*args, **kwargs)
        except (StorageInternalError, SQLAlchemyError) as error:
            reason = str(error.__cause__ or error).splitlines()[0]
            message = f"Optuna's storage cannot {work.__name__.replace('_', ' ')}: {reason}"
            raise WorkFailedError(message) from error

    return attempt
