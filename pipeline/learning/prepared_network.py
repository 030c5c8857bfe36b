"""A trial's network with its preprocessing: it takes rows as a person has them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from pipeline.learning.arithmetic import arithmetic
from pipeline.learning.custom.datamodule import CustomData, arguments_of, flat_loaders, open_module
from pipeline.learning.custom.load import load_module
from pipeline.learning.custom.loaders import batch_shape
from pipeline.learning.data import PreparedData, open_train, splits
from pipeline.learning.modules.build import load_network, network_class
from pipeline.trial import Facts, TrainedNetwork, TrialRecord

N_TRIED: Final = 64
"""So many rows are given to a network and to what was exported of it, at most."""
N_EXAMPLE: Final = 2
"""Rows of an example; torch.export takes a single one for a number that never changes."""
OF_COLOUR: Final = 3
"""Dimensions of a colour image."""


class PreparedNetwork(nn.Module):
    """A network that prepares its rows itself: it orders colours, divides and shapes.

    >>> PreparedNetwork(nn.Identity(), (4,), scale=16.0)(torch.full((1, 2, 2), 8.0))
    tensor([[0.5000, 0.5000, 0.5000, 0.5000]])

    Args:
        network: What a trial has trained.
        shape: Of a row as the network takes it.
        scale: What values are divided by; ``None``: the rows are of the user's own data module and
            pass as they are.
        is_colour: Whether rows come with their colours last, as picture files have them.
    """

    def __init__(
        self,
        network: nn.Module,
        shape: Sequence[int] = (),
        *,
        scale: float | None = None,
        is_colour: bool = False,
    ) -> None:
        super().__init__()
        self.network = network
        self.shape = tuple(shape)
        self.scale = scale
        self.is_colour = is_colour

    def forward(self, rows: Tensor) -> Any:
        """Map rows to outputs.

        Args:
            rows: float32 (or uint8) of shape [N, H, W], [N, H, W, 3] or [N, n], values as the data
                set has them; where there is no scale, the first part of a data module's batch.

        Returns:
            What the network gives.
        """
        if self.scale is None:
            return self.network(rows)
        rows = rows.permute(0, 3, 1, 2) if self.is_colour else rows
        return self.network(rows.div(self.scale).reshape(-1, *self.shape))


@dataclass(frozen=True)
class TriedNetwork:
    """A trial's network, rows that it is tried on, and what it gives for them.

    Attributes:
        network: In evaluation mode, on the CPU.
        rows: Of the validation part or, where the data is not here, drawn.
        is_validation: Which of both.
        outputs: One entry a row.
        trained: What the network was built from.
    """

    network: PreparedNetwork
    rows: Tensor
    is_validation: bool
    outputs: Tensor
    trained: TrainedNetwork

    @property
    def threads(self) -> int:
        """How many threads the trial's sums depend on."""
        return self.trained.record.trial.training.threads

    @property
    def example(self) -> Tensor:
        """Two rows that no data set has: drawn up to the scale, or zeros for a user's own data."""
        shape = (N_EXAMPLE, *self.rows.shape[1:])
        scale = self.network.scale
        return torch.zeros(shape, dtype=self.rows.dtype) if scale is None else _drawn(shape, scale)

    @property
    def description(self) -> dict[str, Any]:
        """What whoever uses the network has to know."""
        record, facts = self.trained.record, self.trained.record.facts
        return {
            "study": record.trial.study,
            "trial": record.trial.shown_number,
            "repeat": record.trial.repeat,
            "fold": self.trained.fold,
            "params": record.trial.params,
            "weights_sha256": record.weights_sha256,
            "data_sha256": facts and facts.data_sha256,
            "inputs": _described(self.rows) | {"layout": self._layout, "scale": self.network.scale},
            "outputs": _described(self.outputs) | {"meaning": _meaning(record)},
            "class_names": facts and facts.class_names and list(facts.class_names),
            "targets": facts and _standardisation(facts),
        }

    @property
    def _layout(self) -> str:
        if self.network.scale is None:
            return "as the study's own data module yields them"
        if self.network.is_colour:
            return "rows, height, width, colours"
        return "rows, height, width" if self.rows.dim() == len("NHW") else "rows, values"


