"""The evolution strategy CMA-ES, with margin and categories: CatCMAwM of the library `cmaes` (Hamano et al. 2025, arXiv 2504.07884).

Optuna's `CmaEsSampler` uses the same library. It is not used here, since it leaves every choice and every conditional hyperparameter to
random draws for ever, and learns nothing from a trial that it did not propose itself, such as the default. What we chose, and why:

- The first mean is the default, since 10 trials are too few to travel far. Choices begin with equal probabilities, as in the library: a
  start at the default would have to be unlearned, and few trials do not do that.
- A generation has 4 trials instead of 4 + 3 ln d, which is 9 or more for 6 hyperparameters: with 10 trials that would be one update.
- The first step is 1/6 of the scale, as in Optuna. It was checked on random problems only (`scripts/development_family.py`).
- Every trial is reported, also one that the strategy did not propose; a failed one with the worst score so far (`_replay.py`).
- An inactive hyperparameter is drawn like the others, and its value is not used; in a trial from elsewhere it counts as its default.

Numbers and ordered levels with three values or more are positions on the space's own scale; an integer with more than 64 values is treated
as a continuous number and rounded. A space in which nothing has an order is refused: there is no direction to adapt to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from harness.errors import SettingsError
from harness.optimizers._replay import ReplayedOptimizer, Session
from harness.optimizers.pibo.prior import is_ordered
from harness.space import Choice, Config, Hyperparameter, Number, Space

if TYPE_CHECKING:
    from cmaes import CatCMAwM

POPULATION = 4
STEP = 1 / 6  # first standard deviation, as a share of a scale
TIE = 1e-9  # how much worse, relatively, the next one of equal scores counts
MOST_LEVELS = 64  # of an axis of integers that the library treats as such


class CmaEs(ReplayedOptimizer):
    """Draw `startup_trials` configurations at random (Optuna's default is 1), then follow the strategy. Raises SettingsError."""

    purpose = "cma_es"
    versions: ClassVar = {"cma_es": 1}

    def __init__(self, space: Space, seed: int, *, startup_trials: int) -> None:
        super().__init__(space, seed, startup_trials=startup_trials)
        if not any(is_ordered(hp) and levels(hp) != 2 for hp in space):
            raise SettingsError(
                "cma_es needs a number or three ordered levels in the space, and this one has choices only; leave out cma_es"
            )

    def _start(self, seed: int) -> Session:
        return _CmaSession(self._space, seed)


def levels(hp: Hyperparameter) -> int | None:
    """Return how many values a hyperparameter has; None where it is treated as continuous."""
    if isinstance(hp, Choice):
        return len(hp.choices)
    assert isinstance(hp, Number)
    count = int(hp.high) - int(hp.low) + 1
    return count if hp.integer and count <= MOST_LEVELS else None


class _CmaSession:
    """One CatCMAwM. Its axes are the continuous ones, then those with ordered levels, then the categories, each in the space's order."""

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._continuous = [hp for hp in space if levels(hp) is None]
        self._levelled = [hp for hp in space if levels(hp) is not None and levels(hp) != 2 and is_ordered(hp)]
        self._categories = [hp for hp in space if levels(hp) == 2 or not is_ordered(hp)]
        self._library = self._built(seed)
        self._asked: tuple[Config, CatCMAwM.Solution] | None = None
        self._generation: list[tuple[CatCMAwM.Solution, float]] = []

    def _built(self, seed: int) -> CatCMAwM:
        import numpy as np  # noqa: PLC0415 - takes 0.1 s, which a finished cell does not need
        from cmaes import CatCMAwM  # noqa: PLC0415 - as above

        numbers = [*self._continuous, *self._levelled]
        return CatCMAwM(
            x_space=[[0.0, 1.0]] * len(self._continuous) or None,
            z_space=[_positions(hp) for hp in self._levelled] or None,
            c_space=[levels(hp) or 1 for hp in self._categories] or None,
            population_size=POPULATION,
            mean=np.array([hp.to_unit(hp.default) for hp in numbers]),
            sigma=STEP,
            cov=np.eye(len(numbers)),
            seed=seed,
        )

    def ask(self) -> Config:
        solution = self._library.ask()
        numbers = [*(solution.x if self._continuous else ()), *(solution.z if self._levelled else ())]
        full = {hp.name: hp.from_unit(float(u)) for hp, u in zip([*self._continuous, *self._levelled], numbers, strict=True)}
        for hp, one_hot in zip(self._categories, solution.c if self._categories else (), strict=True):
            full[hp.name] = hp.from_unit(_middle(int(one_hot.argmax()), levels(hp) or 1))
        config = self._space.restrict(full)
        self._asked = (config, solution)
        return dict(config)

    def tell(self, config: Config, score_pct: float, *, more: bool = False) -> None:  # noqa: ARG002 - it models when it is asked
        own = self._asked is not None and repr(self._asked[0]) == repr(config)  # 1 == True in Python
        solution = self._asked[1] if own and self._asked else self._solution(config)
        self._asked = None
        # The earlier of equal scores is the better one: the library divides by their spread, which must not be 0.
        later = len(self._generation) * TIE * max(1.0, abs(score_pct))
        self._generation.append((solution, later - score_pct))
        if len(self._generation) == POPULATION:
            self._library.tell(self._generation)
            self._generation = []

    def _solution(self, config: Config) -> CatCMAwM.Solution:
        """Return a configuration from elsewhere as the library's own would be."""
        import numpy as np  # noqa: PLC0415 - see above
        from cmaes import CatCMAwM  # noqa: PLC0415 - see above

        at = {hp.name: hp.to_unit(config.get(hp.name, hp.default)) for hp in self._space}
        x, z = (np.array([at[hp.name] for hp in part]) for part in (self._continuous, self._levelled))
        most = max((levels(hp) or 1 for hp in self._categories), default=0)
        c = np.zeros((len(self._categories), most), dtype=bool)
        for row, hp in enumerate(self._categories):
            c[row, min(int(at[hp.name] * (levels(hp) or 1)), (levels(hp) or 1) - 1)] = True
        return CatCMAwM.Solution(x, z, c, np.concatenate([x, z]))


def _positions(hp: Hyperparameter) -> Sequence[float]:
    if isinstance(hp, Number):
        return [hp.to_unit(n) for n in range(int(hp.low), int(hp.high) + 1)]
    return [_middle(k, levels(hp) or 1) for k in range(levels(hp) or 1)]


def _middle(code: int, count: int) -> float:
    return (code + 0.5) / count
