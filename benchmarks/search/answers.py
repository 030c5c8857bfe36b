"""Are answers true? Made-up studies whose truth is known: coverage, false alarms, wrong words.

python -m benchmarks.search.answers --seeds 10000 10200 --out build/search/answers.jsonl
"""

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.search.studies import Lines
from benchmarks.search.worlds import Floats, Table, World, search
from pipeline.config import Params
from pipeline.search.answers.answer import Answer, find_answer
from pipeline.search.answers.effects import CONTEXTS, MOST_AVERAGED, evenly, fill, having
from pipeline.search.answers.importance import find_importances
from pipeline.search.answers.summary import fit_outcomes, noise_between_seeds
from pipeline.trial import Effect, find_best
from pipeline.trial.interaction import Interaction

KINDS: Final[Mapping[str, dict[str, Any]]] = {
    "random": {},
    "stopped": {"is_stopping": True},
    "gp": {"sampler": "gp"},
    "gp, stopped": {"sampler": "gp", "is_stopping": True},
    "together": {"n_together": 2},
}
"""Who suggests the trials, whether some are stopped, and whether parameters act together."""
NORMAL: Final = 1.96


class Judge:
    """Holds an answer against the truth of its world.

    Args:
        world: Its truth.
        table: The study.
        has_importances: Whether importances are looked at, too; they take the longest.
    """

    def __init__(self, world: World, table: Table, *, has_importances: bool) -> None:
        best = find_best(table.rows)
        assert best is not None
        noise = noise_between_seeds(best.finalists)
        fitted = fit_outcomes(
            world.study,
            world.encoding,
            table.suggested,
            table.rows,
            best.number,
            least_noise=noise,
        )
        self._world = world
        self._settings = [fill(world.study, table.suggested[one]) for one in fitted.ranked]
        self.answer: Answer = find_answer(
            world.study,
            table.suggested,
            table.rows,
            fitted.ranked,
            least_noise=noise,
        )

        self.importances = (
            find_importances(world.study, table.suggested, table.rows) if has_importances else {}
        )

    def _truth(self, contexts: Sequence[Params], *changes: Params) -> Floats:
        """What each change comes to in the mean over contexts, but for what all have in common."""
        names = list(changes[0])
        is_alone = len(names) == 1 and names[0] not in self._world.study.space.deciding
        worth = (
            (lambda setting: self._world.part(setting, names[0])) if is_alone else self._world.worth
        )
        worths = [[worth(one | change) for one in contexts] for change in changes]
        mean: Floats = np.array(worths).mean(axis=1)
        return mean

    def effect(self, effect: Effect) -> dict[str, Any]:
        """How true the effect of a parameter is."""
        name = effect.parameter
        contexts = having(self._world.study, self._settings, name)
        changes = [{name: value} for value in effect.values]
        best = self._truth(contexts[:CONTEXTS], *changes)
        span = float(np.ptp(best))
        return {
            "parameter": name,
            "covered": _covered(effect.losses, effect.sds, best),
            "averaged": _covered(
                effect.averaged,
                effect.averaged_sds,
                self._truth(evenly(contexts, MOST_AVERAGED), *changes),
            ),
            "held": bool(np.any(np.array(effect.is_as_good)[best <= best.min() + 1e-9])),
            "idle": span < 1e-9,  # noqa: PLR2004 - rounding
            "told": effect.verdict == "wants",
            "right": _is_right(effect, best),
            "span": span,
            "share": effect.share,
            "importance": self.importances.get(name),
        }

    def interaction(self, found: Interaction) -> dict[str, Any]:
        """How true a pair that is said to act together is."""
        contexts = having(self._world.study, self._settings, *found.parameters)[:CONTEXTS]
        first, second = found.parameters
        changes = [{first: a, second: b} for a in found.values[0] for b in found.values[1]]
        table = self._truth(contexts, *changes).reshape(len(found.values[0]), -1)
        losses, sds = np.array(found.losses), np.array(found.sds)
        return {
            "pair": list(found.parameters),
            "true": self._is_together(found.parameters),
            "right": _is_right_of_two(found, table),
            "covered": _covered(losses.ravel().tolist(), sds.ravel().tolist(), table.ravel()),
        }

    def _is_together(self, pair: tuple[str, str]) -> bool:
        """Whether two act together, also by a layer that one of them brings."""
        return any(set(pair) == set(one) for one in self._world.together)


def _covered(losses: Sequence[float], sds: Sequence[float], truth: Floats) -> list[int]:
    """How many of the 95 % intervals of differences hold the true one, and how many there are."""
    lowest = int(np.argmin(losses))
    far = np.abs(np.array(losses) - (truth - truth[lowest]))
    others = np.arange(len(truth)) != lowest
    return [int((far <= NORMAL * np.array(sds))[others].sum()), int(others.sum())]


