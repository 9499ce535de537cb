"""Optuna's random search: one study per seed, in memory, or in the journal file that BENCH_JOURNAL names."""

from __future__ import annotations

import os

import optuna
from bowl import SPACE, asked, curve
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from harness.space.hyperparameter import Number


def main() -> None:
    """Run all seeds."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    seeds, trials = asked()
    journal = os.environ.get("BENCH_JOURNAL")
    for seed in range(seeds):
        storage = JournalStorage(JournalFileBackend(journal)) if journal else None
        sampler = optuna.samplers.RandomSampler(seed=seed)
        study = optuna.create_study(study_name=f"bowl-{seed}", storage=storage, sampler=sampler, direction="maximize")
        study.optimize(lambda trial, seed=seed: objective(trial, seed), n_trials=trials)


def objective(trial: optuna.Trial, seed: int) -> float:
    """Return the best score of one training."""
    numbers = [hp for hp in SPACE if isinstance(hp, Number)]
    config = {hp.name: trial.suggest_float(hp.name, hp.low, hp.high, log=hp.log) for hp in numbers}
    return max(curve(config, seed))


main()
