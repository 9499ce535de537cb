"""Spaces and trainings in the form of the released system, written by hand from facts about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.optimizers.published.dimension import Dimension, Kind, Setting
from harness.optimizers.published.history import Reader, Recorded, Training
from harness.optimizers.published.metric import Metric

RATE = Dimension("learning_rate", Kind.FLOAT, 0.01, 1e-5, 0.1, log=True)
DROPOUT = Dimension("dropout_rate", Kind.FLOAT, 0.2, 0.0, 0.5)
DECAY = Dimension("weight_decay", Kind.FLOAT, 1e-4, 1e-6, 0.1, log=True)
DEPTH = Dimension("max_depth", Kind.INTEGER, 6, 2, 12)
TREES = Dimension("n_estimators", Kind.INTEGER, 100, 20, 400)
BATCH = Dimension("batch_size", Kind.ORDINAL, 32, 16, 128, choices=(16, 32, 64, 128))
RULE = Dimension("optimizer", Kind.CATEGORICAL, "adam", choices=("adam", "sgd"))
SPACE = (RATE, DROPOUT, DECAY, DEPTH, TREES, BATCH, RULE)
CONFIG: dict[str, Setting] = {d.name: d.default for d in SPACE}


def trainings(metric: str, scores: Sequence[float | None], train: Sequence[float] = ()) -> list[Training]:
    """Return a training for each score, None for one without the metric; `train` are train metrics under the name looked up."""
    made = []
    for number, score in enumerate(scores):
        metrics: dict[str, Recorded] = {} if score is None else {metric: [0.1, score]}
        if score is not None and number < len(train):
            metrics[f"train_{metric}"] = [0.2, train[number]]
        made.append(Training(number, CONFIG, metrics))
    return made


def trained(config: Mapping[str, Setting], score: float | None, iteration: int, metric: str = "accuracy") -> Training:
    """Return one training of a configuration."""
    return Training(iteration, {**CONFIG, **config}, {} if score is None else {metric: [score]})


def reader(metric: str, **switches: bool) -> Reader:
    return Reader(Metric.named(metric), **switches)
