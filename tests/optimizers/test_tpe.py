from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import optuna
from scipy.stats import kstest

from harness.optimizer import DefaultFirst, Optimizer
from harness.optimizers.random import Random
from harness.optimizers.tpe import TPE
from harness.seeding import keyed_seed
from harness.space import Space
from harness.testing.contracts.optimizer import ModelContract, configs, run
from harness.testing.contracts.optuna_run import CONDITIONAL, library_run, our_run
from harness.trial import Proposal, Trajectory

BOWL = Space.from_mapping({name: {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "meaning": "m"} for name in "abcd"})


class TestTPE(ModelContract):
    @staticmethod
    def build(space: Space, seed: int) -> Optimizer:
        return TPE(space, seed, startup_trials=3)


class TestTPEAsTheLibraryComes(ModelContract):
    startup = 10

    @staticmethod
    def build(space: Space, seed: int) -> Optimizer:
        return TPE(space, seed, startup_trials=10)


def test_it_proposes_exactly_what_the_library_itself_does() -> None:
    sampler = optuna.samplers.TPESampler(n_startup_trials=3, seed=keyed_seed(5, "tpe"))
    ours = our_run(TPE(CONDITIONAL, 5, startup_trials=3), 15)
    assert ours == library_run(sampler, 15, start=ours[:3])


def test_after_the_default_it_proposes_what_the_library_does_after_a_report_of_a_trial_from_elsewhere() -> None:
    sampler = optuna.samplers.TPESampler(n_startup_trials=3, seed=keyed_seed(5, "tpe"))
    optimizer = DefaultFirst(TPE(CONDITIONAL, 5, startup_trials=3), CONDITIONAL)
    ours = our_run(optimizer, 15)
    assert ours[0] == CONDITIONAL.default()
    assert ours == library_run(sampler, 15, start=ours[:3])


def test_start_up_trials_are_uniform_on_a_log_scale() -> None:
    rates = [float(TPE(CONDITIONAL, seed, startup_trials=1).propose(Trajectory()).config["rate"]) for seed in range(400)]
    assert kstest([(math.log10(rate) + 5) / 5 for rate in rates], "uniform").pvalue > 1e-4


def bowl(_: int, proposal: Proposal) -> float:
    return 100 - 100 * sum((float(x) - 0.3) ** 2 for x in proposal.config.values())


def mean_shortfall(optimizers: Iterable[Optimizer], trials: int) -> float:
    bests = [run(optimizer, bowl, trials).incumbent for optimizer in optimizers]
    scores = [best.score for best in bests if best is not None and best.score is not None]
    return 100 - sum(scores) / len(scores)


def test_it_finds_better_configurations_than_random_search_does() -> None:
    tpe = mean_shortfall((TPE(BOWL, seed, startup_trials=3) for seed in range(20)), 25)
    chance = mean_shortfall((Random(BOWL, seed) for seed in range(20)), 25)
    assert tpe < 0.7 * chance


class TestTPEWithGroups(ModelContract):
    @staticmethod
    def build(space: Space, seed: int) -> Optimizer:
        return TPE(space, seed, startup_trials=3, group=True)


def test_the_sampler_is_multivariate_with_a_constant_liar_as_the_library_ships_it() -> None:
    sampler = optuna.samplers.TPESampler(n_startup_trials=3, seed=keyed_seed(5, "tpe"), multivariate=True, constant_liar=True)
    ours = our_run(TPE(CONDITIONAL, 5, startup_trials=3), 15)
    assert ours == library_run(sampler, 15, start=ours[:3])


def test_groups_change_what_is_proposed_on_a_space_with_branches_and_nowhere_else() -> None:
    for space, differs in ((CONDITIONAL, True), (BOWL, False)):
        found = [configs(run(TPE(space, 5, startup_trials=3, group=group), graded(space), 12)) for group in (False, True)]
        assert (found[0] != found[1]) == differs


def graded(space: Space) -> Callable[[int, Proposal], float]:
    return lambda _, proposal: 100 - 100 * sum((u - 0.3) ** 2 for u in space.to_unit(proposal.config))
