"""How the arms of a command stand: by validation scores, over what they have finished in common, and what went wrong in each.

The scores are those that the methods see, of cells that are done so far. So a standing is no result: the report compares test scores, with
intervals. Arms at different places of a sweep have finished different tasks and seeds, and means over those say nothing about the arms.
So only pairs of task and seed count that all compared arms have finished.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.cli.watched import Watched
from harness.trial import Objective

Scores = Mapping[str, Mapping[Hashable, float | None]]


@dataclass(frozen=True)
class Finished:
    """A cell that is done: its best validation score, None where every trial failed. Cells with an equal `pair` are compared."""

    arm: str
    pair: Hashable
    objective: Objective
    score: float | None


@dataclass(frozen=True)
class Comparison:
    """The arms from the best to the worst over `pairs` pairs of task and seed.

    The values are mean scores in the unit of `objective`; where that is None, mean ranks: 1 is the best arm of a pair, and arms that tie
    share their ranks. Ranks take the place of means where scores have several units or directions, and where a cell has no score: it has
    the last rank.
    """

    values: Mapping[str, float]
    pairs: int
    objective: Objective | None

    def text(self, arm: str) -> str:
        """Write the value of an arm; a dash where the arm is not compared."""
        if arm not in self.values:
            return "–"
        return self.objective.text(self.values[arm]) if self.objective else f"{self.values[arm]:.1f}"

    @property
    def measure(self) -> str:
        """What the values are."""
        return "mean" if self.objective else "mean rank"

    def basis(self) -> str:
        """Say over what the arms are compared."""
        pairs = "1 task-seed pair" if self.pairs == 1 else f"{self.pairs} task-seed pairs"
        return f"{pairs} that {len(self.values)} arms share" if len(self.values) > 1 else f"{pairs} done so far"


def compare(finished: Iterable[Finished]) -> Comparison:
    """Compare those arms that together use the most finished cells: an arm that has only begun does not cost the others their pairs."""
    scores: dict[str, dict[Hashable, float | None]] = {}
    objectives: dict[Hashable, Objective] = {}
    for cell in finished:
        # A sweep over a task's metric makes scores that are not comparable.
        pair = (cell.pair, cell.objective.name, cell.objective.unit, cell.objective.direction)
        scores.setdefault(cell.arm, {})[pair] = cell.score
        objectives[pair] = cell.objective
    arms, pairs = _shared(scores)
    kinds = {(objectives[pair].unit, objectives[pair].direction) for pair in pairs}
    has_means = len(kinds) == 1 and all(scores[arm][pair] is not None for arm in arms for pair in pairs)
    objective = objectives[pairs[0]] if has_means else None
    values = _means(scores, arms, pairs) if has_means else _ranks(scores, arms, pairs, objectives)
    sign = objective.sign if objective else -1.0
    return Comparison(dict(sorted(values.items(), key=lambda entry: -sign * entry[1])), len(pairs), objective)


def _shared(scores: Scores) -> tuple[list[str], list[Hashable]]:
    """Return the arms to compare, in their order, and the pairs that all of them have finished."""
    if not scores:
        return [], []
    first = max(scores, key=lambda arm: len(scores[arm]))
    overlap = {arm: len(scores[first].keys() & scores[arm].keys()) for arm in scores if arm != first}
    kept, common = [first], set(scores[first])
    for arm in sorted(overlap, key=lambda arm: -overlap[arm]):
        shared = common & scores[arm].keys()
        if shared and (len(kept) == 1 or (len(kept) + 1) * len(shared) >= len(kept) * len(common)):
            kept.append(arm)
            common = shared
    return [arm for arm in scores if arm in kept], [pair for pair in scores[first] if pair in common]


def _means(scores: Scores, arms: Sequence[str], pairs: Sequence[Hashable]) -> dict[str, float]:
    return {arm: math.fsum(scores[arm][pair] or 0.0 for pair in pairs) / len(pairs) for arm in arms}


def _ranks(
    scores: Scores, arms: Sequence[str], pairs: Sequence[Hashable], objectives: Mapping[Hashable, Objective]
) -> dict[str, float]:
    ranks = dict.fromkeys(arms, 0.0)
    for pair in pairs:
        sign = objectives[pair].sign
        found = {arm: -math.inf if (score := scores[arm][pair]) is None else sign * score for arm in arms}
        ordered = sorted(found.values())
        for arm, score in found.items():
            # The mean of the first and the last place of this score.
            low, high = bisect_left(ordered, score), bisect_right(ordered, score)
            ranks[arm] += len(arms) - (low + high - 1) / 2
    return {arm: total / len(pairs) for arm, total in ranks.items()}


@dataclass
class ArmState:
    """How far one arm is. `trials` maps a status to its failed trials; of `asked` proposals of an LLM, `fallback` were random draws."""

    arm: str
    cells: int = 0
    done: int = 0
    failed: int = 0
    blocked: int = 0
    trials: dict[str, int] = field(default_factory=dict)
    asked: int = 0
    fallback: int = 0

    def add(self, watched: Watched) -> None:
        """Count a cell."""
        self.cells += 1
        self.done += watched.done
        self.failed += watched.failed
        self.blocked += bool(watched.blocked) and not watched.done
        for status, count in watched.seen.failed.items():
            self.trials[status] = self.trials.get(status, 0) + count
        self.asked += watched.seen.asked
        self.fallback += watched.seen.fallback

    def plus(self, other: ArmState) -> ArmState:
        """Return both together, under the name of this one."""
        statuses = dict.fromkeys((*self.trials, *other.trials))
        trials = {status: self.trials.get(status, 0) + other.trials.get(status, 0) for status in statuses}
        counts = {
            name: getattr(self, name) + getattr(other, name) for name in ("cells", "done", "failed", "blocked", "asked", "fallback")
        }
        return ArmState(self.arm, trials=trials, **counts)

    @property
    def troubles(self) -> str:
        """What went wrong, in a phrase; empty where nothing did."""
        parts = [f"{self.failed} failed"] if self.failed else []
        parts += [f"{self.blocked} blocked"] if self.blocked else []
        parts += [f"{count} {'trial' if count == 1 else 'trials'} {status}" for status, count in self.trials.items()]
        parts += [f"{self.fallback} of {self.asked} fallback"] if self.fallback else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Standings:
    """How all arms stand: the compared ones first, the best of them on top."""

    arms: tuple[ArmState, ...]
    comparison: Comparison
    failures: tuple[str, ...]

    @property
    def is_worth_showing(self) -> bool:
        """Whether there are arms to compare, or something went wrong."""
        return len(self.arms) > 1 or any(arm.troubles for arm in self.arms)

    @property
    def title(self) -> str:
        """What the values are, and over what."""
        if len(self.comparison.values) < 2:
            return "validation, no verdict: no task and seed is done by two arms yet" if len(self.arms) > 1 else ""
        return f"validation, no verdict: {self.comparison.measure} over {self.comparison.basis()}"


def standings_of(cells: Sequence[Watched], waiting: Sequence[Watched] = ()) -> Standings:
    """Return how the arms of these cells stand; `waiting` are blocked cells of the same command."""
    arms: dict[str, ArmState] = {}
    for watched in (*cells, *waiting):
        arms.setdefault(watched.cell.arm, ArmState(watched.cell.arm)).add(watched)
    comparison = compare(
        Finished(w.cell.arm, (w.study, w.cell.task.name, w.cell.seed), w.cell.task.objective, w.seen.best) for w in cells if w.done
    )
    if len(comparison.values) < 2:
        comparison = Comparison({}, 0, None)
    order = [*comparison.values, *(arm for arm in arms if arm not in comparison.values)]
    return Standings(tuple(arms[arm] for arm in order), comparison, tuple(_failures(cells, waiting)))


def _failures(cells: Sequence[Watched], waiting: Sequence[Watched]) -> Iterable[str]:
    """Yield a line for the cells that failed, with the reason of the last one, and one for each reason of blocked cells."""
    failed = [watched for watched in cells if watched.failed]
    if failed:
        count = f"{len(failed)} cells failed, the last: " if len(failed) > 1 else "failed: "
        yield f"{count}{failed[-1].label}: {failed[-1].reason}"
    blocked: dict[str, int] = {}
    for watched in (*waiting, *cells):
        if watched.blocked and not watched.done:
            blocked[watched.blocked] = blocked.get(watched.blocked, 0) + 1
    for reason, number in blocked.items():
        yield f"{number} {'cell' if number == 1 else 'cells'} blocked: {reason}"
