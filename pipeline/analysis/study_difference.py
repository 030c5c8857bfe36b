"""What differs between two studies: file, data, code, table and answer, causes first."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

from pipeline.config import differing_keys
from pipeline.trial import Effect, TrialRecord, TrialRow, find_best

PARTS: Final = ("file", "data", "code", "table", "answer")
MISSING: Final = "not there"
COMPARED: Final = ("params", "state", "value", "best_epoch", "weights_sha256", "cause")
"""Of a trial, in the order in which the first difference is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A thing that is not the same.

    Attributes:
        part: One of ``PARTS``.
        where: What it is: a key of the study file, a package, a trial.
        a: As the first study has it.
        b: As the second one has it.
    """

    part: str
    where: str
    a: Any
    b: Any

    def as_json(self) -> dict[str, Any]:
        """The difference as ``diff --json`` prints it."""
        return {"part": self.part, "where": self.where, "a": self.a, "b": self.b}


@dataclass(frozen=True, kw_only=True)
class StudyDifference:
    """What differs between two studies, causes first."""

    names: tuple[str, str]
    differences: tuple[Difference, ...]

    def as_json(self) -> dict[str, Any]:
        """The answer as ``diff --json`` prints it."""
        return {
            "studies": list(self.names),
            "differences": [one.as_json() for one in self.differences],
        }


@dataclass(frozen=True, kw_only=True)
class StudySide:
    """A study as both ledgers hold it.

    Attributes:
        document: The study file.
        rows: Its table.
        records: Of the trials that have ended, by number.
        effects: What each parameter does.
        confirmation: The answer of the latest ``confirm``, as it lies in MLflow.
    """

    name: str
    document: Mapping[str, Any]
    rows: Sequence[TrialRow]
    records: Mapping[int, TrialRecord] = field(default_factory=dict)
    effects: Sequence[Effect] = ()
    confirmation: Mapping[str, Any] | None = None


def find_differences(a: StudySide, b: StudySide) -> StudyDifference:
    """Compare two studies; their names and what follows from them are not compared."""
    found = chain(
        _file_differences(a, b),
        _fact_differences(a, b),
        _table_differences(a, b),
        _differences("answer", _answer(a), _answer(b)),
    )
    return StudyDifference(names=(a.name, b.name), differences=tuple(found))


def _differences(part: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Difference]:
    for where in dict.fromkeys([*a, *b]):
        old, new = a.get(where, MISSING), b.get(where, MISSING)
        if old != new:
            yield Difference(part=part, where=where, a=old, b=new)


def _file_differences(a: StudySide, b: StudySide) -> Iterator[Difference]:
    for key, (old, new) in differing_keys(a.document, b.document).items():
        if key != "name":
            yield Difference(part="file", where=key, a=old, b=new)


def _fact_differences(a: StudySide, b: StudySide) -> Iterator[Difference]:
    """Data and code, as the first trials that tell them were trained with."""
    first, second = _first_record(a), _first_record(b)
    if first is None or second is None or first.facts is None or second.facts is None:
        return
    then, now = first.facts, second.facts
    data = [{"data": one.data_sha256, "split": one.split_sha256} for one in (then, now)]
    yield from _differences("data", *data)
    code = [
        one.sources
        | {f"package {name}": text for name, text in one.packages.items()}
        | {"project": one.project_version, "Python": one.python, "processor": one.processor}
        | {"threads": one.threads, "precision": one.precision, "device": one.device}
        for one in (then, now)
    ]
    yield from _differences("code", *code)


def _first_record(side: StudySide) -> TrialRecord | None:
    told = (record for _, record in sorted(side.records.items()) if record.facts)
    return next(told, None)


def _table_differences(a: StudySide, b: StudySide) -> Iterator[Difference]:
    """Trials of one study alone, and the first thing in which each other one differs."""
    first, second = ({row.number: row for row in side.rows} for side in (a, b))
    for number in sorted({*first, *second}):
        old, new = first.get(number), second.get(number)
        if old is None or new is None:
            states = [MISSING if row is None else row.state.value for row in (old, new)]
            yield Difference(part="table", where=f"trial {number}", a=states[0], b=states[1])
            continue
        before, after = (
            _trial(row, side.records.get(number)) for row, side in ((old, a), (new, b))
        )
        yield from list(_differences("table", before, after))[:1]


def _trial(row: TrialRow, record: TrialRecord | None) -> dict[str, Any]:
    said = {name: getattr(row, name) for name in COMPARED}
    said["state"] = row.state.value
    curve = record.curves_sha256 if record else None
    weights = {"weights": said.pop("weights_sha256"), "cause": said.pop("cause")}
    facts = said | {"curve": curve} | weights
    return {f"trial {row.number}: {name}": one for name, one in facts.items()}


def _answer(side: StudySide) -> dict[str, Any]:
    best, confirmed = find_best(side.rows), side.confirmation
    said: dict[str, Any] = {}
    if best is not None:
        said |= {"best setting": best.params, "best value": best.value}
    for effect in side.effects:
        said[f"best {effect.parameter}"] = effect.as_json()["best"]
    if confirmed is not None:
        said["confirmed winner"] = confirmed.get("winner")
    return said
