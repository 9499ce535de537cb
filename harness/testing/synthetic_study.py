"""Write a study whose answers are known: `python -m harness.testing.synthetic_study OUT/NAME [--seeds 10] [--tasks 6]`.

The module writes real records through `harness.store.cell_folder`, and invents the results of the trainings and the replies of the
LLMs. It is for trying the report out, for timing it, and for testing that the report finds the effects that were put in and no others.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.cell import Cell
from harness.environment import environment
from harness.llm.backend import Message, ModelFacts, Reply, Request
from harness.llm.calls import CallRecord
from harness.optimizer import OptimizerSpec
from harness.run.loop import summarise
from harness.run.study import add_to_plan
from harness.seeding import keyed_random
from harness.space import Config, Space
from harness.store.cell_folder import CellFolder
from harness.task import TaskCard, TaskSpec
from harness.training.live import Live
from harness.trial import PERCENT, Epoch, Objective, Outcome, Proposal, Status, Trial

SPACE: dict[str, dict[str, object]] = {
    "learning_rate": {"type": "float", "low": 1e-5, "high": 1.0, "scale": "log", "default": 1e-3, "meaning": "step size"},
    "batch_size": {"type": "ordinal", "levels": [16, 32, 64, 128], "default": 32, "meaning": "rows per gradient step"},
    "optimizer": {"type": "categorical", "choices": ["sgd", "adamw"], "default": "adamw", "meaning": "update rule"},
    "momentum": {"type": "float", "low": 0.0, "high": 0.99, "default": 0.9, "meaning": "of SGD", "when": {"optimizer": "sgd"}},
    "dropout": {"type": "float", "low": 0.0, "high": 0.7, "default": 0.2, "meaning": "share of hidden units dropped"},
    "hidden_size": {"type": "int", "low": 8, "high": 256, "scale": "log", "default": 64, "meaning": "width of the hidden layer"},
}
EPOCHS = 12
# The method of a role, where an arm names none.
METHODS = {
    "random": "harness.optimizers.random.Random",
    "default": "harness.optimizers.default_only.DefaultOnly",
    "rules": "harness.optimizers.rules.policy.Rules",
    "llm": "harness.optimizers.agent.agent.Agent",
    "tuner": "harness.optimizers.tpe.TPE",
}


@dataclass(frozen=True)
class SyntheticArm:
    """An arm: its settings, and by how many points its chosen configuration beats the task's base on the test set.

    `effect` may differ by task. `role` is a word of `harness.optimizer.ROLES`; `target` is the method, empty for the one in METHODS.
    `failure_rate` is a share of the trials, `retry_rate` and `fallback_rate` are shares of an LLM's proposals. `facts`: what the server
    says about the model that answers, except its name.
    """

    name: str
    effect: float | Mapping[str, float] = 0.0
    start: str = "none"
    role: str = "random"
    target: str = ""
    startup_trials: int = 0
    options: Mapping[str, object] = field(default_factory=dict)
    renamed: bool = False
    agent: Mapping[str, object] = field(default_factory=dict)
    llm: Mapping[str, object] = field(default_factory=dict)
    failure_rate: float = 0.05
    retry_rate: float = 0.0
    fallback_rate: float = 0.0
    facts: Mapping[str, object] = field(default_factory=dict)

    def effect_on(self, task: str) -> float:
        """Return the effect on one task, in points."""
        return self.effect if isinstance(self.effect, int | float) else self.effect.get(task, 0.0)


@dataclass(frozen=True)
class SyntheticStudy:
    """A study: every arm on every task from every seed.

    `noise` and `shared_noise` are standard deviations over seeds, in points: of the part of a score that is the arm's own, and of the part
    that all arms share.

    `objectives`: what the scores of a task are, where they are no percentages. A point more is then a point less of what is minimised,
    counted from 100 points: see `harness.trial.Objective` for how much of the unit is a point.

    `references`: what the manifests of a task say of its median random trial and of its best known score.
    """

    arms: Sequence[SyntheticArm]
    tasks: Sequence[str] = ("vision", "text", "table", "price", "ratings", "graph")
    seeds: Sequence[int] = tuple(range(5))
    budget: int = 10
    noise: float = 0.5
    shared_noise: float = 1.0
    objectives: Mapping[str, Objective] = field(default_factory=dict)
    references: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def objective(self, task: str) -> Objective:
        """Return what the scores of a task are."""
        return self.objectives.get(task, PERCENT)

    def manifest(self, cell: Cell, arm: SyntheticArm, machine: Mapping[str, object]) -> dict[str, object]:
        """Return the manifest of one cell; `machine` is its environment."""
        manifest = cell.manifest(settings_of(cell, arm), machine)
        reference = self.references.get(cell.task.name)
        return manifest if reference is None else {**manifest, "reference": dict(reference)}

    def cell(self, study: str, arm: SyntheticArm, task: str, seed: int) -> Cell:
        """Return one cell of the study."""
        card = TaskCard(f"A synthetic {task} task", "none", "made up", "none", "percent", "none")
        spec = TaskSpec(
            task, "mine.synthetic.Synthetic", Space.from_mapping(SPACE), card, renamed=arm.renamed, objective=self.objective(task)
        )
        optimizer = OptimizerSpec(arm.name, arm.target or METHODS[arm.role], arm.options, arm.startup_trials, role=arm.role)
        asked = {"agent": dict(arm.agent), "llm": _llm_identity(arm.llm), "card": card.to_mapping()} if arm.llm else {}
        return Cell(study, arm.name, seed, seed, self.budget, arm.start, spec, optimizer, Live(), asking_identity=asked)


def _llm_identity(llm: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in llm.items() if key != "name"}


def write_study(folder: Path, study: SyntheticStudy, *, leave_out: Sequence[tuple[str, str, int]] = ()) -> list[Cell]:
    """Plan the whole study, and write every cell except those in `leave_out` (arm, task, seed). Return the cells."""
    cells = [study.cell(folder.name, arm, task, seed) for arm in study.arms for task in study.tasks for seed in study.seeds]
    arms = {arm.name: arm for arm in study.arms}
    add_to_plan(folder, cells)
    for cell in cells:
        if (cell.arm, cell.task.name, cell.seed) not in leave_out:
            arm = arms[cell.arm]
            write_cell(folder, cell, trials_of(study, arm, cell), arm, manifest=study.manifest(cell, arm, environment()))
    return cells


def write_cell(
    folder: Path,
    cell: Cell,
    trials: Sequence[Trial],
    arm: SyntheticArm,
    *,
    finish: bool = True,
    manifest: Mapping[str, object] | None = None,
) -> None:
    """Write the records of one cell, with its calls when its arm asks an LLM. `manifest`: one that says more than the cell's own."""
    manifest = manifest or cell.manifest(settings_of(cell, arm), environment())
    with CellFolder(folder / cell.folder, manifest, sync="cell") as opened:
        for trial in trials:
            for call in calls_of(arm, trial):
                opened.append_call(call.to_dict())
            opened.append(trial)
        if finish:
            opened.finish(summarise(tuple(trials), cell.task.objective))


