"""What a module prints and raises is kept where its trial fails."""

import sys
from typing import Any

import pytest

from pipeline.config import TrialConfig
from pipeline.learning.custom.trial_log import LONGEST, TrialLog
from pipeline.learning.data import PreparedData
from pipeline.trial import TrialState
from tests.learning.custom.modules import Batch, Plain
from tests.learning.custom.trials import fit, own_trial


class Chatty(Plain):
    """Prints, complains, and fails in its second epoch."""

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Say where it is."""
        super().validation_step(batch, batch_idx)
        print("epoch", self.current_epoch, "of Chatty")  # noqa: T201 - what is tested
        print("this is odd", file=sys.stderr)  # noqa: T201 - what is tested
        if self.current_epoch:
            self.look_up("postgresql://me:secret@host/db")

    def look_up(self, address: str) -> None:
        """Raise from a function of its own."""
        raise LookupError(address)


class Content(Plain):
    """Prints, and is complete."""

    def on_fit_start(self) -> None:
        """Print."""
        print("all is well")  # noqa: T201 - what is tested


def trial(model: str) -> TrialConfig:
    """A trial of this file's module."""
    given: Any = own_trial().model_dump(exclude={"model"})
    return TrialConfig.model_validate(given | {"model": {"class_path": f"{__name__}.{model}"}})


def test_a_failed_trial_has_its_prints_and_the_whole_traceback(
    digits: PreparedData, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = fit(digits, trial("Chatty"))
    assert outcome.state is TrialState.FAIL
    log = (outcome.log or b"").decode()
    assert log.index("epoch 0 of Chatty") < log.index("epoch 1 of Chatty")
    assert "this is odd" in log
    assert "Traceback (most recent call last)" in log
    assert "in look_up" in log
    assert "raise LookupError(address)" in log
    assert "secret" not in log
    assert "Chatty" not in capsys.readouterr().out


def test_a_complete_trial_keeps_no_log(digits: PreparedData) -> None:
    outcome = fit(digits, trial("Content"))
    assert outcome.state is TrialState.COMPLETE
    assert outcome.log is None


def test_the_streams_are_given_back() -> None:
    before = sys.stdout, sys.stderr
    log = TrialLog()
    with log.capturing():
        print("inside")  # noqa: T201 - what is tested
    with pytest.raises(ZeroDivisionError), log.capturing():
        raise ZeroDivisionError
    assert (sys.stdout, sys.stderr) == before
    assert log.content == b"inside\n"


def test_the_end_of_a_long_log_is_kept() -> None:
    log = TrialLog()
    assert TrialLog().content is None
    for number in range(LONGEST):
        log.write(f"{number}\n")
    content = log.content or b""
    assert len(content) == LONGEST
    assert content.endswith(f"{LONGEST - 1}\n".encode())
