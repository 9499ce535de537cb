"""Fixed rules in place of an LLM: they read the typed sections of the trajectory context summarizer.

The arm measures how much of the work the expert blocks do. It reads what an LLM would be shown (the sections, not their text), and fixed
rules replace the LLM. It never reads a trial, except in rule 13. All numbers are constants of this module or of `levels.py`.

Words: the base is the configuration that candidates change. A level is one value that may be tried next (`levels.py`). The position of
a value is its place in [0, 1] on the hyperparameter's own scale.

 1. Base. Take the incumbent's configuration (block status), or the default while no trial has a score.
 2. Levels. Divide the scale of each number into 17 levels, shifted at random for each trial, and add some levels at small steps from the
    base. A choice has its own levels.
 3. Scores of a level. A level's score is a weighted mean of the mean scores of the groups of tried values (block parameters). The weight
    falls with the distance: a Gaussian kernel with a standard deviation of 0.15 of the scale; unordered choices use only the same level.
    Scores are in relative units: 1 is the incumbent, 0 the median trial, -1.5 the lowest. A failed trial counts as -1.5. The incumbent's
    own value counts as one more trial.
 4. Contrasts. When a trial differs from the incumbent in one hyperparameter only (block changes), its result counts as 3 trials for that
    level. It does not count when the change activates or deactivates another hyperparameter.
 5. Prior. The score is shrunk towards a prior that weighs as much as 0.7 trials. The prior favours the default and values near it. Unless
    names are anonymous, it also favours what the literature recommends for a hyperparameter of that name (`priors.py`).
 6. Exploration bonus. A level with little evidence gets a bonus; it falls with the square root of the evidence, counted in trials.
 7. Effects. An effect with evidence (block parameters) adds a bias along the whole scale; stronger evidence gives a larger bias.
 8. Warnings. A level that shares a trait of the failed trials (block failures) loses the trait's contrast between failed and other trials.
 9. Remedies. Unless names are anonymous, the verdict on the incumbent's training (blocks curves and last_trial) adds a bias towards its
    usual remedy: overfitting asks for more regularisation and a smaller model, still improving for a higher learning rate, and so on.
10. Explore (block phase). Draw 20 candidates. Each changes every hyperparameter with probability 0.5, and at least three active ones. The
    new level is near the base with probability 0.8 (nearer as the budget is spent), else any level.
11. Exploit (block phase). Draw 10 candidates. Each changes two hyperparameters of the base (one if there is only one) to any level. Those
    that the phase block names are drawn with 4 times the weight of others, and the learning rate with twice the weight.
12. Choice. A candidate's worth is the sum, over its changes, of the new level's score minus the base level's score. Propose the best one.
    With the block surrogate (arm `rules_surrogate`), the worth gains what its Gaussian process expects of the candidate over the
    incumbent, plus half of the uncertainty, in the units of rule 3. While that block knows nothing, nothing is added.
13. No repeats. Skip a candidate that was tried before; if all were, draw uniformly.

The rules add up hyperparameters and ignore interactions. Ten distinct scores would allow them to identify which tried values belong to
one trial, but that would be a model of the trajectory, and the arm measures what the summary is good for.

Few candidates are drawn on purpose. Sums of one-dimensional estimates from ten trials are rough, and the best of hundreds of candidates
would mostly be the one with the largest error. The constants were chosen on random problems only (`scripts/development_family.py`); most
can be halved or doubled without a visible change.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import ClassVar

from harness.errors import Exhausted, SettingsError, near
from harness.optimizers.rules.levels import FLOOR, Axis, Reading, axis_of, full_config
from harness.optimizers.rules.priors import Priors, Role
from harness.seeding import keyed_random
from harness.space import Config, Space
from harness.space.hyperparameter import Hyperparameter
from harness.tcs import ALL_BLOCKS, Summary, Surrogate, summarize
from harness.tcs import VERSION as TCS_VERSION
from harness.tcs.analysis.axis import scale
from harness.tcs.blocks.phase import Mode
from harness.trial import Proposal, Trajectory

PRIOR_TRIALS = 0.7  # weight of the prior, in trials
PRIOR = 0.35  # score of a level that the prior favours most; -PRIOR is that of the least favoured one
DEFAULT_REACH = 0.35  # distance from the default, as a share of the scale, at which the prior is neutral
REMEDY = 0.4  # bias of a verdict at a distance of one whole scale from the base
EXPLORATION_BONUS = {Mode.EXPLORE: 0.5, Mode.EXPLOIT: 0.7, Mode.FINISHED: 0.7}  # bonus of a level without evidence
CANDIDATES = {Mode.EXPLORE: 20, Mode.EXPLOIT: 10, Mode.FINISHED: 10}
EXPLORED = 3  # active hyperparameters that exploring changes at least
CHANGED = 0.5  # probability that exploring changes a hyperparameter
NEARBY = 0.8  # probability that the new level is near the base
NEARBY_REACH = 0.2  # standard deviation of that step, as a share of the scale; it falls to half of that over the budget
EXPLOITED = 2  # hyperparameters that exploiting changes at most
NAMED_WEIGHT = 4.0  # sampling weight, when exploiting, of a hyperparameter that the phase block names; others have 1
# Sampling weight of a learning rate, the hyperparameter that matters most (Bengio 2012; Greff et al. 2017; van Rijn and Hutter 2018).
RATE_WEIGHT = 2.0
SURROGATE_WEIGHT = 1.0  # of the process's expectation beside the sum of the levels' scores
UNCERTAINTY_BONUS = 0.5  # standard deviations that are added to it; these two are round numbers, tuned on nothing
UNIFORM_DRAWS = 1_000  # after so many draws without a new configuration, the space counts as exhausted

_Pick = dict[str, int]  # for each hyperparameter that a candidate changes, the index of its new level


class Rules:
    """Propose a configuration by fixed rules that read the typed summary.

    `budget` is the number of trials. `names` is "real", or "anonymous" for rules without priors by name. `outcomes` is "real", or
    "shuffled" for rules that read a summary of the same trials with permuted outcomes (a new permutation for each trial number): the
    gain that is left does not come from the outcomes. `surrogate` adds a Gaussian process to the choice (rule 12). Raises SettingsError.
    """

    # 2: the seed depends on the task; a change that activates another hyperparameter is no longer a clean contrast.
    versions: ClassVar = {"rules": 2, "tcs": TCS_VERSION}

    def __init__(
        self, space: Space, seed: int, *, budget: int, names: str = "real", outcomes: str = "real", surrogate: bool = False
    ) -> None:
        known_outcomes = ("real", "shuffled")
        if names not in ("real", "anonymous"):
            raise SettingsError(f"agent.names: unknown '{names}'{near(names, ('real', 'anonymous'))}")
        if outcomes not in known_outcomes:
            raise SettingsError(f"optimizer.options.outcomes: unknown '{outcomes}'{near(outcomes, known_outcomes)}")
        if budget < 1:
            raise SettingsError(f"budget must be at least 1, not {budget}")
        self._space = space
        self._seed = seed
        self._budget = budget
        self._shuffles = outcomes == "shuffled"
        self._blocks = (*ALL_BLOCKS, "surrogate") if surrogate else ALL_BLOCKS
        self._priors = Priors(space) if names == "real" else Priors.none()

    def propose(self, trajectory: Trajectory) -> Proposal:
        """Return the best candidate that was not tried before. Raises Exhausted when none is found."""
        shown = trajectory
        if self._shuffles:
            shown = trajectory.shuffled(keyed_random(self._seed, "shuffled rules", len(trajectory)))
        summary = summarize(self._space, shown, self._budget, self._blocks)
        rng = keyed_random(self._seed, "rules", len(trajectory) + 1)
        tried = {json.dumps(trial.config) for trial in trajectory}
        uniform = (self._space.sample(rng) for _ in range(UNIFORM_DRAWS))
        for config in chain(ranked(self._space, summary, self._priors, rng), uniform):
            if json.dumps(config) not in tried:
                return Proposal(config)
        raise Exhausted


def ranked(space: Space, summary: Summary, priors: Priors, rng: random.Random) -> list[Config]:
    """Return the candidates for the next trial, best first. They depend on the typed summary, not on the trials themselves."""
    reading = Reading.of(summary)
    return _Policy(space, reading, priors, rng, summary.get(Surrogate)).ranked()


class _Policy:
    """The rules, applied to one summary."""

    def __init__(
        self, space: Space, reading: Reading, priors: Priors, rng: random.Random, surrogate: Surrogate | None = None
    ) -> None:
        self._space = space
        self._reading = reading
        self._priors = priors
        self._rng = rng
        items = reading.parameters.items
        self._full = full_config(reading, items)
        self._base = space.restrict(self._full)
        self._axes = {item.hp.name: axis_of(item, self._full[item.hp.name], reading, rng) for item in items}
        self._surrogate = surrogate
        self._known: dict[tuple[str, object], list[float]] = {}

    def ranked(self) -> list[Config]:
        mode = self._reading.phase.mode
        draw = self._explored if mode is Mode.EXPLORE else self._exploited
        candidates = [self._config(draw()) for _ in range(CANDIDATES[mode])]
        expected = self._expected([config for _, config in candidates])
        worth = [self._worth(pick, config) + more for (pick, config), more in zip(candidates, expected, strict=True)]
        order = sorted(range(len(candidates)), key=lambda i: -worth[i])
        return [candidates[i][1] for i in order]

    def _expected(self, configs: list[Config]) -> list[float]:
        """Return what the surrogate adds to each candidate's worth; 0 without one, and while it knows nothing."""
        found = self._surrogate
        if found is None or found.model is None or found.at_incumbent is None:
            return [0.0] * len(configs)
        here = found.at_incumbent.mean_pct
        unit = self._reading.unit_pct
        gains = ((mean - here + UNCERTAINTY_BONUS * deviation) / unit for mean, deviation in found.model.predict(configs))
        return [SURROGATE_WEIGHT * min(max(gain, FLOOR), 1.0) for gain in gains]

    def _explored(self) -> _Pick:
        names = [name for name in self._space.names if self._rng.random() < CHANGED]
        spare = [name for name in self._base if name not in names]
        missing = min(EXPLORED, len(self._base)) - sum(name in self._base for name in names)
        names += self._rng.sample(spare, max(missing, 0))
        return {name: self._level(self._axes[name]) for name in names}

    def _level(self, axis: Axis) -> int:
        """Draw a level other than the base's, for exploring (rule 10)."""
        levels = range(1, len(axis.values))
        if not axis.ordered or self._rng.random() >= NEARBY:
            return self._rng.choice(levels)
        status = self._reading.status
        spread = NEARBY_REACH * (1 - 0.5 * min(status.done / status.budget, 1))
        aim = self._rng.gauss(axis.positions[0], spread)
        return min(levels, key=lambda k: abs(axis.positions[k] - aim))

    def _exploited(self) -> _Pick:
        names: list[str] = []
        while len(names) < min(EXPLOITED, len(self._base)):
            spare = [name for name in self._base if name not in names]
            names += self._rng.choices(spare, [self._weight(self._space[name]) for name in spare])
        return {name: self._rng.choice(range(1, len(self._axes[name].values))) for name in names}

    def _weight(self, hp: Hyperparameter) -> float:
        named = NAMED_WEIGHT if hp.name in self._reading.phase.targets else 1.0
        return named * (RATE_WEIGHT if self._priors.role(hp) is Role.RATE else 1.0)

    def _config(self, pick: _Pick) -> tuple[_Pick, Config]:
        full = {name: axis.values[pick.get(name, 0)] for name, axis in self._axes.items()}
        return pick, self._space.restrict(full)

    def _worth(self, pick: _Pick, config: Config) -> float:
        """Return the sum of gains over the candidate's changes. A newly active hyperparameter at its base level gains nothing."""
        names: Iterable[str] = (name for name in config if name in pick or self._context_changed(name, config))
        return math.fsum(self._scores(name, config)[pick.get(name, 0)] - self._scores(name, self._base)[0] for name in names)

    def _context_changed(self, name: str, config: Config) -> bool:
        hp = self._space[name]
        return self._priors.context(hp, config) != self._priors.context(hp, self._base)

    def _scores(self, name: str, config: Config) -> list[float]:
        """Return the score of each level of a hyperparameter in a configuration (the prior may depend on its update rule)."""
        key = (name, self._priors.context(self._space[name], config))
        if key not in self._known:
            self._known[key] = list(self._scored(self._axes[name], config))
        return self._known[key]

    def _scored(self, axis: Axis, config: Config) -> Iterator[float]:
        full_bonus, remedy = EXPLORATION_BONUS[self._reading.phase.mode], self._priors.remedy(self._reading.verdict, axis.hp)
        for k, at in enumerate(axis.positions):
            score_sum, trials = axis.score_sum[k], axis.weight[k]
            mean = (score_sum + PRIOR_TRIALS * PRIOR * self._prior(axis, k, config)) / (trials + PRIOR_TRIALS)
            bonus = full_bonus / math.sqrt(1 + trials / PRIOR_TRIALS)
            yield mean + bonus + axis.bias[k] + REMEDY * remedy * (at - axis.positions[0])

    def _prior(self, axis: Axis, k: int, config: Config) -> float:
        """Return in [-1, 1] how well a level agrees with the default, and with the prior by name where there is one."""
        hp, value = axis.hp, axis.values[k]
        if axis.ordered:
            away = (axis.positions[k] - scale(hp)(hp.default)) / DEFAULT_REACH
            by_default = 1 - min(2.0, away * away)
        else:
            by_default = 1.0 if json.dumps(value) == json.dumps(hp.default) else -1.0
        by_name = self._priors.agreement(hp, value, config)
        return by_default if by_name is None else (by_default + by_name) / 2
