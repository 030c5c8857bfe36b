"""Run a study without training on a terminal that is resized meanwhile: what is drawn is tested."""

import sys
import termios
from pathlib import Path

from pipeline.cli.live import Region
from pipeline.cli.progress import StudyProgress
from pipeline.config import check_study
from tests.app.events import Told, record

SIZES = (80, 24), (100, 30), (200, 50), (60, 12)


def main() -> None:
    """Tell the screen what a run tells, a part at each size."""
    document = eval(Path(sys.argv[1]).read_text())  # noqa: S307 - written by the test
    study = check_study(document, "small.yaml")
    told = record(study)
    n_news = len(told.news) // (len(SIZES) + 1)
    with StudyProgress(study) as progress:
        assert isinstance(progress._shown, Region)
        for part, (width, height) in enumerate(SIZES):
            termios.tcsetwinsize(2, (height, width))
            print(f"\x1b]size:{width}x{height}\x07", end="", file=sys.__stderr__, flush=True)
            Told(told.news[part * n_news : (part + 1) * n_news]).tell_again(progress)
            progress._shown._live.refresh()
            progress.tell(f"[red]told[/red] at {width}\x1b[2J")
        Told(told.news[len(SIZES) * n_news :]).tell_again(progress)


if __name__ == "__main__":
    main()
