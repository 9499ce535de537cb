"""The candidates of a selector: configurations that were not tried, a function of (space, seed, trajectory).

All selectors with the same settings are shown the same candidates after the same trials, so they differ in the choice alone.

rules    the fixed rules' ranking (`harness.optimizers.rules`): the first is what the arm `rules` proposes
forest   scikit-optimize's random forest with expected improvement, as in the arm `skopt_rf`
gp       scikit-optimize's Gaussian process with expected improvement
random   uniform draws
mix      one of each in turn, in the order above, until there are enough

A model of fewer than 3 trials with scores proposes nothing. What a source leaves open, because it proposes nothing, a repeat, or less than
enough, is filled with uniform draws, and `origin` says so. In a space with fewer untried configurations there are fewer candidates.

A forest or GP is made anew for each trial, from all trials: several candidates of one model come from a constant liar.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from harness.errors import Exhausted, SettingsError, near
from harness.optimizers._replay import refuse_underflow, reports
from harness.optimizers._untried import fresh
from harness.optimizers.agent.context import in_digits
from harness.optimizers.rules.policy import ranked
from harness.optimizers.rules.priors import Priors
from harness.optimizers.skopt_rf import forest_session, refuse_numbers
from harness.seeding import keyed_random, keyed_seed
from harness.space import Config, Space
from harness.tcs import ALL_BLOCKS, summarize
from harness.trial import Trajectory

SOURCES = {
    "rules": ("rules",),
    "forest": ("forest",),
    "gp": ("gp",),
    "random": ("random",),
    "mix": ("rules", "forest", "gp", "random"),
}
# Each number is one digit, which is one token in the vocabularies of today.
FEWEST, MOST = 2, 9
SCORED = 3  # trials with a score before a model proposes, as in the classical arms
# Candidates that differ only behind the third digit would be shown as the same.
DIGITS = 3


@dataclass(frozen=True)
class Candidate:
    """A configuration and where it comes from: rules, forest, gp or random."""

    config: Config
    origin: str


class Candidates:
    """Makes up to `count` candidates of one source for each trial.

    `budget` is the number of trials; `names` is "real", or "anonymous" for rules without priors by name. Raises SettingsError.
    """

    def __init__(self, space: Space, seed: int, *, source: str, count: int, budget: int, names: str) -> None:
        check_select(source, count)
        if "forest" in SOURCES[source]:
            refuse_numbers(space, f"select.source={source}")
        if "gp" in SOURCES[source]:
            refuse_underflow(space, f"select.source={source}")
        self._space = space
        self._seed = seed
        self._origins = SOURCES[source]
        self._count = count
        self._budget = budget
        self._priors = Priors(space) if names == "real" else Priors.none()

    def after(self, trajectory: Trajectory) -> tuple[Candidate, ...]:
        """Return the candidates for trial `len(trajectory) + 1`, distinct and not tried. Raises Exhausted when there is none."""
        seen = {_text(trial.config) for trial in trajectory}
        found: list[Candidate] = []
        for candidate in self._pool(trajectory, seen):
            text = _text(candidate.config)
            if text not in seen:
                seen.add(text)
                found.append(candidate)
            if len(found) == self._count:
                break
        if not found:
            raise Exhausted
        return tuple(found)

    def _pool(self, trajectory: Trajectory, seen: set[str]) -> Iterator[Candidate]:
        """Yield the sources' candidates in turn, and then uniform draws."""
        rng = keyed_random(self._seed, "select", len(trajectory) + 1)
        uniform = (Candidate(config, "random") for config in fresh(self._space, rng, lambda config: _text(config) in seen))
        share = -(-self._count // len(self._origins))
        turns = {origin: iter(self._of(origin, trajectory, share)) for origin in self._origins}
        in_turn = (next(turns[origin], None) or next(uniform, None) for _ in range(share) for origin in self._origins)
        return chain((candidate for candidate in in_turn if candidate), uniform)

    def _of(self, origin: str, trajectory: Trajectory, count: int) -> list[Candidate]:
        """Return the candidates of a source, the best first; none of `random`, whose draws fill what is open."""
        if origin == "rules":
            found = self._ranked(trajectory)
        elif origin == "random" or sum(trial.score is not None for trial in trajectory) < SCORED:
            found = []
        else:
            found = self._modelled(origin, trajectory, count)
        return [Candidate(config, origin) for config in found]

    def _ranked(self, trajectory: Trajectory) -> list[Config]:
        """Return the rules' candidates that were not tried, with the random numbers of the arm `rules`."""
        summary = summarize(self._space, trajectory, self._budget, ALL_BLOCKS)
        tried = {json.dumps(trial.config) for trial in trajectory}
        rng = keyed_random(self._seed, "rules", len(trajectory) + 1)
        return [config for config in ranked(self._space, summary, self._priors, rng) if json.dumps(config) not in tried]

    def _modelled(self, origin: str, trajectory: Trajectory, count: int) -> list[Config]:
        seed = keyed_seed(self._seed, f"select {origin}", len(trajectory) + 1)
        if origin == "forest":
            session = forest_session(self._space, seed, 1)
        else:
            from harness.optimizers._skopt import SkoptSession  # noqa: PLC0415 - takes 1.4 s, which a finished cell does not need

            session = SkoptSession(
                self._space, base_estimator="GP", acq_func="EI", acq_optimizer="sampling", n_initial_points=1, random_state=seed
            )
        told = [report for place in range(len(trajectory)) for report in reports(trajectory.trials[: place + 1])]
        for place, (config, score) in enumerate(told, start=1):
            session.tell(config, score, more=place < len(told))
        return session.ask_several(count)


def check_select(source: str, candidates: int, orders: int = 1) -> None:
    """Raise SettingsError for settings `select.*` that make no sense."""
    if source not in SOURCES:
        raise SettingsError(f"select.source={source}: no such source of candidates{near(source, SOURCES)}")
    if not FEWEST <= candidates <= MOST:
        raise SettingsError(f"select.candidates={candidates}: must be {FEWEST} to {MOST}, so that each number is one digit")
    if not 1 <= orders <= candidates:
        raise SettingsError(
            f"select.orders={orders}: must be 1 to {candidates}: a list of so many candidates has no more rotations"
        )


def _text(config: Config) -> str:
    """Return a configuration as it is shown: JSON, in which 1, 1.0 and true differ, with floats in three digits."""
    return json.dumps(in_digits(config, DIGITS))


def note_of(candidates: tuple[Candidate, ...], chosen: int) -> dict[str, object]:
    """Return what a trial's note keeps of its candidates: configurations, origins, and the number of the chosen one, from 1."""
    return {
        "candidates": [dict(candidate.config) for candidate in candidates],
        "origins": [candidate.origin for candidate in candidates],
        "chosen": chosen,
    }
