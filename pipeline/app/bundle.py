"""Write a study whole into one file, which ``import`` takes into another home."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import yaml

from pipeline.app.browse import open_study
from pipeline.app.bundle_file import (
    FORMAT,
    PROJECT,
    Head,
    json_of,
    repeat_folder,
    trial_folder,
    write_archive,
)
from pipeline.app.doctor import look_at_study
from pipeline.app.output_file import check_writable
from pipeline.app.workspace import Workspace
from pipeline.config import number_of
from pipeline.errors import WorkFailedError, counted
from pipeline.trial import BundledStudy, Tell, TrialRow, find_best, ignore

if TYPE_CHECKING:
    from pipeline.search.store import TrialStore
    from pipeline.tracking.bundled import StudyRunContent, Training

FOLDER: Final = "bundles"
"""Of the home, where bundles are written unless told otherwise."""
Weights = Literal["best", "all", "none"]
"""Whose weights go with a bundle; ``best``: the best, the baseline, the confirmed winner."""
Members = Iterator[tuple[str, bytes]]


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A bundle as it was written.

    Attributes:
        sha256: Of the file.
        size: Its bytes.
        counts: How many trials, confirmations, repeats and weights it holds.
        warnings: Which members name a folder of this machine: they travel as they are.
    """

    study: str
    path: Path
    sha256: str
    size: int
    counts: Mapping[str, int]
    warnings: Sequence[str] = field(default_factory=tuple)

    def as_json(self) -> dict[str, Any]:
        """The answer as ``bundle --json`` prints it."""
        return {
            "study": self.study,
            "path": str(self.path),
            "sha256": self.sha256,
            "size": self.size,
            **self.counts,
            "warnings": list(self.warnings),
        }


def bundle(
    workspace: Workspace,
    study: str,
    *,
    out: Path | None = None,
    weights: Weights = "best",
    tell: Tell = ignore,
) -> Bundle:
    """Write a study into one file: the same study makes the same bytes.

    Args:
        workspace: Where the study lives.
        study: Its name.
        out: The file; by default ``HOME/bundles/STUDY.tar``.
        weights: Whose weights go with it.
        tell: Called with what is being done.

    Raises:
        BadInputError: There is no such study, or the file cannot be written there.
        WorkFailedError: The study is being run, or its ledgers do not agree.
    """
    from pipeline.tracking.bundled import read_study_run

    workspace.check_has_studies(study)
    workspace.check_home(to_write=True)
    store = open_study(workspace, study)
    if out is not None:
        check_writable(out)
    path = out or workspace.home / FOLDER / f"{study}.tar"
    with workspace.hold(study):
        _check_healthy(workspace, store, tell)
        content = read_study_run(workspace.ledger_uri, study)
        told = _Told(Counter(), {})
        head = Head(
            project=PROJECT,
            format=FORMAT,
            version=version(PROJECT),
            study=study,
            weights=weights,
        )
        members = _members(workspace, store, content, weights=weights, tell=tell)
        write_archive(path, head, told.watch(members, workspace))
    return Bundle(
        study=study,
        path=path,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        size=path.stat().st_size,
        counts=told.counts,
        warnings=[f"{name} names a folder of this machine" for name in told.named],
    )


def _check_healthy(workspace: Workspace, store: "TrialStore", tell: Tell) -> None:
    """Refuse what another home would have to repair without the data for it.

    Raises:
        WorkFailedError: The ledgers do not agree.
    """
    snapshot = look_at_study(workspace, store.name, store, workspace.artifacts, tell)
    if findings := snapshot.findings():
        first = findings[0]
        who = "" if first.trial is None else f"trial {first.trial}: "
        n_off = counted(len(findings), "finding")
        problem = f"its two ledgers do not agree ({n_off}, the first: {who}{first.what})"
        message = f"study {store.name!r}: {problem}; `pipeline doctor --fix` repairs them"
        raise WorkFailedError(message)


