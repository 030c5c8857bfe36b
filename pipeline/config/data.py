"""The data section of a study file."""

from pathlib import PurePath
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Strict,
    Tag,
    model_serializer,
    model_validator,
)

from pipeline.config.frozen import Frozen, OutOfLimitsError, shown
from pipeline.config.model import ClassPath


def _kind(value: object) -> str:
    return "(fraction)" if isinstance(value, float) else "(rows)"


Fraction = Annotated[Annotated[float, Strict(), Field(gt=0, lt=1)], Tag("(fraction)")]
Rows = Annotated[Annotated[int, Strict(), Field(ge=1)], Tag("(rows)")]
RowsOrNone = Annotated[Annotated[int, Strict(), Field(ge=0)], Tag("(rows)")]
FilePath = Annotated[
    str,
    Strict(),
    Field(pattern=r"^[^\x00]+$", max_length=4_096, description="the path of a file or a folder"),
]

DataName = Literal["mnist-5k", "digits", "mnist", "fashion-mnist", "cifar10", "npz", "image-folder"]
WITH_PATH = ("npz", "image-folder")
"""The sets of the user's own; the others are found by their name."""


class DataConfig(Frozen):
    """Which data, and how much of it is kept for validation and for the test.

    Attributes:
        name: One of the built-in data sets, or the form of the user's own.
        class_path: The user's own ``LightningDataModule``, which says all else itself.
        path: Of an ``npz`` file or an ``image-folder``: absolute, or relative to the working
            directory or to a data folder.
        image_size: Pixels a side to which an ``image-folder``'s images are brought; ``None``
            leaves them as they are.
        validation: Part of the rows left after the test rows are taken: a fraction in (0, 1)
            or a count of rows. It means nothing where there are folds.
        test: Part of the whole: a fraction, a count, or 0 for none. ``None`` means the set's
            own test part or, where it has none, 0.2 of the whole.
        folds: How many folds a trial is cross-validated on, instead of one validation part.
    """

    name: DataName | None = None
    class_path: ClassPath | None = None
    path: FilePath | None = None
    image_size: Annotated[int, Strict(), Field(ge=1, le=4_096)] | None = None
    validation: Annotated[Fraction | Rows, Discriminator(_kind)] = 0.2
    test: Annotated[Fraction | RowsOrNone, Discriminator(_kind)] | None = None
    folds: Annotated[int, Strict(), Field(ge=2, le=100)] | None = None

    @property
    def title(self) -> str:
        """What people call the data: the built-in name, the file's or folder's, or the class."""
        if self.class_path is not None:
            return self.class_path
        return str(self.name if self.path is None else PurePath(self.path).name or self.name)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.name is None) == (self.class_path is None):
            got = "nothing" if self.name is None else "both"
            raise OutOfLimitsError(got=got, expected="one of name and class_path")
        if self.class_path is not None:
            self._refuse(
                ("path", "image_size", "validation", "test", "folds"),
                because="class_path is given and the user's module says it",
            )
        elif self.name in WITH_PATH and self.path is None:
            expected = f"the path of a file or a folder, since name is {self.name}"
            raise OutOfLimitsError(key="path", got="nothing", expected=expected)
        elif self.name not in WITH_PATH:
            self._refuse(("path",), because=f"name is {self.name}")
        if self.name != "image-folder":
            self._refuse(("image_size",), because=f"name is {self.name}")
        self._check_folds()
        return self

    def _refuse(self, keys: tuple[str, ...], *, because: str) -> None:
        for key in keys:
            given = getattr(self, key)
            if key in self.model_fields_set and given is not None:
                expected = f"no such key, since {because}"
                raise OutOfLimitsError(key=key, got=shown(given), expected=expected)

    def _check_folds(self) -> None:
        if self.folds is not None and "validation" in self.model_fields_set:
            got = f"{self.folds} beside validation: {shown(self.validation)}"
            raise OutOfLimitsError(key="folds", got=got, expected="one of validation and folds")

    @model_serializer(mode="wrap")
    def _leave_out(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write what is set: studies from before a key keep their digest."""
        written: dict[str, Any] = handler(self)
        unset = {key for key, value in written.items() if value is None} - {"test"}
        if self.class_path is not None:
            unset |= {"validation", "test"}
        if self.folds is not None:
            unset |= {"validation"}
        return {key: value for key, value in written.items() if key not in unset}
