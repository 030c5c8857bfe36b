"""One life of a driver, and ``kill -9`` at chosen moments of it. Linux only: it reads ``/proc``."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, Self

from benchmarks.endurance import children_of

Victim = Literal["driver", "worker", "fork-server", "group"]
Phase = Literal["start-up", "training", "writing", "shut-down"]
VICTIMS: Sequence[Victim] = ("driver", "driver", "worker", "fork-server", "group")

TICK_SECONDS = 0.001
MOST_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class Blow:
    """A ``kill -9``, and the moment for it.

    Attributes:
        victim: Whom it is meant for; where there is no worker yet, the fork server.
        phase: ``writing``: when one of the stores has just grown.
        delay: Seconds since the driver's start, or else since its workers are there.
        jitter: Seconds between what is waited for (a write, a signal, the last trial) and the blow.
        signal: What ends the driver before the blow falls in its shut-down; none: the last trial.
    """

    victim: Victim
    phase: Phase
    delay: float = 0.0
    jitter: float = 0.0
    signal: Literal["SIGINT", "SIGTERM", "SIGHUP"] | None = None


Act = Sequence[Blow]
"""The blows that fall on one driver, in their order."""


def draw_act(chance: random.Random, *, start_up_seconds: float) -> Act:
    """Draw what falls on one driver: workers die up to twice, in the end it dies itself."""
    first: list[Blow] = []
    if chance.random() < 0.4:  # noqa: PLR2004
        victim = chance.choice(VICTIMS)
        delay = chance.uniform(0.05, start_up_seconds)
        first = [Blow(victim=victim, phase="start-up", delay=delay)]
        if victim in ("driver", "group"):
            return first
    n_workers = chance.choice([0, 0, 1, 2])
    middle = [_draw_later(chance, ["worker", "worker", "fork-server"]) for _ in range(n_workers)]
    if chance.random() < 0.3:  # noqa: PLR2004
        return [*first, *middle, _draw_last(chance)]
    return [*first, *middle, _draw_later(chance, ["driver", "driver", "group"])]


def _draw_later(chance: random.Random, victims: Sequence[Victim]) -> Blow:
    phases: Sequence[Phase] = ("training", "writing")
    return Blow(
        victim=chance.choice(victims),
        phase=chance.choice(phases),
        delay=chance.uniform(0.0, 1.5),
        jitter=chance.uniform(0.0, 0.02),
    )


def _draw_last(chance: random.Random) -> Blow:
    return Blow(
        victim=chance.choice(VICTIMS),
        phase="shut-down",
        delay=chance.uniform(0.0, 1.5),
        jitter=chance.uniform(0.0, 0.6),
        signal=chance.choice(["SIGINT", "SIGTERM", "SIGHUP", None]),
    )


class Life:
    """One process of ``pipeline run``, in a session of its own, with all that it starts.

    Args:
        words: What follows ``pipeline``.
        home: Where its stores lie.
        scratch: Its folder for temporary files.
        said: Where its words go.
    """

    def __init__(
        self, words: Sequence[str | Path], *, home: Path, scratch: Path, said: IO[str]
    ) -> None:
        self._home = home
        self._said = Path(said.name)
        self._had_said = self._said.stat().st_size
        self._began = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env=os.environ | {"TMPDIR": str(scratch)},
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        """Use it in a ``with`` statement: nothing of it is left."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill what is left."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    @property
    def is_over(self) -> bool:
        """Whether the driver has ended."""
        return self._process.poll() is not None

    def wait(self) -> int:
        """Wait for the driver's end and return its exit code, as a shell has it.

        A signal that comes when Python itself is shutting down, after the last word, is the
        system's to answer: 143 for SIGTERM is then the shell's, and else ours.
        """
        code = self._process.wait(MOST_SECONDS)
        return code if code >= 0 else 128 - code

    def said(self) -> str:
        """What it has said so far."""
        return self._said.read_bytes()[self._had_said :].decode()

    def seconds_to_end(self, most: float) -> float:
        """Wait for the end of all that a dead driver started, and return how long it took."""
        began = time.monotonic()
        while left := list(_session(self._process.pid)):
            if time.monotonic() - began > most:
                message = f"processes {left} live {most:g} seconds after their driver"
                raise AssertionError(message)
            time.sleep(0.02)
        return time.monotonic() - began

    def strike(self, blow: Blow) -> Victim | None:
        """Wait for the moment and kill; return whom it hit, nobody if the driver has ended."""
        if not self._reach(blow):
            return None
        victim, pid = self._find(blow.victim)
        try:
            (os.killpg if victim == "group" else os.kill)(pid, signal.SIGKILL)
        except ProcessLookupError:
            return None
        if victim in ("driver", "group"):
            self._process.wait()
        return victim

    def _reach(self, blow: Blow) -> bool:
        if blow.phase == "start-up":
            begun = blow.victim in ("driver", "group") or self._comes(
                lambda: bool(self._fork_servers())
            )
            return begun and self._comes(lambda: time.monotonic() - self._began >= blow.delay)
        if blow.phase == "shut-down" and blow.signal is None:
            return self._comes(self._is_done) and self._lives_for(blow.jitter)
        if not (self._comes(lambda: bool(self._workers())) and self._lives_for(blow.delay)):
            return False
        if blow.phase == "writing":
            before = self._written()
            if not self._comes(lambda: self._written() != before):
                return False
        if blow.phase == "shut-down":
            self._process.send_signal(signal.Signals[str(blow.signal)])
        return blow.phase == "training" or self._lives_for(blow.jitter)

    def _comes(self, moment: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + MOST_SECONDS
        while not moment():
            if self.is_over:
                return False
            assert time.monotonic() < deadline, "nothing came of waiting"
            time.sleep(TICK_SECONDS)
        return not self.is_over

    def _lives_for(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        return self._comes(lambda: time.monotonic() >= deadline)

    def _is_done(self) -> bool:
        """Whether the last trial was told of: ``[14/14] trial 13 …``."""
        n_done, _, n_trials = self.said().rpartition("\n[")[2].partition("]")[0].partition("/")
        return bool(n_trials) and n_done == n_trials

    def _written(self) -> list[int]:
        sizes = []
        for name in ("optuna.journal", "mlflow.db-wal"):
            with suppress(FileNotFoundError):
                sizes.append((self._home / name).stat().st_size)
        return sizes

    def _find(self, victim: Victim) -> tuple[Victim, int]:
        if victim == "worker" and (workers := self._workers()):
            return "worker", workers[0]
        if victim in ("worker", "fork-server") and (fork_servers := self._fork_servers()):
            return "fork-server", fork_servers[0]
        return "group" if victim == "group" else "driver", self._process.pid

    def _fork_servers(self) -> list[int]:
        return [pid for pid in _children(self._process.pid) if _is_fork_server(pid)]

    def _workers(self) -> list[int]:
        return [pid for server in self._fork_servers() for pid in _children(server)]


def _children(pid: int) -> list[int]:
    with suppress(FileNotFoundError, ProcessLookupError):
        return children_of(pid)
    return []


def _is_fork_server(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return b"pipeline.engines.fork_server" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _session(leader: int) -> Iterator[int]:
    """The living processes of a session, also those whose parent is gone."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(session) == leader and state != "Z":
                yield int(folder.name)
