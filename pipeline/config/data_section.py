"""The section of a study file that says which data, and how it is split."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    Field,
    PlainValidator,
    SerializerFunctionWrapHandler,
    Strict,
    model_serializer,
    model_validator,
)

from pipeline.config.arguments import Arguments
from pipeline.config.frozen import Frozen
from pipeline.config.messages import InvalidValueError, shown
from pipeline.config.paths import ONE_OF, ClassPath, FilePath

DataName = Literal["mnist-5k", "digits", "mnist", "fashion-mnist", "cifar10", "npz", "image-folder"]
Task = Literal["classification", "regression"]
WITH_PATH: Final = ("npz", "image-folder")
"""The formats of a user's own files; all others are found by their name."""


def _part(least: int) -> PlainValidator:
    """Accept a fraction of the rows, or a count of at least so many rows."""

    def check(part: object) -> object:
        if (type(part) is float and 0 < part < 1) or (type(part) is int and part >= least):
            return part
        expected = f"a fraction above 0 and below 1, or a whole number of at least {least}"
        raise InvalidValueError(got=shown(part), expected=expected)

    fraction = Annotated[float, Field(gt=0, lt=1)]
    rows = Annotated[int, Field(ge=least)]
    return PlainValidator(check, json_schema_input_type=fraction | rows)


class DataConfig(Frozen):
    """Which data, and how it is split.

    Attributes:
        name: A built-in data set, or the format of a user's own files.
        class_path: A user-defined ``LightningDataModule``, which defines the split itself.
        init_args: Arguments of its constructor beside the space's parameters.
        path: Of an ``npz`` file or an ``image-folder``: absolute, or relative to the working
            directory or to a data folder.
        image_size: Side in pixels that the images of an ``image-folder`` are resized to; ``None``:
            they are not resized.
        validation: A fraction in (0, 1) or a count of the rows that remain after the test rows
            are taken. Not used with ``folds``.
        test: A fraction or a count of all rows; 0 for none. ``None``: the data set's own test
            part or, if it has none, 0.2 of all rows.
        folds: Number of folds that a trial is cross-validated on, instead of one validation part.
        task: What is learned from the labels. ``None``: what they are, classes where they are whole
            numbers, and else numbers.
    """

    name: DataName | None = None
    class_path: ClassPath | None = None
    init_args: Arguments | None = None
    path: FilePath | None = None
    image_size: Annotated[int, Strict(), Field(ge=1, le=4_096)] | None = None
    validation: Annotated[float | int, _part(1)] = 0.2
    test: Annotated[float | int, _part(0)] | None = None
    folds: Annotated[int, Strict(), Field(ge=2, le=100)] | None = None
    task: Task | None = None

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, given: object) -> object:
        """Take a null for a key that is left out, and a class for its path."""
        if not isinstance(given, Mapping):
            return {"class_path": given} if isinstance(given, type) else given
        known = cls.model_fields
        return {key: value for key, value in given.items() if value is not None or key not in known}

    @property
    def title(self) -> str:
        """The name that is shown: of the data set, the file or folder, or the class."""
        if self.class_path is not None:
            return self.class_path
        return str(self.name if self.path is None else PurePath(self.path).name or self.name)

    @property
    def known_task(self) -> Task | None:
        """What is learned, as far as the study file says it; ``None`` where the labels decide."""
        is_open = self.class_path is not None or self.name == "npz"
        return self.task if self.task or is_open else "classification"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.name is None) == (self.class_path is None):
            raise InvalidValueError(problem=ONE_OF)
        if self.class_path is not None:
            keys = ("path", "image_size", "validation", "test", "task")
            self._refuse(*keys, beside="class_path: the data module defines it")
            return self
        self._refuse("init_args", beside=f"name: {self.name}")
        if self.name in WITH_PATH and self.path is None:
            raise InvalidValueError(key="path", problem=f"required with name: {self.name}")
        if self.name not in WITH_PATH:
            self._refuse("path", beside=f"name: {self.name}")
        if self.name != "image-folder":
            self._refuse("image_size", beside=f"name: {self.name}")
        if self.name == "image-folder" and self.task == "regression":
            problem = "not allowed with name: image-folder, whose folders are classes"
            raise InvalidValueError(key="task", problem=problem)
        if self.folds is not None and "validation" in self.model_fields_set:
            raise InvalidValueError(key="folds", problem="not allowed with validation")
        return self

    def _refuse(self, *keys: str, beside: str) -> None:
        for key in keys:
            if key in self.model_fields_set:
                raise InvalidValueError(key=key, problem=f"not allowed with {beside}")

    @model_serializer(mode="wrap")
    def _leave_out(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write no validation part and no task where there is none: it can be read again."""
        written: dict[str, Any] = handler(self)
        if self.task is None:
            written.pop("task", None)
        if self.class_path is not None or self.folds is not None:
            written.pop("validation", None)
        return written
