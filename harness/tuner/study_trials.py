"""The finished trials of an Optuna study as a trajectory.

    COMPLETE   its value is the score; its intermediate values are the curve
    PRUNED     the best intermediate value is the score; the curve ends where it was pruned. Without a value it failed
    FAIL       a failure, with the curve up to it. Optuna keeps no reason, and takes a value of NaN for a failure
    RUNNING, WAITING   are left out: they have no result

A trial whose parameters are no configuration of the space is left out: one that failed before it suggested all of them, or one of
another range.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator

from optuna.trial import FrozenTrial, TrialState

from harness.space import Config
from harness.trial import Direction, Epoch, Objective, Outcome, Proposal, Status, Trajectory, Trial
from harness.tuner.user_space import UserSpace

# On the tasks of this harness that have references, the difference that matters (0.9 percentage points) is in the median an eighteenth
# of the way from the median random trial to the best known score.
MARGIN_SHARE = 1 / 20


def trajectory_of(trials: Iterable[FrozenTrial], space: UserSpace, objective: Objective) -> Trajectory:
    """Return the trials of a study that can be shown to a method, numbered 1 to n in the order of their numbers in the study."""
    shown: list[Trial] = []
    for trial in sorted(trials, key=lambda trial: trial.number):
        config = _config(trial, space)
        if trial.state.is_finished() and config is not None:
            shown.append(Trial(len(shown) + 1, Proposal(config), outcome_of_trial(trial, objective)))
    return Trajectory.of(tuple(shown), objective)


def _config(trial: FrozenTrial, space: UserSpace) -> Config | None:
    known = {name: value for name, value in trial.params.items() if name in space.space and name not in space.fixed}
    active = _active(known, space)
    values = space.on_grid(space.to_harness({name: known[name] for name in active}))
    return None if space.space.problems(values) else space.space.check(values)


def _active(known: dict[str, object], space: UserSpace) -> list[str]:
    """Return the names that are active by the conditions of the space: an objective may suggest others as well."""
    config: Config = {}
    for hp in space.space:
        if hp.name in known and space.space.active(hp, config):
            config[hp.name] = space.to_harness({hp.name: known[hp.name]})[hp.name]
    return list(config)


def outcome_of_trial(trial: FrozenTrial, objective: Objective) -> Outcome:
    """Return the outcome of a finished trial."""
    curve, seconds = tuple(_finite(_curve(trial))), _seconds(trial)
    if trial.state is TrialState.COMPLETE and trial.value is not None and math.isfinite(trial.value):
        return _completed(trial.value, curve, seconds)
    if trial.state is TrialState.PRUNED and curve:
        return Outcome.of_curve(curve, seconds, objective)
    if trial.state is TrialState.COMPLETE:
        return Outcome.failed(Status.DIVERGED, f"its value is {trial.value}", curve, seconds)
    if len(curve) < len(trial.intermediate_values):
        return Outcome.failed(Status.DIVERGED, "an intermediate value is not finite", curve, seconds)
    if trial.state is TrialState.PRUNED:
        return Outcome.failed(Status.CRASHED, "pruned before its first value", curve, seconds)
    return Outcome.failed(
        Status.CRASHED, "the trial failed (Optuna keeps no reason; a value of NaN is a failure too)", curve, seconds
    )


def _completed(value: float, curve: tuple[Epoch, ...], seconds: float) -> Outcome:
    """Return a trial with the value that the objective returned, also where that is not the best of the curve."""
    same = [epoch for epoch in curve if epoch.val_score_pct == value]
    if not same:
        same = [Epoch(value, number=curve[-1].number + 1 if curve else 1)]
        curve = (*curve, same[0])
    return Outcome(Status.OK, curve, seconds, value, None, same[0].number)


def _curve(trial: FrozenTrial) -> Iterator[Epoch]:
    """Yield the intermediate values as epochs, whose numbers are the steps; from 1 where the steps begin at 0."""
    steps = sorted(trial.intermediate_values)
    shift = 1 - steps[0] if steps and steps[0] < 1 else 0
    for step in steps:
        yield Epoch(trial.intermediate_values[step], number=step + shift)


def _finite(curve: Iterable[Epoch]) -> Iterator[Epoch]:
    for epoch in curve:
        if epoch.non_finite():
            return
        yield epoch


def _seconds(trial: FrozenTrial) -> float:
    return trial.duration.total_seconds() if trial.duration is not None else 0.0


def assumed_objective(trials: Iterable[FrozenTrial], direction: Direction) -> Objective:
    """Return an objective for values of which nobody has said what difference matters.

    It is a twentieth of the distance from the median to the best value so far; without one, a hundredth of the best value, or 1.
    """
    values = [trial.value for trial in trials if trial.state is TrialState.COMPLETE and trial.value is not None]
    finite = [value for value in values if math.isfinite(value)]
    margin = 1.0
    if finite:
        best = max(finite) if direction is Direction.MAXIMIZE else min(finite)
        margin = abs(best - statistics.median(finite)) * MARGIN_SHARE or abs(best) / 100 or 1.0
    rounded = float(f"{margin:.1g}")
    return Objective("objective value", direction, "", rounded if 0 < rounded < math.inf else 1.0, test=False)
