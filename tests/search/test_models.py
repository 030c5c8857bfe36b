"""The search does for every model what it does for the multi-layer perceptron."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.config import StudyConfig, is_fixed
from pipeline.search.sampling.suggest import make_suggester
from pipeline.search.storage.opening import open_storage
from pipeline.search.storage.store import TrialStore
from pipeline.trial import TrialState
from tests.config.documents import MODELS, SPACES
from tests.search.studies import Stores, ended, study, table_of

STEPS = {"low": 0.0, "high": 0.4, "step": 0.2, "per_layer": True}
CNN_GRID: dict[str, Any] = {
    "blocks": {"low": 1, "high": 2},
    "filters": {"choices": [4, 8], "per_layer": True},
    "block_dropout": STEPS,
    "width": 8,
    "depth": {"low": 0, "high": 1},
    "dropout": 0.5,
    "batch_size": 32,
    "learning_rate": 0.001,
    "regularizer": {"choices": ["dropout", "channel-dropout"]},
}


def of_model(model: str, *fixed: dict[str, Any], **search: Any) -> StudyConfig:
    optional = {"activation": {"choices": ["relu", "gelu"]}, "max_norm": {"low": 1, "high": 4}}
    space = SPACES[model] | ({} if model == "own" else optional)
    return study(model=MODELS[model], space=space, fixed=fixed, epochs=3, **search)


@pytest.mark.slow
@pytest.mark.parametrize("model", sorted(MODELS))
@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "gp"])
def test_every_sampler_stays_inside_every_models_space(sampler: str, model: str) -> None:
    asked = of_model(model, sampler=sampler, block=3)
    view, activations = make_suggester(asked), set[str]()
    for number in range(16):
        params = view.ask(number)
        assert set(params) == set(asked.space.domains)
        for name, domain in asked.space.domains.items():
            limit = None if is_fixed(domain) else domain.excludes(params[name])  # type: ignore[union-attr]
            assert limit is None, (name, params[name])
            assert not is_fixed(domain) or params[name] == domain
        activations.add(str(params["activation"]))
        view.tell(ended(number, TrialState.COMPLETE, 1.0 / (1 + number), (1.0,)))
    assert len(activations) == 2


@pytest.mark.parametrize("model", sorted(MODELS))
@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "gp"])
def test_every_model_makes_one_table_whatever_the_workers(sampler: str, model: str) -> None:
    asked = of_model(model, sampler=sampler, stopping="asha", trials=12)
    assert table_of(asked, n_workers=4, seed=3, max_cohort=None) == table_of(asked)


@pytest.mark.parametrize("model", sorted(MODELS))
def test_a_study_goes_on_as_if_it_had_not_stopped(model: str) -> None:
    few, all_ = (of_model(model, trials=n, block=3) for n in (9, 18))
    stores = Stores()
    stores.run(few)
    stores.run(all_, n_workers=2, seed=5)
    assert stores.table == table_of(all_)


@pytest.mark.parametrize("model", sorted(MODELS))
def test_a_trial_has_the_active_parameters_of_its_own_setting(model: str) -> None:
    asked = of_model(model, trials=12)
    engine = Stores().run(asked)
    for assignment in engine.assignments.values():
        params = assignment.config.params
        assert tuple(params) == asked.space.active(params)


@pytest.mark.parametrize("model", ["cnn", "own"])
@pytest.mark.parametrize("address", [None, "sqlite"])
def test_a_store_gives_back_texts_and_numbers_as_they_were(
    address: str | None, model: str, tmp_path: Path
) -> None:
    asked, journal = of_model(model), tmp_path / "journal"
    url = address and f"sqlite:///{tmp_path / 'optuna.db'}"
    storage = open_storage(url, journal, to_write=True)
    assert storage is not None
    params = make_suggester(asked).ask(0)
    TrialStore.create(storage, asked).add(asked, 0, [params])
    again = open_storage(url, journal, to_write=False)
    assert again is not None
    assert _typed(TrialStore(again, "small").suggested()[0]) == _typed(params)


def _typed(params: dict[str, Any]) -> dict[str, tuple[type, Any]]:
    return {name: (type(value), value) for name, value in params.items()}


@pytest.mark.parametrize(
    ("fixed", "counts"),
    [
        pytest.param({"blocks": 2, "depth": 0}, (2, 0), id="both"),
        pytest.param({"blocks": 1, "depth": 1}, (1, 1), id="the other way round"),
        pytest.param({"blocks": 2, "block_dropout_2": 0.4}, (2, None), id="one of them"),
        pytest.param({"depth": 1, "regularizer": "channel-dropout"}, (None, 1), id="the other"),
    ],
)
def test_a_fixed_trials_gaps_are_filled_from_a_setting_of_its_counts(
    fixed: dict[str, Any], counts: tuple[int | None, int | None]
) -> None:
    asked = study(
        model=MODELS["cnn"], space=CNN_GRID, fixed=[fixed], sampler="grid", trials=3, epochs=1
    )
    config = Stores().run(asked).assignments[0].config
    assert fixed.items() <= config.params.items()
    assert counts[0] in {None, config.count("blocks")}
    assert counts[1] in {None, config.count("depth")}
