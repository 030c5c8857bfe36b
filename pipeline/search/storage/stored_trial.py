"""A trial as it lies in Optuna's storage: what is written of it, and how it is read."""

import json

from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState

from pipeline.config import Finalist, Objective, Params, StudyConfig
from pipeline.search.sampling.distributions import all_distributions
from pipeline.trial import TrialRow, TrialState

EARLIER = "earlier_attempts"
"""An attribute: cause and run of each failed attempt before this one."""
FINALIST = "finalist"
"""An attribute: what makes the trial a finalist."""
INACTIVE = "inactive"
"""An attribute: the parameters that the trial does not have, as JSON."""
KEPT = (INACTIVE, FINALIST)
"""What a failed trial keeps when it is tried again."""


def waiting_trial(
    study: StudyConfig, params: Params, finalist: Finalist | None = None
) -> FrozenTrial:
    """A new trial, waiting to be trained.

    Args:
        study: The study that it belongs to.
        params: Its parameters, those that it does not have included.
        finalist: What makes it a finalist.
    """
    distributions = all_distributions(study)
    active = study.space.active(params)
    inactive = {name: value for name, value in params.items() if name not in active}
    attributes = {INACTIVE: json.dumps(inactive)}
    return create_trial(
        state=OptunaState.WAITING,
        params={name: params[name] for name in active},
        distributions={name: distributions[name] for name in active},
        user_attrs=attributes | ({FINALIST: finalist.model_dump()} if finalist else {}),
    )


def new_attempt(trial: FrozenTrial, failed: TrialRow | None) -> FrozenTrial:
    """A trial as it was before it was trained, if it failed; else the trial."""
    if failed is None:
        return trial
    attempt = {"cause": failed.cause, "run_id": failed.run_id}
    earlier = [*trial.user_attrs.get(EARLIER, ()), attempt]
    kept = {key: trial.user_attrs[key] for key in KEPT if key in trial.user_attrs}
    return create_trial(
        state=OptunaState.WAITING,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs=kept | {EARLIER: earlier},
    )


def all_params(trial: FrozenTrial) -> Params:
    """A trial's parameters, those that it does not have included."""
    inactive: Params = json.loads(trial.user_attrs.get(INACTIVE, "{}"))
    return trial.params | inactive


def row_of(trial: FrozenTrial, objective: Objective, *, late_run: str | None) -> TrialRow:
    """A trial as tables show it.

    Args:
        trial: As it is stored.
        objective: The study's.
        late_run: Its MLflow run, where that was made after the trial had ended.
    """
    state, attributes = TrialState(trial.state.name), trial.user_attrs
    finalist = attributes.get(FINALIST)
    return TrialRow(
        number=trial.number,
        state=state,
        value=trial.value if state is TrialState.COMPLETE else None,
        best_epoch=attributes.get("best_epoch"),
        params=trial.params,
        run_id=late_run or attributes.get("run_id"),
        weights_sha256=attributes.get("weights_sha256"),
        cause=attributes.get("cause"),
        warning=attributes.get("warning"),
        finalist=Finalist.model_validate(finalist) if finalist else None,
        n_parameters=attributes.get("n_parameters"),
        scores=tuple(score for _, score in sorted(trial.intermediate_values.items())),
        objective=objective,
    )
