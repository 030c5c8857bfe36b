"""The simulation of scale, small; and its law: the work for a trial does not grow."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from benchmarks.simulate.__main__ import Simulation, main
from benchmarks.simulate.learning import Formula, Learning
from benchmarks.simulate.measures import Law, Part, law_of_suggestions
from benchmarks.simulate.suggestions import Growing
from pipeline.app.workspace import Workspace
from pipeline.trial import Event, TrialOutcome
from tests.engines.fits import cohort_of
from tests.long_form import long_form
from tests.looking_on import Watching

N_TRIALS = 120
SMALL = ["--trials", "40", "--workers", "6", "--block", "8"]


class Calls:
    """Counts the calls of Python functions while it profiles."""

    def __init__(self) -> None:
        self.n_calls = 0

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        """Take an event of the profiler."""
        del frame, argument
        self.n_calls += event == "call"


@contextmanager
def counted() -> Iterator[Calls]:
    calls, before = Calls(), sys.getprofile()
    sys.setprofile(calls)
    try:
        yield calls
    finally:
        sys.setprofile(before)


@pytest.fixture(scope="module")
def calls_by_trial(tmp_path_factory: pytest.TempPathFactory) -> list[int]:
    """How many calls there were when each trial ended, first to last."""
    formula = Formula()
    study = formula.study({"trials": N_TRIALS, "sampler": "random", "stopping": "none"})
    workspace = Workspace(home=tmp_path_factory.mktemp("home"))
    simulation = Simulation(study, Learning(formula), workspace, n_workers=12)
    by_trial: list[int] = []
    count = simulation.probe.watch

    def watch(event: Event) -> None:
        count(event)
        if isinstance(event, TrialOutcome):
            by_trial.append(calls.n_calls)

    with counted() as calls:
        simulation.run(Watching(watch))
    return by_trial


@pytest.mark.slow
def test_calls_for_a_trial_do_not_grow_with_the_trials_before_it(calls_by_trial: list[int]) -> None:
    assert len(calls_by_trial) == N_TRIALS
    early = calls_by_trial[48] - calls_by_trial[16]
    late = calls_by_trial[88] - calls_by_trial[56]
    assert late < 1.05 * early


@pytest.mark.slow
def test_calls_for_a_suggestion_of_tpe_grow_by_few_for_each_known_trial() -> None:
    growing, n_calls = Growing("tpe", block=1), []
    for n_trials in (200, 1_000):
        growing.learn(n_trials)
        with counted() as calls:
            growing.ask()
        n_calls.append(calls.n_calls)
    assert (n_calls[1] - n_calls[0]) / 800 < 35  # it was 52 when each parameter was converted anew


@pytest.mark.slow
@pytest.mark.parametrize(
    "ledger",
    [pytest.param([], id="silent"), pytest.param(["--mlflow"], id="mlflow", marks=long_form)],
)
def test_small_simulation_reports_what_it_promises(
    ledger: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report.json"
    home = ["--home", str(tmp_path / "home"), "--out", str(out)]
    assert main([*SMALL, *ledger, *home]) == 0
    printed = capsys.readouterr()
    report = json.loads(out.read_text(encoding="utf-8"))
    assert json.loads(printed.out) == report
    (row,) = report["rows"]
    assert row["finished"] == 40
    assert row["suggestion_cpu_ms"]["median"] <= row["suggestion_cpu_ms"]["max"]
    assert (row["store_mib"]["mlflow"] > 0) == bool(ledger)
    assert row["store_mib"]["optuna"] > 0
    assert 0 < report["busy_part_of_workers"] <= 1
    assert "40 of 40 trials" in printed.err


def test_law_is_the_line_through_the_parts_and_says_so() -> None:
    parts = [Part(n, 8, wall=1.0, cpu=8 * (0.05 + 1e-5 * (n + 4))) for n in range(0, 2_000, 8)]
    law = law_of_suggestions(parts)
    assert law is not None
    assert law.at(10_000) == pytest.approx(150.0)
    assert str(Law(50.0, 0.01)) == "50 ms + 10 ms a thousand trials"


def test_a_trial_that_paused_goes_on_behind_its_last_epoch() -> None:
    learning, told = Learning(Formula()), list[int]()
    (whole,) = cohort_of(0, epochs=12).assignments
    paused = replace(whole, pause_at=5)
    first = learning.fit_one(paused, lambda scores: told.append(scores.epoch))
    assert first.is_paused
    last = learning.fit_one(whole, lambda scores: told.append(scores.epoch))
    assert told == list(range(1, 13))
    assert [scores.epoch for scores in last.curve] == told
    assert last.curve[:5] == first.curve
