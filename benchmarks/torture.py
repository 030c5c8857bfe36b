"""Kill a study at every turn: does it end as if nothing had happened?

``python -m benchmarks.torture [--kills 200] [--seed 0] [--json FILE]`` runs a study of two dozen
small networks, kills its driver, a worker, the process that workers are forked from, or all of
them, at moments drawn from the seed or aimed at a write, and gives the same command again, until
the study is over. Then every check of ``check`` is made, and the next round begins in a new home.
"""

import argparse
import hashlib
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from benchmarks.blows import Act, Life, Phase, Victim, draw_act
from pipeline.app.browse import show_study
from pipeline.app.workspace import Workspace
from pipeline.errors import BadInputError
from pipeline.trial import TrialState
from tests.app.studies import PRUNED_TOO, check_ledgers_agree, table, trial_runs

N_TRIALS = 24
SEARCH: dict[str, Any] = PRUNED_TOO["search"] | {"trials": N_TRIALS}
STUDY: dict[str, Any] = PRUNED_TOO | {
    "training": {"epochs": 10, "early_stopping": {"patience": 5}},
    "search": SEARCH,
}
STUDIES: Sequence[dict[str, Any]] = (
    STUDY,
    STUDY | {"search": SEARCH | {"stopping": "halving", "block": 6}},  # its trials pause
    STUDY
    | {
        "objective": {"metric": "val_accuracy", "direction": "maximize"},
        "training": {"epochs": {"low": 5, "high": 10}},
    },
    STUDY
    | {
        "data": {"name": "digits", "validation": 0.25, "task": "regression"},
        "objective": {"metric": "val_r2", "direction": "maximize"},
        "training": {"epochs": 10, "loss": "huber"},
    },
)
MOST_SECONDS_TO_END = 10.0
"""So long what a killed driver leaves may live."""
LASTING = {"artifacts", "cache", "locks", "mlflow.db", "mlflow.db.lock"}
LASTING |= {"optuna.journal", "optuna.lock"}
TORCHS_OWN = "torchinductor_*"
"""The cache folder that importing torch makes, killed or not."""
CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}


@dataclass
class Tally:
    """What was done and seen."""

    kills: Counter[tuple[Victim, Phase]] = field(default_factory=Counter)
    rounds: int = 0
    restarts: int = 0
    trials_begun_again: int = 0
    checks: int = 0
    slowest_end_seconds: float = 0.0
    seconds: float = 0.0

    @property
    def n_kills(self) -> int:
        """How many blows fell."""
        return self.kills.total()

    def as_json(self) -> dict[str, Any]:
        """The tally, with the kills by victim and by phase."""
        victims: Counter[str] = Counter()
        phases: Counter[str] = Counter()
        for (victim, phase), count in self.kills.items():
            victims[victim] += count
            phases[phase] += count
        numbers = {name: value for name, value in vars(self).items() if name != "kills"}
        return {"kills": self.n_kills, "victims": dict(victims), "phases": dict(phases)} | numbers


