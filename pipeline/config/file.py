"""From a study file on disk to a checked study."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.config.faults import explain
from pipeline.config.frozen import shown
from pipeline.config.overrides import apply
from pipeline.config.study import StudyConfig
from pipeline.config.study_text import parse, read_text
from pipeline.errors import BadInputError


def load_study(path: Path, overrides: Sequence[str] = ()) -> StudyConfig:
    """Read and check a study file.

    Args:
        path: The YAML file.
        overrides: ``KEY=VALUE`` with a dotted key, as ``--set`` gives them; the value is YAML.

    Raises:
        BadInputError: The file cannot be read, or a value in it is wrong.
    """
    document = parse(read_text(path), str(path))
    if not isinstance(document, Mapping):
        expected = "a map of the study's sections"
        raise BadInputError(where=str(path), got=shown(document), expected=expected)
    changed = dict(document)
    for override in overrides:
        changed = apply(changed, override)
    return check_study(changed, str(path))


def check_study(document: Mapping[str, Any], where: str) -> StudyConfig:
    """Check a study given as plain values.

    Raises:
        BadInputError: Naming the first wrong key, its value and its limit.
    """
    try:
        return StudyConfig.model_validate(document)
    except ValidationError as error:
        schema = StudyConfig.model_json_schema()
        raise explain(error, document, schema, where) from None
