import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from pydantic import ValidationError

from pipeline.config import (
    Choices,
    Range,
    StudyConfig,
    check_study,
    differences,
    digest,
    load_study,
    values_of,
)
from pipeline.config.yaml import override
from tests.config.documents import MISSING, SEARCHED, SMALLEST, changed, documents, study, study_of

SHIPPED = sorted(Path(__file__).parents[2].glob("studies/*.yaml"))


def loaded(folder: Path, text: str, *overrides: str) -> StudyConfig:
    file = folder / "study.yaml"
    file.write_text(text)
    return load_study(file, overrides)


def test_a_study_fills_in_exactly_the_promised_defaults() -> None:
    assert study().document == {
        "name": "small",
        "question": "",
        "data": {"name": "digits", "validation": 0.2},
        "model": {"name": "mlp"},
        "space": {
            "depth": 2,
            "width": 16,
            "input_dropout": 0.0,
            "dropout": 0.5,
            "batch_size": 32,
            "learning_rate": 0.001,
            "weight_decay": 0.0,
        },
        "training": {
            "epochs": 2,
            "optimizer": "adamw",
            "precision": "32-true",
            "threads": 1,
            "device": "auto",
        },
        "search": {
            "trials": 6,
            "sampler": "gp",
            "stopping": "none",
            "seed": 0,
            "block": 8,
        },
        "trials": [],
    }


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_a_shipped_study_file_loads(file: Path) -> None:
    assert load_study(file).name


def test_a_study_refuses_later_changes() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        study().search.trials = 7  # type: ignore[misc]


@pytest.mark.parametrize("number", ["1e-4", "1E-4", "+1e-4", "1.0e-4", ".1e-3", "0.0001"])
def test_a_study_file_reads_a_number_as_a_number(tmp_path: Path, number: str) -> None:
    text = yaml.safe_dump(changed({"space.learning_rate": "@"})).replace("'@'", number)
    assert loaded(tmp_path, text).space.domains["learning_rate"] == 1e-4


def test_a_study_file_reads_a_date_as_a_name(tmp_path: Path) -> None:
    text = yaml.safe_dump(changed({"name": MISSING})) + "name: 2024-01-01\n"
    assert loaded(tmp_path, text).name == "2024-01-01"


def test_a_range_takes_its_type_from_the_parameter() -> None:
    study_ = study_of(
        {"depth": {"low": 0, "high": 2}, "width": 4, "dropout": {"low": 0, "high": 0}}
    )
    depth, dropout = study_.space.domains["depth"], study_.space.domains["dropout"]
    assert isinstance(depth, Range)
    assert isinstance(dropout, Range)
    assert (type(depth.low), type(dropout.low)) == (int, float)


def test_choices_keep_their_order() -> None:
    space = study_of({"depth": 1, "width": {"choices": [64, 16]}, "dropout": 0.1}).space
    width = space.domains["width"]
    assert isinstance(width, Choices)
    assert width.choices == (64, 16)


def test_an_override_replaces_a_value_of_the_file(tmp_path: Path) -> None:
    text = yaml.safe_dump(changed({"trials": [{"depth": 2}]}))
    words = ["training.epochs=9", "space.dropout={low: 0, high: 0.5}", "trials.0.depth=2"]
    study_ = loaded(tmp_path, text, *words)
    assert study_.training.epochs == 9
    assert isinstance(study_.space.domains["dropout"], Range)


def test_an_override_makes_a_section_that_the_file_leaves_out(tmp_path: Path) -> None:
    text = yaml.safe_dump(SMALLEST)
    early = loaded(tmp_path, text, "training.early_stopping.patience=3").training.early_stopping
    assert early is not None
    assert early.patience == 3


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("space.net.dropout.high=0.4", {"net.dropout": {"low": 0.0, "high": 0.4}, "net": 1}),
        ("space.net.dropout=0.1", {"net.dropout": 0.1, "net": 1}),
        ("space.net=2", {"net.dropout": {"low": 0.0, "high": 0.5}, "net": 2}),
    ],
)
def test_a_key_with_dots_of_its_own_is_found(assignment: str, expected: dict[str, Any]) -> None:
    document = {"space": {"net.dropout": {"low": 0.0, "high": 0.5}, "net": 1}}
    assert override(document, assignment) == {"space": expected}


def test_an_override_of_nothing_stands_for_null(tmp_path: Path) -> None:
    text = yaml.safe_dump(changed({"training.early_stopping": {"patience": 3}}))
    assert loaded(tmp_path, text, "training.early_stopping=").training.early_stopping is None


def test_the_later_of_two_overrides_wins(tmp_path: Path) -> None:
    words = ["search.seed=1", "search.seed=2"]
    assert loaded(tmp_path, yaml.safe_dump(SMALLEST), *words).search.seed == 2


@pytest.mark.parametrize(
    ("low", "high", "step"), [(0.1, 0.3, 0.2), (0.0, 0.6, 0.2), (0.1, 0.7, 0.1)]
)
def test_a_step_fits_however_floats_are_rounded(low: float, high: float, step: float) -> None:
    bounds = {"low": low, "high": high, "step": step}
    space = check_study(changed({"space.dropout": bounds}), "study.yaml").space
    assert values_of(space.domains["dropout"])[-1] == high


