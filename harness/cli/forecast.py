"""What a command will ask of its LLMs: the number of calls, and about how long they take. It is told before the first cell starts."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from harness.cell import Cell
from harness.console import duration
from harness.errors import RecordError
from harness.importing import load_target

# Fewer calls than these are not worth a line, but of methods whose every trial takes several.
LEAST_CALLS = 100
# Where no call of the model is recorded: a model of 32 billion weights that writes 600 tokens at 20 tokens a second.
ASSUMED_SECONDS = 30.0
# Records that are read to measure the seconds of a call.
MOST_RECORDS = 200
CALLS = "calls.jsonl"


@dataclass(frozen=True)
class Asked:
    """The calls to one model: how many, in how many cells; `out` is where records of such calls may lie.

    `per_trial` are the calls of a trial of each arm that makes more than one.
    """

    model: str
    calls: int
    cells: int
    out: Path
    per_trial: Mapping[str, int]


def forecast(
    todo: Sequence[tuple[Any, Sequence[Cell]]],
    blocked: Mapping[tuple[Path, tuple[str, str]], Sequence[Cell]],
    study_of: Mapping[int, Path],
) -> Iterator[str]:
    """Yield one line for each model that many calls will go to, also where it is not ready."""
    waiting = [(study_of[id(combination)], cell) for combination, missing in todo for cell in missing]
    waiting += [(study, cell) for (study, _), missing in blocked.items() for cell in missing]
    for asked in _by_model(waiting):
        if asked.calls >= (1 if asked.per_trial else LEAST_CALLS):
            yield _line(asked)


def _by_model(waiting: Iterable[tuple[Path, Cell]]) -> Iterator[Asked]:
    groups: dict[str, list[tuple[Path, Cell]]] = {}
    for study, cell in waiting:
        if cell.asking is not None and not cell.asking.llm.replay:
            groups.setdefault(cell.asking.llm.model_name, []).append((study, cell))
    for model, found in groups.items():
        calls = sum(_calls(cell, cell.budget) for _, cell in found)
        several = {cell.arm: count for _, cell in found if (count := _calls_of_a_trial(cell)) > 1}
        yield Asked(model, calls, len(found), found[0][0].parent, several)


def _calls(cell: Cell, trials: int) -> int:
    assert cell.asking is not None
    method = cell.optimizer
    # A method without options and start-up trials need not know of them.
    startup = {"startup_trials": max(0, method.startup_trials - len(cell.given))} if method.startup_trials else {}
    given = {**method.options, **startup}
    options = {"options": given} if given else {}
    calls: int = load_target(method.target).number_of_calls(cell.asking, trials, start=cell.start, **options)
    return calls


def _calls_of_a_trial(cell: Cell) -> int:
    """Return the calls of one more trial than start and start-up."""
    first = cell.optimizer.startup_trials + 1
    return _calls(cell, first + 1) - _calls(cell, first)


def _line(asked: Asked) -> str:
    measured = measured_seconds(asked.out, asked.model)
    seconds = ASSUMED_SECONDS if measured is None else measured
    how = f"assumed, since no call of it is recorded in {asked.out}" if measured is None else f"as measured in {asked.out}"
    cells = "1 cell" if asked.cells == 1 else f"{asked.cells} cells"
    calls = "1 call" if asked.calls == 1 else f"{asked.calls:,} calls"
    told = [f"{count} a trial of {arm}" for arm, count in sorted(asked.per_trial.items(), key=lambda entry: -entry[1])]
    trial = f", {', '.join([*told[:3], *(['...'] if len(told) > 3 else [])])}" if told else ""
    hours = asked.calls * seconds / 3600
    about = f"{hours:,.1f} hours" if hours >= 0.1 else duration(asked.calls * seconds)
    return f"{cells} will make {calls} to {asked.model or 'their LLM'}: about {about}, at {seconds:.3g} s a call ({how}){trial}"


def measured_seconds(out: Path, model: str) -> float | None:
    """Return the median seconds of recorded calls to a model, of the newest cells below a folder of studies; None without any."""
    found = list(islice(_seconds(out, model), MOST_RECORDS))
    return statistics.median(found) if found else None


def _seconds(out: Path, model: str) -> Iterator[float]:
    from harness.llm.calls import read_calls  # noqa: PLC0415 - only a sweep with an LLM needs it

    with contextlib.suppress(OSError):
        for path in sorted(out.glob(f"*/*/*/*/{CALLS}"), key=lambda path: path.stat().st_mtime, reverse=True):
            with contextlib.suppress(RecordError):
                for call in read_calls(path):
                    if call.model == model and call.reply is not None and not call.reply.facts.is_double:
                        yield call.seconds
