"""Versions of the code that decides a cell's result: what its identity holds beside its settings.

A correction must not keep an old identity: cells made before it would count as done, and mix with those made after it. So each method
carries `versions`, a class attribute such as `{"rules": 2, "tcs": 3}`: its own version, and those of what it is built on. Whoever changes
a proposal raises the method's version; whoever changes a summary raises `harness.tcs.VERSION`; whoever changes what happens between a
proposal and its record raises TRAINING or TABLE below. Tests compare proposals and summaries with golden ones of the same version.
"""

from __future__ import annotations

from harness.target import load_target

# Trainers, the adapters of `tasks_from`, the isolation of foreign code, and how a curve becomes a score.
# 2: the last point of a scikit-learn estimator's curve is what `fit` gives; a training leaves nothing behind for the next one.
TRAINING = 2
# The replay of recorded trainings: the recorded outcome, cut short by a time limit.
TABLE = 1


def versions_of(target: str) -> dict[str, int]:
    """Return the `versions` of the method that a `_target_` names; none of a method that carries none. Raises SettingsError."""
    return dict(getattr(load_target(target), "versions", {}))
