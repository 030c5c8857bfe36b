"""A study: its file read, checked, described as JSON Schema, and compared with another."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from pydantic import (
    ConfigDict,
    GetJsonSchemaHandler,
    ValidationError,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from pipeline.config.data_section import DataConfig
from pipeline.config.finalists import DEFAULT_FINALISTS, FINALIST_SEEDS, count_finalists
from pipeline.config.frozen import Frozen, Name, Params, Text
from pipeline.config.messages import InvalidValueError, at_key, fault_of, shown
from pipeline.config.models import CUSTOM, MODELS
from pipeline.config.objective import VAL_LOSS, Objective
from pipeline.config.resources import Resources
from pipeline.config.sections import (
    ModelConfig,
    SearchConfig,
    StudyTraining,
    parameters_of,
)
from pipeline.config.space.domain import converted, values_of
from pipeline.config.space.fixed_trials import read_trial, spread
from pipeline.config.space.grid import count_settings, list_settings
from pipeline.config.space.section import read_space, space_schema
from pipeline.config.space.space import Space
from pipeline.config.task import check_task
from pipeline.config.yaml import override, parse, read_text
from pipeline.errors import BadInputError

MAY_GROW: Final = "search.trials"
"""The one value that may change while a study goes on."""


class StudyConfig(Frozen):
    """A study file: the question, its space, and how it is searched."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    name: Name
    question: Text = ""
    data: DataConfig
    model: ModelConfig
    training: StudyTraining
    space: Space
    objective: Objective = VAL_LOSS
    search: SearchConfig
    trials: tuple[dict[str, Any], ...] = ()
    resources: Resources = Resources()

    @field_validator("space", mode="plain", json_schema_input_type=dict[str, Any])
    @classmethod
    def _read_space(cls, given: object, info: ValidationInfo) -> object:
        """Read the space as the model's; where the model is wrong, report only that."""
        model, data = info.data.get("model"), info.data.get("data")
        training = info.data.get("training")
        if not (model and data):
            return given
        epochs = training.epochs if training and training.is_searched else None
        return read_space(parameters_of(model, data), given, epochs)

    @field_serializer("space")
    def _write_space(self, space: Space) -> dict[str, Any]:
        return space.document

    @field_validator("training", mode="after")
    @classmethod
    def _check_trainer(cls, given: StudyTraining, info: ValidationInfo) -> StudyTraining:
        """Refuse what the loop that trains built-in models does not do."""
        model, data = info.data.get("model"), info.data.get("data")
        own = [one.class_path for one in (model, data) if one and one.class_path]
        if given.trainer and model and data and not own:
            problem = "only for a model or data of your own (class_path)"
            raise InvalidValueError(key="trainer", problem=problem)
        if given.trainer and given.trainer.num_workers is not None and data and not data.class_path:
            problem = "only for data of your own, whose data module is given it"
            raise InvalidValueError(key="trainer.num_workers", problem=problem)
        return given

    @field_validator("search", mode="after")
    @classmethod
    def _resolve_search(cls, given: SearchConfig, info: ValidationInfo) -> SearchConfig:
        """Replace ``auto``, once, so that all that is stored and compared has the real name."""
        training = info.data.get("training")
        return given.resolved(training.most_epochs) if training else given

    @field_validator("trials", mode="after")
    @classmethod
    def _read_trials(cls, given: Sequence[Params], info: ValidationInfo) -> tuple[Params, ...]:
        """Turn ``keep_prob`` into ``dropout``, and check each value against the space."""
        space = info.data.get("space")
        if not isinstance(space, Space):
            return tuple(given)
        return tuple(read_trial(space, trial, number) for number, trial in enumerate(given))

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.trials) > self.search.trials:
            expected = f"at least {len(self.trials)}, the number of fixed trials"
            raise InvalidValueError(
                key="search.trials", got=str(self.search.trials), expected=expected
            )
        if self.search.warm_start == self.name:
            raise InvalidValueError(
                key="search.warm_start", got=shown(self.name), expected="another study's name"
            )
        check_task(self, self.data.known_task)
        n_finalist_trials = self.search.trials - self.n_searched
        if self.search.sampler == "grid":
            self._check_grid(n_finalist_trials)
        return self

    def _check_grid(self, n_finalist_trials: int) -> None:
        with at_key("space"):
            size = count_settings(self.space)
        largest = size + len(self.trials) + n_finalist_trials
        if self.search.trials > largest:
            finalists = f", and {n_finalist_trials} train finalists" if n_finalist_trials else ""
            expected = (
                f"at most {largest}: the grid has {size} settings, "
                f"and {len(self.trials)} trials are fixed{finalists}"
            )
            got = str(self.search.trials)
            raise InvalidValueError(key="search.trials", got=got, expected=expected)

    @property
    def n_finalists(self) -> int:
        """How many settings are trained again at the end, each on ``FINALIST_SEEDS`` new seeds.

        It follows from the number of trials where the file does not say it, so it is no part of
        what is stored and digested: a study may grow.
        """
        return count_finalists(
            self.search.finalists,
            trials=self.search.trials,
            n_fixed=len(self.trials),
            default=0 if self.search.sampler == "grid" else DEFAULT_FINALISTS,
        )

    @property
    def n_searched(self) -> int:
        """How many trials come before those of the finalists."""
        return self.search.trials - FINALIST_SEEDS * self.n_finalists

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe a file; which space it may have depends on its model and data."""
        schema = handler.resolve_ref_schema(handler(core))
        schema["properties"]["space"] = {"type": "object", "title": "Space"}
        schema["allOf"] = list(_spaces_by_model(handler))
        return schema

    def fixed_params(self, number: int) -> Params:
        """Resolve the values of a fixed trial, ``dropout`` for every layer included.

        Args:
            number: Its index in ``trials``, which is also its trial number.

        Returns:
            Values by parameter name; what the trial leaves out is left to the sampler.
        """
        spread_ = spread(self.space, self.trials[number])
        return {name: converted(self.space.domains[name], value) for name, value in spread_.items()}

    def grid(self) -> Iterator[Params]:
        """List every setting of the space once, the last parameter varying fastest.

        A layer that a setting does not have is not varied.

        Raises:
            InvalidValueError: A parameter has no list of values, or the grid is too large.
        """
        return list_settings(self.space)

    @property
    def document(self) -> dict[str, Any]:
        """The study file as plain values, defaults filled in; the digest is computed over it.

        The default objective is left out: a study from before there was another has its digest.
        So are the resources: they are where a study is run, and no part of its question.
        """
        default = {"objective"} if self.objective == VAL_LOSS else set()
        return self.model_dump(mode="json", exclude_none=True, exclude=default | {"resources"})


def _spaces_by_model(handler: GetJsonSchemaHandler) -> Iterator[dict[str, Any]]:
    """The schema of the space under each condition on model and data."""
    own_data = _having("data", "class_path", {"type": "string"})
    for name, model in MODELS.items():
        of_model = _having("model", "name", {"const": name})
        for data, table in (
            ({"not": own_data}, model.parameters),
            (own_data, model.parameters.opened),
        ):
            yield _space_where({"allOf": [of_model, data]}, space_schema(table, handler))
    is_custom = _having("model", "class_path", {"type": "string"})
    yield _space_where(is_custom, space_schema(CUSTOM, handler))


def _having(section: str, key: str, value: dict[str, Any]) -> dict[str, Any]:
    held = {"properties": {key: value}, "required": [key]}
    return {"properties": {section: held}, "required": [section]}


def _space_where(condition: dict[str, Any], space: dict[str, Any]) -> dict[str, Any]:
    return {"if": condition, "then": {"properties": {"space": space}}}


def load_study(path: Path, overrides: Sequence[str] = ()) -> StudyConfig:
    """Read and check a study file.

    Args:
        path: The YAML file.
        overrides: ``KEY=VALUE`` with a dotted key, as ``--set`` gives them; the value is YAML.

    Raises:
        BadInputError: The file cannot be read, or a value in it is wrong.
    """
    document = parse(read_text(path), str(path))
    if not isinstance(document, Mapping):
        expected = "a map of the study's sections"
        raise BadInputError(where=str(path), got=shown(document), expected=expected)
    for assignment in overrides:
        document = override(document, assignment)
    return check_study(document, str(path))


def check_study(document: Mapping[str, Any], where: str) -> StudyConfig:
    """Check a study given as plain values.

    Raises:
        BadInputError: Naming the first wrong key, its value and its limit.
    """
    try:
        return StudyConfig.model_validate(document)
    except ValidationError as error:
        fault = fault_of(error)
        raise BadInputError(where=where, key=fault.key, problem=fault.problem) from None


def digest(study: StudyConfig) -> str:
    """SHA-256 over everything in a study file but the number of trials, which may grow."""
    document = study.document
    del document["search"]["trials"]
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Name each dotted key whose value is not the same in two study documents."""
    changed = differing_keys(old, new).items()
    return [f"{key}: {before} → {after}" for key, (before, after) in changed if key != MAY_GROW]


