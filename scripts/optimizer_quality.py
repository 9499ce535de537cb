"""Measure how good the arms without an LLM are with few trials, and how long a proposal takes.

    python scripts/optimizer_quality.py --seeds 20 --jobs 1

Every arm that asks no LLM tunes seven cheap analytic problems with known minima, with and without the default as its first trial. Regret is
normalised on each problem: 0 is the minimum, 1 is the median random configuration or anything worse. "Worth" is the number of random trials
whose expected best has the same regret, averaged over the problems. "Gain" is how much less regret than that of random search from the
default, paired by problem and seed, with the report's 95 % interval over seeds. Prints Markdown.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import pairwise, product
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before any library reads it: these problems are slower with two threads

import numpy as np
from omegaconf import OmegaConf

from harness.errors import Exhausted
from harness.importing import load_target
from harness.optimizer import DefaultFirst, Optimizer
from harness.report.analysis.intervals import Resampling, seed_interval
from harness.space import Config, Space
from harness.trial import Epoch, Outcome, Proposal, Status, Trajectory, Trial

CONF = Path(__file__).resolve().parent.parent / "conf" / "optimizer"
POOL = 20_000
STARTS = ("none", "default")
SUITES = ("classical", "rules", "methods")
REFERENCE = ("random", "default")  # with which the others are compared


@dataclass(frozen=True)
class Problem:
    """A loss on a space, and its lowest value. An infinite loss means a training that fails."""

    space: Space
    loss: Callable[[Config], float]
    minimum: float


def _box(low: float, high: float, defaults: Iterable[float]) -> Space:
    entry = {"type": "float", "low": low, "high": high, "meaning": "coordinate"}
    return Space.from_mapping({f"x{i}": entry | {"default": default} for i, default in enumerate(defaults, start=1)})


def _point(config: Config) -> list[float]:
    return [float(value) for value in config.values()]


def _sphere(config: Config) -> float:
    return sum((x - at) ** 2 for x, at in zip(_point(config), (1.3, -2.1, 0.7, 2.9), strict=True))


def _rosenbrock(config: Config) -> float:
    x = _point(config)
    return sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in pairwise(x))


def _branin(config: Config) -> float:
    x, y = _point(config)
    return (y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6) ** 2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


_HARTMANN_A = ((10, 3, 17, 3.5, 1.7, 8), (0.05, 10, 17, 0.1, 8, 14), (3, 3.5, 1.7, 10, 17, 8), (17, 8, 0.05, 10, 0.1, 14))
_HARTMANN_P = (
    (0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886),
    (0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991),
    (0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650),
    (0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381),
)


def _hartmann6(config: Config) -> float:
    x = _point(config)
    peaks = zip((1.0, 1.2, 3.0, 3.2), _HARTMANN_A, _HARTMANN_P, strict=True)
    return -sum(height * math.exp(-sum(a * (u - p) ** 2 for a, u, p in zip(row, x, at, strict=True))) for height, row, at in peaks)


def _ackley(config: Config) -> float:
    x = [u - at for u, at in zip(_point(config), (16.0, -11.0, 7.0, -20.0, 13.0), strict=True)]
    root, ripple = math.sqrt(sum(u * u for u in x) / len(x)), sum(math.cos(2 * math.pi * u) for u in x) / len(x)
    return 20 + math.e - 20 * math.exp(-0.2 * root) - math.exp(ripple)


def _number(config: Config, name: str) -> float:
    return float(config[name])


def _mixed(config: Config) -> float:
    """Return a loss like that of a training: the best rate depends on the optimizer and the batch size, and rates far above it diverge."""
    rate, batch = math.log10(_number(config, "rate")), math.log2(_number(config, "batch"))
    best = {"sgd": -1.2, "adam": -2.8, "rmsprop": -3.1}[str(config["optimizer"])] + 0.15 * (batch - 6)
    if rate > best + 1.5:
        return math.inf
    decay, layers = math.log10(_number(config, "decay")), _number(config, "layers")
    shift = {"sgd": 0.25, "adam": 0.0, "rmsprop": 0.15}[str(config["optimizer"])]
    bowl = (rate - best) ** 2 + 0.1 * (decay + 4.3) ** 2 + 0.1 * (layers - 4) ** 2 + 0.04 * (batch - 6) ** 2
    return bowl + 4 * (_number(config, "dropout") - 0.2) ** 2 + shift


def _branching(config: Config) -> float:
    """Return a loss with two update rules, each with its own hyperparameters, and a decay that is active only when it is switched on."""
    rate = math.log10(_number(config, "rate"))
    if config["optimizer"] == "sgd":
        loss = 0.1 * (rate + 1) ** 2 + 1.2 * (_number(config, "momentum") - 0.85) ** 2
    else:
        loss = 0.1 + 0.1 * (rate + 3) ** 2 + 0.05 * (math.log10(1 - _number(config, "beta")) + 2.3) ** 2
    return loss + (0.02 * (math.log10(_number(config, "decay")) + 4) ** 2 if config["regularise"] else 0.15)


_BRANIN: dict[str, dict[str, object]] = {
    "x": {"type": "float", "low": -5, "high": 10, "default": 2.5, "meaning": "coordinate"},
    "y": {"type": "float", "low": 0, "high": 15, "default": 7.5, "meaning": "coordinate"},
}
_MIXED: dict[str, dict[str, object]] = {
    "rate": {"type": "float", "low": 1e-6, "high": 1.0, "scale": "log", "default": 1e-3, "meaning": "step size"},
    "decay": {"type": "float", "low": 1e-7, "high": 1e-1, "scale": "log", "default": 1e-5, "meaning": "weight decay"},
    "batch": {"type": "ordinal", "levels": [16, 32, 64, 128, 256], "default": 32, "meaning": "rows per step"},
    "optimizer": {"type": "categorical", "choices": ["sgd", "adam", "rmsprop"], "default": "adam", "meaning": "update rule"},
    "layers": {"type": "int", "low": 1, "high": 8, "default": 2, "meaning": "depth"},
    "dropout": {"type": "float", "low": 0.0, "high": 0.8, "default": 0.0, "meaning": "share dropped"},
}
_DECAY: dict[str, object] = {"type": "float", "low": 1e-7, "high": 1e-1, "scale": "log", "default": 1e-3, "meaning": "weight decay"}
_BRANCHING: dict[str, dict[str, object]] = {
    "optimizer": {"type": "categorical", "choices": ["sgd", "adam"], "default": "adam", "meaning": "update rule"},
    "rate": {"type": "float", "low": 1e-6, "high": 1.0, "scale": "log", "default": 1e-3, "meaning": "step size"},
    "momentum": {"type": "float", "low": 0.0, "high": 0.99, "default": 0.9, "meaning": "of SGD", "when": {"optimizer": "sgd"}},
    "beta": {"type": "float", "low": 0.5, "high": 0.9999, "default": 0.9, "meaning": "of Adam", "when": {"optimizer": "adam"}},
    "regularise": {"type": "bool", "default": False, "meaning": "whether weights decay"},
    "decay": _DECAY | {"when": {"regularise": True}},
}
PROBLEMS = {
    "sphere": Problem(_box(-5, 5, [0.0] * 4), _sphere, 0.0),
    "rosenbrock": Problem(_box(-2.048, 2.048, [-0.5] * 3), _rosenbrock, 0.0),
    "branin": Problem(Space.from_mapping(_BRANIN), _branin, 0.397887),
    "hartmann6": Problem(_box(0, 1, [0.5] * 6), _hartmann6, -3.32237),
    "ackley": Problem(_box(-32.768, 32.768, [0.0] * 5), _ackley, 0.0),
    "mixed": Problem(Space.from_mapping(_MIXED), _mixed, 0.0),
    "branching": Problem(Space.from_mapping(_BRANCHING), _branching, 0.0),
}


@cache
def random_losses(name: str) -> tuple[float, ...]:
    """Return the losses of POOL random configurations, sorted."""
    problem = PROBLEMS[name]
    rng = random.Random(name)
    return tuple(sorted(problem.loss(problem.space.sample(rng)) for _ in range(POOL)))


def regret(name: str, loss: float) -> float:
    """Return the normalised regret of a loss, in [0, 1]."""
    minimum = PROBLEMS[name].minimum
    return min(1.0, (loss - minimum) / (random_losses(name)[POOL // 2] - minimum))


@cache
def chance(trials: int) -> float:
    """Return the expected regret of the best of `trials` random trials, averaged over the problems; exact for the pool."""
    weights = [(1 - k / POOL) ** trials - (1 - (k + 1) / POOL) ** trials for k in range(POOL)]
    each = [sum(w * regret(name, loss) for w, loss in zip(weights, random_losses(name), strict=True)) for name in PROBLEMS]
    return statistics.mean(each)


def worth(mean_regret: float, most: int = 300) -> float:
    """Return the number of random trials with this expected regret, interpolated; at most `most`."""
    low = 1
    while low < most and chance(low + 1) > mean_regret:
        low += 1
    if low == most or chance(low) <= mean_regret:
        return float(low)
    return low + (chance(low) - mean_regret) / (chance(low) - chance(low + 1))


@dataclass(frozen=True)
class Run:
    """One arm on one problem from one seed: the regret of its best trial, and the milliseconds of each proposal."""

    regret: float
    milliseconds: tuple[float, ...]


def tune(job: tuple[Mapping[str, Any], str, str, int, int]) -> Run:
    """Run one arm: (settings of the optimizer, start, problem, seed, trials)."""
    spec, start, name, seed, trials = job
    problem = PROBLEMS[name]
    options = {"startup_trials": spec["startup_trials"]} if spec["startup_trials"] else {}
    optimizer: Optimizer = load_target(spec["_target_"])(problem.space, seed, **options, **spec["options"])
    if start == "default":
        optimizer = DefaultFirst(optimizer, problem.space)
    trajectory, best, milliseconds = Trajectory(), math.inf, []
    for number in range(1, trials + 1):
        began = time.perf_counter()
        try:
            proposal = optimizer.propose(trajectory)
        except Exhausted:
            break
        milliseconds.append(1e3 * (time.perf_counter() - began))
        loss = problem.loss(problem.space.check(proposal.config))
        best = min(best, loss)
        trajectory = trajectory.then(_trial(number, proposal, name, loss))
    return Run(regret(name, best), tuple(milliseconds))


def _trial(number: int, proposal: Proposal, name: str, loss: float) -> Trial:
    if not math.isfinite(loss):
        return Trial(number, proposal, Outcome.failed(Status.DIVERGED, "val_loss is inf", (), 0.0))
    problem = PROBLEMS[name]
    score = 100 * (1 - (loss - problem.minimum) / (random_losses(name)[POOL // 2] - problem.minimum))
    return Trial(number, proposal, Outcome.of_curve((Epoch(val_score_pct=score, number=1),), 0.0))


def arms(names: list[str], trials: int) -> list[dict[str, Any]]:
    """Return the settings of the named arms, or of every arm that asks no LLM."""
    whole = {"budget": trials, "agent": {"names": "real"}}  # the settings that options of arms refer to
    found: list[Any] = []
    for path in sorted(CONF.glob("*.yaml")):
        config = OmegaConf.create({**whole, "optimizer": _with_bases(path)})
        if config.optimizer.get("context") is None and config.optimizer.get("_target_"):
            found.append(OmegaConf.to_container(config.optimizer, resolve=True))
    return [spec for spec in found if (spec.get("name") in names if names else spec.get("suite") in SUITES)]


def _with_bases(path: Path) -> Any:
    """Return an arm's YAML merged over the arms that its `defaults` name."""
    own: Any = OmegaConf.load(path)
    bases = [name for name in own.pop("defaults", []) if isinstance(name, str) and name != "_self_"]
    return OmegaConf.merge(*(_with_bases(path.with_name(f"{name}.yaml")) for name in bases), own)


