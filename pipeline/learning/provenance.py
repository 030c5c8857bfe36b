"""What a trial's bits depend on beside its config: sources, packages, processor, threads."""

import functools
import hashlib
import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import torch

import pipeline
from pipeline.config import TrainingConfig
from pipeline.learning.data import PreparedData
from pipeline.learning.data.labels import Classes, Targets
from pipeline.trial import Facts

PACKAGES = ("torch", "pytorch-lightning", "numpy", "safetensors")
DISTRIBUTION = "dropout-search"
PACKAGE = Path(pipeline.__file__).parent


class DataFacts(NamedTuple):
    """What a record says of the data: see ``Facts``."""

    data_sha256: str
    split_sha256: str
    input_shape: tuple[int, ...] | None
    n_classes: int | None
    scale: float | None = None
    n_targets: int | None = None
    class_names: tuple[str, ...] | None = None
    target_mean: tuple[float, ...] | None = None
    target_std: tuple[float, ...] | None = None

    @classmethod
    def of(cls, data: PreparedData, split_sha256: str, labels: Classes | Targets) -> "DataFacts":
        """The facts of a decoded data set.

        Args:
            data: The data set.
            split_sha256: Of its split.
            labels: What the training rows' labels are; of folds, the first one's.
        """
        sizes = data.image_shape, data.n_classes, data.scale, data.n_targets
        facts = cls(data.sha256, split_sha256, *sizes, class_names=data.class_names)
        if isinstance(labels, Classes):
            return facts
        return facts._replace(target_mean=labels.mean, target_std=labels.std)


def collect_facts(
    training: TrainingConfig,
    data: DataFacts,
    *,
    stack_index: int = 0,
    stack_size: int = 1,
    alone_because: str | None = None,
    custom_sources: Mapping[str, str] | None = None,
) -> Facts:
    """Collect what a trial's bits depend on beside its config.

    Args:
        training: The trial's training section.
        data: What is known of the data set and its split.
        stack_index: The trial's index among those that were trained as one.
        stack_size: How many trials were trained as one.
        alone_because: Why the trial was not fused with others; ``None`` where it might have been.
        custom_sources: SHA-256 of the user's own source files, where there are any.
    """
    commit, clean = project_commit()
    return Facts(
        **data._asdict(),
        sources=SOURCES | dict(custom_sources or {}),
        packages={name: metadata.version(name) for name in PACKAGES},
        python=platform.python_version(),
        processor=processor(),
        threads=torch.get_num_threads(),
        precision=training.precision,
        device=name_device(resolve_device(training.device)),
        stack_index=stack_index,
        stack_size=stack_size,
        alone_because=alone_because,
        project_version=metadata.version(DISTRIBUTION),
        project_commit=commit,
        project_clean=clean,
    )


def resolve_device(device: str) -> str:
    """Turn ``auto`` into the device that this machine has."""
    if device != "auto":
        return device
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def name_device(device: str) -> str:
    """Name what a trial was trained on: of GPUs the kind, since the bits may differ by it."""
    has_kind = device == "cuda" and torch.cuda.is_available()
    return f"cuda ({torch.cuda.get_device_name()})" if has_kind else device


def source_digests(package: Path) -> dict[str, str]:
    """SHA-256 of each source file of a package, by its path below the package's parent."""
    return {
        path.relative_to(package.parent).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(package.rglob("*.py"))
    }


SOURCES = source_digests(PACKAGE)
"""Taken at the import, so that an edit while a long study runs is not taken for what it runs."""


@functools.cache
def processor() -> str:
    """Name the processor and the instruction set that torch's kernels choose by."""
    return f"{_model_name()}, {torch.backends.cpu.get_cpu_capability()}"


def _model_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    found = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)
    }
    model = [f"{key} {found[key]}" for key in ("cpu family", "model", "stepping") if key in found]
    return ", ".join([found.get("model name", platform.machine()), *model])


@functools.cache
def project_commit(package: Path = PACKAGE) -> tuple[str | None, bool | None]:
    """The commit that a package is run from and whether its tree is clean.

    Both are ``None`` where the package is not a tracked part of a git checkout.
    """
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None, None
    changed = _git(package, "status", "--porcelain", "--", ".")
    return _git(package, "rev-parse", "HEAD"), changed == ""


def _git(folder: Path, *words: str) -> str | None:
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), *words],  # noqa: S607 - git is found where the user has it
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
