"""Train entries of a table again on this machine, and say whether the numbers are equal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.seeding import keyed_random
from harness.space import Config
from harness.tabular.grid import Grid
from harness.tabular.table import Table
from harness.task import TaskSpec
from harness.training.build import build_task
from harness.training.isolation import Isolation
from harness.training.trainer import InProcess
from harness.trial import Outcome


@dataclass(frozen=True)
class Comparison:
    """One entry: the recorded outcome, and the outcome of training it again. `config` is in the task's whole space."""

    config: Config
    seed: int
    recorded: Outcome
    trained: Outcome

    @property
    def equal(self) -> bool:
        """Whether status and every number of the curve are equal to the last bit."""
        # Compared as text, in which NaN equals NaN.
        same_curve = repr(self.recorded.curve) == repr(self.trained.curve)
        return self.recorded.status is self.trained.status and same_curve

    @property
    def points(self) -> float | None:
        """The difference of the validation scores in points; None when only one of the two trainings failed."""
        before, now = self.recorded.val_score_pct, self.trained.val_score_pct
        if before is None or now is None:
            return 0.0 if self.recorded.status is self.trained.status else None
        return abs(before - now)


def verify(task: TaskSpec, table: Table, count: int) -> Iterator[Comparison]:
    """Train `count` entries again, and yield each comparison when it is done. The entries are the same on every machine."""
    levels = {name: entry.get("levels") or entry["choices"] for name, entry in table.header.subject.space.items()}
    grid = Grid.of(task.space, levels)
    isolation = Isolation()
    with isolation.building():
        trainer = InProcess(build_task(task), isolation, task.objective)
    places = [(number, seed) for seed in table.header.subject.train_seeds for number in range(len(grid.configs))]
    # The order depends on nothing else, so that a larger count adds entries to those of a smaller one.
    keyed_random(0, "verify").shuffle(places)
    for number, seed in places[:count]:
        config = grid.complete(grid.configs[number])
        yield Comparison(config, seed, table.outcome(number, seed), trainer.train(config, seed=seed))


def conclusion(comparisons: list[Comparison], recorded: Mapping[str, str], here: Mapping[str, str]) -> str:
    """Return one line that says whether this machine's numbers equal the recorded ones. `recorded` and `here` are signatures."""
    same = sum(comparison.equal for comparison in comparisons)
    if same == len(comparisons):
        return f"equal: all {same} entries come out the same here, to the last bit"
    points = [comparison.points for comparison in comparisons]
    known = [value for value in points if value is not None]
    text = f"{same} of {len(comparisons)} entries are equal to the last bit"
    if len(known) < len(points):
        text = f"differs: {text}, and {len(points) - len(known)} failed only here or only there"
    else:
        text = f"within {max(known):.2g} points: {text}"
    others = [f"{name} {recorded.get(name, 'none')} there, {here[name]} here" for name in here if recorded.get(name) != here[name]]
    return f"{text} ({'; '.join(others) or 'libraries and processor are the same'})"
