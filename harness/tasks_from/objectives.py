"""An Optuna objective as a task: its suggestions are answered from the configuration, its reports are the curve."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import SupportsFloat, cast

from harness.console import say_once
from harness.errors import SettingsError, near
from harness.space import Config, Space
from harness.task import Task, TaskCard
from harness.tasks_from.task import Factory, Loop
from harness.trial import Direction, Epoch, Objective


def optuna(objective: Callable[..., float], *, direction: str) -> Factory:
    """Return a task that trains by calling an Optuna objective, `objective(trial, **params)`; `params` come from the task's YAML.

    `direction` is minimize or maximize, as for `optuna.create_study`. The trial is a `FixedTrial`: `suggest_*` give the configuration's
    values, and the training seed is `trial.number`. A suggestion that the space of the YAML does not answer ends the trial with one line
    that says so. Choices that are no number, text or bool, such as None or (64, 64), stand in the YAML as Python writes them.

    `trial.report(value, step)` gives a point of the curve, and what the objective returns is the last point. As everywhere here, the best
    point is the trial's score. The points arrive when the objective ends, so a trial that a time limit stops has none. `should_prune()`
    is always False; an objective that raises TrialPruned by itself gives a failed trial with its curve, as Optuna counts it as no result.

    Raises SettingsError for another direction. Building the task raises TypeError for `params` that the objective does not take.
    """
    if direction not in tuple(Direction):
        raise SettingsError(f"optuna: direction={direction!r}{near(str(direction), map(str, Direction))}")

    def check(given: Objective) -> None:
        if given.direction != direction:
            example = f'metric: {{name: "...", direction: {direction}, unit: "", margin: ...}}'
            raise SettingsError(f"its Optuna objective is to {direction}, and its YAML says {given.direction}; write {example}")

    def build(space: Space, card: TaskCard, **params: object) -> Task:
        try:
            inspect.signature(objective).bind(None, **params)
        except TypeError as error:
            name = getattr(objective, "__name__", "objective")
            raise TypeError(f"{name}(trial) with its params {params or 'none'}: {error}") from error
        return Loop(
            space, card, lambda config, seed: _run(lambda trial: objective(trial, **params), space, config, seed), objective, check
        )

    return build


def _run(objective: Callable[[object], object], space: Space, config: Config, seed: int) -> Iterator[Epoch]:
    """Call the objective once; yield its reports, and what it returned. Reports that came before an error are yielded before it."""
    from optuna import TrialPruned  # noqa: PLC0415 - Optuna takes a fifth of a second

    from harness.tasks_from.config_trial import ConfigTrial, Pruned  # noqa: PLC0415

    trial = ConfigTrial(space, config, seed)
    try:
        value = _single(objective(trial))
    except TrialPruned as pruned:
        yield from map(Epoch, trial.reports)
        raise Pruned(f"the objective pruned this trial after {len(trial.reports)} reports") from pruned
    except Exception:
        yield from map(Epoch, trial.reports)
        raise
    yield from map(Epoch, trial.reports)
    if trial.reports[-1:] != [value]:
        yield Epoch(value)
    for name in config:
        if name not in trial.params:
            say_once(
                f"the Optuna objective did not ask for '{name}' in a trial, so its value changed nothing: give it `when:` if it is asked "
                "for in some trials only, else leave it out of the space"
            )


def _single(value: object) -> float:
    if isinstance(value, tuple | list):
        raise TypeError(f"the objective returned {len(value)} values: tune one of them")
    if value is None or isinstance(value, str | bytes):
        raise TypeError(f"the objective returned {value!r}: return one number")
    return float(cast(SupportsFloat, value))
