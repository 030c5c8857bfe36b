"""The Trainer of a user's own module."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pytorch_lightning.callbacks import Callback

from pipeline.config import TrainingConfig
from pipeline.learning.facts import resolve_device
from pipeline.learning.lightning import Trainer, expected_warnings


def make_trainer(
    training: TrainingConfig, *, epochs: int = 1, callbacks: Sequence[Callback] = ()
) -> Trainer:
    """Make a Trainer that writes no file and shows nothing.

    Args:
        training: Device and precision.
        epochs: At most so many.
        callbacks: In the order in which they are called, but a ``Checkpoint`` comes last, after
            the module's own hooks.
    """
    device = resolve_device(training.device)
    return Trainer(
        accelerator={"cuda": "gpu"}.get(device, device),
        devices=1,
        precision=training.precision,
        max_epochs=epochs,
        deterministic=device == "cuda",
        callbacks=list(callbacks),
        enable_checkpointing=bool(callbacks),
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


@contextmanager
def expected_of_loaders() -> Iterator[None]:
    """Silence what a ``Trainer`` says of loaders that are meant as they are as well."""
    with expected_warnings(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"The '\w+' does not have many workers")
        # A refit validates nothing.
        warnings.filterwarnings("ignore", "You defined a `validation_step` but have no")
        yield
