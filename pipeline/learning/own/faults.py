"""What a user's code did wrong, told with the line of it."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import without_password
from pipeline.learning.cohort.member import Progress
from pipeline.learning.failures import describe_failure


def own_fault(error: BaseException, *class_paths: str) -> str:
    """Name a failure in one line, and the last line of the user's own code on the way to it.

    Args:
        error: What was raised.
        class_paths: The user's classes; code of their top-level packages is the user's.
    """
    # The Trainer turns a user's KeyboardInterrupt into an exit.
    if isinstance(error, SystemExit) and isinstance(error.__context__, KeyboardInterrupt):
        error = error.__context__
    if isinstance(error, Exception):
        told = describe_failure(error)
    else:
        told = without_password(f"{type(error).__name__}: {error}").removesuffix(": ")
    place = _own_place(error, {path.partition(".")[0] for path in class_paths})
    return told if place is None or place in told else f"{told}, in {place}"


def _own_place(error: BaseException, packages: set[str]) -> str | None:
    places = [
        (str(frame.f_globals.get("__name__")), line)
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    own = [place for place in places if place[0].partition(".")[0] in packages]
    return f"{own[-1][0]}:{own[-1][1]}" if own else None


@contextmanager
def ending(progress: Progress, *class_paths: str) -> Iterator[None]:
    """End a trial with its cause where the user's code raises, whatever it raises."""
    try:
        yield
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - recorded as the trial's cause
        progress.fail(own_fault(error, *class_paths))
