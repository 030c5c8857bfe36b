"""How much dropout does each layer want, how deep, what batch size? A study answers.

>>> from pipeline import Study
>>> result = Study.load("studies/mnist_5k_mlp.yaml").run(workers=2)  # doctest: +SKIP
>>> result.best.params  # doctest: +SKIP
{'depth': 2, 'width': 512, 'input_dropout': 0.17, 'dropout_1': 0.31, ...}
>>> from pipeline import MLP  # a LightningModule for any Trainer
>>> network = MLP(784, 10, widths=[128, 64], dropouts=[0.2, 0.3])  # doctest: +SKIP
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.app.bundles.import_study import import_study
    from pipeline.app.placement.placement import Ray
    from pipeline.app.result import StudyResult
    from pipeline.app.study import Study
    from pipeline.app.use import load_model
    from pipeline.app.workspace import Workspace
    from pipeline.config import StudyConfig, TrialConfig
    from pipeline.errors import BadInputError, DropoutSearchError, WorkFailedError
    from pipeline.learning.modules.autoencoder import Autoencoder
    from pipeline.learning.modules.cnn import CNN
    from pipeline.learning.modules.mlp import MLP

__all__ = [
    "CNN",
    "MLP",
    "Autoencoder",
    "BadInputError",
    "DropoutSearchError",
    "Ray",
    "Study",
    "StudyConfig",
    "StudyResult",
    "TrialConfig",
    "WorkFailedError",
    "Workspace",
    "import_study",
    "load_model",
]

_MODULES = {
    "Study": "app.study",
    "StudyResult": "app.result",
    "Workspace": "app.workspace",
    "Ray": "app.placement.placement",
    "StudyConfig": "config",
    "TrialConfig": "config",
    "MLP": "learning.modules.mlp",
    "CNN": "learning.modules.cnn",
    "Autoencoder": "learning.modules.autoencoder",
    "BadInputError": "errors",
    "DropoutSearchError": "errors",
    "WorkFailedError": "errors",
    "import_study": "app.bundles.import_study",
    "load_model": "app.use",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for: ``import pipeline`` stays cheap."""
    from importlib import import_module

    if name not in _MODULES:
        message = f"module 'pipeline' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"pipeline.{_MODULES[name]}"), name)
