from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Shape
from tests.fakes import FakeEngine
from tests.search.studies import SPACE, Stores, study, table_of

PER_LAYER = SPACE | {"width": {"choices": [16, 32, 64], "per_layer": True}}
SHARED: dict[str, Any] = {"trials": 36, "block": 6, "shapes": 2, "space": PER_LAYER}
SAMPLERS = ("tpe", "random", "qmc")


def shapes_of(engine: FakeEngine) -> list[Shape]:
    return [one.config.shape for _, one in sorted(engine.assignments.items())]


@pytest.mark.parametrize("sampler", [*SAMPLERS, "gp"])
def test_trials_of_a_block_take_their_leaders_shapes_in_turn(sampler: str) -> None:
    asked = study(**SHARED | {"sampler": sampler, "trials": 18 if sampler == "gp" else 36})
    shapes = shapes_of(Stores().run(asked, n_workers=2, seed=1, max_cohort=None))
    for number, shape in enumerate(shapes):
        assert shape == shapes[number - number % 6 + number % 6 % 2]
    assert len(set(shapes)) > 2


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_trials_of_one_shape_differ_in_all_that_is_not_of_it(sampler: str) -> None:
    engine = Stores().run(study(**SHARED, sampler=sampler))
    configs = [one.config for one in engine.assignments.values()]
    assert len({config.learning_rate for config in configs}) == 36
    assert len({config.input_dropout for config in configs}) == 36


@settings(max_examples=6)
@given(
    sampler=st.sampled_from(SAMPLERS),
    shapes=st.integers(1, 5),
    n_workers=st.integers(1, 5),
    cohort=st.one_of(st.none(), st.integers(1, 6)),
    first=st.integers(1, 23),
)
def test_shared_shapes_make_one_table_however_it_is_run(
    sampler: str, shapes: int, n_workers: int, cohort: int | None, first: int
) -> None:
    few, all_ = (
        study(**SHARED | {"sampler": sampler, "shapes": shapes, "trials": n, "stopping": "asha"})
        for n in (first, 24)
    )
    stores = Stores()
    stores.run(few, n_workers=n_workers, seed=first, max_cohort=cohort)
    stores.run(all_, n_workers=n_workers, seed=shapes, max_cohort=cohort)
    assert stores.table == table_of(all_)


@pytest.mark.parametrize("shapes", [6, 7, 1_000])
def test_as_many_shapes_as_a_block_has_trials_leave_them_free(shapes: int) -> None:
    free = study(**SHARED | {"shapes": None})
    assert table_of(study(**SHARED | {"shapes": shapes})) == table_of(free)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_leaders_try_shapes_that_are_not_being_tried(sampler: str) -> None:
    engine = Stores().run(study(**SHARED | {"sampler": sampler, "trials": 60}))
    leading = [shape for number, shape in enumerate(shapes_of(engine)) if number % 6 < 2]
    repeated = sum(shape in leading[max(n - 2 - n % 2, 0) : n] for n, shape in enumerate(leading))
    assert repeated <= 1


def test_leaders_of_a_space_with_one_shape_have_it_all_the_same() -> None:
    one = SPACE | {"depth": 1, "width": 8, "batch_size": 32}
    assert len(set(shapes_of(Stores().run(study(**SHARED | {"space": one, "trials": 12}))))) == 1


FIXED: tuple[dict[str, Any], ...] = (
    {"depth": 2, "width_1": 64, "width_2": 16, "batch_size": 64},
    {"batch_size": 32},
    {"dropout": 0.25},
    {"depth": 3, "learning_rate": 1e-3},
)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_fixed_trials_keep_their_values_and_lead_with_them(sampler: str) -> None:
    engine = Stores().run(study(**SHARED, sampler=sampler, fixed=FIXED))
    configs = [engine.assignments[number].config for number in range(6)]
    assert (configs[0].widths, configs[0].batch_size) == ((64, 16), 64)
    assert configs[1].batch_size == 32
    assert configs[2].dropouts == (0.25, 0.25)
    assert configs[2].shape == configs[4].shape == configs[0].shape
    assert (configs[3].depth, configs[3].learning_rate) == (3, 1e-3)
    assert configs[3].batch_size == configs[1].batch_size
    assert configs[5].shape == configs[1].shape


def test_shared_shapes_fill_cohorts() -> None:
    engine = Stores().run(study(**SHARED), n_workers=2, max_cohort=None)
    assert max(map(len, engine.cohorts)) == 3
    assert len(engine.cohorts) <= 36 / 2.5
