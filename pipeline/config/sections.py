"""The sections of a study file: model, training and search."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Generic, Literal, Self, TypeVar

from pydantic import (
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    Strict,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from pipeline.config.arguments import Arguments, objects_of
from pipeline.config.data_section import DataConfig
from pipeline.config.frozen import Count, Frozen, Name, Seed
from pipeline.config.messages import InvalidValueError, at_key, shown
from pipeline.config.models import CUSTOM, EPOCHS, MODELS, Epochs
from pipeline.config.paths import ONE_OF, ClassPath, path_of
from pipeline.config.space.domain import Choices, Range, values_of, when_of
from pipeline.config.space.parameters import ParameterTable
from pipeline.config.stopping import StoppingName, StoppingSettings, resolve_stopping
from pipeline.config.trainer import CallbackConfig, TrainerConfig


class _BuiltIn:
    """A limit of texts: the models that the table has now, since a row may be added later."""

    @staticmethod
    def _check(name: str) -> str:
        if name not in MODELS:
            raise InvalidValueError(got=shown(name), expected=f"one of {', '.join(MODELS)}")
        return name

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(core) | {"enum": list(MODELS)}


ModelName = Annotated[str, Strict(), _BuiltIn()]


class ModelConfig(Frozen):
    """Which network: a built-in one, or a user-defined ``LightningModule``.

    Attributes:
        name: A row of ``MODELS``.
        class_path: A user-defined class; its constructor's arguments are the space's parameters.
        init_args: Others of its arguments: booleans, nulls, lists, maps, and objects by
            ``class_path`` and ``init_args``.
    """

    name: ModelName | None = None
    class_path: ClassPath | None = None
    init_args: Arguments | None = None

    @model_validator(mode="before")
    @classmethod
    def _name_class(cls, given: object) -> object:
        """Take a class for what names it in a file: a built-in model's name, or its path."""
        if not isinstance(given, type):
            return given
        networks = {model.network.replace(":", "."): name for name, model in MODELS.items()}
        name = networks.get(str(path_of(given)))
        return {"class_path": given} if name is None else {"name": name}

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.name is None) == (self.class_path is None):
            raise InvalidValueError(problem=ONE_OF)
        if self.name is not None and self.init_args is not None:
            raise InvalidValueError(key="init_args", problem=f"not allowed with name: {self.name}")
        return self


def objects_of_sections(model: ModelConfig, data: DataConfig) -> Iterator[tuple[str, str]]:
    """The class path of each object among the arguments of model and data, with its key."""
    for section, config in (("model", model), ("data", data)):
        for name, value in (config.init_args or {}).items():
            yield from objects_of(value, f"{section}.init_args.{name}")


def parameters_of(model: ModelConfig, data: DataConfig) -> ParameterTable:
    """The parameters of a model on some data."""
    if model.name is None:
        return CUSTOM
    table = MODELS[model.name].parameters
    return table if data.class_path is None else table.opened


