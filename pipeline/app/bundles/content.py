"""A bundle's content, read as a stranger's: all of it is checked, and no code of it runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipeline.app.bundles.archive import repeat_folder, trial_folder
from pipeline.app.bundles.reader import Archive, fault
from pipeline.config import (
    NO_TRIAL,
    ShownNumber,
    StudyConfig,
    TrialConfig,
    check_study,
    digest,
    number_of,
)
from pipeline.config.yaml import parse
from pipeline.trial import (
    BundledConfirmation,
    BundledRun,
    BundledStudy,
    BundledTrial,
    TrialKey,
    TrialRecord,
)

if TYPE_CHECKING:
    from pipeline.tracking.bundled import Training

PNG: Final = b"\x89PNG\r\n\x1a\n"
BESIDE: Final = ("note.md", "report.html")
"""Members for who unpacks a bundle by hand: the home they go to writes its own."""


@dataclass(frozen=True)
class Confirmed:
    """A confirmation in a bundle.

    Attributes:
        index: Which, the oldest is 0.
        keys: Number and repeat of each training.
    """

    index: int
    answer: BundledConfirmation
    keys: tuple[TrialKey, ...]


@dataclass(frozen=True)
class Content:
    """A bundle whose parts agree with each other."""

    archive: Archive
    config: StudyConfig
    study: BundledStudy
    confirmations: Sequence[Confirmed]

    @property
    def finished(self) -> list[BundledTrial]:
        """The trials that have ended: each has a record."""
        return [trial for trial in self.study.trials if trial.state.is_finished]

    def training(self, folder: str) -> "Training":
        """Read a trial or a repeat, its weights included where they are there."""
        from pipeline.tracking.bundled import Training

        weights = f"{folder}weights.safetensors"
        pictures = [name for name in self._below(folder) if name.endswith(".png")]
        return Training(
            record=self.archive.parse(f"{folder}record.json", TrialRecord),
            run=self.archive.parse(f"{folder}run.json", BundledRun),
            weights=self.archive.read(weights) if weights in self.archive.names else None,
            pictures={name.removeprefix(folder): self.archive.read(name) for name in pictures},
        )

    def _below(self, folder: str) -> list[str]:
        return [name for name in self.archive.names if name.startswith(folder)]


def read_content(archive: Archive) -> Content:
    """Read and check all that a bundle holds, one training at a time.

    Raises:
        BadInputError: Naming the member and what is wrong with it.
    """
    config, study = _read_study(archive)
    content = Content(archive, config, study, tuple(_read_confirmations(archive)))
    _check_members(content)
    configs = _check_trials(content)
    for confirmed in content.confirmations:
        _check_confirmation(content, confirmed, configs)
    return content


def _read_study(archive: Archive) -> tuple[StudyConfig, BundledStudy]:
    where = f"{archive.path}: study.yaml"
    document = parse(archive.read("study.yaml").decode("utf-8", "replace"), where)
    if not isinstance(document, dict):
        raise fault(archive.path, "study.yaml is no study file")
    config = check_study(document, where)
    study: BundledStudy = archive.parse("study.json", BundledStudy)
    if config.name != archive.head.study:
        problem = f"study.yaml is of study {config.name!r}, not {archive.head.study!r}"
        raise fault(archive.path, problem)
    if digest(config) != study.digest:
        writer = f"version {archive.head.version[:20]!r}, which wrote it"
        raise fault(archive.path, f"study.yaml means something else here than to {writer}")
    if [trial.number for trial in study.trials] != list(range(len(study.trials))):
        raise fault(archive.path, "study.json: its trials are not numbered from 0 on")
    return config, study


def _read_confirmations(archive: Archive) -> Iterator[Confirmed]:
    """Read the confirmations and which trainings each has; others than these are found later."""
    index = 0
    while (name := f"confirmations/{index:03}/confirmation.json") in archive.names:
        folder = name.removesuffix("confirmation.json")
        below = (one.removeprefix(folder) for one in archive.names if one.startswith(folder))
        keys = [one.removesuffix("/record.json") for one in below if one.endswith("/record.json")]
        pairs = tuple((int(number), int(repeat)) for number, repeat in (k.split("-") for k in keys))
        yield Confirmed(index, archive.parse(name, BundledConfirmation), pairs)
        index += 1


def _check_members(content: Content) -> None:
    """Refuse a member that nothing in the bundle asks for."""
    folders = {trial_folder(trial.number) for trial in content.finished}
    answers = {"study.yaml", "study.json", *BESIDE, "bundle.json"}
    for one in content.confirmations:
        answers.add(f"confirmations/{one.index:03}/confirmation.json")
        folders |= {repeat_folder(one.index, key) for key in one.keys}
    for name in content.archive.names:
        folder = name.rpartition("/")[0] + "/"
        if name not in answers and folder not in folders:
            raise fault(content.archive.path, f"{name} is of nothing that study.json has")


def _check_trials(content: Content) -> list[TrialConfig]:
    """Hold each trial to its record, and give what was trained."""
    from pipeline.analysis.bundle_audit import trial_fault
    from pipeline.search.blocks import resolve
    from pipeline.search.storage.bundled import frozen_trials

    path, study, objective = content.archive.path, content.study, content.config.objective
    frozen_trials(content.config, study.trials, {}, where=str(path))
    configs = []
    for trial in content.finished:
        folder = trial_folder(trial.number)
        training = content.training(folder)
        config = resolve(content.config, trial.number, trial.params, trial.finalist)
        problem = trial_fault(trial.row(objective), config, training.record, training.curve)
        _check_training(content, folder, training, problem)
        configs.append(config)
    return configs


def _check_training(
    content: Content, folder: str, training: "Training", problem: str | None
) -> None:
    """Refuse a training that is not sound, and files that are not what they are called."""
    from pipeline.learning.weights_file import weights_fault

    path = content.archive.path
    if problem:
        raise fault(path, f"{folder}: {problem}")
    recorded = training.record.weights_sha256
    if training.weights is not None:
        if content.archive.digest_of(f"{folder}weights.safetensors") != recorded:
            raise fault(path, f"{folder}: its weights are not those of its record")
        if problem := weights_fault(training.weights):
            raise fault(path, f"{folder}weights.safetensors: {problem}")
    for name, picture in training.pictures.items():
        if not picture.startswith(PNG):
            raise fault(path, f"{folder}{name} is no PNG file")


def _check_confirmation(
    content: Content, confirmed: Confirmed, configs: Sequence[TrialConfig]
) -> None:
    from pipeline.analysis.bundle_audit import repeat_fault

    numbers = {number_of(one.number) for one in confirmed.answer.candidates}
    known = {*(config.number for config in configs), NO_TRIAL}
    path, where = content.archive.path, f"confirmations/{confirmed.index:03}"
    if numbers != {number for number, _ in confirmed.keys} or not numbers <= known:
        raise fault(path, f"{where}: its candidates are not the trials that have repeats there")
    if not {number_of(one) for one in _named_in_drops(confirmed)} <= numbers:
        raise fault(path, f"{where}: a candidate was dropped for one that it does not have")
    for key in confirmed.keys:
        folder = repeat_folder(confirmed.index, key)
        training = content.training(folder)
        same = [config for config in configs if key[0] in (NO_TRIAL, config.number)]
        problem = repeat_fault(training.record, training.curve, same, key=key)
        _check_training(content, folder, training, problem)


def _named_in_drops(confirmed: Confirmed) -> Iterator[ShownNumber]:
    for one in confirmed.answer.candidates:
        if one.dropped is not None:
            yield one.dropped.by
