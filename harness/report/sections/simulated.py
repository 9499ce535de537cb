"""How often the intervals of the report hold the truth. `scripts/interval_coverage.py --write` measures it and writes simulated.csv."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from harness.report.analysis.frames import rows_of
from harness.report.analysis.intervals import FEW_PAIRS, FEW_SEEDS, FEW_TASKS
from harness.report.render.document import Column, Table, number, row

SIMULATED = Path(__file__).with_name("simulated.csv")
# The case of older cells, in which a method drew the same numbers on every task.
REPEATED = "repeated draws"


def simulated() -> pd.DataFrame:
    """Return one row per simulated case: `differences`, tasks, seeds, and shares in percent.

    `shown`: how often there is an interval; of those, `covered` hold the truth, and `false_pass` lie above it. `percentile`: what the
    stratified percentile bootstrap covers; `better`: what the interval of P(better) covers. `few`: whether the page says that the
    interval is from few pairs or tasks.
    """
    return pd.read_csv(SIMULATED)


def coverage_words() -> tuple[str, ...]:
    """Return sentences on the worst coverage: with enough pairs, with few, and for the other intervals."""
    cases = simulated()
    others, repeated = cases["differences"].str.startswith("other tasks"), cases["differences"] == REPEATED
    few, own = cases["few"].astype(bool), ~others & ~repeated
    whole, short = cases[own & ~few], cases[own & few]
    kinds = {kind: short[short["differences"].str.startswith(kind)] for kind in ("normal", "skewed", "mostly ties", "real", "rare")}
    worst = {kind: _least(cases) for kind, cases in kinds.items()}
    rare = {design: _least(_of(kinds["rare"], *design)) for design in ((6, 10), (6, 3), (1, 5))}
    return (
        f"How often a 95 % interval holds the truth was measured in simulations (scripts/interval_coverage.py, csv/simulated.csv), with "
        "normal, skewed and mostly tied differences, with rare collapses, and with differences drawn from the recorded trainings. From "
        f"{FEW_SEEDS} seeds a task and {FEW_PAIRS} pairs on, the worst case is {_least(whole)} times in 100; an arm that is worse by just "
        f"the margin passes in {_most(whole)} of 100 studies in the worst case, where 2.5 are meant.",
        f"With fewer it depends on what the differences are like. The worst cases are {worst['normal']} in 100 for normal differences, "
        f"{worst['real']} for those of recorded trainings, {worst['skewed']} for skewed ones and {worst['mostly ties']} where most pairs "
        f"tie. Where one training in twenty collapses, it is {rare[6, 10]} with 6 tasks and 10 seeds, {rare[6, 3]} with 6 tasks and 3 "
        f"seeds, and {rare[1, 5]} with one task and 5 seeds: mostly no collapse was seen, and false PASSes go up to "
        f"{_most(kinds['rare'])} in 100. So a PASS from few pairs is marked, and says nothing against rare collapses.",
        f"Intervals for other tasks hold {_least(cases[others & ~few])} times in 100 or more from {FEW_TASKS} tasks on, and "
        f"{_least(cases[others & few])} or more with fewer, where the gains are skewed over tasks. The interval of P(better), in the CSV "
        f"files of the contrasts, holds {number(cases[own]['better'].min())} times in 100 or more, from 3 seeds on.",
    )


def repeated_words() -> str:
    """Return the coverage of intervals where a method draws the same numbers on each of six tasks."""
    cases = simulated()
    six = cases[(cases["differences"] == REPEATED) & (cases["tasks"] == 6)]
    return f"{_least(six)} to {number(six['covered'].max())} times in 100"


def _of(cases: pd.DataFrame, tasks: int, seeds: int) -> pd.DataFrame:
    return cases[(cases["tasks"] == tasks) & (cases["seeds"] == seeds)]


def _least(cases: pd.DataFrame) -> str:
    return number(cases["covered"].min())


def _most(cases: pd.DataFrame) -> str:
    return number(cases["false_pass"].max())


def coverage_table() -> Table:
    """Return every case as a table."""
    cases = simulated()
    names = {
        "shown": "has an interval",
        "covered": "holds the truth",
        "false_pass": "false PASS",
        "percentile": "percentile bootstrap",
        "better": "P(better) holds",
    }
    heads = (
        Column("differences", numeric=False),
        Column("tasks"),
        Column("seeds"),
        *(Column(f"{name}, %") for name in names.values()),
    )
    rows = tuple(
        row(e["differences"], str(e["tasks"]), str(e["seeds"]), *(number(e[key]) for key in names), "few" if e["few"] else "")
        for e in rows_of(cases)
    )
    notes = (
        "has an interval: the share of simulated studies that get one; the other shares are of those. false PASS: the truth is the margin "
        "itself; 2.5 is meant. percentile bootstrap: what is common in the field, always given. few: the page says so beside the interval.",
        f"{REPEATED}: one seed's differences correlate by 0.37 over tasks, as when a method draws the same numbers on each.",
    )
    title = "How often 95 % intervals hold the truth, in simulations"
    return Table("simulated", title, (*heads, Column("said beside it", numeric=False)), rows, cases, notes)
