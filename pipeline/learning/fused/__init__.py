"""Networks of one shape stacked and trained in one loop, each to the bit as if it were alone.

Every kernel here is a stacked form of an ordinary module, with its backward written by hand: a
product of the stack is a batched product whose kernel does not depend on how many members there
are, so companions change no bit (on a CPU with one thread; docs/decisions/0007-fused-cohorts.md).
A new layer is a new kernel here; the loop stays as it is.
"""

from pipeline.learning.fused.stack import Stack, why_not_stackable

__all__ = ["Stack", "why_not_stackable"]
