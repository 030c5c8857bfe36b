"""The test part opens for those who ask for it, and the search does not touch it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import DataConfig
from pipeline.errors import BadInputError
from pipeline.learning.data import PreparedData, locate, open_train, prepare, splits
from pipeline.learning.data.sealed import choose_test_rows, open_test, open_test_subset


def config_of(name: str, **values: object) -> DataConfig:
    """A data section as a study file would give it."""
    return DataConfig.model_validate({"name": name} | values)


def opened(prepared: PreparedData, config: DataConfig) -> tuple[list[int], int]:
    """Rows a class, and all pixels' sum, of the test as ``confirm`` would open it."""
    _, labels = open_train(prepared)
    parts = splits(labels, config, n_own_test=prepared.n_test, seed=3)[0]
    images, classes = open_test(prepared, config, parts=parts, seed=3)
    assert images.shape == (classes.size, *prepared.image_shape)
    return np.bincount(classes, minlength=10).tolist(), int(images.sum(dtype=np.int64))


@pytest.fixture
def own_mnist(real_data: Path, cache: Path) -> Iterator[PreparedData]:
    """MNIST in a cache that the test may damage."""
    source = locate(config_of("mnist"), real_data, cache=cache, system_roots=())
    yield prepare(source, cache=cache)
    for path in sorted(cache.rglob("*.npy")):
        path.unlink()


def test_the_tests_default_is_the_sets_own_part(mnist: PreparedData) -> None:
    n_a_class, _ = opened(mnist, config_of("mnist"))
    assert n_a_class == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_a_fraction_takes_a_stratified_share_of_the_own_part(mnist: PreparedData) -> None:
    n_a_class, _ = opened(mnist, config_of("mnist", test=0.1))
    assert n_a_class == [98, 114, 103, 101, 98, 89, 96, 103, 97, 101]


def test_other_seeds_take_other_rows_of_the_own_part(mnist: PreparedData) -> None:
    _, labels = open_test_subset(mnist)
    one, two = (
        choose_test_rows(labels, config_of("mnist", test=500), seed=seed) for seed in (0, 1)
    )
    assert one.size == two.size == 500
    assert np.isin(one, two).sum() < 100


def test_a_set_without_a_test_part_gives_the_splits_rows(mnist_5k: PreparedData) -> None:
    assert opened(mnist_5k, config_of("mnist-5k"))[0] == [100] * 10


@pytest.mark.parametrize("fixture", ["mnist_5k", "mnist"])
def test_a_study_without_a_test_has_none_to_open(
    fixture: str, request: pytest.FixtureRequest
) -> None:
    prepared: PreparedData = request.getfixturevalue(fixture)
    with pytest.raises(BadInputError, match=r"data\.test: got 0, expected a fraction or a count"):
        opened(prepared, config_of(prepared.name, test=0))


def test_a_later_start_does_not_open_the_test_arrays(own_mnist: PreparedData, cache: Path) -> None:
    sound = opened(own_mnist, config_of("mnist"))
    damaged = own_mnist.folder / "test-images.npy"
    damaged.write_bytes(b"no array")
    assert prepare(own_mnist.source, cache=cache) == own_mnist
    assert damaged.read_bytes() == b"no array"
    assert opened(own_mnist, config_of("mnist")) == sound
    assert damaged.read_bytes() != b"no array"
