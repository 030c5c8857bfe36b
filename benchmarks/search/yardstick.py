"""Train again what each study would have chosen: five new seeds, on rows that it has not seen.

A study's own lowest loss says little about its choice, since it is the luckiest of many. A setting
that several studies of a seed choose is trained once. Started again, it goes on with what is
missing.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any, Final, NamedTuple, Self

from benchmarks.search import plan
from benchmarks.search.live import FILE as STUDIES
from benchmarks.search.live import prepare
from benchmarks.search.spaces import LIVE, Folders, LiveSpace, add_live_options
from benchmarks.search.studies import (
    Lines,
    Study,
    choose,
    read_studies,
    with_choices_by_mean,
)
from pipeline.app import training
from pipeline.config import StudyConfig, TrialConfig, derive_seed
from pipeline.trial import Assignment, Cohort, Event, TrialOutcome

FILE: Final = "yardstick.jsonl"


class SettingKey(NamedTuple):
    """A setting that is trained again.

    Attributes:
        seed: Of the studies that chose it.
        params: As JSON, by name.
    """

    space: str
    seed: int
    params: str

    @classmethod
    def of(cls, space: str, seed: int, params: Mapping[str, Any]) -> Self:
        """Name a setting."""
        return cls(space, seed, json.dumps(params, sort_keys=True))

    @property
    def number(self) -> int:
        """The trial number that it is trained with: its seeds follow from it."""
        return derive_seed(*self) % 1_000_000


def choices(studies: Iterable[Study], budgets: Sequence[int]) -> Iterator[SettingKey]:
    """Every setting that is chosen, once."""
    chosen = (
        SettingKey.of(study.space, study.seed, params)
        for study in studies
        for budget in budgets
        if budget <= study.budget and (params := choose(study, budget)) is not None
    )
    yield from dict.fromkeys(chosen)


Scores = Mapping[SettingKey, float]
"""The mean of a setting's lowest losses over its new seeds."""


def read_scores(path: Path) -> dict[SettingKey, float]:
    """Read what was trained again; a setting with a failed training counts as infinitely bad."""
    return {
        SettingKey(line["space"], line["seed"], line["params"]): fmean(
            float("inf") if loss is None else loss for loss in line["losses"]
        )
        for line in Lines(path)
    }


def cohort_of(key: SettingKey, study: StudyConfig) -> Cohort:
    """A setting on its new seeds, trained as one."""
    early = study.training.early_stopping
    patience = early.patience if early else None
    return Cohort(
        tuple(
            Assignment(
                config=TrialConfig(
                    study=study.name,
                    number=key.number,
                    study_seed=key.seed + plan.OTHER_SPLIT,
                    data=study.data,
                    model=study.model,
                    training=study.training.of_trial({}),
                    params=json.loads(key.params),
                    repeat=repeat,
                ),
                epochs=study.training.most_epochs,
                patience=patience,
            )
            for repeat in range(1, plan.REPEATS + 1)
        )
    )


class Collected:
    """Writes a setting's losses when all of its trainings have ended."""

    def __init__(self, file: Path, keys: Iterable[SettingKey]) -> None:
        self._lines = Lines(file)
        self._keys = {(key.seed + plan.OTHER_SPLIT, key.number): key for key in keys}
        self._losses: dict[SettingKey, dict[int, float | None]] = {}

    def watch(self, config: TrialConfig, event: Event) -> None:
        """Take in what the engine sends."""
        if not isinstance(event, TrialOutcome):
            return
        key = self._keys[config.study_seed, config.number]
        losses = self._losses.setdefault(key, {})
        losses[config.repeat] = event.value
        if len(losses) == plan.REPEATS:
            found = [losses[repeat] for repeat in sorted(losses)]
            self._lines.append(key._asdict() | {"losses": found})
            print(f"{key.space} {key.seed}: {found} {key.params}", flush=True)


def measure(
    space: LiveSpace, keys: Sequence[SettingKey], folders: Folders, out: Path, n_workers: int
) -> None:
    """Train settings of one space again, seed by seed: outcomes with their weights are large."""
    study = space.study(space.other_rows(folders), trials=1)
    collected = Collected(out / FILE, keys)
    data = prepare(study, folders)
    for _, of_seed in groupby(keys, key=lambda key: key.seed):
        cohorts = [cohort_of(key, study) for key in of_seed]
        training.train(cohorts, data, n_workers=n_workers, watch=collected.watch)


def parser() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search.yardstick", description=__doc__
    )
    budgets = list(plan.BUDGETS)
    parser.add_argument("--budgets", nargs="+", type=int, default=budgets, metavar="EPOCHS")
    add_live_options(parser)
    return parser


def main(words: Sequence[str]) -> int:
    """Train again what is chosen by the studies that there are."""
    options = parser().parse_args(words)
    read = read_studies(options.out / STUDIES).values()
    studies = with_choices_by_mean(read, options.budgets)
    done = read_scores(options.out / FILE)
    folders = Folders(options.data_dir, options.out / "data")
    for name in options.spaces:
        here = sorted((study for study in studies if study.space == name), key=_seed)
        keys = [key for key in choices(here, options.budgets) if key not in done]
        if keys:
            measure(LIVE[name], keys, folders, options.out, options.workers)
    return 0


def _seed(study: Study) -> int:
    return study.seed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
