"""Contrasts: two arms that differ in one thing, compared on the same task from the same seed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from harness.report.arms import Arm
from harness.report.document import Column, Figure, Fold, Item, Section, Table, interval, number, row
from harness.report.drawing import Line, forest
from harness.report.frames import rows_of
from harness.report.options import Options
from harness.report.pairs import Pairs, ScoreIndex
from harness.report.statistics import (
    Array,
    Resampling,
    holm,
    probability_of_improvement,
    rank_biserial,
    seed_interval,
    smallest_p,
    task_interval,
    wilcoxon_p,
)

LEVEL = 0.05
FOLDED = ("names", "card", "startup", "first")
FAMILIES = {
    "context": "What the LLM is shown: the TCS against each other context, same LLM, same start",
    "rules": "Does it take an LLM: the TCS read by an LLM against the TCS read by fixed rules, same start",
    "start": "The default configuration tried first, against not, same method",
    "random": "More than the start: each method against random search from the same start",
    "names": "Real hyperparameter names against anonymous ones, same method",
    "card": "The task's own card against one that a model cannot have read about, same method",
    "startup": "Few start-up trials against more, same method, same start",
    "first": "Gain of each arm over its own first trial",
}


@dataclass(frozen=True)
class Contrast:
    """`first` less `second`; for the family `first`, both are the same arm."""

    family: str
    first: str
    second: str


def contrasts_of(arms: Mapping[str, Arm]) -> Iterator[Contrast]:
    """Yield every pair of arms that differ in one thing, as their manifests say."""
    known = [arm for arm in arms.values() if arm.kind != "unknown"]
    for one in known:
        for other in known:
            family = _family(one, other)
            if family:
                yield Contrast(family, one.name, other.name)
    yield from (Contrast("random", one.name, other.name) for one in known for other in known if _beyond_random(one, other))
    yield from (Contrast("first", arm.name, arm.name) for arm in known if arm.budget > 1)


def _family(one: Arm, other: Arm) -> str | None:
    """Return in what single thing `one` (the side of interest) and `other` differ; None when it is not one thing, or not this way."""
    if one.setting.get("renamed") is False and other.setting.get("renamed") and _rest(one, "renamed") == _rest(other, "renamed"):
        return "card"
    if one.kind == "llm" and other.kind == "llm":
        if one.context == "tcs" != other.context and _same_agent(one, other, "context", "log_every") and one.start == other.start:
            return "context"
        if _part(one, "agent").get("names") == "real" != _part(other, "agent").get("names"):
            return (
                "names" if one.context == other.context and _same_agent(one, other, "names") and one.start == other.start else None
            )
    if one.kind == "llm" and one.context == "tcs" and other.kind == "rules":
        return "rules" if one.start == other.start else None
    if one.kind == other.kind == "rules" and one.start == other.start:
        return "names" if _shown_names(one) == "real" != _shown_names(other) else None
    if one.start == "default" and other.start == "none" and _rest(one, "start") == _rest(other, "start"):
        return "start"
    same_method = one.method == other.method and one.start == other.start and one.kind == other.kind == "classical"
    return "startup" if same_method and 0 < one.startup_trials < other.startup_trials else None


def _beyond_random(one: Arm, other: Arm) -> bool:
    plain = other.kind == "classical" and other.method.endswith("random.Random")
    return plain and one.method != other.method and one.start == other.start and one.budget == other.budget > 1 and one.tries_more


def _same_agent(one: Arm, other: Arm, *but: str) -> bool:
    """Say whether two agents ask the same LLM in the same way, but for some keys; the TCS's own settings count where both have them."""
    if one.setting.get("renamed") != other.setting.get("renamed"):
        return False
    agents = [{key: value for key, value in _part(arm, "agent").items() if key not in but} for arm in (one, other)]
    summaries = [_part(arm, "tcs") for arm in (one, other)]
    same_summary = not all(summaries) or summaries[0] == summaries[1]
    return agents[0] == agents[1] and _part(one, "llm") == _part(other, "llm") and same_summary


def _shown_names(arm: Arm) -> Any:
    options = _part(arm, "optimizer").get("options")
    return options.get("names") if isinstance(options, Mapping) else None


def _part(arm: Arm, key: str) -> Mapping[str, Any]:
    value = arm.setting.get(key)
    return value if isinstance(value, Mapping) else {}


def _rest(arm: Arm, key: str) -> str:
    return json.dumps({name: value for name, value in arm.setting.items() if name != key}, sort_keys=True)


def contrast_frame(arms: Mapping[str, Arm], test: ScoreIndex, first_test: ScoreIndex, options: Options) -> pd.DataFrame:
    """Return a row a contrast with effect, both intervals, probability of improvement, rank-biserial correlation and Holm's p.

    `first_test` holds the test scores of the first trials. Holm's correction is within a family.
    """
    how = Resampling(options.confidence, options.resamples, options.seed)
    rows = []
    for contrast in contrasts_of(arms):
        pairs = test.pairs(contrast.first, contrast.second, first_test if contrast.family == "first" else None)
        rows.append({"family": contrast.family, "first": contrast.first, "second": contrast.second, **measures(pairs, how)})
    frame = pd.DataFrame(rows, columns=CONTRAST_COLUMNS[:-2])
    frame["p_holm"], frame["reachable"] = np.nan, False
    for _, group in frame.groupby("family", sort=False):
        tested = int(group["p"].notna().sum())
        frame.loc[group.index, "p_holm"] = holm(list(group["p"]))
        frame.loc[group.index, "reachable"] = group["smallest_p"] * tested <= LEVEL
    return frame


