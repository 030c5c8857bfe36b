"""Where cohorts run."""

from pipeline.engines.local import LocalEngine

__all__ = ["LocalEngine"]
