"""Cost: tokens, seconds and money of a cell, and the score that they bought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from harness.report.analysis.arms import Arm
from harness.report.analysis.frames import rows_of
from harness.report.analysis.scores import ScoreBook
from harness.report.render.document import Column, Figure, Item, Section, Table, columns, listed, number, row
from harness.report.render.plots import Point, beyond_points, scatter
from harness.report.render.units import axis_of, name_of, refused, score_digits, score_of, validation_notes
from harness.report.study_data import CellData, State, StudyData
from harness.trial import Objective

SUMS = ("calls", "calls_per_trial", "prompt_tokens", "completion_tokens", "llm_seconds", "propose_seconds", "train_seconds", "usd")


def cost_frame(study: StudyData) -> pd.DataFrame:
    """Return one row per done cell: calls, tokens, seconds of the LLM, of the method as a whole and of training, and US dollars.

    A failed call counts too. `calls_per_trial` is the mean over the trials for which the LLM was asked. NaN where no call gave a count;
    `usd` is NaN for a model that has no price, 0 without calls.
    """
    rows = [{"arm": c.arm, "task": c.task, "seed": c.seed, **_cell_cost(c)} for c in study.cells if c.state is State.DONE]
    return pd.DataFrame(rows, columns=["arm", "task", "seed", *SUMS])


def _cell_cost(cell: CellData) -> dict[str, float | None]:
    def total(name: str) -> float | None:
        values = [getattr(call, name) for call in cell.calls]
        known = [value for value in values if value is not None]
        return sum(known) if known or not values else None

    return {
        "calls": len(cell.calls),
        "calls_per_trial": len(cell.calls) / max(1, len({call.trial for call in cell.calls})),
        "prompt_tokens": total("prompt_tokens"),
        "completion_tokens": total("completion_tokens"),
        "llm_seconds": total("seconds"),
        "propose_seconds": sum(trial.propose_seconds for trial in cell.own),
        "train_seconds": sum(trial.outcome.seconds for trial in cell.own),
        "usd": total("usd"),
    }


def cost_section(frame: pd.DataFrame, book: ScoreBook, arms: Mapping[str, Arm]) -> Section:
    """Build the cost table (means over cells) and the figure of score against cost."""
    order, averages, shared = book.order, book.natural_averages, book.objectives.shared
    means = (
        frame.drop(columns=["task", "seed"])
        .groupby("arm", sort=False)
        .mean()
        .join(averages.set_index("arm")["mean"].rename("score"))
    )
    means = means.join(frame.groupby("arm").size().rename("cells")).reset_index()
    means["asks_llm"] = [arms[arm].role == "llm" for arm in means["arm"]]
    text = "Means over cells. Method: all the time between two trainings, an LLM's included."
    if means["calls"].any():
        text += " A failed call costs as much as a good one and is counted. USD: by the price list of the harness, cached input at full "
        text += "price; a local model has no price here."
    items: list[Item] = [text]
    if shared is None:
        items.append(refused(book.objectives, "no average score to set against the cost"))
    else:
        items += validation_notes(book.objectives)
    items.append(_table(means, order, shared))
    figure = _figure(means, shared) if shared else None
    return Section("cost", "Cost", tuple(items) if figure is None else (*items, figure))


def _table(means: pd.DataFrame, order: Sequence[str], shared: Objective | None) -> Table:
    found = {entry["arm"]: entry for entry in rows_of(means)}
    with_llm = bool(means["calls"].any())
    rows = []
    for arm in (arm for arm in order if arm in found):
        entry = found[arm]
        tokens = [_count(entry[name]) for name in ("prompt_tokens", "completion_tokens")]
        llm = [
            number(entry["calls"], 1),
            number(entry["calls_per_trial"], 1),
            *tokens,
            number(entry["llm_seconds"], 1),
            number(entry["usd"], 3),
        ]
        if not entry["calls"]:
            llm = ["–"] * len(llm)
        seconds = [_seconds(entry[name]) for name in ("propose_seconds", "train_seconds")]
        score = [number(entry["score"], score_digits(shared))] if shared else []
        rows.append(row(arm, *(llm if with_llm else []), *seconds, *score))
    llm_heads: tuple[str | Column, ...] = (
        (
            "calls",
            Column("calls a trial", hint="of the trials that the LLM was asked for"),
            "tokens in",
            "tokens out",
            "LLM, s",
            "USD",
        )
        if with_llm
        else ()
    )
    heads: list[str | Column] = [*llm_heads, "method, s", "training, s"]
    if shared:
        plain = shared.is_percentage and shared.sign > 0
        heads.append(Column("score" if plain else axis_of(shared, name_of(shared)), hint=f"average {axis_of(shared)}"))
    return Table("cost", "Cost of a cell", columns("arm", *heads), tuple(rows), means)


def _count(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:,.0f}"


def _seconds(value: float) -> str:
    return f"{value:.1f}" if value >= 1 else f"{value:.3f}"


def pareto_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Say for each (cost, score), of which the higher is better, whether no other is at least as good in both and better in one."""
    return [not any(c <= cost and s >= score and (c < cost or s > score) for c, s in points) for cost, score in points]


def _figure(means: pd.DataFrame, shared: Objective) -> Figure | None:
    panels: dict[str, list[Point]] = {}
    kinds = {"seconds of the method in a cell": "propose_seconds", "US dollars a cell": "usd"}
    for title, column in kinds.items():
        known = means[means["score"].notna() & (means[column] > 0)]
        if column == "usd" and len(known) < 2:
            continue
        entries: list[dict[str, Any]] = rows_of(known)
        front = pareto_front([(entry[column], shared.sign * entry["score"]) for entry in entries])
        if entries:
            said = [number(entry["score"], score_digits(shared)) for entry in entries]
            panels[title] = [Point(e["arm"], e[column], e["score"], f, s) for e, f, s in zip(entries, front, said, strict=True)]
    if not panels:
        return None
    best = [point.name for points in panels.values() for point in points if point.front]
    alt = f"Average {score_of(shared)} against cost on a log scale; on the front: {', '.join(dict.fromkeys(best))}."
    name = "Score" if shared.name == "score" else name_of(shared)
    title = f"{name} against cost; the arms in blue are those that no other beats in both"
    axis, far = f"average {axis_of(shared)}", beyond_points(panels)
    beyond = listed([f"{point.name} ({point.said})" for point in far])
    return Figure(
        "pareto",
        title,
        alt,
        means,
        lambda: scatter(panels, axis=axis),
        (f"An arrow at the edge marks what lies beyond the axis: {beyond}.",) if far else (),
        lambda: scatter(panels, axis=axis, narrow=True),
    )