def _is_right(effect: Effect, truth: Floats) -> bool:
    """Whether each part of a sentence is true."""
    if effect.verdict != "wants":
        return float(np.ptp(truth)) <= effect.most
    good = [index for index, is_it in enumerate(effect.is_as_good) if is_it]
    told = [index for index, is_it in enumerate(effect.is_as_good) if not is_it]
    worst = max(told, key=lambda one: effect.losses[one])
    best = int(truth.argmin())
    is_within = min(good) <= best <= max(good) or truth[good].min() <= truth.min() + 1e-9
    return bool(is_within and truth[worst] > truth[good].min() and _is_at_end(effect, truth))


def _is_at_end(effect: Effect, truth: Floats) -> bool:
    """Whether the best is at an end where that is said, but for what does not count."""
    if effect.at_end is None:
        return True
    at_end = truth[0 if effect.at_end == "low" else -1]
    return bool(at_end - truth.min() <= effect.small)


def _is_right_of_two(found: Interaction, truth: Floats) -> bool:
    """Whether what is said of two parameters is true of the table of both."""
    for one in (truth, truth.T):
        losses = np.array(found.losses) if one is truth else np.array(found.losses).T
        names = found.parameters if one is truth else found.parameters[::-1]
        if found.sentence.startswith(f"with {names[0]} "):
            a, b = int(losses[0].argmin()), int(losses[-1].argmin())
            return bool(one[0, a] < one[0, b] and one[-1, b] < one[-1, a])
        if found.sentence.startswith(f"{names[1]} matters more with {names[0]} "):
            spans = np.ptp(losses[[0, -1]], axis=1)
            much, little = (0, -1) if spans[0] > spans[1] else (-1, 0)
            bad, good = int(losses[much].argmax()), int(losses[much].argmin())
            return bool(
                one[much, bad] - one[much, good] > abs(one[little, bad] - one[little, good])
            )
    return True


def measure(kind: str, seed: int, *, has_importances: bool = False) -> dict[str, Any]:
    """Run one made-up study, and judge its answer."""
    world = World(seed, **KINDS[kind])
    with threadpool_limits(1):
        judge = Judge(world, search(world), has_importances=has_importances)
    return {
        "kind": kind,
        "seed": seed,
        "effects": [judge.effect(one) for one in judge.answer.effects],
        "interactions": [judge.interaction(one) for one in judge.answer.interactions],
        "together": [list(pair) for pair in world.together],
    }


def summary(found: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """What studies come to."""
    effects = [effect for study in found for effect in study["effects"]]
    pairs = [pair for study in found for pair in study["interactions"]]
    n_together = sum(len(study["together"]) for study in found)
    n_additive = sum(not study["together"] for study in found)
    return {
        "studies": len(found),
        "covered": _part(effect["covered"] for effect in effects),
        "averaged covered": _part(effect["averaged"] for effect in effects),
        "best held": _mean(effect["held"] for effect in effects),
        "words right": _mean(effect["right"] for effect in effects),
        "idle told": _mean(effect["told"] for effect in effects if effect["idle"]),
        "effects told": _mean(effect["told"] for effect in effects if not effect["idle"]),
        "false alarms": _mean(
            not study["together"] and bool(study["interactions"])
            for study in found
            if not study["together"]
        )
        if n_additive
        else float("nan"),
        "pairs told": sum(pair["true"] for pair in pairs) / n_together
        if n_together
        else float("nan"),
        "pairs true": _mean(pair["true"] for pair in pairs),
        "words of two right": _mean(pair["right"] for pair in pairs),
        "share, rank": _mean(_rank(study["effects"], "share") for study in found),
        "importance, rank": _mean(
            _rank(study["effects"], "importance")
            for study in found
            if study["effects"][0]["importance"] is not None
        ),
    }


def _rank(effects: Sequence[Mapping[str, Any]], key: str) -> float:
    """How far parameters are in the order of their true spans (Spearman's rank correlation)."""
    one, other = (
        np.argsort(np.argsort([effect[name] for effect in effects])).astype(np.float64)
        for name in (key, "span")
    )
    return float(np.corrcoef(one, other)[0, 1])


def _part(counts: Iterable[Sequence[int]]) -> float:
    within, all_ = np.array(list(counts)).sum(axis=0)
    return float(within / all_)


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return float(np.mean(found)) if found else float("nan")


def main() -> None:
    """Measure what a file of results does not have, and print what all come to."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--seeds", nargs=2, type=int, default=[10_000, 10_200], metavar=("FIRST", "END"))
    add("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    add("--out", type=Path, metavar="FILE", help="of JSON lines; what it has is not run again")
    add("--importances", action="store_true", help="look at importances, too")
    options = parser.parse_args()
    known = {(one["kind"], one["seed"]): one for one in Lines(options.out)} if options.out else {}
    for seed in range(*options.seeds):
        for kind in options.kinds:
            if (kind, seed) not in known:
                known[kind, seed] = measure(kind, seed, has_importances=options.importances)
                if options.out:
                    Lines(options.out).append(known[kind, seed])
    wanted = [one for (kind, seed), one in known.items() if seed in range(*options.seeds)]
    for kind in [*options.kinds, "all"]:
        of_kind = [one for one in wanted if kind in ("all", one["kind"])]
        print(kind, json.dumps({key: round(one, 4) for key, one in summary(of_kind).items()}))


if __name__ == "__main__":
    main()
