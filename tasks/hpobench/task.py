"""A grid of recorded trainings as a task: HPOBench's classifiers, FCNet's regressions. Nothing is trained, and nothing is rounded.

The files hold one score per training, that of its end: so a curve is one epoch long. They hold no test score.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness import Choice, Config, Epoch, Readiness, SettingsError, Space, TaskCard
from harness.tasks.hpobench.grids import COMMAND, FAMILIES, PACKAGE, Grid, file_of, grid, require

# The score of HPOBench is a share; FCNet's is taken as it is.
FACTORS = {"val_acc": 100.0}


class Recorded:
    """The recordings of one data set. Training seed n is recorded seed n modulo the number of recorded ones: they take turns."""

    def __init__(self, space: Space, card: TaskCard, *, family: str, data_set: str) -> None:
        self.space = space
        self.card = card
        self._grid = grid(family, data_set)
        refuse_other_values(space, self._grid)

    @classmethod
    def ready(cls, params: Mapping[str, Any]) -> Readiness:
        """Say whether the package is installed."""
        try:
            cls.prepare(params)
        except SettingsError as error:
            return Readiness(PACKAGE, False, str(error).rpartition(": ")[0] or str(error), COMMAND)
        return Readiness(PACKAGE, True, f"data: package {PACKAGE}")

    @staticmethod
    def prepare(params: Mapping[str, Any]) -> None:
        """Raise SettingsError where the package, or the file of the data set, is missing."""
        require()
        if (family := FAMILIES.get(str(params.get("family")))) and str(params.get("data_set")) in family.sha256:
            file_of(family, str(params["data_set"]))

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        factor = FACTORS.get(self._grid.family.score, 1.0)
        yield Epoch(val_score_pct=factor * float(self._grid.scores[self._place(config, seed)]))

    def clock(self, config: Config, *, seed: int) -> Sequence[float]:
        """Return the seconds of the recorded training."""
        return [float(self._grid.seconds[self._place(config, seed)])]

    def _place(self, config: Config, seed: int) -> tuple[int, int]:
        return self._grid.family.number(config), seed % self._grid.family.seeds


def refuse_other_values(space: Space, known: Grid) -> None:
    """Raise SettingsError for a space that holds what was not recorded, or lacks a hyperparameter."""
    for name, levels in known.family.levels.items():
        if name not in space:
            raise SettingsError(f"the space has no '{name}', which the grid needs")
        hp = space[name]
        if not isinstance(hp, Choice) or not set(hp.choices) <= set(levels) or hp.when:
            raise SettingsError(f"hyperparameter '{name}': the grid has {', '.join(map(str, levels))} only, without a condition")
    if extra := [name for name in space.names if name not in known.family.levels]:
        raise SettingsError(f"hyperparameter '{extra[0]}': the grid does not have it")
