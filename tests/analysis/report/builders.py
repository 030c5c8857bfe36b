"""Studies of any size as plain records: what a report is made from."""

from collections.abc import Sequence
from typing import Any

from pipeline.analysis.report import ReportContent
from pipeline.config import Finalist, Objective, Scalar, StudyConfig, check_study
from pipeline.trial import (
    Curve,
    Effect,
    EpochScores,
    Interaction,
    ModelGain,
    RunTime,
    SearchSummary,
    TimeSpent,
    TrialRow,
    TrialState,
)

EPOCHS = 6
DOCUMENT: dict[str, Any] = {
    "name": "made-up",
    "question": "How much dropout does a made-up network want?",
    "data": {"name": "digits"},
    "model": {"name": "mlp"},
    "space": {
        "depth": {"low": 1, "high": 3},
        "width": {"choices": [16, 32]},
        "input_dropout": {"low": 0.0, "high": 0.3},
        "dropout": {"low": 0.0, "high": 0.6, "per_layer": True},
        "batch_size": 32,
        "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    },
    "training": {"epochs": EPOCHS},
    "search": {"trials": 24},
}


def study(**changes: Any) -> StudyConfig:
    """The made-up study, with sections changed."""
    return check_study(DOCUMENT | changes, "test")


def params(number: int) -> dict[str, Scalar]:
    """A setting: some networks have no second or third layer."""
    depth = 1 + number % 3
    rates = {f"dropout_{layer}": 0.1 * ((number + layer) % 7) for layer in range(1, depth + 1)}
    found: dict[str, Scalar] = {"depth": depth, "width": (16, 32)[number % 2]}
    found |= {"input_dropout": 0.03 * (number % 11), **rates, "batch_size": 32}
    return found | {"learning_rate": 10 ** (-4 + 2 * (number % 13) / 12)}


def scores(
    number: int, epoch: int, objective: Objective, *, logged: dict[str, float] | None = None
) -> EpochScores:
    """An epoch: the loss falls, the gap grows, and the last epoch is the best."""
    loss = 0.2 + (number % 10) / 40 + 1 / (1 + epoch)
    return EpochScores(
        number=number,
        epoch=epoch,
        ended_at_ms=1_000_000 + 10_000 * number + 1_000 * epoch,
        train_loss=loss,
        train_accuracy=0.8,
        train_loss_no_dropout=loss - 0.02 * epoch,
        val_loss=loss,
        val_accuracy=1 - loss / 2,
        learning_rate=1e-3,
        epoch_seconds=1.0,
        objective=objective,
        logged=logged or {},
    )


def curve(number: int, objective: Objective, n_epochs: int = EPOCHS) -> Curve:
    """A trial's epochs."""
    logged = {} if objective.metric.startswith("val_") else {objective.metric: 0.0}
    return tuple(
        scores(number, epoch, objective, logged=dict.fromkeys(logged, 0.1 * epoch))
        for epoch in range(1, n_epochs + 1)
    )


def row(
    number: int,
    state: TrialState = TrialState.COMPLETE,
    *,
    objective: Objective,
    found: Curve,
    **changes: Any,
) -> TrialRow:
    """A line of the table that belongs to a curve."""
    known: dict[str, Any] = {
        "number": number,
        "state": state,
        "value": found[-1].score if state is TrialState.COMPLETE else None,
        "best_epoch": len(found) or None,
        "params": params(number),
        "run_id": f"{number:032x}",
        "weights_sha256": None,
        "cause": None if state is TrialState.COMPLETE else "halving: lowest val_loss above others",
        "scores": tuple(one.score for one in found),
        "objective": objective,
    }
    return TrialRow(**known | changes)


def table(
    states: Sequence[TrialState], objective: Objective, *, n_epochs: int = EPOCHS
) -> tuple[list[TrialRow], dict[int, Curve]]:
    """Trials in these states, with their curves; one that failed has none."""
    curves = {
        number: curve(number, objective, n_epochs if state is TrialState.COMPLETE else 2)
        for number, state in enumerate(states)
        if state is not TrialState.FAIL
    }
    rows = [
        row(number, state, objective=objective, found=curves.get(number, ()))
        for number, state in enumerate(states)
    ]
    return rows, curves


def effect(parameter: str = "dropout_1", **changes: Any) -> Effect:
    """Of a rate that wants to be low."""
    values = tuple(0.1 * step for step in range(7))
    given: dict[str, Any] = {
        "parameter": parameter,
        "values": values,
        "losses": tuple(0.1 * value for value in values),
        "sds": tuple(0.02 * value for value in values),
        "is_as_good": tuple(value < 0.25 for value in values),
        "verdict": "wants",
        "most": 0.1,
        "at_end": None,
        "share": 0.6,
        "objective": Objective(),
    }
    return Effect(**given | changes)


def interaction(**changes: Any) -> Interaction:
    """Of depth and width."""
    given: dict[str, Any] = {
        "parameters": ("depth", "width"),
        "values": ((1, 2), (16, 32)),
        "losses": ((0.0, 0.1), (0.2, 0.05)),
        "sds": ((0.0, 0.01), (0.02, 0.01)),
        "share": 0.3,
        "sentence": "the more layers, the wider they must be",
    }
    return Interaction(**given | changes)


def summary(**changes: Any) -> SearchSummary:
    """What the search has come to."""
    given: dict[str, Any] = {
        "n_trials": 24,
        "n_settings": 18,
        "best": 0,
        "origin": "search",
        "at_ends": (),
        "noise": 0.01,
        "last_gain": 10,
        "tied": (3,),
        "smaller": None,
        "gain": ModelGain(n_first=8, n_later=16, first=3, gained=0.1, is_beyond_noise=True),
        "effects": (
            effect("dropout_1"),
            effect("dropout_2", verdict="unknown", is_as_good=(True,) * 7, share=0.1),
            effect(
                "width",
                values=(16, 32),
                losses=(0.1, 0.0),
                sds=(0.01, 0.0),
                is_as_good=(False, True),
                at_end="high",
                share=0.3,
                importance=0.5,
            ),
        ),
        "interactions": (interaction(),),
    }
    return SearchSummary(**given | changes)


CONFIRMATION: dict[str, Any] = {
    "candidates": [
        {
            "number": number,
            "params": {"depth": 1},
            "mean": 0.2 + number / 100,
            "low": 0.19 + number / 100,
            "high": 0.21 + number / 100,
            "test": {"mean": 0.3, "low": 0.25, "high": 0.35},
            "test_accuracy": None,
            "metrics": {"f1": {"mean": 0.9, "low": None, "high": None}},
            "failures": [],
        }
        for number in (0, 3)
    ],
    "tied": [0, 3],
    "winner": 0,
    "seeds": 5,
    "test_openings": 1,
    "a later version's": {"key": [1, 2]},
}
TIME = TimeSpent(
    runs=(
        RunTime(
            began="2026-01-01T00:00:00+00:00",
            n_workers=2,
            seconds={"total": 20.0, "start_up": 2.0, "training": 17.0, "waiting": 1.0},
            start_up={"mlflow": 2.0},
            machinery={"mlflow": 0.5},
        ),
    )
)
USUAL = (TrialState.COMPLETE,) * 18 + (TrialState.PRUNED,) * 5 + (TrialState.FAIL,)


def content(states: Sequence[TrialState] = USUAL, **changes: Any) -> ReportContent:
    """A whole study, or parts of one."""
    config = changes.pop("study", None) or study()
    rows, curves = table(states, config.objective, n_epochs=changes.pop("n_epochs", EPOCHS))
    given: dict[str, Any] = {
        "study": config,
        "rows": rows,
        "curves": curves,
        "summary": summary(),
        "confirmation": CONFIRMATION,
        "time": TIME,
        "made_at": "2026-01-02 03:04",
        "version": "0.0.0",
    }
    return ReportContent(**given | changes)


def without_answer(states: Sequence[TrialState] = (), **changes: Any) -> ReportContent:
    """A study of which nothing can be told yet."""
    return content(states, **{"summary": None, "confirmation": None, "time": TimeSpent()} | changes)


def finalists(rows: Sequence[TrialRow], setting_of: int, first: int) -> list[TrialRow]:
    """Three trials that train a setting again."""
    original = rows[setting_of]
    finalist = Finalist(setting_of=setting_of, first=first, last=first + 2)
    return [
        row(
            number,
            objective=original.objective,
            found=curve(number, original.objective),
            params=dict(original.params),
            finalist=finalist,
        )
        for number in range(first, first + 3)
    ]
