"""From a model's name to its network: for a trial, and for a record."""

from importlib import import_module

from pipeline.config import TrialConfig, derive_seed
from pipeline.config.models import MODELS
from pipeline.learning.data.labels import Classes, Targets
from pipeline.learning.modules.network import Network
from pipeline.trial import TrialRecord


def network_class(name: str) -> type[Network]:
    """Import the network that a study file calls by a name."""
    module, _, attribute = MODELS[name].network.partition(":")
    found: type[Network] = getattr(import_module(module), attribute)
    return found


def fold_seed(seed: int, fold: int) -> int:
    """A trial's seed in a fold, counted from 1; 0: the trial has no folds."""
    return derive_seed(seed, "fold", fold) if fold else seed


def build_network(
    config: TrialConfig,
    *,
    image_shape: tuple[int, ...],
    labels: Classes | Targets,
    fold: int = 0,
) -> Network:
    """Build the network that a trial names, on the CPU.

    Args:
        config: The trial.
        image_shape: Of one row: (H, W), (C, H, W) or (n,).
        labels: What the training rows' labels are.
        fold: Of a study with folds, counted from 1: its network has seeds of its own.
    """
    network = network_class(str(config.model.name))
    arguments = network.arguments_for(config, image_shape, labels)
    if fold:
        arguments |= {name: fold_seed(arguments[name], fold) for name in ("seed", "dropout_seed")}
    return network(**arguments)


def load_network(
    record: TrialRecord | str | bytes, weights: bytes, *, fold: int | None = None
) -> Network:
    """Build a recorded trial's network as ``Network.from_record`` does, whatever its model.

    Raises:
        ValueError: Record, weights and ``fold`` do not belong together, or the model is no
            built-in one.
    """
    if not isinstance(record, TrialRecord):
        record = TrialRecord.model_validate_json(record)
    name = record.trial.model.name
    if name is None:
        message = f"the trial's model is {record.trial.model.class_path}, which is not built in"
        raise ValueError(message)
    return network_class(name).from_record(record, weights, fold=fold)
