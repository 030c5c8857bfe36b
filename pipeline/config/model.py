"""The model section of a study file."""

from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    Strict,
    model_validator,
)

from pipeline.config.frozen import Growing, OutOfLimitsError

ModelName = Literal["mlp", "cnn", "autoencoder"]
ClassPath = Annotated[
    str,
    Strict(),
    Field(
        pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$",
        max_length=300,
        description="a dotted path to a class, my_package.MyModule",
    ),
]
"""Where a user's own class is imported from."""


class ModelConfig(Growing):
    """Which network: one of the built-in ones, or the user's own ``LightningModule``.

    Attributes:
        name: A built-in network.
        class_path: The user's own; its constructor's arguments are the space's parameters.
    """

    LATER = frozenset({"name", "class_path"})

    name: ModelName | None = None
    class_path: ClassPath | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.name is None) == (self.class_path is None):
            got = "nothing" if self.name is None else "both"
            raise OutOfLimitsError(got=got, expected="one of name and class_path")
        return self
