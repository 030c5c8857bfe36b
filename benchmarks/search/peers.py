"""Searches of other packages, where they are installed: SMAC3, Syne Tune, BoTorch."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Final

from benchmarks.search.bayesian import QLogNei
from benchmarks.search.policies import POLICIES, Entry
from benchmarks.search.promotion import PromotingAsha, rungs
from pipeline.config import Choices, Domain, Params, Range, StudyConfig, is_fixed
from pipeline.search.blocks import resolve
from pipeline.trial import Assignment, TrialRow

METRIC: Final = "val_loss"
RESOURCE: Final = "epoch"
BEGAN: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""When every trial of Syne Tune began: it asks, and nothing depends on it."""


def searched_of(study: StudyConfig) -> dict[str, Domain]:
    """The parameters that are searched."""
    domains = study.space.domains
    return {name: domain for name, domain in domains.items() if not is_fixed(domain)}


def whole_trial(study: StudyConfig, number: int, params: Mapping[str, Any]) -> Assignment:
    """A trial that nothing but its patience ends early; constants are filled in."""
    constants = {name: one for name, one in study.space.domains.items() if is_fixed(one)}
    early = study.training.early_stopping
    return Assignment(
        config=resolve(study, number, constants | dict(params)),
        epochs=study.training.most_epochs,
        patience=early.patience if early else None,
    )


class Smac:
    """SMAC3's facade for hyperparameters: a random forest and expected improvement.

    https://arxiv.org/abs/2109.09831. The objective counts as deterministic, so that no setting is
    asked for twice.
    """

    def __init__(self, study: StudyConfig) -> None:
        from ConfigSpace import ConfigurationSpace
        from smac import HyperparameterOptimizationFacade, Scenario

        self._study = study
        self._n_asked = 0
        self._asked: dict[int, Any] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="smac-")
        space = ConfigurationSpace(seed=study.search.seed)
        space.add([_of_configspace(*pair) for pair in searched_of(study).items()])
        scenario = Scenario(
            space,
            deterministic=True,
            n_trials=study.search.trials,
            seed=study.search.seed,
            output_directory=self._folder.name,
        )
        self._smac = HyperparameterOptimizationFacade(
            scenario, _never_called, logging_level=False, overwrite=True
        )

    def ask(self) -> Sequence[Assignment]:
        """Ask for the next trial."""
        info = self._smac.ask()
        number = self._n_asked
        self._asked[number], self._n_asked = info, number + 1
        return [whole_trial(self._study, number, _plain(info.config))]

    def tell(self, trial: TrialRow) -> None:
        """Tell its value."""
        from smac.runhistory import StatusType, TrialValue

        state = StatusType.CRASHED if trial.value is None else StatusType.SUCCESS
        cost = float("inf") if trial.value is None else trial.value
        self._smac.tell(self._asked.pop(trial.number), TrialValue(cost, status=state), save=False)


def _never_called(_config: Any, seed: int = 0) -> float:
    raise NotImplementedError


def _of_configspace(name: str, domain: Domain) -> Any:
    from ConfigSpace import Categorical, Float, Integer

    if isinstance(domain, Choices):
        return Categorical(name, list(domain.choices))
    assert isinstance(domain, Range)
    kind = Integer if isinstance(domain.low, int) else Float
    return kind(name, (domain.low, domain.high), log=domain.log)


def _plain(params: Mapping[str, Any]) -> Params:
    """Take NumPy's scalars for Python's."""
    return {name: getattr(value, "item", lambda v=value: v)() for name, value in params.items()}


