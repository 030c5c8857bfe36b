"""A stranger's weights: a safetensors file holds names, shapes and numbers, and nothing else."""

from safetensors import SafetensorError, deserialize


def weights_fault(content: bytes) -> str | None:
    """Why bytes are no whole safetensors file; ``None``: they are one."""
    try:
        deserialize(content)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        return f"they are no safetensors: {error}"
    return None
