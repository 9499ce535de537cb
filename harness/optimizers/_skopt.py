"""A scikit-optimize optimizer as a `Session`, over exactly the space that the other methods search.

The library normalises the range of an integer first and rounds afterwards. So the first and the last level get only half the
probability of the others. Therefore this module transforms integer and ordinal axes itself: every level gets an equal interval of
[0, 1] (on the hyperparameter's own scale) and lies in the middle of it.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
import numpy.typing as npt
import skopt
from skopt.space import Categorical, Dimension, Integer, Real
from skopt.space.space import _uniform_inclusive
from skopt.space.transformers import Transformer
from threadpoolctl import ThreadpoolController

from harness.optimizers._replay import decode, encode
from harness.space import Config, Space
from harness.space.hyperparameter import Choice, Hyperparameter, Number


class SkoptSession:
    """One `skopt.Optimizer` over all hyperparameters; `options` are its keyword arguments. The library has no conditions.

    `tell` reports an inactive hyperparameter with the value that the library asked for, so that the library recognises its own point;
    for a configuration from another source it reports the default value.
    """

    def __init__(self, space: Space, **options: object) -> None:
        self._space = space
        self._optimizer = skopt.Optimizer([dimension(hp) for hp in space], **options)
        self._threads = ThreadpoolController()
        self._asked: Config = {}

    def ask(self) -> Config:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The objective has been evaluated at point", UserWarning)
            point = self._optimizer.ask()
        self._asked = {hp.name: decode(hp, coded) for hp, coded in zip(self._space, point, strict=True)}
        return self._space.restrict(self._asked)

    def ask_several(self, count: int) -> list[Config]:
        """Return `count` proposals, the best first; the model takes each as told with the worst score so far before it makes the next.

        That is the constant liar of Ginsbourger, Le Riche and Carraro (2010), which keeps them apart. Two may still be the same.
        """
        if count == 1:
            return [self.ask()]
        with warnings.catch_warnings(), self._threads.limit(limits=1):
            warnings.filterwarnings("ignore", "The objective has been evaluated at point", UserWarning)
            points = self._optimizer.ask(n_points=count, strategy="cl_max")
        named = ({hp.name: decode(hp, coded) for hp, coded in zip(self._space, point, strict=True)} for point in points)
        return [self._space.restrict(values) for values in named]

    def tell(self, config: Config, score_pct: float, *, more: bool = False) -> None:
        own = self._asked and self._space.restrict(self._asked) == config
        values = (self._asked if own else {hp.name: hp.default for hp in self._space}) | config
        point = [encode(hp, values[hp.name]) for hp in self._space]
        # For matrices this small, two threads are up to 15 times slower than one, and may give different last bits.
        with self._threads.limit(limits=1):
            self._optimizer.tell(point, -score_pct, fit=not more)  # each fit of 100 trials takes most of a second


class _Shares(Transformer):  # type: ignore[misc] # the library has no types
    """Map the codes of an integer or ordinal hyperparameter to the middles of their intervals of [0, 1], and back.

    It does what `Hyperparameter.to_unit` and `from_unit` do, for whole arrays: the library transforms 10,000 candidates at a time.
    """

    def __init__(self, low: int, high: int, *, log: bool) -> None:
        self._low, self._high, self._log = low, high, log
        self._first, self._last = self._scaled(np.array([low - 0.5, high + 0.5]))

    def _scaled(self, numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.log(numbers) if self._log else numbers

    def transform(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:  # noqa: N803 - the library's name for it
        shares: npt.NDArray[np.float64] = (self._scaled(np.asarray(X, dtype=float)) - self._first) / (self._last - self._first)
        return shares

    def inverse_transform(self, X: npt.ArrayLike) -> npt.NDArray[np.int64]:  # noqa: N803
        scaled = self._first + np.asarray(X, dtype=float) * (self._last - self._first)
        numbers = np.exp(scaled) if self._log else scaled
        codes: npt.NDArray[np.int64] = np.clip(np.floor(numbers + 0.5), self._low, _float_below(self._high)).astype(np.int64)
        return codes


def _float_below(number: int) -> float:
    """Return the largest float that is not above an integer: 2**63 - 1 has none of its own, and 2**63 is no int64."""
    nearest = float(number)
    return nearest if nearest <= number else math.nextafter(nearest, -math.inf)


class _Levels(Integer):  # type: ignore[misc] # the library has no types
    """An axis of levels with equal intervals, regardless of the transformation that the library's surrogate requests."""

    def __init__(self, low: int, high: int, *, log: bool = False) -> None:
        self._shares = _Shares(low, high, log=log)
        super().__init__(low, high, transform="normalize")

    def set_transformer(self, transform: str = "normalize") -> None:  # noqa: ARG002
        """Use intervals of [0, 1]. A forest requests no transformation, and it splits at the same levels with this one."""
        self.transform_ = "normalize"
        self._rvs = _uniform_inclusive(0.0, 1.0)
        self.transformer = self._shares


def dimension(hp: Hyperparameter) -> Dimension:
    """Return the library's axis for the codes of a hyperparameter (see `_replay.encode`)."""
    if isinstance(hp, Choice):
        last = len(hp.choices) - 1
        return _Levels(0, last) if hp.ordered else Categorical(range(last + 1))
    assert isinstance(hp, Number)
    if hp.integer:
        return _Levels(int(hp.low), int(hp.high), log=hp.log)
    return Real(hp.low, hp.high, prior="log-uniform" if hp.log else "uniform")
