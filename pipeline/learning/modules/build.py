"""From a model's name to its network: for a trial, for a record, and to check a study's data."""

from importlib import import_module

from pipeline.config import StudyConfig, TrialConfig, derive_seed, values_of
from pipeline.config.models import MODELS
from pipeline.errors import BadInputError
from pipeline.learning.modules.network import Network
from pipeline.trial import TrialRecord


def network_class(name: str) -> type[Network]:
    """Import the network that a study file calls by a name."""
    module, _, attribute = MODELS[name].network.partition(":")
    found: type[Network] = getattr(import_module(module), attribute)
    return found


def build_network(
    config: TrialConfig, *, image_shape: tuple[int, ...], n_classes: int, fold: int = 0
) -> Network:
    """Build the network that a trial names, on the CPU.

    Args:
        config: The trial.
        image_shape: Of one row: (H, W), (C, H, W) or (n,).
        n_classes: Classes to tell apart.
        fold: Of a study with folds, counted from 1: its network has seeds of its own.
    """
    network = network_class(str(config.model.name))
    arguments = network.arguments(config, image_shape, n_classes)
    if fold:
        arguments |= {
            name: derive_seed(arguments[name], "fold", fold) for name in ("seed", "dropout_seed")
        }
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
    network = network_class(study.model.name)
    if network.needs_images and len(image_shape) == 1:
        raise BadInputError(
            where=where,
            key="model.name",
            problem=f"{study.model.name} needs images, but the data has rows of "
            f"{image_shape[0]} values",
        )
    for name, (largest, reason) in network.limits(image_shape).items():
        value = max(values_of(study.space.domains[name], corners=True))
        if value > largest:
            raise BadInputError(
                where=where,
                key=f"space.{name}",
                got=str(value),
                expected=f"at most {largest}, since {reason}",
            )
