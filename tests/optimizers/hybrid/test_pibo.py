from __future__ import annotations

import random
from collections import Counter

import pytest
from scipy.stats import kstest, truncnorm

from harness.errors import SettingsError
from harness.optimizer import Optimizer
from harness.optimizers.pibo.pibo import PiBO
from harness.optimizers.pibo.prior import DefaultPrior
from harness.space import Space
from harness.testing.contracts.optimizer import ModelContract, a_trial
from harness.trial import Proposal, Trajectory

SPACE = Space.from_mapping(
    {
        "rate": {"type": "float", "low": 1e-5, "high": 1.0, "scale": "log", "default": 0.1, "meaning": "m"},
        "kind": {"type": "categorical", "choices": ["a", "b", "c"], "default": "b", "meaning": "m"},
    }
)


class TestPiBO(ModelContract):
    trials = 6
    replayed = (0, 2, 5)

    @staticmethod
    def build(space: Space, seed: int) -> Optimizer:
        return PiBO(space, seed, startup_trials=3, budget=10, spread=0.25)


def after_equal_scores(spread: float, seed: int) -> Trajectory:
    rng = random.Random(seed)
    return Trajectory(tuple(a_trial(n, Proposal(SPACE.sample(rng)), 50.0) for n in range(1, 4)))


def test_a_draw_has_the_distribution_that_the_prior_states() -> None:
    prior, rng = DefaultPrior(SPACE, 0.25), random.Random(0)
    drawn = [prior.sample(rng) for _ in range(3_000)]
    low, high = (0.0 - 0.8) / 0.25, (1.0 - 0.8) / 0.25
    places = [SPACE["rate"].to_unit(config["rate"]) for config in drawn]
    assert kstest(places, truncnorm(low, high, loc=0.8, scale=0.25).cdf).pvalue > 1e-3
    counts = Counter(config["kind"] for config in drawn)
    assert [counts[kind] / 3_000 for kind in "abc"] == pytest.approx([1 / 6, 2 / 3, 1 / 6], abs=0.03)


def test_where_scores_say_nothing_the_model_proposes_near_the_default_the_more_so_the_narrower_the_prior() -> None:
    def mean_distance(spread: float) -> float:
        found = []
        for seed in range(6):
            shown = after_equal_scores(spread, seed)
            config = PiBO(SPACE, seed, startup_trials=3, budget=10, spread=spread).propose(shown).config
            found.append(abs(SPACE["rate"].to_unit(config["rate"]) - 0.8))
        return sum(found) / len(found)

    assert mean_distance(0.05) < 0.1 < mean_distance(100.0)


def test_a_prior_without_width_is_refused() -> None:
    with pytest.raises(SettingsError, match="spread=0"):
        PiBO(SPACE, 0, startup_trials=3, budget=10, spread=0.0)
