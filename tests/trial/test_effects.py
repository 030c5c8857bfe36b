"""What is said of a parameter follows from the numbers alone."""

from typing import Any

import pytest

from pipeline.config import VAL_LOSS, Objective
from pipeline.trial import Effect, Interaction, answer_json

RATES = (0.0, 0.1, 0.2, 0.3, 0.4)
LOW = (True, True, False, False, False)


def effect(parameter: str = "dropout_1", **given: Any) -> Effect:
    """An effect whose best value is the third."""
    usual: dict[str, Any] = {
        "values": RATES,
        "losses": (0.04, 0.01, 0.0, 0.01, 0.05),
        "sds": (0.01, 0.01, 0.0, 0.01, 0.01),
        "is_as_good": (False, True, True, True, False),
        "verdict": "wants",
        "most": 0.075,
        "at_end": None,
        "share": 0.5,
        "objective": VAL_LOSS,
    }
    return Effect(parameter=parameter, **usual | given)


DEPTHS: dict[str, Any] = {"values": (1, 2, 3), "losses": (0.02, 0.0, 0.001), "sds": (0.0,) * 3}
FEWER: dict[str, Any] = DEPTHS | {
    "losses": (0.02, 0.001, 0.0),
    "is_as_good": (False, True, True),
}
HIDDEN: dict[str, Any] = {"counts": "hidden layer"}
ALL: dict[str, Any] = {
    "values": (1, 2, 3, 4),
    "losses": (0.001, 0.002, 0.0, 0.1),
    "sds": (0.001, 0.001, 0.0, 0.01),
    "small": 0.01,
}
EDGE = (
    "learning_rate: best 0.01; at 0.0001 it is worse (val_loss 0.3 above the best); "
    "the best is at the edge: widen learning_rate above 0.01"
)
WORDS: dict[str, Any] = {
    "values": ("relu", "tanh"),
    "losses": (0.0, 0.5),
    "sds": (0.0, 0.1),
    "is_as_good": (True, False),
}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            effect(),
            "layer 1 wants dropout 0.1 to 0.3; at 0.4 it is worse (val_loss 0.05 above the best)",
        ),
        (effect("dropout"), "each layer wants dropout 0.1 to 0.3; at 0.4 it is worse"),
        (effect("block_dropout_2"), "block 2 wants dropout 0.1 to 0.3"),
        (effect("input_dropout"), "the input wants dropout 0.1 to 0.3"),
        (
            effect(losses=(0.0, 0.01, 0.02, 0.03, 0.2), is_as_good=LOW),
            "layer 1 wants no dropout, at most 0.1; at 0.4 it is worse (val_loss 0.2 above",
        ),
        (
            effect(losses=(0.0, 0.1, 0.1, 0.1, 0.2), is_as_good=(True, *(False,) * 4)),
            "layer 1 wants no dropout; at 0.4 it is worse",
        ),
        (
            effect(losses=(0.001, 0.0, 0.1, 0.1, 0.2), is_as_good=LOW),
            "layer 1 wants dropout 0 to 0.1; at 0.4",
        ),
        (
            effect(losses=(0.0, 0.0, 0.0, 0.1, 0.2), is_as_good=(*(True,) * 3, False, False)),
            "layer 1 takes any dropout up to 0.2; at 0.4",
        ),
        (
            effect(losses=(0.0, 0.0, 0.1, 0.0, 0.01), is_as_good=(True, True, False, True, True)),
            "layer 1 wants dropout 0 to 0.1 or 0.3 to 0.4; at 0.2 it is worse (val_loss 0.1 above",
        ),
        (
            effect("weight_decay", is_as_good=(True, False, True, False, False)),
            "weight_decay: best 0 or 0.2; at 0.4 it is worse",
        ),
        (
            effect(is_as_good=(True,) * 5, verdict="indifferent", most=0.0123),
            "layer 1 is indifferent between dropout 0 and 0.4 (less than 0.012 in val_loss)",
        ),
        (
            effect(is_as_good=(True,) * 5, verdict="unknown"),
            "layer 1: these trials do not tell which dropout is better (by up to 0.075",
        ),
        (
            effect("width", **DEPTHS | {"verdict": "unknown", "is_as_good": (True,) * 3}),
            "width: these trials do not tell which value is better",
        ),
        (
            effect("depth", **DEPTHS | {"is_as_good": (False, True, True)}),
            "depth: 2, 3 cannot be told apart; at 1 it is worse (val_loss 0.02 abo",
        ),
        (effect("depth", **DEPTHS | {"is_as_good": (False, True, False)}), "depth: best 2; at 1"),
        (
            effect(
                "depth", **DEPTHS | {"losses": (0.02, 0.0, 0.05), "is_as_good": (False, True, True)}
            ),
            "depth: 2, 3 cannot be told apart; at 1 it is worse (val_loss 0.02 abo",
        ),
        (
            effect(
                "depth", **FEWER | {"small": 0.01, "sds": (0.001, 0.001, 0.0), "counts": "block"}
            ),
            "depth: two blocks are as good as three; at 1 it is worse (val_loss 0.02 above",
        ),
        (
            effect("depth", **FEWER | {"small": 0.01, "sds": (0.01, 0.01, 0.0)} | HIDDEN),
            "depth: two hidden layers are no worse than three, as far as these trials tell; at 1",
        ),
        (
            effect("depth", **FEWER | HIDDEN | {"is_as_good": (True,) * 3 + (False,)} | ALL),
            "depth: one hidden layer is as good as three; at 4 it is worse",
        ),
        (
            effect("depth", **FEWER | HIDDEN | {"losses": (0.02, 0.0, 0.001)}),
            "depth: 2, 3 cannot be told apart; at 1 it is worse",
        ),
        (effect("activation", **WORDS), "activation: best relu; at tanh it is worse"),
        (
            effect("activation", **WORDS | {"verdict": "indifferent", "is_as_good": (True, True)}),
            "activation is indifferent among relu, tanh (less than 0.075",
        ),
        (
            effect(
                "learning_rate",
                values=(1e-4, 1e-3, 1e-2),
                losses=(0.3, 0.1, 0.0),
                sds=(0.0,) * 3,
                is_as_good=(False, False, True),
                at_end="high",
            ),
            EDGE,
        ),
        (
            effect(objective=Objective(metric="val_accuracy", direction="maximize")),
            "layer 1 wants dropout 0.1 to 0.3; at 0.4 it is worse (val_accuracy 0.05 below",
        ),
    ],
)
def test_the_words_follow_from_the_numbers(found: Effect, said: str) -> None:
    assert found.sentence.startswith(said)


