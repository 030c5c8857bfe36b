"""What a user's module logs through ``self.logger``: figures, images and texts of its trial."""

import io
import json
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pipeline.learning.lightning import DummyLogger

MOST_FILES: Final = 64
LARGEST_BYTES: Final = 2**24
"""Of all files of a trial together, 16 MiB."""
LONGEST_NAME: Final = 100
LARGEST_BYTE: Final = 255
UNSAFE: Final = re.compile(r"[^\w.\-]+", re.ASCII)


class LoggedFiles:
    """The files of a trial, by names that lead nowhere; a name that comes again replaces its file.

    Attributes:
        files: By name.
        left_out: Names for which there was no room, or that could not be written.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.left_out: dict[str, None] = {}

    def add(self, name: Any, suffix: str, write: Callable[[], bytes]) -> None:
        """Add a file; a fault in what is logged fails no trial.

        Args:
            name: As the module gives it.
            suffix: Of the name, where it has none.
            write: Gives the content.
        """
        safe = file_name(str(name), suffix)
        try:
            content = write()
        except Exception:  # noqa: BLE001 - the name is told in the trial's warning
            self.left_out[safe] = None
            return
        others = [len(one) for other, one in self.files.items() if other != safe]
        if len(others) >= MOST_FILES or sum(others) + len(content) > LARGEST_BYTES:
            self.left_out[safe] = None
        else:
            self.files[safe] = content

    def state_dict(self) -> dict[str, Tensor]:
        """The files as a checkpoint holds them."""
        return {
            name: torch.frombuffer(bytearray(content), dtype=torch.uint8)
            for name, content in self.files.items()
            if content
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on with the files of ``state_dict``."""
        self.files = {name: content.numpy().tobytes() for name, content in state.items()}


def file_name(name: str, suffix: str) -> str:
    """A name of a file in one folder.

    >>> [file_name(name, ".png") for name in ("../plots/confusion.svg", "val/images", "..")]
    ['plots_confusion.svg', 'val_images.png', 'unnamed.png']
    """
    safe = UNSAFE.sub("_", name).strip("._")[-LONGEST_NAME:] or "unnamed"
    return safe if re.search(r"\.\w{1,5}$", safe) else safe + suffix


class TrialExperiment:
    """Takes files as ``MlflowClient`` and TensorBoard's ``SummaryWriter`` do; all else is nothing.

    MLflow's methods may be called with the run's id first, as its client's are, or without.

    Args:
        files: Where they go.
    """

    def __init__(self, files: LoggedFiles) -> None:
        self._files = files

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Take any other call: ``add_scalar``, ``log_metric``."""
        if name.startswith("__"):
            raise AttributeError(name)
        return _ignore

    def __getitem__(self, key: Any) -> "TrialExperiment":
        """Take ``experiment["x"].append(…)``."""
        return self

    def __setitem__(self, key: Any, value: Any) -> None:
        """Take ``experiment["x"] = …``."""

    def log_figure(self, *given: Any, **named: Any) -> None:
        """``log_figure(run_id, figure, artifact_file)``."""
        figure, name = _bound(given, named, "figure", "artifact_file")
        self._files.add(name, ".png", lambda: _drawn(figure, str(name)))

    def log_image(self, *given: Any, **named: Any) -> None:
        """``log_image(run_id, image, artifact_file)``, or with ``key`` and ``step``."""
        key, step = named.pop("key", None), named.pop("step", None)
        if key is not None:
            named["artifact_file"] = _tagged(key, step, ".png")
        image, name = _bound(given, named, "image", "artifact_file")
        self._files.add(name, ".png", lambda: _png(_pixels(image, "HWC")))

    def log_text(self, *given: Any, **named: Any) -> None:
        """``log_text(run_id, text, artifact_file)``."""
        text, name = _bound(given, named, "text", "artifact_file")
        self._files.add(name, ".txt", lambda: str(text).encode())

    def log_dict(self, *given: Any, **named: Any) -> None:
        """``log_dict(run_id, dictionary, artifact_file)``, as JSON."""
        content, name = _bound(given, named, "dictionary", "artifact_file")
        self._files.add(name, ".json", lambda: json.dumps(content, indent=1).encode())

    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: Any = None,
        *_positional: Any,
        close: bool = True,
        **_named: Any,
    ) -> None:
        """TensorBoard's, which closes the figure unless it is told not to."""
        self._files.add(_tagged(tag, global_step, ".png"), "", lambda: _drawn(figure, ".png"))
        pyplot = sys.modules.get("matplotlib.pyplot")
        if close and pyplot is not None:
            pyplot.close(figure)

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Any = None,
        *_positional: Any,
        dataformats: str = "CHW",
        **_named: Any,
    ) -> None:
        """TensorBoard's; values in [0, 1], or bytes."""
        name = _tagged(tag, global_step, ".png")
        self._files.add(name, "", lambda: _png(_pixels(img_tensor, dataformats)))

    def add_text(
        self,
        tag: str,
        text_string: str,
        global_step: Any = None,
        *_positional: Any,
        **_named: Any,
    ) -> None:
        """TensorBoard's."""
        self._files.add(_tagged(tag, global_step, ".txt"), "", lambda: str(text_string).encode())


class TrialLogger(DummyLogger):
    """The logger of a trial's Trainer: it keeps files, and takes whatever else is called on it.

    Args:
        files: Where they go.
    """

    def __init__(self, files: LoggedFiles) -> None:
        super().__init__()
        self._files = TrialExperiment(files)

    @property
    def experiment(self) -> Any:
        """What a module calls to log a file."""
        return self._files


def _ignore(*_given: Any, **_named: Any) -> None:
    """Do nothing."""


def _tagged(tag: Any, step: Any, suffix: str) -> str:
    return f"{tag}{suffix}" if step is None else f"{tag}_{step}{suffix}"


def _bound(given: tuple[Any, ...], named: dict[str, Any], *names: str) -> list[Any]:
    """Bind arguments to names, the last to the last: before them may stand a run's id."""
    missing = [name for name in names if name not in named]
    last = given[len(given) - len(missing) :] if len(given) >= len(missing) else given
    found = dict(zip(missing, last, strict=False)) | named
    return [found.get(name) for name in names]


def _drawn(figure: Any, name: str) -> bytes:
    """A figure of matplotlib's, or what writes itself as HTML (plotly's)."""
    if not hasattr(figure, "savefig"):
        return str(figure.to_html()).encode()
    buffer = io.BytesIO()
    kind = name.rpartition(".")[2].lower()
    figure.savefig(buffer, format=kind if kind in ("svg", "pdf") else "png")
    return buffer.getvalue()


def _pixels(image: Any, axes: str) -> Image.Image:
    """An image of whole numbers to 255, or of values in [0, 1].

    Args:
        image: Of shape [H, W], or with a third axis for 1, 3 or 4 channels.
        axes: The order of three axes, such as ``CHW``.
    """
    if isinstance(image, Image.Image):
        return image
    values = np.asarray(image.detach().cpu() if isinstance(image, Tensor) else image)
    if values.ndim == 3:  # noqa: PLR2004 - height, width, channels
        values = values.transpose([axes.upper().index(axis) for axis in "HWC"])
    if not np.issubdtype(values.dtype, np.integer):
        values = np.clip(values, 0, 1) * LARGEST_BYTE
    values = np.clip(values, 0, LARGEST_BYTE).round().astype(np.uint8)
    return Image.fromarray(values[..., 0] if values.shape[2:] == (1,) else values)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="png")
    return buffer.getvalue()