class SyneTune:
    """A scheduler of Syne Tune, one trial at a time.

    Args:
        study: The space, the epochs and the seed.
        make: Makes the scheduler from a space of Syne Tune's.
        levels: The epochs at which the scheduler decides.
    """

    def __init__(
        self, study: StudyConfig, make: Callable[[Mapping[str, Any]], Any], levels: Sequence[int]
    ) -> None:
        space = {name: _of_syne_tune(one) for name, one in searched_of(study).items()}
        self._study, self._levels = study, levels
        self._scheduler = make(space)
        self._n_asked = 0
        self._going_on: tuple[Any, int] | None = None

    def ask(self) -> Sequence[Assignment]:
        """Go on with a trial that is not stopped, or begin one."""
        from syne_tune.backend.trial_status import Trial

        if self._going_on is None:
            config = dict(self._scheduler.suggest().config)
            trial = Trial(trial_id=self._n_asked, config=config, creation_time=BEGAN)
            self._scheduler.on_trial_add(trial)
            self._going_on, self._n_asked = (trial, 0), self._n_asked + 1
        trial, level = self._going_on
        whole = whole_trial(self._study, trial.trial_id, _plain(trial.config))
        return [Assignment(config=whole.config, epochs=self._levels[level])]

    def tell(self, trial: TrialRow) -> None:
        """Report the lowest loss so far of each new epoch, and hear whether the trial goes on."""
        assert self._going_on is not None
        asked, level = self._going_on
        begin = self._levels[level - 1] if level else 0
        results = [
            {METRIC: loss, RESOURCE: epoch}
            for epoch, loss in enumerate(trial.lowest_so_far, start=1)
            if epoch > begin
        ]
        is_whole, is_stopped = len(trial.scores) == self._levels[-1], False
        for result in results[:-1] if is_whole else results:
            is_stopped = self._scheduler.on_trial_result(asked, result) == "STOP"
        if is_whole:
            self._scheduler.on_trial_complete(asked, results[-1])
        self._going_on = None if is_whole or is_stopped else (asked, level + 1)


def _of_syne_tune(domain: Domain) -> Any:
    from syne_tune import config_space

    if isinstance(domain, Choices):
        return config_space.choice(list(domain.choices))
    assert isinstance(domain, Range)
    if isinstance(domain.low, int):
        whole = config_space.lograndint if domain.log else config_space.randint
        return whole(domain.low, domain.high)
    real = config_space.loguniform if domain.log else config_space.uniform
    return real(domain.low, domain.high)


def syne_asha(study: StudyConfig) -> SyneTune:
    """Syne Tune's ASHA: random settings, stopped at rungs."""
    from syne_tune.optimizer.baselines import ASHA

    epochs = study.training.most_epochs

    def make(space: Mapping[str, Any]) -> Any:
        return ASHA(
            dict(space),
            metric=METRIC,
            time_attr=RESOURCE,
            max_t=epochs,
            random_seed=study.search.seed,
        )

    return SyneTune(study, make, rungs(epochs))


def syne_cqr(study: StudyConfig) -> SyneTune:
    """Syne Tune's conformal quantile regression (https://arxiv.org/abs/2305.03623), no stopping."""
    from syne_tune.optimizer.baselines import CQR

    def make(space: Mapping[str, Any]) -> Any:
        return CQR(dict(space), metric=METRIC, random_seed=study.search.seed)

    return SyneTune(study, make, [study.training.most_epochs])


ALL: Final[Mapping[str, Entry]] = {
    **POLICIES,
    "asha-promoting": Entry(make=PromotingAsha),
    "smac": Entry(make=Smac, needs=("smac", "ConfigSpace"), is_whole=True),
    "syne-asha": Entry(make=syne_asha, needs=("syne_tune",)),
    "syne-cqr": Entry(make=syne_cqr, needs=("syne_tune", "xgboost"), is_whole=True),
    "botorch": Entry(make=QLogNei, needs=("botorch",), is_whole=True),
}
"""Every policy; those that pause trials or need other packages search simulated losses alone."""


def missing(policy: str) -> str | None:
    """Say in a line why a policy cannot be run here; ``None`` where it can."""
    for package in ALL[policy].needs:
        try:
            import_module(package)
        except Exception as error:  # noqa: BLE001 - whatever a package's import raises is the reason
            return f"{package} cannot be imported: {' '.join(str(error).split())}"
    return None
