"""What a search says of itself: what its model gained, and what cannot be told from the best."""

from dataclasses import dataclass
from typing import Any, Literal

from pipeline.errors import counted
from pipeline.trial.effects import Effect
from pipeline.trial.interaction import Interaction

Origin = Literal["usual", "file", "search"]
"""Where a setting comes from: it is the usual one, the study file names it, or neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelGain:
    """What the trials that a model suggested gained on those before them.

    Attributes:
        n_first: So many first trials were suggested without a model.
        n_later: So many were suggested by one.
        first: The trial of the first ones with the lowest predicted mean.
        gained: By how much the best setting's predicted mean is below that trial's; 0 where it is
            not.
        is_beyond_noise: Whether every setting of the first trials can be told from the best.
    """

    n_first: int
    n_later: int
    first: int
    gained: float
    is_beyond_noise: bool

    def as_json(self) -> dict[str, Any]:
        """The gain as the command line's JSON holds it."""
        return {
            "first_design": {"trials": self.n_first, "best": self.first},
            "model_trials": self.n_later,
            "gained": self.gained,
            "beyond_noise": self.is_beyond_noise,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallerNetwork:
    """The smallest network among settings that cannot be told from the best.

    Attributes:
        number: The trial that had the setting first.
        n_parameters: Its weights.
        instead_of: The weights of the best one.
    """

    number: int
    n_parameters: int
    instead_of: int

    def as_json(self) -> dict[str, int]:
        """The network as the command line's JSON holds it."""
        return {"number": self.number, "n_parameters": self.n_parameters}


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSummary:
    """What a search has come to, by a model of all that it measured.

    Trials are named by the first trial of a setting; those of finalists repeat settings and are
    not counted.

    Attributes:
        n_trials: Trials of the search that have ended.
        n_settings: Different settings of complete ones.
        best: The trial that had the best setting first.
        origin: Where that setting comes from.
        at_ends: The best setting's parameters that are at an end of their range, with their value.
        noise: Standard deviation of a setting's value over seeds.
        metric: The objective's.
        effects: What each parameter does, the rates first; empty where there are few trials.
        interactions: Pairs of parameters whose effects depend on one another, the largest first.
        last_gain: Since this trial nothing was gained beyond noise: the first one that cannot be
            told from the best.
        tied: The other trials whose settings cannot be told from the best.
        smaller: The smallest network of those; ``None`` where none is smaller than the best.
        gain: ``None`` where no trial was suggested by a model.
    """

    n_trials: int
    n_settings: int
    best: int
    origin: Origin
    at_ends: tuple[str, ...]
    noise: float
    last_gain: int
    tied: tuple[int, ...]
    smaller: SmallerNetwork | None
    gain: ModelGain | None
    metric: str = "val_loss"
    effects: tuple[Effect, ...] = ()
    interactions: tuple[Interaction, ...] = ()

    @property
    def answer(self) -> tuple[str, ...]:
        """What is said of the parameters, a sentence each, then of two that act together."""
        alone = (effect.sentence for effect in self.effects)
        return (*alone, *(one.sentence for one in self.interactions))

    @property
    def warning(self) -> str | None:
        """What to do where one of the first trials is the best; ``None``: none of them is."""
        if self.gain is None or self.best >= self.gain.n_first:
            return None
        ends = f" (at an end now: {', '.join(self.at_ends)})" if self.at_ends else ""
        later = counted(self.gain.n_later, "trial")
        return (
            f"{self._first}; the {later} that the model suggested found none better: "
            f"try more trials, or a wider space{ends}"
        )

    @property
    def _first(self) -> str:
        """The best setting is one of the first: which one."""
        still = f"(trial {self.best}) is still the best of {self.n_trials}"
        match self.origin:
            case "usual":
                return f"the usual setting {still}, a good default"
            case "file":
                return f"the study file's own setting {still}"
        n_first = self.gain.n_first if self.gain else 0
        return f"the best of {self.n_trials}, trial {self.best}, is one of the first {n_first}"

    @property
    def sentences(self) -> tuple[str, ...]:
        """What a study's result says of its search, the warning left out."""
        gained = [self._gained(self.gain)] if self.gain and not self.warning else []
        since = f"nothing gained beyond noise since trial {self.last_gain}"
        return (*gained, since, self._tied)

    def _gained(self, gain: ModelGain) -> str:
        later = counted(gain.n_later, "trial")
        verdict = "beyond" if gain.is_beyond_noise else "within"
        return (
            f"the {later} that the model suggested gained {gain.gained:.2g} in {self.metric} "
            f"on the first {gain.n_first}, {verdict} noise ({self.noise:.2g} between seeds)"
        )

    @property
    def _tied(self) -> str:
        others = counted(self.n_settings - 1, "other setting")
        if not self.tied:
            return f"the best can be told from the {others}"
        tied = f"{len(self.tied)} of {others} cannot be told from the best"
        if self.smaller is None:
            return tied
        numbers = f"{self.smaller.n_parameters:,} parameters instead of {self.smaller.instead_of:,}"
        return f"{tied}; the smallest, trial {self.smaller.number}, has {numbers}"

    def as_json(self) -> dict[str, Any]:
        """The summary as the command line's JSON holds it."""
        return {
            "best": self.best,
            "noise": self.noise,
            "gain": self.gain and self.gain.as_json(),
            "last_gain": self.last_gain,
            "tied": list(self.tied),
            "smallest": self.smaller and self.smaller.as_json(),
            "at_ends": list(self.at_ends),
            "warning": self.warning,
            "why": list(self.sentences),
        }
