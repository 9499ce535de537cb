"""How often, how far and in which direction proposals move, by state and over states.

Two comparisons, each beside its own control, with b for the answers to the unchanged question and c for those to a changed one:

    other seeds   pairs (c, b) of different draws, beside pairs (b, b') of different draws: sampling alone moves the latter
    same seed     pairs (c, b) of the same draw, beside the unchanged question asked twice with one seed: only the server moves the latter

When the fact makes no difference, c and b are draws from one distribution. Then both kinds of pairs at other seeds move alike on average,
and their difference has the mean 0. At the same seed that does not hold: sampling reads another text, and may go another way.

Distances are those of Gower (1971, Biometrics 27, 857-871) on the unit cube of the space: the mean over hyperparameters of the difference
of positions, on the hyperparameter's own scale, in [0, 1]; of unordered choices 0 or 1. A hyperparameter that is active in one of the two
configurations alone differs by 1; one that is active in neither does not count.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from statistics import fmean

import numpy as np

from harness.optimizers.agent.context import in_digits
from harness.probe.changes import Change
from harness.report.analysis.intervals import Estimate, Resampling, mean_over_strata, seed_interval
from harness.report.analysis.statistics import holm
from harness.space import Choice, Config, Space

# Floats that agree in so many digits are the same: the agent refuses repeats by the same rule.
DIGITS = 3
# With fewer states there is no interval.
LEAST_STATES = 5
SURE = 0.05
# A difference below it is rounding.
NOTHING = 1e-12

Pairs = Sequence[tuple[Config, Config]]


def distance(space: Space, one: Config, other: Config) -> float:
    """Return Gower's distance of two configurations, in [0, 1] (see the module's docstring)."""
    steps = []
    for hp in space:
        active = (hp.name in one, hp.name in other)
        if all(active):
            unordered = isinstance(hp, Choice) and not hp.ordered
            a, b = one[hp.name], other[hp.name]
            steps.append(float(a != b) if unordered else abs(hp.to_unit(a) - hp.to_unit(b)))
        elif any(active):
            steps.append(1.0)
    return fmean(steps) if steps else 0.0


def moved(one: Config, other: Config) -> bool:
    """Say whether two configurations differ, with floats in three significant digits."""
    return in_digits(one, DIGITS) != in_digits(other, DIGITS)


@dataclass(frozen=True)
class Answered:
    """The usable answers of one state.

    plain: those to the unchanged question, by draw. again: the one to the repeated question with the seed of draw 0. changed: those to each
    changed question, by change and draw. favoured: for each change, the configuration that it speaks of, and whether for it.
    """

    task: str
    space: Space
    plain: Mapping[int, Config]
    again: Config | None
    changed: Mapping[str, Mapping[int, Config]]
    favoured: Mapping[str, tuple[Config, bool]]


@dataclass(frozen=True)
class Compared:
    """One change in one state. Each of `often` and `far` holds the value of changed pairs, and of the control.

    often: the share of pairs that moved. far: their mean distance. NaN in `same` where the control has no pair. toward: by how much the
    mean distance to the favoured configuration fell; of one that the change speaks against, rose.
    """

    task: str
    often: tuple[float, float]
    far: tuple[float, float]
    same_often: tuple[float, float]
    same_far: tuple[float, float]
    toward: float


def compared(state: Answered, change: str) -> Compared | None:
    """Compare the answers to a change with those to the unchanged question. None where draws are missing on either side."""
    plain, changed = state.plain, state.changed.get(change, {})
    crossed = [(c, b) for (i, c), (j, b) in product(changed.items(), plain.items()) if i != j]
    control = list(combinations(plain.values(), 2))
    if not crossed or not control:
        return None
    same = [(changed[draw], plain[draw]) for draw in changed if draw in plain]
    repeat = [(state.again, plain[0])] if state.again is not None and 0 in plain else []
    aim, favours = state.favoured[change]
    near = [fmean(distance(state.space, config, aim) for config in group.values()) for group in (plain, changed)]

    def far(pairs: Pairs) -> float:
        return _mean(distance(state.space, one, other) for one, other in pairs)

    def often(pairs: Pairs) -> float:
        return _mean(float(moved(one, other)) for one, other in pairs)

    return Compared(
        state.task,
        (often(crossed), often(control)),
        (far(crossed), far(control)),
        (often(same), often(repeat)),
        (far(same), far(repeat)),
        (near[0] - near[1]) * (1 if favours else -1),
    )


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return fmean(found) if found else float("nan")


@dataclass(frozen=True)
class Effect:
    """One change over all states that hold its fact. Values are means over tasks of means over states.

    often, far, same_often, same_far: of changed pairs and of the control. more, farther: the differences, with intervals; so `toward`.
    p: of `more`, of `farther` and of `toward`, adjusted for all that were tested (Holm 1979); NaN where there is no interval.
    """

    change: Change
    states: int
    often: tuple[float, float] = (float("nan"),) * 2
    far: tuple[float, float] = (float("nan"),) * 2
    same_often: tuple[float, float] = (float("nan"),) * 2
    same_far: tuple[float, float] = (float("nan"),) * 2
    more: Estimate = field(default_factory=lambda: Estimate(float("nan"), why="no state"))
    farther: Estimate = field(default_factory=lambda: Estimate(float("nan"), why="no state"))
    toward: Estimate = field(default_factory=lambda: Estimate(float("nan"), why="no state"))
    p: tuple[float, float, float] = (float("nan"),) * 3

    @property
    def is_judged(self) -> bool:
        """Whether something can be said of it: there is an interval, or no state shows any difference."""
        return any(map(math.isfinite, self.p)) or is_nothing(self.farther, self.states)


def is_nothing(estimate: Estimate, states: int) -> bool:
    """Say whether enough states show no difference at all, from which no interval can be made."""
    return states >= LEAST_STATES and math.isnan(estimate.p) and abs(estimate.value) < NOTHING


def effects(states: Sequence[Answered], changes: Sequence[Change], how: Resampling) -> list[Effect]:
    """Return the effect of each change, in their order."""
    found = [_effect(change, [one for state in states if (one := compared(state, change.key))], how) for change in changes]
    adjusted = holm([estimate.p for effect in found for estimate in (effect.more, effect.farther, effect.toward)])
    triples = zip(adjusted[::3], adjusted[1::3], adjusted[2::3], strict=True)
    return [Effect(**{**vars(effect), "p": triple}) for effect, triple in zip(found, triples, strict=True)]


def _effect(change: Change, seen: Sequence[Compared], how: Resampling) -> Effect:
    if not seen:
        return Effect(change, 0)

    def mean(value: Callable[[Compared], float]) -> float:
        return mean_over_strata(_strata(seen, value))

    def pair(name: str) -> tuple[float, float]:
        return mean(lambda one: getattr(one, name)[0]), mean(lambda one: getattr(one, name)[1])

    return Effect(
        change,
        len(seen),
        pair("often"),
        pair("far"),
        pair("same_often"),
        pair("same_far"),
        _estimate(seen, lambda one: one.often[0] - one.often[1], how),
        _estimate(seen, lambda one: one.far[0] - one.far[1], how),
        _estimate(seen, lambda one: one.toward, how),
    )


def _estimate(seen: Sequence[Compared], value: Callable[[Compared], float], how: Resampling) -> Estimate:
    strata = _strata(seen, value)
    if len(seen) < LEAST_STATES:
        return Estimate(mean_over_strata(strata), why=f"it takes {LEAST_STATES} states")
    return seed_interval(strata, how)


def _strata(seen: Sequence[Compared], value: Callable[[Compared], float]) -> list[np.ndarray]:
    """Return the values of the states that have one, an array for each task."""
    tasks = dict.fromkeys(one.task for one in seen)
    arrays = (np.array([value(one) for one in seen if one.task == task]) for task in tasks)
    kept = (array[np.isfinite(array)] for array in arrays)
    return [array for array in kept if len(array)]