def differing_keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """The values of each dotted key that is not the same in two study documents, as texts."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    return {
        key: (before.get(key, "not set"), after.get(key, "not set"))
        for key in dict.fromkeys([*before, *after])
        if before.get(key) != after.get(key)
    }


def _leaves(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, Mapping):
        inner = list(value.items())
    elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        inner = list(enumerate(value))
    for key, item in inner:
        yield from _leaves(item, f"{prefix}.{key}" if prefix else str(key))
    if not inner:
        yield prefix, shown(value)


def check_model_fits_data(study: StudyConfig, image_shape: tuple[int, ...], *, where: str) -> None:
    """Refuse a model that cannot be built for a data set, in every trial or in some.

    Args:
        study: Its model and its space.
        image_shape: Of one row: (H, W), (C, H, W) or (n,).
        where: What an error names: the study file.

    Raises:
        BadInputError: It cannot be built.
    """
    if study.model.name is None:
        return
    model = MODELS[study.model.name]
    if model.needs_images and len(image_shape) == 1:
        raise BadInputError(
            where=where,
            key="model.name",
            problem=f"{study.model.name} needs images, but the data has rows of "
            f"{image_shape[0]} values",
        )
    for name, (largest, reason) in model.limits(image_shape).items():
        value = max(values_of(study.space.domains[name], corners=True))
        if value > largest:
            raise BadInputError(
                where=where,
                key=f"space.{name}",
                got=str(value),
                expected=f"at most {largest}, since {reason}",
            )
