"""The live screen of a run: what it says, that it fits, and that a pipe gets plain lines."""

import re
import sys
import time

import pytest
from rich.text import Text

from pipeline.app.progress.tally import Tally
from pipeline.cli.progress import StudyLines, StudyProgress
from pipeline.cli.render.frame import frame, last_frame
from pipeline.cli.terminal import can_draw_over
from pipeline.config import StudyConfig
from pipeline.trial import TrialOutcome, TrialState
from tests.app.events import Told, record
from tests.cli.emulator import Terminal, on_a_terminal
from tests.search.studies import SPACE, study

SIZES = [(80, 24), (100, 30), (200, 50), (40, 10), (12, 3), (1, 1)]


@pytest.fixture(scope="module")
def asked() -> StudyConfig:
    """A study whose trials are asked for by the dozen."""
    return study(trials=48, sampler="random", stopping="halving", block=24)


@pytest.fixture(scope="module")
def told(asked: StudyConfig) -> Told:
    """What its run tells, with sixteen workers."""
    return record(asked, n_workers=16)


def _lines(drawn: list[Text]) -> list[str]:
    return [line.plain for line in drawn]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_no_line_is_wider_than_the_screen_and_all_of_them_fit(
    told: Told, asked: StudyConfig, width: int, height: int
) -> None:
    tally = Tally(asked)
    for one in told.news:
        Told([one]).tell_again(tally)
        drawn = frame(tally, width, height)
        assert len(drawn) <= height
        assert max(line.cell_len for line in drawn) <= max(width - len("^C") - 1, 1)


