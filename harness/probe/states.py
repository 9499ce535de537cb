"""The recorded states of an arm: a cell's trials up to one that its LLM proposed, and all that is needed to ask for that trial again."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.cell import method_seed
from harness.config.settings import llm_with
from harness.errors import RecordError, SettingsError, near
from harness.importing import load_target
from harness.llm.asking import Asking
from harness.llm.backend import Backend
from harness.llm.settings import LlmSettings
from harness.optimizers.agent.agent import Agent
from harness.optimizers.agent.context import Context
from harness.report.sources.records import read_study
from harness.report.study_data import CellData, State, StudyData
from harness.seeding import keyed_random
from harness.space import Space
from harness.task import TaskCard
from harness.trial import Objective, Trajectory, Trial

# The context whose summary is about the trials as they were.
CONTEXT = "tcs"


@dataclass(frozen=True)
class AskedCell:
    """A cell, and how its agent asks. `seed` is the method's; `budget` counts the given trials too."""

    cell: CellData
    space: Space
    card: TaskCard
    objective: Objective
    asking: Asking
    seed: int
    budget: int

    def agent(self, backend: Backend, context: Context | None = None) -> Agent:
        """Return the agent of this cell, with another backend, and with another context if one is given."""
        return Agent(
            self.space, self.seed, asking=self.asking, card=self.card, budget=self.budget, backend=backend, context=context
        )


@dataclass(frozen=True)
class Place:
    """A state: the trials of a cell before trial `number`, which its LLM proposed."""

    of: AskedCell
    number: int
    trials: tuple[Trial, ...] = field(repr=False)

    @property
    def label(self) -> str:
        """Cell and trial in one short phrase."""
        return f"{self.of.cell.label} before trial {self.number}"

    @property
    def trajectory(self) -> Trajectory:
        """What the agent saw."""
        return Trajectory.of(self.trials[: self.number - 1], self.of.objective)

    @property
    def recorded_context(self) -> str:
        """The text about the trials that the agent was shown then; empty where the record has none."""
        return str(self.trials[self.number - 1].proposal.note.get("context", ""))


def probed_arm(study: StudyData, arm: str | None) -> str:
    """Return the arm to probe: the one that is named, or the only one whose model reads a summary. Raises SettingsError, RecordError."""
    able = [name for name in study.arms if any(cell.arm == name and _reads_summary(cell) for cell in study.cells)]
    if arm is not None and arm not in study.arms:
        raise SettingsError(f"--arm {arm}: the study has no such arm{near(arm, study.arms)}")
    if arm is not None and arm not in able:
        raise SettingsError(
            f"--arm {arm}: is none that the agent asks with a summary of the trials (context {CONTEXT}){near('', able)}"
        )
    if not able:
        raise RecordError(
            f"{study.name}: holds no trials of an arm that the agent asks with a summary of the trials (context {CONTEXT})"
        )
    if arm is None and len(able) > 1:
        raise SettingsError(f"which arm? give --arm NAME{near('', able)}")
    return arm or able[0]


def _reads_summary(cell: CellData) -> bool:
    optimizer = cell.settings.get("optimizer") or {}
    if cell.state not in (State.DONE, State.UNFINISHED, State.FAILED) or optimizer.get("context") != CONTEXT:
        return False
    made = load_target(str(optimizer.get("_target_")))
    return isinstance(made, type) and issubclass(made, Agent)


def found_places(folder: Path, arm: str | None, task: str | None, most: int, overrides: Sequence[str]) -> tuple[str, list[Place]]:
    """Return the arm, and at most so many of its states: spread over its cells, and those of a smaller number are among those of a larger.

    A state has two trials with different scores. Raises RecordError, SettingsError.
    """
    study = read_study(folder)
    name = probed_arm(study, arm)
    cells = [cell for cell in study.cells if cell.arm == name and _reads_summary(cell)]
    if task is not None and task not in study.tasks:
        raise SettingsError(f"--task {task}: the study has no such task{near(task, study.tasks)}")
    cells = [cell for cell in cells if task in (None, cell.task)]
    queues = [[(cell, number) for number in _numbers(cell)] for cell in _by_turns(cells)]
    chosen = [pair for turn in itertools.zip_longest(*queues) for pair in turn if pair is not None][:most]
    if not chosen:
        where = f" on {task}" if task else ""
        raise RecordError(
            f"{study.name}: {name}{where} has no state to probe: a trial that the LLM proposed after two trials with different scores"
        )
    read = {cell.folder: asked_cell(study.in_full(cell), overrides) for cell, _ in chosen}
    return name, [Place(read[cell.folder], number, read[cell.folder].cell.trials) for cell, number in chosen]


def _by_turns(cells: Sequence[CellData]) -> Iterator[CellData]:
    """Yield the cells of the tasks in turn, so that a few states are of several tasks."""
    tasks = dict.fromkeys(cell.task for cell in cells)
    groups = [[cell for cell in cells if cell.task == task] for task in tasks]
    yield from (cell for turn in itertools.zip_longest(*groups) for cell in turn if cell is not None)


def _numbers(cell: CellData) -> list[int]:
    """Return the numbers of the trials that can be asked for again, in a random order that is always the same."""
    numbers, scores = [], set[float]()
    for trial in cell.trials:
        if len(scores) > 1 and trial.proposal.source.startswith(("llm", "fallback")):
            numbers.append(trial.number)
        if trial.score is not None:
            scores.add(trial.score)
    keyed_random(cell.seed, f"states to probe on {cell.task}").shuffle(numbers)
    return numbers


def asked_cell(cell: CellData, overrides: Sequence[str]) -> AskedCell:
    """Return how the agent of a cell asks, by its manifest; `overrides` change the LLM. Raises RecordError, SettingsError."""
    settings = cell.settings
    try:
        task, agent, tcs = settings["task"], dict(settings["agent"]), settings["tcs"]
        agent["form"] = agent.get("form") or settings["optimizer"].get("form") or "json"
        llm = LlmSettings.from_mapping(settings["llm"])
        asking = Asking(CONTEXT, llm, blocks=tuple(tcs["blocks"]), format=str(tcs["format"]), **agent)
        space, card = Space.from_mapping(task["space"]), TaskCard.from_mapping(_known(task["card"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"{cell.label}: its manifest does not say how its LLM was asked ({error})") from error
    asking = replace(asking, llm=llm_with(asking.llm, overrides))
    budget = cell.budget + len(cell.trials) - len(cell.own)
    return AskedCell(cell, space, card, cell.objective, asking, method_seed(cell.task, cell.seed), budget)


def _known(card: Any) -> dict[str, Any]:
    return {key: value for key, value in card.items() if value is not None}
