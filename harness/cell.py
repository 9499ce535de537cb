"""READ THIS FIRST: the whole life of a cell, from its settings to its last trial.

A cell is one task tuned by one method from one seed. `run_cell` loads the folder, shows the method what is there, trains what it
proposes, writes the trial down, and goes on until the budget is spent. Nothing happens between `propose` and `append` that is not in
this file.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from harness.build import build_optimizer, build_task
from harness.errors import Exhausted
from harness.store import SCHEMA, CellFolder
from harness.training import Trainer, trainer_for
from harness.trial import Proposal, Trajectory, Trial, incumbent


@dataclass(frozen=True)
class Cell:
    """What a cell is. `task` and `optimizer` are plain settings (see `settings.py`); `identity` is all that decides the result."""

    study: str
    arm: str
    seed: int
    train_seed: int
    budget: int
    start: str
    task: Mapping[str, Any]
    optimizer: Mapping[str, Any]
    time_limit_seconds: float | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Everything that decides the result, and nothing that does not (no path, logger or launcher)."""
        task = {key: self.task[key] for key in ("_target_", "version", "params", "space")}
        optimizer = {key: self.optimizer[key] for key in ("_target_", "startup_trials", "options")}
        return {
            "task": task,
            "optimizer": optimizer,
            "start": self.start,
            "seed": self.seed,
            "train_seed": self.train_seed,
            "budget": self.budget,
            "time_limit_seconds": self.time_limit_seconds,
            **self.extra,
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


class Tracker(Protocol):
    """Is told of a cell as it goes; must not raise (see `tracking.py`)."""

    def start(self, cell: Cell, manifest: Mapping[str, Any], trials: tuple[Trial, ...]) -> None:
        """A cell begins, with the trials that an earlier launch left."""
        ...

    def trial(self, trial: Trial) -> None:
        """A trial is on the disk."""
        ...

    def finish(self, summary: Mapping[str, Any], folder: Path) -> None:
        """The cell is done."""
        ...

    def abort(self) -> None:
        """The cell was broken off."""
        ...


def run_cell(cell: Cell, folder: CellFolder, tracker: Tracker, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Run what is missing of a cell in its open folder, and return its summary.

    A training that fails is a trial like any other. What is raised here is the harness's or the method's own failure; the trials
    before it are on the disk, and a relaunch goes on from there.
    """
    task = build_task(cell.task)
    optimizer = build_optimizer(cell.optimizer, task.space, seed=cell.seed, start=cell.start)
    trainer = trainer_for(task, cell.task, time_limit_seconds=cell.time_limit_seconds)
    tracker.start(cell, manifest, folder.trials)
    try:
        trajectory = Trajectory.of(folder.trials)
        while len(trajectory) < cell.budget:
            started = time.perf_counter()
            try:
                proposal = optimizer.propose(trajectory)
            except Exhausted:
                break
            proposal = Proposal(task.space.check(proposal.config), proposal.source, proposal.note)
            trial = _train(trainer, len(trajectory) + 1, proposal, cell.train_seed, time.perf_counter() - started)
            folder.append(trial)
            tracker.trial(trial)
            trajectory = trajectory.then(trial)
        summary = summarise(folder.trials)
        tracker.finish(summary, folder.path)
        folder.finish(summary)
    except BaseException:
        tracker.abort()
        raise
    finally:
        trainer.close()
    return summary


def _train(trainer: Trainer, number: int, proposal: Proposal, seed: int, propose_seconds: float) -> Trial:
    return Trial(number, proposal, trainer.train(proposal.config, seed=seed), propose_seconds)


def summarise(trials: tuple[Trial, ...]) -> dict[str, Any]:
    """Return what `summary.json` holds: the incumbent by validation, its test score, and the counts."""
    best = incumbent(trials)
    failures: dict[str, int] = {}
    for trial in trials:
        if not trial.outcome.ok:
            failures[str(trial.outcome.status)] = failures.get(str(trial.outcome.status), 0) + 1
    return {
        "schema": SCHEMA,
        "trials": len(trials),
        "failures": failures,
        "incumbent": best.number if best else None,
        "config": best.config if best else None,
        "val_score_pct": best.score if best else None,
        "test_score_pct": best.outcome.test_score_pct if best else None,
        "train_seconds": round(sum(trial.outcome.seconds for trial in trials), 6),
        "propose_seconds": round(sum(trial.propose_seconds for trial in trials), 6),
    }
