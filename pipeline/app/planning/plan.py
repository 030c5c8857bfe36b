"""Check a study before hours are spent on it, and predict how long it takes."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, TypeVar

from pipeline.app import checks, training
from pipeline.app.inputs import Data, find_study_classes, locate_data, names_custom_class
from pipeline.app.placement.placement import Job, Placement
from pipeline.app.planning.measuring import (
    CustomBench,
    measure_cohorts,
    needs_of,
    representatives,
    try_corners,
)
from pipeline.app.planning.planned import Plan
from pipeline.config import StudyConfig
from pipeline.errors import BadInputError, DropoutSearchError
from pipeline.trial import (
    DataSummary,
    Duration,
    Fault,
    Machine,
    Needs,
    Speed,
    Tell,
    ignore,
)

if TYPE_CHECKING:
    from pipeline.app.study import Study
    from pipeline.learning.data import PreparedData
    from pipeline.search.duration import Circumstances

T = TypeVar("T")
MEASURED_SECONDS: Final = 8.0
"""By default corners and cohorts are trained for so long."""
ALL_SECONDS: Final = 16.0
"""From the command's start until the last measurement ends, where the imports leave time for it."""
FEWEST_SECONDS: Final = 3.0
OVERHEAD: Final = (6.0, 12.0)
"""Seconds of a run before its first trial and after its last, at the least and at the most."""
OF_IMPORTS: Final = (1.2, 2.4)
"""The same, as parts of what the imports of torch and Lightning have just taken."""
LEAST_IMPORT: Final = 1.0
"""Seconds; what takes less was imported before."""


def make_plan(
    study: "Study",
    placement: Placement,
    *,
    max_cohort: int | None = None,
    seconds: float = MEASURED_SECONDS,
    tell: Tell = ignore,
    started: float | None = None,
) -> Plan:
    """Check a study, and measure some of its models; nothing is written into the home.

    Args:
        study: The study.
        placement: Where it would be trained.
        max_cohort: As ``run`` is given it.
        seconds: How long models are trained, at the most.
        tell: Called with what is being done.
        started: ``time.perf_counter()`` when the user's command began.

    Raises:
        BadInputError: The home cannot be used.
    """
    study.workspace.check_home(to_write=True)
    with TemporaryDirectory(prefix="dropout-search-plan-") as folder:
        planning = _Planning(study, placement, max_cohort, Path(folder), tell)
        return planning.run(seconds, started or time.perf_counter())


