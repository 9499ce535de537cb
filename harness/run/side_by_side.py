"""Cells side by side in the threads of one process. The main thread waits for them, and gets all signals.

Only waiting for an LLM and looking up tables happen side by side. Methods that ask no LLM, and live trainings in this process, would
change what the process has only once; so the former run alone, and the latter in child processes (see `training/children.py`).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from harness.cell import Cell
from harness.config.values import Settings
from harness.errors import HarnessError
from harness.llm.settings import LlmSettings
from harness.signals import ending_threads, stop_if_asked
from harness.task import TaskSpec
from harness.training.evaluator import Evaluator, Limits

if TYPE_CHECKING:
    from harness.training.children import Children

T = TypeVar("T")
# How many cells are open beyond the connections. While a cell trains or writes, or when others have more calls to go, one of these asks.
SPARE_CELLS = 32


@dataclass(frozen=True)
class Ended(Generic[T]):
    """What became of a job: its value, the Exception that it raised, or neither: it was not started, because another one had raised."""

    value: T | None = None
    error: Exception | None = None

    @property
    def was_started(self) -> bool:
        """Say whether the job ran."""
        return self.value is not None or self.error is not None


def run_side_by_side(jobs: Sequence[Callable[[], T]], at_a_time: int) -> list[Ended[T]]:
    """Run jobs, `at_a_time` at once, in their order, and return what became of each. A job returns a value, not None.

    After a job that raises an Exception no further one starts; those that run go on to their end. A signal to stop, and any other
    BaseException of a job, ends all jobs as soon as they ask (see `signals.stop_if_asked`), and is raised then.
    """
    failed = threading.Event()

    def run(job: Callable[[], T]) -> Ended[T]:
        if failed.is_set():
            return Ended()
        try:
            return Ended(job())
        except Exception as error:  # for the caller to judge
            failed.set()
            return Ended(error=error)

    with ThreadPoolExecutor(at_a_time, thread_name_prefix="cell") as pool:
        futures = [pool.submit(run, job) for job in jobs]
        try:
            ended, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in ended:
                future.result()  # raises a stop
        except BaseException:
            with ending_threads():
                pool.shutdown(cancel_futures=True)
            raise
    return [future.result() for future in futures]


@dataclass
class Group:
    """Cells that ask the same LLM, with at most `connections` calls in flight."""

    llm: LlmSettings
    connections: int
    members: list[tuple[Settings, Cell]] = field(default_factory=list)

    @property
    def open_cells(self) -> int:
        """How many cells are open at a time."""
        return self.connections + min(self.connections, SPARE_CELLS)


def divided(todo: Sequence[tuple[Settings, Sequence[Cell]]]) -> tuple[list[tuple[Settings, Sequence[Cell]]], list[Group]]:
    """Return the cells that run one after the other, and those that run side by side, in groups by server and model.

    A server holds one model at a time perhaps, so the groups run one after the other.
    """
    alone: list[tuple[Settings, Sequence[Cell]]] = []
    groups: dict[tuple[object, ...], Group] = {}
    for settings, cells in todo:
        count = connections(settings) if cells else 1
        if settings.asking is None or count == 1:
            alone.append((settings, cells))
            continue
        llm = settings.asking.llm
        place = (llm._target_, llm.base_url, llm.model, llm.replay, count)
        groups.setdefault(place, Group(llm, count)).members.extend((settings, cell) for cell in cells)
    single = [group for group in groups.values() if len(group.members) == 1]
    alone += [(settings, [cell]) for group in single for settings, cell in group.members]
    return alone, [group for group in groups.values() if len(group.members) > 1]


def connections(settings: Settings) -> int:
    """Return how many cells with these settings run side by side in one process: 1 for a method that asks no LLM."""
    if settings.asking is None:
        return 1
    from harness.llm.build import connections_of  # noqa: PLC0415 - only a method that asks an LLM needs it

    try:
        return connections_of(settings.asking.llm)
    except HarnessError:  # its cells fail, and say why
        return 1


@contextlib.contextmanager
def threadable(group: Group) -> Iterator[list[tuple[Settings, Cell]]]:
    """Yield the cells of a group such that threads may run them during the block.

    What imports modules or builds tasks changes the process, so it is done here, in the main thread, once for each task. Cells whose task
    cannot be built are left out.
    """
    from harness.llm.build import load_client  # noqa: PLC0415
    from harness.llm.retrying import forget_limits  # noqa: PLC0415
    from harness.training.children import Children, cores  # noqa: PLC0415 - imports multiprocessing

    forget_limits()
    load_client(group.llm)
    with Children(cores()) as children:
        opened = _Opened(children)
        made = [(settings, cell, opened.evaluator(settings)) for settings, cell in group.members]
        yield [(settings, replace(cell, evaluator=evaluator)) for settings, cell, evaluator in made if evaluator]


class _Opened:
    """The evaluators of cells in threads; cells with equal tasks share one."""

    def __init__(self, children: Children) -> None:
        self._children = children
        self._known: list[tuple[tuple[TaskSpec, Evaluator, Limits], Evaluator | None]] = []

    def evaluator(self, settings: Settings) -> Evaluator | None:
        """Return an evaluator whose task is built and whose table is read; None where that fails."""
        place = (settings.task, settings.evaluator, settings.limits)
        for known, made in self._known:
            if known == place:
                return made
        self._known.append((place, self._open(*place)))
        return self._known[-1][1]

    def _open(self, spec: TaskSpec, evaluator: Evaluator, limits: Limits) -> Evaluator | None:
        from harness.training.children import InChildren  # noqa: PLC0415

        # The boundary to foreign code: a cell that is run alone meets the same error, and records it.
        try:
            task, trainer = evaluator.open(spec, limits)
        except Exception:
            stop_if_asked()
            return None
        trainer.close()
        return InChildren(evaluator, task, self._children) if evaluator.trains else evaluator
