"""What a cell is, and what decides its result."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from harness.seeding import keyed_seed
from harness.store.cell_folder import SCHEMA


@dataclass(frozen=True)
class Cell:
    """One task, tuned by one method, from one seed.

    `task` and `optimizer` are plain settings (see `settings.py`). `agent`, for a method that asks an LLM, holds the settings `agent`,
    `tcs` and `llm`, and under `identity` what of them decides the result. `versions` names the code that decides the result, part by
    part (see `harness.importing`).
    """

    study: str
    arm: str
    seed: int
    train_seed: int
    budget: int
    start: str
    task: Mapping[str, Any]
    optimizer: Mapping[str, Any]
    time_limit_seconds: float | None = None
    memory_limit_mb: float | None = None
    agent: Mapping[str, Any] | None = None
    versions: Mapping[str, int] = field(default_factory=dict)

    @property
    def method_seed(self) -> int:
        """The seed that the method draws from, in [0, 2**32): another one on each task, the same for every arm of a task and seed.

        From the cell's own seed, a method would make the same draws on every task, and its scores would move together over tasks.
        """
        return keyed_seed(self.seed, f"method on {self.task['name']}")

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Everything that decides the result, and nothing that does not (no path, logger or launcher)."""
        task = {key: self.task[key] for key in ("_target_", "version", "params", "space")}
        optimizer = {key: self.optimizer[key] for key in ("_target_", "startup_trials", "options")}
        return {
            "task": task,
            "optimizer": optimizer,
            "versions": dict(self.versions),
            "start": self.start,
            "seed": self.seed,
            "train_seed": self.train_seed,
            "budget": self.budget,
            "time_limit_seconds": self.time_limit_seconds,
            **({} if self.memory_limit_mb is None else {"memory_limit_mb": self.memory_limit_mb}),
            # Only a table's cell says where its outcomes are from: a live one keeps the id that it had before there were tables.
            **({"evaluator": {"table": self.task["from_table"]["checksum"]}} if self.task.get("from_table") else {}),
            **(self.agent["identity"] if self.agent else {}),
        }

    @cached_property
    def id(self) -> str:
        """Sixteen hexadecimal digits of the identity's SHA-256 (task name and arm included, so that no two rows share a run)."""
        text = json.dumps([self.task["name"], self.arm, self.identity], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def folder(self) -> str:
        """The cell's folder inside the study's: named for people, and carrying the id."""
        return f"{self.task['name']}/{self.arm}/seed{self.seed}-{self.id[:8]}"

    def manifest(self, settings: Mapping[str, Any], environment: Mapping[str, Any]) -> dict[str, Any]:
        """Return what `manifest.json` holds."""
        return {
            "schema": SCHEMA,
            "cell": self.id,
            "study": self.study,
            "task": self.task["name"],
            "arm": self.arm,
            "seed": self.seed,
            "budget": self.budget,
            "identity": self.identity,
            "settings": settings,
            "environment": environment,
            "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
