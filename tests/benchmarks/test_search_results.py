"""What becomes of finished searches: their file, their choices, the comparison of two."""

import json
from pathlib import Path

import pytest
from scipy import stats

from benchmarks.search import plan
from benchmarks.search.paired import compare, compare_common
from benchmarks.search.policies import POLICIES
from benchmarks.search.regret import Regret, by_seed, by_task, means
from benchmarks.search.report import differences, habits, markdown, screen, sections
from benchmarks.search.spaces import LIVE
from benchmarks.search.studies import (
    Lines,
    Study,
    StudyKey,
    Trial,
    choose,
    read_studies,
    with_choices_by_mean,
    write_study,
)
from benchmarks.search.yardstick import SettingKey, choices, cohort_of, read_scores
from pipeline.config import is_fixed


def trial(lowest: float | None, *, epochs: int = 10, state: str = "COMPLETE", x: int = 0) -> Trial:
    return Trial(params={"x": x}, epochs=epochs, lowest=lowest, state=state, curve=[0.5])


def finished(
    *trials: Trial, policy: str = "tpe", seed: int = 101, budget: int = 40, space: str = "small"
) -> Study:
    return Study(policy=policy, space=space, seed=seed, budget=budget, trials=list(trials))


def test_choice_is_the_complete_trial_of_the_lowest_loss() -> None:
    study = finished(
        trial(0.3, x=1), trial(0.1, x=2, state="PRUNED"), trial(0.2, x=3), trial(0.0, x=4)
    )
    assert choose(study, 30) == {"x": 3}
    assert choose(study, 40) == {"x": 4}


def test_choice_counts_only_trials_that_have_ended_within_the_epochs() -> None:
    study = finished(trial(0.3, x=1), trial(0.1, x=2), trial(0.0, x=3, epochs=1))
    assert choose(study, 19) == {"x": 1}
    assert choose(study, 20) == {"x": 2}
    assert choose(study, 9) is None


def test_choice_falls_back_to_pruned_trials_and_never_to_failed_ones() -> None:
    study = finished(trial(None, x=1, state="FAIL"), trial(0.2, x=2, state="PRUNED"))
    assert choose(study, 40) == {"x": 2}
    assert choose(finished(trial(None, state="FAIL")), 40) is None


def test_our_choice_by_the_mean_of_five_epochs_passes_over_one_lucky_epoch() -> None:
    lucky, steady = [0.5, 0.1, 0.5, 0.5, 0.5], [0.4, 0.3, 0.2, 0.3, 0.3, 0.9, 0.9]
    trials = [
        Trial(params={"x": x}, epochs=10, lowest=min(curve), state="COMPLETE", curve=curve)
        for x, curve in enumerate([lucky, steady])
    ]
    ours, peer = finished(*trials, policy="auto"), finished(*trials, policy="tpe")
    *read, by_mean = with_choices_by_mean([ours, peer], [10, 20])
    assert read == [ours, peer]
    assert by_mean.policy == "auto-mean-of-5"
    assert [choose(ours, budget) for budget in (10, 20)] == [{"x": 0}] * 2
    assert [choose(by_mean, budget) for budget in (10, 20)] == [{"x": 0}, {"x": 1}]


def test_choice_is_the_studys_own_where_it_makes_one() -> None:
    study = Study(
        policy="auto",
        space="small",
        seed=1,
        budget=40,
        trials=[trial(0.1)],
        chosen={"40": {"x": 9}},
    )
    assert choose(study, 40) == {"x": 9}
    assert choose(study, 20) == {"x": 0}


def test_setting_that_two_studies_choose_is_trained_once() -> None:
    studies = [
        finished(trial(0.2, x=1), policy="tpe"),
        finished(trial(0.2, x=1), policy="random"),
        finished(trial(0.2, x=1), policy="tpe", seed=102),
    ]
    keys = list(choices(studies, [10, 40, 80]))
    assert keys == [SettingKey.of("small", seed, {"x": 1}) for seed in (101, 102)]


def test_yardstick_trains_on_another_split_with_new_seeds() -> None:
    params = {"depth": 1, "width": 128, "input_dropout": 0.0, "dropout_1": 0.5}
    params |= {"batch_size": 32, "learning_rate": 0.001, "weight_decay": 0.0}
    space = LIVE["mnist-5k-mlp"]
    study = space.study({"name": "mnist-5k", "validation": 0.2}, trials=1)
    cohort = cohort_of(SettingKey.of(space.name, 101, params), study)
    configs = [assignment.config for assignment in cohort.assignments]
    assert [config.repeat for config in configs] == [1, 2, 3, 4, 5]
    assert {config.study_seed for config in configs} == {101 + plan.OTHER_SPLIT}
    assert len({config.seeds["initialisation"] for config in configs}) == plan.REPEATS
    assert [assignment.patience for assignment in cohort.assignments] == [plan.PATIENCE] * 5


def test_studies_are_the_same_after_their_file_and_the_later_one_counts(tmp_path: Path) -> None:
    path = tmp_path / "studies.jsonl"
    first, longer = finished(trial(0.25)), finished(trial(0.25), trial(0.125), budget=80)
    write_study(path, first)
    assert read_studies(path) == {first.key: first}
    write_study(path, longer)
    assert read_studies(path) == {StudyKey("tpe", "small", 101): longer}


