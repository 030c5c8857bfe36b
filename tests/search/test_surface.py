"""What is said of two parameters follows from the numbers alone."""

import numpy as np
import pytest

from pipeline.search.answers.surface import Surface

CROSSED = ((0.0, 0.1, 0.3), (0.1, 0.05, 0.1), (0.3, 0.1, 0.0))
WIDER = ((0.0, 0.2, 0.4), (0.0, 0.1, 0.2), (0.0, 0.05, 0.1))
ADDED = ((0.0, 0.1, 0.2), (0.1, 0.2, 0.3), (0.2, 0.3, 0.4))


def surface(
    losses: tuple[tuple[float, ...], ...],
    *,
    outer: str = "batch_size",
    inner: str = "learning_rate",
    sd: float = 0.01,
) -> Surface:
    """A surface whose cells are known alike, each for itself."""
    columns = (1e-4, 8e-4, 3e-3) if inner == "learning_rate" else (0.4, 0.2, 0.1)
    return Surface(
        outer=outer,
        inner=inner,
        rows=(32, 64, 256) if outer == "batch_size" else (1, 2, 3),
        columns=columns,
        losses=np.array(losses),
        covariances=sd**2 * np.eye(9),
    )


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            surface(CROSSED),
            "with batch_size 32 learning_rate 0.0001 is best, with 256 0.003",
        ),
        (
            surface(CROSSED, outer="depth", inner="dropout_1"),
            "with depth 1 layer 1 wants more dropout (0.4) than with 3 (0.1)",
        ),
        (
            surface(CROSSED, outer="depth", inner="input_dropout"),
            "with depth 1 the input wants more dropout (0.4) than with 3 (0.1)",
        ),
        (
            surface(WIDER),
            (
                "learning_rate matters more with batch_size 32 than with 256: 0.003 instead of "
                "0.0001 makes 0.4 there, 0.1 here"
            ),
        ),
        (
            surface(CROSSED, sd=0.2),
            "what batch_size does depends on learning_rate, and the reverse",
        ),
        (
            surface(ADDED),
            "what batch_size does depends on learning_rate, and the reverse",
        ),
    ],
)
def test_the_words_follow_from_the_numbers(found: Surface, said: str) -> None:
    assert found.sentence == said


def test_what_a_network_is_asked_for_first_is_said_first_in_either_order() -> None:
    turned = surface(CROSSED).turned
    assert (turned.outer, turned.inner) == ("learning_rate", "batch_size")
    assert turned.sentence == surface(CROSSED).sentence
    assert (turned.turned.losses == surface(CROSSED).losses).all()


def test_a_turned_surface_keeps_which_cells_vary_together() -> None:
    losses = np.arange(6.0).reshape(2, 3)
    found = Surface(
        outer="a",
        inner="b",
        rows=(1, 2),
        columns=(1, 2, 3),
        losses=losses,
        covariances=np.outer(losses.ravel(), losses.ravel()),
    ).turned
    assert (found.covariances == np.outer(found.losses.ravel(), found.losses.ravel())).all()
