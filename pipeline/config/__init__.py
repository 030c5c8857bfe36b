"""What a study and a trial are: frozen records, checked when built."""

from pipeline.config.data import DataConfig
from pipeline.config.document import differences, digest
from pipeline.config.domain import Choices, Domain, Range, is_fixed, values_of
from pipeline.config.file import check_study, load_study
from pipeline.config.frozen import Frozen, Params, Scalar
from pipeline.config.model import ModelConfig
from pipeline.config.seeds import derive_seed
from pipeline.config.space import Space
from pipeline.config.study import SamplerName, SearchConfig, StudyConfig
from pipeline.config.trial import EarlyStopping, Shape, TrainingConfig, TrialConfig

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
    "values_of",
]