class _Planning:
    """Collects what is found out, step by step; a step that lacks the one before is left out."""

    def __init__(
        self,
        study: "Study",
        placement: Placement,
        max_cohort: int | None,
        folder: Path,
        tell: Tell,
    ) -> None:
        self._config: StudyConfig = study.config
        self._workspace = study.workspace
        self._file = study.file
        self._placement = placement
        self._max_cohort = max_cohort
        self._folder = folder
        self._tell = tell
        self._found: list[Fault] = []
        self._summary: DataSummary | None = None
        self._needs: Needs | None = None
        self._duration: Duration | None = None
        self._speeds: list[Speed] = []
        self._part_left = 1.0
        self._overhead = OVERHEAD

    def run(self, seconds: float, started: float) -> Plan:
        from pipeline.analysis.machine_faults import find_machine_faults
        from pipeline.analysis.space_faults import find_space_faults

        self._tell("the study file, both stores and the data")
        self._found += find_space_faults(self._config)
        self._look_at_stores()
        self._import()
        is_found = self._look_at_classes()
        machine = self._machine()
        data = self._look_at_data() if is_found else None
        if data is not None and self._is_device_here(machine.device):
            left = max(min(seconds, started + ALL_SECONDS - time.perf_counter()), FEWEST_SECONDS)
            self._measure(data, machine, min(left, seconds))
        self._found += find_machine_faults(self._config, machine, self._needs)
        return self._plan(machine, time.perf_counter() - started)

    def _plan(self, machine: Machine, spent: float) -> Plan:
        found = dict.fromkeys(self._found)
        return Plan(
            study=self._config.name,
            file=self._file,
            faults=tuple(fault for fault in found if not fault.is_warning),
            warnings=tuple(fault for fault in found if fault.is_warning),
            duration=self._duration,
            needs=self._needs,
            machine=machine,
            data=self._summary,
            speeds=tuple(self._speeds),
            seconds=spent,
        )

    def _import(self) -> None:
        """Import torch and Lightning, as each worker of a run does before its first trial."""
        began = time.perf_counter()
        import pipeline.learning.measurement  # noqa: F401 - it takes seconds

        if (took := time.perf_counter() - began) > LEAST_IMPORT:
            low, high = OF_IMPORTS
            self._overhead = (low * took, high * took)

    def _attempt(self, check: Callable[[], T]) -> T | None:
        """Make a check that ``run`` makes, and note its error."""
        try:
            return check()
        except BadInputError as error:
            self._found.append(Fault(error.key or error.where, error.problem))
        except DropoutSearchError as error:
            self._found.append(Fault("name", str(error)))
        return None

    def _look_at_stores(self) -> None:
        from pipeline.locks import being_run, lock_states

        config, workspace, where = self._config, self._workspace, self._file
        held = lock_states(workspace.home).get(config.name)
        if held and held.holder:
            self._found.append(Fault("name", str(being_run(config.name, held.holder))))
        stored = self._attempt(lambda: checks.stored_trials(config, workspace))
        self._attempt(lambda: checks.check_same(config, stored, where=where))
        self._attempt(lambda: checks.find_warm_start(config, workspace, where=where))
        self._attempt(lambda: checks.check_tracking(workspace))
        self._attempt(self._check_home_ledger)
        if stored is not None:
            n_finished = sum(row.state.is_finished for row in stored.rows())
            self._part_left = max(1 - n_finished / config.search.trials, 0.0)

    def _check_home_ledger(self) -> None:
        from pipeline.tracking.store import check_readable, database_of

        database = database_of(self._workspace.ledger_uri)
        if self._workspace.tracking_uri is None and database is not None and database.exists():
            check_readable(database)

    def _look_at_classes(self) -> bool:
        """Whether the user's classes, if any, can be used."""
        n_before = len(self._found)
        self._attempt(lambda: find_study_classes(self._config, self._workspace, self._file))
        if len(self._found) == n_before:
            self._attempt(lambda: checks.check_classes(self._config, where=self._file))
        return len(self._found) == n_before

    def _machine(self) -> Machine:
        """What there is; of GPUs that are asked for in vain, a processor."""
        from pipeline.learning.provenance import resolve_device

        config = self._config
        job = Job(config=config, resources=config.resources, code=(), where=self._file)
        gpus = self._attempt(lambda: self._placement.gpu_of_each(job)) or []
        n_cores = len(os.sched_getaffinity(0))
        device = resolve_device(config.training.device)
        return Machine(
            n_cores=n_cores,
            n_workers=len(gpus) or self._placement.workers or n_cores,
            free_memory=_free_memory(device),
            free_disk=_free_disk(self._workspace.home),
            device=device,
        )

    def _is_device_here(self, device: str) -> bool:
        from pipeline.learning.gpus import has_device

        if has_device(device):
            return True
        what = f"got {device}, which this machine does not have or its torch cannot use; "
        self._found.append(Fault("training.device", what + "expected cpu or auto here"))
        return False

    def _look_at_data(self) -> Data | None:
        from pipeline.analysis.data_faults import find_data_faults
        from pipeline.learning.data import PreparedData
        from pipeline.learning.data.summary import summarise

        config, where = self._config, self._file
        n_before = len(self._found)
        source = self._attempt(lambda: locate_data(config.data, self._workspace, where=where))
        if len(self._found) > n_before:
            return None
        if source is not None and not source.is_local:
            what = f"{source.name} is not here yet: `run` downloads it first, and nothing of it "
            self._found.append(Fault("data.name", what + "was measured", is_warning=True))
            return None
        data = self._attempt(
            lambda: checks.prepare_study_data(
                config, self._workspace, source, where=where, apart=self._folder
            )
        )
        if isinstance(data, PreparedData):
            seed = training_seed(config)
            self._summary = summarise(data, config.data, seed=seed)
            self._found += find_data_faults(config, self._summary)
        return data

    def _measure(self, data: Data, machine: Machine, seconds: float) -> None:
        from pipeline.learning.measurement import contention
        from pipeline.search.duration import Circumstances

        n_rows = self._summary.n_train * (self._config.data.folds or 1) if self._summary else 1
        where = Circumstances(
            n_rows=n_rows,
            n_workers=machine.n_workers,
            max_cohort=self._max_cohort,
            contention=contention(min(machine.n_workers, machine.n_cores)),
            overhead=self._overhead,
            part_left=self._part_left,
        )
        self._tell("corner models, one step each")
        if names_custom_class(self._config):
            self._measure_custom(data, where, seconds)
        else:
            self._measure_built_in(data, machine, where, seconds)  # type: ignore[arg-type]
        if self._speeds:
            self._predict(where)

    def _measure_built_in(
        self, data: "PreparedData", machine: Machine, where: "Circumstances", seconds: float
    ) -> None:
        from pipeline.analysis.machine_faults import find_precision_faults
        from pipeline.learning.measurement import Workbench
        from pipeline.search.duration import find_cohorts

        began = time.perf_counter()
        cohorts = find_cohorts(self._config, where)
        bench = Workbench(data, cohorts[0][0].config)
        self._needs = needs_of(self._config, cohorts, bench, n_workers=where.n_workers)
        fits = machine.free_memory
        self._found += try_corners(self._config, bench, fits)
        if self._needs.worker_memory > fits:
            return
        self._tell("cohorts of the study, a few epochs each")
        left = max(seconds - (time.perf_counter() - began), FEWEST_SECONDS)
        self._speeds = measure_cohorts(cohorts, bench, seconds=min(left, seconds))
        largest = representatives(cohorts)[0][0].config
        if gain := bench.gain_of_bfloat16(largest):
            self._found += find_precision_faults(self._config, gain)

    def _measure_custom(self, data: Data, where: "Circumstances", seconds: float) -> None:
        from pipeline.engines import LocalEngine
        from pipeline.search.duration import find_cohorts

        with LocalEngine(training.FIT, n_workers=1) as engine:
            bench = CustomBench(self._config, engine, data, self._file)
            n_before = len(self._found)
            self._found += bench.try_corners()
            if len(self._found) == n_before:
                self._tell("settings of the study, a few epochs each")
                cohorts = find_cohorts(self._config, where)
                self._speeds = bench.measure(cohorts, seconds=seconds)

    def _predict(self, where: "Circumstances") -> None:
        from pipeline.analysis.machine_faults import find_duration_faults
        from pipeline.search.duration import predict

        self._duration = predict(self._config, self._speeds, where)
        self._found += find_duration_faults(self._config, self._duration)


def training_seed(config: StudyConfig) -> int:
    """The seed by which a study's data are split."""
    from pipeline.app.first_batch import first_trial

    return first_trial(config).seeds["split"]


def _free_memory(device: str) -> int:
    from pipeline.learning.gpus import free_bytes

    return free_bytes(device)


def _free_disk(home: Path) -> int:
    nearest = home.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    return shutil.disk_usage(nearest).free
