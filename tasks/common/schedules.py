"""Learning rate schedules by name. A schedule maps the share of training done, in [0, 1), to a factor on the learning rate."""

from __future__ import annotations

import math

from harness.tasks.common.training_loop import constant


def half_cosine(done: float) -> float:
    """Return a factor that falls from 1 to 0 along half a cosine (Loshchilov and Hutter 2017)."""
    return 0.5 * (1.0 + math.cos(math.pi * done))


SCHEDULES = {"constant": constant, "cosine": half_cosine}