Precision = Literal["32-true", "bf16-mixed"]
Optimizer = Literal["adamw", "adam", "sgd"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Loss = Literal["mse", "mae", "huber"]


class EarlyStopping(Frozen):
    """Stop a trial whose validation loss has not improved for ``patience`` epochs."""

    patience: Count


def _read_epochs(given: object) -> object:
    """Read epochs as a parameter's value, range or choices."""
    with at_key(""):
        domain = EPOCHS.read(given)
    if getattr(domain, "per_layer", False):
        raise InvalidValueError(key="per_layer", problem="not allowed: epochs are of no layer")
    if when_of(domain):
        raise InvalidValueError(key="when", problem="not allowed: every trial has epochs")
    return domain


EpochsDomain = Annotated[Epochs | Range[Epochs] | Choices[Epochs], BeforeValidator(_read_epochs)]
E = TypeVar("E")


class Training(Frozen, Generic[E]):
    """How trials are trained; ``epochs`` is one number in a trial, and a domain in a study.

    Attributes:
        epochs: The largest number of passes over the training data.
        threads: Arithmetic threads of a worker. They are part of the study, since sums of floats
            depend on the number of threads.
        loss: What a regression lowers, of targets in units of their standard deviation; ``None``:
            ``mse``, or the cross-entropy of classes.
        trainer: Arguments of Lightning's Trainer, for a model or data of the user's own.
    """

    epochs: E
    early_stopping: EarlyStopping | None = None
    optimizer: Optimizer = "adamw"
    precision: Precision = "32-true"
    threads: Annotated[Count, Field(le=1_024)] = 1
    device: Device = "auto"
    loss: Loss | None = None
    trainer: TrainerConfig | None = None

    @property
    def callbacks(self) -> Sequence[CallbackConfig]:
        """The callbacks of the user's Trainer."""
        return self.trainer.callbacks if self.trainer else ()

    @property
    def data_arguments(self) -> dict[str, int]:
        """What the user's data module is given beside the parameters that it names."""
        n_workers = self.trainer.num_workers if self.trainer else None
        return {} if n_workers is None else {"num_workers": n_workers}

    @model_serializer(mode="wrap")
    def _leave_out(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write no loss where the file says none."""
        written: dict[str, Any] = handler(self)
        if self.loss is None:
            written.pop("loss", None)
        return written


class TrainingConfig(Training[Epochs]):
    """How one trial is trained."""


class StudyTraining(Training[EpochsDomain]):
    """How every trial of the study is trained.

    Attributes:
        epochs: The largest number of passes over the training data; a range or choices where each
            trial has its own.
    """

    @property
    def is_searched(self) -> bool:
        """Whether each trial has its own number of epochs."""
        return not isinstance(self.epochs, int)

    @property
    def most_epochs(self) -> int:
        """The largest number of epochs that a trial may have."""
        return int(max(values_of(self.epochs, corners=True)))

    def of_trial(self, params: Mapping[str, Any]) -> TrainingConfig:
        """What a trial is trained with.

        Args:
            params: The trial's; its epochs are among them where they are searched.
        """
        epochs = params[EPOCHS.name] if self.is_searched else self.epochs
        return TrainingConfig(**dict(self) | {"epochs": epochs})


SamplerName = Literal["auto", "gp", "tpe", "random", "qmc", "grid"]
WITH_WARM_START: Final = ("gp",)
"""Samplers that can use another study's outcomes."""


class SearchConfig(Frozen):
    """How the space is searched.

    Attributes:
        trials: Number of trials of the study, fixed trials included.
        sampler: ``auto``: the documented winner, ``gp``; its name is put in its place when the file
            is read.
        stopping: Which trials end before their last epoch. ``halving``: the trials of half a block
            do ``first_rung`` epochs and pause, then the best 1 / ``reduction`` of all trials so far
            go on. The others decide without a pause, by the trials of earlier blocks alone:
            ``median`` ends a trial whose lowest loss is above the median at that epoch, ``asha``
            one that is not among the best 1 / ``reduction`` at epochs ``first_rung``, ``first_rung
            * reduction`` …, ``hyperband`` the same from a rung that differs by bracket. ``auto``:
            ``halving`` where there are at least 8 epochs, else ``none``; what it stands for is
            put in its place when the file is read.
        first_rung: The first epoch after which a trial may be stopped. An early one saves epochs
            and stops trials that are slow at first, those of a low learning rate above all. By
            default a quarter of the epochs for ``halving``, else 1.
        reduction: One trial in so many goes on: a large one saves epochs, and stops more of the
            trials that would have been the best. By default 2 for ``halving``, 4 for ``asha``, 3
            for ``hyperband``; ``median`` has none.
        finalists: The last trials of the study train so many of the best settings again, each on
            3 new seeds; what such a setting is worth is its mean over them. 0: none. By default 3
            where there are at least 40 trials, except with ``grid``.
        until: ``settled``: the search ends where the model of its outcomes says that nothing is
            gained beyond noise, and the finalists follow. By default all trials are done.
        warm_start: An earlier study in the same storage, of the same model on other data or in
            other ranges; its outcomes are taken when this one is created, and the search begins
            with them.
        block: Number of trials in a block. A trial sees the outcomes of all earlier blocks except
            the one before its own.
        max_seconds: Start no trial after this time; the next ``run`` continues the study.
    """

    trials: Annotated[Count, Field(le=100_000)]
    sampler: SamplerName = "auto"
    stopping: StoppingName = "auto"
    first_rung: Count | None = None
    reduction: Annotated[int, Strict(), Field(ge=2, le=1_000)] | None = None
    finalists: Annotated[int, Strict(), Field(ge=0, le=1_000)] | None = None
    until: Literal["settled"] | None = None
    warm_start: Name | None = None
    seed: Seed = 0
    block: Annotated[Count, Field(le=1_000)] = 8
    max_seconds: Annotated[float, Strict(), Field(gt=0)] | None = None

    def resolved(self, epochs: int) -> Self:
        """The search with what ``auto`` stands for, and its other settings checked against it.

        Args:
            epochs: Those of a trial.

        Raises:
            InvalidValueError: The rule does not have a setting, or not that value of it, or the
                sampler cannot use another study's outcomes.
        """
        given = StoppingSettings(self.stopping, self.first_rung, self.reduction)
        sampler = "gp" if self.sampler == "auto" else self.sampler
        if self.warm_start is not None and sampler not in WITH_WARM_START:
            expected = f"no value with sampler: {sampler}; {', '.join(WITH_WARM_START)} can use it"
            raise InvalidValueError(key="warm_start", got=shown(self.warm_start), expected=expected)
        stopping = resolve_stopping(given, epochs=epochs)._asdict()
        return self.model_copy(update={"sampler": sampler} | stopping)
