"""Which rows a step gets, and as what."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.learning.cohort.rows import STEPS_A_CALL, EpochSteps, Rows
from pipeline.learning.modules.masks import row_order


def rows_of(numbers: torch.Tensor) -> Rows:
    """Some of 256 rows, each of two pixels that hold its number."""
    images = torch.arange(256, dtype=torch.uint8).unsqueeze(1).expand(256, 2).contiguous()
    return Rows(images, torch.arange(256), numbers, scale=255)


def test_pixels_become_floats_from_zero_to_one_as_a_division_gives_them() -> None:
    numbers = torch.tensor([255, 0, 51])
    images, labels = rows_of(torch.arange(256)).take(numbers)
    assert torch.equal(images[:, 0], torch.tensor([255.0, 0.0, 51.0]) / 255)
    assert torch.equal(labels, numbers)


@given(n_rows=st.integers(1, 256), batch_size=st.integers(1, 300))
def test_an_epoch_visits_each_row_once_in_the_epochs_order(n_rows: int, batch_size: int) -> None:
    rows = rows_of(torch.arange(256)[-n_rows:])
    steps = EpochSteps(rows, batch_size=batch_size, seed=3)
    for epoch in (1, 2):
        calls = list(steps)
        visited = torch.cat([numbers for call in calls for numbers in call])
        assert torch.equal(visited, rows.numbers[row_order(3, epoch, n_rows)])
        assert len(calls) == len(steps)
        assert all(len(call) <= STEPS_A_CALL for call in calls)


def test_the_parts_of_a_set_share_one_copy_on_another_device() -> None:
    whole, meta = rows_of(torch.arange(9)), torch.device("meta")
    part = Rows(whole.images, whole.labels, torch.arange(3), whole.scale)
    assert whole.to(meta).images is part.to(meta).images


@pytest.mark.parametrize("n", [0, 1, 7])
def test_a_part_counts_its_own_rows(n: int) -> None:
    assert len(rows_of(torch.arange(n))) == n
