"""Trials made by hand, and hypothesis strategies for any space and any trajectory."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from harness.space import Config, Space
from harness.space.hyperparameter import Choice, Hyperparameter, Number, Value
from harness.trial import Epoch, Outcome, Proposal, Status, Trajectory, Trial

SPACE = Space.from_mapping(
    {
        "learning_rate": {"type": "float", "low": 1e-5, "high": 1.0, "scale": "log", "default": 1e-3, "meaning": "step size"},
        "batch_size": {"type": "ordinal", "levels": [16, 32, 64, 128], "default": 32, "meaning": "rows per step"},
        "optimizer": {"type": "categorical", "choices": ["sgd", "adam", "rmsprop"], "default": "adam", "meaning": "update rule"},
        "momentum": {"type": "float", "low": 0.0, "high": 0.99, "default": 0.9, "meaning": "of SGD", "when": {"optimizer": "sgd"}},
        "layers": {"type": "int", "low": 1, "high": 5, "default": 2, "meaning": "hidden layers"},
    }
)


def epochs(val: Sequence[float], train: Sequence[float] | None = None, **columns: Sequence[float | None]) -> tuple[Epoch, ...]:
    """Return a curve with these validation scores, numbered from 1, and with training scores and losses when given."""
    rows: dict[str, Sequence[Any]] = {"val_score_pct": val, **columns, **({"train_score_pct": train} if train else {})}
    return tuple(Epoch(number=i + 1, **{name: row[i] for name, row in rows.items()}) for i in range(len(val)))


def ok(val: Sequence[float], train: Sequence[float] | None = None, **columns: Sequence[float | None]) -> Outcome:
    """Return a finished training with this curve."""
    return Outcome.of_curve(epochs(val, train, **columns), 1.0)


def failed(error: str = "val_loss is nan at epoch 3", status: Status = Status.DIVERGED, val: Sequence[float] = ()) -> Outcome:
    """Return a failed training."""
    return Outcome.failed(status, error, epochs(val), 1.0)


def trajectory(*pairs: tuple[Config, Outcome | float | None]) -> Trajectory:
    """Return trials of these configurations. A float means a training of one epoch with that score, None a failed training."""
    made = []
    for number, (config, result) in enumerate(pairs, start=1):
        outcome = result if isinstance(result, Outcome) else failed() if result is None else ok([result])
        made.append(Trial(number, Proposal(config), outcome))
    return Trajectory(tuple(made))


def config(**given: Value) -> Config:
    """Return SPACE's default configuration with some values changed."""
    full = {hp.name: hp.default for hp in SPACE} | given
    return SPACE.restrict(full)


_NASTY = [
    "a|b",
    "line\nbreak",
    "\x1b[31mred",
    "tab\there",
    "q\"uo'te",
    "back\\slash",
    "\u202egnirts",
    "\ud800",
    "",
    " ",
    "é" * 40,
    "x" * 300,
    "日本語" * 30,
]
_TEXTS = st.one_of(st.sampled_from(_NASTY), st.text(max_size=40), st.sampled_from(["lr", "dropout", "width"]))
_VALUES = st.one_of(_TEXTS, st.integers(-(10**9), 10**9), st.floats(-1e6, 1e6), st.booleans(), st.just(math.inf))


def _choices(values: Sequence[Value], ordered: bool) -> list[Value]:
    usable = [v for v in values if not isinstance(v, str) or v.isprintable()]
    distinct = list({(isinstance(v, bool), v): v for v in usable}.values())
    numbers = [v for v in distinct if isinstance(v, int | float)]
    return sorted(numbers) if ordered and len(numbers) == len(distinct) else distinct


