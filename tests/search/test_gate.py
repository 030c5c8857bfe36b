"""The gate inside a block: a decision of numbers alone, whoever is killed at it."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Params, StudyConfig
from pipeline.search import blocks
from pipeline.search.driver import Driver
from pipeline.search.gate import Gate
from pipeline.search.sampling.suggest import SampledView, make_suggester
from pipeline.search.storage.store import TrialStore
from pipeline.search.time_ledger import TimeLedger
from pipeline.trial import (
    Assignment,
    Cohort,
    EpochScores,
    Event,
    TrialOutcome,
    TrialRow,
    TrialState,
)
from tests.fakes import (
    SECONDS_AN_EPOCH,
    FakeEngine,
    FakeLedger,
    Fuse,
    KilledError,
    fake_fit,
)
from tests.long_form import in_long_form
from tests.looking_on import Watching
from tests.search.studies import Stores, ended, study, table_of

HALVING: dict[str, Any] = {"sampler": "tpe", "stopping": "halving", "first_rung": 3}
ENDS = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING)
# Few distinct losses, so that ties come up.
LOSSES = st.integers(0, 6).map(lambda loss: loss / 2)


@st.composite
def trials(draw: st.DrawFn) -> tuple[int, int, list[TrialRow]]:
    """A gate's epoch and reduction, and trials that have ended or paused in every way."""
    epoch, reduction = draw(st.integers(1, 4)), draw(st.integers(2, 5))
    rows = []
    for number in range(draw(st.integers(0, 24))):
        state = draw(st.sampled_from(ENDS))
        least = epoch if state in (TrialState.PRUNED, TrialState.RUNNING) else 0
        least = max(least, state is TrialState.COMPLETE)
        most = epoch if state is TrialState.PRUNED else epoch + 3
        losses = draw(st.lists(LOSSES, min_size=least, max_size=most))
        if state is TrialState.FAIL and losses and draw(st.booleans()):
            losses[-1] = draw(st.sampled_from([math.nan, math.inf]))
        rows.append(ended(number, state, None, tuple(losses)))
    return epoch, reduction, rows


def judged(
    epoch: int, reduction: int, rows: Sequence[TrialRow], block: int = 100
) -> dict[int, str]:
    """What a gate decides, block by block."""
    gate = Gate(epoch=epoch, reduction=reduction)
    found: dict[int, str] = {}
    for first in range(0, len(rows), block):
        found |= gate.judge(rows[first : first + block])
    return found


def lowest_at(epoch: int, row: TrialRow) -> float | None:
    """What a trial is compared by, said in other words."""
    has_been_there = len(row.scores) >= epoch or row.state is TrialState.COMPLETE
    seen = row.scores[:epoch]
    return min(seen) if has_been_there and all(loss < 99 for loss in seen) else None


@given(given_=trials())
def test_a_trial_goes_on_where_so_few_up_to_it_are_better_that_it_is_among_the_best(
    given_: tuple[int, int, list[TrialRow]],
) -> None:
    epoch, reduction, rows = given_
    stopped = judged(epoch, reduction, rows)
    for row in rows:
        up_to_it = [lowest_at(epoch, one) for one in rows[: row.number + 1]]
        pool = [loss for loss in up_to_it if loss is not None]
        is_here = row.state is TrialState.RUNNING and len(row.scores) == epoch
        n_better = sum(loss < min(row.scores) for loss in pool) if is_here else 0
        assert (row.number in stopped) == (n_better >= math.ceil(len(pool) / reduction) > 0)


@given(given_=trials(), block=st.integers(1, 9))
def test_a_decision_depends_on_no_later_trial_and_not_on_the_block(
    given_: tuple[int, int, list[TrialRow]], block: int
) -> None:
    epoch, reduction, rows = given_
    whole = judged(epoch, reduction, rows)
    assert judged(epoch, reduction, rows, block) == whole
    for n in range(len(rows)):
        assert judged(epoch, reduction, rows[:n], block) == {k: whole[k] for k in whole if k < n}


