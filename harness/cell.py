"""What a cell is, and what decides its result."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from harness.llm.asking import Asking
from harness.optimizer import OptimizerSpec
from harness.seeding import keyed_seed
from harness.store.cell_folder import SCHEMA
from harness.task import TaskSpec
from harness.training.evaluator import NO_LIMITS, Evaluator, Limits
from harness.trial import PERCENT


@dataclass(frozen=True)
class Cell:
    """One task, tuned by one method, from one seed.

    `asking` is how a method that asks an LLM does so, None for any other, and `asking_identity` what of that decides the result.
    `versions` names the code that decides the result, part by part (see `harness.importing`).
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
    asking_identity: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)

    @property
    def method_seed(self) -> int:
        """The seed that the method draws from, in [0, 2**32): another one on each task, the same for every arm of a task and seed.

        From the cell's own seed, a method would make the same draws on every task, and its scores would move together over tasks.
        """
        return keyed_seed(self.seed, f"method on {self.task.name}")

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Everything that decides the result, and nothing that does not (no path, logger or launcher)."""
        task, optimizer, limits = self.task, self.optimizer, self.limits
        return {
            "task": {
                "_target_": task.target,
                "version": task.version,
                "params": task.params,
                # The space in full, so that the identity does not depend on how the YAML happened to write it.
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
            # Absent where they say nothing: a cell keeps its id when a further kind of limit or of evaluator comes.
            **({} if limits.trial_memory_mb is None else {"memory_limit_mb": limits.trial_memory_mb}),
            **({"evaluator": dict(self.evaluator.identity)} if self.evaluator.identity else {}),
            **self.asking_identity,
        }

    @cached_property
    def id(self) -> str:
        """Sixteen hexadecimal digits of the identity's SHA-256 (task name and arm included, so that no two rows share a run)."""
        text = json.dumps([self.task.name, self.arm, self.identity], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def folder(self) -> str:
        """The cell's folder inside the study's: named for people, and carrying the id."""
        return f"{self.task.name}/{self.arm}/seed{self.seed}-{self.id[:8]}"

    def manifest(self, settings: Mapping[str, Any], environment: Mapping[str, Any]) -> dict[str, Any]:
        """Return what `manifest.json` holds."""
        return {
            "schema": SCHEMA,
            "cell": self.id,
            "study": self.study,
            "task": self.task.name,
            "arm": self.arm,
            "seed": self.seed,
            "budget": self.budget,
            "identity": self.identity,
            "settings": settings,
            "environment": environment,
            "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
