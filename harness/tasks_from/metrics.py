"""The metrics of `tasks_from.sklearn`: their direction, their unit, and the method of an estimator from which they are computed.

Standard library only, so that a task that needs no scikit-learn does not wait for it. `scores.py` computes them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.errors import SettingsError, near
from harness.trial import Direction, Objective

_LABELS = ("predict_proba", "predict")
_NUMBERS = ("predict",)
_MINIMIZE = Direction.MINIMIZE


@dataclass(frozen=True)
class Metric:
    """One metric. `methods`: it is computed from the first of them that an estimator has.

    `percentage` says whether the score is a percentage; else it is in the metric's own unit. `of_labels`: it compares predicted classes.
    `positive` is the class that f1 counts, None for 1.
    """

    name: str
    methods: tuple[str, ...]
    direction: Direction = Direction.MAXIMIZE
    percentage: bool = True
    of_labels: bool = False
    positive: object = None

    @property
    def of_numbers(self) -> bool:
        """Whether it is for regression, where the loss is the squared error."""
        return self.methods == _NUMBERS

    def check(self, objective: Objective) -> None:
        """Compare with what the task's YAML says of its scores. Raises SettingsError."""
        other = objective.name.lower().replace(" ", "_")
        if other in KNOWN and other != self.name:
            raise SettingsError(
                f"its metric is {self.name}, and its YAML says metric: {{name: {objective.name}, ...}}; {self._words()}"
            )
        if (objective.direction, objective.is_percentage) != (self.direction, self.percentage):
            unit = f"a number in {objective.unit}" if objective.unit else "a number without a unit"
            says = f"{'a percentage' if objective.is_percentage else unit} to {objective.direction}"
            raise SettingsError(f"its metric is {self.name}, and its YAML makes it {says}; {self._words()}")

    def _words(self) -> str:
        if self.percentage:
            return f"write metric: {{name: {self.name}}}, as it is a percentage to maximize"
        return f'write metric: {{name: {self.name}, direction: {self.direction}, unit: "...", margin: ...}}'


KNOWN = {
    metric.name: metric
    for metric in (
        Metric("accuracy", _LABELS, of_labels=True),
        Metric("balanced_accuracy", _LABELS, of_labels=True),
        Metric("f1", _LABELS, of_labels=True),
        Metric("f1_macro", _LABELS, of_labels=True),
        Metric("auc", ("predict_proba", "decision_function")),
        Metric("log_loss", ("predict_proba",), _MINIMIZE, percentage=False),
        Metric("r2", _NUMBERS),
        Metric("rmse", _NUMBERS, _MINIMIZE, percentage=False),
        Metric("mae", _NUMBERS, _MINIMIZE, percentage=False),
    )
}


def metric_of(name: str, positive: object = None) -> Metric:
    """Return a metric by its name. Raises SettingsError for an unknown one, and for a `positive` class that it has no use for."""
    if name not in KNOWN:
        raise SettingsError(f"metric '{name}' is not known{near(name, KNOWN)}")
    if positive is not None and name != "f1":
        raise SettingsError(f"positive={positive!r} is for metric f1 alone, and the metric is {name}: leave it out")
    return replace(KNOWN[name], positive=positive)
