from __future__ import annotations

import logging

import optuna

from harness.optimizer import Optimizer
from harness.optimizers.optuna_gp import OptunaGP
from harness.seeding import keyed_seed
from harness.space import Space
from harness.testing.contracts.optimizer import Listener, ModelContract
from harness.testing.contracts.optuna_run import CONDITIONAL, library_run, our_run


class TestOptunaGP(ModelContract):
    trials = 7
    replayed = (0, 3, 6)

    @staticmethod
    def build(space: Space, seed: int) -> Optimizer:
        return OptunaGP(space, seed, startup_trials=3)


def test_it_proposes_exactly_what_the_library_itself_does() -> None:
    sampler = optuna.samplers.GPSampler(n_startup_trials=3, seed=keyed_seed(5, "optuna_gp"), warn_independent_sampling=False)
    ours = our_run(OptunaGP(CONDITIONAL, 5, startup_trials=3), 8)
    assert ours == library_run(sampler, 8, start=ours[:3])


def test_a_conditional_hyperparameter_is_drawn_without_a_word_on_the_terminal() -> None:
    logger, heard = logging.getLogger("optuna"), Listener()
    logger.addHandler(heard)
    tried = our_run(OptunaGP(CONDITIONAL, 0, startup_trials=1), 6)
    logger.removeHandler(heard)
    assert any("knob" in config for config in tried[1:])
    assert heard.messages == []
