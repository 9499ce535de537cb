"""The losses and scores of a fitted estimator: one point of a training curve. The metrics are scikit-learn's, as percentages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from sklearn import metrics

from harness.errors import SettingsError
from harness.tasks_from.data import Estimator, Part, Split
from harness.trial import Epoch

Outputs: TypeAlias = npt.NDArray[Any]  # probabilities, other numbers, or labels of any type
_classes_of = attrgetter("classes_")

# A metric is computed from the first of these methods that the estimator has.
METHODS = {"accuracy": ("predict_proba", "predict"), "auc": ("predict_proba", "decision_function"), "r2": ("predict",)}


@dataclass(frozen=True)
class Scale:
    """Scores estimators by one metric (accuracy, auc or r2) on the three parts of the data."""

    metric: str
    data: Split

    @property
    def parts(self) -> tuple[Part, Part, Part]:
        """The parts for training, validation and test."""
        return self.data.train, self.data.val, self.data.test

    def method(self, fitted: Estimator) -> str:
        """Return the name of the method from which the metric is computed. Raises SettingsError when the estimator has none."""
        for name in METHODS[self.metric]:
            if hasattr(fitted, name):
                return name
        raise SettingsError(f"{type(fitted).__name__} has none of {', '.join(METHODS[self.metric])}, which {self.metric} needs")

    def outputs(self, fitted: Estimator) -> list[Outputs]:
        """Return the outputs of that method for each part: shape (n, classes) or (n,)."""
        method: Callable[[object], object] = getattr(fitted, self.method(fitted))
        return [np.asarray(method(part.features)) for part in self.parts]

    def epoch(self, fitted: Estimator) -> Epoch:
        """Score an estimator in its current state. Labels come from `predict`, which may have its own threshold."""
        outputs = self.outputs(fitted)
        labels = outputs
        if self.metric == "accuracy" and self.method(fitted) == "predict_proba" and all(map(_finite, outputs)):
            labels = [np.asarray(fitted.predict(part.features)) for part in self.parts]
        return self._epoch(fitted, zip(outputs, labels, self.parts, strict=True))

    def epoch_of(self, fitted: Estimator, outputs: list[Outputs]) -> Epoch:
        """Score an earlier point of a training from the outputs of `method` at that point. The label is the most probable class."""
        labels = outputs
        if self.metric == "accuracy" and self.method(fitted) == "predict_proba":
            labels = [np.asarray(_classes_of(fitted))[output.argmax(axis=1)] for output in outputs]
        return self._epoch(fitted, zip(outputs, labels, self.parts, strict=True))

    def _epoch(self, fitted: Estimator, measured: Iterable[tuple[Outputs, Outputs, Part]]) -> Epoch:
        classes = getattr(fitted, "classes_", None) if self.method(fitted) == "predict_proba" else None
        train, val, test = (
            (self._loss(outputs, part.targets, classes), self._score_pct(outputs, labels, part.targets))
            if _finite(outputs)
            else (float("nan"), float("nan"))
            for outputs, labels, part in measured
        )
        return Epoch(val_score_pct=val[1], val_loss=val[0], train_score_pct=train[1], train_loss=train[0], test_score_pct=test[1])

    def _loss(self, outputs: Outputs, targets: npt.ArrayLike, classes: Outputs | None) -> float | None:
        """Return the squared error or the log loss.

        None without probabilities, and when a target is a class that was not in the training part, since its log loss is infinite.
        """
        if self.metric == "r2":
            return float(metrics.mean_squared_error(targets, outputs))
        if classes is None or len(classes) < 2 or not np.isin(np.asarray(targets), classes).all():
            return None
        return float(metrics.log_loss(targets, outputs, labels=classes))

    def _score_pct(self, outputs: Outputs, labels: Outputs, targets: npt.ArrayLike) -> float:
        if self.metric == "r2":
            return 100.0 * max(0.0, float(metrics.r2_score(targets, outputs)))
        if self.metric == "auc":
            return 100.0 * float(metrics.roc_auc_score(targets, outputs[:, 1] if outputs.ndim == 2 else outputs))
        return 100.0 * float(metrics.accuracy_score(targets, labels))


def _finite(outputs: Outputs) -> bool:
    return outputs.dtype.kind != "f" or bool(np.isfinite(outputs).all())
