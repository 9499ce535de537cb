"""A cell, and its identity: everything that decides its result."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from harness.llm.asking import Asking
from harness.optimizer import OptimizerSpec
from harness.seeding import keyed_seed
from harness.store.cell_folder import SCHEMA
from harness.store.codec import json_text, to_row
from harness.task import TaskSpec
from harness.training.evaluator import NO_LIMITS, Evaluator, Limits
from harness.trial import PERCENT, Trial


@dataclass(frozen=True)
class Given:
    """Trials that were evaluated before a cell begins, numbered from 1. Every method sees them, and none of them is trained again."""

    trials: tuple[Trial, ...] = ()

    def __len__(self) -> int:
        return len(self.trials)

    @cached_property
    def identity(self) -> dict[str, object]:
        """How many trials there are, and sixteen hexadecimal digits of the SHA-256 of all that the file says of them."""
        text = json_text([to_row(trial) for trial in self.trials])
        return {"trials": len(self.trials), "digest": hashlib.sha256(text.encode()).hexdigest()[:16]}


def method_seed(task: str, seed: int) -> int:
    """Return the seed of the method of a cell (see `Cell.method_seed`)."""
    return keyed_seed(seed, f"method on {task}")


@dataclass(frozen=True)
class Cell:
    """One task, tuned by one method, from one seed.

    `asking` holds the settings of a method that asks an LLM, None for any other method; `asking_identity` holds those of them that decide
    the result. `versions` are the versions of the code that decides the result (see `harness.importing`). `given` are trials that come
    before those of the budget.
    """

    study: str
    arm: str
    seed: int
    train_seed: int
    budget: int
    start: str
    task: TaskSpec
    optimizer: OptimizerSpec
    evaluator: Evaluator
    limits: Limits = NO_LIMITS
    asking: Asking | None = None
    asking_identity: Mapping[str, object] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)
    given: Given = Given()

    @property
    def all_trials(self) -> int:
        """How many trials the cell holds when its budget is spent: those that were given, and its own."""
        return len(self.given) + self.budget

    @property
    def method_seed(self) -> int:
        """The seed of the method, in [0, 2**32): different on each task, equal for all arms of a task and seed.

        With the cell's own seed, a method would make the same draws on every task, and its scores on the tasks would be correlated.
        """
        return method_seed(self.task.name, self.seed)

    @cached_property
    def identity(self) -> dict[str, object]:
        """Everything that decides the result, and nothing else: no path, logger or launcher."""
        task, optimizer, limits = self.task, self.optimizer, self.limits
        return {
            "task": {
                "_target_": task.target,
                "version": task.version,
                "params": task.params,
                # The complete space, so that the identity does not depend on how the YAML writes it.
                "space": task.space.to_mapping(),
                **({} if task.objective == PERCENT else {"objective": task.objective.to_mapping()}),
            },
            "optimizer": {
                "_target_": optimizer.target,
                "startup_trials": optimizer.startup_trials,
                "options": optimizer.options,
            },
            "versions": dict(self.versions),
            "start": self.start,
            "seed": self.seed,
            "train_seed": self.train_seed,
            "budget": self.budget,
            "time_limit_seconds": limits.trial_seconds,
            # Left out when unset, so that cells keep their ids when the harness gets new limits or evaluators.
            **({} if limits.trial_memory_mb is None else {"memory_limit_mb": limits.trial_memory_mb}),
            **({"evaluator": dict(self.evaluator.identity)} if self.evaluator.identity else {}),
            **({"given": self.given.identity} if self.given else {}),
            **self.asking_identity,
        }

    @cached_property
    def id(self) -> str:
        """Sixteen hexadecimal digits of the SHA-256 of task name, arm and identity. So no two rows of the tables share a cell."""
        text = json.dumps([self.task.name, self.arm, self.identity], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def folder(self) -> str:
        """The path of the cell's folder in the study's folder. Its name is readable, and ends in eight digits of the id."""
        return f"{self.task.name}/{self.arm}/seed{self.seed}-{self.id[:8]}"

    def manifest(self, settings: Mapping[str, object], environment: Mapping[str, object]) -> dict[str, object]:
        """Return the contents of `manifest.json`."""
        reference = self.evaluator.reference(self.task)
        return {
            "schema": SCHEMA,
            "cell": self.id,
            "study": self.study,
            "task": self.task.name,
            "arm": self.arm,
            "seed": self.seed,
            "budget": self.budget,
            "identity": self.identity,
            # Beside the identity: it says how scores are shown, and decides none.
            **({} if reference is None else {"reference": reference.to_mapping()}),
            "settings": settings,
            "environment": environment,
            "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
