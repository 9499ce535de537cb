"""The metric's name, direction and target: fixed by the name alone.

Source: the authors' released code, commit 08a9a5b (2025-09-27), as described in facts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.trial import Objective

UNKNOWN_TARGET = 0.85
_HIGHER: Mapping[float, str] = {
    0.90: "val_accuracy accuracy auc_roc roc_auc",
    0.97: "auc",
    0.85: "f1_score precision recall balanced_accuracy pr_auc r2 r_squared",
    0.70: "r2_score iou miou mean_iou matthews_corrcoef cohen_kappa",
    0.30: "bleu",
    0.40: "rouge",
    0.35: "meteor",
    0.80: "ndcg",
    0.75: "map",
}
_LOWER: Mapping[float, str] = {
    0.1: "loss val_loss rmse mae hamming_loss",
    0.01: "mse",
    0.3: "logloss binary_crossentropy",
    0.2: "jaccard_loss cosine_distance",
    0.5: "cross_entropy",
    1.0: "euclidean_distance",
    50.0: "perplexity",
}
TARGETS = {name: target for table in (_HIGHER, _LOWER) for target, names in table.items() for name in names.split()}
LOWER_IS_BETTER = frozenset(name for names in _LOWER.values() for name in names.split())
# What the Generator is told before the first training, where that differs.
FIRST_TARGETS = {"r2_score": 0.60}

# The names that the harness's own tasks give their metric, in the words of their cards. The first that is found counts.
_WORDS = (
    (r"balanced[ _]accuracy", "balanced_accuracy"),
    (r"accuracy", "val_accuracy"),
    (r"area under the roc|\bauc\b|\bauroc\b", "auc"),
    (r"\br2\b|r²|r[ _]squared|explained variance", "r2_score"),
    (r"\bf1\b", "f1_score"),
)
_SAME = {"accuracy": "val_accuracy", "r2": "r2_score"}


@dataclass(frozen=True)
class Metric:
    """A metric as the agents are told it. `target` and scores are fractions of 1 where the task's scores are percentages."""

    name: str
    target: float
    higher_is_better: bool
    known: bool = True

    @classmethod
    def named(cls, name: str) -> Metric:
        """Return the metric of that name. One that is unknown has the target 0.85, and higher is better, even of a loss."""
        known = name in TARGETS
        return cls(name, TARGETS.get(name, UNKNOWN_TARGET), name not in LOWER_IS_BETTER, known)

    @property
    def first_target(self) -> float:
        """The target that the Generator is told before the first training."""
        return FIRST_TARGETS.get(self.name, self.target)

    @property
    def train_name(self) -> str:
        """The name under which the train metric is looked up: it misses `train_accuracy` where the metric is `val_accuracy`."""
        return f"train_{self.name}"

    @property
    def real_train_name(self) -> str:
        """The name under which trainings record the train metric."""
        return f"train_{self.name.removeprefix('val_')}"

    @property
    def finds_train(self) -> bool:
        """Whether the train metric is found under `train_name`, so that overfitting is known."""
        return self.train_name == self.real_train_name

    @property
    def sign(self) -> str:
        """`>` where the metric is to be above its target, else `<`."""
        return ">" if self.higher_is_better else "<"

    def level(self, value: float) -> str:
        """Return excellent, good, fair or poor: at least 1, 0.95 or 0.90 of the target; of losses at most 1, 1.1 or 1.2 of it."""
        words = ("excellent", "good", "fair")
        if self.higher_is_better:
            steps = (self.target, self.target * 0.95, self.target * 0.90)
            return next((word for word, step in zip(words, steps, strict=True) if value >= step), "poor")
        steps = (self.target, self.target * 1.1, self.target * 1.2)
        return next((word for word, step in zip(words, steps, strict=True) if value <= step), "poor")

    def gap(self, value: float) -> float:
        """Return the distance that is left to the target, at least 0; 0 for NaN."""
        distance = self.target - value if self.higher_is_better else value - self.target
        return distance if distance > 0 else 0.0


def told_name(objective: Objective, card_metric: str) -> str:
    """Return the name under which the agents are told a task's metric.

    A task that names its metric has that name, with `_` for spaces: `accuracy` becomes `val_accuracy`, and `r2` becomes `r2_score`. For
    one that does not, the name is read from its card. A metric that is neither is `score`, which the released system does not know.
    """
    name = re.sub(r"\W+", "_", objective.name.strip().lower()).strip("_") or "score"
    if name != "score":
        return _SAME.get(name, name) if name in TARGETS else next(_in_words(objective.name), name)
    return next(_in_words(card_metric), name)


def _in_words(text: str) -> Iterator[str]:
    return (name for pattern, name in _WORDS if re.search(pattern, text, re.IGNORECASE))
