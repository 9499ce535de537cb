"""Measure the summarizer: the size of a summary in each format and the milliseconds, for 1 to 1,000 trials of 14 hyperparameters.

    python scripts/bench/tcs.py [--trials 1 3 10 100 1000] [--repeats 7]

The trials are random, with curves of 100 epochs (200 for 100 trials and more) and 8 % failures. All times are processor time. The first
call is shown separately, because it also computes exact distributions that later calls reuse; of the later calls the median is shown.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import time
from collections.abc import Sequence

from harness.space import Config, Space
from harness.tcs import Format, estimate_tokens, render, summarize, token_bound
from harness.trial import Epoch, Outcome, Proposal, Status, Trajectory, Trial

SPACE: dict[str, dict[str, object]] = {
    "learning_rate": {"type": "float", "low": 1e-5, "high": 1.0, "scale": "log", "default": 1e-3, "meaning": "step size"},
    "batch_size": {"type": "ordinal", "levels": [16, 32, 64, 128, 256], "default": 32, "meaning": "rows per step"},
    "optimizer": {"type": "categorical", "choices": ["sgd", "adamw", "rmsprop"], "default": "adamw", "meaning": "update rule"},
    "momentum": {"type": "float", "low": 0.0, "high": 0.99, "default": 0.9, "meaning": "of SGD", "when": {"optimizer": "sgd"}},
    "nesterov": {"type": "bool", "default": False, "meaning": "look ahead", "when": {"optimizer": "sgd"}},
    "beta2": {"type": "float", "low": 0.9, "high": 0.9999, "default": 0.999, "meaning": "of Adam", "when": {"optimizer": "adamw"}},
    "weight_decay": {"type": "float", "low": 1e-7, "high": 1e-1, "scale": "log", "default": 1e-4, "meaning": "weight decay"},
    "schedule": {"type": "categorical", "choices": ["constant", "cosine", "step"], "default": "cosine", "meaning": "of the step"},
    "step_epochs": {"type": "int", "low": 5, "high": 50, "default": 20, "meaning": "epochs per step", "when": {"schedule": "step"}},
    "num_layers": {"type": "int", "low": 1, "high": 6, "default": 2, "meaning": "hidden layers"},
    "hidden_size": {"type": "int", "low": 8, "high": 1024, "scale": "log", "default": 64, "meaning": "width"},
    "activation": {"type": "categorical", "choices": ["relu", "tanh", "gelu"], "default": "relu", "meaning": "non-linearity"},
    "dropout": {"type": "float", "low": 0.0, "high": 0.8, "default": 0.2, "meaning": "share dropped"},
    "label_smoothing": {"type": "float", "low": 0.0, "high": 0.3, "default": 0.0, "meaning": "of the targets"},
}


def quality(config: Config) -> float:
    """Return the score of a configuration in percent: best near a learning rate of 0.003, with additive effects of the others."""
    rate = math.log10(float(config["learning_rate"])) + 2.5
    score = 93 - 6 * rate**2 - 20 * (float(config["dropout"]) - 0.25) ** 2 + 1.5 * math.log2(float(config["hidden_size"]) / 64)
    return min(max(score + (1.5 if config["optimizer"] == "adamw" else 0.0), 10.0), 99.0)


def curve(config: Config, epochs: int, rng: random.Random) -> tuple[Epoch, ...]:
    """Return a curve that rises to the quality of the configuration and overfits without dropout."""
    best, epochs_to_rise, rows = quality(config), rng.uniform(3, 25), []
    over = 12 * (0.3 - float(config["dropout"])) if float(config["dropout"]) < 0.3 else 0.0
    for number in range(1, epochs + 1):
        reached = 10 + (best - 10) * (1 - math.exp(-number / epochs_to_rise))
        val = min(reached - over * number / epochs + rng.gauss(0, 0.6), 100.0)
        train = min(reached + over + rng.gauss(0, 0.3), 100.0)
        rows.append(Epoch(val, (100 - val) / 40, train, (100.5 - train) / 40, number=number))
    return tuple(rows)


def trajectory_of(space: Space, trials: int, epochs: int) -> Trajectory:
    """Return `trials` random trials; those with a learning rate above 0.3 diverge."""
    rng, made = random.Random(0), []
    for number in range(1, trials + 1):
        config = space.sample(rng)
        rows = curve(config, epochs, rng)
        if float(config["learning_rate"]) > 0.3:
            outcome = Outcome.failed(Status.DIVERGED, f"val_loss is nan at epoch {number % 7 + 3}", rows[: number % 7 + 2], 1.0)
        else:
            outcome = Outcome.of_curve(rows, 1.0)
        made.append(Trial(number, Proposal(config), outcome))
    return Trajectory(tuple(made))


def milliseconds(space: Space, trajectory: Trajectory, budget: int, form: Format) -> float:
    """Return the processor time, in milliseconds, of making and writing one summary."""
    trajectory = Trajectory(trajectory.trials)  # a new object, so that nothing is cached for it
    start = time.process_time()
    render(summarize(space, trajectory, budget), form)
    return (time.process_time() - start) * 1e3


def row(space: Space, trials: int, repeats: int) -> str:
    """Measure one size and return a row of the table."""
    epochs = 100 if trials < 100 else 200
    trajectory, budget = trajectory_of(space, trials, epochs), max(trials + trials // 3, 10)
    first = milliseconds(space, trajectory, budget, Format.TEXT)
    summary = summarize(space, trajectory, budget)
    cells = [str(trials), str(epochs), str(token_bound(trials))]
    for form in Format:
        text = render(summary, form)
        cells.append(f"{len(text):,} / {estimate_tokens(text):,}")
        assert estimate_tokens(text) <= token_bound(trials)
    later = {form: statistics.median(milliseconds(space, trajectory, budget, form) for _ in range(repeats)) for form in Format}
    cells += [f"{first:.1f}", *(f"{later[form]:.1f}" for form in Format)]
    return "| " + " | ".join(cells) + " |"


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, nargs="+", default=[1, 3, 10, 100, 1000])
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args(argv)
    space = Space.from_mapping(SPACE)
    columns = [
        "trials",
        "epochs",
        "bound",
        *(f"{form} chars / tokens" for form in Format),
        "first ms",
        *(f"{form} ms" for form in Format),
    ]
    print("| " + " | ".join(columns) + " |\n|" + "---:|" * len(columns))
    for trials in options.trials:
        print(row(space, trials, options.repeats), flush=True)


if __name__ == "__main__":
    main()
