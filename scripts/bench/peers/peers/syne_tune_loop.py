"""Syne Tune's random search on its simulator: a blackbox with a curve, a simulated clock, and one tuner per seed."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import numpy.typing as npt
from bowl import SPACE, asked, curve
from syne_tune import StoppingCriterion, Tuner
from syne_tune.backend.simulator_backend.simulator_callback import SimulatorCallback
from syne_tune.blackbox_repository.blackbox import Blackbox
from syne_tune.blackbox_repository.simulated_tabular_backend import UserBlackboxBackend
from syne_tune.config_space import loguniform, randint, uniform
from syne_tune.optimizer.baselines import RandomSearch

from harness.space.hyperparameter import Number

EPOCHS = 3


class Bowl(Blackbox):
    """The toy task as a blackbox: score and elapsed time after each epoch."""

    def __init__(self, space: dict[str, object]) -> None:
        super().__init__(
            configuration_space=space,
            fidelity_space={"epoch": randint(1, EPOCHS)},
            objectives_names=["score", "elapsed_time"],
        )

    @property
    def fidelity_values(self) -> npt.NDArray[np.int64]:
        return np.arange(1, EPOCHS + 1)

    def _objective_function(self, configuration: dict[str, Any], fidelity: Any = None, seed: int | None = None) -> Any:
        config = {name: configuration[name] for name in SPACE.names}
        scores = curve(config, seed or 0)
        scores += scores[-1:] * (EPOCHS - len(scores))  # a blackbox must have a value for every epoch
        rows = np.array([[score, float(number)] for number, score in enumerate(scores, start=1)])
        return rows if fidelity is None else dict(zip(self.objectives_names, rows[fidelity["epoch"] - 1], strict=True))


def main() -> None:
    """Run all seeds."""
    logging.getLogger().setLevel(logging.WARNING)
    seeds, trials = asked()
    for seed in range(seeds):
        numbers = [hp for hp in SPACE if isinstance(hp, Number)]
        space: dict[str, object] = {hp.name: (loguniform if hp.log else uniform)(hp.low, hp.high) for hp in numbers}
        backend = UserBlackboxBackend(blackbox=Bowl(space), elapsed_time_attr="elapsed_time", seed=seed)
        tuner = Tuner(
            trial_backend=backend,
            scheduler=RandomSearch(space, metrics=["score"], do_minimize=False, random_seed=seed),
            stop_criterion=StoppingCriterion(max_num_trials_finished=trials),
            n_workers=1,
            sleep_time=0,
            callbacks=[SimulatorCallback()],
            tuner_name=f"bowl-{seed}",
            print_update_interval=1e9,
        )
        tuner.run()


main()
