"""The space of a study file in Optuna's terms."""

from collections.abc import Mapping

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from pipeline.config import Choices, Domain, Range, StudyConfig, is_fixed


def distribution(domain: Domain) -> BaseDistribution:
    """Translate what a parameter may be; a fixed value becomes a distribution of one value."""
    if isinstance(domain, Choices):
        return CategoricalDistribution(domain.choices)
    if isinstance(domain, Range):
        if isinstance(domain.low, int):
            return IntDistribution(domain.low, domain.high, log=domain.log, step=domain.step or 1)
        return FloatDistribution(domain.low, domain.high, log=domain.log, step=domain.step)
    if isinstance(domain, str):
        return CategoricalDistribution([domain])
    if isinstance(domain, int):
        return IntDistribution(domain, domain)
    return FloatDistribution(domain, domain)


def all_distributions(study: StudyConfig) -> dict[str, BaseDistribution]:
    """Every parameter of the study, constants included."""
    return {name: distribution(domain) for name, domain in study.space.domains.items()}


def searched(study: StudyConfig) -> dict[str, BaseDistribution]:
    """The parameters that a sampler chooses: all but the constants, inactive layers included."""
    return {
        name: distribution(domain)
        for name, domain in study.space.domains.items()
        if not is_fixed(domain)
    }


def constants(study: StudyConfig) -> Mapping[str, object]:
    """The parameters that the study file fixes."""
    return {name: domain for name, domain in study.space.domains.items() if is_fixed(domain)}
