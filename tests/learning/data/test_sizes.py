"""Sizes are known, and refused, before any row is read."""

from typing import get_args

import pytest

from pipeline.config import DataConfig
from pipeline.config.data_section import WITH_PATH, DataName
from pipeline.errors import BadInputError
from pipeline.learning.data import PreparedData, SplitSizes, known_sizes
from pipeline.learning.data.catalogue import DATA_SETS


def config_of(name: str, **values: object) -> DataConfig:
    """A data section as a study file would give it."""
    return DataConfig.model_validate({"name": name} | values)


@pytest.mark.parametrize(
    ("config", "train", "validation", "test"),
    [
        pytest.param(config_of("mnist-5k"), 3200, 800, 1000, id="a fifth, and a fifth of the rest"),
        pytest.param(config_of("mnist-5k", test=0), 4000, 1000, 0, id="no test"),
        pytest.param(config_of("mnist-5k", test=500, validation=500), 4000, 500, 500, id="counts"),
        pytest.param(config_of("mnist-5k", test=4998, validation=1), 1, 1, 4998, id="the limit"),
        pytest.param(config_of("digits", test=0.1), 1294, 323, 180, id="fractions are rounded"),
        pytest.param(config_of("mnist"), 48000, 12000, 10000, id="its own test part"),
        pytest.param(config_of("mnist", test=0.1), 48000, 12000, 1000, id="a part of its own test"),
        pytest.param(config_of("mnist", test=10_000), 48000, 12000, 10000, id="all of its own"),
        pytest.param(config_of("fashion-mnist", test=0), 48000, 12000, 0, id="own test unused"),
    ],
)
def test_sizes_are_known_without_the_data(
    config: DataConfig, train: int, validation: int, test: int
) -> None:
    assert known_sizes(config) == SplitSizes(train=train, validation=validation, test=test)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        pytest.param(
            config_of("mnist-5k", validation=4000),
            "study.yaml: data.validation: got 4000, expected 1 to 3,999 of 4,000 rows",
            id="validation takes all that the test leaves",
        ),
        pytest.param(
            config_of("mnist-5k", validation=9_000_000),
            "data.validation: got 9000000, expected 1 to 3,999",
            id="validation larger than the set",
        ),
        pytest.param(
            config_of("mnist-5k", validation=0.0001),
            r"data.validation: got 0.0001 \(0 of 4,000 rows\), expected 1 to 3,999",
            id="validation rounds to none",
        ),
        pytest.param(
            config_of("mnist-5k", validation=0.99999),
            r"data.validation: got 0.99999 \(4,000 of 4,000 rows\)",
            id="validation rounds to all",
        ),
        pytest.param(
            config_of("digits", test=1796),
            "data.test: got 1796, expected 1 to 1,795 of 1,797 rows, so that every other part",
            id="test leaves one row",
        ),
        pytest.param(
            config_of("digits", test=0.0001),
            r"data.test: got 0.0001 \(0 of 1,797 rows\)",
            id="test rounds to none",
        ),
        pytest.param(
            config_of("mnist", test=10_001),
            "data.test: got 10001, expected 1 to 10,000 of 10,000 rows$",
            id="more than its own test part",
        ),
        pytest.param(
            config_of("mnist", validation=60_000),
            "data.validation: got 60000, expected 1 to 59,999 of 60,000 rows",
            id="no training rows left",
        ),
    ],
)
def test_a_part_without_rows_is_refused_with_its_limit(config: DataConfig, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        known_sizes(config, where="study.yaml")


def test_an_error_names_the_data_set_where_no_file_is_given() -> None:
    with pytest.raises(BadInputError, match=r"^data set digits: data\.test: got 5000"):
        known_sizes(config_of("digits", test=5000))


@pytest.mark.parametrize("fixture", ["digits", "mnist_5k", "mnist", "fashion_mnist"])
def test_the_catalogue_knows_what_is_read(fixture: str, request: pytest.FixtureRequest) -> None:
    prepared: PreparedData = request.getfixturevalue(fixture)
    known = DATA_SETS[prepared.name]
    assert (prepared.n_train, prepared.n_test) == (known.n_train, known.n_test)
    stored = {path.stem.split("-")[0] for path in prepared.folder.glob("*.npy")}
    assert stored == ({"train", "test"} if known.n_test else {"train"})


def test_a_study_file_may_name_each_data_set_of_the_catalogue_and_the_users_own_forms() -> None:
    assert set(get_args(DataName)) == {*DATA_SETS, *WITH_PATH}
