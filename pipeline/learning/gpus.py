"""Which GPUs torch sees here, told as JSON by ``python -m pipeline.learning.gpus``; free memory.

A driver asks a process of its own, since whoever asks CUDA keeps some of the first GPU's memory.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch


def seen_gpus() -> list[dict[str, Any]]:
    """Name and memory of each GPU, in the order in which CUDA counts them."""
    found = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
    return [{"name": gpu.name, "memory_bytes": gpu.total_memory} for gpu in found]


def has_device(device: str) -> bool:
    """Whether torch can train on a device here: ``cpu``, ``cuda`` or ``mps``."""
    if device == "cuda":
        return torch.cuda.is_available()
    return device != "mps" or torch.backends.mps.is_available()


def free_bytes(device: str) -> int:
    """Bytes of memory that are free: of the GPU, or of the machine."""
    if device == "cuda" and torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    kilobytes = dict(line.split(":", 1) for line in lines)["MemAvailable"]
    return 1024 * int(kilobytes.split()[0])


if __name__ == "__main__":
    sys.stdout.write(json.dumps(seen_gpus()))
