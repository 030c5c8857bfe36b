"""Run an exported network where neither this project nor Lightning is installed.

This file travels with a model that is logged to MLflow, which loads ``data/model.pt2`` by it; and
it is run by itself to check an exported file in another process:

    python exported_network.py FILE.pt2|FILE.onnx ROWS.npy OUTPUTS.npy THREADS

It imports nothing of this project.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[Any]


class Predictor:
    """A network as MLflow calls it.

    Args:
        run: Maps rows to outputs.
    """

    def __init__(self, run: Callable[[Rows], Rows]) -> None:
        self.run = run

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Rows:
        """Compute the network's outputs.

        Args:
            data: Rows as the signature says.
            params: MLflow's; there are none.
        """
        del params
        return self.run(np.ascontiguousarray(data))


def load_program(path: str) -> Callable[[Rows], Rows]:
    """Load a ``.pt2`` file; it needs torch."""
    import torch

    network = torch.export.load(path).module()

    def run(rows: Rows) -> Rows:
        with torch.no_grad():
            outputs: Rows = network(torch.from_numpy(rows)).numpy()
        return outputs

    return run


def load_onnx(path: str) -> Callable[[Rows], Rows]:
    """Load an ONNX file; it needs onnxruntime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(rows: Rows) -> Rows:
        outputs: Rows = session.run(None, {name: rows})[0]
        return outputs

    return run


def _load_pyfunc(path: str) -> Predictor:
    """MLflow's loader of the model's data."""
    return Predictor(load_program(path))


def main(path: str, rows_file: str, outputs_file: str, threads: str) -> None:
    """Run a file on rows and write its outputs."""
    rows = np.load(rows_file, allow_pickle=False)
    if Path(path).suffix == ".onnx":
        run = load_onnx(path)
    else:
        import torch

        torch.set_num_threads(int(threads))
        torch.set_flush_denormal(True)
        run = load_program(path)
    np.save(outputs_file, run(rows), allow_pickle=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
