"""The door of the command line: no user sees a traceback, and every option is documented."""

import json
import re
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import OperationalError

from pipeline.app import browse
from pipeline.cli.commands import group
from tests.cli.typed import TypeIn

ORDER = ("run", "show", "confirm", "report", "reproduce")
UNEXPECTED = (
    OperationalError("SELECT 1", {}, OSError("no answer from postgresql://me:secret@host/db")),
    RuntimeError("Cannot tell a WAITING trial.\nTell it later."),
    MlflowException("\x1b[31mno such run"),
    KeyError("value"),
)


def _raising(error: BaseException) -> Any:
    def fail(_workspace: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("error", UNEXPECTED, ids=lambda error: type(error).__name__)
def test_unexpected_error_is_one_line_without_secrets_and_exit_code_1(
    error: Exception, type_in: TypeIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browse, "list_studies", _raising(error))
    answer = type_in("list")
    assert (answer.code, answer.stdout) == (1, "")
    assert answer.stderr.startswith(f"error: unexpected {type(error).__name__}: ")
    assert answer.stderr.endswith("; PIPELINE_DEBUG=1 shows where\n")
    assert answer.stderr.count("\n") == 1
    assert "secret" not in answer.stderr
    assert "\x1b" not in answer.stderr


def test_error_of_the_system_names_the_file_and_what_is_wrong(
    type_in: TypeIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = OSError(28, "No space left on device", "mlruns/mlflow.db")
    monkeypatch.setattr(browse, "list_studies", _raising(error))
    answer = type_in("list")
    assert answer.stderr == "error: mlruns/mlflow.db: No space left on device\n"
    assert answer.code == 1


def test_debug_variable_shows_where_an_error_was_raised(
    type_in: TypeIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browse, "list_studies", _raising(KeyError("value")))
    monkeypatch.setenv("PIPELINE_DEBUG", "1")
    answer = type_in("list")
    assert answer.code == 1
    assert answer.stderr.startswith("Traceback (most recent call last):")
    assert "in list_" in answer.stderr
    assert answer.stderr.splitlines()[-1].startswith("error: unexpected KeyError: 'value';")


def test_json_is_valid_whatever_a_name_holds(
    type_in: TypeIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    studies: list[dict[str, Any]] = [{"study": "a\u2028b\x7f\x1b[31m", "trials": {}, "best": None}]
    monkeypatch.setattr(browse, "list_studies", lambda _workspace: studies)
    assert json.loads(type_in("list", "--json").stdout) == {"studies": studies}
    assert "\x1b" not in type_in("list").stdout


@pytest.mark.parametrize("name", sorted(group.commands))
def test_every_option_of_a_command_has_a_sentence_of_help(name: str) -> None:
    command = group.commands[name]
    assert command.help
    assert command.help.rstrip().endswith(".")
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
            assert parameter.help.endswith("."), parameter.name


@pytest.mark.parametrize("name", sorted(group.commands))
def test_help_of_a_command_fits_eighty_columns_and_ends_with_an_example(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(group, [name, "--help"], prog_name="pipeline").output
    assert max(map(len, shown.splitlines())) <= 80
    assert re.search(rf"\n  Examples?:\n(    pipeline {name}\b.*\n)+$", shown), shown


def test_help_lists_the_commands_as_they_are_used_each_with_a_whole_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(group, ["--help"], prog_name="pipeline").output
    assert max(map(len, shown.splitlines())) <= 80
    listed = re.findall(r"^  ([a-z]+) +(.+)$", shown.partition("Commands:\n")[2], re.MULTILINE)
    assert [name for name, _ in listed] == list(group.commands)
    assert [name for name, _ in listed if name in ORDER] == list(ORDER)
    assert all(sentence.endswith(".") and "..." not in sentence for _, sentence in listed)


@pytest.mark.parametrize("name", sorted(group.commands))
def test_every_option_is_named_in_the_documents(name: str) -> None:
    root = Path(__file__).parents[2]
    text = (root / "README.md").read_text() + (root / "docs/security.md").read_text()
    for parameter in group.commands[name].params:
        if isinstance(parameter, click.Option):
            assert f"`{parameter.opts[0]}" in text or f" {parameter.opts[0]}" in text
