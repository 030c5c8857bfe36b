"""What a user's constructor is given: the trial's parameters, and what the data knows."""

from collections.abc import Mapping
from typing import Any, Final

from pipeline.learning.own.classes import OwnClass
from pipeline.learning.own.feeds import Known

FROM_DATA: Final = ("n_classes", "n_inputs", "image_shape")
"""What a module's constructor may ask for by name where the space does not set it."""


def build(own: OwnClass, params: Mapping[str, Any], known: Known | None = None) -> Any:
    """Construct a user's class.

    Args:
        own: The class.
        params: The trial's parameters; those that the constructor takes are given to it.
        known: What the data knows, asked only where the constructor names it.
    """
    given = {name: value for name, value in params.items() if own.takes(name)}
    asked = {
        name: tell()
        for name, tell in (known or {}).items()
        if name in own.names and name not in given
    }
    return own.cls(**given, **asked)
