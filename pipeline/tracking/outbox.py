"""What waits for a server that is away: outcomes below the home, whole and checked when read.

Nothing here imports MLflow, so that every command can say what waits.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.config import TrialConfig
from pipeline.errors import WorkFailedError
from pipeline.tracking import names
from pipeline.trial import Curve, EpochScores, FoldScores, TrialOutcome, TrialRecord

AWAY = "away.json"
CURVE = "curve.json"
UNFINISHED = ".unfinished"


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What of a study is not in MLflow yet.

    Attributes:
        trials: The numbers of the finished trials that wait.
        folder: Where they are kept.
        address: MLflow's, without a password.
        since: When it did not answer, in ISO 8601.
        reason: What it or the network said.
    """

    study: str
    trials: tuple[int, ...]
    folder: str
    address: str
    since: str
    reason: str

    def __str__(self) -> str:
        """Say what waits, where, why, and what delivers it."""
        n_trials = f"{len(self.trials)} trial{'s' * (len(self.trials) != 1)}"
        return (
            f"{n_trials} of study {self.study!r} and its note wait in {self.folder}: MLflow at "
            f"{self.address} did not answer since {self.since}; `pipeline run` or "
            "`pipeline doctor --fix` delivers them"
        )


def waiting_in(home: Path) -> list[Waiting]:
    """List what waits in a home, by the studies' names."""
    folders = sorted(path.parent for path in (home / "outbox").glob(f"*/{AWAY}"))
    found = (Outbox(home, folder.name).waiting for folder in folders)
    return [waiting for waiting in found if waiting is not None]


class Outbox:
    """The outcomes of one study that MLflow has yet to be told; one process writes at a time.

    Each is a folder ``HOME/outbox/STUDY/trial-012`` with ``record.json``, ``curve.json``,
    ``weights.safetensors`` and pictures, as they will stand in MLflow. It appears whole or not
    at all.

    Args:
        home: The home.
        study: The study's name.
    """

    def __init__(self, home: Path, study: str) -> None:
        """Name the folder; it is made when something is kept."""
        self.folder = home / "outbox" / study
        self._study = study

    @property
    def waiting(self) -> Waiting | None:
        """What waits; ``None`` where everything was delivered."""
        try:
            away = json.loads((self.folder / AWAY).read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            away = {}
        told = {key: str(away.get(key, "unknown")) for key in ("address", "since", "reason")}
        return Waiting(
            study=self._study, trials=tuple(self.numbers), folder=str(self.folder), **told
        )

    @property
    def numbers(self) -> list[int]:
        """The trials that wait, in the order of their numbers."""
        found = (path.name.removeprefix("trial-") for path in self.folder.glob("trial-*"))
        return sorted(int(number) for number in found if number.isdecimal())

    def note_away(self, address: str, reason: str) -> None:
        """Note that MLflow does not answer, before anything is kept for it."""
        since = datetime.now(UTC).isoformat(timespec="seconds")
        text = json.dumps({"address": address, "since": since, "reason": reason})
        with _told(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            unfinished = self.folder / f"{AWAY}{UNFINISHED}"
            _write(unfinished, text.encode())
            unfinished.replace(self.folder / AWAY)

    def keep(self, config: TrialConfig, outcome: TrialOutcome) -> None:
        """Keep an outcome, in place of an older one of the same trial.

        Raises:
            WorkFailedError: It cannot be written; nothing is left of it.
        """
        folder = self._folder(config.number)
        unfinished = folder.with_name(f"{folder.name}{UNFINISHED}")
        with _told(folder):
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            for name, content in _files(config, outcome).items():
                _write(unfinished / name, content)
            shutil.rmtree(folder, ignore_errors=True)
            unfinished.rename(folder)

    def load(self, number: int) -> tuple[TrialConfig, TrialOutcome]:
        """Read an outcome that was kept.

        Raises:
            WorkFailedError: It is damaged; the folder is named.
        """
        folder = self._folder(number)
        try:
            record = TrialRecord.model_validate_json((folder / names.RECORD).read_bytes())
            outcome = _outcome(folder, record)
        except (OSError, ValueError, TypeError) as error:
            raise _damaged(folder, str(error).splitlines()[0]) from None
        if TrialRecord.of(record.trial, outcome) != record:
            raise _damaged(folder, "files that its record does not fit")
        return record.trial, outcome

    def remove(self, number: int) -> None:
        """Forget an outcome that was delivered."""
        shutil.rmtree(self._folder(number))

    def close(self) -> None:
        """Note that everything was delivered."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _folder(self, number: int) -> Path:
        return self.folder / names.trial_run(number)


def _files(config: TrialConfig, outcome: TrialOutcome) -> dict[str, bytes]:
    record = TrialRecord.of(config, outcome).model_dump_json(indent=1)
    curve = json.dumps([asdict(scores) for scores in outcome.curve])
    files = {names.RECORD: record.encode(), CURVE: curve.encode(), **outcome.pictures}
    return files | ({} if outcome.weights is None else {names.WEIGHTS: outcome.weights})


def _outcome(folder: Path, record: TrialRecord) -> TrialOutcome:
    weights = folder / names.WEIGHTS
    return TrialOutcome(
        number=record.trial.number,
        state=record.state,
        cause=record.cause,
        curve=_curve(folder / CURVE),
        n_parameters=record.n_parameters,
        weights=weights.read_bytes() if weights.exists() else None,
        pictures={path.name: path.read_bytes() for path in sorted(folder.glob("*.png"))},
        facts=record.facts,
        repeat=record.trial.repeat,
    )


def _curve(path: Path) -> Curve:
    epochs = json.loads(path.read_bytes())
    return tuple(
        EpochScores(**epoch | {"folds": tuple(FoldScores(*fold) for fold in epoch["folds"])})
        for epoch in epochs
    )


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"{folder}: MLflow does not answer, and nothing can be kept for it: {error}"
        raise WorkFailedError(message) from error


def _damaged(folder: Path, got: str) -> WorkFailedError:
    expected = "a trial as it was kept; move the folder away and run again"
    return WorkFailedError(f"{folder}: got {got}, expected {expected}")
