"""The settings of one command, typed and frozen: what everything behind `config/` sees of conf/ and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.config.given import GivenFile
from harness.llm.asking import Asking
from harness.llm.settings import LlmSettings
from harness.optimizer import OptimizerSpec
from harness.task import TaskSpec
from harness.training.evaluator import Evaluator, Limits


@dataclass(frozen=True)
class Tracking:
    """Weights & Biases: `mode` is offline, online or off."""

    mode: str
    project: str
    entity: str | None = None


@dataclass(frozen=True)
class Settings:
    """One composed config. It stands for a cell for each of `seeds`.

    `asking` is None for a method that asks no LLM. `start` is none or default. `train_seed` None means the evaluator's choice. `arm`
    names the table row, None: from the method. `planned` is the fingerprint of the cells that a sweep planned for this job. `sync` is
    trial or cell. `recorded` is the same as plain data, as a manifest keeps it.
    """

    study: str
    out: str
    task: TaskSpec
    evaluator: Evaluator
    optimizer: OptimizerSpec
    asking: Asking | None
    llm: LlmSettings
    start: str
    seeds: tuple[int, ...]
    train_seed: int | None
    budget: int
    arm: str | None
    variant: str
    planned: str
    limits: Limits
    sync: str
    tracking: Tracking
    progress: str
    unready: str
    recorded: Mapping[str, Any]
    given: GivenFile | None = None

    def named(self, variant: str) -> Settings:
        """Return the same settings with the name of a sweep's variant."""
        return replace(self, variant=variant, recorded={**self.recorded, "variant": variant})