def test_the_answer_holds_a_range_of_numbers_and_a_list_of_words() -> None:
    answer = answer_json([effect(), effect("activation", **WORDS)])
    assert answer["effects"]["dropout_1"]["best"] == [0.1, 0.3]
    assert answer["effects"]["activation"]["best"] == ["relu"]
    assert len(answer["words"]) == 2
    assert answer["interactions"] == []


def test_the_answer_tells_two_that_act_together_after_each_alone() -> None:
    both = Interaction(
        parameters=("batch_size", "learning_rate"),
        values=((32, 256), (1e-3, 1e-2)),
        losses=((0.0, 0.1), (0.1, 0.0)),
        sds=((0.0, 0.01), (0.01, 0.01)),
        share=0.5,
        sentence="with batch_size 32 learning_rate 0.001 is best, with 256 0.01",
    )
    answer = answer_json([effect()], [both])
    assert answer["words"][1] == both.sentence
    assert answer["interactions"] == [both.as_json()]


def test_the_answer_has_each_effect_also_in_the_mean_over_all_settings() -> None:
    found = effect(averaged=(0.05, 0.0), averaged_sds=(0.01, 0.0), importance=0.4).as_json()
    assert found["averaged"] == {"above_best": [0.05, 0.0], "sd": [0.01, 0.0]}
    assert found["importance"] == 0.4