@given(given_=trials())
def test_a_smaller_reduction_stops_no_more(given_: tuple[int, int, list[TrialRow]]) -> None:
    epoch, reduction, rows = given_
    assert judged(epoch, reduction, rows).keys() <= judged(epoch, reduction + 1, rows).keys()


@given(losses=st.lists(st.floats(0, 9), min_size=1, max_size=40, unique=True))
def test_about_half_of_what_pauses_goes_on_and_the_best_so_far_always(losses: list[float]) -> None:
    rows = [ended(n, TrialState.RUNNING, None, (9.5, loss)) for n, loss in enumerate(losses)]
    stopped = judged(2, 2, rows)
    best_so_far = [n for n, loss in enumerate(losses) if loss <= min(losses[: n + 1])]
    assert not set(best_so_far) & stopped.keys()
    last_half = [row for row in rows if row.number not in stopped]
    assert any(row.scores[1] == min(losses) for row in last_half)


def test_ties_go_on_and_the_cause_names_the_limit_and_the_epoch() -> None:
    curves = [(0.9, 0.44), (0.61, 0.7), (0.44, 0.5), (0.8, 0.62)]
    rows = [ended(n, TrialState.RUNNING, None, curve) for n, curve in enumerate(curves)]
    words = "halving: lowest val_loss {} above 0.44 at epoch 2"
    assert judged(2, 2, rows) == {1: words.format(0.61), 3: words.format(0.62)}


def test_a_trial_beyond_the_gate_is_compared_by_what_it_had_there_and_goes_on() -> None:
    rows = [
        ended(0, TrialState.RUNNING, None, (0.5, 0.4)),
        ended(1, TrialState.RUNNING, None, (0.9, 0.8, 0.1)),
        ended(2, TrialState.RUNNING, None, (0.9, 0.6)),
    ]
    assert judged(2, 3, rows).keys() == {2}
    assert judged(2, 3, [rows[0], replace(rows[1], scores=(0.9, 0.8)), rows[2]]).keys() == {
        1,
        2,
    }


@pytest.mark.parametrize("rule", ["none", "median", "asha", "hyperband"])
def test_no_other_rule_has_a_gate(rule: str) -> None:
    engine = Stores().run(study(stopping=rule, trials=6))
    assert {one.pause_at for one in engine.assignments.values()} == {None}
    assert sorted(engine.order) == list(range(6))


def run(asked: StudyConfig, **how: Any) -> tuple[Stores, FakeEngine]:
    """Run a study from nothing."""
    stores = Stores()
    return stores, stores.run(asked, **how)


def test_trials_pause_once_and_the_better_ones_are_handed_over_again() -> None:
    stores, engine = run(study(trials=24, block=4, **HALVING), n_workers=2, seed=3)
    states = {row.number: row.state for row in stores.rows}
    for number, state in states.items():
        went_on = state is not TrialState.PRUNED and len(stores.rows[number].scores) > 3
        assert engine.order.count(number) == 1 + went_on
    stopped = [row for row in stores.rows if row.state is TrialState.PRUNED]
    assert len(stopped) > 5
    for row in stopped:
        assert len(row.scores) == 3
        assert row.cause is not None
        assert row.cause.startswith("halving: lowest val_loss 0.")
        assert row.cause.endswith("at epoch 3")
    assert [row.state for row in stores.rows] == [
        stores.held.runs[row.number].state for row in stores.rows
    ]


