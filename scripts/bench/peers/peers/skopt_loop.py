"""scikit-optimize's ask and tell with random points, and a minimal record: one line of JSON per trial."""

from __future__ import annotations

import json
from pathlib import Path

import skopt
from bowl import SPACE, asked, curve
from skopt.space import Real

from harness.space.hyperparameter import Number


def main() -> None:
    """Run all seeds."""
    seeds, trials = asked()
    numbers = [hp for hp in SPACE if isinstance(hp, Number)]
    for seed in range(seeds):
        dimensions = [Real(hp.low, hp.high, prior="log-uniform" if hp.log else "uniform") for hp in numbers]
        optimizer = skopt.Optimizer(dimensions, n_initial_points=trials + 1, random_state=seed)
        with Path(f"seed{seed}.jsonl").open("a") as file:
            for number in range(1, trials + 1):
                point = optimizer.ask()
                config = {hp.name: float(value) for hp, value in zip(numbers, point, strict=True)}
                score = max(curve(config, seed))
                optimizer.tell(point, -score)
                file.write(json.dumps({"trial": number, "config": config, "val_score_pct": score}) + "\n")
                file.flush()


main()
