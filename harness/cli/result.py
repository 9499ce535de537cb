"""What a command ends with: the result of each of a few cells, the ranking of the arms of many, and what to do next.

It goes to standard error, as all that the harness says: standard output is left to what trainings print, and a script finds the numbers
in summary.json. `progress=off` leaves it out.
"""

from __future__ import annotations

import shlex
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.cell import Cell
from harness.cli.standings import Finished, compare
from harness.console import say
from harness.errors import RecordError, shown
from harness.store.archive import packed
from harness.store.cell_folder import MANIFEST, SUMMARY, read_json, read_trials

FEW_CELLS = 8
SHOWN_ARMS = 20
WIDTH = 80
# Between a score and its unit.
NO_BREAK = "\u00a0"


@dataclass(frozen=True)
class Ended:
    """A cell that is done: where its records are, and what its summary holds."""

    cell: Cell
    place: str
    summary: Mapping[str, Any]

    @property
    def score(self) -> float | None:
        """The best validation score, None where no trial has one."""
        return self.summary.get("val_score_pct")


def tell(by_study: Mapping[Path, Sequence[Cell]], mode: str) -> None:
    """Say what came out of these cells; nothing where none is done, and with `mode` off."""
    if mode == "off":
        return
    few = sum(map(len, by_study.values())) <= FEW_CELLS
    for study, cells in by_study.items():
        ended = [found for cell in cells if (found := _ended(study, cell)) is not None]
        for line in _of_few(study, ended) if few else _ranking(cells, ended):
            say(line)
        if ended:
            say(f"next: python -m harness.report {shlex.quote(_name(study))}")


def _ended(study: Path, cell: Cell) -> Ended | None:
    folder = study / cell.folder
    try:
        if (folder / SUMMARY).exists() and (folder / MANIFEST).exists():
            return Ended(cell, str(folder), read_json(folder / SUMMARY))
        pack = packed(study)
        if pack is None or cell.folder not in pack:
            return None
        return Ended(cell, f"{pack.path}: {cell.folder}", read_json(pack.open(cell.folder) / SUMMARY))
    except RecordError:  # the report names it
        return None


def _name(study: Path) -> str:
    """Return what the report finds a study by."""
    return study.name if study.parent == Path("runs").absolute() else shown(str(study))


def _of_few(study: Path, ended: Iterable[Ended]) -> Iterator[str]:
    for each in ended:
        yield from _wrapped(_result(study, each), "")
        if _lacks_test(each):
            yield from _wrapped(
                "no test score came, and the report compares test scores: where a task has none, its YAML says test: none", "  "
            )
        if each.score is not None:
            yield from _wrapped(", ".join(f"{key}={_value(value)}" for key, value in each.summary["config"].items()), "  ")
        yield f"  records: {_short(each)}"


def _lacks_test(each: Ended) -> bool:
    """Say whether the chosen trial, one of the cell's own, came without the test score that the task promises."""
    own = each.score is not None and each.summary["incumbent"] > each.summary.get("given", 0)
    return own and each.cell.task.objective.test and each.summary.get("test_score_pct") is None


def _short(each: Ended) -> str:
    """Return where a cell's records are; the path of a folder with a very long name as a pattern that a shell completes."""
    place = shown(each.place)
    fits = len(place) <= WIDTH - len("  records: ") or ": " in place
    return place if fits else place.replace(f"/{each.cell.arm}/", "/*/")


def _result(study: Path, each: Ended) -> str:
    cell, summary, objective = each.cell, each.summary, each.cell.task.objective
    label = f"{cell.task.name} {cell.arm} seed {cell.seed}"
    if each.score is None:
        return f"{label}: no score: {_why(study / cell.folder, summary)}"
    test = summary.get("test_score_pct")
    best = objective.text(each.score).replace(" ", NO_BREAK)
    tail = f", test {objective.text(test)}".replace(" ", NO_BREAK).replace(NO_BREAK, " ", 1) if test is not None else ""
    given = summary.get("given", 0)
    known = f", {'one' if summary['incumbent'] <= given else 'none'} of the {given} given" if given else ""
    return f"{label}: best validation {best} (trial {summary['incumbent']} of {summary['trials']}{known}){tail}"


def _why(folder: Path, summary: Mapping[str, Any]) -> str:
    first = next(iter(read_trials(folder, curves=False)), None)
    reason = f", the first: {first.outcome.error}" if first else ""
    return f"all {summary.get('trials')} trials failed{reason}"


def _value(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _wrapped(text: str, indent: str) -> list[str]:
    layout: dict[str, Any] = {"initial_indent": indent, "subsequent_indent": f"{indent}  ", "break_long_words": False}
    lines = textwrap.wrap(text, WIDTH, break_on_hyphens=False, **layout)
    return [line.replace(NO_BREAK, " ") for line in lines]


def _ranking(cells: Sequence[Cell], ended: Sequence[Ended]) -> Iterator[str]:
    """Yield the arms by the best validation scores of their cells, the best one first.

    Where arms are not whole, those count that have finished the same tasks and seeds (see `standings.py`).
    """
    if all(each.score is None for each in ended):
        return
    planned, done = (Counter(cell.arm for cell in some) for some in (cells, [each.cell for each in ended]))
    found = compare(
        Finished(each.cell.arm, (each.cell.task.name, each.cell.seed), each.cell.task.objective, each.score) for each in ended
    )
    tasks, seeds = len({cell.task.name for cell in cells}), len({cell.seed for cell in cells})
    is_whole = found.pairs == tasks * seeds
    basis = f"{_count(tasks, 'task')} and {_count(seeds, 'seed')}" if is_whole else found.basis()
    yield f"arms by best validation score, {found.measure} over {basis}{'' if found.objective else ' (1 is best)'}:"
    order = [*found.values, *(arm for arm in done if arm not in found.values)]
    texts = [found.text(arm) for arm in order]
    for text, arm in list(zip(texts, order, strict=True))[:SHOWN_ARMS]:
        part = "" if done[arm] == planned[arm] else f" ({done[arm]} of {planned[arm]} cells)"
        yield f"  {text:>{max(map(len, texts))}}  {arm}{part}"
    if len(order) > SHOWN_ARMS:
        yield f"  and {len(order) - SHOWN_ARMS} more arms"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
