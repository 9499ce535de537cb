"""What a fitted estimator scores: one row of a training curve. scikit-learn's metrics, as percentages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import metrics

from harness.errors import SettingsError
from harness.tasks_from.data import Part, Split
from harness.trial import Epoch

# What a metric is computed from: the first of these methods that the estimator has.
METHODS = {"accuracy": ("predict_proba", "predict"), "auc": ("predict_proba", "decision_function"), "r2": ("predict",)}


@dataclass(frozen=True)
class Scale:
    """Measures estimators by one metric (accuracy, auc or r2) on the three parts of the data."""

    metric: str
    data: Split

    @property
    def parts(self) -> tuple[Part, Part, Part]:
        """Training, validation and test."""
        return self.data.train, self.data.val, self.data.test

    def method(self, fitted: Any) -> str:
        """Return the method that the metric is computed from. Raises SettingsError where the estimator has none."""
        for name in METHODS[self.metric]:
            if hasattr(fitted, name):
                return name
        raise SettingsError(f"{type(fitted).__name__} has none of {', '.join(METHODS[self.metric])}, which {self.metric} needs")

    def outputs(self, fitted: Any) -> list[Any]:
        """Return what that method gives for each part."""
        method: Callable[[Any], Any] = getattr(fitted, self.method(fitted))
        return [np.asarray(method(part.features)) for part in self.parts]

    def epoch(self, fitted: Any) -> Epoch:
        """Measure an estimator as it stands. Labels are those of `predict`, which may follow a threshold of its own."""
        outputs = self.outputs(fitted)
        labels = outputs
        if self.metric == "accuracy" and self.method(fitted) == "predict_proba" and all(map(_finite, outputs)):
            labels = [np.asarray(fitted.predict(part.features)) for part in self.parts]
        return self._epoch(fitted, zip(outputs, labels, self.parts, strict=True))

    def epoch_of(self, fitted: Any, outputs: list[Any]) -> Epoch:
        """Measure an estimator at an earlier point, by what `method` gave there; the label is the most probable class."""
        labels = outputs
        if self.metric == "accuracy" and self.method(fitted) == "predict_proba":
            labels = [np.asarray(fitted.classes_)[output.argmax(axis=1)] for output in outputs]
        return self._epoch(fitted, zip(outputs, labels, self.parts, strict=True))

    def _epoch(self, fitted: Any, measured: Iterable[tuple[Any, Any, Part]]) -> Epoch:
        classes = getattr(fitted, "classes_", None) if self.method(fitted) == "predict_proba" else None
        train, val, test = (
            (self._loss(outputs, part.targets, classes), self._score_pct(outputs, labels, part.targets))
            if _finite(outputs)
            else (float("nan"), float("nan"))
            for outputs, labels, part in measured
        )
        return Epoch(val_score_pct=val[1], val_loss=val[0], train_score_pct=train[1], train_loss=train[0], test_score_pct=test[1])

    def _loss(self, outputs: Any, targets: Any, classes: Any) -> float | None:
        """Return squared error or log loss; None without probabilities, and where a class was not in training: its loss is infinite."""
        if self.metric == "r2":
            return float(metrics.mean_squared_error(targets, outputs))
        if classes is None or len(classes) < 2 or not np.isin(np.asarray(targets), classes).all():
            return None
        return float(metrics.log_loss(targets, outputs, labels=classes))

    def _score_pct(self, outputs: Any, labels: Any, targets: Any) -> float:
        if self.metric == "r2":
            return 100.0 * max(0.0, float(metrics.r2_score(targets, outputs)))
        if self.metric == "auc":
            return 100.0 * float(metrics.roc_auc_score(targets, outputs[:, 1] if outputs.ndim == 2 else outputs))
        return 100.0 * float(metrics.accuracy_score(targets, labels))


def _finite(outputs: Any) -> bool:
    return outputs.dtype.kind != "f" or bool(np.isfinite(outputs).all())