def test_line_that_was_torn_is_not_read_and_not_kept(tmp_path: Path) -> None:
    lines = Lines(tmp_path / "new" / "lines.jsonl")
    assert list(lines) == []
    lines.append({"a": 1})
    with lines.path.open("a", encoding="utf-8") as file:
        file.write('{"a": 2, "torn')
    assert list(lines) == [{"a": 1}]
    lines.append({"a": 3})
    assert list(lines) == [{"a": 1}, {"a": 3}]
    assert lines.path.read_text(encoding="utf-8") == '{"a": 1}\n{"a": 3}\n'


def test_score_is_the_mean_over_seeds_and_infinite_where_one_failed(tmp_path: Path) -> None:
    lines = Lines(tmp_path / "yardstick.jsonl")
    keys = [SettingKey.of("small", 101, {"x": x}) for x in (1, 2)]
    lines.append(keys[0]._asdict() | {"losses": [0.25, 0.5]})
    lines.append(keys[1]._asdict() | {"losses": [0.25, None]})
    assert read_scores(lines.path) == {keys[0]: 0.375, keys[1]: float("inf")}


def test_paired_comparison_is_students_and_wilcoxons() -> None:
    # Differences 1, 2, 3, 4: mean 2.5, standard error sqrt(5 / 3) / 2, three degrees of freedom.
    first, second = [2.0, 4.0, 6.0, 9.0], [1.0, 2.0, 3.0, 5.0]
    found = compare(first, second)
    error = (5 / 3) ** 0.5 / 2
    half = stats.t.ppf(0.975, 3) * error
    assert found.n == 4
    assert [found.low, found.mean, found.high] == pytest.approx([2.5 - half, 2.5, 2.5 + half])
    assert found.p_t == pytest.approx(2 * stats.t.sf(2.5 / error, 3))
    assert found.p_wilcoxon == pytest.approx(2 / 2**4)  # all signs equal, exact


def test_paired_comparison_of_equal_scores_finds_nothing() -> None:
    found = compare([0.1, 0.2, 0.3], [0.1, 0.2, 0.3])
    assert (found.mean, found.low, found.high, found.p_t, found.p_wilcoxon) == (0, 0, 0, 1, 1)


@pytest.mark.parametrize(
    ("first", "second"),
    [pytest.param([1.0], [2.0], id="one pair"), pytest.param([1.0, 2.0], [1.0], id="no pairs")],
)
def test_paired_comparison_needs_two_pairs(first: list[float], second: list[float]) -> None:
    with pytest.raises(ValueError, match="expected as many scores of both, at least 2"):
        compare(first, second)


def test_comparison_takes_common_seeds_and_counts_infinite_scores() -> None:
    first = {1: 1.0, 2: 2.0, 3: float("inf"), 4: 0.0}
    second = {1: 0.0, 2: 0.5, 3: 1.0, 5: 0.0}
    found, n_left_out = compare_common(first, second)
    assert found is not None
    assert (found.n, found.mean, n_left_out) == (2, 1.25, 1)
    assert compare_common({1: 1.0}, second) == (None, 0)


def test_regrets_are_averaged_over_what_is_not_compared() -> None:
    regrets = [Regret("tpe", "a", seed, [value], 60, 1.0) for seed, value in ((1, 0.25), (2, 0.75))]
    assert means(regrets, "tpe", 0, by_task) == {"a": 0.5}
    assert means(regrets, "tpe", 0, by_seed) == {("a", 1): 0.25, ("a", 2): 0.75}


def test_report_compares_by_seed_and_names_the_number_of_the_choice() -> None:
    studies, scores = {}, {}
    for seed, (ours, theirs) in {101: (0.1, 0.2), 102: (0.2, 0.5), 103: (0.3, 0.5)}.items():
        for policy, x, score in (("auto", 1, ours), ("random", 2, theirs)):
            study = finished(
                trial(0.9, x=0), trial(0.5, x=x), policy=policy, seed=seed, space="digits-cnn"
            )
            studies[study.key] = study
            scores[SettingKey.of("digits-cnn", seed, {"x": x})] = score
    rows = differences(list(studies.values()), scores, [40], reference="auto")
    assert rows[0] == ["minus auto", "40 epochs"]
    assert rows[1][0] == "random"
    assert rows[1][1].startswith("+0.2000 [")
    assert [row[3] for row in habits(list(studies.values()), 40)[1:]] == ["1, 1, 1"] * 2
    found = list(sections(studies, scores, [40]))
    assert any("| auto | 0.2000 (3) |" in markdown(table) for _, table in found)
    assert any("random" in screen(table) for _, table in found)


def test_plan_names_what_there_is() -> None:
    assert set(plan.SPACES) == set(LIVE)
    assert {plan.OURS, *plan.PEERS} <= set(POLICIES)
    assert len(plan.SEEDS) >= 12
    assert max(plan.BUDGETS) <= plan.LARGEST_BUDGET


def test_spaces_ask_for_what_their_networks_have() -> None:
    for space in LIVE.values():
        study = space.study({"name": "digits"}, trials=1)
        assert json.loads(json.dumps(study.document))["training"]["epochs"] == plan.EPOCHS
        n_searched = sum(not is_fixed(domain) for domain in study.space.domains.values())
        assert 6 <= n_searched <= 9
