"""The user's own classes and the data of a study: found and prepared before a worker starts."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from pipeline.app import trust
from pipeline.app.workspace import Workspace
from pipeline.config import DataConfig, StudyConfig, TrialConfig
from pipeline.config.arguments import with_lists
from pipeline.config.space.domain import values_of
from pipeline.config.space.space import Space
from pipeline.trial import Tell, ignore

if TYPE_CHECKING:
    from pipeline.learning.custom.datamodule import CustomData
    from pipeline.learning.data import PreparedData, Source

Data = Union["PreparedData", "CustomData"]
"""What the workers are handed: decoded arrays, or the name of the user's own data module."""


def names_custom_class(config: StudyConfig | TrialConfig) -> bool:
    """Whether the model or the data is a class of the user's."""
    return bool(config.model.class_path or config.data.class_path)


def find_study_classes(
    config: StudyConfig, workspace: Workspace, file: str
) -> list[trust.CustomCode]:
    """Let the user's classes be found in the working folder and in the study file's too.

    Call it before an engine is made: its workers search where this process does.

    Returns:
        The code of the classes; none where the study names no class.

    Raises:
        BadInputError: The file or the code is somebody else's.
    """
    if not names_custom_class(config):
        return []
    code = trust.check_study(config, workspace, file)
    _extend_search_path(Path(file).parent)
    return code


def find_trial_classes(
    config: TrialConfig, workspace: Workspace, *, where: str
) -> list[trust.CustomCode]:
    """Let a recorded trial's classes be found in the working folder, if this user has run them.

    Returns:
        The code of the classes; none where the trial names no class.

    Raises:
        BadInputError: The record names code that this user has not run in its study.
    """
    if not names_custom_class(config):
        return []
    code = trust.check_trial(config, workspace, where=where)
    _extend_search_path()
    return code


def _extend_search_path(*folders: Path) -> None:
    """Only now: Python imports more than it is asked for, if it finds it."""
    from pipeline.learning.custom.sources import extend_search_path

    extend_search_path(Path.cwd(), *folders)


def locate_data(config: DataConfig, workspace: Workspace, *, where: str) -> "Source | None":
    """Find a data set's files and check its parts' sizes; the user's own data has none to find.

    Raises:
        BadInputError: They are not there, or a part would have no row.
    """
    from pipeline.learning.data import known_sizes, locate

    if config.class_path:
        return None
    source = locate(config, workspace.data_dir, cache=workspace.cache)
    known_sizes(config, source, where=where)
    return source


def prepare_data(
    config: DataConfig,
    params: Mapping[str, Any],
    workspace: Workspace,
    *,
    source: "Source | None",
    where: str,
    tell: Tell = ignore,
    apart: Path | None = None,
) -> Data:
    """Make data ready to be opened by workers.

    Args:
        config: The data section.
        params: Of one trial: the user's own data module is constructed with them.
        workspace: Where decoded data is cached.
        source: From ``locate_data``.
        where: What an error names.
        tell: Called with what is being done, where that takes long.
        apart: Where data is decoded that is not cached yet; by default the cache.

    Raises:
        BadInputError: It is damaged, or the user's data module raises.
    """
    if source is None:
        from pipeline.learning.custom.datamodule import prepare_custom_data

        return prepare_custom_data(config, params, where=where)
    from pipeline.learning.data import prepare

    return prepare(source, cache=workspace.cache, apart=apart, tell=tell)


def first_setting(space: Space) -> dict[str, Any]:
    """A setting inside a space, as classes take it: of choices the first, of ranges the lowest."""
    values = {name: values_of(domain, corners=True)[0] for name, domain in space.domains.items()}
    params = {name: values[name] for name in space.active(values)}
    return with_lists(params, space.lists(values))


def prepare_trial(config: TrialConfig, workspace: Workspace, *, where: str) -> Data:
    """Find the classes and prepare the data of a recorded trial.

    Raises:
        BadInputError: A class or the data is not here, or the class is not the user's own.
    """
    if names_custom_class(config):
        find_trial_classes(config, workspace, where=where)
        from pipeline.learning.custom.classes import find_classes

        find_classes(config, where)
    source = locate_data(config.data, workspace, where=where)
    given = config.arguments | config.training.data_arguments
    return prepare_data(config.data, given, workspace, source=source, where=where)
