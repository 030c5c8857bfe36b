"""Live studies on an engine that does not train: they are what their seeds say, in any order."""

from collections.abc import Sequence

import pytest

from benchmarks.search.live import Bench, Running
from benchmarks.search.policies import POLICIES
from benchmarks.search.studies import Study, StudyKey
from benchmarks.search.training import Recalled
from tests.fakes import FakeEngine
from tests.search.studies import study

NAMES = ("random", "tpe", "tpe-median", "tpe-asha", "auto")
BUDGET = 120


def begun(policy: str, seed: int, budget: int) -> Running:
    entry = POLICIES[policy]
    asked = study(epochs=9, trials=budget, seed=seed, block=4, **entry.search)
    key = StudyKey(policy, "small", seed)
    return Running(key=key, policy=entry.make(asked), budget=budget)


def ran(
    engine: FakeEngine,
    *,
    policies: Sequence[str] = NAMES,
    known: Recalled | None = None,
    budget: int = BUDGET,
) -> dict[StudyKey, Study]:
    engine.open(None)
    studies = (begun(policy, seed, budget) for seed in (1, 2) for policy in policies)
    finished = Bench(engine, known or Recalled()).run(studies)
    return {running.key: running.study for running in finished}


def trials_of(studies: dict[StudyKey, Study]) -> dict[StudyKey, object]:
    return {key: study.trials for key, study in studies.items()}


@pytest.fixture(scope="module")
def undisturbed() -> dict[StudyKey, Study]:
    return ran(FakeEngine())


def test_studies_are_the_same_on_any_number_of_workers(
    undisturbed: dict[StudyKey, Study],
) -> None:
    assert len(undisturbed) == 2 * len(NAMES)
    for n_workers, seed in ((2, 1), (4, 2)):
        assert trials_of(ran(FakeEngine(n_workers=n_workers, seed=seed))) == trials_of(undisturbed)


def test_studies_use_their_epochs_and_not_many_more(undisturbed: dict[StudyKey, Study]) -> None:
    for one in undisturbed.values():
        assert BUDGET <= one.epochs < BUDGET + 8 * 9


def test_studies_that_stop_trials_do_so_and_leave_none_paused(
    undisturbed: dict[StudyKey, Study],
) -> None:
    for policy in ("tpe-asha", "auto"):
        studies = [undisturbed[StudyKey(policy, "small", seed)] for seed in (1, 2)]
        states = {trial.state for one in studies for trial in one.trials}
        assert {"COMPLETE", "PRUNED"} <= states
        assert "RUNNING" not in states


def test_study_alone_is_the_same_as_beside_others(undisturbed: dict[StudyKey, Study]) -> None:
    for policy in NAMES:
        alone = ran(FakeEngine(), policies=[policy])
        assert alone.keys() <= undisturbed.keys()
        assert trials_of(alone) == {key: undisturbed[key].trials for key in alone}


def test_trial_that_two_policies_ask_for_is_trained_once() -> None:
    alone, beside = FakeEngine(), FakeEngine()
    ran(alone, policies=["tpe"])
    ran(beside, policies=["random", "tpe"])
    both = FakeEngine()
    ran(both, policies=["random"])
    assert len(beside.order) < len(alone.order) + len(both.order)


def test_larger_budget_trains_only_what_is_new() -> None:
    some = ["random", "tpe-median", "tpe-asha"]
    first, longer, whole, again = (FakeEngine() for _ in range(4))
    known = Recalled(ran(first, policies=some, budget=BUDGET // 2).values())
    studies = ran(longer, policies=some, known=known)
    assert trials_of(studies) == trials_of(ran(whole, policies=some))
    assert len(longer.order) < len(whole.order)
    ran(again, policies=some, known=Recalled(studies.values()))
    assert {number % 13 for number in again.order} == {12}  # what failed is tried again
