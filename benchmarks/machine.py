"""What the figures were measured on."""

import platform
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from benchmarks.task import n_cores

FLAGS: Final = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
PACKAGES: Final = (
    *("torch", "pytorch-lightning", "optuna", "mlflow", "ray", "keras", "keras-tuner"),
    "dropout-search",
)


def describe_run(module: str, words: Sequence[str]) -> dict[str, Any]:
    """Tell when, how and on what something was measured.

    Args:
        module: The module that was run.
        words: Its arguments.
    """
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": shlex.join(["python", "-m", module, *words]),
        "machine": describe_machine(),
        "versions": describe_versions(),
    }


def describe_machine(cpu_info: Path = Path("/proc/cpuinfo")) -> dict[str, Any]:
    """Tell the processor, its cores and what of its arithmetic matters here."""
    text = cpu_info.read_text(encoding="utf-8") if cpu_info.exists() else ""
    facts = dict(
        [part.strip() for part in line.split(":", 1)] for line in text.splitlines() if ":" in line
    )
    known = facts.get("flags", "").split()
    return {
        "processor": facts.get("model name", platform.machine()),
        "cores": n_cores(),
        "flags": [flag for flag in FLAGS if flag in known],
    }


def describe_versions() -> dict[str, str | None]:
    """Tell the version of Python and of every package that takes part."""
    return {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
