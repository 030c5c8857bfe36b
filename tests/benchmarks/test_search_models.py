"""The models that stand in for training: what they are fitted to, and how regret is measured."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from benchmarks.search import plan, surrogate
from benchmarks.search.cube import Cube
from benchmarks.search.lcbench import REFERENCES, tasks_of
from benchmarks.search.peers import ALL, missing
from benchmarks.search.policies import Entry
from benchmarks.search.simulation import Noise, Reference, regret_of, run
from benchmarks.search.studies import Study, StudyKey, Trial
from benchmarks.search.surrogate import TASKS, CurveModel, OwnTable, noise_of, other, point_of
from benchmarks.search.table import (
    A_ROUND,
    COLUMNS,
    EPOCHS,
    N_TOGETHER,
    SEEDS,
    Table,
    Training,
    parts,
    settings,
    write,
)
from pipeline.config import is_fixed
from tests.search.studies import study


def test_table_that_is_committed_holds_the_settings_that_are_trained() -> None:
    table, listed = Table.read(), settings(1)
    assert len(table.settings) == A_ROUND
    for read, setting in zip(table.settings, listed, strict=True):
        assert read == pytest.approx(setting)
    assert table.losses.shape == (A_ROUND, len(SEEDS), 1, EPOCHS)
    assert np.isfinite(table.losses).all()


def test_settings_that_are_trained_together_share_their_shape() -> None:
    rows = settings(2)
    for together in (cohort for part in parts(2) for cohort in part):
        shapes = {tuple(rows[one.number][name] for name in COLUMNS[:3]) for one in together}
        assert len(shapes) == 1
        assert len(together) <= N_TOGETHER


def test_table_is_the_same_after_its_file_and_has_no_setting_without_both_splits(
    tmp_path: Path,
) -> None:
    rows, path = settings(1), tmp_path / "table.npz"
    curve = [0.5] * EPOCHS
    found = {Training(number, SEEDS[0], 0): curve for number in (3, 200)}
    found[Training(200, SEEDS[1], 0)] = [0.25] * EPOCHS
    write(path, found, rows)
    table = Table.read(path)
    (setting,) = table.settings
    assert setting == pytest.approx(rows[200])
    assert table.losses[0, :, 0, 0].tolist() == [0.5, 0.25]
    assert table.repeats.size == 0


def test_curve_model_predicts_what_the_process_that_it_was_taken_from_predicts() -> None:
    random = np.random.default_rng(0)
    points, queries = random.random((30, 2)), random.random((7, 2))
    level = np.sin(3 * points[:, :1]) + points[:, 1:]
    curves = level * np.linspace(1.0, 0.5, 4)
    model = CurveModel.fit(points, curves)
    centred = curves - curves.mean(axis=0)
    component = np.linalg.svd(centred, full_matrices=False)[2][0]
    kernel = ConstantKernel(1.0) * Matern(np.ones(2), (0.05, 50.0), nu=2.5) + WhiteKernel(
        0.05, (1e-5, 1.0)
    )
    process = GaussianProcessRegressor(kernel, normalize_y=True)
    with warnings.catch_warnings():  # of lengths at their bounds
        warnings.simplefilter("ignore")
        process.fit(points, centred @ component)
    expected = np.exp(curves.mean(axis=0) + np.outer(process.predict(queries), component))
    assert model.predict(queries) == pytest.approx(expected, rel=1e-3)


def test_model_that_is_committed_was_fitted_to_the_table_that_is_committed() -> None:
    table, problem = Table.read(), OwnTable.read()
    some = range(0, A_ROUND, 4)
    for split, task in enumerate(TASKS):
        predicted = [problem.curve(task, table.settings[n]).min() for n in some]
        trained = table.losses[some, split, 0].min(axis=-1)
        assert spearmanr(predicted, trained)[0] > 0.9
    assert noise_of(table) == pytest.approx(surrogate.NOISE, abs=0.0005)


def test_choice_on_one_split_is_judged_on_the_other() -> None:
    problem, params = OwnTable.read(), settings(1)[100]
    first, second = TASKS
    assert (other(first), other(second)) == (second, first)
    assert problem.loss(first, params) == problem.curve(second, params).min()
    assert problem.loss(first, params) != problem.curve(first, params).min()


def test_regret_of_the_best_known_loss_is_0_and_of_the_median_1() -> None:
    reference = Reference(best=0.25, median=0.75)
    assert [reference.regret(loss) for loss in (0.25, 0.75, 0.5)] == [0, 1, 0.5]


def test_random_settings_have_regrets_about_1_and_a_search_has_less() -> None:
    problem = OwnTable.read()
    study = run(problem, StudyKey("random", TASKS[0], 1), Noise(0.0, 0.0))
    reference = problem.reference(TASKS[0])
    each = [reference.regret(problem.loss(TASKS[0], trial.params)) for trial in study.trials]
    assert 0.5 < float(np.median(each)) < 1.6
    assert min(each) > -0.05
    assert regret_of(problem, study).regrets[-1] < 0.8


def test_study_without_a_choice_has_regret_1() -> None:
    trial = Trial(params=settings(1)[0], epochs=120, lowest=0.5, state="COMPLETE")
    seconds = {"sampling": 0.0}
    study = Study(policy="tpe", space=TASKS[0], seed=1, budget=800, trials=[trial], seconds=seconds)
    regrets = regret_of(OwnTable.read(), study).regrets
    assert regrets[0] == 1.0
    assert regrets[1] != 1.0


@given(st.lists(st.floats(0, 1), min_size=8, max_size=8))
def test_point_of_a_setting_gives_the_setting(point: list[float]) -> None:
    cube = Cube(study())
    params = cube.params(point)
    again = cube.params(cube.point(params))
    assert set(again) == set(params)
    for name, value in params.items():
        assert again[name] == pytest.approx(value)


def test_whole_numbers_and_choices_have_equal_parts_of_their_sides() -> None:
    cube = Cube(study())
    sides = np.linspace(0, 1, 4_001)
    settings_at = [cube.params([side] * cube.n_sides) for side in sides]
    for name, n_values in (("depth", 4), ("width", 2), ("batch_size", 2)):
        _, counts = np.unique([one[name] for one in settings_at], return_counts=True)
        assert counts == pytest.approx([len(sides) / n_values] * n_values, rel=0.02)


def test_layers_that_a_setting_does_not_have_lie_in_the_middle() -> None:
    params = settings(1)[0]
    assert params["depth"] == 1
    domains = surrogate.study_of({"trials": 1}).space.domains
    names = [name for name, domain in domains.items() if not is_fixed(domain)]
    sides = dict(zip(names, point_of(params).tolist(), strict=True))
    assert [sides[f"dropout_{layer}"] for layer in (2, 3, 4)] == [0.5] * 3
    assert sides["dropout_1"] == pytest.approx(params["dropout_1"] / 0.6)


def test_tables_that_decide_are_not_those_of_development() -> None:
    tasks = list(json.loads(REFERENCES.read_text(encoding="utf-8")))
    developed, deciding = tasks_of("develop", tasks), tasks_of("decide", tasks)
    assert (len(developed), len(deciding)) == (17, 17)
    assert set(developed) | set(deciding) == set(tasks)
    assert tasks[0] in developed


def test_peer_without_its_package_says_so_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Entry(make=ALL["tpe"].make, needs=("no_such_package",))
    monkeypatch.setitem(ALL, "absent", entry)
    assert missing("absent") == (
        "no_such_package cannot be imported: No module named 'no_such_package'"
    )
    assert missing("tpe") is None


def test_plan_names_the_simulated_policies_that_there_are() -> None:
    assert set(plan.SIMULATED_PEERS) <= set(ALL)
