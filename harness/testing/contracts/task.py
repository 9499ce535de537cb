"""The contract suite of tasks. A test inherits it, and names its task."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Collection
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import pytest

from harness.config.settings import conf_dir, task_spec
from harness.seeding import keyed_random
from harness.space import Config
from harness.task import Task, TaskSpec
from harness.training.build import build_task
from harness.training.trainer import InProcess, checked_epochs
from harness.trial import MEASURES, Epoch, Outcome, Status

FRESH_PROCESS_SECONDS = 60.0


Changes: TypeAlias = tuple[tuple[str, Any], ...]


@cache
def spec_of(name: str, smaller: Changes = (), conf: Path | None = None) -> TaskSpec:
    """Return the settings in `task/NAME.yaml` of a conf folder (None: the harness's own), with some `params` replaced."""
    spec = task_spec((conf or conf_dir()) / "task" / f"{name}.yaml")
    return replace(spec, params={**spec.params, **dict(smaller)})


def task_of(name: str, smaller: Changes = (), conf: Path | None = None) -> Task:
    """Build the task once for all tests of this process. So a change that one test makes to it affects the next test."""
    return _task_of(name, smaller, conf)


@cache
def _task_of(name: str, smaller: Changes, conf: Path | None) -> Task:
    return build_task(spec_of(name, smaller, conf))


def default_curve(name: str, seed: int, smaller: Changes = (), conf: Path | None = None) -> tuple[Epoch, ...]:
    """Train the default configuration once, for the tests that only read its curve."""
    return _default_curve(name, seed, smaller, conf)


@cache
def _default_curve(name: str, seed: int, smaller: Changes, conf: Path | None) -> tuple[Epoch, ...]:
    task = task_of(name, smaller, conf)
    return tuple(checked_epochs(task, task.space.default(), seed))


@cache
def other_process() -> ProcessPoolExecutor:
    """Start one process for all tasks, because their imports take longer than their trainings. It ends with this process."""
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


class TaskContract:
    """`window` is the range, in percent, of the default's validation score for every seed and processor.

    `conf` is the folder that holds `task/NAME.yaml`, None for the harness's own. `measures` names the measures of each epoch.
    `diverges` holds values that make the default configuration diverge. `smaller` replaces some of the task's `params`, for a task that
    takes too long to be trained twenty times. A task is `deterministic` when the seed changes nothing.
    """

    name: ClassVar[str]
    window: ClassVar[tuple[float, float]]
    diverges: ClassVar[Config | None] = None
    deterministic: ClassVar[bool] = False
    random_configs: ClassVar[int] = 4
    measures: ClassVar[Collection[str]] = MEASURES
    smaller: ClassVar[Changes] = ()
    conf: ClassVar[Path | None] = None

    @property
    def task(self) -> Task:
        return task_of(self.name, self.smaller, self.conf)

    def default_curve(self, seed: int) -> tuple[Epoch, ...]:
        return default_curve(self.name, seed, self.smaller, self.conf)

    def train(self, config: Config) -> Outcome:
        return InProcess(self.task).train(config, seed=0)

    def test_space_and_card_are_those_of_the_yaml(self) -> None:
        spec = spec_of(self.name, self.smaller, self.conf)
        assert self.task.space == spec.space
        assert self.task.card == spec.card
        assert spec.name == self.name

    def test_the_default_yields_finite_epochs_with_what_the_task_measures(self) -> None:
        curve = self.default_curve(0)
        assert curve
        for epoch in curve:
            assert epoch.non_finite() is None
            assert {name for name in MEASURES if getattr(epoch, name) is not None} == set(self.measures)

    def test_epochs_are_left_for_the_harness_to_number_or_carry_its_numbers(self) -> None:
        numbers = [epoch.number for epoch in islice(self.task.train(self.task.space.default(), seed=0), 3)]
        assert numbers in ([0] * len(numbers), [*range(1, len(numbers) + 1)])

    def test_the_default_scores_what_is_expected_of_it(self) -> None:
        for seed in (0, 1):
            score = max(epoch.val_score_pct for epoch in self.default_curve(seed))
            assert self.window[0] <= score <= self.window[1]

    def test_a_seed_gives_the_same_curve_to_the_last_bit(self) -> None:
        assert tuple(checked_epochs(self.task, self.task.space.default(), 0)) == self.default_curve(0)

    def test_a_fresh_process_gives_the_same_curve_to_the_last_bit(self) -> None:
        there = other_process().submit(default_curve, self.name, 0, self.smaller, self.conf).result(timeout=FRESH_PROCESS_SECONDS)
        assert there == self.default_curve(0)

    def test_another_seed_gives_another_curve(self) -> None:
        same = self.default_curve(0) == self.default_curve(1)
        assert same == self.deterministic

    def test_trainings_advanced_in_turns_do_not_disturb_each_other(self) -> None:
        default = self.task.space.default()
        seen: list[tuple[Epoch, Epoch]] = list(
            zip(checked_epochs(self.task, default, 0), checked_epochs(self.task, default, 1), strict=False)
        )
        alone = zip(self.default_curve(0), self.default_curve(1), strict=False)
        assert seen == list(alone)

    def test_a_training_leaves_the_generators_of_the_process_alone(self) -> None:
        before = _generator_states()
        list(checked_epochs(self.task, self.task.space.default(), 3))
        assert _generator_states() == before

    def test_a_training_does_not_change_its_configuration(self) -> None:
        config = self.task.space.default()
        next(iter(self.task.train(config, seed=0)))
        assert config == self.task.space.default()

    def test_random_configurations_end_with_a_score_or_diverge(self) -> None:
        for number in range(self.random_configs):
            config = self.task.space.sample(keyed_random(0, "task contract", number))
            outcome = self.train(config)
            assert outcome.status in (Status.OK, Status.DIVERGED), f"{config}: {outcome.error}"
            scores = [score for e in outcome.curve for score in (e.val_score_pct, e.train_score_pct, e.test_score_pct)]
            assert not any(score is not None and score > 100.0 for score in scores)

    @pytest.mark.parametrize("position", [0.0, 1.0])
    def test_corners_of_the_space_end_with_a_score_or_diverge(self, position: float) -> None:
        outcome = self.train(self.task.space.from_unit([position] * len(self.task.space)))
        assert outcome.status in (Status.OK, Status.DIVERGED), outcome.error

    def test_a_reckless_configuration_shows_that_it_diverges(self) -> None:
        if self.diverges is None:
            pytest.skip("this task names no configuration that diverges")
        space = self.task.space
        config = space.restrict({**{hp.name: hp.default for hp in space}, **self.diverges})
        assert space.problems(config) == ()
        outcome = self.train(config)
        assert outcome.status is Status.DIVERGED
        assert outcome.curve[-1].non_finite()

    def test_the_card_tells_how_many_rows_each_part_has(self) -> None:
        task = task_of(self.name, (), self.conf)
        parts = getattr(task, "parts", None)
        if parts is None:
            pytest.skip("this task does not say how its rows are split")
        for size in (parts.train, parts.val, parts.test):
            assert f"{size:,}" in task.card.data


def _generator_states() -> tuple[object, ...]:
    """Return the states of the global generators; PyTorch's only when a task has imported it."""
    import sys

    import numpy as np

    states: list[object] = [
        random.getstate(),
        [part.tolist() if hasattr(part, "tolist") else part for part in np.random.get_state()],
    ]
    if "torch" in sys.modules:
        states.append(sys.modules["torch"].get_rng_state().tolist())
    return tuple(states)
