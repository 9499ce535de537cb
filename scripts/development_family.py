"""Random tuning problems for developing a method. So its constants are not chosen on the problems by which it is judged.

A problem follows from its number. It has 3 to 9 hyperparameters on mixed scales, some of them conditional. Its loss is a sum of
one-dimensional bowls and valleys and of products of pairs, with a little noise; in some problems trainings fail in a region. Half of the
problems have the usual names of hyperparameters, and their optimum is often near the usual value in textbooks. The other half have names
without meaning. The default is near the optimum, or a textbook's value, or random.

The lowest loss is 0 by construction. No number in this file was fitted to a task.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from harness.space import Config, Space, Value
from harness.space.hyperparameter import Choice, Hyperparameter

Shape = Callable[[float], float]
# The entry of a hyperparameter in a space, as `Space.from_mapping` reads it.
Entry: TypeAlias = dict[str, Any]

# name, range of the lower bound, range of the upper bound, scale, usual value in textbooks
_NUMBERS: tuple[tuple[str, tuple[float, float], tuple[float, float], str, float], ...] = (
    ("weight_decay", (1e-8, 1e-5), (1e-2, 1e0), "log", 1e-4),
    ("dropout", (0.0, 0.0), (0.5, 0.9), "linear", 0.25),
    ("momentum", (0.0, 0.5), (0.95, 0.999), "linear", 0.9),
    ("label_smoothing", (0.0, 0.0), (0.2, 0.4), "linear", 0.05),
    ("hidden_size", (4, 32), (128, 1024), "log", 128),
    ("num_layers", (1, 1), (4, 10), "linear", 2),
    ("max_depth", (1, 2), (8, 16), "linear", 5),
    ("subsample", (0.05, 0.3), (1.0, 1.0), "linear", 0.8),
)
_RATE_AT = {"sgd": 3e-2, "adam": 1e-3, "rmsprop": 1e-3}


@dataclass
class _Draft:
    """The space of a problem while it is made; `named` says whether hyperparameters have their usual names."""

    rng: random.Random
    named: bool
    entries: dict[str, Entry] = field(default_factory=dict)

    def name(self, usual: str) -> str:
        return usual if self.named else f"x{len(self.entries) + 1}"


def development_problem(number: int) -> tuple[Space, Callable[[Config], float]]:
    """Return the space and the loss of problem `number`; a loss of infinity is a training that fails."""
    rng = random.Random(f"development/{number}")
    space = _space(rng, named=number % 2 == 0)
    optimum, space = _optimum_and_default(space, rng)
    return space, _loss(space, optimum, rng)


def _space(rng: random.Random, *, named: bool) -> Space:
    draft = _Draft(rng, named)
    _add(draft, "learning_rate", 10 ** rng.uniform(-6, -4), 10 ** rng.uniform(-1, 1), "log")
    rules = rng.random() < 0.6
    if rules:
        optimizer = draft.name("optimizer")
        choices = rng.sample(sorted(_RATE_AT), rng.choice((2, 3)))
        draft.entries[optimizer] = {"type": "categorical", "choices": choices if named else list("ABC"[: len(choices)])}
        if rng.random() < 0.5:
            when = {optimizer: draft.entries[optimizer]["choices"][0]}
            _add(draft, "momentum" if choices[0] == "sgd" else "beta1", 0.0, 0.99, "linear", when)
    if rng.random() < 0.6:
        draft.entries[draft.name("batch_size")] = {"type": "ordinal", "levels": [8 * 2**k for k in range(rng.randint(3, 6))]}
    if rng.random() < 0.3:
        draft.entries[draft.name("activation")] = {
            "type": "categorical",
            "choices": ["relu", "tanh", "elu"] if named else list("ABC"),
        }
    for usual, low, high, scale, _ in rng.sample(_NUMBERS, rng.randint(2, 5)):
        if draft.name(usual) not in draft.entries:
            _add(draft, usual, rng.uniform(*low), rng.uniform(*high), scale)
    return Space.from_mapping({name: _with_default(entry) for name, entry in draft.entries.items()})


def _add(draft: _Draft, usual: str, low: float, high: float, scale: str, when: Mapping[str, object] | None = None) -> None:
    whole = usual in ("hidden_size", "num_layers", "max_depth")
    entry: Entry = {"type": "int" if whole else "float", "scale": scale}
    entry |= {"low": round(low) if whole else low, "high": round(high) if whole else high}
    draft.entries[draft.name(usual)] = entry | ({"when": dict(when)} if when else {})


def _with_default(entry: Entry) -> Entry:
    first = (entry.get("choices") or entry.get("levels") or [entry.get("low")])[0]
    return entry | {"default": first, "meaning": "generated"}


def _prior(hp: Hyperparameter, optimum: Mapping[str, Value]) -> float | None:
    """Return the position in [0, 1] of the usual value in textbooks, None when there is none."""
    at = {name: value for name, _, _, _, value in _NUMBERS} | {"beta1": 0.9}
    value = at.get(hp.name)
    if hp.name == "learning_rate":
        value = _RATE_AT.get(str(optimum.get("optimizer")), 3e-3)
    if value is None:
        return None
    return min(max(hp.to_unit(value), 0.02), 0.98) if hp.problem(value) is None else None


def _optimum_and_default(space: Space, rng: random.Random) -> tuple[dict[str, float], Space]:
    optimum: dict[str, float] = {}
    entries = space.to_mapping()
    values: dict[str, Value] = {}
    good_default = rng.random() < 0.5
    for hp in sorted(space, key=lambda hp: not isinstance(hp, Choice)):
        prior = _prior(hp, values)
        anywhere = rng.random()
        optimum[hp.name] = _near(prior, 0.15, rng) if prior is not None and rng.random() < 0.7 else anywhere
        values[hp.name] = hp.from_unit(optimum[hp.name])
        kind = rng.random()
        usual = _near(optimum[hp.name], 0.15, rng) if good_default or kind < 0.4 else prior if prior is not None else rng.random()
        default = hp.from_unit(usual)
        entries[hp.name]["default"] = default
    # The optimum of a number is rounded to a value that it can have, so that the lowest loss is 0.
    return {hp.name: hp.to_unit(values[hp.name]) for hp in space}, Space.from_mapping(entries)


def _near(position: float, spread: float, rng: random.Random) -> float:
    return min(max(rng.gauss(position, spread), 0.0), 1.0)


def _shape(rng: random.Random) -> Shape:
    """Return a function of the signed distance from the optimum. It is 0 at distance 0 and about 1 at half of the range."""
    left, right = (math.exp(rng.gauss(0, 0.5)) for _ in range(2))
    kind = rng.choice(("bowl", "bowl", "valley", "plateau"))

    def shape(distance: float) -> float:
        x = abs(distance) * 2 * (left if distance < 0 else right)
        return x * x if kind == "bowl" else x if kind == "valley" else min(x * x, 1.0)

    return shape


def _loss(space: Space, optimum: Mapping[str, float], rng: random.Random) -> Callable[[Config], float]:
    weights = {hp.name: math.exp(rng.gauss(0, 1)) for hp in space}
    shapes = {hp.name: _shape(rng) for hp in space}
    levels = {hp.name: _offsets(hp, optimum[hp.name], rng) for hp in space if isinstance(hp, Choice) and not hp.ordered}
    numbers = [hp.name for hp in space if hp.name not in levels]
    pairs = [tuple(rng.sample(numbers, 2)) for _ in range(rng.randint(0, len(numbers) - 1))]
    twist = {pair: rng.uniform(-0.9, 0.9) for pair in pairs}
    fails = _failing(space, rng)
    ceiling = rng.choice((math.inf, 1.5 * sum(weights.values()) / 2, 0.5 * sum(weights.values())))
    noise_seed, noise = rng.random(), rng.choice((0.0, 0.01, 0.03)) * sum(weights.values())

    def loss(config: Config) -> float:
        at = {name: space[name].to_unit(value) - optimum[name] for name, value in config.items()}
        if fails(at):
            return math.inf
        total = sum(weights[name] * (levels[name][config[name]] if name in levels else shapes[name](x)) for name, x in at.items())
        total += sum(
            t * math.sqrt(weights[a] * weights[b]) * 2 * at[a] * at[b] for (a, b), t in twist.items() if a in at and b in at
        )
        total = max(total, 0.0)
        total = total if math.isinf(ceiling) else ceiling * -math.expm1(-total / ceiling)
        return total + noise * abs(random.Random(f"{noise_seed}/{config}").gauss(0, 1))

    return loss


def _offsets(hp: Choice, best: float, rng: random.Random) -> dict[Value, float]:
    return {choice: 0.0 if choice == hp.from_unit(best) else rng.uniform(0.05, 1.0) for choice in hp.choices}


def _failing(space: Space, rng: random.Random) -> Callable[[Mapping[str, float]], bool]:
    """Return whether a training fails: above a distance from the optimum of the first hyperparameter (a rate), or never."""
    first = space.hyperparameters[0].name
    if rng.random() < 0.6:
        return lambda _: False
    margin, tilt = rng.uniform(0.1, 0.4), rng.uniform(-0.3, 0.3)
    other = space.hyperparameters[-1].name
    return lambda at: at[first] > margin + tilt * at.get(other, 0.0)
