"""Let ``import torchvision`` work beside a torch that torchvision's library was not built for."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch
from torch.library import Library

NMS_ARGUMENTS = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


@cache
def ensure_torchvision() -> Library | None:
    """Make torchvision importable; call it before anything imports torchvision.

    The wheel of torchvision on the package index is built for CUDA. Beside a CPU torch its
    library does not load, and the import fails with "operator torchvision::nms does not exist".
    Declaring the two operators that the import asks for is enough; calling one of them fails.

    Returns:
        The declarations, kept alive by the cache; ``None`` where torchvision needs no help.
    """
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None or hasattr(torch.ops.torchvision, "nms"):
        return None
    if _loads_own_library(Path(spec.origin).parent):
        return None
    library = Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for operator in ("nms", "qnms"):
        library.define(f"{operator}{NMS_ARGUMENTS}")  # type: ignore[no-untyped-call]
    return library


def _loads_own_library(package: Path) -> bool:
    """Try the library as torchvision does; loading it twice does no harm."""
    try:
        for path in package.glob("_C*.so"):
            torch.ops.load_library(path)  # type: ignore[no-untyped-call]
    except OSError:
        return False
    return hasattr(torch.ops.torchvision, "nms")
