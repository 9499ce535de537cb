"""READ THIS FIRST: the whole life of a cell, from its settings to its last trial.

A cell is one task tuned by one method from one seed. `run_cell` reads the trials in the folder and repeats until the budget is spent: the
method proposes a configuration, the trainer trains it, and the trial is written to the folder. Everything that happens between `propose`
and `append` is in this file. Trials that the user gave (`given=FILE`) stand before the cell's own; what was given is not trained again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from harness.cell import Cell
from harness.console import say_once
from harness.errors import Exhausted, HarnessError
from harness.run.build import build_optimizer
from harness.run.replies import UNUSABLE, unusable
from harness.signals import stop_if_asked
from harness.store.cell_folder import SCHEMA, CellFolder
from harness.training.trainer import Trainer
from harness.trial import Objective, Proposal, Status, Trajectory, Trial, incumbent, tried

# The key of a trial's note that holds the number of the given trial whose configuration it repeats, and whose outcome it takes.
SAME_AS_GIVEN = "same_as_given"


class EveryTrialCrashed(HarnessError):
    """All trainings of a cell raised: it is the task that is broken. The next launch of the cell trains anew."""

    def __init__(self, trials: tuple[Trial, ...]) -> None:
        first = trials[0].outcome
        self.traceback = first.crash.traceback if first.crash else ""
        place = f" ({first.crash.place})" if first.crash and first.crash.place else ""
        count = f"all {len(trials)} trials" if len(trials) > 1 else "the only trial"
        super().__init__(f"{count} failed: {first.error}{place}")


class Tracker(Protocol):
    """Receives the events of a cell while it runs. Its methods must not raise (see `tracking.py`)."""

    def start(self, cell: Cell, manifest: Mapping[str, object], trials: tuple[Trial, ...]) -> None:
        """The cell starts; `trials` are those of earlier launches."""
        ...

    def trial(self, trial: Trial) -> None:
        """A trial has been written to the disk."""
        ...

    def finish(self, summary: Mapping[str, object], folder: Path) -> None:
        """The cell is complete."""
        ...

    def abort(self) -> None:
        """The cell was interrupted or has failed."""
        ...


def run_cell(cell: Cell, folder: CellFolder, tracker: Tracker, manifest: Mapping[str, object]) -> dict[str, object]:
    """Run the missing trials of a cell in its open folder, and return its summary.

    A failed training is a trial like any other; when all of them crashed, EveryTrialCrashed is raised. Any other exception is a failure of
    the harness or of the method. The trials before it are on the disk, and the next launch continues after them.
    """
    task, trainer = cell.evaluator.open(cell.task, cell.limits)
    optimizer = build_optimizer(cell, task, folder)
    try:
        # They are written with the first trial of the cell's own, so that a cell without one leaves no records.
        given = cell.given.trials[len(folder.trials) :]
        tracker.start(cell, manifest, (*folder.trials, *given))
        trajectory = Trajectory.of((*folder.trials, *given), cell.task.objective)
        while len(trajectory) < cell.all_trials:
            stop_if_asked()
            started = time.perf_counter()
            try:
                proposal = optimizer.propose(trajectory)
            except Exhausted:
                stop_if_asked()
                break
            stop_if_asked()  # a method that handles failures (of an LLM call) may have handled the stop as one
            proposal = Proposal(task.space.check(proposal.config), proposal.source, proposal.note)
            trial = _trial(cell, trainer, len(trajectory) + 1, proposal, time.perf_counter() - started)
            folder.append(*given, trial)
            given = ()
            tracker.trial(trial)
            trajectory = trajectory.then(trial)
        folder.append(*given)
        _refuse_crashes(folder.trials)
        _warn_of_shares(cell, folder.trials)
        summary = summarise(folder.trials, cell.task.objective)
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


def _trial(cell: Cell, trainer: Trainer, number: int, proposal: Proposal, propose_seconds: float) -> Trial:
    """Train a proposal. One that repeats a given trial takes its outcome, and its note says which trial that is."""
    known = tried(proposal.config, cell.given.trials)
    if known is None:
        return Trial(number, proposal, trainer.train(proposal.config, seed=cell.train_seed), propose_seconds)
    repeat = replace(proposal, note={**proposal.note, SAME_AS_GIVEN: known.number})
    return Trial(number, repeat, replace(known.outcome, seconds=0.0), propose_seconds)


def summarise(trials: tuple[Trial, ...], objective: Objective) -> dict[str, object]:
    """Return the contents of `summary.json`: the trial with the best validation score, its test score, and counts.

    Scores are in the objective's own unit, also when their names end in `_pct`. The seconds are those of the cell's own trials.
    """
    best, own = incumbent(trials, objective), [trial for trial in trials if not trial.given]
    failures: dict[str, int] = {}
    for trial in trials:
        if not trial.outcome.ok:
            failures[str(trial.outcome.status)] = failures.get(str(trial.outcome.status), 0) + 1
    return {
        "schema": SCHEMA,
        "trials": len(trials),
        **({"given": len(trials) - len(own)} if len(own) < len(trials) else {}),
        "failures": failures,
        "incumbent": best.number if best else None,
        "config": best.config if best else None,
        "val_score_pct": best.score if best else None,
        "test_score_pct": best.outcome.test_score_pct if best else None,
        "train_seconds": round(sum(trial.outcome.seconds for trial in own), 6),
        "propose_seconds": round(sum(trial.propose_seconds for trial in trials), 6),
    }


def _refuse_crashes(trials: tuple[Trial, ...]) -> None:
    trained = tuple(trial for trial in trials if not trial.given and SAME_AS_GIVEN not in trial.proposal.note)
    if trained and all(trial.outcome.status is Status.CRASHED for trial in trained):
        raise EveryTrialCrashed(trained)


def _warn_of_shares(cell: Cell, trials: tuple[Trial, ...]) -> None:
    """Warn once per task when the percentages of several configurations are at most 1: they may be shares. One may just be bad."""
    scores = {repr(sorted(trial.config.items())): trial.score for trial in trials if trial.score is not None}
    if cell.task.objective.is_percentage and len(scores) > 1 and max(map(abs, scores.values())) <= 1.0:
        say_once(
            f"task '{cell.task.name}': its scores are percentages, and none is above 1: if they are shares, multiply them by 100, "
            "or say what they are with metric: in its YAML"
        )
