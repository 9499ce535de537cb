"""The surrogate block: what a Gaussian process over the trials believes, as the state of an optimiser that an LLM may use.

It is not among the default blocks: `tcs.blocks=[...,surrogate]` adds it. Source: Centaur shows its LLM the state of CMA-ES (its code at
commit 150cd14, read and not run): step size, covariance, its next proposal. What is changed here, and why: a Gaussian process, because
at ten trials CMA-ES has made one update or none; means and uncertainties in the unit of the scores, and length scales in words, because
a small model does not read a matrix.

It shows the belief at the incumbent, at three configurations with the largest expected improvement that lie apart, and, for the last
trials, what it would have expected without them beside what they got: a reader sees how far to trust it. Below 4 trials with a score it
says that it knows nothing.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from harness.seeding import keyed_random
from harness.space import Config, Hyperparameter, Space, Value
from harness.tcs.analysis.axis import scale
from harness.tcs.analysis.configs import wordings
from harness.tcs.analysis.surrogate import GaussianProcess, encoded, fit
from harness.tcs.thresholds import (
    SURROGATE_APART,
    SURROGATE_DRAWS,
    SURROGATE_LONG,
    SURROGATE_SCORED,
    SURROGATE_SHORT,
    SURROGATE_SHOWN,
)
from harness.tcs.view.scale import PERCENT_SCALE, Scale
from harness.tcs.view.section import Assignments, Cell, Detail, Phrase, Table, View
from harness.tcs.view.words import clean_names, share_text
from harness.trial import Trajectory

_NEARBY_STEP = 0.1  # standard deviation, in shares of a range, of the draws around the incumbent
_NAMES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Belief:
    """Mean and standard deviation of a score, in points."""

    mean_pct: float
    deviation_pct: float

    def text(self, scale: Scale) -> str:
        """Write it as `93.1 +- 0.8`."""
        return f"{scale.score_text(self.mean_pct, 1)} +- {scale.difference_text(self.deviation_pct, 1)}"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A configuration that was not tried, the belief there, and the probability that its score is above the incumbent's."""

    config: Config
    shown: Assignments
    belief: Belief
    chance: float


@dataclass(frozen=True, slots=True)
class Checked:
    """A trial, what the process expected without it, and its score in points; None for a failed one."""

    trial: int
    expected: Belief
    score_pct: float | None


@dataclass(frozen=True)
class Surrogate:
    """What the process believes. Without a model everything but the counts is None or empty, and `nothing` says why.

    scored, failed: trials with and without a score. lengths: for each hyperparameter, by its short name, the length scale in shares of
    its range; a short one means that the score changes quickly along it; empty where all share one. model: the process, for a policy.
    """

    name: ClassVar[str] = "surrogate"
    scored: int
    failed: int
    nothing: str
    incumbent: int | None
    at_incumbent: Belief | None
    suggestions: tuple[Suggestion, ...]
    last: tuple[Checked, ...]
    lengths: tuple[tuple[str, float], ...]
    model: GaussianProcess | None = field(default=None, repr=False, compare=False)
    scale: Scale = field(default=PERCENT_SCALE, repr=False)

    def view(self, detail: Detail) -> View:
        if self.nothing:
            return View((("model", self.nothing),))
        failed = f", {self.failed} failed ones count as below the worst" if self.failed else ""
        facts: list[tuple[str, Cell]] = [("model", f"Gaussian process on {self.scored} scored trials{failed}")]
        if self.at_incumbent:
            text = f"trial {self.incumbent}: {self.at_incumbent.text(self.scale)}"
            facts.append(("at_incumbent", Phrase(text, {"trial": self.incumbent, **self._data(self.at_incumbent)})))
        facts.append(("influence", self._influence(detail)))
        tables = [self._suggested(detail.pick(1, 2, 3, 3)), self._checked(detail.pick(1, 1, 2, 3))]
        return View(tuple(facts), tuple(tables), ("+-: one standard deviation of the belief; it is a model of few trials",))

    def _data(self, belief: Belief) -> dict[str, float]:
        return {
            "expected": self.scale.score(belief.mean_pct, 1),
            "uncertainty": self.scale.difference(belief.deviation_pct, 1),
        }

    def _influence(self, detail: Detail) -> Phrase:
        """Word the length scales, the shortest first."""
        if not self.lengths:
            return Phrase("not told apart: too many axes", {"told_apart": False})
        ordered = sorted(self.lengths, key=lambda entry: entry[1])[: detail.pick(3, 4, 6, _NAMES_SHOWN)]
        more = len(self.lengths) - len(ordered)
        words = [f"{name} {_word(length)}" for name, length in ordered] + ([f".. {more} more"] if more else [])
        return Phrase(", ".join(words), {name: _word(length) for name, length in ordered})

    def _suggested(self, most: int) -> Table:
        rows = tuple((s.shown, s.belief.text(self.scale), share_text(s.chance)) for s in self.suggestions[:most])
        return Table("untried", ("untried configuration", "expected", "chance to beat the incumbent"), rows)

    def _checked(self, most: int) -> Table:
        rows = tuple(
            (
                check.trial,
                check.expected.text(self.scale),
                "failed" if check.score_pct is None else self.scale.score_text(check.score_pct),
            )
            for check in self.last[-most:]
        )
        return Table("last_proposals", ("trial", "expected without it", "score"), rows)


