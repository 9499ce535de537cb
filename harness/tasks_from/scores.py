"""The losses and scores of a fitted estimator: one point of a training curve. The metrics are scikit-learn's."""

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
from harness.tasks_from.metrics import Metric
from harness.trial import Epoch

Outputs: TypeAlias = npt.NDArray[Any]  # probabilities, other numbers, or labels of any type
_classes_of = attrgetter("classes_")


@dataclass(frozen=True)
class Scale:
    """Scores estimators by one metric on the three parts of the data: in percent, or in the metric's own unit (see `metrics.py`)."""

    metric: Metric
    data: Split

    @property
    def parts(self) -> tuple[Part, Part, Part]:
        """The parts for training, validation and test."""
        return self.data.train, self.data.val, self.data.test

    def method(self, fitted: Estimator) -> str:
        """Return the name of the method from which the metric is computed. Raises SettingsError when the estimator has none."""
        methods = self.metric.methods
        for name in methods:
            if hasattr(fitted, name):
                return name
        raise SettingsError(f"{type(fitted).__name__} has none of {', '.join(methods)}, which {self.metric.name} needs")

    def outputs(self, fitted: Estimator, **options: object) -> list[Outputs]:
        """Return the outputs of that method for each part: shape (n, classes) or (n,). `options` are passed on to the method."""
        method: Callable[..., object] = getattr(fitted, self.method(fitted))
        return [np.asarray(method(part.features, **options)) for part in self.parts]

    def epoch(self, fitted: Estimator) -> Epoch:
        """Score an estimator in its current state. Labels come from `predict`, which may have its own threshold."""
        outputs = self.outputs(fitted)
        labels = outputs
        if self.metric.of_labels and self.method(fitted) == "predict_proba" and all(map(_finite, outputs)):
            labels = [np.asarray(fitted.predict(part.features)) for part in self.parts]
        return self._epoch(fitted, zip(outputs, labels, self.parts, strict=True))

    def epoch_of(self, fitted: Estimator, outputs: list[Outputs]) -> Epoch:
        """Score an earlier point of a training from the outputs of `method` at that point. The label is the most probable class."""
        labels = outputs
        if self.metric.of_labels and self.method(fitted) == "predict_proba":
            labels = [np.asarray(_classes_of(fitted))[output.argmax(axis=1)] for output in outputs]
        return self._epoch(fitted, zip(outputs, labels, self.parts, strict=True))

    def _epoch(self, fitted: Estimator, measured: Iterable[tuple[Outputs, Outputs, Part]]) -> Epoch:
        classes = getattr(fitted, "classes_", None) if self.method(fitted) == "predict_proba" else None
        train, val, test = (
            (self._loss(outputs, part.targets, classes), self._score(outputs, labels, part.targets, classes))
            if _finite(outputs)
            else (float("nan"), float("nan"))
            for outputs, labels, part in measured
        )
        return Epoch(val_score_pct=val[1], val_loss=val[0], train_score_pct=train[1], train_loss=train[0], test_score_pct=test[1])

    def _loss(self, outputs: Outputs, targets: npt.ArrayLike, classes: Outputs | None) -> float | None:
        """Return the squared error or the log loss.

        None without probabilities, and when a target is a class that was not in the training part, since its log loss is infinite.
        """
        if self.metric.of_numbers:
            return float(metrics.mean_squared_error(targets, outputs))
        if classes is None or len(classes) < 2 or not np.isin(np.asarray(targets), classes).all():
            return None
        return float(metrics.log_loss(targets, outputs, labels=classes))

    def _score(self, outputs: Outputs, labels: Outputs, targets: npt.ArrayLike, classes: Outputs | None) -> float:
        match self.metric.name:
            case "auc":
                return 100.0 * float(metrics.roc_auc_score(targets, outputs[:, 1] if outputs.ndim == 2 else outputs))
            case "log_loss":
                return float(metrics.log_loss(targets, outputs, labels=classes))
            case name if self.metric.of_numbers:
                return _error_of_numbers(name, targets, outputs)
            case name:
                return 100.0 * self._share(name, targets, labels)

    def _share(self, name: str, targets: npt.ArrayLike, labels: Outputs) -> float:
        """Compare classes; a class that nothing was predicted to be counts as 0 in f1."""
        if name == "accuracy":
            return float(metrics.accuracy_score(targets, labels))
        if name == "balanced_accuracy":
            return float(
                metrics.recall_score(targets, labels, labels=np.unique(np.asarray(targets)), average="macro", zero_division=0.0)
            )
        positive = 1 if self.metric.positive is None else self.metric.positive
        chosen = {"average": "macro"} if name == "f1_macro" else {"pos_label": positive}
        return float(metrics.f1_score(targets, labels, zero_division=0.0, **chosen))


def _error_of_numbers(name: str, targets: npt.ArrayLike, outputs: Outputs) -> float:
    if name == "r2":
        return 100.0 * max(0.0, float(metrics.r2_score(targets, outputs)))
    error = {"rmse": metrics.root_mean_squared_error, "mae": metrics.mean_absolute_error}[name]
    return float(error(targets, outputs))


def _finite(outputs: Outputs) -> bool:
    return outputs.dtype.kind != "f" or bool(np.isfinite(outputs).all())