@st.composite
def hyperparameters(draw: st.DrawFn, name: str, before: Sequence[Hyperparameter]) -> Hyperparameter:
    """Draw one hyperparameter of any kind, perhaps conditional on one of those before it."""
    parents = [hp for hp in before if isinstance(hp, Choice)]
    when: dict[str, tuple[Value, ...]] = {}
    if draw(st.booleans()) and parents:
        parent = draw(st.sampled_from(parents))
        when = {parent.name: tuple(draw(st.lists(st.sampled_from(parent.choices), min_size=1, max_size=2)))}
    shared: dict[str, Any] = {"name": name, "meaning": "m", "when": when}
    if draw(st.booleans()):
        ordered, most = draw(st.booleans()), draw(st.sampled_from([3, 30]))
        choices = _choices(draw(st.lists(_VALUES, min_size=2, max_size=most)), ordered)
        choices = choices if len(choices) > 1 else ["no", "yes"]
        return Choice(**shared, default=choices[0], choices=tuple(choices), ordered=ordered)
    integer, log = draw(st.booleans()), draw(st.booleans())
    low, high = draw(
        st.sampled_from(
            [(1e-8, 1e-7), (1, 2), (1, 10**9), (1e-300, 1e300), (0.5, 0.50001)]
            if log
            else [(-1e308, 1e308), (0, 1), (-5, 5), (0, 1e-12), (0.1, 0.3)]
        )
    )
    if integer:
        low, high = max(math.floor(max(low, -1e9)), 1 if log else -(10**9)), math.ceil(min(high, 1e9)) + 1
    return Number(**shared, default=high, low=low, high=high, log=log, integer=integer)


@st.composite
def spaces(draw: st.DrawFn, most: int = 14) -> Space:
    """Draw a space of 1 to `most` hyperparameters with any names, kinds and conditions."""
    names = draw(st.lists(_TEXTS, min_size=1, max_size=most, unique=True))
    made: list[Hyperparameter] = []
    for name in names:
        made.append(draw(hyperparameters(name, made)))
    return Space(tuple(made))


_SCORES = st.one_of(
    st.floats(0, 100),
    st.sampled_from([50.0, 0.0, 100.0, -1e300, -5.0]),
    st.floats(max_value=100, allow_nan=False, allow_infinity=False),
)
_MEASURES = st.one_of(st.none(), st.floats(), st.floats(0, 5), st.just(math.nan), st.just(math.inf))
_VAL: st.SearchStrategy[Any] = st.one_of(_SCORES, st.just(math.nan), st.just(-math.inf), st.just(None))


@st.composite
def curves(draw: st.DrawFn) -> tuple[Epoch, ...]:
    """Draw a curve of up to 40 epochs with any values; epochs may be missing or have wrong numbers."""
    size = draw(st.sampled_from([0, 1, 2, 3, 4, 5, 12, 40]))
    step = draw(st.sampled_from([0, 1, 1, 1, 3, -1]))
    smooth = draw(st.booleans())
    rows = []
    for i in range(size):
        if smooth:
            val: Any = 60 + 30 * (1 - math.exp(-i / 5)) + draw(st.sampled_from([0.0, 0.4, -0.4, 7.0]))
            rows.append(Epoch(val, 1 / (i + 1), min(val + i, 100.0), 1 / (i + 2), number=1 + i * step))
        else:
            rows.append(Epoch(draw(_VAL), draw(_MEASURES), draw(_MEASURES), draw(_MEASURES), number=1 + i * step))
    return tuple(rows)


@st.composite
def outcomes(draw: st.DrawFn) -> Outcome:
    """Draw an outcome with any curve. The curve need not fit the score, as in a foreign log."""
    curve = draw(curves())
    if draw(st.booleans()):
        score = draw(_SCORES)
        return Outcome(Status.OK, curve, 1.0, score, None, 1)
    status = draw(st.sampled_from([Status.DIVERGED, Status.CRASHED, Status.TIMEOUT]))
    return Outcome.failed(status, draw(_TEXTS), curve, 1.0)


@st.composite
def trajectories(draw: st.DrawFn, space: Space, most: int = 60) -> Trajectory:
    """Draw up to `most` trials of a space. Outcomes are drawn from a small pool, so that repetitions and ties are common."""
    pool = draw(st.lists(outcomes(), min_size=1, max_size=8))
    size = draw(st.one_of(st.integers(0, 12), st.sampled_from([30, most])))
    rng = random.Random(draw(st.integers(0, 2**32)))
    repeat = draw(st.booleans())
    configs = [space.sample(rng) for _ in range(size)]
    if repeat and configs:
        configs = [rng.choice(configs[:3]) for _ in configs]
    return Trajectory(tuple(Trial(i + 1, Proposal(c), rng.choice(pool)) for i, c in enumerate(configs)))