def settings_of(cell: Cell, arm: SyntheticArm) -> dict[str, object]:
    """Return the settings in a cell's manifest."""
    task, method = cell.task, cell.optimizer
    shown = {"name": task.name, "_target_": task.target, "card": task.card.to_mapping(), "renamed": task.renamed}
    asks = {"role": arm.role, "startup_trials": arm.startup_trials, "knows_default": arm.role in ("rules", "llm")}
    metric = {key: value for key, value in task.objective.to_mapping().items() if key != "test"}
    scores = {} if task.objective == PERCENT else {"metric": metric, "test": "score" if task.objective.test else "none"}
    return {
        "task": {**shown, "space": task.space.to_mapping(), **scores},
        "optimizer": {"_target_": method.target, "name": method.name, **asks, "options": dict(method.options)},
        **({"llm": dict(arm.llm)} if arm.llm else {}),
    }


def trials_of(study: SyntheticStudy, arm: SyntheticArm, cell: Cell) -> list[Trial]:
    """Return the trials of a cell. The one with the best validation score has exactly the test score of the arm's effect."""
    task = cell.task.name
    rng = keyed_random(cell.seed, f"{task}/{arm.name}")
    shared = keyed_random(cell.seed, f"{task}/shared").gauss(0.0, study.shared_noise)
    base = 70.0 + 3.0 * list(study.tasks).index(task)
    top = base + shared + arm.effect_on(task) + rng.gauss(0.0, study.noise)
    winner = rng.randint(math.ceil(study.budget / 2), study.budget)
    trials = []
    for number in range(1, study.budget + 1):
        config = Space.from_mapping(SPACE).default() if arm.start == "default" and number == 1 else _config(rng)
        source = _source(arm, number, rng)
        proposal = Proposal(config, source, _note(arm, number, source))
        if number != winner and rng.random() < arm.failure_rate:
            curve = _curve(10.0, rng)[:3]
            outcome = Outcome.failed(Status.DIVERGED, "val_loss is nan at epoch 4", _in_unit(curve, study.objective(task)), 0.1)
        else:
            score = top if number == winner else top - 0.5 - 12.0 / number * rng.random() ** 2
            objective = study.objective(task)
            outcome = Outcome.of_curve(_in_unit(_curve(score, rng), objective), 0.2 + rng.random(), objective)
        trials.append(Trial(number, proposal, outcome, rng.random() * (5.0 if arm.llm else 0.01)))
    return trials