@pytest.mark.parametrize(("width", "height"), SIZES[:3])
def test_the_screen_says_what_a_user_asks(
    told: Told, asked: StudyConfig, width: int, height: int
) -> None:
    tally = told.tell_again(Tally(asked), len(told.news) * 2 // 3)
    text = "\n".join(_lines(frame(tally, width, height)))
    assert re.search(rf"^small .*━.* {tally.done}/48  0:00:\d\d  about \d+ s left", text)
    assert f"best       val_loss {tally.best_text}  found at " in text
    assert re.search(r"by trial   [▁-█]+  \d\.\d{4} to \d\.\d{4}\n", text)
    assert re.search(r"its curve  [▁-█]+  \d", text)
    assert re.search(r"ended .*\d+ complete", text)
    assert "pruned (halving)" in text
    assert "failed (MemoryError)" in text
    assert re.search(r"running    \d+ trials running", text)
    numbers = [int(found) for found in re.findall(r"^ +(\d+) +\d+/9 ", text, re.MULTILINE)]
    n_shown = len(tally.running)
    if found := re.search(r"and (\d+) more", text):
        n_shown -= int(found[1])
    assert len(numbers) == n_shown > 0
    assert set(numbers) <= set(tally.running)
    assert ("depth" in text.partition("epoch")[2]) == (width >= 100)


def test_where_running_trials_do_not_fit_the_best_are_shown(told: Told, asked: StudyConfig) -> None:
    tally = Tally(asked)
    for one in told.news:
        Told([one]).tell_again(tally)
        if sum(not trial.is_paused for trial in tally.running.values()) > 12:
            break
    shown = [
        int(line.split()[0])
        for line in _lines(frame(tally, 80, 13))
        if re.match(r" +\d+ +\d+/9", line)
    ]
    training = sorted(tally.running.values(), key=lambda trial: (trial.is_paused, trial.loss))
    assert 0 < len(shown) < len(tally.running)
    assert shown == [trial.number for trial in training[: len(shown)]]


def test_before_the_first_trial_the_screen_says_what_is_waited_for(asked: StudyConfig) -> None:
    tally = Tally(asked)
    tally.begin_step("mlflow")
    lines = _lines(frame(tally, 80, 24))
    assert lines[1:] == ["now        importing MLflow and opening its database"]
    assert lines[0].endswith(" 0/48  0:00:00  time left not known yet")


def test_the_last_screen_has_no_running_trials(told: Told, asked: StudyConfig) -> None:
    tally = told.tell_again(Tally(asked), len(told.news) // 2)
    text = "\n".join(_lines(last_frame(tally, 80, 24)))
    assert "running" not in text
    assert "best " in text


@pytest.mark.parametrize("cause", ["\x1b[2J\x1b]0;t\x07", "[red]名前[/red]" * 40, "\u202etxet"])
def test_texts_of_users_are_shown_and_not_obeyed(asked: StudyConfig, cause: str) -> None:
    tally = Tally(asked)
    tally.study = cause
    tally.watch(TrialOutcome(number=0, state=TrialState.FAIL, cause=cause))
    tally.begin_step(cause)
    for drawn in (frame(tally, 80, 24), last_frame(tally, 80, 24)):
        for line in drawn:
            assert line.plain.isprintable()
            assert line.cell_len <= 77
        assert not any("red" in str(span.style) for line in drawn for span in line.spans)


@pytest.fixture(scope="module")
def on_terminal(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a run writes to a real terminal that is resized meanwhile."""
    file = tmp_path_factory.mktemp("live") / "study"
    search = {"trials": 30, "block": 6, "sampler": "random", "stopping": "halving"}
    document = {
        "name": "small",
        "data": {"name": "digits"},
        "model": {"name": "mlp"},
        "space": SPACE,
        "training": {"epochs": 9, "early_stopping": {"patience": 3}},
        "search": search,
    }
    file.write_text(repr(document))
    words = ["-m", "tests.cli.live_run", str(file)]
    code, written = on_a_terminal(words, height=24, TERM="xterm-256color")
    assert code == 0, written
    return written


@pytest.mark.slow
def test_a_terminal_keeps_one_region_whatever_its_size_becomes(on_terminal: str) -> None:
    terminal = Terminal(80).feed(on_terminal)
    assert terminal.n_wrapped == 0
    rows = [row for row in terminal.text.splitlines() if row]
    told = [f"[red]told[/red] at {width}\\x1b[2J" for width in (80, 100, 200, 60)]
    assert rows[:4] == told, terminal.text
    assert re.match(r"small ━+ 30/30  0:00:\d\d", rows[4])
    assert [row.split()[0] for row in rows[5:]] == ["best", "depth", "by", "its", "ended"]


@pytest.mark.slow
def test_a_terminal_is_not_switched_and_its_cursor_comes_back(on_terminal: str) -> None:
    assert "\x1b[?1049" not in on_terminal
    assert "\x1b[2J" not in on_terminal
    assert on_terminal.rindex("\x1b[?25h") > on_terminal.rindex("\x1b[?25l")


@pytest.mark.parametrize(
    ("names", "is_terminal", "draws"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm"}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
    ],
)
def test_lines_are_drawn_over_on_terminals_that_can(
    names: dict[str, str],
    is_terminal: bool,  # noqa: FBT001 - pytest passes arguments by name
    draws: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, text in names.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    assert can_draw_over() is draws
    assert capsys.readouterr().err == ""


def test_a_pipe_gets_a_line_for_each_trial(
    told: Told, asked: StudyConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    with StudyProgress(asked) as progress:
        told.tell_again(progress)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in lines] == [f"[{n}/48]" for n in range(1, 49)]
    assert "trial 12 failed: MemoryError: so much; none complete yet" in "\n".join(lines)
    assert not any("\x1b" in line for line in lines)


def test_a_pipe_is_told_once_what_takes_long_and_now_and_then_the_time_left(
    told: Told, asked: StudyConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    tally = Tally(asked)
    lines = StudyLines(tally, seconds_between=0.05, slow_seconds=0.05)
    lines.start()
    tally.begin_step("mlflow")
    _wait_for(capsys, "importing MLflow and opening its database\n")
    with lines.lock:
        told.tell_again(tally, len(told.news) * 2 // 3)
    _wait_for(capsys, f"[{tally.done}/48] {tally.running_text}; {tally.best_text}; about ")
    lines.stop()


def _wait_for(capsys: pytest.CaptureFixture[str], told: str) -> None:
    written, deadline = "", time.monotonic() + 10
    while told not in written:
        written += capsys.readouterr().err
        assert time.monotonic() < deadline, written
        time.sleep(0.01)
    assert written.startswith(told)


def test_what_is_quick_is_not_told_in_a_pipe(
    asked: StudyConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    with StudyProgress(asked) as progress:
        progress.begin_step("mlflow")
        progress.begin_step("workers")
        progress.begin_step("")
    assert capsys.readouterr().err == ""
