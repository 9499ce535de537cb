"""A task without training cost: a smooth function with a known maximum, to benchmark the harness itself and to try out a method.

It uses the standard library only, so that its running time is the running time of the harness.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness import Config, Epoch, Space, TaskCard, keyed_random


class Toy:
    """The score is 100 at learning_rate 1e-2 and momentum 0.9. A learning rate above 1 diverges at the second epoch."""

    def __init__(self, space: Space, card: TaskCard, *, epochs: int = 3, noise_pct: float = 0.1) -> None:
        self.space = space
        self.card = card
        self._epochs = epochs
        self._noise_pct = noise_pct

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        """Yield a curve that rises to the function's value at `config`, plus noise that depends on the seed."""
        rate, momentum = float(config["learning_rate"]), float(config["momentum"])
        distance = (math.log10(rate) + 2) ** 2 + 4 * (momentum - 0.9) ** 2
        shift = keyed_random(seed, "toy").gauss(0.0, self._noise_pct)
        for number in range(1, self._epochs + 1):
            if rate > 1 and number == 2:
                yield Epoch(val_score_pct=0.0, val_loss=math.inf, train_score_pct=0.0, train_loss=math.nan, test_score_pct=0.0)
                return
            score = min(100.0, 100 * math.exp(-distance / 4) * (1 - 0.5**number) / (1 - 0.5**self._epochs) + shift)
            loss = 1 - score / 100
            yield Epoch(val_score_pct=score, val_loss=loss, train_score_pct=score, train_loss=loss, test_score_pct=score)