def test_what_passed_the_gate_is_handed_over_before_the_next_block() -> None:
    _, engine = run(study(trials=24, block=4, **HALVING), n_workers=1)
    first_seen = {number: engine.order.index(number) for number in range(24)}
    for number in range(24):
        again = [place for place, one in enumerate(engine.order) if one == number][1:]
        later = [first_seen[n] for n in range((number // 4 + 1) * 4, 24)]
        assert all(place < min(later, default=99) for place in again)


@pytest.mark.parametrize("first_rung", [in_long_form(1), 3, in_long_form(8), 9])
@settings(max_examples=8)
@given(
    block=st.integers(1, 8),
    reduction=st.integers(2, 4),
    deliveries=st.lists(
        st.tuples(st.integers(1, 8), st.integers(0, 10_000), st.none() | st.integers(1, 8)),
        min_size=1,
        max_size=2,
    ),
)
def test_driver_makes_one_table_with_gates_whatever_the_workers_their_delays_and_the_cohorts(
    first_rung: int, block: int, reduction: int, deliveries: list[tuple[int, int, int | None]]
) -> None:
    search: dict[str, Any] = HALVING | {"first_rung": first_rung, "reduction": reduction}
    asked = study(block=block, **search)
    alone = table_of(asked)
    for n_workers, seed, cohort in deliveries:
        assert table_of(asked, n_workers=n_workers, seed=seed, max_cohort=cohort) == alone


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
@pytest.mark.parametrize("n_before", [1, 7, 12])
def test_larger_number_of_trials_leaves_every_decision_as_it_was(
    n_before: int, sampler: str
) -> None:
    search = HALVING | {"sampler": sampler}
    few, all_ = (study(block=5, trials=n, **search) for n in (n_before, 24))
    stores = Stores()
    stores.run(few, n_workers=4, seed=3)
    first = stores.table
    stores.run(all_, n_workers=2, seed=4)
    assert stores.table[:n_before] == first
    assert stores.table == table_of(all_)


class Recording(SampledView):
    """Writes down what it is told, shown and asked, in order."""

    calls: list[tuple[str, int, tuple[float, ...]]]

    def ask(self, number: int) -> Params:
        """Write down and suggest."""
        self.calls.append(("ask", number, ()))
        return super().ask(number)

    def restore(self, number: int, params: Params) -> None:
        """Write down and take in."""
        self.calls.append(("ask", number, ()))
        super().restore(number, params)

    def peek(self, number: int, losses: Sequence[float]) -> None:
        """Write down."""
        self.calls.append(("peek", number, tuple(losses)))

    def tell(self, trial: TrialRow) -> None:
        """Write down and take in."""
        self.calls.append(("tell", trial.number, trial.lowest_so_far))
        super().tell(trial)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, tuple[float, ...]]]:
    """What the suggester of the next study hears."""
    found: list[tuple[str, int, tuple[float, ...]]] = []

    def make(asked: StudyConfig, _warm_start: object) -> Recording:
        suggester = Recording(asked)
        suggester.calls = found
        return suggester

    monkeypatch.setattr(blocks, "make_suggester", make)
    return found


def test_a_half_block_sees_all_before_it_up_to_the_gate_and_whole_blocks_after_one_between(
    calls: list[tuple[str, int, tuple[float, ...]]],
) -> None:
    stores, _ = run(study(trials=24, block=4, **HALVING), n_workers=3, seed=7)
    lowest = {row.number: row.lowest_so_far for row in stores.rows}
    for first in range(0, 24, 2):
        asked = [place for place, one in enumerate(calls) if one[:2] == ("ask", first)]
        heard = calls[: asked[0]]
        told = {number for kind, number, _ in heard if kind == "tell"}
        assert told == set(range(max(4 * (first // 4 - 1), 0)))
        shown = heard[-2:] if first else []
        assert shown == [("peek", number, lowest[number][:3]) for number in range(first)[-2:]]
    assert [number for kind, number, _ in calls if kind == "peek"] == list(range(22))


def test_what_is_shown_is_the_same_for_any_delays_and_after_a_death(
    calls: list[tuple[str, int, tuple[float, ...]]],
) -> None:
    asked = study(trials=24, block=4, **HALVING)
    run(asked)
    undisturbed = list(calls)
    for n_workers, seed in ((2, 1), (5, 2)):
        calls.clear()
        run(asked, n_workers=n_workers, seed=seed)
        assert calls == undisturbed
    stores = Stores()
    with pytest.raises(KilledError):
        stores.run(asked, n_workers=3, seed=1, fuse=Fuse(130))
    assert {row.state for row in stores.rows} >= {TrialState.WAITING, TrialState.PRUNED}
    calls.clear()
    stores.run(asked, n_workers=3, seed=1)
    assert calls == undisturbed


def test_no_rule_without_a_gate_shows_anything(
    calls: list[tuple[str, int, tuple[float, ...]]],
) -> None:
    run(study(trials=24, block=4, sampler="tpe", stopping="asha"))
    assert {kind for kind, _, _ in calls} == {"ask", "tell"}


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
def test_what_is_shown_changes_no_suggestion_of_optunas_samplers(sampler: str) -> None:
    def suggested(*, is_shown: bool) -> list[Params]:
        suggester = make_suggester(study(sampler=sampler))
        found = []
        for number in range(16):
            found.append(suggester.ask(number))
            if number >= 2 and is_shown:
                suggester.peek(number - 1, (0.9, 0.1))
            if number >= 4:
                loss = 1 / number
                done = ended(number - 4, TrialState.COMPLETE, loss, (0.9, loss))
                suggester.tell(done)
        return found

    assert suggested(is_shown=True) == suggested(is_shown=False)


def test_model_that_looks_at_what_is_shown_makes_one_table_too() -> None:
    asked = study(trials=18, block=4, **HALVING | {"sampler": "gp"})
    alone = table_of(asked)
    assert alone != table_of(study(trials=18, block=4, sampler="gp"))
    assert table_of(asked, n_workers=5, seed=1) == alone
    stores, memory = Stores(), Memory(random.Random(3))  # noqa: S311 - no secret
    for calls_left in (40, 60, 50):
        with pytest.raises(KilledError):
            stores.run(asked, fit=memory.fit, n_workers=3, seed=1, fuse=Fuse(calls_left))
    stores.run(asked, fit=memory.fit, n_workers=2, seed=9)
    assert stores.table == alone


@pytest.mark.parametrize("changed", range(0, 24, 5))
def test_outcome_changes_no_suggestion_before_the_second_block_after_its_own(changed: int) -> None:
    asked = study(block=3, **HALVING)
    _, before = run(asked, n_workers=3, seed=1)
    _, after = run(asked, n_workers=2, seed=2, context={changed: -10.0})
    for number in range(min((changed // 3 + 2) * 3, 24)):
        assert after.assignments[number].config == before.assignments[number].config


@dataclass
class Memory:
    """Workers that remember how far each trial was trained, and go on from there or beyond.

    Attributes:
        epochs: Behind each trial, by its number.
        chance: Draws what a checkpoint held when its worker died.
        failing: Trials whose worker dies for good once they go on, before it reports an epoch.
    """

    chance: random.Random
    epochs: dict[int, int] = field(default_factory=dict)
    failing: frozenset[int] = frozenset()

    def fit(
        self, cohort: Cohort, context: Any, report: Callable[[EpochScores], None]
    ) -> list[TrialOutcome]:
        """Fit each trial to its end or its pause, or to where it has been already."""
        return [self._fit(one, context, report) for one in cohort.assignments]

    def _fit(
        self, one: Assignment, context: Any, report: Callable[[EpochScores], None]
    ) -> TrialOutcome:
        number = one.config.number
        if one.pause_at is None and number in self.failing:
            cause = "worker lost: it died 4 times while it trained this trial"
            return TrialOutcome(number=number, state=TrialState.FAIL, cause=cause)
        if one.pause_at is not None:
            one = replace(one, pause_at=max(one.pause_at, self.epochs.get(number, 0)))
        (outcome,) = fake_fit(Cohort((one,)), context, report)
        behind = self.chance.randint(min(3, len(outcome.curve)), max(len(outcome.curve), 1))
        self.epochs[number] = max(behind, self.epochs.get(number, 0))
        return outcome


@settings(max_examples=40)
@given(
    lives=st.lists(st.integers(0, 200), max_size=5),
    n_workers=st.integers(1, 4),
    seed=st.integers(0, 999),
    cohort=st.none() | st.integers(1, 4),
)
def test_drivers_killed_around_gates_end_with_the_undisturbed_table(
    lives: list[int], n_workers: int, seed: int, cohort: int | None
) -> None:
    asked = study(trials=18, block=6, **HALVING)
    stores, memory = Stores(), Memory(random.Random(seed))  # noqa: S311 - no secret
    for calls_left in [*lives, math.inf]:
        fuse = Fuse(calls_left)
        how: dict[str, Any] = {"n_workers": n_workers, "seed": seed, "max_cohort": cohort}
        try:
            stores.run(asked, fit=memory.fit, fuse=fuse, **how)
        except KilledError:
            continue
    assert stores.table == table_of(asked)
    runs = [stores.held.runs[number] for number in range(18)]
    assert [run.state for run in runs] == [row.state for row in stores.rows]
    assert all(run.n_finished >= 1 and run.status != "RUNNING" for run in runs)


def test_a_trial_lost_after_its_pause_keeps_the_epochs_before_it_and_counts_at_later_gates() -> (
    None
):
    asked = study(trials=24, block=4, **HALVING)
    passed = [row.number for row in run(asked)[0].rows if len(row.scores) > 3]
    memory = Memory(random.Random(1), failing=frozenset(passed[:2]))  # noqa: S311 - no secret
    stores, _ = run(asked, fit=memory.fit, n_workers=3, seed=5)
    for number in passed[:2]:
        row = stores.rows[number]
        assert (row.state, len(row.scores)) == (TrialState.FAIL, 3)
        assert {step for _, step in stores.held.runs[number].points} == {1, 2, 3}
    killed = Stores()
    again = Memory(random.Random(2), failing=memory.failing)  # noqa: S311 - no secret
    with pytest.raises(KilledError):
        killed.run(asked, fit=again.fit, n_workers=3, seed=5, fuse=Fuse(170))
    killed.run(asked, fit=again.fit, n_workers=2, seed=6)
    assert killed.table == stores.table


def driver_on(engine: FakeEngine, stores: Stores, asked: StudyConfig, **more: Any) -> Driver:
    """A driver with its ledgers."""
    return Driver(
        asked,
        store=TrialStore.create(stores.storage, asked),
        ledger=FakeLedger(stores.held),
        engine=engine,
        seconds=more.pop("seconds", None) or TimeLedger(0.0, n_workers=engine.n_workers),
        max_cohort=1,
        **more,
    )


class Late(FakeEngine):
    """Lets the study's time run out once so many cohorts were handed over."""

    def __init__(self, n_left: int, **how: Any) -> None:
        super().__init__(**how)
        self.n_left = n_left
        self.driver: Driver
        self.order_after: list[int] = []

    def submit(self, cohort: Cohort) -> None:
        """Take a cohort, and let the time run out."""
        if len(self.order) >= self.n_left:
            self.order_after.extend(cohort.numbers)
        super().submit(cohort)

    def events(self, timeout_seconds: float) -> Sequence[Event]:
        """Deliver news, and end the time."""
        if len(self.order) >= self.n_left:
            self.driver._deadline = 0.0
        return super().events(timeout_seconds)


@pytest.mark.parametrize("n_left", range(2, 30, 3))
def test_time_limit_begins_no_trial_and_finishes_what_has_passed_its_gate(n_left: int) -> None:
    asked = study(trials=24, block=6, max_seconds=1_000.0, **HALVING)
    whole, stores, engine = table_of(asked), Stores(), Late(n_left, n_workers=2, seed=5)
    engine.driver = driver_on(engine, stores, asked)
    engine.driver.run()
    late = [n for n in engine.order_after if engine.order.index(n) >= n_left + engine.n_workers]
    assert late == [], "begun after the time was over"
    rows = stores.rows
    assert {row.state for row in rows if not row.state.is_finished} <= {TrialState.WAITING}
    for row in rows:
        assert stores.held.runs[row.number].state is row.state
        if row.state.is_finished:
            assert stores.table[row.number] == whole[row.number]
        else:  # it waits to be begun, or for others of its block
            assert row.number // 6 == max(engine.order) // 6
    stores.run(asked, n_workers=3, seed=6)
    assert stores.table == whole


def test_interruption_releases_what_waits_at_the_gate() -> None:
    asked = study(trials=12, block=12, **HALVING)
    stores = Stores()

    class GivingUp(FakeEngine):
        """Is interrupted once three trials have paused."""

        def events(self, timeout_seconds: float) -> Sequence[Event]:
            """Deliver news, or the user's Ctrl-C."""
            if len(driver._paused) == 3:
                raise KeyboardInterrupt
            return super().events(timeout_seconds)

    driver = driver_on(GivingUp(n_workers=2, seed=4), stores, asked)
    with pytest.raises(KeyboardInterrupt):
        driver.run()
    states = [row.state for row in stores.rows]
    assert set(states) == {TrialState.WAITING}
    assert [run.state for _, run in sorted(stores.held.runs.items())] == states
    stores.run(asked, n_workers=3, seed=8)
    assert stores.table == table_of(asked)


def test_watch_sees_each_epoch_and_each_end_once_and_no_pause() -> None:
    asked, stores, seen = study(trials=12, block=4, **HALVING), Stores(), list[Event]()
    seconds = TimeLedger(0.0, n_workers=2)
    engine = FakeEngine(n_workers=2, seed=12)
    driver_on(engine, stores, asked, progress=Watching(seen.append), seconds=seconds).run()
    outcomes = [news for news in seen if isinstance(news, TrialOutcome)]
    assert sorted(news.number for news in outcomes) == list(range(12))
    assert all(news.state.is_finished for news in outcomes)
    epochs = [(news.number, news.epoch) for news in seen if isinstance(news, EpochScores)]
    assert len(epochs) == len(set(epochs)) == sum(len(row.scores) for row in stores.rows)


def test_time_ledger_counts_both_parts_of_a_trial_and_a_stopped_one_once() -> None:
    asked, seconds = study(trials=12, block=4, **HALVING), TimeLedger(0.0, n_workers=2)
    stores, engine = Stores(), FakeEngine(n_workers=2, seed=12)
    driver_on(engine, stores, asked, seconds=seconds).run()
    n_trained = {row.number: len(row.scores) for row in stores.rows}
    twice = {number for number in n_trained if engine.order.count(number) == 2}
    assert 0 < len(twice) < 12
    expected = sum(n_trained.values()) + 3 * len(twice)  # the fake trains from the start
    assert seconds.summary()["training"] == pytest.approx(expected * SECONDS_AN_EPOCH / 2)


def test_curves_of_the_table_are_those_of_trials_that_never_paused() -> None:
    halved, whole = Stores(), Stores()
    asked = study(trials=24, block=4, **HALVING | {"sampler": "random"})
    halved.run(asked, n_workers=3, seed=2)
    whole.run(study(sampler="random", trials=24, block=4, stopping="none"))
    for row, undisturbed in zip(halved.table, whole.table, strict=True):
        curve: Mapping[int, float] = row["curve"]  # type: ignore[assignment]
        full: Mapping[int, float] = undisturbed["curve"]  # type: ignore[assignment]
        if row["state"] == "PRUNED":
            assert curve == {epoch: loss for epoch, loss in full.items() if epoch <= 3}
        else:
            assert row | {"run_id": 0} == undisturbed | {"run_id": 0}
