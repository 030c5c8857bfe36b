"""A study that begins with another one's outcomes, which are taken once and kept."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest

from pipeline.config import Params, StudyConfig, digest, usual_setting
from pipeline.errors import BadInputError
from pipeline.search.sampling.bayes import BayesianSearch, first_design
from pipeline.search.sampling.encoding import Encoding
from pipeline.search.storage.store import TrialStore
from pipeline.search.warm_start import MOST_TAKEN, find_warm_start, take_outcomes
from pipeline.trial import TakenOutcome, TrialRow, TrialState, WarmStart
from tests.fakes import Fuse, KilledError
from tests.long_form import in_long_form
from tests.search.studies import SPACE, Stores, ended, study
from tests.search.test_bayes import SPACE as SMOOTH
from tests.search.test_bayes import loss

ASKED: dict[str, Any] = {"trials": 24, "block": 4, "warm_start": "earlier"}
EARLIER: dict[str, Any] = {"name": "earlier", "trials": 14, "block": 4, "seed": 7}


def with_earlier(**changes: Any) -> Stores:
    """A storage with an earlier study that has ended."""
    stores = Stores()
    stores.run(study(**EARLIER | changes))
    return Stores(stores.storage)


def warmed(**changes: Any) -> StudyConfig:
    """A study that begins with the earlier one."""
    return study(**ASKED | changes)


def frozen(stores: Stores) -> WarmStart | None:
    """What the study has taken."""
    return TrialStore(stores.storage, "small").warm_start


@pytest.fixture(scope="module", params=[in_long_form("none"), "halving"])
def whole(request: pytest.FixtureRequest) -> tuple[StudyConfig, Stores]:
    """A study that was never disturbed, without and with a gate."""
    stores, asked = with_earlier(), warmed(stopping=request.param)
    stores.run(asked)
    return asked, stores


Whole = tuple[StudyConfig, Stores]


def test_table_differs_from_that_of_a_study_that_begins_with_nothing(whole: Whole) -> None:
    asked, stores = whole
    cold = Stores()
    cold.run(study(**ASKED | {"warm_start": None, "stopping": asked.search.stopping}))
    assert [row.params for row in cold.rows[:1]] == [row.params for row in stores.rows[:1]]
    assert [row.params for row in cold.rows] != [row.params for row in stores.rows]


@pytest.mark.parametrize(("n_workers", "seed"), [(2, 1), (5, 2), (8, 3)])
def test_table_is_one_for_any_number_of_workers_and_their_delays(
    whole: Whole, n_workers: int, seed: int
) -> None:
    asked, undisturbed = whole
    stores = with_earlier()
    stores.run(asked, n_workers=n_workers, seed=seed, max_cohort=None)
    assert stores.table == undisturbed.table
    assert frozen(stores) == frozen(undisturbed)


@pytest.mark.slow
def test_study_killed_at_any_call_ends_with_the_undisturbed_table_though_the_other_one_changes(
    whole: Whole,
) -> None:
    asked, undisturbed = whole
    n_killed = 0
    for calls in range(0, 240, 23):
        stores = with_earlier()
        try:
            stores.run(asked, n_workers=3, seed=calls, fuse=Fuse(calls))
        except KilledError:
            n_killed += 1
            change = [forget_earlier, grow_earlier][calls % 2]
            change(stores)
            stores.run(asked, n_workers=2, seed=calls)
        assert stores.table == undisturbed.table
        assert frozen(stores) == frozen(undisturbed)
    assert n_killed > 5


def forget_earlier(stores: Stores) -> None:
    """Delete the other study."""
    optuna.delete_study(study_name="earlier", storage=stores.storage)


def grow_earlier(stores: Stores) -> None:
    """Let the other study have more trials."""
    Stores(stores.storage).run(study(**EARLIER | {"trials": 20}))


@pytest.mark.parametrize("change", [forget_earlier, grow_earlier])
def test_larger_number_of_trials_goes_on_with_the_same_outcomes_whatever_became_of_the_other_study(
    change: Callable[[Stores], None],
) -> None:
    undisturbed, stores = with_earlier(), with_earlier()
    undisturbed.run(warmed())
    stores.run(warmed(trials=8))
    change(stores)
    stores.run(warmed())
    assert stores.table == undisturbed.table
    assert frozen(stores) == frozen(undisturbed)


def test_death_before_the_outcomes_are_kept_takes_them_at_the_next_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    undisturbed, stores = with_earlier(), with_earlier()
    undisturbed.run(warmed())

    def die(*_: object) -> None:
        raise KilledError

    for name in ("set_study_user_attr", "get_study_user_attrs"):
        with monkeypatch.context() as patched:
            patched.setattr(type(stores.storage), name, die)
            with pytest.raises(KilledError):
                stores.run(warmed())
    stores.run(warmed())
    assert stores.table == undisturbed.table


def test_outcomes_that_a_study_has_are_not_replaced() -> None:
    stores = with_earlier()
    stores.run(warmed(trials=4))
    kept = frozen(stores)
    assert kept is not None
    fewer = kept.model_copy(update={"outcomes": kept.outcomes[1:]})
    TrialStore.create(stores.storage, warmed(), warm_start=fewer)
    assert frozen(stores) == kept


def test_failed_trials_that_are_tried_again_leave_the_outcomes_as_they_are() -> None:
    stores = with_earlier()
    stores.run(warmed())
    before = frozen(stores)
    assert before is not None
    store = TrialStore.create(stores.storage, warmed())
    assert [row.number for row in store.rows() if row.state is TrialState.FAIL] == [12]
    store.retry_failed()
    assert frozen(stores) == before


def test_both_ledgers_hold_the_same_outcomes() -> None:
    stores = with_earlier()
    stores.run(warmed())
    kept = frozen(stores)
    assert kept is not None
    assert stores.held.warm_start == kept
    assert (kept.study, len(kept.outcomes)) == ("earlier", 13)
    assert kept.sha256 == WarmStart.model_validate_json(kept.file).sha256
    fewer = kept.model_copy(update={"outcomes": kept.outcomes[1:]})
    assert fewer.sha256 != kept.sha256


def half_done() -> Stores:
    """A storage in which the earlier study was interrupted."""
    stores = Stores()
    with pytest.raises(KilledError):
        stores.run(study(**EARLIER), fuse=Fuse(60))
    return stores


def grown(stores: Stores) -> Stores:
    """A storage whose earlier study was asked for more trials."""
    TrialStore.create(stores.storage, study(**EARLIER | {"trials": 30}))
    return stores


CNN = SPACE | {"blocks": 1, "filters": 8, "block_dropout": 0.1}
SHARED = SPACE | {"dropout": {"low": 0.0, "high": 0.6}}
WIDE = {"batch_size": 128}
REFUSED: dict[str, tuple[Callable[[], Stores], dict[str, Any], str]] = {
    "absent": (
        Stores,
        {},
        "got 'earlier', which no run has made in this storage, expected one of: none yet",
    ),
    "absent beside another": (
        lambda: with_earlier(name="other"),
        {},
        "which no run has made in this storage, expected one of: other",
    ),
    "interrupted": (half_done, {}, r"which has \d of 14 trials, expected a study that has ended"),
    "grown": (lambda: grown(with_earlier()), {}, "which has 14 of 30 trials, expected a study "),
    "model": (
        lambda: with_earlier(model={"name": "cnn"}, space=CNN, trials=5),
        {},
        "where model.name: 'cnn' → 'mlp' here, expected the same model, objective and optimizer",
    ),
    "by layer": (
        lambda: with_earlier(space=SHARED),
        {},
        "which searches .*, dropout, .*, expected a study that searches .*, dropout by layer",
    ),
    "fixed here": (
        with_earlier,
        {"space": SPACE | {"width": 16}},
        "which searches .*, learning_rate, width, expected a study .* .*, learning_rate$",
    ),
    "epochs": (
        lambda: with_earlier(epochs=8),
        {},
        "which has 8 training.epochs, expected at least 9, as many as here",
    ),
    "outside": (
        with_earlier,
        {"space": SPACE | {"learning_rate": {"low": 0.5, "high": 0.9}}},
        "which has 0 outcomes in the space of this study, expected at least 4",
    ),
}


@pytest.mark.parametrize(("there", "changes", "message"), REFUSED.values(), ids=REFUSED)
def test_other_study_is_refused_and_nothing_is_written(
    there: Callable[[], Stores], changes: dict[str, Any], message: str
) -> None:
    stores = there()
    before = [one.study_name for one in stores.storage.get_all_studies()]
    told = f"^small.yaml: search.warm_start: (got 'earlier', )?{message}"
    with pytest.raises(BadInputError, match=told) as refused:
        stores.run(warmed(**changes))
    assert (refused.value.exit_code, refused.value.key) == (2, "search.warm_start")
    assert [one.study_name for one in stores.storage.get_all_studies()] == before


def test_other_optimizer_is_refused() -> None:
    stores = with_earlier()
    asked = warmed()
    sgd = asked.model_copy(
        update={"training": asked.training.model_copy(update={"optimizer": "sgd"})}
    )
    with pytest.raises(BadInputError, match=r"where training\.optimizer: 'adamw' → 'sgd' here"):
        find_warm_start(stores.storage, sgd, where="small.yaml")


def test_study_without_a_warm_start_reads_no_other_and_has_the_digest_that_it_had() -> None:
    assert "warm_start" not in study().document["search"]
    assert digest(warmed()) != digest(study(trials=24, block=4))
    assert find_warm_start(None, study(), where="small.yaml") is None


PARAMS = usual_setting(study()) | {"depth": 1}


def row(number: int, losses: Sequence[float], state: str = "COMPLETE", **params: Any) -> TrialRow:
    """A trial of the other study, of depth 1."""
    one = ended(number, TrialState[state], None, tuple(losses))
    params = {name: PARAMS[name] for name in study().space.active(PARAMS)} | params
    return replace(one, params=params)


def taken(*rows: TrialRow, **changes: Any) -> list[tuple[int, float]]:
    """Numbers and values of what a study of three epochs takes."""
    outcomes = take_outcomes(warmed(epochs=3, **changes), rows)
    return [(outcome.trial, outcome.value) for outcome in outcomes]


def test_value_is_the_lowest_loss_within_the_epochs_of_the_new_study() -> None:
    assert taken(row(0, (0.9, 0.5, 0.6, 0.1)), row(1, (0.8, 0.7))) == [(0, 0.5), (1, 0.7)]


def test_stopped_trial_counts_with_its_forecast_or_with_all_epochs_that_the_new_study_has() -> None:
    whole = [row(n, (1.0 + n, 0.9 + n, 0.5 * (1.0 + n), 0.1)) for n in range(5)]
    values = dict(taken(*whole, row(5, (2.0,), "PRUNED"), row(6, (2.0, 1.9, 1.7), "PRUNED")))
    assert values[5] == pytest.approx(1.0, rel=0.2)
    assert values[6] == 1.7
    outcomes = take_outcomes(warmed(epochs=3), [*whole, row(5, (2.0,), "PRUNED")])
    assert [outcome.doubt > 0 for outcome in outcomes] == [False] * 5 + [True]


def test_failed_trial_and_one_without_a_finite_loss_are_left_out() -> None:
    nan = float("nan")
    rows = row(0, (0.5,), "FAIL"), row(1, (nan, nan, nan, 0.5)), row(2, (nan, 0.7, 0.8))
    assert taken(*rows) == [(2, 0.7)]


def test_trial_outside_the_space_is_left_out() -> None:
    rows = [
        row(0, (0.5,), width=24),
        row(1, (0.5,), learning_rate=0.5),
        row(2, (0.5,), weight_decay=0.1),
        row(3, (0.5,), depth=2),
        row(4, (0.5,), dropout_2=0.1),
        row(5, (0.5,), momentum=0.9),
        row(6, (0.5,), learning_rate=0.01),
    ]
    assert taken(*rows) == [(6, 0.5)]


def test_best_half_and_the_latest_are_taken_of_many() -> None:
    rows = [row(n, (1.0 + n % 100,)) for n in range(300)]
    numbers = [number for number, _ in taken(*rows)]
    assert len(numbers) == MOST_TAKEN
    assert set(numbers) >= {0, 100, 200, 10, 110, 210, *range(250, 300)}


def other_study(f: Callable[[Params], float], asked: StudyConfig, n_trials: int = 40) -> WarmStart:
    """Settings all over a space, and what they came to in another study."""
    encoding, draws = Encoding(asked.space), np.random.default_rng(11)
    settings = encoding.decode(draws.random((n_trials, encoding.n_columns)))
    outcomes = tuple(
        TakenOutcome(
            trial=number,
            params={name: setting[name] for name in asked.space.active(setting)},
            value=f(setting),
            doubt=0.0,
        )
        for number, setting in enumerate(settings)
    )
    return WarmStart(study="earlier", outcomes=outcomes)


def test_files_trials_and_usual_setting_stay_first_and_one_in_four_keeps_to_the_design() -> None:
    asked = warmed(space=SMOOTH, fixed=[{"depth": 3}])
    search = BayesianSearch(asked, other_study(loss, asked))
    fixed, usual, *others = [search.ask(number) for number in range(18)]
    assert fixed == usual_setting(asked) | {"depth": 3}
    assert usual == usual_setting(asked)
    encoding = Encoding(asked.space)
    design = [first_design(asked, encoding, index) for index in range(1, 5)]
    assert [others[index] for index in (2, 6, 10, 14)] == design
    assert [setting for setting in others if setting in design] == design


def best_after(n_trials: int, warm_start: WarmStart | None, seed: int) -> float:
    """How far above the optimum a study is whose trials see those up to four before them."""
    search = BayesianSearch(warmed(space=SMOOTH, seed=seed), warm_start)
    values: list[float] = []
    for number in range(n_trials):
        if number >= 4:
            past = values[number - 4]
            search.tell(ended(number - 4, TrialState.COMPLETE, past, (past,)))
        values.append(loss(search.ask(number)))
    return min(values) - 0.2


def near(setting: Params) -> float:
    """The loss on other data: three times as high, and lowest at another learning rate."""
    return 3 * loss(setting | {"learning_rate": 1.5 * setting["learning_rate"]})


def test_warm_start_finds_the_optimum_sooner() -> None:
    cold = [best_after(8, None, seed) for seed in range(3)]
    warm = [best_after(8, other_study(near, warmed(space=SMOOTH)), seed) for seed in range(3)]
    assert sum(warm) < 0.5 * sum(cold)


def test_outcomes_that_mislead_are_overruled() -> None:
    reverse = other_study(lambda setting: 2.0 - loss(setting), warmed(space=SMOOTH))
    misled = [best_after(32, reverse, seed) for seed in range(3)]
    drawn = [best_after(8, None, seed) for seed in range(3)]
    assert sum(misled) < 0.25 * sum(drawn)
