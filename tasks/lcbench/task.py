"""Tabular classification: a multilayer perceptron on one of 34 data sets of OpenML. Nothing is trained: a surrogate gives the curves.

A training seed moves nothing here, because the surrogate gives one curve per configuration. So seeds vary the method alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness import Config, Epoch, Readiness, SettingsError, Space, TaskCard
from harness.tasks.common import datasets
from harness.tasks.lcbench.surrogate import COMMAND, DATA_SET, INPUTS, LIBRARY, OUTPUTS, require, surrogate

VAL, LOSS, TEST = (OUTPUTS.index(name) for name in ("val_balanced_accuracy", "val_cross_entropy", "test_balanced_accuracy"))
TIME = OUTPUTS.index("time")


class LCBench(datasets.OnPublicData):
    """One of LCBench's tasks, by its number at OpenML. The score is balanced accuracy, the loss cross-entropy on validation.

    The score of a trial is that of its best epoch on validation, as for every task. The seconds are those of the surrogate.
    """

    def __init__(self, space: Space, card: TaskCard, *, openml_task: int) -> None:
        self.space = space
        self.card = card
        self._surrogate = surrogate()
        self._surrogate.number(openml_task)
        if missing := [name for name in INPUTS if name not in space]:
            raise SettingsError(f"the space has no '{missing[0]}', which LCBench needs")
        self._task = openml_task
        self._last: tuple[Config, list[list[float]]] = ({}, [])

    @staticmethod
    def needed(_params: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the name of the data set."""
        return (DATA_SET,)

    @classmethod
    def ready(cls, params: Mapping[str, Any]) -> Readiness:
        """Say whether library and surrogate are on this machine."""
        try:
            require()
        except SettingsError:
            return Readiness(LIBRARY, False, f"needs the library {LIBRARY}", COMMAND)
        return super().ready(params)

    @classmethod
    def prepare(cls, params: Mapping[str, Any]) -> None:
        """Fetch the surrogate. Raises SettingsError without the library, and DataError."""
        require()
        super().prepare(params)

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:  # noqa: ARG002 - one curve for all seeds
        for number, row in enumerate(self._curve(config), start=1):
            yield Epoch(100.0 * row[VAL], row[LOSS], test_score_pct=100.0 * row[TEST], number=number)

    def clock(self, config: Config, *, seed: int) -> Sequence[float]:  # noqa: ARG002
        """Return the seconds at the end of each epoch. Where the surrogate goes back in time, the largest so far counts."""
        return list(itertools.accumulate((row[TIME] for row in self._curve(config)), max))

    def _curve(self, config: Config) -> list[list[float]]:
        """Return the 52 rows of a configuration. The last ones are kept, since `clock` follows `train`."""
        if self._last[0] != config:
            self._last = (dict(config), self._surrogate.curves(self._task, [config])[0].tolist())
        return self._last[1]
