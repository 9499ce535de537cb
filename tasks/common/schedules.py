"""How a learning rate falls over training, by the name that a space gives it."""

from __future__ import annotations

import math

from harness.tasks.common.training_loop import constant


def half_cosine(done: float) -> float:
    """Fall from 1 to 0 along half a cosine (Loshchilov and Hutter 2017)."""
    return 0.5 * (1.0 + math.cos(math.pi * done))


PACES = {"constant": constant, "cosine": half_cosine}
