"""A class may be given as itself, where a worker can import it."""

from typing import Any

import pytest

from pipeline.config import StudyConfig, check_study
from pipeline.errors import BadInputError
from tests.learning.custom.modules import Blobs, Plain

HERE = "tests.learning.custom.modules"


def study(**sections: Any) -> StudyConfig:
    """A study with some of its sections."""
    given = {"name": "x", "data": {"name": "digits"}, "model": {"name": "mlp"}, "space": {}}
    return check_study(
        given | {"training": {"epochs": 1}, "search": {"trials": 1}} | sections, "study"
    )


@pytest.mark.parametrize("model", [Plain, {"class_path": Plain}])
def test_a_class_is_taken_for_its_path(model: Any) -> None:
    asked = study(model=model, data=Blobs)
    assert asked == study(
        model={"class_path": f"{HERE}.Plain"}, data={"class_path": f"{HERE}.Blobs"}
    )
    assert asked.document["model"]["class_path"] == f"{HERE}.Plain"


def test_a_network_of_this_project_is_taken_for_its_name() -> None:
    from pipeline import MLP

    space = {"depth": 1, "width": 8, "dropout": 0.1, "batch_size": 32, "learning_rate": 0.01}
    assert study(model=MLP, space=space).model.name == "mlp"


@pytest.mark.parametrize(
    "model",
    [
        type("Net", (), {"__module__": "__main__"}),
        {"class_path": "__main__.Net"},
        {"class_path": "a.B", "init_args": {"net": {"class_path": "__main__.Net"}}},
    ],
    ids=["class", "path", "object"],
)
def test_a_class_that_no_worker_can_import_is_refused_with_what_to_do(model: Any) -> None:
    with pytest.raises(BadInputError, match=r"^study: model\..*class_path: __main__\.Net") as told:
        study(model=model)
    assert "%%writefile my_module.py" in str(told.value)
    assert "give my_module.Net" in str(told.value)


def test_a_class_of_a_function_is_no_dotted_path() -> None:
    class Inner:
        """Nobody can import it."""

    with pytest.raises(BadInputError, match="expected a dotted path to a class"):
        study(model=Inner)
