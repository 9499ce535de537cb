"""What a race says to the user of one task: which method to use, which cannot be told from it, and what each cost.

It is computed from the records of the study alone. So the command that races and the page of its study say the same.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.report.analysis.frames import oriented
from harness.report.analysis.intervals import NAN, Array, Estimate, Resampling, seed_interval
from harness.report.analysis.race import FIRST_LOOK, Dropped, Standing, mean, paired, replay, seeds_to_decide
from harness.report.study_data import CellData, State, StudyData
from harness.space import Config
from harness.store.race import Race
from harness.trial import PERCENT, Objective, incumbent

OUT_OF_RACE = (State.FAILED, State.BLOCKED, State.UNREADABLE)


@dataclass(frozen=True)
class Cost:
    """What the trials of a method took, those of cells that are not done included.

    `tokens` are both ways, None where the server counted none; `usd` is None where a call has no price. Both are 0 without calls.
    """

    trainings: int
    train_seconds: float
    propose_seconds: float
    tokens: int | None
    usd: float | None


@dataclass(frozen=True)
class Entry:
    """One method of the race: its score on each seed (oriented, see `frames.py`), and how it ended.

    `dropped` is None while it is in the race. `reason` says why it is not raced (blocked or failed), and `fix` what would help.
    `behind` is the mean difference to the leader on the seeds that both have, NaN for the leader and without such a seed; `decides_at`
    estimates how many seeds in all would tell it from the leader (see `seeds_to_decide`).
    """

    arm: str
    scores: tuple[float, ...]
    cost: Cost
    asks_llm: bool = False
    dropped: Dropped | None = None
    reason: str = ""
    fix: str = ""
    behind: float = NAN
    decides_at: float = NAN

    @property
    def mean(self) -> float:
        """The mean over the seeds with a score, -inf without any."""
        return mean([value for value in self.scores if not math.isnan(value)])


@dataclass(frozen=True)
class Best:
    """The configuration with the best validation score of all done cells, and where it came from; scores in the task's own unit."""

    config: Config
    val: float
    test: float | None
    arm: str
    seed: int
    trial: int


@dataclass(frozen=True)
class Advice:
    """The outcome of a race. `gain` is the leader's mean difference to the default configuration, None without that arm or as the leader.

    `trained` is False where outcomes come from recorded trainings, whose seconds nobody waited for.
    """

    task: str
    objective: Objective
    budget: int
    baseline: str
    standing: Standing
    entries: tuple[Entry, ...]
    best: Best | None
    gain: Estimate | None
    trained: bool

    @property
    def rivals(self) -> tuple[Entry, ...]:
        """The methods that cannot be told from the leader."""
        return tuple(self[arm] for arm in self.standing.alive[1:])

    def __getitem__(self, arm: str) -> Entry:
        return next(entry for entry in self.entries if entry.arm == arm)


def advise(study: StudyData, race: Race) -> Advice:
    """Compute the advice from the records of a race."""
    cells = [cell for cell in study.cells if cell.task == race.task and cell.arm in race.arms]
    objective = next((cell.objective for cell in cells if cell.manifest), PERCENT)
    standing = standing_of(study, race)
    entries = tuple(_entry(arm, cells, objective, standing) for arm in race.arms)
    scores = {entry.arm: entry.scores for entry in entries}
    methods = sum(not entry.reason for entry in entries)
    return Advice(
        task=race.task,
        objective=objective,
        budget=max((cell.budget for cell in cells), default=0),
        baseline=race.baseline,
        standing=standing,
        entries=tuple(_compared(entry, scores, standing, methods) for entry in entries),
        best=_best(cells, objective),
        gain=_gain(scores, standing, race.baseline),
        trained=not any("evaluator" in cell.identity for cell in cells),
    )


def standing_of(study: StudyData, race: Race, retried: Collection[str] = ()) -> Standing:
    """Return how the race stands. Methods that failed or are blocked are not in it, but for those that are being `retried`."""
    cells = [cell for cell in study.cells if cell.task == race.task]
    objective = next((cell.objective for cell in cells if cell.manifest), PERCENT)
    scores = {
        arm: _scores([cell for cell in cells if cell.arm == arm], objective)
        for arm in race.arms
        if arm in retried or not _out(cell for cell in cells if cell.arm == arm)
    }
    return replay(scores)


def _out(cells: Iterable[CellData]) -> CellData | None:
    """Return the first cell of a method that keeps it out of the race."""
    return next((cell for cell in cells if cell.state in OUT_OF_RACE), None)


def _scores(cells: Sequence[CellData], objective: Objective) -> tuple[float, ...]:
    """Return the scores of seeds 0, 1, ... as far as their cells are done without a gap: the test score that validation chose."""
    done = {cell.seed: cell for cell in cells if cell.state is State.DONE}
    found: list[float] = []
    while (cell := done.get(len(found))) is not None:
        best = incumbent(cell.trials, objective)
        found.append(oriented(best.outcome if best else None, objective)[1])
    return tuple(found)


def _entry(arm: str, cells: Iterable[CellData], objective: Objective, standing: Standing) -> Entry:
    own = [cell for cell in cells if cell.arm == arm]
    out = _out(own)
    return Entry(
        arm,
        _scores(own, objective),
        _cost(own),
        asks_llm=any(cell.calls for cell in own),
        dropped=standing.dropped.get(arm),
        reason=out.reason or str(out.state) if out else "",
        fix=out.fix if out else "",
    )


def _cost(cells: Sequence[CellData]) -> Cost:
    trials = [trial for cell in cells for trial in cell.trials]
    calls = [call for cell in cells for call in cell.calls]
    tokens = [count for call in calls for count in (call.prompt_tokens, call.completion_tokens) if count is not None]
    prices = [call.usd for call in calls]
    return Cost(
        len(trials),
        math.fsum(trial.outcome.seconds for trial in trials),
        math.fsum(trial.propose_seconds for trial in trials),
        sum(tokens) if tokens or not calls else None,
        None if None in prices else math.fsum(price for price in prices if price is not None),
    )


def _compared(entry: Entry, scores: Mapping[str, tuple[float, ...]], standing: Standing, methods: int) -> Entry:
    """Return an entry with its difference to the leader."""
    if not standing.leader or entry.arm == standing.leader:
        return entry
    found = paired(scores, standing.leader, entry.arm, standing.seeds)
    decides = seeds_to_decide(found, methods) if entry.arm in standing.alive else NAN
    values = {**vars(entry), "behind": float(found.mean()) if len(found) else NAN, "decides_at": decides}
    return Entry(**values)


def _best(cells: Iterable[CellData], objective: Objective) -> Best | None:
    best: Best | None = None
    for cell in cells:
        found = incumbent(cell.trials, objective) if cell.state is State.DONE else None
        if found is None or found.score is None or (best and not objective.better(found.score, best.val)):
            continue
        best = Best(found.config, found.score, found.outcome.test_score_pct, cell.arm, cell.seed, found.number)
    return best


def _gain(scores: Mapping[str, tuple[float, ...]], standing: Standing, baseline: str) -> Estimate | None:
    if not baseline or standing.leader in ("", baseline) or standing.seeds < FIRST_LOOK:
        return None
    found: Array = paired(scores, standing.leader, baseline, standing.seeds)
    return seed_interval([found], Resampling()) if len(found) else None
