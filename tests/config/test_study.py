from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from pipeline.config import Choices, Range, StudyConfig, check_study, load_study, values_of
from pipeline.errors import BadInputError
from tests.config.documents import MISSING, SMALLEST, changed, study, study_of

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
            "sampler": "tpe",
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


def test_an_override_of_nothing_stands_for_null(tmp_path: Path) -> None:
    text = yaml.safe_dump(changed({"training.early_stopping": {"patience": 3}}))
    assert loaded(tmp_path, text, "training.early_stopping=").training.early_stopping is None


def test_the_later_of_two_overrides_wins(tmp_path: Path) -> None:
    words = ["search.seed=1", "search.seed=2"]
    assert loaded(tmp_path, yaml.safe_dump(SMALLEST), *words).search.seed == 2


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        pytest.param("search.sead", 1, "got an unknown key, expected 'seed'", id="near"),
        pytest.param("data.sugar", 1, "got an unknown key, expected one of name, ", id="far"),
        pytest.param("space.widths", 3, "got an unknown key, expected 'width'", id="space"),
        pytest.param("training.epochs", MISSING, "got nothing, expected a whole number", id="none"),
        pytest.param(
            "space.dropout", 1.0, r"got 1.0, expected a number of at least 0 and below 1", id="one"
        ),
        pytest.param(
            "search.seed", -1, "got -1, expected a whole number from 0 to 4,294,967,295", id="seed"
        ),
        pytest.param(
            "space.depth",
            "two",
            "a whole number from 0 to 100, or a map with low, high, or a map with choices",
            id="text",
        ),
        pytest.param("search.max_seconds", 0, "got 0, expected a number above 0", id="seconds"),
        pytest.param(
            "space.learning_rate",
            0,
            "got 0, expected a number above 0 and at most 1,000",
            id="rate",
        ),
        pytest.param(
            "space.width_2", {"low": 9, "high": 3}, r"\.low: got 9, .* which is 3", id="layer"
        ),
        pytest.param("space.width_2.choices", [], r"got \[\], expected a list of 1 to", id="empty"),
        pytest.param("space.width_3", 16, "up to the largest depth, which is 2", id="too deep"),
        pytest.param("space.dropout", MISSING, "expected dropout or dropout_1", id="no dropout"),
        pytest.param("space.width_of_layer", {}, "an unknown key, expected 'width_1'", id="inner"),
    ],
)
def test_an_error_names_file_key_value_and_limit(key: str, value: Any, message: str) -> None:
    with pytest.raises(BadInputError, match=message) as error:
        check_study(changed({key: value}), "study.yaml")
    assert str(error.value).startswith(f"study.yaml: {key}")


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        pytest.param({"low": 0.0, "high": 0.5, "step": 0.2}, "a divisor of high - low", id="odd"),
        pytest.param({"low": 0.1, "high": 0.2, "step": 0.3}, "at most high - low", id="large"),
        pytest.param({"low": 0.0, "high": 0.5, "step": 0.0}, "above 0", id="nothing"),
        pytest.param({"low": 0.0, "high": 0.5, "log": True}, "since log is true", id="log of 0"),
        pytest.param(
            {"low": 0.1, "high": 0.5, "step": 0.1, "log": True}, "no step where log", id="both"
        ),
    ],
)
def test_a_range_refuses_a_step_or_log_that_does_not_fit(
    bounds: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInputError, match=rf"space.dropout\.(step|low): .*{message}"):
        check_study(changed({"space.dropout": bounds}), "study.yaml")


@pytest.mark.parametrize(
    ("low", "high", "step"), [(0.1, 0.3, 0.2), (0.0, 0.6, 0.2), (0.1, 0.7, 0.1)]
)
def test_a_step_fits_however_floats_are_rounded(low: float, high: float, step: float) -> None:
    bounds = {"low": low, "high": high, "step": step}
    space = check_study(changed({"space.dropout": bounds}), "study.yaml").space
    assert values_of(space.domains["dropout"])[-1] == high
