"""The space of a study file in Optuna's terms."""

from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from pipeline.config import Choices, Domain, Params, Range, StudyConfig, is_fixed


def distribution(domain: Domain) -> BaseDistribution:
    """Translate what a parameter may be; a fixed value becomes a distribution of one value."""
    if isinstance(domain, Choices):
        return CategoricalDistribution(domain.choices)
    if isinstance(domain, Range):
        if isinstance(domain.low, int):
            return IntDistribution(domain.low, domain.high, log=domain.log, step=domain.step or 1)
        return FloatDistribution(domain.low, domain.high, log=domain.log, step=domain.step)
    if isinstance(domain, str | bool):
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


def only_value(distribution: BaseDistribution) -> Any:
    """The value of a distribution that has one."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[0]
    assert isinstance(distribution, IntDistribution | FloatDistribution)  # noqa: S101 - all there are
    return distribution.low


def constants(study: StudyConfig) -> Params:
    """The parameters that the study file fixes."""
    return {name: domain for name, domain in study.space.domains.items() if is_fixed(domain)}