def _config(rng: random.Random) -> Config:
    return Space.from_mapping(SPACE).sample(rng)


def _source(arm: SyntheticArm, number: int, rng: random.Random) -> str:
    if arm.start == "default" and number == 1:
        return "default"
    if not arm.llm:
        return "optimizer"
    draw = rng.random()
    if draw < arm.fallback_rate:
        return "fallback"
    return "llm-retry-1" if draw < arm.fallback_rate + arm.retry_rate else "llm"


_MESSAGES = {
    "llm": (),
    "llm-retry-1": ("learning_rate: 7 is above the maximum 1",),
    "fallback": (
        'the reply holds no readable JSON object; answer with one JSON object {"analysis": "...", "config": {...}}',
        "this is exactly the configuration of trial 1; propose one that has not been tried",
        "dropout: is missing (float from 0 to 0.7, linear scale)",
    ),
}


def _note(arm: SyntheticArm, number: int, source: str) -> dict[str, object]:
    """Return the note that the agent records with a trial: its context, its analysis, and the problem of each reply."""
    if source not in _MESSAGES or not arm.llm:
        return {}
    problems = [*_MESSAGES[source], *([] if source == "fallback" else [None])]
    return {
        "analysis": f"Trial {number}: the step size matters most; dropout shows too little evidence.",
        "context": f"## Status\ntrial {number} of 10\n\n## Changes\nlearning_rate 0.001 -> 0.003: +1.2 points\n",
        "model": {"backend": "synthetic", "model": str(arm.llm["model"]), **arm.facts},
        "replies": [{"call": call, "role": "agent", "problem": problem} for call, problem in enumerate(problems, start=1)],
    }


def _curve(score: float, rng: random.Random) -> tuple[Epoch, ...]:
    """Return a learning curve whose best validation score is `score`; the test score of that epoch is equal to it."""
    rows = []
    for number in range(1, EPOCHS + 1):
        val = score - 20.0 * math.exp(-number / 3.0) * (number < EPOCHS) - 0.3 * rng.random() * (number < EPOCHS)
        loss = 2.0 * math.exp(-number / 4.0) + 0.1
        rows.append(Epoch(val, loss, val + 1.0, loss - 0.05, val, number))
    return tuple(rows)


def _in_unit(curve: tuple[Epoch, ...], objective: Objective) -> tuple[Epoch, ...]:
    """Turn percentages into scores of an objective: what is minimised has as many points as the percentage lacks to 100."""
    if objective == PERCENT:
        return curve

    def turned(score: float) -> float:
        return objective.point * (score if objective.sign > 0 else 100.0 - score)

    return tuple(
        replace(
            epoch,
            val_score_pct=turned(epoch.val_score_pct),
            train_score_pct=None if epoch.train_score_pct is None else turned(epoch.train_score_pct),
            test_score_pct=turned(epoch.test_score_pct) if objective.test and epoch.test_score_pct is not None else None,
        )
        for epoch in curve
    )


