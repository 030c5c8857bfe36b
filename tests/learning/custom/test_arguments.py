"""Arguments as users have them: booleans, nulls, lists, maps, objects, and names with dots."""

import json
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn

from pipeline.app.doctor import examine
from pipeline.app.retraining.reproduce import reproduce
from pipeline.app.study import Study
from pipeline.app.workspace import Workspace
from pipeline.config import StudyConfig, TrialConfig, check_study
from pipeline.config.arguments import fault_of_name, with_params
from pipeline.errors import BadInputError
from pipeline.learning.custom.checks import check_custom
from pipeline.learning.custom.classes import construct
from pipeline.learning.data import PreparedData
from pipeline.tracking.reader import read_rows
from pipeline.trial import TrialRecord, TrialState
from tests.learning.custom.modules import Blobs, Plain
from tests.learning.custom.trials import fit, fit_on_own, own_trial

HERE = __name__


class Body(nn.Module):
    """Layers of a network, given as an object."""

    def __init__(
        self, sizes: list[int], dropout: float = 0.0, activation: nn.Module | None = None
    ) -> None:
        """Build them."""
        super().__init__()
        self.dropout = dropout
        self.activation = activation or nn.ReLU()
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), self.activation, nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers)

    def forward(self, rows: Tensor) -> Tensor:
        """Compute features."""
        features: Tensor = self.layers(rows)
        return features


class Assembled(Plain):
    """Takes an object, a map, a boolean and a null."""

    def __init__(
        self,
        body: Body,
        *,
        norm: bool = False,
        seed: int | None = 3,
        options: dict[str, Any] | None = None,
        n_classes: int,
    ) -> None:
        """Put them together."""
        super().__init__(n_classes=n_classes)
        self.given = {"norm": norm, "seed": seed, "options": options, "dropout": body.dropout}
        head = [nn.BatchNorm1d(12)] if norm else []
        self.layers = nn.Sequential(body, *head, nn.Linear(12, n_classes))


class Listed(Blobs):
    """A data module that takes a list."""

    def __init__(self, extra: list[int], batch_size: int = 20) -> None:
        """Keep it."""
        super().__init__(batch_size=batch_size)
        self.extra = extra


BODY = {
    "class_path": f"{HERE}.Body",
    "init_args": {"sizes": [64, 12], "activation": {"class_path": "torch.nn.Tanh"}},
}
ARGUMENTS = {"body": BODY, "seed": None, "options": {"deep": {"of": [1, 2.5, "x", False]}}}

SEARCHED = {"norm": {"choices": [True, False]}, "body.dropout": {"low": 0.0, "high": 0.5}}


def study(
    init_args: Any = ARGUMENTS, model: str = "Assembled", *, space: dict[str, Any] | None = None
) -> StudyConfig:
    """A study of this file's module."""
    return check_study(
        {
            "name": "own",
            "data": {"name": "digits"},
            "model": {"class_path": f"{HERE}.{model}", "init_args": init_args},
            "space": space or {},
            "training": {"epochs": 1},
            "search": {"trials": 3, "sampler": "gp", "stopping": "none"},
        },
        "study.yaml",
    )


def trial(**params: Any) -> TrialConfig:
    """A trial of it."""
    given = own_trial(**params).model_dump(exclude={"model"})
    model = {"class_path": f"{HERE}.Assembled", "init_args": ARGUMENTS}
    return TrialConfig.model_validate(given | {"model": model})


def test_objects_are_made_and_names_with_dots_reach_into_them(digits: PreparedData) -> None:
    config = trial(**{"body.dropout": 0.25, "norm": True, "options.rate": 0.5})
    outcome = fit(digits, config)
    assert outcome.state is TrialState.COMPLETE, outcome.cause
    record = TrialRecord.model_validate_json(TrialRecord.of(config, outcome).file)
    assert record.trial == config
    assert record.trial.model.init_args == ARGUMENTS
    from pipeline.learning.custom.load import load_module

    assert outcome.weights is not None
    module = load_module(record, outcome.weights)
    assert isinstance(module, Assembled)
    assert module.given == {
        "norm": True,
        "seed": None,
        "options": {"deep": {"of": [1, 2.5, "x", False]}, "rate": 0.5},
        "dropout": 0.25,
    }
    assert isinstance(module.get_submodule("layers.0.activation"), nn.Tanh)
    assert record.facts is not None
    assert any(name.endswith("test_arguments.py") for name in record.facts.sources)


def test_a_partial_object_is_completed_by_whoever_gets_it() -> None:
    body = construct({**BODY, "partial": True})
    assert isinstance(body, partial)
    assert isinstance(body.keywords["activation"], nn.Tanh), "what is inside is made already"
    assert body(dropout=0.5).dropout == 0.5
    assert body() is not body(), "each call makes another"


def test_the_document_keeps_what_is_given_and_can_be_read_again() -> None:
    read = study(space=SEARCHED)
    document = json.loads(json.dumps(read.document))
    assert document["model"]["init_args"] == ARGUMENTS
    assert check_study(document, "again.yaml").document == read.document
    check_custom(read, "study.yaml")
    assert "init_args" not in study(None, "Plain2").document["model"]


class Plain2(Plain):
    """Without arguments."""


