"""TrialConfig: one setting with every value resolved, all that its arithmetic depends on."""

import hashlib
from typing import Annotated, Any, Final, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from pipeline.config.arguments import with_lists
from pipeline.config.data_section import DataConfig
from pipeline.config.frozen import LARGEST_SEED, Bool, Frozen, Name, Real, Seed, Text, Whole
from pipeline.config.messages import MISSING, InvalidValueError, at_key, shown
from pipeline.config.models import EPOCHS, MODELS, with_epochs
from pipeline.config.objective import VAL_LOSS, Objective
from pipeline.config.sections import ModelConfig, TrainingConfig, parameters_of
from pipeline.config.space.parameters import MOST_LAYERS, ParameterTable, check_params

TrialNumber = Annotated[Whole, Field(ge=0, lt=1_000_000)]

NO_TRIAL: Final = 1_000_000
"""The number of a setting that no trial of the study had: of ``confirm``'s baseline."""
NO_DROPOUT: Final = "baseline"
"""What is shown for ``NO_TRIAL``."""
ShownNumber = int | Literal["baseline"]
"""What a setting is called: the number of its trial, or ``NO_DROPOUT``."""


def label_of(number: ShownNumber) -> str:
    """What a sentence calls a setting.

    >>> label_of(7), label_of("baseline")
    ('trial 7', 'the baseline')
    """
    return "the baseline" if number == NO_DROPOUT else f"trial {number}"


def number_of(number: ShownNumber) -> int:
    """The number of a setting in a ``TrialConfig``.

    >>> number_of(7), number_of("baseline") == NO_TRIAL
    (7, True)
    """
    return NO_TRIAL if number == NO_DROPOUT else int(number)


class Shape(NamedTuple):
    """What trials of one study must have in common to be trained in one loop.

    The sizes of all arrays and the arithmetic between them follow from it. Dropout rates, learning
    rate, weight decay, the largest norm and seeds are not part of it: each trial has its own.

    Attributes:
        parts: Each parameter that shapes the network with its value, or with one value a layer.
        is_fusable: Whether the stack has kernels that train several networks of the shape as one.
    """

    model: str
    parts: tuple[tuple[str, Any], ...]
    is_fusable: bool


class Finalist(Frozen):
    """What makes a trial a finalist: its setting was chosen to be trained again on new seeds.

    Attributes:
        setting_of: The trial that had the setting first.
        first: The number of the first trial of all finalists of the study; they follow each other.
        last: The number of their last trial.
    """

    setting_of: TrialNumber
    first: TrialNumber
    last: TrialNumber

    @property
    def numbers(self) -> range:
        """The numbers of the trials of all finalists."""
        return range(self.first, self.last + 1)


class TrialConfig(Frozen):
    """One trial of a study, resolved: the same config gives the same curve, bit for bit.

    Attributes:
        study: The study's name.
        number: The trial's number in the study, from 0.
        study_seed: Seeds the splits and the order of batches, shared by all trials of a study.
        objective: By which its best epoch is found, and it is stopped early.
        params: The active parameters, constants included.
        lists: The arguments of a user's class that are lists, one value a layer, each with the
            parameter that counts the layers; ``None`` where there are none.
        repeat: 0 as the study trains it; *r* = 1, 2 … is the same setting on the *r*-th set of new
            seeds (``confirm``). The split is the study's in every repeat.
        finalist: ``None`` where the search suggested the setting. It changes no bit.
    """

    study: Name
    number: Annotated[Whole, Field(ge=0)]
    study_seed: Seed
    data: DataConfig
    model: ModelConfig
    training: TrainingConfig
    objective: Objective = VAL_LOSS
    params: dict[str, Bool | Whole | Real | Text]
    lists: dict[str, str] | None = None
    repeat: Annotated[Whole, Field(ge=0, le=1_000_000)] = 0
    finalist: Finalist | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        with at_key("params"):
            check_params(self._table, self.params)
            self._check_lists()
        return self

    def _check_lists(self) -> None:
        for kind, count in (self.lists or {}).items():
            n_layers = self.params.get(count)
            if type(n_layers) is not int or not 0 <= n_layers <= MOST_LAYERS:
                expected = f"a whole number from 0 to {MOST_LAYERS}"
                raise InvalidValueError(key=count, got=shown(n_layers), expected=expected)
            for layer in range(1, n_layers + 1):
                if f"{kind}_{layer}" not in self.params:
                    raise InvalidValueError(key=f"{kind}_{layer}", problem=MISSING)

    @property
    def shown_number(self) -> ShownNumber:
        """Its number, or what is shown where no trial of the study had the setting."""
        return NO_DROPOUT if self.number == NO_TRIAL else self.number

    @property
    def arguments(self) -> dict[str, Any]:
        """The parameters as a user's class takes them: those of layers are lists."""
        return with_lists(self.params, self.lists or {})

    @property
    def _table(self) -> ParameterTable:
        table = parameters_of(self.model, self.data)
        is_searched = self.params.get(EPOCHS.name) == self.training.epochs
        return with_epochs(table) if is_searched else table

    def value(self, name: str) -> Any:
        """The value of a parameter, or its default where the trial leaves it out.

        Raises:
            KeyError: The model has no such parameter.
        """
        return self._table.value(self.params, name)

    def count(self, name: str) -> int:
        """The number of layers or blocks (``depth``, ``blocks``); 0 where the model has none."""
        return self._table.count(self.params, name)

    def values_of(self, kind: str) -> tuple[Any, ...]:
        """The values of a parameter that each layer has (``width``), first layer first."""
        return self._table.values_of(self.params, kind)

    @property
    def batch_size(self) -> int:
        """Rows a step; 64 where the trial of a user-defined module leaves it out."""
        return int(self.value("batch_size"))

    @property
    def shape(self) -> Shape:
        """What it must share with the trials that it is trained together with."""
        parts = tuple(self._table.shape(self.params))
        name = self.model.name
        fuses = MODELS[name].fuses if name is not None and self.data.class_path is None else None
        is_fusable = fuses is not None and fuses.items() <= dict(parts).items()
        return Shape(str(name or self.model.class_path), parts, is_fusable)

    @property
    def seeds(self) -> dict[str, int]:
        """Every seed of the trial by its purpose.

        ``initialisation`` and ``dropout`` differ between trials; ``order`` and ``split`` are
        shared, so that trials are compared on the same batches and the same rows.
        """
        again = ("repeat", self.repeat) if self.repeat else ()
        of_trial = {
            purpose: derive_seed(self.study_seed, self.number, *again, purpose)
            for purpose in ("initialisation", "dropout")
        }
        order = derive_seed(self.study_seed, *again, "order")
        shared = {"order": order, "split": derive_seed(self.study_seed, "split")}
        return of_trial | shared


def derive_seed(*parts: int | str) -> int:
    """Derive a seed from its purpose: equal parts give equal seeds, others independent ones.

    The parts are joined with ``/`` and hashed with SHA-256; the first four bytes make the seed,
    the widest that every consumer (NumPy's legacy generator included) takes.

    >>> derive_seed(0, 12, "dropout") == derive_seed(0, 12, "dropout")
    True

    Args:
        parts: For example study seed, trial number, purpose.

    Returns:
        An integer in [0, 2**32 - 1].
    """
    text = "/".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") & LARGEST_SEED
