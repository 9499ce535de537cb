"""Measure the time of a proposal of skopt's GP and of Optuna's TPE: through the harness, and by the plain library with the same seed.

    python scripts/bench/proposals.py [--trials 20] [--rounds 5]

Both get the scores of the same cheap function of six mixed hyperparameters, with three start-up trials. The table shows milliseconds of
processor time for ask and tell together: medians over the rounds, in which the two take turns.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Sequence

from harness.environment import one_thread
from harness.optimizer import Optimizer
from harness.optimizers.skopt_gp import SkoptGP
from harness.optimizers.tpe import TPE
from harness.seeding import keyed_seed
from harness.space import Config, Space
from harness.space.hyperparameter import Choice, Number
from harness.trial import Epoch, Outcome, Trajectory, Trial

STARTUP, SEED = 3, 0
SPACE = Space.from_mapping(
    {
        "rate": {"type": "float", "low": 1e-5, "high": 1.0, "scale": "log", "default": 1e-3, "meaning": "x"},
        "decay": {"type": "float", "low": 0.0, "high": 0.5, "default": 0.1, "meaning": "x"},
        "width": {"type": "int", "low": 4, "high": 256, "scale": "log", "default": 32, "meaning": "x"},
        "depth": {"type": "int", "low": 1, "high": 6, "default": 2, "meaning": "x"},
        "batch": {"type": "ordinal", "levels": [16, 32, 64, 128], "default": 32, "meaning": "x"},
        "kind": {"type": "categorical", "choices": ["a", "b", "c"], "default": "a", "meaning": "x"},
    }
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and return 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args(arguments)
    one_thread()
    warnings.simplefilter("ignore")
    rows: list[tuple[str, Callable[[int], float], Callable[[int], float]]] = [
        ("skopt GP", lambda n: ours(SkoptGP(SPACE, SEED, startup_trials=STARTUP), n), plain_skopt),
        ("Optuna TPE", lambda n: ours(TPE(SPACE, SEED, startup_trials=STARTUP), n), plain_tpe),
    ]
    print("| method | harness, ms a trial | plain library, ms | ratio |\n| --- | ---: | ---: | ---: |")
    for name, harness, library in rows:
        pairs = [(harness(given.trials), library(given.trials)) for _ in range(given.rounds + 1)][1:]
        mine, plain = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
        ratio = statistics.median(one / other for one, other in pairs)
        print(f"| {name} | {1000 * mine / given.trials:.2f} | {1000 * plain / given.trials:.2f} | {ratio:.2f} |")
    return 0


def score_of(config: Config) -> float:
    """Return a score below 100 that depends on every hyperparameter."""
    return 90.0 - sum((position - 0.6) ** 2 for position in SPACE.to_unit(config)) * 10


def ours(method: Optimizer, trials: int) -> float:
    """Return the processor seconds in which the harness's method proposes this many configurations."""
    trajectory, started = Trajectory(), time.process_time()
    for number in range(1, trials + 1):
        proposal = method.propose(trajectory)
        outcome = Outcome.of_curve((Epoch(score_of(proposal.config), number=1),), 0.0)
        trajectory = trajectory.then(Trial(number, proposal, outcome))
    return time.process_time() - started


def plain_skopt(trials: int) -> float:
    """Return the processor seconds of `skopt.Optimizer`, by direct calls of `ask` and `tell`."""
    import skopt  # noqa: PLC0415
    from skopt.space import Categorical, Integer, Real  # noqa: PLC0415

    dimensions = []
    for hp in SPACE:
        if isinstance(hp, Number):
            prior = "log-uniform" if hp.log else "uniform"
            dimensions.append(Integer(int(hp.low), int(hp.high), prior=prior) if hp.integer else Real(hp.low, hp.high, prior=prior))
        elif isinstance(hp, Choice):
            last = len(hp.choices) - 1
            dimensions.append(Integer(0, last) if hp.ordered else Categorical(range(last + 1)))
    started = time.process_time()
    seed = keyed_seed(SEED, "skopt_gp")
    optimizer = skopt.Optimizer(dimensions, base_estimator="GP", n_initial_points=STARTUP, random_state=seed)
    for _ in range(trials):
        point = optimizer.ask()
        values = zip(SPACE, point, strict=True)
        config = {hp.name: hp.choices[value] if isinstance(hp, Choice) else hp.exact(value) for hp, value in values}
        optimizer.tell(point, -score_of(config))
    return time.process_time() - started


def plain_tpe(trials: int) -> float:
    """Return the processor seconds of an Optuna study, by direct calls of `ask` and `tell`."""
    import optuna  # noqa: PLC0415

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    started = time.process_time()
    sampler = optuna.samplers.TPESampler(n_startup_trials=STARTUP, seed=keyed_seed(SEED, "tpe"))
    study = optuna.create_study(sampler=sampler, direction="maximize")
    for _ in range(trials):
        trial = study.ask()
        config: Config = {}
        for hp in SPACE:
            if isinstance(hp, Number):
                suggest = trial.suggest_int if hp.integer else trial.suggest_float
                config[hp.name] = suggest(hp.name, hp.low, hp.high, log=hp.log)  # type: ignore[arg-type] # whole numbers
            elif isinstance(hp, Choice):
                last = len(hp.choices) - 1
                index = trial.suggest_int(hp.name, 0, last) if hp.ordered else trial.suggest_categorical(hp.name, range(last + 1))
                config[hp.name] = hp.choices[int(index)]
        study.tell(trial, score_of(config))
    return time.process_time() - started


if __name__ == "__main__":
    sys.exit(main())
