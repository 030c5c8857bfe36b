"""Which GPUs torch sees here, told as JSON: ``python -m pipeline.learning.gpus``.

A driver asks a process of its own, since whoever asks CUDA keeps some of the first GPU's memory.
"""

import json
import sys
from typing import Any

import torch


def seen_gpus() -> list[dict[str, Any]]:
    """Name and memory of each GPU, in the order in which CUDA counts them."""
    found = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
    return [{"name": gpu.name, "memory_bytes": gpu.total_memory} for gpu in found]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(seen_gpus()))