@given(documents())
def test_a_dumped_study_loads_again_to_an_equal_one(document: dict[str, Any]) -> None:
    once = check_study(document, "study.yaml")
    again = check_study(json.loads(json.dumps(once.document)), "study.yaml")
    assert again == once
    assert digest(again) == digest(once)
    assert again.document == once.document


def test_a_digest_passes_over_the_number_of_trials_alone() -> None:
    assert digest(study(search={"trials": 6})) == digest(study(search={"trials": 60}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("name", "other"), ("question", "Why?"), ("data.validation", 0.25), ("data.test", 0)],
        *[("space.depth", 1), ("space.width_1", 8), ("space.input_dropout", 0.1)],
        *[("training.epochs", 3), ("training.threads", 2), ("search.seed", 1)],
        *[("search.block", 4), ("search.max_seconds", 9.0), ("trials", [{"depth": 2}])],
    ],
)
def test_a_digest_changes_with_any_other_value(key: str, value: Any) -> None:
    other = check_study(changed({key: value}), "study.yaml")
    assert digest(other) != digest(study())
    assert [line.partition(": ")[0].startswith(key) for line in _differences(other.document)]


def _differences(document: dict[str, Any]) -> list[str]:
    lines = differences(study().document, document)
    assert lines
    return lines


def test_a_digest_passes_over_the_order_and_the_spelling_of_keys() -> None:
    turned = {key: SMALLEST[key] for key in reversed(SMALLEST)}
    assert digest(check_study(turned, "")) == digest(study())


def test_a_digest_passes_over_defaults_that_are_written_out() -> None:
    assert digest(check_study(study().document, "")) == digest(study())


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"search.trials": 60}, [], id="the trials, which may grow"),
        pytest.param({"training.epochs": 4}, ["training.epochs: 2 → 4"], id="a number"),
        pytest.param(
            {"space.width_1": 8}, ["space.width_1: not set → 8"], id="a parameter that is new"
        ),
        pytest.param(
            {"space.dropout": {"low": 0.0, "high": 0.6}},
            [
                *("space.dropout: 0.5 → not set", "space.dropout.low: not set → 0.0"),
                *("space.dropout.high: not set → 0.6", "space.dropout.log: not set → false"),
                "space.dropout.per_layer: not set → false",
            ],
            id="a range for a constant",
        ),
    ],
)
def test_differences_name_each_changed_key(changes: dict[str, Any], lines: list[str]) -> None:
    other = check_study(changed(changes), "study.yaml")
    assert differences(study().document, other.document) == lines


def test_differences_name_the_value_of_a_fixed_trial() -> None:
    old = study_of(SEARCHED, {"depth": 2}).document
    new = study_of(SEARCHED, {"depth": 3}).document
    assert differences(old, new) == ["trials.0.depth: 2 → 3"]


@pytest.mark.parametrize(
    ("trial", "params"),
    [
        pytest.param({}, {}, id="leaves out all"),
        pytest.param(
            {"depth": 2, "dropout": 0.25},
            {"depth": 2, "dropout_1": 0.25, "dropout_2": 0.25, "dropout_3": 0.25},
            id="dropout of every layer",
        ),
        pytest.param(
            {"depth": 2, "dropout_1": 0.1, "dropout_2": 0.2},
            {"depth": 2, "dropout_1": 0.1, "dropout_2": 0.2},
            id="dropout of named layers",
        ),
        pytest.param(
            {"dropout": 0.5, "dropout_2": 0.2},
            {"dropout_1": 0.5, "dropout_2": 0.2, "dropout_3": 0.5},
            id="every layer but one",
        ),
        pytest.param({"weight_decay": 0.0}, {"weight_decay": 0.0}, id="repeats a constant"),
        pytest.param({"dropout_1": 0}, {"dropout_1": 0.0}, id="0 for 0.0"),
        pytest.param({"width": 32}, {"width": 32}, id="a choice"),
        pytest.param({"learning_rate": 1e-4}, {"learning_rate": 1e-4}, id="a bound"),
    ],
)
def test_a_fixed_trial_resolves_what_it_says(trial: dict[str, Any], params: dict[str, Any]) -> None:
    resolved = study_of(SEARCHED, trial).fixed_params(0)
    assert resolved == params
    assert [type(value) for value in resolved.values()] == [type(v) for v in params.values()]


def test_a_fixed_trial_takes_dropout_for_a_network_without_layers() -> None:
    assert study_of({"depth": 0}, {"dropout": 0.5}).fixed_params(0) == {}


def test_a_fixed_trial_takes_a_choice_in_the_choices_own_type() -> None:
    study = study_of({"depth": 1, "width": 4, "dropout": {"choices": [0.0, 0.5]}}, {"dropout": 0})
    assert type(study.fixed_params(0)["dropout"]) is float
