"""Write a study whole into one file, which ``import`` takes into another home."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import yaml

from pipeline.app.browse import open_study
from pipeline.app.bundles.archive import (
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
    from pipeline.search.storage.store import TrialStore
    from pipeline.tracking.bundled import StudyRunContent, Training

FOLDER: Final = "bundles"
"""Of the home, where bundles are written unless told otherwise."""
Weights = Literal["best", "all", "none"]
"""Whose weights go with a bundle; ``best``: the best, the baseline, the confirmed winner."""
Members = Iterator[tuple[str, bytes]]
COUNTED: Final = ("trials", "confirmations", "repeats", "weights")


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A bundle as it was written.

    Attributes:
        sha256: Of the file.
        size: Its bytes.
        counts: How many trials, confirmations, repeats and weights it holds.
        warnings: Where its texts name a folder of this machine: the study file may.
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
        watched = _Watched(workspace)
        head = Head(
            project=PROJECT,
            format=FORMAT,
            version=version(PROJECT),
            study=study,
            weights=weights,
        )
        members = _members(workspace, store, content, weights=weights, tell=tell)
        sha256 = write_archive(path, head, watched.pass_on(members))
    return Bundle(
        study=study,
        path=path,
        sha256=sha256,
        size=path.stat().st_size,
        counts=watched.counts,
        warnings=watched.warnings,
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


class _Watched:
    """Counts the members of a bundle while they are written, and finds folders of this machine."""

    def __init__(self, workspace: Workspace) -> None:
        folders = {str(Path.home()), str(workspace.home.resolve())} - {"/"}
        self._folders = [f"{folder}/".encode() for folder in folders]
        self._seen: Counter[str] = Counter()
        self._named: list[str] = []

    @property
    def counts(self) -> dict[str, int]:
        return {kind: self._seen[kind] for kind in COUNTED}

    @property
    def warnings(self) -> list[str]:
        if not self._named:
            return []
        first, n_more = self._named[0], len(self._named) - 1
        others = f" and {counted(n_more, 'other member')}" if n_more else ""
        return [f"folders of this machine are named in {first}{others}, and go along as they are"]

    def pass_on(self, members: Members) -> Members:
        for name, content in members:
            is_text = name.endswith((".json", ".yaml", ".md", ".html"))
            if is_text and any(folder in content for folder in self._folders):
                self._named.append(name)
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
        self._seen.update(kind for kind, is_so in kinds.items() if is_so)


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
    from pipeline.search.storage.bundled import read_trials

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
