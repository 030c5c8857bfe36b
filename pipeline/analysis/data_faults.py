"""Faults of a study that its data show: too few rows, classes without rows, nothing to learn."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from pipeline.analysis.space_faults import standard_rows
from pipeline.config import StudyConfig
from pipeline.config.space.domain import values_of
from pipeline.errors import counted
from pipeline.trial import DataSummary, Fault

FEWEST_VALIDATED: Final = 100
"""Of fewer rows one is more than 1 %."""
ERROR: Final = 0.05
"""The error of a network that the statistic of a validation part supposes."""
TOLD: Final = 0.01
"""The difference that it is to tell."""
LARGE_INPUT: Final = 100.0
"""Initial weights are made for inputs of about 1."""
MANY_REPEATED: Final = 0.05
VALIDATION: Final = "data.validation"


def find_data_faults(study: StudyConfig, data: DataSummary) -> list[Fault]:
    """Find what in the data makes a study pointless."""
    rules: Sequence[Callable[[StudyConfig, DataSummary], Iterator[Fault]]] = (
        _batches,
        _classes,
        _validation,
        _inputs,
    )
    return [fault for rule in rules for fault in rule(study, data)]


def _batches(study: StudyConfig, data: DataSummary) -> Iterator[Fault]:
    domain: Any = study.space.domains.get("batch_size", 1)
    largest = max(values_of(domain, corners=True))
    if largest > data.n_train:
        what = (
            f"got up to {largest:,}, expected at most {data.n_train:,}, the rows to train on: "
            "larger batches are all the same; lower the upper bound"
        )
        yield Fault("space.batch_size", what)


def _classes(study: StudyConfig, data: DataSummary) -> Iterator[Fault]:
    if not data.classes:
        return
    if sum(n_train > 0 for n_train, _ in data.classes) < 2 and _learns_labels(study):  # noqa: PLR2004
        yield Fault("data", "got labels of one class, expected two or more: nothing to learn")
        return
    lacking = [label for label, (_, n_validated) in enumerate(data.classes) if not n_validated]
    if lacking and _learns_labels(study):
        shown = ", ".join(map(str, lacking[:10]))
        what = f"got no validation row of {_named(lacking)} {shown}, expected one at least of each"
        yield Fault(_part(study), f"{what}; collect more rows, or validate on more")


def _named(labels: Sequence[int]) -> str:
    return "class" if len(labels) == 1 else "classes"


def _learns_labels(study: StudyConfig) -> bool:
    return study.model.name != "autoencoder"


def _part(study: StudyConfig) -> str:
    return "data.folds" if study.data.folds else VALIDATION


def _validation(study: StudyConfig, data: DataSummary) -> Iterator[Fault]:
    """Say how many rows it takes to tell a difference of 1 %."""
    n_rows = data.n_validation * (study.data.folds or 1)
    needed = standard_rows(ERROR, TOLD)
    if n_rows >= needed:
        return
    what = (
        f"got {counted(n_rows, 'row')} to validate on, expected about {needed:,} to tell an "
        f"accuracy of 95 % from 96 % in 19 of 20 cases; with {n_rows:,} the least difference is "
        f"{_least_difference(n_rows):.1%}"
    )
    cure = "; use folds" if not study.data.folds else ""
    yield Fault(_part(study), what + cure, is_warning=n_rows >= FEWEST_VALIDATED)


def _least_difference(n_rows: int) -> float:
    """What so many rows tell apart: the inverse of ``standard_rows``."""
    return float(1.96 * (ERROR / max(n_rows, 1)) ** 0.5)


def _inputs(study: StudyConfig, data: DataSummary) -> Iterator[Fault]:
    del study
    if data.is_constant:
        yield Fault("data", "got rows that are all the same, expected inputs that vary")
    if data.largest_input > LARGE_INPUT:
        what = f"got inputs up to {data.largest_input:,.3g}, expected about 1; divide each column"
        yield Fault("data", f"{what} by its standard deviation", is_warning=True)
    share = data.n_repeated / max(data.n_validation, 1)
    if share > MANY_REPEATED and not data.is_constant:
        what = f"got {share:.0%} of the validation rows among the training rows, expected none: "
        yield Fault("data", what + "what is memorised would win; remove the copies")