@dataclass
class _Told:
    """What is counted and found while a bundle is written."""

    seen: Counter[str]
    found: dict[str, None]

    @property
    def counts(self) -> dict[str, int]:
        return {name: self.seen[name] for name in ("trials", "confirmations", "repeats", "weights")}

    @property
    def named(self) -> list[str]:
        return list(self.found)

    def watch(self, members: Members, workspace: Workspace) -> Members:
        folders = [f"{folder}/".encode() for folder in {Path.home(), workspace.home.resolve()}]
        for name, content in members:
            if not name.endswith((".png", ".safetensors")) and any(f in content for f in folders):
                self.found[name] = None
            self._count(name)
            yield name, content

    def _count(self, name: str) -> None:
        folder, _, rest = name.partition("/")
        kinds = {
            "confirmations": rest.endswith("confirmation.json"),
            "repeats": folder == "confirmations" and rest.endswith("record.json"),
            "trials": folder == "trials" and rest.endswith("record.json"),
            "weights": name.endswith(".safetensors"),
        }
        self.seen.update(kind for kind, is_so in kinds.items() if is_so)


def _members(
    workspace: Workspace,
    store: "TrialStore",
    content: "StudyRunContent",
    *,
    weights: Weights,
    tell: Tell,
) -> Members:
    """The members of a bundle but its head, one at a time."""
    from pipeline.tracking.bundled import read_training

    yield from study_members(store, content)
    yield "note.md", content.note.encode()
    if content.report is not None:
        yield "report.html", content.report
    rows = [row for row in store.rows() if row.state.is_finished]
    chosen = _chosen(rows, store, content) if weights == "best" else ()
    for row in rows:
        tell(f"{store.name}: reading trial {row.number + 1} of {len(rows)}")
        with_weights = weights == "all" or row.number in chosen
        training = read_training(workspace.ledger_uri, str(row.run_id), with_weights=with_weights)
        yield from training_members(trial_folder(row.number), training)
    for index, confirmation in enumerate(content.confirmations):
        yield f"confirmations/{index:03}/confirmation.json", json_of(confirmation.answer)
        for key, run_id in confirmation.repeats.items():
            training = read_training(
                workspace.ledger_uri,
                run_id,
                with_weights=weights == "all",
                test_metrics=confirmation.test_metrics,
            )
            yield from training_members(repeat_folder(index, key), training)


def study_members(store: "TrialStore", content: "StudyRunContent") -> Members:
    """What a bundle holds of the study as a whole."""
    from pipeline.search.bundled import read_trials

    text = yaml.safe_dump(store.document, sort_keys=False, allow_unicode=True)
    yield "study.yaml", text.encode()
    study = BundledStudy(
        digest=str(store.digest),
        trials=read_trials(store.storage, store.name),
        settled=store.settled,
        warm_start=store.warm_start,
        n_acknowledged=store.n_acknowledged,
        time=content.time,
        test_openings=content.test_openings,
    )
    yield "study.json", json_of(study)


def training_members(folder: str, training: "Training") -> Members:
    """What a bundle holds of a trial or of a repeat."""
    yield f"{folder}record.json", training.record.file
    yield f"{folder}run.json", json_of(training.run)
    if training.weights is not None:
        yield f"{folder}weights.safetensors", training.weights
    if training.record.trial.repeat == 0:
        for name, picture in sorted(training.pictures.items()):
            yield f"{folder}{name}", picture


def _chosen(
    rows: Sequence[TrialRow], store: "TrialStore", content: "StudyRunContent"
) -> Collection[int]:
    """The trials whose weights somebody may want: the best, the confirmed winner, a baseline."""
    best = find_best(rows)
    numbers = {0} if (store.document or {}).get("trials") else set()
    numbers |= {best.number} if best else set()
    for confirmation in content.confirmations[-1:]:
        answer = confirmation.answer.candidates
        named = {answer[0].number, *(one.number for one in answer if one.is_baseline)}
        numbers |= {number_of(number) for number in named}
    return numbers
