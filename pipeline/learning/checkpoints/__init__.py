"""Checkpoints: a long trial goes on from its last one, bit for bit as if it had never stopped.

Nothing here imports torch before it is asked to: the driver tidies up, and it has no torch.
"""

from pipeline.learning.checkpoints.files import CheckpointFolder, Resumable

__all__ = ["CheckpointFolder", "Resumable"]