def _word(length: float) -> str:
    return "strong" if length <= SURROGATE_SHORT else "weak" if length <= SURROGATE_LONG else "hardly any"


def surrogate(space: Space, trajectory: Trajectory, budget: int) -> Surrogate:  # noqa: ARG001 - a block is told the budget
    """Fit a Gaussian process to the trials, and say what it believes."""
    scored = sum(trial.score is not None for trial in trajectory)
    failed = len(trajectory) - scored
    unit = Scale(trajectory.objective)
    best = trajectory.incumbent
    few = f"knows nothing yet: {scored} trials with a score, and it needs {SURROGATE_SCORED}"
    model = fit(space, trajectory) if best is not None and scored >= SURROGATE_SCORED else None
    if model is None or best is None:
        why = few if scored < SURROGATE_SCORED else "knows nothing: all scores are the same"
        return Surrogate(scored, failed, why, None, None, (), (), (), None, unit)
    names = clean_names(space.names)
    return Surrogate(
        scored=scored,
        failed=failed,
        nothing="",
        incumbent=best.number,
        at_incumbent=Belief(*model.predict([best.config])[0]),
        suggestions=_suggestions(model, trajectory, best.config),
        last=tuple(_last(model, trajectory)),
        lengths=tuple((names[name], length) for name, length in model.lengths.items()),
        model=model,
        scale=unit,
    )


def _last(model: GaussianProcess, trajectory: Trajectory) -> Iterator[Checked]:
    for trial in trajectory.trials[-SURROGATE_SHOWN:]:
        before = model.without(trial.number)
        if before is not None:
            yield Checked(trial.number, Belief(*before.predict([trial.config])[0]), trial.score)


def _suggestions(model: GaussianProcess, trajectory: Trajectory, base: Config) -> tuple[Suggestion, ...]:
    """Return the untried configurations with the largest expected improvement that lie apart, of fixed draws."""
    space = model.space
    tried = [encoded(space, trial.config) for trial in trajectory]
    drawn = list(_drawn(space, base, keyed_random(0, "surrogate block", len(trajectory))))
    beliefs = model.predict(drawn)
    ((goal, _),) = model.predict([base])
    order = sorted(range(len(drawn)), key=lambda i: -expected_improvement(*beliefs[i], goal))
    kept: list[int] = []
    places: list[list[float]] = []
    for i in order:
        place = encoded(space, drawn[i])
        # Tried ones need not lie as far away: refining is near the incumbent.
        if place not in tried and all(math.dist(place, other) >= SURROGATE_APART for other in places):
            kept.append(i)
            places.append(place)
        if len(kept) == SURROGATE_SHOWN:
            break
    names, written = clean_names(space.names), wordings(space, [drawn[i] for i in kept])
    return tuple(
        Suggestion(
            config=drawn[i],
            shown=Assignments(tuple((names[name], written[name].scalar(value)) for name, value in drawn[i].items())),
            belief=Belief(*beliefs[i]),
            chance=_above(*beliefs[i], goal),
        )
        for i in kept
    )


def _drawn(space: Space, base: Config, rng: random.Random) -> Iterator[Config]:
    """Draw configurations from the whole space, and as many around the incumbent."""
    full = {hp.name: hp.default for hp in space} | base
    for _ in range(SURROGATE_DRAWS):
        yield space.sample(rng)
        moved = dict(full)
        for hp in space:
            if rng.random() < 0.5:
                moved[hp.name] = _moved(hp, full[hp.name], rng.gauss(0.0, _NEARBY_STEP))
        yield space.restrict(moved)


def _moved(hp: Hyperparameter, value: Value, step: float) -> Value:
    """Return the value at a distance on the hyperparameter's own scale; where its range is too wide for floats, the value itself."""
    found = hp.from_unit(min(max(scale(hp)(value) + step, 0.0), 1.0))
    return found if isinstance(found, str) or math.isfinite(found) else value


def expected_improvement(mean: float, deviation: float, goal: float) -> float:
    """Return the expected improvement over `goal` (Jones, Schonlau and Welch 1998), in the unit of the arguments, at least 0."""
    if deviation <= 0:
        return max(mean - goal, 0.0)
    z = (mean - goal) / deviation
    density = math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return max((mean - goal) * _normal(z) + deviation * density, 0.0)


def _above(mean: float, deviation: float, goal: float) -> float:
    return float(mean > goal) if deviation <= 0 else _normal((mean - goal) / deviation)


def _normal(z: float) -> float:
    """Return the standard normal distribution function."""
    return 0.5 * math.erfc(-z / math.sqrt(2))