def try_network(trained: TrainedNetwork, data: PreparedData | CustomData | None) -> TriedNetwork:
    """Build a trial's network with its preprocessing, and try it on rows.

    Args:
        trained: Of built-in classes, or of the user's own, which can be imported.
        data: Where validation rows are; ``None``: rows are drawn.

    Raises:
        ValueError: Record and weights do not belong together, nobody says what a row is, or the
            network gives something else than a tensor with an entry for each row.
    """
    network = _prepared(trained)
    rows = _rows(trained.record, data, network)
    with arithmetic(trained.record.trial.training.threads), torch.no_grad():
        outputs = network(rows)
    if not isinstance(outputs, Tensor) or outputs.shape[:1] != rows.shape[:1]:
        shape = list(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        message = f"its forward gives {shape}, expected one tensor with an entry for each row"
        raise ValueError(message)
    return TriedNetwork(network, rows, data is not None, outputs, trained)


def _prepared(trained: TrainedNetwork) -> PreparedNetwork:
    record = trained.record
    is_built_in = record.trial.model.class_path is None
    load = load_network if is_built_in else load_module
    network = load(record, trained.weights, fold=trained.fold)
    if record.trial.data.class_path is not None:
        return PreparedNetwork(network).eval()
    facts = record.facts
    if facts is None or facts.input_shape is None or facts.scale is None:
        message = "the record does not say what a row is"
        raise ValueError(message)
    shape = (math.prod(facts.input_shape),) if is_built_in else batch_shape(facts.input_shape)
    is_colour = len(facts.input_shape) == OF_COLOUR
    return PreparedNetwork(network, shape, scale=facts.scale, is_colour=is_colour).eval()


def _rows(
    record: TrialRecord, data: PreparedData | CustomData | None, network: PreparedNetwork
) -> Tensor:
    if record.trial.data.class_path is not None:
        return _rows_of_module(record)
    if isinstance(data, PreparedData):
        rows = _validation_rows(record, data)
        return rows.permute(0, 2, 3, 1).contiguous() if network.is_colour else rows
    assert record.facts is not None and record.facts.input_shape is not None and network.scale  # noqa: S101, PT018 - `_prepared` has looked
    shape = record.facts.input_shape
    return _drawn(
        (N_TRIED, *(shape[1:] + shape[:1] if network.is_colour else shape)), network.scale
    )


def _validation_rows(record: TrialRecord, data: PreparedData) -> Tensor:
    images, labels = open_train(data)
    config = record.trial
    parts = splits(labels, config.data, n_own_test=data.n_test, seed=config.seeds["split"])
    return torch.from_numpy(images[parts[0].validation[:N_TRIED]]).to(torch.float32)


def _rows_of_module(record: TrialRecord) -> Tensor:
    """The first validation rows that the user's own data module yields."""
    config = record.trial
    path, seed = str(config.data.class_path), config.seeds["split"]
    loaders = open_module(path, arguments_of(config), seed=seed).val_dataloader()
    batch = next(iter(next(flat_loaders(loaders))))
    rows = batch[0] if isinstance(batch, list | tuple) else batch
    if not isinstance(rows, Tensor):
        message = f"the batches of {path} begin with no tensor"
        raise ValueError(message)  # noqa: TRY004 - a fault of the study, told as the others are
    return rows[:N_TRIED].detach().cpu().contiguous()


def _drawn(shape: tuple[int, ...], scale: float) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)).mul_(scale)


def _described(rows: Tensor) -> dict[str, Any]:
    dtype = str(rows.dtype).removeprefix("torch.")
    return {"dtype": dtype, "shape": ["rows", *rows.shape[1:]]}


def _meaning(record: TrialRecord) -> str:
    """What the outputs are."""
    name = record.trial.model.name
    if name is None:
        return "what the module's forward gives"
    if not network_class(name).learns_labels:
        return "reconstructions: the row's values divided by the scale"
    has_classes = record.facts is None or record.facts.n_targets is None
    return "logits; softmax makes them probabilities" if has_classes else "targets in their units"


def _standardisation(facts: Facts) -> dict[str, list[float]] | None:
    """What targets were standardised by; it is undone inside the network."""
    if facts.target_mean is None or facts.target_std is None:
        return None
    return {"mean": list(facts.target_mean), "std": list(facts.target_std)}
