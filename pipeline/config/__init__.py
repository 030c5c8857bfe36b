"""What a study and a trial are: frozen records, checked when built."""

from pipeline.config.data_section import DataConfig
from pipeline.config.finalists import FINALIST_SEEDS
from pipeline.config.frozen import Frozen, Params, Scalar
from pipeline.config.models import MODELS, Model
from pipeline.config.objective import VAL_LOSS, Objective
from pipeline.config.resources import Resources
from pipeline.config.sections import (
    EarlyStopping,
    ModelConfig,
    SamplerName,
    SearchConfig,
    StudyTraining,
    Training,
    TrainingConfig,
    parameters_of,
)
from pipeline.config.space.conditions import Condition
from pipeline.config.space.domain import (
    Choices,
    Domain,
    Range,
    converted,
    is_fixed,
    limit_of,
    values_of,
)
from pipeline.config.space.parameters import Parameter, ParameterTable
from pipeline.config.space.rates import mean_dropout
from pipeline.config.space.section import read_space
from pipeline.config.space.space import Space
from pipeline.config.space.usual import usual_setting
from pipeline.config.study import (
    StudyConfig,
    check_study,
    differences,
    differing_keys,
    digest,
    load_study,
)
from pipeline.config.trainer import TrainerConfig
from pipeline.config.trial import (
    NO_DROPOUT,
    NO_TRIAL,
    Finalist,
    Shape,
    ShownNumber,
    TrialConfig,
    derive_seed,
    label_of,
    number_of,
)

__all__ = [
    "FINALIST_SEEDS",
    "MODELS",
    "NO_DROPOUT",
    "NO_TRIAL",
    "VAL_LOSS",
    "Choices",
    "Condition",
    "DataConfig",
    "Domain",
    "EarlyStopping",
    "Finalist",
    "Frozen",
    "Model",
    "ModelConfig",
    "Objective",
    "Parameter",
    "ParameterTable",
    "Params",
    "Range",
    "Resources",
    "SamplerName",
    "Scalar",
    "SearchConfig",
    "Shape",
    "ShownNumber",
    "Space",
    "StudyConfig",
    "StudyTraining",
    "TrainerConfig",
    "Training",
    "TrainingConfig",
    "TrialConfig",
    "check_study",
    "converted",
    "derive_seed",
    "differences",
    "differing_keys",
    "digest",
    "is_fixed",
    "label_of",
    "limit_of",
    "load_study",
    "mean_dropout",
    "number_of",
    "parameters_of",
    "read_space",
    "usual_setting",
    "values_of",
]
