"""Take the pictures of the live screen that the documents show: the demo, in tmux at three sizes.

``python -m benchmarks.screens`` (tmux, Chromium, and the extra ``dev`` for playwright).
"""

import argparse
import re
import shutil
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Self

from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.text import Text

from benchmarks.pictures import FLAGS, FOLDER

ROOT: Final = Path(__file__).parents[1]
STUDY: Final = ROOT / "studies/mnist_5k_mlp.yaml"
SIZES: Final = {20: (80, 24), 32: (100, 30), 44: (200, 50)}
"""The screen's size by the trials that have ended when its picture is taken."""
START_UP_SECONDS: Final = 4
SETTLING_SECONDS: Final = 2
LOOK_SECONDS: Final = 0.5
MOST_SECONDS_TO_END: Final = 10.0


class Tmux:
    """A terminal in which the demo runs; it ends with the context.

    Args:
        socket: Of a tmux server of its own.
        home: Where the study's state goes.
    """

    def __init__(self, socket: Path, home: Path) -> None:
        self._tmux = ["tmux", "-S", str(socket), "-f", "/dev/null"]
        self._command = f"{sys.executable} -m pipeline run {STUDY} --home {home}; sleep 600"

    def __enter__(self) -> Self:
        """Start the demo in a terminal of 80 columns."""
        self._call("new-session", "-d", "-x", "80", "-y", "24", "-c", str(ROOT), self._command)
        return self

    def __exit__(self, *_: object) -> None:
        """Interrupt the demo, and end tmux once it has written what it had."""
        self._call("send-keys", "C-c")
        deadline = time.monotonic() + MOST_SECONDS_TO_END
        while "interrupted" not in self.screen() and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        self._call("kill-server")

    def resize(self, width: int, height: int) -> None:
        """Resize the terminal."""
        self._call("resize-window", "-x", str(width), "-y", str(height))

    def screen(self) -> str:
        """What stands on the terminal, with its colours."""
        return self._call("capture-pane", "-e", "-p")

    def _call(self, *words: str) -> str:
        return subprocess.run(
            [*self._tmux, *words], capture_output=True, text=True, check=True
        ).stdout


def wait_for_trials(terminal: Tmux, n_ended: int) -> None:
    """Wait until so many of the study's trials have ended."""
    while True:
        found = re.search(r" (\d+)/60 ", terminal.screen())
        if found and int(found[1]) >= n_ended:
            return
        time.sleep(LOOK_SECONDS)


def take(screen: str, width: int, path: Path) -> None:
    """Draw a screen as a picture."""
    console = Console(record=True, width=width, file=StringIO(), force_terminal=True)
    console.print(Text.from_ansi(screen.rstrip("\n")), soft_wrap=True)
    svg = console.export_svg(title="pipeline run studies/mnist_5k_mlp.yaml")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page()
        page.set_content(f"<body style='margin: 0'>{svg}</body>")
        page.locator("svg").screenshot(path=path)
        browser.close()


def main() -> None:
    """Run the demo and take its pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER)
    given = parser.parse_args()
    with (
        TemporaryDirectory(prefix="screens") as folder,
        Tmux(Path(folder) / "tmux", Path(folder) / "home") as terminal,
    ):
        time.sleep(START_UP_SECONDS)
        take(terminal.screen(), 80, given.out / "live-start.png")
        for n_ended, (width, height) in SIZES.items():
            terminal.resize(width, height)
            wait_for_trials(terminal, n_ended)
            time.sleep(SETTLING_SECONDS)
            take(terminal.screen(), width, given.out / f"live-{width}x{height}.png")


if __name__ == "__main__":
    main()