def main() -> None:
    """Run every arm on every problem, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20, help="seeds per arm and problem")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--trials", type=int, default=10, help="trials per run")
    parser.add_argument("--arms", nargs="*", default=[], help="names in conf/optimizer; all that ask no LLM when left out")
    args = parser.parse_args()
    specs = arms(args.arms, args.trials)
    rows = [(spec, start) for spec in specs for start in STARTS if start == "default" or not spec.get("ignores_start")]
    jobs = [(*row, name, seed, args.trials) for row, name, seed in product(rows, PROBLEMS, range(args.seeds))]
    with ProcessPoolExecutor(args.jobs) as pool:
        runs = iter(list(pool.map(tune, jobs, chunksize=5)))
    results = {(spec["name"], start): {name: [next(runs) for _ in range(args.seeds)] for name in PROBLEMS} for spec, start in rows}
    print_tables(results, {spec["name"]: spec["startup_trials"] for spec in specs}, args.trials, args.seeds)


def print_tables(
    results: Mapping[tuple[str, str], Mapping[str, list[Run]]], startup: Mapping[str, int], trials: int, seeds: int
) -> None:
    """Print the regret of each arm, and then the regret on each problem, with that of the default."""
    print(f"\n{trials} trials, {seeds} seeds, {len(PROBLEMS)} problems; regret ± its standard error over seeds\n")
    print(
        "| arm | start | regret | gain | random trials worth the same | ms per proposal, start-up / model |\n|---|---|---|---|---|---|"
    )
    for (arm, start), runs in results.items():
        by_seed = [statistics.mean(runs[name][seed].regret for name in PROBLEMS) for seed in range(seeds)]
        mean, error = statistics.mean(by_seed), statistics.stdev(by_seed) / math.sqrt(seeds) if seeds > 1 else 0.0
        spread = f"{worth(mean):.1f} ({worth(mean + 2 * error):.0f} to {worth(mean - 2 * error):.0f})"
        gain = _gain(runs, results.get(REFERENCE), seeds)
        print(f"| {arm} | {start} | {mean:.3f} ± {error:.3f} | {gain} | {spread} | {_speed(runs.values(), startup[arm])} |")
    print(f"\n| regret | {' | '.join(PROBLEMS)} |\n|---|{'---|' * len(PROBLEMS)}")
    defaults = [regret(name, problem.loss(problem.space.default())) for name, problem in PROBLEMS.items()]
    print(f"| the default itself | {' | '.join(f'{value:.2f}' for value in defaults)} |")
    for (arm, start), runs in results.items():
        found = [[run.regret for run in runs[name]] for name in PROBLEMS]
        cells = [f"{statistics.mean(each):.2f} ± {statistics.pstdev(each):.2f}" for each in found]
        print(f"| {arm}, start {start} | {' | '.join(cells)} |")


def _gain(runs: Mapping[str, list[Run]], reference: Mapping[str, list[Run]] | None, seeds: int) -> str:
    if reference is None or runs is reference or seeds < 2:
        return "-"
    pairs = [zip(reference[name], runs[name], strict=True) for name in PROBLEMS]
    strata = [np.array([other.regret - own.regret for other, own in pair]) for pair in pairs]
    estimate = seed_interval(strata, Resampling())
    return f"{estimate.value:+.3f} [{estimate.low:+.3f}, {estimate.high:+.3f}]"


def _speed(runs: Iterable[list[Run]], startup: int) -> str:
    every = [run.milliseconds for seeds in runs for run in seeds]
    early = [ms for run in every for ms in run[: startup or None]]
    late = [ms for run in every for ms in run[startup:]] if startup else []
    return f"{statistics.median(early):.2f} / {f'{statistics.median(late):.1f}' if late else '-'}"


if __name__ == "__main__":
    main()
