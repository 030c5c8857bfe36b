"""The lists are what they promise, and this project's study file takes them as they are."""

from collections import Counter

import pytest

from benchmarks.case import DATA
from benchmarks.peers.ours import FORMS, study_of
from benchmarks.race import study_of as study_of_race
from benchmarks.settings import LISTS, Setting, mixed, one_shape
from benchmarks.task import Task
from pipeline.config import check_study

SHAPES = [pytest.param(mixed, id="mixed"), pytest.param(one_shape, id="one shape")]


def shapes(settings: list[Setting]) -> Counter[tuple[int, int, int]]:
    return Counter((one.depth, one.width, one.batch_size) for one in settings)


def test_mixed_list_has_twelve_trials_of_which_two_share_a_shape() -> None:
    assert len(mixed()) == 12
    assert set(shapes(mixed()).values()) == {2}
    assert {(depth, width) for depth, width, _ in shapes(mixed())} == {
        (depth, width) for depth in (1, 2, 3) for width in (128, 256)
    }


def test_one_shape_list_has_sixteen_trials_of_one_shape() -> None:
    assert shapes(one_shape()) == {(2, 128, 128): 16}


@pytest.mark.parametrize("name", LISTS)
def test_list_is_the_same_each_time_and_repeats_no_setting(name: str) -> None:
    settings = LISTS[name]()
    assert settings == LISTS[name]()
    assert len({setting.learning_rate for setting in settings}) == len(settings)
    assert len({setting.dropouts for setting in settings}) == len(settings)


@pytest.mark.parametrize("name", LISTS)
def test_setting_has_a_rate_for_each_layer_inside_the_space(name: str) -> None:
    for setting in LISTS[name]():
        assert len(setting.dropouts) == setting.depth
        assert all(0 <= rate <= 0.6 for rate in setting.dropouts)
        assert 1e-4 <= setting.learning_rate <= 1e-2


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("name", LISTS)
def test_study_file_fixes_every_parameter_of_every_trial(name: str, data: str, form: str) -> None:
    task = Task(
        data=DATA[data].section, data_dir=None, settings=LISTS[name](), epochs=DATA[data].epochs
    )
    config = check_study(study_of(task, FORMS[form][0]), "benchmark.yaml")
    assert config.search.trials == len(task.settings)
    for number, setting in enumerate(task.settings):
        assert config.fixed_params(number) == setting.params
        assert set(config.space.active(setting.params)) == set(setting.params)


def test_study_file_of_the_race_is_valid() -> None:
    config = check_study(study_of_race("mnist-5k", trials=60, epochs=10, seed=3), "target.yaml")
    assert (config.search.trials, config.search.seed, config.search.stopping) == (60, 3, "halving")
