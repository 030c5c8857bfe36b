"""What is typed, and what must hold of the answer where it is wrong."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FILE = "study.yaml"
STUDY: dict[str, Any] = {
    "name": "small",
    "data": {"name": "digits", "validation": 0.2},
    "model": {"name": "mlp"},
    "space": {
        "depth": {"low": 1, "high": 2},
        "width": {"choices": [16, 32]},
        "dropout": {"low": 0.0, "high": 0.6, "per_layer": True},
        "batch_size": {"choices": [32, 64]},
        "learning_rate": {"low": 1.0e-4, "high": 1.0e-2, "log": True},
    },
    "training": {"epochs": 2, "early_stopping": {"patience": 1}},
    "search": {"trials": 6},
    "trials": [{"depth": 2, "dropout": 0.25}],
}
TEXT = yaml.safe_dump(STUDY, sort_keys=False)
MISSING = object()


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a command that was refused left behind."""

    code: int | str | None
    stdout: str
    stderr: str

    def refuses(self, *words: str) -> None:
        """Hold an answer to the promise: one clear error, exit code 2."""
        told = self.stderr.casefold()
        assert self.code == 2, self
        assert self.stdout == ""
        assert told.count("error: ") == 1, self.stderr
        assert "traceback" not in told
        for word in words:
            assert word in self.stderr, self.stderr


TypeIn = Callable[..., Answer]
"""Runs the command line with these words."""


def snapshot(folder: Path) -> dict[str, str]:
    """Every file's SHA-256 by its path, folders too."""
    return {
        str(path.relative_to(folder)): _sha256(path) if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
    }


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def changed(changes: dict[str, Any]) -> str:
    """The study's text with dotted keys replaced, added or taken away."""
    document = yaml.safe_load(TEXT)
    for key, value in changes.items():
        section, *inner = document, *key.split(".")[:-1]
        for part in inner:
            section = section[int(part) if isinstance(section, list) else part]
        last = key.rpartition(".")[2]
        if value is MISSING:
            del section[last]
        else:
            section[int(last) if isinstance(section, list) else last] = value
    return yaml.safe_dump(document, sort_keys=False)