CONTRAST_COLUMNS = [
    "family",
    "first",
    "second",
    "pairs",
    "lacking",
    "tasks",
    "of_tasks",
    "wins",
    "ties",
    "losses",
    "difference",
    "low",
    "high",
    "method",
    "tasks_low",
    "tasks_high",
    "improvement",
    "improvement_low",
    "improvement_high",
    "rank_biserial",
    "p",
    "smallest_p",
    "p_holm",
    "reachable",
]


def measures(pairs: Pairs, how: Resampling) -> dict[str, Any]:
    """Return everything that is computed from the pairs of one contrast; differences and intervals in points."""
    values: Array = pairs.together
    strata = pairs.strata
    seeds, tasks, improvement = seed_interval(strata, how), task_interval(strata, how), probability_of_improvement(strata, how)
    return {
        "pairs": pairs.count,
        "lacking": pairs.lacking,
        "tasks": len(strata),
        "of_tasks": len(pairs.differences),
        "wins": int((values > 0).sum()),
        "ties": int((values == 0).sum()),
        "losses": int((values < 0).sum()),
        "difference": seeds.value,
        "low": seeds.low,
        "high": seeds.high,
        "method": seeds.method,
        "tasks_low": tasks.low,
        "tasks_high": tasks.high,
        "improvement": improvement.value,
        "improvement_low": improvement.low,
        "improvement_high": improvement.high,
        "rank_biserial": rank_biserial(values) if len(values) else math.nan,
        "p": wilcoxon_p(values),
        "smallest_p": smallest_p(int((values != 0).sum())),
    }


def contrast_section(frame: pd.DataFrame, options: Options) -> Section:
    """Build a table a family, and the figure of all of them but the gains over the first trial."""
    percent = f"{100 * options.confidence:g} %"
    items: list[Item] = [
        f"Each row compares two arms that differ in one thing, over pairs of the same task and seed. The difference is in points of test "
        f"score, averaged over tasks; its {percent} interval is for these tasks (seeds drawn again within each), the one after it for "
        "other tasks of their kind (tasks drawn again too). P(better) is the chance that a pair favours the first arm, ties counting "
        "half; r is the rank-biserial correlation, from −1 to +1; p is Wilcoxon's signed-rank test with Holm's correction within the table."
    ]
    present = [family for family in FAMILIES if (frame["family"] == family).any()]
    if set(present) - {"first"}:
        items.append(_figure(frame[frame["family"] != "first"], percent))
    for family in present:
        table = _table(family, frame[frame["family"] == family], percent)
        items.append(Fold(FAMILIES[family], (table,)) if family in FOLDED else table)
    absent = [title.partition(":")[0] for family, title in FAMILIES.items() if family not in present]
    if absent:
        items.append(f"Not in this study, for want of arms that differ in just that. {'. '.join(absent)}.")
    return Section("contrasts", "Contrasts: what makes the difference", tuple(items))


def _table(family: str, frame: pd.DataFrame, percent: str) -> Table:
    heads = (
        Column("arm" if family == "first" else "first − second", numeric=False),
        Column("pairs"),
        Column("difference"),
        Column(f"{percent}, these tasks"),
        Column(f"{percent}, other tasks"),
        Column("P(better)"),
        Column("r"),
        Column("p (Holm)"),
    )
    rows = []
    for entry in rows_of(frame):
        rows.append(
            row(
                label(entry),
                pairs_text(entry),
                number(entry["difference"], 2, sign=True),
                interval(entry["low"], entry["high"]),
                interval(entry["tasks_low"], entry["tasks_high"]),
                number(entry["improvement"], 2),
                number(entry["rank_biserial"], 2, sign=True),
                p_text(entry["p_holm"], bool(entry["reachable"])),
            )
        )
    notes = [f"* below {LEVEL}."] if ((frame["p_holm"] < LEVEL) & frame["reachable"]).any() else []
    if not frame["reachable"].all():
        notes.append(f"“too few”: so few pairs differ that no outcome could bring Holm's p below {LEVEL}.")
    return Table(f"contrasts_{family}", FAMILIES[family], heads, tuple(rows), frame, tuple(notes))


def pairs_text(entry: Mapping[str, Any]) -> str:
    """Write how many pairs there are, of how many planned, and in how many tasks if not in all."""
    text = str(entry["pairs"]) if not entry["lacking"] else f"{entry['pairs']} of {entry['pairs'] + entry['lacking']}"
    return text if entry["tasks"] == entry["of_tasks"] else f"{text}, in {entry['tasks']} of {entry['of_tasks']} tasks"


def label(entry: Mapping[str, Any]) -> str:
    """Name a contrast."""
    return str(entry["first"]) if entry["family"] == "first" else f"{entry['first']} − {entry['second']}"


def p_text(p: float, reachable: bool) -> str:
    """Write a p value, with a star below the level; `too few` where the number of pairs rules every star out."""
    if math.isnan(p):
        return "–"
    if not reachable:
        return "too few"
    text = "< 0.001" if p < 0.001 else f"{p:.3f}"
    return f"{text} *" if p < LEVEL else text


def _figure(frame: pd.DataFrame, percent: str) -> Figure:
    known = frame.dropna(subset=["difference"])
    lines = [
        Line(label(entry), entry["difference"], entry["low"], entry["high"], group=FAMILIES[family].partition(":")[0])
        for family in FAMILIES
        for entry in rows_of(known[known["family"] == family])
    ]
    return Figure(
        "contrasts",
        f"Differences of test score between arms that differ in one thing, with {percent} intervals for these tasks",
        f"{len(lines)} contrasts in points of test score.",
        frame,
        lambda: forest(lines, axis="difference of test score, points", margin=None),
    )
