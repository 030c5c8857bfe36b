"""The ``python`` that tests start processes with is as good as Python itself."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines.processes import are_gone
from tests.warm.python import PYTHON, ROOT

ECHO = ("-m", "tests.warm.echo")


@pytest.fixture(params=["warm", "cold"])
def python(request: pytest.FixtureRequest) -> str:
    """The command: what is true of Python itself is to be true of the other."""
    return sys.executable if request.param == "warm" else PYTHON


def run(python: str, *words: str, **how: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the script to its end in this working copy."""
    environment = os.environ | {"COLOUR": "blue"} | {k: str(v) for k, v in how.items()}
    return subprocess.run(
        [python, *ECHO, *words],
        cwd=ROOT,
        env=environment,
        input="read",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_process_has_the_words_folder_environment_and_input_of_its_caller(python: str) -> None:
    done = run(python, "tell", "a b", "--c")
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert told["pid"] != os.getpid()
    assert told["path"] == told["folder"] == str(ROOT)
    assert (told["words"], told["colour"], told["text"]) == (["a b", "--c"], "blue", "read")


def test_process_ends_with_its_own_exit_code_or_signal(python: str) -> None:
    assert [run(python, word).returncode for word in ("0", "3", "die")] == [0, 3, -signal.SIGKILL]
    raised = run(python, "raise")
    assert raised.returncode == 1
    assert raised.stderr.startswith("Traceback")
    assert raised.stderr.endswith("ValueError: on purpose\n")


@pytest.mark.parametrize("said", [b"", b'{"words": ["-m"'])
def test_a_client_that_was_killed_before_it_had_said_all_is_not_waited_for(said: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(Path(sys.executable).with_name("socket")))
        client.sendall(said)
    assert run(sys.executable, "0").returncode == 0


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_signal_ends_the_process_itself(python: str, sent: signal.Signals) -> None:
    with subprocess.Popen(
        [python, *ECHO, "stay"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.send_signal(sent)
        assert process.wait(timeout=20) == -sent
        assert are_gone([pid], within_seconds=5)


def test_file_that_is_handed_on_has_the_same_number(python: str) -> None:
    reader, writer = os.pipe()
    words = [python, *ECHO, "write", str(writer)]
    subprocess.run(words, cwd=ROOT, pass_fds=[writer], timeout=60, check=True)
    os.close(writer)
    with open(reader, encoding="utf-8") as pipe:  # noqa: PTH123 - a number
        assert pipe.read() == "written", "it ends, since nobody else holds the other end"


def test_another_copy_of_the_project_is_run_by_python_itself(tmp_path: Path) -> None:
    script = tmp_path / "pipeline" / "__main__.py"
    script.parent.mkdir()
    (script.parent / "__init__.py").touch()
    script.write_text("import sys; print('mlflow' in sys.modules)")
    words = [sys.executable, "-m", "pipeline"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
