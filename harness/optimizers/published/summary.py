"""What the Analyzer reads of the trainings: as facts.

Source: the authors' released code, commit 08a9a5b (2025-09-27), as described in facts. `text.py` writes these facts down.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.optimizers.published.dimension import Dimension, Setting, completed
from harness.optimizers.published.history import Reader, Recorded, Training, recent
from harness.optimizers.published.pattern import Pattern, pattern_of
from harness.optimizers.published.switches import Switches

LAST_SHOWN = 3
THINNED_EVERY = 5


@dataclass(frozen=True)
class At:
    """A value that was trained, in which iteration (from 0), and the metric that it gave."""

    iteration: int
    value: Setting
    metric: float


@dataclass(frozen=True)
class HyperparameterFacts:
    """One hyperparameter over all trainings that have the metric.

    `best` and `worst`: the first of equals; of scores with a NaN among them, the first NaN. `impact`: largest less smallest metric. `sd`
    is the population's. `recent_best` is the best of `recent_count` scores among the last five entries of the history. `tested` are the
    distinct texts of the values, sorted as texts, and `distinct` counts the distinct values: 0 and 0.0 are one value and two texts.
    """

    dimension: Dimension
    experiments: int
    distinct: int = 0
    best: At | None = None
    worst: At | None = None
    impact: float = math.nan
    mean: float = math.nan
    sd: float = math.nan
    recent_best: float | None = None
    recent_count: int = 0
    tested: tuple[str, ...] = ()
    last: tuple[At, ...] = ()


@dataclass(frozen=True)
class Before:
    """The entry that the last training is compared with. `metric` is None where that entry has none: it is then the Generator's own."""

    metric: float | None
    config: Mapping[str, Setting]


@dataclass(frozen=True)
class Summary:
    """The five sections. `score` and `train_score` are those of the last training, None where it has none.

    `level` is that of the pattern, or of the only score there is. `curves` is what is shown of the last training's metrics.
    """

    pattern: Pattern
    level: str
    last: Training
    score: float | None
    train_score: float | None
    config: Mapping[str, Setting]
    curves: Mapping[str, Recorded] | None
    before: Before
    hyperparameters: tuple[HyperparameterFacts, ...]


def summarise(trainings: Sequence[Training], dimensions: Sequence[Dimension], reader: Reader, switches: Switches) -> Summary:
    """Return the facts after the last of these trainings, of which there is at least one."""
    last, pattern = trainings[-1], pattern_of(trainings, reader)
    score, config = reader.score(last), completed(last.config, dimensions)
    only = score is not None and pattern.level == "UNKNOWN"
    return Summary(
        pattern=pattern,
        level=reader.metric.level(score) if only and score is not None else pattern.level,
        last=last,
        score=score,
        train_score=reader.train_score(last),
        config=config,
        curves=_curves(last, switches.curve),
        before=_before(trainings, config, dimensions, reader, switches),
        hyperparameters=tuple(_facts(dimension, trainings, reader) for dimension in dimensions),
    )


def _before(
    trainings: Sequence[Training],
    config: Mapping[str, Setting],
    dimensions: Sequence[Dimension],
    reader: Reader,
    switches: Switches,
) -> Before:
    """Return what the last training is compared with.

    In the released system that is the last entry of the history before the analysis: what the Generator wrote for this very training.
    """
    if switches.previous == "itself" or len(trainings) < 2:
        return Before(None, config)
    return Before(reader.score(trainings[-2]), completed(trainings[-2].config, dimensions))


def _curves(training: Training, shown: str) -> Mapping[str, Recorded] | None:
    if shown == "none":
        return None
    if shown == "whole":
        return training.metrics
    return {name: _thinned(recorded, training.epochs) for name, recorded in training.metrics.items()}


def _thinned(recorded: Recorded, epochs: Sequence[int]) -> Recorded:
    """Return epochs 1, 5, 10, 15, ... of a curve."""
    if isinstance(recorded, int | float):
        return recorded
    numbers = epochs if len(epochs) == len(recorded) else range(1, len(recorded) + 1)
    return [value for number, value in zip(numbers, recorded, strict=True) if number == 1 or number % THINNED_EVERY == 0]


def _facts(dimension: Dimension, trainings: Sequence[Training], reader: Reader) -> HyperparameterFacts:
    scored = [(training, score) for training in trainings if (score := reader.score(training)) is not None]
    rows = [At(t.iteration, t.config[dimension.name], score) for t, score in scored if dimension.name in t.config]
    if not rows:
        return HyperparameterFacts(dimension, 0)
    scores = [row.metric for row in rows]
    higher = reader.metric.higher_is_better
    best, worst = _extreme(scores, largest=higher), _extreme(scores, largest=not higher)
    mean = sum(scores) / len(scores)
    window = [score for training in recent(trainings) if (score := reader.score(training)) is not None]
    return HyperparameterFacts(
        dimension=dimension,
        experiments=len(rows),
        distinct=_distinct([row.value for row in rows]),
        best=rows[best],
        worst=rows[worst],
        impact=scores[_extreme(scores, largest=True)] - scores[_extreme(scores, largest=False)],
        mean=mean,
        # A product becomes infinite where a power of 2 would raise: a metric of a diverged training can be 1e200.
        sd=math.sqrt(sum((score - mean) * (score - mean) for score in scores) / len(scores)),
        recent_best=(max(window) if higher else min(window)) if window else None,
        recent_count=len(window),
        tested=tuple(sorted({str(row.value) for row in rows})),
        last=tuple(rows[-LAST_SHOWN:]),
    )


def _extreme(scores: Sequence[float], *, largest: bool) -> int:
    """Return the place of the first largest or smallest score; of the first NaN where there is one."""
    for place, score in enumerate(scores):
        if math.isnan(score):
            return place
    return scores.index(max(scores) if largest else min(scores))


def _distinct(values: Sequence[Setting]) -> int:
    seen: list[Setting] = []
    for value in values:
        if value not in seen:
            seen.append(value)
    return len(seen)
