import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.search.sampling.encoding import Encoding
from tests.search.studies import study

SPACE: dict[str, Any] = {
    "depth": {"low": 1, "high": 3},
    "width": {"choices": [512, 128, 256]},
    "activation": {"choices": ["relu", "gelu", "tanh"]},
    "input_dropout": {"low": 0.0, "high": 0.3, "step": 0.1},
    "dropout": {"low": 0.0, "high": 0.6, "per_layer": True},
    "batch_size": {"choices": [64]},
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
}
SETTING = {
    "depth": 3,
    "width": 256,
    "activation": "gelu",
    "input_dropout": 0.1,
    "dropout_1": 0.3,
    "dropout_2": 0.6,
    "dropout_3": 0.0,
    "batch_size": 64,
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
}


@pytest.fixture
def encoding() -> Encoding:
    return Encoding(study(space=SPACE).space)


def place(encoding: Encoding, **values: Any) -> dict[str, Any]:
    """The columns of a setting, by parameter."""
    row = encoding.encode([SETTING | values])[0]
    return {name: row[columns].tolist() for name, columns in encoding.columns.items()}


def test_a_range_with_one_value_has_it_and_no_column() -> None:
    space = SPACE | {"input_dropout": {"low": 0.1, "high": 0.1}, "width": {"low": 8, "high": 8}}
    encoding = Encoding(study(space=space).space)
    assert not {"input_dropout", "width"} & encoding.axes.keys()
    (setting,) = encoding.decode(np.full((1, encoding.n_columns), 0.5))
    assert (setting["input_dropout"], setting["width"]) == (0.1, 8)


def test_numbers_given_as_choices_have_an_order_and_are_evenly_spaced(encoding: Encoding) -> None:
    assert [place(encoding, width=width)["width"] for width in (128, 256, 512)] == [[0], [0.5], [1]]


def test_a_logarithmic_range_is_placed_by_its_logarithm(encoding: Encoding) -> None:
    assert place(encoding)["learning_rate"] == pytest.approx([0.5])


def test_two_words_are_as_far_from_each_other_as_the_ends_of_a_range(encoding: Encoding) -> None:
    words = [np.array(place(encoding, activation=word)["activation"]) for word in ("relu", "tanh")]
    assert np.linalg.norm(words[0] - words[1]) == pytest.approx(1.0)


def test_what_has_one_value_has_no_column(encoding: Encoding) -> None:
    assert not {"batch_size", "weight_decay"} & encoding.axes.keys()
    assert encoding.n_columns == 10


def test_parameters_of_layers_that_a_setting_does_not_have_make_no_difference(
    encoding: Encoding,
) -> None:
    some = place(encoding, depth=1, dropout_2=0.1, dropout_3=0.2)
    assert some == place(encoding, depth=1, dropout_2=0.6, dropout_3=0.6)
    assert some["dropout_1"] != place(encoding, depth=1, dropout_1=0.1)["dropout_1"]


def test_places_of_settings_are_found_again(encoding: Encoding) -> None:
    decoded = encoding.decode(encoding.encode([SETTING]))[0]
    assert decoded.pop("learning_rate") == pytest.approx(1e-3)
    assert decoded.pop("input_dropout") == pytest.approx(0.1)
    assert decoded == {
        name: value
        for name, value in SETTING.items()
        if name not in ("learning_rate", "input_dropout")
    }


@given(st.integers(0, 2**32 - 1))
def test_any_place_becomes_a_setting_of_the_space_and_stays_where_it_is(seed: int) -> None:
    asked = study(space=SPACE)
    encoding = Encoding(asked.space)
    places = encoding.nearest(np.random.default_rng(seed).random((8, encoding.n_columns)))
    for setting in encoding.decode(places):
        for name, domain in asked.space.domains.items():
            excluded = domain.excludes(setting[name]) if hasattr(domain, "excludes") else None
            assert excluded is None, (name, setting[name], excluded)
    np.testing.assert_allclose(encoding.nearest(places), places, atol=1e-12)
    np.testing.assert_allclose(encoding.encode(encoding.decode(places)), places, atol=1e-9)


def test_whole_numbers_on_a_logarithmic_range_are_rounded_and_kept_inside() -> None:
    space = SPACE | {"width": {"low": 8, "high": 1024, "log": True}}
    encoding = Encoding(study(space=space).space)
    widths = [
        encoding.axes["width"].decode(np.array([[one]]))[0] for one in (0.0, 0.5, 1.0, 1.0 + 1e-12)
    ]
    assert widths == [8, round(math.sqrt(8 * 1024)), 1024, 1024]
