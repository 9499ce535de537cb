"""Local search: change the best configuration so far a little, and keep what is better. The greedy control of model-based methods.

Every trial starts from the incumbent, or from the default while no trial has a score. It changes one hyperparameter, or two with
probability 0.3. Steps follow the space's own scales:

- a number moves by a normal step on its (log) scale, reflected at the ends; an integer moves by at least one;
- an ordered level moves to one of its neighbours;
- an unordered choice becomes any other choice;
- a hyperparameter that a change activates has its default.

The standard deviation of a step is 0.3 of the scale. It is halved after every three trials without an improvement, down to 0.05. A
failed training is a trial without an improvement. No configuration is tried twice: where many steps find nothing new, a uniform draw
replaces them.

Source: hill climbing, as the control that arXiv 2603.27415 compares LLM agents with (abstract only). The step sizes are ours; the first one
was chosen on random problems only (`scripts/development_family.py`).
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import ClassVar

from harness.optimizers._untried import untried
from harness.seeding import keyed_random
from harness.space import Choice, Config, Hyperparameter, Number, Space, Value
from harness.trial import Proposal, Trajectory

STEP = 0.3  # standard deviation of a step, as a share of the scale
SMALLEST_STEP = 0.05
PATIENCE = 3  # trials without an improvement after which the step is halved
SECOND_CHANGE = 0.3  # probability that a second hyperparameter changes too
STEPS = 200  # so many steps that lead to tried configurations, and a uniform draw replaces them


class LocalSearch:
    """Propose a neighbour of the incumbent that was not tried before. Raises Exhausted when none is found."""

    versions: ClassVar = {"local_search": 1}

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._seed = seed

    def propose(self, trajectory: Trajectory) -> Proposal:
        """Return the first neighbour that was not tried before, or an untried uniform draw."""
        tried = {json.dumps(trial.config) for trial in trajectory}
        for config in self._neighbours(trajectory):
            if json.dumps(config) not in tried:
                return Proposal(config)
        return Proposal(untried(self._space, trajectory, self._seed, "local_search"))

    def _neighbours(self, trajectory: Trajectory) -> Iterator[Config]:
        rng = keyed_random(self._seed, "local_search", len(trajectory) + 1)
        best = trajectory.incumbent
        base = best.config if best else self._space.default()
        misses = len(trajectory) - best.number if best else 0
        step = max(STEP * 0.5 ** (misses // PATIENCE), SMALLEST_STEP)
        for _ in range(STEPS):
            yield self._changed(base, step, rng)

    def _changed(self, base: Config, step: float, rng: random.Random) -> Config:
        """Return `base` with one or two active hyperparameters changed."""
        count = min(len(base), 2 if rng.random() < SECOND_CHANGE else 1)
        names = rng.sample(list(base), count)
        moved = {name: neighbour(self._space[name], base[name], step, rng) for name in names}
        return self._space.restrict({hp.name: hp.default for hp in self._space} | base | moved)


def neighbour(hp: Hyperparameter, value: Value, step: float, rng: random.Random) -> Value:
    """Return another value near `value`; `step` is the standard deviation on the scale of a number, in (0, 1]."""
    if isinstance(hp, Choice):
        return _other_choice(hp, value, rng)
    assert isinstance(hp, Number)
    moved = hp.from_unit(_reflected(hp.to_unit(value) + rng.gauss(0.0, step)))
    if not hp.integer or moved != value:
        return moved
    assert not isinstance(value, str)
    return hp.exact(rng.choice([n for n in (value - 1, value + 1) if hp.low <= n <= hp.high]))


def _other_choice(hp: Choice, value: Value, rng: random.Random) -> Value:
    codes = range(len(hp.choices))
    at = int(hp.to_unit(value) * len(codes))
    return hp.choices[rng.choice([k for k in codes if (abs(k - at) == 1 if hp.ordered else k != at)])]


def _reflected(position: float) -> float:
    """Return a position folded into [0, 1], as if the ends were mirrors."""
    folded = position % 2.0
    return 2.0 - folded if folded > 1.0 else folded
