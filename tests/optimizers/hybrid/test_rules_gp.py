from __future__ import annotations

import pytest

from harness.errors import SettingsError
from harness.optimizer import DefaultFirst, Optimizer
from harness.optimizers.hybrid.rules_gp import RulesGP
from harness.optimizers.hybrid.rules_pibo import RulesPiBO
from harness.optimizers.hybrid.turns import PROPOSER
from harness.optimizers.optuna_gp import OptunaGP
from harness.optimizers.random import Random
from harness.optimizers.rules.policy import Rules
from harness.space import Space
from harness.testing.contracts.optimizer import NASTY, OptimizerContract, bumpy, configs, run


class TestRulesGP(OptimizerContract):
    trials = 6
    replayed = (0, 2, 5)

    @staticmethod
    def build(space: Space, seed: int) -> Optimizer:
        return RulesGP(space, seed, startup="rules", startup_length=4, budget=10)


@pytest.mark.full  # it shares all its code with the two others
class TestRulesPiBO(OptimizerContract):
    trials = 6
    replayed = (0, 2, 5)

    @staticmethod
    def build(space: Space, seed: int) -> Optimizer:
        return RulesPiBO(space, seed, startup_length=4, budget=10, spread=0.25)


def test_the_rules_propose_the_first_trials_after_the_default_and_the_gp_the_others() -> None:
    whole = run(DefaultFirst(RulesGP(NASTY, 0, startup="rules", startup_length=3, budget=10), NASTY), bumpy, 6)
    assert [trial.proposal.note.get(PROPOSER) for trial in whole] == [None, *["rules"] * 3, *["optuna_gp"] * 2]
    rules = run(DefaultFirst(Rules(NASTY, 0, budget=10), NASTY), bumpy, 6)
    assert configs(whole)[:4] == configs(rules)[:4] != configs(rules)[1:5]


def test_while_every_trial_fails_the_rules_go_on() -> None:
    whole = run(RulesGP(NASTY, 0, startup="rules", startup_length=2, budget=10), lambda number, proposal: None, 4)
    assert {trial.proposal.note[PROPOSER] for trial in whole} == {"rules"}


def test_with_random_draws_at_the_start_it_is_the_gp_after_draws_of_random_search() -> None:
    whole = run(RulesGP(NASTY, 0, startup="random", startup_length=3, budget=10), bumpy, 4)
    assert configs(whole)[:3] == configs(run(Random(NASTY, 0), bumpy, 3))
    assert whole[3].config == OptunaGP(NASTY, 0, startup_trials=3).propose(type(whole)(whole.trials[:3])).config


@pytest.mark.parametrize(
    ("startup", "length", "words"),
    [("rulez", 3, "did you mean 'rules'"), ("tcs", 3, "optimizer=tcs_gp"), ("rules", 0, "startup_length=0: must be at least 1")],
)
def test_what_it_cannot_do_is_said_in_one_line(startup: str, length: int, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        RulesGP(NASTY, 0, startup=startup, startup_length=length, budget=10)
