"""Each method against random search from the same start, and what may be said of it.

A method is *told* from random search when its interval lies on one side of 0, and Holm's p of its family is below LEVEL, as the star in
the table of contrasts says. So a lead that counts such methods errs in one of them at most 5 times in 100, however many there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.report.analysis.arms import Arm
from harness.report.analysis.frames import rows_of
from harness.report.analysis.intervals import SeedIntervals
from harness.report.analysis.pairs import Pairs, ScoreIndex
from harness.report.render.document import listed
from harness.report.sections.contrasts import LEVEL
from harness.report.sections.findings import Findings, Pool
from harness.report.sections.leading.phrases import group_of
from harness.report.sections.over_tasks.leave_one_out import ABOVE, BELOW, LEAST_TASKS_LEFT_OUT, statement

AHEAD, BEHIND, UNTOLD = "ahead", "behind", "not told apart"
# Nothing may be said of these, whatever their interval.
UNLIKE, INCOMPLETE, WITHHELD, DOUBLE = "unlike", "incomplete", "withheld", "test double"
JUDGED = (AHEAD, BEHIND, UNTOLD)


@dataclass(frozen=True)
class Compared:
    """A method less random search from the same start: difference and interval, oriented and in the pool's unit; NaN where there is none.

    `state` is what may be said of it, and `why` says why nothing may be. `seeds` are the fewest and the most pairs of a task.
    `reachable` is False where so few pairs differ that no outcome could tell the two apart. `hangs_on` names the tasks without which a
    method that is ahead or behind would not be.
    """

    arm: Arm
    second: str
    state: str
    difference: float
    low: float
    high: float
    p_holm: float
    pairs: int
    tasks: int
    seeds: tuple[int, int]
    few: bool
    reachable: bool
    why: str = ""
    hangs_on: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        """The group in which the lead counts it, a key of `phrases.GROUPS`; empty for a control."""
        return group_of(self.arm)

    @property
    def beside_zero(self) -> bool:
        """Whether its interval by itself lies on one side of 0."""
        return self.low > 0 or self.high < 0

    @property
    def judged(self) -> bool:
        """Whether something may be said of it."""
        return self.state in JUDGED


@dataclass(frozen=True)
class Comparisons:
    """The comparisons of one pool, in the order of its contrasts. `tasks` are those on which any cell is done."""

    pool: Pool
    tasks: tuple[str, ...]
    all: tuple[Compared, ...]
    tested: int = 0

    @property
    def methods(self) -> tuple[Compared, ...]:
        """One comparison a method, the controls left out. A method with several is ahead or behind only if all of them say so."""
        by_arm: dict[str, list[Compared]] = {}
        for entry in self.all:
            if entry.group:
                by_arm.setdefault(entry.arm.name, []).append(entry)
        return tuple(map(_one_of, by_arm.values()))


def _one_of(entries: Sequence[Compared]) -> Compared:
    judged = [entry for entry in entries if entry.judged] or entries
    if len({entry.state for entry in judged}) == 1:
        return judged[0]
    shown = next((entry for entry in judged if entry.state == UNTOLD), judged[0])
    others = [entry.second for entry in judged if entry.state != shown.state]
    return replace(shown, state=UNTOLD, why=shown.why or f"it is otherwise against {listed(list(dict.fromkeys(others)), 2)}")


def comparisons_of(found: Findings) -> tuple[Comparisons, ...]:
    """Return the comparisons of every pool whose contrasts answer the questions."""
    ran = set(found.frames.done["task"])
    return tuple(_of_pool(found, pool, tuple(task for task in pool.tasks if task in ran)) for pool in found.contrast_pools)


def _of_pool(found: Findings, pool: Pool, tasks: tuple[str, ...]) -> Comparisons:
    index = index_of(found, pool).only(tasks)
    rows = [entry for entry in rows_of(pool.contrasts) if entry["family"] == "random" and entry["pairs"]]
    tested = sum(not math.isnan(entry["p"]) for entry in rows)
    return Comparisons(pool, tasks, tuple(_compared(found, entry, index) for entry in rows), tested)


def index_of(found: Findings, pool: Pool) -> ScoreIndex:
    """Return the scores that a pool's contrasts compare."""
    return found.index if pool is not found.normalised.pool else ScoreIndex.of(found.normalised.frames)


def _compared(found: Findings, entry: Mapping[str, Any], index: ScoreIndex) -> Compared:
    arm, pairs = found.arms[entry["first"]], index.pairs(entry["first"], entry["second"])
    state, why = _state(arm, entry, pairs)
    sizes = [len(values) for values in pairs.strata]
    return Compared(
        arm=arm,
        second=entry["second"],
        state=state,
        difference=entry["difference"],
        low=entry["low"],
        high=entry["high"],
        p_holm=entry["p_holm"],
        pairs=pairs.count,
        tasks=len(sizes),
        seeds=(min(sizes), max(sizes)),
        few=bool(entry["few"]),
        reachable=bool(entry["reachable"]),
        why=why,
        hangs_on=tuple(_hangs_on(pairs, found, ABOVE if state == AHEAD else BELOW)) if state in (AHEAD, BEHIND) else (),
    )


def _state(arm: Arm, entry: Mapping[str, Any], pairs: Pairs) -> tuple[str, str]:
    """Return what may be said of a comparison, and why nothing may be, or why there is no interval."""
    if entry["withheld"]:
        return WITHHELD, str(entry["withheld"])
    if arm.answered.double:
        return DOUBLE, "a test double answered"
    if entry["unlike"]:
        return UNLIKE, str(entry["unlike"])
    if pairs.lacking:
        return INCOMPLETE, f"{pairs.lacking} of {pairs.count + pairs.lacking} pairs lack a score"
    if not pairs.all_tasks:
        return INCOMPLETE, f"it ran on {len(pairs.strata)} of {len(pairs.differences)} tasks"
    if math.isnan(entry["low"]):
        return UNTOLD, str(entry["why"])
    if entry["p_holm"] < LEVEL and entry["reachable"]:
        if entry["low"] > 0:
            return AHEAD, ""
        if entry["high"] < 0:
            return BEHIND, ""
    return UNTOLD, ""


def _hangs_on(pairs: Pairs, found: Findings, said: str) -> Iterator[str]:
    """Yield the tasks without which the interval would no longer lie on that side of 0."""
    tasks = [task for task, values in pairs.differences.items() if len(values)]
    if len(tasks) >= LEAST_TASKS_LEFT_OUT:
        intervals = SeedIntervals(pairs.strata, found.how)
        yield from (task for place, task in enumerate(tasks) if statement(intervals.without(place)) != said)