class Round:
    """One study, from nothing to its end, under blows.

    Args:
        file: The study file.
        home: A new home; what is said and written to the temporary folder lies beside it.
        tally: Counts what is done.
        workers: Worker processes.
    """

    def __init__(self, file: Path, home: Path, tally: Tally, *, workers: int) -> None:
        self._words = ("run", file, "--home", home, "--workers", str(workers))
        self._home = home
        self._scratch = home.with_name(f"{home.name}-tmp")
        self._scratch.mkdir()
        self._tally = tally

    def run(self, acts: Iterable[Act]) -> None:
        """Give the command again and again until the study is over."""
        acts = iter(acts)
        with self._scratch.with_suffix(".log").open("a") as said:
            while True:
                with Life(self._words, home=self._home, scratch=self._scratch, said=said) as life:
                    is_over = self._live(life, next(acts, ()))
                if is_over:
                    return
                self._tally.restarts += 1

    def _live(self, life: Life, act: Act) -> bool:
        """Let blows fall on one driver; return whether it brought the study to its end."""
        for blow in act:
            hit = life.strike(blow)
            if hit is not None:
                self._tally.kills[hit, blow.phase] += 1
            if hit in ("driver", "group"):
                self._look_at_what_is_left(life)
                return False
        return self._ended(life, act)

    def _ended(self, life: Life, act: Act) -> bool:
        code = life.wait()
        allowed = {0} | {CODES[blow.signal] for blow in act if blow.signal}
        assert code in allowed, f"exit code {code}: {life.said()}"
        life.seconds_to_end(MOST_SECONDS_TO_END)
        if code:
            assert not self._n_running(), f"trials run after exit code {code}"
        return code == 0

    def _look_at_what_is_left(self, life: Life) -> None:
        seconds = life.seconds_to_end(MOST_SECONDS_TO_END)
        self._tally.slowest_end_seconds = max(self._tally.slowest_end_seconds, seconds)
        self._tally.trials_begun_again += self._n_running()

    def _n_running(self) -> int:
        try:
            rows = show_study(Workspace(home=self._home, tracking_uri=None), "small").trials
        except BadInputError:
            return 0  # it ended before its study was written
        return sum(row.state is TrialState.RUNNING for row in rows)

    def check(self, undisturbed: Sequence[Any]) -> None:
        """Hold the home to the undisturbed study's table, and to promise 2."""
        assert table(self._home) == undisturbed
        check_ledgers_agree(self._home, len(undisturbed))
        for run in trial_runs(self._home):
            weights = Path(run.info.artifact_uri.removeprefix("file://")) / "weights.safetensors"
            found = hashlib.sha256(weights.read_bytes()).hexdigest()
            assert found == run.data.tags["weights_sha256"], run.info.run_name
        left = {path.name for path in self._home.iterdir()} - LASTING
        left |= {path.name for path in self._scratch.iterdir() if not path.match(TORCHS_OWN)}
        left |= {path.name for path in self._home.rglob("*") if path.suffix in (".part", ".tmp")}
        left |= {path.name for path in (self._home / "locks").glob("*")}
        assert not left, f"left over: {sorted(left)}"
        self._tally.rounds += 1
        self._tally.checks += 5


def torture(n_kills: int, *, seed: int, folder: Path) -> Tally:
    """Kill so often, in as many rounds as it takes."""
    chance, tally, began = random.Random(seed), Tally(), time.monotonic()  # noqa: S311
    studies = [
        _run_undisturbed(study, folder / f"undisturbed-{number}")
        for number, study in enumerate(STUDIES)
    ]
    start_up_seconds = (time.monotonic() - began) / 2 / len(studies)

    def acts() -> Iterator[Act]:
        while tally.n_kills < n_kills:
            yield draw_act(chance, start_up_seconds=start_up_seconds)

    while tally.n_kills < n_kills:
        home = folder / f"round-{tally.rounds:03}"
        file, expected = studies[tally.rounds % len(studies)]
        one = Round(file, home, tally, workers=chance.choice([1, 2, 2, 3]))
        one.run(acts())
        one.check(expected)
        tally.seconds = round(time.monotonic() - began, 1)
        print(json.dumps(tally.as_json()), flush=True)
    return tally


def _run_undisturbed(study: dict[str, Any], home: Path) -> tuple[Path, list[Any]]:
    """Write a study's file, and run it to the table that it must have under blows, too."""
    file = home.with_suffix(".yaml")
    file.write_text(yaml.safe_dump(study), encoding="utf-8")
    undisturbed = Round(file, home, Tally(), workers=2)
    undisturbed.run(())
    expected = table(home)
    undisturbed.check(expected)
    return file, expected


def main() -> None:
    """Torture and print what was counted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="Write the counts there as well.")
    parser.add_argument("--folder", type=Path, help="Keep the homes there; a new or empty folder.")
    asked = parser.parse_args()
    with ExitStack() as kept:
        folder = asked.folder or Path(kept.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        tally = torture(asked.kills, seed=asked.seed, folder=folder)
    if asked.json:
        asked.json.write_text(json.dumps(tally.as_json(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
