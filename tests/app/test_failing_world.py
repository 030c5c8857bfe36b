"""The world fails around a whole study: the same command again ends with the undisturbed table."""

import json
import resource
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.app.studies import PRUNED_TOO, check_ledgers_agree, command, run_command, table
from tests.long_form import long_form

pytestmark = pytest.mark.slow

N_TRIALS = 14
LARGEST_FILE = 960_000
"""Bytes: MLflow's new database is 954,368, and what is written ahead of it grows beyond."""
FULL_DISK = """
mount -t tmpfs -o size={size} tmpfs {disk} || exit 77
{run} 2> {folder}/said; echo $? > {folder}/code
mount -o remount,size=100m {disk} && {run} && cp -r {disk}/home {folder}/home
"""


def file_in(folder: Path) -> Path:
    """The small study's file."""
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(PRUNED_TOO), encoding="utf-8")
    return path


def limit_files() -> None:
    """Let no file of this process and its children grow beyond a size."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))


def test_study_for_which_there_is_no_room_goes_on_when_there_is(home: Path, tmp_path: Path) -> None:
    words = ("run", file_in(tmp_path), "--home", tmp_path / "home", "--workers", "2")
    full = subprocess.run(
        command(*words), capture_output=True, text=True, check=False, preexec_fn=limit_files
    )
    assert full.returncode == 1, full.stderr
    assert full.stderr.count("error: MLflow cannot ") == 1
    assert "Traceback" not in full.stderr
    run_command(*words)
    assert table(tmp_path / "home") == table(home)
    check_ledgers_agree(tmp_path / "home", N_TRIALS)


@long_form
@pytest.mark.skipif(not shutil.which("unshare"), reason="no unshare on this machine")
@pytest.mark.parametrize("size", ["64k", "300k", "900k", "1100k", "1500k", "1800k", "2600k"])
def test_study_on_a_small_disk_goes_on_when_it_is_larger(
    home: Path, tmp_path: Path, size: str
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    run = command("run", file_in(tmp_path), "--home", disk / "home", "--workers", "2")
    script = FULL_DISK.format(size=size, disk=disk, folder=tmp_path, run=" ".join(run))
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script]
    done = subprocess.run(unshare, capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip("this user may mount nothing")
    assert done.returncode == 0, done.stderr
    said = (tmp_path / "said").read_text(encoding="utf-8")
    assert (tmp_path / "code").read_text(encoding="ascii").strip() == "1", said
    assert said.count("error: ") == 1
    assert "Traceback" not in said
    assert table(tmp_path / "home") == table(home)


def test_clock_that_is_set_back_again_and_again_changes_no_row(home: Path, tmp_path: Path) -> None:
    """It goes back by a day each second, in the driver and in each worker."""
    words = ("run", file_in(tmp_path), "--home", tmp_path / "home", "--workers", "2", "--json")
    done = run_command(*words, fit="fit_while_the_clock_goes_back")
    assert all(spent >= 0 for spent in json.loads(done.stdout)["seconds"].values())
    assert table(tmp_path / "home") == table(home)
    check_ledgers_agree(tmp_path / "home", N_TRIALS)
