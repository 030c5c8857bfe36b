"""A checkpoint's content: nested plain values as JSON, tensors as safetensors; nothing unpickles.

A checkpoint is the SHA-256 of what follows (32 bytes), then a safetensors file whose tensor
``state`` holds the JSON. So one that was half written, or damaged since, is known as such.
"""

import hashlib
import json
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

DIGEST_BYTES: Final = 32
STATE: Final = "state"

MAPPINGS: Final[dict[str, type[dict[Any, Any]]]] = {
    "dict": dict,
    "OrderedDict": OrderedDict,
    "Counter": Counter,  # the milestones of MultiStepLR
}
SCALARS: Final = (bool, int, float, str)
SEQUENCES: Final[dict[str, Callable[[list[Any]], Any]]] = {"list": list, "tuple": tuple}


class NotPlainError(TypeError):
    """A value that cannot be written down and read back as it is."""


class DamagedError(ValueError):
    """Bytes that are no whole checkpoint."""


def encode(state: Any) -> bytes:
    """Write a state down.

    Args:
        state: Plain values, tensors and arrays, nested in lists, tuples and dictionaries.

    Raises:
        NotPlainError: It holds something else, a subclass of these included.
    """
    tensors: dict[str, Tensor] = {}
    text = json.dumps(_to_json(state, tensors)).encode()
    tensors[STATE] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
    content = save(tensors)
    return hashlib.sha256(content).digest() + content


def decode(content: bytes) -> Any:
    """Read a state back.

    Raises:
        DamagedError: It is not what ``encode`` wrote.
    """
    digest, rest = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    if hashlib.sha256(rest).digest() != digest:
        message = f"a checkpoint of {len(content)} bytes does not have its SHA-256"
        raise DamagedError(message)
    try:
        tensors = load(rest)
        return _from_json(json.loads(bytes(tensors.pop(STATE).numpy())), tensors)
    except (SafetensorError, ValueError, KeyError) as error:
        raise DamagedError(str(error)) from None


def _to_json(value: Any, tensors: dict[str, Tensor]) -> Any:
    """A value as JSON; tensors are put aside and named by their number."""
    kind = type(value)
    if value is None or kind in SCALARS:
        return value
    if kind in (list, tuple):
        return {kind.__name__: [_to_json(one, tensors) for one in value]}
    if kind in MAPPINGS.values():
        pairs = [[_to_json(key, tensors), _to_json(one, tensors)] for key, one in value.items()]
        return {kind.__name__: pairs}
    if kind is np.ndarray:
        return {"array": _aside(_from_numpy(value), tensors)}
    if _is_simple(value):
        return {"tensor": _aside(value, tensors)}
    message = f"a {kind.__name__}"
    raise NotPlainError(message)


def _is_simple(value: Any) -> bool:
    """Whether a value is a tensor, and no more than its type, shape and numbers."""
    return type(value) in (Tensor, nn.Parameter) and value.layout is torch.strided


def _aside(tensor: Tensor, tensors: dict[str, Tensor]) -> str:
    name = str(len(tensors))
    # A copy: a file of safetensors may not hold two tensors of one memory.
    tensors[name] = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
    return name


def _from_numpy(array: Any) -> Tensor:
    try:
        return torch.from_numpy(np.ascontiguousarray(array).reshape(array.shape))
    except TypeError:
        message = f"an array of {array.dtype}"
        raise NotPlainError(message) from None


def _from_json(content: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(content, dict):
        return content
    [(kind, inner)] = content.items()
    if kind in SEQUENCES:
        return SEQUENCES[kind]([_from_json(one, tensors) for one in inner])
    if kind in MAPPINGS:
        return MAPPINGS[kind](
            {_from_json(key, tensors): _from_json(one, tensors) for key, one in inner}
        )
    return tensors[inner].numpy() if kind == "array" else tensors[inner]
