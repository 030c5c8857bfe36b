"""The documents say what the code does."""

import re
from pathlib import Path

import click
import pytest
import yaml

from pipeline.cli.commands import group
from pipeline.config import MODELS, StudyConfig, check_study, load_study

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "mlruns/README.md",
    ROOT / "studies/README.md",
]


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_readme_shows_the_study_that_the_demo_runs() -> None:
    shown = check_study(yaml.safe_load(_blocks(README, "yaml")[0]), "README.md")
    assert shown == load_study(ROOT / "studies/mnist_5k_mlp.yaml")


@pytest.mark.parametrize("name", sorted(group.commands))
def test_readme_documents_each_command(name: str) -> None:
    assert f"| `pipeline {name}" in README


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_page_names_only_commands_and_options_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    quoted = " ".join(re.findall(r"`[^`\n]+`", text))
    named = set(re.findall(r"`pipeline ([a-z]+)\b", quoted))
    assert named <= set(group.commands)
    known = {
        option
        for command in group.commands.values()
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
    }
    assert set(re.findall(r"`(--[a-z-]+)[ `]", text)) <= known


def test_study_page_names_each_key_of_the_study_file() -> None:
    page = (ROOT / "docs/study-file.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([a-z_.]+)` \|", page.partition("## Data")[0], re.MULTILINE))
    schema = StudyConfig.model_json_schema()
    sections = {"data": "DataConfig", "model": "ModelConfig", "training": "StudyTraining"}
    sections |= {"search": "SearchConfig", "objective": "Objective"}
    keys = {
        f"{section}.{key}"
        for section, record in sections.items()
        for key in schema["$defs"][record]["properties"]
    }
    assert named == keys | (set(schema["properties"]) - set(sections))


@pytest.mark.parametrize("model", MODELS)
def test_study_page_names_each_model_and_its_parameters(model: str) -> None:
    page = (ROOT / "docs/study-file.md").read_text(encoding="utf-8")
    models = page.partition("## Models")[2].partition("## The space")[0]
    assert f"| `{model}` |" in models
    for name in MODELS[model].parameters.by_name:
        assert f"`{name}`" in models, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_page_links_to_files_that_exist(page: Path) -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_make_targets_that_pages_name_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", text, re.MULTILINE))
    assert {"demo", "quick", "test", "check", "torture"} <= named
    for target in named:
        assert f"\n{target}:" in makefile, target


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.parent.name != "decisions"],  # those tell what was
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_page_names_only_files_of_the_project_that_exist(page: Path) -> None:
    for path in re.findall(r"`((?:pipeline|tests|docs)/[\w/.-]+)`", page.read_text()):
        assert (ROOT / path).exists(), path
