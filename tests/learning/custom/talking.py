"""Modules that log figures, images and texts through their logger, as public templates do."""

from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from tests.learning.custom.modules import Batch, Plain


def a_figure(height: float = 1.0) -> Figure:
    """A line that rises."""
    figure = Figure(figsize=(1, 1))
    figure.subplots().plot([0.0, height])
    return figure


class Drawing(Plain):
    """Logs at the end of each validation, in the style of MLflow and of TensorBoard."""

    def on_validation_epoch_end(self) -> None:
        """Log."""
        logger: Any = self.logger
        to = logger.experiment
        epoch = self.current_epoch
        to.log_figure(logger.run_id, a_figure(), f"plots/line-{epoch}.svg")
        to.log_image(np.full((4, 4, 3), 200, dtype=np.uint8), "grey.png")
        to.log_text(logger.run_id, f"epoch {epoch}", "notes.txt")
        to.log_dict({"epoch": epoch}, artifact_file="facts.json")
        to.add_figure("val/line", a_figure(), epoch)
        to.add_image("val/image", torch.ones(1, 4, 4), global_step=epoch)
        to.add_text("said", "hello")
        to.add_scalar("x", 1.0, 0)
        to["neptune/x"].append(1.0)
        to["neptune/y"] = 2
        logger.log_metrics({"y": 2.0})
        logger.log_hyperparams({"z": 3})


class Escaping(Plain):
    """Logs under names that lead elsewhere, and things that are none."""

    def on_fit_end(self) -> None:
        """Log."""
        to: Any = self.logger.experiment  # type: ignore[union-attr]
        for name in ("../../outside.txt", "/etc/passwd", "record.json", "..", ""):
            to.log_text("secret", name)
        to.log_figure("no figure", "broken.png")
        to.log_image(np.zeros((2, 2, 7)), "seven-channels.png")
        to.log_dict({"x": {1, 2}}, "set.json")
        to.log_text("x" * 2**24, "large.txt")


class Flooding(Plain):
    """Logs a file for each of its steps."""

    def training_step(self, batch: Batch, batch_idx: int) -> Any:
        """Log the step's number."""
        self.logger.experiment.add_text("step", "here", self.global_step)  # type: ignore[union-attr]
        return super().training_step(batch, batch_idx)
