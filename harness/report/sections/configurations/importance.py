"""Which hyperparameters decide the score of a task, by functional ANOVA of a forest that all trainings of the task taught."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import partial

import pandas as pd

from harness.report.render.document import Column, Figure, Item, Section, Table, Text, listed, number, row
from harness.report.render.escape import cut
from harness.report.render.marks import NO_BREAK
from harness.report.render.plots import Bar, bar_panels, drawable
from harness.report.sections.configurations.best import LONGEST, spaces_of
from harness.report.sections.configurations.variance import REFITS, Array, Shares, variance_shares
from harness.report.sections.findings import Findings
from harness.report.study_data import CellData, State
from harness.space import Config, Space

TITLE = "Importance: which hyperparameters decide"
# tests/report/sections/test_known_shares.py measures both on recorded grids, whose shares are known: with so many configurations, the worst
# share of a task is 0.18 off on average; and where noise takes R2 below the least, it is 0.2 off however many configurations there are.
LEAST_CONFIGS, LEAST_R2 = 50, 0.2
_LIMITS = (
    f"it takes {LEAST_CONFIGS} distinct configurations with a score, and a forest that foretells unseen ones "
    f"(R² {LEAST_R2:g} or more)"
)
# A share may lie so many standard deviations to both sides.
SPREAD = 2.0
# Of a panel, and of the figure; the table and the CSV have all.
MOST_BARS, MOST_PANELS, MOST_NAMED = 8, 12, 3


@dataclass(frozen=True)
class Trained:
    """The distinct configurations of a task that have a score, and their mean validation scores, oriented.

    Of the task's `trainings`, `failed` have no score and `outside` have a configuration that is not of the space. `random`: how many of
    the configurations random search trained. `tried` counts the values of each hyperparameter.
    """

    configs: tuple[Config, ...] = ()
    scores: tuple[float, ...] = ()
    trainings: int = 0
    failed: int = 0
    outside: int = 0
    random: int = 0
    tried: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Share:
    """What a hyperparameter explains of the variance, in [0, 1], with the ends of its spread; NaN where only one value was tried."""

    hyperparameter: str
    alone: float
    alone_low: float
    alone_high: float
    total: float
    total_low: float
    total_high: float
    values_tried: int


@dataclass(frozen=True)
class Importance:
    """The shares of a task's hyperparameters, the largest total first. Where they are withheld there are none, and `why` says it.

    `shares` holds those of which several values were tried, `fixed` the others, of which nothing is known. `r2` is the forest's.
    """

    task: str
    trained: Trained
    shares: tuple[Share, ...] = ()
    fixed: tuple[Share, ...] = ()
    r2: float = math.nan
    why: str = ""


def importances(found: Findings) -> list[Importance]:
    """Compute the shares of each task with a done cell."""
    spaces = spaces_of(found.study)
    cells: dict[str, list[CellData]] = {}
    for cell in found.study.cells:
        if cell.state is State.DONE:
            cells.setdefault(cell.task, []).append(cell)
    random = {name for name, arm in found.arms.items() if arm.role == "random"}
    return [importance_of(task, of_task, spaces.get(task), random, found.options.seed) for task, of_task in cells.items()]


def importance_of(
    task: str, cells: Sequence[CellData], space: Space | None, random: Collection[str] = (), seed: int = 0
) -> Importance:
    """Compute the shares of one task from its done cells; `random` are the arms of random search."""
    if space is None:
        return Importance(task, Trained(), why="the records hold no space")
    trained = trained_of(cells, space, random)
    if len(trained.configs) < LEAST_CONFIGS:
        return Importance(task, trained, why=f"{len(trained.configs)} configurations")
    if max(trained.scores) == min(trained.scores):
        return Importance(task, trained, why="all scores are equal")
    found = variance_shares(space, trained.configs, trained.scores, seed, LEAST_R2)
    if not found.r2 >= LEAST_R2:
        return Importance(task, trained, r2=found.r2, why=f"R² {number(found.r2, 2)}")
    shares = [_share(found, place, name, trained.tried[name]) for place, name in enumerate(space.names)]
    varied = sorted((share for share in shares if share.values_tried > 1), key=lambda share: -share.total)
    return Importance(task, trained, tuple(varied), tuple(share for share in shares if share.values_tried < 2), found.r2)


def _share(found: Shares, place: int, name: str, tried: int) -> Share:
    def ends(values: Array, sds: Array) -> tuple[float, float, float]:
        value, wide = float(values[place]), SPREAD * float(sds[place])
        return (value, max(0.0, value - wide), min(1.0, value + wide)) if tried > 1 else (math.nan, math.nan, math.nan)

    return Share(name, *ends(found.alone, found.alone_sd), *ends(found.total, found.total_sd), tried)


def trained_of(cells: Sequence[CellData], space: Space, random: Collection[str] = ()) -> Trained:
    """Return the distinct configurations of the cells with a score. One that was trained several times has the mean of its scores.

    So no configuration is on both sides where the forest is judged by configurations that it has not seen.
    """
    known: dict[str, tuple[Config, list[float]]] = {}
    drawn: set[str] = set()
    trainings = failed = 0
    for cell in cells:
        sign = cell.objective.sign
        for trial in cell.trials:
            trainings += 1
            if trial.score is None or not drawable(trial.score):
                failed += 1
                continue
            key = repr(trial.config)
            known.setdefault(key, (trial.config, []))[1].append(sign * trial.score)
            if cell.arm in random and trial.proposal.source == "optimizer":
                drawn.add(key)
    inside = {key: each for key, each in known.items() if not space.problems(each[0])}
    outside = sum(len(scores) for key, (_, scores) in known.items() if key not in inside)
    configs = tuple(config for config, _ in inside.values())
    means = tuple(math.fsum(scores) / len(scores) for _, scores in inside.values())
    tried = {name: len({config[name] for config in configs if name in config}) for name in space.names}
    return Trained(configs, means, trainings, failed, outside, len(drawn & inside.keys()), tried)


def importance_section(found: Sequence[Importance]) -> Section:
    """Build the figure, and the table with a row per task; one line where no task has shares."""
    told = [each for each in found if each.shares]
    if not told:
        reasons = "; ".join(f"{each.task}: {each.why}" for each in found)
        return Section("importance", TITLE, (f"Withheld: {_LIMITS}. {reasons}.",))
    lead = (
        "How much of the spread of the validation score over the whole space each hyperparameter explains: alone, and with its "
        "interactions with others. It says what separates good from bad, and not what to adjust near the best configuration. The "
        "trainings are no random sample of the space, since methods look where scores are good; so a forest learns from them, and is "
        "asked at points that are spread evenly. Where nothing was trained, it guesses."
    )
    items: list[Item] = [lead]
    if len(told) <= MOST_PANELS:
        items.append(_figure(told))
    return Section("importance", TITLE, (*items, _table(found)))


def _frame(found: Sequence[Importance]) -> pd.DataFrame:
    """Return a row per task and hyperparameter; one without a hyperparameter for a task whose shares are withheld."""
    names = [f.name for f in fields(Share)]
    rows = [
        {"task": one.task, **values, **_counts(one.trained), "r2": one.r2, "withheld": one.why}
        for one in found
        for values in ([vars(share) for share in (*one.shares, *one.fixed)] or [dict.fromkeys(names)])
    ]
    return pd.DataFrame(
        rows, columns=["task", *names, "configurations", "random", "trainings", "failed", "outside", "r2", "withheld"]
    )


def _counts(trained: Trained) -> dict[str, int]:
    counts = {name: getattr(trained, name) for name in ("random", "trainings", "failed", "outside")}
    return {"configurations": len(trained.configs), **counts}


def _figure(told: Sequence[Importance]) -> Figure:
    panels = {
        f"{one.task} (R² {number(one.r2, 2)})": [
            Bar(share.hyperparameter, share.alone, share.alone_low, share.alone_high, share.total)
            for share in one.shares[:MOST_BARS]
        ]
        for one in told
    }
    title = "Shares of the variance of the validation score: dark, alone (line: spread); light, with interactions"
    alt = f"Shares of the variance. {'; '.join(f'{one.task}: {_most(one)}' for one in told)}."
    axis = "share of the variance, %"
    narrow = partial(bar_panels, panels, axis=axis, narrow=True)
    return Figure("importance", title, alt, _frame(told), partial(bar_panels, panels, axis=axis), narrow=narrow)


def _table(found: Sequence[Importance]) -> Table:
    heads = (
        Column("task", numeric=False),
        Column("the most important: alone (with interactions)", numeric=False),
        Column("R²", hint="of configurations that the trees have not seen"),
        Column("configurations", hint="distinct ones with a score"),
        Column("random", hint="configurations that random search trained"),
        Column("trainings"),
        Column("failed", hint="trainings without a score, which are left out"),
    )
    rows = []
    for one in found:
        trained = one.trained
        counts = (str(count) for count in (len(trained.configs), trained.random, trained.trainings, trained.failed))
        said = Text(f"withheld: {one.why}", tone="muted") if one.why else Text(_most(one))
        rows.append(row(one.task, said, number(one.r2, 2), *counts))
    key, title, notes = "importance_tasks", "The most important hyperparameters of each task", tuple(_notes(found))
    narrow = Table(key, title, heads[:3], tuple(line[:3] for line in rows), _frame(found), notes)
    return Table(key, title, heads, tuple(rows), _frame(found), notes, (narrow,))


def _most(one: Importance) -> str:
    def percent(share: float) -> str:
        return f"{100 * share:.0f}{NO_BREAK}%"

    return ", ".join(
        f"{cut(share.hyperparameter, LONGEST)} {percent(share.alone)} ({percent(share.total)})" for share in one.shares[:MOST_NAMED]
    )


def _notes(found: Sequence[Importance]) -> Iterator[str]:
    yield (
        "Functional ANOVA (Hutter et al. 2014): Sobol' indices of a random forest on the distinct configurations of all arms, each with "
        "the mean of its scores. R² is out of bag. A hyperparameter that is not active on a part of the space counts on the rest."
    )
    yield (
        f"Spread: two standard deviations to both sides, over {REFITS} forests of configurations drawn anew. On recorded grids, "
        "whose shares are known, it held three true shares of four, and the worst share of a task was 18 points off with 50 "
        "configurations, 11 with 100 and 7 with 200: few of them make interactions look like main effects."
    )
    yield f"Shares are withheld unless there is enough: {_LIMITS}. The CSV has every hyperparameter, with its spread."
    if unseen := [one.task for one in found if one.shares and not one.trained.random]:
        yield (
            f"No random search ran on {listed(unseen, 30)}: methods may have left parts of the space unseen, where the shares are guesses."
        )
    if failed := [one.task for one in found if one.trained.failed]:
        yield f"Trainings that failed have no score, so what makes a training fail is not in the shares of {listed(failed, 30)}."
    if outside := [f"{one.trained.outside} of {one.task}" for one in found if one.trained.outside]:
        yield f"Left out, since their configuration is not of the task's space: {listed(outside, 30)}."
    if fixed := [f"{one.task}: {listed([share.hyperparameter for share in one.fixed], 30)}" for one in found if one.fixed]:
        yield f"Every training had the same value, so nothing is known of its share: {'; '.join(fixed)}."
