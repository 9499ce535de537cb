"""READ THIS FIRST: the whole life of a cell, from its settings to its last trial.

A cell is one task tuned by one method from one seed. `run_cell` loads the folder, shows the method what is there, trains what it
proposes, writes the trial down, and goes on until the budget is spent. Nothing happens between `propose` and `append` that is not in
this file.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from harness.cell import Cell
from harness.errors import Exhausted
from harness.run.build import build_optimizer
from harness.run.replies import UNUSABLE, unusable
from harness.signals import stop_if_asked
from harness.store.cell_folder import SCHEMA, CellFolder
from harness.training.trainer import Trainer
from harness.trial import Proposal, Trajectory, Trial, incumbent


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
    task, trainer = cell.evaluator.open(cell.task, cell.limits)
    optimizer = build_optimizer(cell, task, folder)
    try:
        tracker.start(cell, manifest, folder.trials)
        trajectory = Trajectory.of(folder.trials)
        while len(trajectory) < cell.budget:
            stop_if_asked()
            started = time.perf_counter()
            try:
                proposal = optimizer.propose(trajectory)
            except Exhausted:
                stop_if_asked()
                break
            stop_if_asked()  # a method that goes on without what failed (an LLM's call) takes a stop for a failure too
            proposal = Proposal(task.space.check(proposal.config), proposal.source, proposal.note)
            trial = _train(trainer, len(trajectory) + 1, proposal, cell.train_seed, time.perf_counter() - started)
            folder.append(trial)
            tracker.trial(trial)
            trajectory = trajectory.then(trial)
        summary = summarise(folder.trials)
        if cell.asking and (words := unusable(folder.trials, cell.asking.llm.model_name)):
            summary[UNUSABLE] = words
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
