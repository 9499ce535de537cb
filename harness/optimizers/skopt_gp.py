"""Bayesian optimisation with scikit-optimize's Gaussian process: the baseline of the paper that this harness follows.

The library's own choices are kept: Matern 5/2 kernel, the "gp_hedge" portfolio of EI, LCB and PI, L-BFGS on the acquisition. When
the model wants a point that was tried already, the library takes another candidate of the portfolio, or else a random point.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from harness.hyperparameter import Choice, Hyperparameter, Number
from harness.optimizers._replay import ReplayedOptimizer, Session, decode, encode
from harness.randomness import keyed_seed
from harness.space import Config, Space

if TYPE_CHECKING:
    import skopt


class SkoptGP(ReplayedOptimizer):
    """Draw `startup_trials` configurations at random (10 is the library's default), then follow the model."""

    def _start(self) -> Session:
        return _SkoptSession(self._space, keyed_seed(self._seed, "skopt_gp"), self._startup_trials)


class _SkoptSession:
    """One `skopt.Optimizer` over all hyperparameters, since it knows no conditions.

    An inactive one is told as the library chose it, so that the library knows where it has been, or at its default when the
    configuration came from elsewhere.
    """

    def __init__(self, space: Space, seed: int, startup_trials: int) -> None:
        import skopt  # noqa: PLC0415 - 1.4 s, which a cell that is already done need not wait for
        from threadpoolctl import ThreadpoolController  # noqa: PLC0415

        self._space = space
        self._optimizer: skopt.Optimizer = skopt.Optimizer(
            [_dimension(hp) for hp in space], base_estimator="GP", n_initial_points=startup_trials, random_state=seed
        )
        self._threads = ThreadpoolController()
        self._asked: Config = {}

    def ask(self) -> Config:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The objective has been evaluated at point", UserWarning)
            point = self._optimizer.ask()
        self._asked = {hp.name: decode(hp, coded) for hp, coded in zip(self._space, point, strict=True)}
        return self._space.restrict(self._asked)

    def tell(self, config: Config, score_pct: float) -> None:
        own = self._asked and self._space.restrict(self._asked) == config
        values = (self._asked if own else {hp.name: hp.default for hp in self._space}) | config
        point = [encode(hp, values[hp.name]) for hp in self._space]
        # Two threads for matrices this small are up to 15 times slower than one, and may end in other bits.
        with self._threads.limit(limits=1):
            self._optimizer.tell(point, -score_pct)


def _dimension(hp: Hyperparameter) -> Any:
    """Return the library's own kind of axis, so that the model sees rounded integers as the library rounds them."""
    from skopt.space import Categorical, Integer, Real  # noqa: PLC0415 - see above

    if isinstance(hp, Choice):
        last = len(hp.choices) - 1
        return Integer(0, last) if hp.ordered else Categorical(range(last + 1))
    assert isinstance(hp, Number)
    prior = "log-uniform" if hp.log else "uniform"
    if hp.integer:
        return Integer(int(hp.low), int(hp.high), prior=prior)
    return Real(hp.low, hp.high, prior=prior)
