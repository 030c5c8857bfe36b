"""How many finalists a study has, and that a study may grow all the same."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import FINALIST_SEEDS, StudyConfig, check_study, digest
from pipeline.errors import BadInputError
from tests.config.documents import SEARCHED, SMALLEST, changed


def study(n_fixed: int = 0, **search: Any) -> StudyConfig:
    """A study of so many fixed trials and with so much of the search."""
    changes: dict[str, Any] = {f"search.{key}": one for key, one in search.items()}
    changes |= {"space": SEARCHED, "trials": [{"depth": 1}] * n_fixed}
    return check_study(changed(changes, SMALLEST), "small.yaml")


@pytest.mark.parametrize(
    ("trials", "n_fixed", "finalists", "searched"),
    [
        (39, 0, 0, 39),
        (40, 0, 3, 31),
        (60, 1, 3, 51),
        (40, 31, 3, 31),
        (40, 32, 0, 40),
    ],
)
def test_by_default_three_settings_are_finalists_from_40_trials_on_where_fixed_trials_leave_room(
    trials: int, n_fixed: int, finalists: int, searched: int
) -> None:
    asked = study(n_fixed, trials=trials)
    assert (asked.n_finalists, asked.n_searched) == (finalists, searched)


@given(st.integers(0, 20), st.integers(0, 5), st.integers(1, 99))
def test_finalists_that_are_asked_for_leave_a_trial_to_the_search(
    finalists: int, n_fixed: int, trials: int
) -> None:
    left = trials - FINALIST_SEEDS * finalists
    if n_fixed > trials:
        return
    if finalists == 0 or left >= max(n_fixed, 1):
        assert study(n_fixed, trials=trials, finalists=finalists).n_searched == left
    else:
        with pytest.raises(BadInputError, match=f"search.finalists: got {finalists}, expected at"):
            study(n_fixed, trials=trials, finalists=finalists)


def test_error_names_key_value_and_limit() -> None:
    words = (
        "small.yaml: search.finalists: got 4, expected at most 3: each is trained 3 times, "
        "and search.trials, 12, is to leave one trial for the search"
    )
    with pytest.raises(BadInputError, match=f"^{words}$"):
        study(trials=12, finalists=4)
    with pytest.raises(BadInputError, match=r"at most 2: .* is to leave 5 fixed trials$"):
        study(5, trials=12, finalists=3)


def test_default_is_not_stored_so_that_a_study_may_grow_over_it() -> None:
    few, many = study(trials=30), study(trials=60)
    assert (few.n_finalists, many.n_finalists) == (0, 3)
    assert "finalists" not in many.document["search"]
    assert digest(few) == digest(many)
    assert digest(study(trials=60, finalists=3)) != digest(many)
    assert digest(study(trials=60, finalists=0)) != digest(many)


def test_search_until_it_is_settled_is_another_study() -> None:
    assert study(until="settled").document["search"]["until"] == "settled"
    assert digest(study(until="settled")) != digest(study())
    with pytest.raises(BadInputError, match=r"search.until: got 'never', expected 'settled'"):
        study(until="never")


GRID: dict[str, Any] = {"depth": 1, "width": 16, "dropout": {"choices": [0.1, 0.2]}}


def grid(**search: Any) -> StudyConfig:
    """A study of a grid of two settings."""
    space = GRID | {"batch_size": 32, "learning_rate": 0.001}
    return check_study(
        SMALLEST | {"space": space, "search": {"sampler": "grid"} | search}, "small.yaml"
    )


def test_grid_has_no_finalists_unless_they_are_asked_for_beside_its_settings() -> None:
    assert grid(trials=2).n_finalists == 0
    assert grid(trials=8, finalists=2).n_searched == 2
    with pytest.raises(BadInputError, match=r"got 9, expected at most 8: .* 6 train finalists"):
        grid(trials=9, finalists=2)
