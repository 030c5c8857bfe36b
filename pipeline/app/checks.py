"""What must hold before a study runs; ``run`` stops at the first fault, ``plan`` collects all."""

from typing import TYPE_CHECKING

from pipeline.app.inputs import Data, first_setting, names_custom_class, prepare_data
from pipeline.app.workspace import Workspace
from pipeline.config import StudyConfig, differences, digest
from pipeline.config.study import check_model_fits_data
from pipeline.config.task import check_fits_task
from pipeline.errors import BadInputError
from pipeline.trial import Tell, ignore

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.learning.data import Source
    from pipeline.search.storage.store import TrialStore
    from pipeline.trial import WarmStart


def stored_trials(config: StudyConfig, workspace: Workspace) -> "TrialStore | None":
    """A study's trials as earlier runs left them; ``None`` where there was none.

    Raises:
        BadInputError: The storage cannot be written to.
        WorkFailedError: A process of another home runs the study.
    """
    from pipeline.search.storage.database import check_writable
    from pipeline.search.storage.lease import refuse_held
    from pipeline.search.storage.opening import open_storage
    from pipeline.search.storage.store import TrialStore

    storage = open_storage(workspace.storage, workspace.journal, to_write=False)
    refuse_held(storage, config.name, workspace.home)
    check_writable(storage)
    return TrialStore.find(storage, config.name)


def find_warm_start(config: StudyConfig, workspace: Workspace, *, where: str) -> "WarmStart | None":
    """What a study begins with; it is written down when the study is created.

    Raises:
        BadInputError: The storage does not have the study that is named, or it does not fit.
    """
    if config.search.warm_start is None:
        return None
    from pipeline.search.storage.opening import open_storage
    from pipeline.search.warm_start import find_warm_start as find

    storage = open_storage(workspace.storage, workspace.journal, to_write=False)
    return find(storage, config, where=where)


def check_same(config: StudyConfig, store: "TrialStore | None", *, where: str) -> None:
    """Refuse another study under a name that is taken, and a smaller number of trials.

    Raises:
        BadInputError: Naming what differs.
    """
    if store is None or store.document is None:
        return
    if store.digest != digest(config):
        changed = differences(store.document, config.document)
        raise BadInputError(
            where=where,
            key=changed[0].partition(":")[0] if changed else "name",
            problem=f"study {config.name!r} was run with other settings "
            f"({'; '.join(changed)}); run the file as it was, or give it a new name",
        )
    before = store.document["search"]["trials"]
    if config.search.trials < before:
        raise BadInputError(
            where=where,
            key="search.trials",
            got=str(config.search.trials),
            expected=f"at least {before}, the number of the run before",
        )


def check_classes(config: StudyConfig, *, where: str) -> None:
    """Check the space against the user's classes, where the study names any.

    Raises:
        BadInputError: A class cannot be used with it.
    """
    if names_custom_class(config):
        from pipeline.learning.custom.checks import check_custom

        check_custom(config, where)


def check_tracking(workspace: Workspace) -> None:
    """Reach the MLflow server, where there is one.

    Raises:
        BadInputError: There is none behind the address.
    """
    if workspace.tracking_uri is not None:
        from pipeline.tracking.client import connect

        connect(workspace.tracking_uri)


def prepare_study_data(
    config: StudyConfig,
    workspace: Workspace,
    source: "Source | None",
    *,
    where: str,
    apart: "Path | None" = None,
    tell: Tell = ignore,
) -> Data:
    """Make a study's data ready, and check that its model fits them.

    Args:
        config: The study.
        workspace: Where decoded data is cached.
        source: From ``locate_data``.
        where: What an error names.
        apart: A folder for what is decoded now, so that the home stays as it is.
        tell: Called with what is being done, where that takes long.

    Raises:
        BadInputError: They are damaged, or the model cannot be built for them.
    """
    from pipeline.learning.data import PreparedData

    setting = first_setting(config.space) | config.training.data_arguments
    data = prepare_data(
        config.data, setting, workspace, source=source, where=where, apart=apart, tell=tell
    )
    if isinstance(data, PreparedData):
        check_fits_task(config, data.task, where=where)
        check_model_fits_data(config, data.image_shape, where=where)
    return data
