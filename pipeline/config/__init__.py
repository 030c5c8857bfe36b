"""What a study and a trial are: frozen records, checked when built."""

from pipeline.config.document import differences, digest
from pipeline.config.domain import Choices, Domain, Range, is_fixed, values_of
from pipeline.config.file import check_study, load_study
from pipeline.config.frozen import Frozen, Params, Scalar
from pipeline.config.sections import (
    DataConfig,
    EarlyStopping,
    ModelConfig,
    SamplerName,
    SearchConfig,
    TrainingConfig,
    parameters_of,
)
from pipeline.config.space import Space
from pipeline.config.spaces import space_type_of
from pipeline.config.study import StudyConfig
from pipeline.config.trial import Shape, TrialConfig, derive_seed

__all__ = [
    "Choices",
    "DataConfig",
    "Domain",
    "EarlyStopping",
    "Frozen",
    "ModelConfig",
    "Params",
    "Range",
    "SamplerName",
    "Scalar",
    "SearchConfig",
    "Shape",
    "Space",
    "StudyConfig",
    "TrainingConfig",
    "TrialConfig",
    "check_study",
    "derive_seed",
    "differences",
    "digest",
    "is_fixed",
    "load_study",
    "parameters_of",
    "space_type_of",
    "values_of",
]
