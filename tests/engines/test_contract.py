"""What every engine does, those that train and the doubles."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.simulate.engine import SimulatedEngine
from pipeline.engines import LocalEngine
from pipeline.engines.ray import RayEngine
from pipeline.engines.ray_nodes import Delivery
from pipeline.trial import Event, TrialOutcome, TrialState
from tests.engines.clusters import cluster
from tests.engines.fits import cohort_of, fit
from tests.fakes import FakeEngine

AnyEngine = LocalEngine | RayEngine | FakeEngine | SimulatedEngine
FIT = "tests.engines.fits:fit"
KINDS = ["local", "ray", "fake", "simulated"]
SECONDS = 120.0


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The head of a Ray cluster of one node."""
    with cluster(3) as started:
        yield started.address


@pytest.fixture(params=KINDS)
def one(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyEngine]:
    """An engine of one worker."""
    yield from opened(request, 1, tmp_path)


@pytest.fixture(params=KINDS)
def three(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyEngine]:
    """An engine of three workers."""
    yield from opened(request, 3, tmp_path)


def opened(request: pytest.FixtureRequest, n_workers: int, folder: Path) -> Iterator[AnyEngine]:
    engine: AnyEngine
    match request.param:
        case "local":
            engine = LocalEngine(FIT, n_workers=n_workers)
        case "ray":
            head = request.getfixturevalue("address")
            delivery = Delivery(pack=str, unpack="pathlib:Path")
            engine = RayEngine(FIT, n_workers=n_workers, address=head, delivery=delivery)
        case "simulated":
            engine = SimulatedEngine(fit, n_workers=n_workers)
        case _:
            engine = FakeEngine(fit, n_workers=n_workers, seed=1)
    try:
        engine.open(folder)
        yield engine
    finally:
        engine.close()


def news_until(engine: AnyEngine, n_outcomes: int) -> list[Event]:
    """Collect what comes until so many trials have ended."""
    news: list[Event] = []
    deadline = time.monotonic() + SECONDS
    while sum(isinstance(one, TrialOutcome) for one in news) < n_outcomes:
        assert time.monotonic() < deadline, f"only {news} came"
        news.extend(engine.events(0.5))
    return news


def outcomes(news: list[Event]) -> dict[int, TrialOutcome]:
    return {one.number: one for one in news if isinstance(one, TrialOutcome)}


def test_each_cohort_has_its_outcomes_and_no_trial_two(three: AnyEngine) -> None:
    for first in range(0, 30, 2):
        three.submit(cohort_of(first, first + 1))
    news = news_until(three, 30)
    assert sorted(one.number for one in news if isinstance(one, TrialOutcome)) == list(range(30))
    assert three.events(0.0) == []
    assert three.n_busy == 0


def test_each_epoch_comes_before_the_trials_outcome_and_in_order(three: AnyEngine) -> None:
    for number in range(8):
        three.submit(cohort_of(number))
    news = news_until(three, 8)
    for number, outcome in outcomes(news).items():
        own = [one for one in news if one.number == number]
        assert own == [*outcome.curve, outcome]
        assert [scores.epoch for scores in outcome.curve] == [1, 2, 3]


def test_cohorts_are_begun_in_the_order_of_submission(one: AnyEngine) -> None:
    numbers = [5, 3, 9, 1, 7]
    for number in numbers:
        one.submit(cohort_of(number))
    assert list(outcomes(news_until(one, 5))) == numbers


def test_engine_wants_one_cohort_more_than_it_has_idle_workers(three: AnyEngine) -> None:
    submitted = 0
    while three.wants_work:
        three.submit(cohort_of(submitted))
        submitted += 1
    assert submitted == 4
    news_until(three, 4)
    assert three.wants_work


@pytest.mark.parametrize(
    ("number", "cause", "epochs"),
    [
        pytest.param(66, "RuntimeError: planted", [1], id="raises"),
        pytest.param(67, "SystemExit: planted", [], id="exits"),
    ],
)
def test_fit_that_raises_ends_its_trial_with_the_cause_and_the_epochs_so_far(
    one: AnyEngine, number: int, cause: str, epochs: list[int]
) -> None:
    one.submit(cohort_of(number))
    one.submit(cohort_of(1))
    ended = outcomes(news_until(one, 2))
    assert (ended[number].state, ended[number].cause) == (TrialState.FAIL, cause)
    assert [scores.epoch for scores in ended[number].curve] == epochs
    assert ended[1].state is TrialState.COMPLETE


def test_fit_that_raises_for_a_cohort_fails_its_culprit_alone(one: AnyEngine) -> None:
    one.submit(cohort_of(1, 66, 2))
    one.submit(cohort_of(3))
    ended = outcomes(news_until(one, 4))
    assert [n for n, outcome in ended.items() if outcome.state is TrialState.FAIL] == [66]
    assert list(ended) == [1, 66, 2, 3]
    assert [scores.epoch for scores in ended[66].curve] == [1]
    assert [scores.epoch for scores in ended[2].curve] == [1, 2, 3]


def test_context_is_what_fit_is_given(one: AnyEngine, tmp_path: Path) -> None:
    one.submit(cohort_of(90))
    assert outcomes(news_until(one, 1))[90].cause == str(tmp_path)


def test_closed_engine_is_closed_again_without_harm(one: AnyEngine) -> None:
    one.submit(cohort_of(1))
    one.close()
    one.close()
    assert one.n_busy == 0
