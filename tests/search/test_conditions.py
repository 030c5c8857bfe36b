"""The search of a space most of whose parameters not all settings have."""

from typing import Any

import numpy as np
import pytest

from pipeline.config import StudyConfig, is_fixed
from pipeline.search.sampling.encoding import INACTIVE, Encoding
from pipeline.search.sampling.suggest import make_suggester
from pipeline.search.storage.store import TrialStore
from pipeline.trial import TrialState
from tests.config.documents import CONDITIONAL_GRID, CONDITIONAL_SPACE, MODELS
from tests.search.studies import Stores, ended, study, table_of

SAMPLERS = ("tpe", "random", "qmc", "gp", "grid")


def conditional(*fixed: dict[str, Any], sampler: str = "gp", **how: Any) -> StudyConfig:
    space = CONDITIONAL_GRID if sampler == "grid" else CONDITIONAL_SPACE
    return study(model=MODELS["own"], space=space, fixed=fixed, sampler=sampler, **how)


@pytest.mark.parametrize("stopping", ["asha", "halving"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_conditional_space_makes_one_table_whatever_the_workers(
    sampler: str, stopping: str
) -> None:
    asked = conditional({"momentum": 0.7}, sampler=sampler, stopping=stopping, trials=15)
    alone: list[dict[str, Any]] = table_of(asked)
    assert table_of(asked, n_workers=4, seed=3, max_cohort=None) == alone
    for row in alone:
        assert set(row["params"]) == set(asked.space.active(row["params"]))
    assert len({tuple(row["params"]) for row in alone}) > 2


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "gp"])
def test_a_sampler_stays_inside_a_conditional_space(sampler: str) -> None:
    asked = conditional(sampler=sampler, block=3)
    view = make_suggester(asked)
    for number in range(12):
        params = view.ask(number)
        assert set(params) == set(asked.space.domains), "those that the setting lacks as well"
        for name, domain in asked.space.domains.items():
            assert is_fixed(domain) or domain.excludes(params[name]) is None  # type: ignore[union-attr]
        view.tell(ended(number, TrialState.COMPLETE, 1.0 / (1 + number), (1.0,)))


def test_a_parameter_that_a_setting_does_not_have_makes_no_difference() -> None:
    space = conditional().space
    encoding = Encoding(space)
    setting = {name: domain_first(space.domains[name]) for name in space.domains}
    without = setting | {"optimizer": "adam", "n_layers": 2}
    some, other = encoding.encode([without, without | {"momentum": 0.9, "nesterov": False}])
    np.testing.assert_array_equal(some, other)
    for name in ("momentum", "nesterov", "skip_3"):
        assert (some[encoding.columns[name]] == INACTIVE).all()
    assert not (some[encoding.columns["warm_up"]] == INACTIVE).any()


def domain_first(domain: Any) -> Any:
    return domain.choices[0] if hasattr(domain, "choices") else domain.low


def test_places_of_a_conditional_space_are_those_of_their_settings() -> None:
    encoding = Encoding(conditional().space)
    rng = np.random.default_rng(0)
    places = encoding.nearest(rng.random((64, encoding.n_columns)))
    np.testing.assert_allclose(encoding.encode(encoding.decode(places)), places, atol=1e-9)
    assert len({tuple(row) for row in (places == INACTIVE).tolist()}) > 3


def test_a_grid_begins_with_a_setting_that_fits_what_a_fixed_trial_says() -> None:
    fixed: Any = ({"optimizer": "sgd", "momentum": 0.7, "nesterov": True}, {"n_layers": 1}, {})
    stores = Stores()
    stores.run(conditional(*fixed, sampler="grid", trials=6))
    first, second, _, *others = [row.params for row in stores.rows]
    assert fixed[0].items() <= first.items()
    assert second["n_layers"] == 1
    assert len({tuple(sorted(one.items())) for one in others}) == 3


def test_a_larger_number_of_trials_goes_on_with_the_same_rows() -> None:
    stores = Stores()
    stores.run(conditional(trials=7, block=2), n_workers=3, seed=1)
    stores.run(conditional(trials=12, block=2), n_workers=2, seed=5)
    assert stores.table == table_of(conditional(trials=12, block=2))


def test_a_warm_start_takes_outcomes_without_what_they_do_not_have() -> None:
    earlier = Stores()
    earlier.run(conditional(trials=12, name="earlier"))
    stores = Stores(earlier.storage)
    stores.run(conditional(trials=8, warm_start="earlier"))
    taken = TrialStore(stores.storage, "small").warm_start
    assert taken is not None
    space = conditional().space
    assert all(set(one.params) == set(space.active(one.params)) for one in taken.outcomes)
    assert {len(one.params) for one in taken.outcomes} != {len(space.domains)}
