"""A checkpoint after each epoch."""

import pytest


@pytest.fixture(autouse=True)
def keep_each_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no time pass between checkpoints."""
    monkeypatch.setattr("pipeline.learning.checkpoints.states.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("pipeline.learning.checkpoints.states.COST_FACTOR", 0)
