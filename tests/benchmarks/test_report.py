"""What a run's figures become: JSON, the screen's table, the README's table."""

import re
from pathlib import Path

import pytest

from benchmarks.__main__ import update_readme
from benchmarks.case import Case, Measured
from benchmarks.machine import describe_machine, describe_run
from benchmarks.report import BEGIN, END, Report, screen_lines, with_table


def measured(*seconds: float, values: tuple[float, ...] = (0.5, 0.25)) -> Measured:
    return Measured(seconds=list(seconds), start_up=[2.0] * len(seconds), values=list(values))


def case(**peers: Measured) -> Case:
    return Case(data="digits", list_name="mixed", n_trials=2, epochs=3, peers=peers)


def report(*cases: Case) -> Report:
    return Report(
        date="2026-11-21",
        command="python -m benchmarks",
        machine={"processor": "a fast one", "cores": 2, "flags": ["avx512f"]},
        versions={"python": "3.11.7", "torch": "2.13.0"},
        cases=list(cases),
    )


COMPARED = case(documented=measured(36.0), bare=measured(18.0), fused=measured(9.0, 4.5, 3.0))


def test_trials_an_hour_are_those_of_the_median_repetition() -> None:
    assert COMPARED.peers["fused"].trials_an_hour == pytest.approx(1_600)


def test_ratio_compares_trials_an_hour() -> None:
    assert COMPARED.ratio("fused", "documented") == pytest.approx(8)
    assert COMPARED.ratio("fused", "bare") == pytest.approx(4)
    assert COMPARED.ratio("fused", "ray-tune") is None


def test_peer_that_trains_something_else_is_named() -> None:
    odd = case(documented=measured(1), bare=measured(1), fused=measured(1, values=(0.9, 0.9)))
    assert odd.strangers == ["fused"]
    assert not odd.is_sound
    assert COMPARED.is_sound


def test_case_with_a_failed_peer_is_not_sound() -> None:
    failed = case(bare=measured(1))
    failed.failed["fused"] = "no memory"
    assert not failed.is_sound
    assert any("no memory" in line for line in screen_lines(failed))


def test_screen_shows_ratios_best_value_and_start_up() -> None:
    (line,) = [line for line in screen_lines(COMPARED) if "fused" in line]
    assert re.search(r" 1,600 +8\.00 +4\.00 +0\.2500 +2\.0 s +0\.0%$", line)


def test_readme_table_has_a_row_a_peer_and_a_column_a_case() -> None:
    lines = report(COMPARED, case(bare=measured(18.0))).as_markdown().splitlines()
    assert lines[:5] == [
        f"| trials an hour | {COMPARED.title} | {COMPARED.title} | start-up, seconds |",
        "| --- | --: | --: | --: |",
        "| (a) Lightning + Optuna + MLflow | 200 (1.00, 0.50) | - | 2.0 |",
        "| (d) bare PyTorch loop | 400 (2.00, 1.00) | 400 (-, 1.00) | 2.0 |",
        "| (e2) this project, fused | 1,600 (8.00, 4.00) | - | 2.0 |",
    ]
    assert "2 cores (avx512f)" in lines[-1]


def test_report_is_the_same_after_json(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    report(COMPARED).write(path)
    assert Report.read(path) == report(COMPARED)


def test_table_replaces_what_stands_between_the_markers() -> None:
    readme = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    once = with_table(readme, "| new |")
    assert once == f"before\n{BEGIN}\n| new |\n{END}\nafter\n"
    assert with_table(once, "| new |") == once


@pytest.mark.parametrize(
    "readme",
    [
        pytest.param("no markers", id="none"),
        pytest.param(f"{BEGIN} open", id="no end"),
        pytest.param(f"{END} {BEGIN}", id="wrong order"),
        pytest.param(f"{BEGIN} {END} {BEGIN} {END}", id="twice"),
    ],
)
def test_table_needs_both_markers_once(readme: str) -> None:
    with pytest.raises(ValueError, match="expected <!-- bench --> and, after it,"):
        with_table(readme, "| new |")


def test_readme_gets_the_table_of_the_report(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"# Title\n{BEGIN}\n{END}\n", encoding="utf-8")
    update_readme(readme, report(COMPARED))
    assert report(COMPARED).as_markdown() in readme.read_text(encoding="utf-8")


def test_machine_is_told_by_its_processor_cores_and_flags(tmp_path: Path) -> None:
    cpu_info = tmp_path / "cpuinfo"
    cpu_info.write_text("model name\t: A\nflags\t\t: fpu amx_bf16 avx512f\n", encoding="utf-8")
    told = describe_machine(cpu_info)
    assert told["processor"] == "A"
    assert told["cores"] >= 1
    assert told["flags"] == ["avx512f", "amx_bf16"]


def test_run_is_told_by_date_command_machine_and_versions() -> None:
    told = describe_run("benchmarks", ["--repeat", "3"])
    assert told["command"] == "python -m benchmarks --repeat 3"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", told["date"])
    assert told["versions"]["torch"]
