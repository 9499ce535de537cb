"""The method of a cell, which proposes on the trajectory that it is shown."""

from __future__ import annotations

import time
from dataclasses import dataclass

from harness.cell import Cell
from harness.llm.backend import Backend
from harness.optimizer import Optimizer
from harness.run.build import optimizer_with
from harness.space import Config
from harness.trial import Proposal, Trajectory
from harness.tuner.record import Record
from harness.tuner.user_space import UserSpace


@dataclass(frozen=True)
class Asked:
    """A proposal, and the seconds that the method took."""

    proposal: Proposal
    seconds: float = 0.0

    @property
    def config(self) -> Config:
        """The configuration, in the harness's values."""
        return self.proposal.config


@dataclass(frozen=True)
class Method:
    """A method, ready to propose. `backend` is its LLM, None for one that asks none."""

    space: UserSpace
    optimizer: Optimizer
    backend: Backend | None

    @classmethod
    def of(cls, cell: Cell, space: UserSpace, record: Record, backend: Backend | None = None) -> Method:
        """Build the method of a cell. Calls to its LLM are written to `record`, and those in it answered from there. Raises HarnessError.

        `backend` is that of an earlier method of the same record, if there is one: a model in the process is loaded once.
        """
        if cell.asking and backend is None:
            from harness.llm.build import build_backend  # noqa: PLC0415 - only a method that asks an LLM needs it

            backend = build_backend(cell.asking.llm, keep=record.keep_call, answered=record.calls, cell=cell.folder)
        return cls(space, optimizer_with(cell, cell.task.space, cell.task.card, backend), backend)

    def propose(self, trajectory: Trajectory) -> Asked:
        """Return the next proposal, a member of the space. Raises Exhausted and HarnessError."""
        started = time.perf_counter()
        made = self.optimizer.propose(trajectory)
        config = self.space.space.check(self.space.on_grid(self.space.space.check(made.config)))
        return Asked(Proposal(config, made.source, made.note), time.perf_counter() - started)
