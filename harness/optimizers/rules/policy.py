"""No LLM but the summary: fixed rules act on the typed sections of the trajectory context summarizer.

The arm answers whether the expert blocks do the work: it sees what an LLM would be shown (the sections, not their text) and has a
page of rules where the LLM has its reading. It never sees a trial, but for the last rule. All numbers are the module's constants.

 1. Base. Start from the incumbent's configuration (status), or from the default while no trial has a score.
 2. Levels. Cut each number's own scale into 17 levels, shifted afresh for each trial, and add some at small steps from the base; a
    choice has its own levels. (`_levels.py`)
 3. Scores heard. A level hears the mean score of each group of tried values (parameters), the nearer the louder: a Gaussian kernel
    of 0.15 of the scale; unordered choices hear only of themselves. Scores are in units of the lead: 1 is the incumbent, 0 the median,
    -1.5 the floor. A failed trial counts as the floor. The incumbent's own value counts once more.
 4. Contrasts. Where a trial differs from the incumbent in one knob only (changes), its level hears of that with the weight of 3 trials.
    A knob that brings another in or out is not the only one that differs: it does not count.
 5. Prior. What was heard is shrunk to a prior that weighs 0.7 of a trial: the default is a fair guess, further off is less so; and,
    unless names are anonymous, so is what textbooks say of a hyperparameter of that name. (`_textbook.py`)
 6. Doubt. A level of which little was heard gets a bonus that shrinks with the root of the trials heard of.
 7. Effects. An effect with evidence (parameters) tilts the whole scale, the more the stronger the evidence.
 8. Warnings. A level that shares a trait of the failed trials (failures) loses by how much the trait tells them from the others.
 9. Cures. Unless names are anonymous, the verdict on the incumbent's training curve (curves, last trial) tilts what textbooks say it
    calls for: overfitting wants more regularisation and a smaller model, still improving a higher learning rate, and so on.
10. Explore (phase). Draw 20 candidates: each knob of the base is changed with probability one half, at least three of those in use;
    mostly to a level nearby, nearer as the budget is spent, now and then to any level.
11. Exploit (phase). Draw 10 candidates: two knobs of the base are changed (one, where there is but one), to any levels. Knobs that the
    phase block names are drawn four times as often as others, and the learning rate twice.
12. Choice. A candidate's worth is the sum, over what it changes, of the new level's score minus the base's. The best is proposed.
13. No repeats. A candidate that was tried before is passed over; if all were, uniform draws follow.

The rules add hyperparameters up and never join them: two tried values are not traced to one trial by their equal scores, though ten
distinct scores would allow it. That would be a model of the trajectory, and the question is what its summary is good for.

Few candidates are drawn on purpose. Sums of one-dimensional readings of ten trials are a rough guide, and the best of hundreds would
be the one that their errors favour most. The constants were chosen on random problems (`scripts/development_family.py`) and on nothing
else; most can be halved or doubled without a visible change.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import ClassVar

from harness.errors import Exhausted, SettingsError, near
from harness.optimizers.rules.levels import Axis, Reading, axis_of, full_config
from harness.optimizers.rules.priors import Role, Textbook
from harness.seeding import keyed_random
from harness.space import Config, Space
from harness.space.hyperparameter import Hyperparameter
from harness.tcs import ALL_BLOCKS, Summary, summarize
from harness.tcs import VERSION as TCS_VERSION
from harness.tcs.analysis.axis import scale
from harness.tcs.blocks.phase import Mode
from harness.trial import Proposal, Trajectory

PRIOR_TRIALS = 0.7  # how many trials the prior weighs
PRIOR = 0.35  # score of a level that the prior favours most; the opposite is the least
DEFAULT_REACH = 0.35  # share of the scale at which the default no longer speaks for a level
CURE = 0.4  # tilt of a scale by a verdict, from the base to a whole scale away
DOUBT = {Mode.EXPLORE: 0.5, Mode.EXPLOIT: 0.7, Mode.FINISHED: 0.7}  # bonus of a level of which nothing was heard
CANDIDATES = {Mode.EXPLORE: 20, Mode.EXPLOIT: 10, Mode.FINISHED: 10}
EXPLORED = 3  # knobs in use that exploring changes at least
CHANGED = 0.5  # probability that exploring changes a knob
NEARBY = 0.8  # probability that exploring changes it to a level nearby
NEARBY_REACH = 0.2  # standard deviation of that step, as a share of the scale; falls to half of it over the budget
EXPLOITED = 2  # knobs that exploiting changes at most
NAMED_WEIGHT = 4.0  # weight, among knobs to exploit, of one that the phase block names
RATE_WEIGHT = 2.0  # and of a learning rate, the one that matters most (Bengio 2012; Greff et al. 2017; van Rijn and Hutter 2018)
UNIFORM_DRAWS = 1_000  # before the space counts as exhausted

_Pick = dict[str, int]  # the level that a candidate takes on each hyperparameter that it changes


class Rules:
    """Propose what fixed rules make of the typed summary.

    `names`: real, or anonymous for rules without textbooks. `outcomes`: real, or shuffled for rules that read the summary of the same
    trials with their outcomes permuted (afresh for each trial number): what they still gain does not come from the outcomes.
    """

    # 2: other draws on each task; a change that brings another hyperparameter counts as no clean contrast.
    versions: ClassVar = {"rules": 2, "tcs": TCS_VERSION}

    def __init__(self, space: Space, seed: int, *, budget: int, names: str = "real", outcomes: str = "real") -> None:
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
        self._textbook = Textbook(space) if names == "real" else Textbook.closed()

    def propose(self, trajectory: Trajectory) -> Proposal:
        """Return the best candidate that was not tried before. Raises Exhausted when none is found."""
        shown = trajectory
        if self._shuffles:
            shown = trajectory.shuffled(keyed_random(self._seed, "shuffled rules", len(trajectory)))
        summary = summarize(self._space, shown, self._budget, ALL_BLOCKS)
        rng = keyed_random(self._seed, "rules", len(trajectory) + 1)
        tried = {json.dumps(trial.config) for trial in trajectory}
        uniform = (self._space.sample(rng) for _ in range(UNIFORM_DRAWS))
        for config in chain(ranked(self._space, summary, self._textbook, rng), uniform):
            if json.dumps(config) not in tried:
                return Proposal(config)
        raise Exhausted


def ranked(space: Space, summary: Summary, textbook: Textbook, rng: random.Random) -> list[Config]:
    """Return the candidates for the next trial, best first: a function of the typed summary, not of the trials."""
    reading = Reading.of(summary)
    return _Policy(space, reading, textbook, rng).ranked()


class _Policy:
    """The rules at work on one summary."""

    def __init__(self, space: Space, reading: Reading, textbook: Textbook, rng: random.Random) -> None:
        self._space = space
        self._reading = reading
        self._textbook = textbook
        self._rng = rng
        items = reading.parameters.items
        self._full = full_config(reading, items)
        self._base = space.restrict(self._full)
        self._axes = {item.hp.name: axis_of(item, self._full[item.hp.name], reading, rng) for item in items}
        self._known: dict[tuple[str, object], list[float]] = {}

    def ranked(self) -> list[Config]:
        mode = self._reading.phase.mode
        draw = self._explored if mode is Mode.EXPLORE else self._exploited
        candidates = [self._config(draw()) for _ in range(CANDIDATES[mode])]
        worth = [self._worth(pick, config) for pick, config in candidates]
        order = sorted(range(len(candidates)), key=lambda i: -worth[i])
        return [candidates[i][1] for i in order]

    def _explored(self) -> _Pick:
        names = [name for name in self._space.names if self._rng.random() < CHANGED]
        spare = [name for name in self._base if name not in names]
        missing = min(EXPLORED, len(self._base)) - sum(name in self._base for name in names)
        names += self._rng.sample(spare, max(missing, 0))
        return {name: self._level(self._axes[name]) for name in names}

    def _level(self, axis: Axis) -> int:
        """Draw a level other than the base's, for exploring."""
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
        return named * (RATE_WEIGHT if self._textbook.role(hp) is Role.RATE else 1.0)

    def _config(self, pick: _Pick) -> tuple[_Pick, Config]:
        full = {name: axis.values[pick.get(name, 0)] for name, axis in self._axes.items()}
        return pick, self._space.restrict(full)

    def _worth(self, pick: _Pick, config: Config) -> float:
        """Return the sum of gains over what the candidate changes; a knob that comes into use at its base level gains nothing."""
        names: Iterable[str] = (name for name in config if name in pick or self._context_changed(name, config))
        return math.fsum(self._scores(name, config)[pick.get(name, 0)] - self._scores(name, self._base)[0] for name in names)

    def _context_changed(self, name: str, config: Config) -> bool:
        hp = self._space[name]
        return self._textbook.context(hp, config) != self._textbook.context(hp, self._base)

    def _scores(self, name: str, config: Config) -> list[float]:
        """Return the score of each level of a hyperparameter, in a configuration (whose update rule may matter to the prior)."""
        key = (name, self._textbook.context(self._space[name], config))
        if key not in self._known:
            self._known[key] = list(self._scored(self._axes[name], config))
        return self._known[key]

    def _scored(self, axis: Axis, config: Config) -> Iterator[float]:
        doubt, cure = DOUBT[self._reading.phase.mode], self._textbook.cure(self._reading.verdict, axis.hp)
        for k, at in enumerate(axis.positions):
            heard, trials = axis.heard[k], axis.weight[k]
            mean = (heard + PRIOR_TRIALS * PRIOR * self._prior(axis, k, config)) / (trials + PRIOR_TRIALS)
            bonus = doubt / math.sqrt(1 + trials / PRIOR_TRIALS)
            yield mean + bonus + axis.push[k] + CURE * cure * (at - axis.positions[0])

    def _prior(self, axis: Axis, k: int, config: Config) -> float:
        """Return in [-1, 1] how well a level agrees with the default, and with textbooks where they speak."""
        hp, value = axis.hp, axis.values[k]
        if axis.ordered:
            away = (axis.positions[k] - scale(hp)(hp.default)) / DEFAULT_REACH
            usual = 1 - min(2.0, away * away)
        else:
            usual = 1.0 if json.dumps(value) == json.dumps(hp.default) else -1.0
        written = self._textbook.agreement(hp, value, config)
        return usual if written is None else (usual + written) / 2
