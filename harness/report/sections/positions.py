"""Position bias of selectors: whether an LLM chooses by the place in the list.

The list of candidates is rotated by one place from question to question, so each rank of their source stands equally often in each place.
A model without such a preference would therefore choose all places about equally often.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from harness.report.render.document import Section, Table, columns, number, row, share
from harness.report.render.marks import Marks
from harness.report.study_data import CellData, State, StudyData, mapping

DRAWS = 9_999
_COLUMNS = ["arm", "task", "seed", "trial", "candidates", "place", "rank"]


def positions_frame(study: StudyData) -> pd.DataFrame:
    """Return one row per answered question of the done cells: how many candidates, and place and rank of the preferred one, from 1.

    The preferred candidate is the likeliest where the reply had log-probabilities, else the answer. Its rank is its place in the list
    before the rotation, which begins with the source's own first candidate.
    """
    rows = [row_ for cell in study.cells if cell.state is State.DONE for row_ in _questions(cell)]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _questions(cell: CellData) -> Iterator[dict[str, Any]]:
    for trial in cell.own:
        asked = mapping(trial.proposal.note.get("select")).get("questions")
        for question in asked if isinstance(asked, list) else ():
            place = _preferred(mapping(question))
            if place is not None:
                order = question["order"]
                known = {"arm": cell.arm, "task": cell.task, "seed": cell.seed, "trial": trial.number}
                yield {**known, "candidates": len(order), "place": place, "rank": order[place - 1]}


def _preferred(question: Any) -> int | None:
    """Return the place that a question's answer prefers, from 1; None for an unanswered question, and for a record of another form."""
    order, answer, found = question.get("order"), question.get("answer"), question.get("logprobs")
    if not isinstance(order, list) or not isinstance(answer, int) or not 1 <= answer <= len(order):
        return None
    if isinstance(found, list) and len(found) == len(order) and any(isinstance(one, float) for one in found):
        return 1 + int(np.argmax([one if isinstance(one, float) else -np.inf for one in found]))
    return answer


def p_uniform(counts: list[int], seed: int = 0) -> float:
    """Return the p-value of the counts under equal probabilities: Pearson's chi-squared, its distribution from 9,999 random draws.

    The usual table of that distribution needs about five expected counts a place, which a small study does not have.
    """
    total, places = sum(counts), len(counts)
    drawn = np.random.default_rng(seed).multinomial(total, [1 / places] * places, size=DRAWS)
    # With equal expectations, the statistic grows with the sum of squares, which is a whole number: ties are exact.
    return float((1 + np.count_nonzero((drawn**2).sum(axis=1) >= sum(count * count for count in counts))) / (DRAWS + 1))


def positions_section(asked: pd.DataFrame, marks: Marks) -> Section:
    """Return the table of places: for each arm and number of candidates, how often the model preferred each place."""
    rows, data = [], []
    most = int(asked["candidates"].max())
    for (arm, candidates), group in asked.groupby(["arm", "candidates"], sort=True):
        count = int(str(candidates))
        counts = [int((group["place"] == place).sum()) for place in range(1, count + 1)]
        p, first = p_uniform(counts), int((group["rank"] == 1).sum())
        shown = [share(found, len(group)) for found in counts] + ["–"] * (most - count)
        rows.append(row(marks.name(str(arm)), str(len(group)), *shown, _p_text(p), share(first, len(group))))
        data.append({"arm": arm, "questions": len(group), "candidates": count, "p": p, "own_first": first} | _named(counts))
    notes = (
        "p: that a model without a preference for places would answer so unevenly, or more (chi-squared, 9,999 random draws). Questions "
        "of one cell are alike, so it errs low.",
        "Own first: how often the preferred candidate is the one that stood first before the rotation, which select_first takes.",
        *marks.notes(asked["arm"]),
    )
    heads = ("questions", *(f"place {place}" for place in range(1, most + 1)), "p", "own first")
    table = Table(
        "positions", "Which place of the list the model prefers", columns("arm", *heads), tuple(rows), pd.DataFrame(data), notes
    )
    intro = (
        "A selector's candidates are rotated by one place from question to question. A model that reads them has no reason to prefer a "
        "place: where p is small, part of its choices comes from the order. select.orders=N asks in N rotations and averages."
    )
    return Section("positions", "Position bias of the selectors", (intro, table))


def _named(counts: list[int]) -> dict[str, int]:
    return {f"place_{place}": found for place, found in enumerate(counts, start=1)}


def _p_text(p: float) -> str:
    return "<0.001" if p < 0.001 else number(p, 3)