def calls_of(arm: SyntheticArm, trial: Trial) -> list[CallRecord]:
    """Return the calls of one trial: those with a bad reply, then the one with the good reply."""
    return [_call(arm, trial, reply["call"], reply["problem"]) for reply in trial.proposal.note.get("replies", ())]


def _call(arm: SyntheticArm, trial: Trial, number: int, problem: str | None) -> CallRecord:
    note, model = trial.proposal.note, str(arm.llm["model"])
    messages = (Message("system", "You tune hyperparameters. Answer in JSON."), Message("user", note["context"]))
    text = json.dumps({"analysis": note["analysis"], "config": trial.config}) if problem is None else "I would rather not say."
    reply = Reply(text, ModelFacts("synthetic", model), "", 900 + 40 * trial.number, 150, 1.5, None, "stop")
    return CallRecord.of(Request(messages, model, trial=trial.number, call=number), 1.5, reply=reply)


def llm_arm(name: str, model: str, context: str, effect: float = 0.0, **more: Any) -> SyntheticArm:
    """Return an LLM arm as its manifest would describe it."""
    target = "harness.llm.openai.OpenAi" if model.startswith("gpt") else "harness.llm.ollama.Ollama"
    agent = {"context": context, "calls": "one", "names": "real"}
    llm = {"target": target, "model": model, "name": model.split(":")[0], "temperature": 0.0}
    return SyntheticArm(name, effect, role="llm", agent=agent, llm=llm, **more)


def demonstration() -> list[SyntheticArm]:
    """Return every kind of arm, with effects that are plausible."""
    phi, qwen = "phi4-reasoning:14b", "qwen2.5-coder:32b"
    return [
        SyntheticArm("default_only", -6.0, role="default", start="default", failure_rate=0.0),
        SyntheticArm("random", -1.5),
        SyntheticArm("random+default", -0.8, start="default"),
        SyntheticArm("sobol", -1.4, role="tuner", target="harness.optimizers.sobol.Sobol"),
        SyntheticArm("tpe", -1.0, role="tuner", startup_trials=3),
        SyntheticArm("tpe+default", -0.6, role="tuner", startup_trials=3, start="default"),
        SyntheticArm("tpe_startup10", -1.5, role="tuner", startup_trials=10),
        SyntheticArm(
            "skopt_gp+default", -0.5, role="tuner", target="harness.optimizers.skopt_gp.SkoptGP", startup_trials=3, start="default"
        ),
        SyntheticArm(
            "optuna_gp+default",
            -0.1,
            role="tuner",
            target="harness.optimizers.optuna_gp.OptunaGP",
            startup_trials=3,
            start="default",
        ),
        SyntheticArm("rules", -0.4, role="rules", start="default"),
        llm_arm("tcs_phi4", phi, "tcs", -0.2, retry_rate=0.08, fallback_rate=0.02, start="default"),
        llm_arm("raw_phi4", phi, "raw", -1.4, retry_rate=0.2, fallback_rate=0.15, start="default"),
        llm_arm("scores_phi4", phi, "scores", -1.0, retry_rate=0.1, start="default"),
        llm_arm("blind_phi4", phi, "blind", -1.8, retry_rate=0.1, start="default"),
        llm_arm("shuffled_phi4", phi, "shuffled", -1.2, retry_rate=0.1, start="default"),
        llm_arm("tcs_phi4-start", phi, "tcs", -0.5, retry_rate=0.08),
        llm_arm("tcs_qwen", qwen, "tcs", -1.9, retry_rate=0.03, start="default"),
        llm_arm("gpt4", "gpt-4o", "raw", 0.0, retry_rate=0.01, start="default"),
    ]


def main() -> None:
    """Write the demonstration study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--tasks", type=int, default=6)
    given = parser.parse_args()
    names = [*SyntheticStudy.tasks, *(f"task{number}" for number in range(7, given.tasks + 1))][: given.tasks]
    cells = write_study(given.folder, SyntheticStudy(demonstration(), tasks=names, seeds=range(given.seeds)))
    print(f"{len(cells)} cells in {given.folder}")


if __name__ == "__main__":
    main()