@pytest.mark.slow
def test_booleans_and_names_with_dots_are_the_same_in_both_ledgers(tmp_path: Path) -> None:
    workspace = Workspace(home=tmp_path / "home", tracking_uri=None)
    rows = Study(config=study(space=SEARCHED), workspace=workspace).run(workers=1).trials
    assert [row.state for row in rows] == [TrialState.COMPLETE] * 3, rows
    assert {type(row.params["norm"]) for row in rows} == {bool}
    assert all(row.params.keys() == SEARCHED.keys() for row in rows)
    in_mlflow = read_rows(workspace.ledger_uri, "own")
    assert [row.params for row in in_mlflow] == [row.params for row in rows]
    assert examine(workspace).is_healthy
    assert reproduce(workspace, "own").as_json()["verdict"] == "identical"


def test_a_data_module_has_arguments_too() -> None:
    given = own_trial("Plain", data="Blobs", batch_size=10).model_dump(exclude={"data"})
    data = {"class_path": f"{HERE}.Listed", "init_args": {"extra": [1, 2]}}
    outcome = fit_on_own(TrialConfig.model_validate(given | {"data": data}))
    assert outcome.state is TrialState.COMPLETE, outcome.cause


def test_parameters_are_put_where_they_belong() -> None:
    given = {"a": {"b": {"class_path": "x.Y", "init_args": {"c": 1}}}, "d": [1]}
    put = with_params(given, {"a.b.e": 2, "f": 3})
    assert put["a"]["b"]["init_args"] == {"c": 1, "e": 2}
    assert put["f"] == 3
    assert given["a"] == {"b": {"class_path": "x.Y", "init_args": {"c": 1}}}, "left as it is"
    assert fault_of_name(given, "a.b.e") is None
    assert fault_of_name(given, "a.b.c") == "given twice"
    assert fault_of_name(given, "d.x") == "no object or map d is given"
    assert fault_of_name(given, "a.z.x") == "no object or map a.z is given"


@pytest.mark.parametrize(
    ("init_args", "key", "said"),
    [
        ([1], "model.init_args", "expected a map of arguments"),
        ("x", "model.init_args", "got 'x', expected a map of arguments"),
        ({1: 2}, "model.init_args", "expected a map of arguments"),
        ({"a": {"class_path": "Net"}}, "model.init_args.a.class_path", "a dotted path to a class"),
        ({"a": {"class_path": 3}}, "model.init_args.a.class_path", "a dotted path to a class"),
        (
            {"a": {"class_path": "x.Y", "arguments": {}}},
            "model.init_args.a.arguments",
            "unknown key, expected class_path, init_args, partial",
        ),
        (
            {"a": [{"class_path": "x.Y", "init_args": 3}]},
            "model.init_args.a.0.init_args",
            "got 3, expected a map",
        ),
        (
            {"a": {"class_path": "x.Y", "partial": "yes"}},
            "model.init_args.a.partial",
            "got 'yes', expected true or false",
        ),
        ({"a": {2: 3}}, "model.init_args.a", "a plain value, a list or a map"),
        ({"a": {1, 2}}, "model.init_args.a", "a plain value, a list or a map"),
    ],
)
def test_wrong_arguments_are_refused(init_args: Any, key: str, said: str) -> None:
    with pytest.raises(BadInputError) as caught:
        study(init_args)
    told = str(caught.value)
    assert told.startswith(f"study.yaml: {key}: "), told
    assert said in told


def test_a_built_in_model_or_data_has_no_arguments() -> None:
    for section in ("model", "data"):
        sections: dict[str, Any] = {"data": {"name": "digits"}, "model": {"name": "mlp"}}
        sections[section]["init_args"] = {}
        with pytest.raises(BadInputError, match=rf"{section}.init_args: not allowed with name"):
            check_study(
                {"name": "x", "space": {}, "training": {"epochs": 1}, "search": {"trials": 1}}
                | sections,
                "study.yaml",
            )


@pytest.mark.parametrize(
    ("init_args", "space", "key", "said"),
    [
        ({"bodi": 1}, {}, "model.init_args.bodi", "not an argument of"),
        (ARGUMENTS, {"seed": 4}, "space.seed", "given twice (model.init_args)"),
        (ARGUMENTS, {"body.sizes": 3}, "space.body.sizes", "given twice"),
        (ARGUMENTS, {"head.size": 3}, "space.head.size", "not an argument of"),
        (ARGUMENTS, {"seed.size": 3}, "space.seed.size", "no object or map seed is given"),
        ({}, {}, "space.body", "missing, and the constructor of"),
        (
            {"body": {"class_path": "no_such.Net"}},
            {},
            "model.init_args.body.class_path",
            "no module no_such",
        ),
        (
            {"body": {"class_path": f"{HERE}.ARGUMENTS"}},
            {},
            "model.init_args.body.class_path",
            "is no class but of type dict",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused_before_anything_runs(
    init_args: Any, space: dict[str, Any], key: str, said: str
) -> None:
    with pytest.raises(BadInputError) as caught:
        check_custom(study(init_args, space=space), "study.yaml")
    told = str(caught.value)
    assert told.startswith(f"study.yaml: {key}: "), told
    assert said in told
