"""What a user's module is fed: batches of the built-in data, or of the user's own data module."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

Known = Mapping[str, Callable[[], Any]]
"""What a model's constructor may ask of the data, by name; it is only worked out when asked."""


class Feed(Protocol):
    """Loaders of one trial, as a ``Trainer`` takes them, and what is known of the data.

    Attributes:
        data_sha256: Over the whole content.
        split_sha256: Over what validates, and what trains.
        known: What a module's constructor may ask for, by name.
    """

    data_sha256: str
    split_sha256: str
    known: Known

    def to_fit(self) -> dict[str, Any]:
        """The arguments of ``Trainer.fit``."""

    def to_probe(self) -> dict[str, Any] | None:
        """The arguments of ``Trainer.validate`` that score a fixed part of the training rows."""
