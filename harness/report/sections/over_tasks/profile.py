"""The performance profile: how often an arm reaches a normalised score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from harness.report.analysis.intervals import Array, Resampling, task_band
from harness.report.analysis.over_tasks import Complete, profile, scores_of
from harness.report.analysis.pairs import ScoreIndex
from harness.report.render.document import Figure, Item, Table, columns, number, row
from harness.report.render.marks import Marks
from harness.report.render.plots import bands, curves_of

# Of the scores that a profile is drawn for; the table has some of them.
TAUS = 121
SHOWN_TAUS = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
# The axis begins where so many runs are worse, or at 0, and ends at the best run, or at 1; never beyond these places.
LOWEST_SHARE, FIRST, LAST = 0.02, -2.0, 3.0


def profile_frame(index: ScoreIndex, complete: Complete, how: Resampling) -> pd.DataFrame:
    """Return one row per arm and tau: the share of runs with a normalised score of at least tau, and its band, which draws tasks.

    `index` holds normalised scores.
    """
    runs = {arm: [scores_of(index, arm, task) for task in complete.tasks] for arm in complete.arms}
    taus = _taus(np.concatenate([values for of_arm in runs.values() for values in of_arm]))
    frames = []
    for arm, of_arm in runs.items():
        shares = profile(of_arm, taus)
        low, high = task_band(shares, how)
        frames.append(pd.DataFrame({"arm": arm, "tau": taus, "share": shares.mean(axis=0), "low": low, "high": high}))
    return pd.concat(frames, ignore_index=True).assign(tasks=len(complete.tasks))


def _taus(scores: Array) -> Array:
    """Return the places of the profile, with all of SHOWN_TAUS among them."""
    first = max(FIRST, min(0.0, float(np.quantile(scores, LOWEST_SHARE))))
    last = min(LAST, max(1.0, float(scores.max())))
    return np.unique(np.concatenate([np.linspace(first, last, TAUS), SHOWN_TAUS]))


def profile_items(
    frame: pd.DataFrame, runs: Sequence[float], accents: Mapping[str, int], marks: Marks, percent: str
) -> tuple[Item, ...]:
    """Build the figure and the table of the profile. `runs`: the normalised scores of all runs."""
    lines = curves_of(frame, "share", marks, accents)
    taus, tasks = sorted(set(frame["tau"])), int(frame["tasks"].iloc[0])
    first, below, above = taus[0], sum(value < taus[0] for value in runs), sum(value > 1.0 for value in runs)
    title = f"Performance profile over {tasks} tasks: the share of runs with a normalised score of at least τ"
    title += f", with {percent} bands that draw tasks"
    notes = [f"{below} of {len(runs)} runs have a score below {number(first, 2)}, where the axis begins"] if below else []
    notes += [f"{above} of {len(runs)} runs have a score above 1, better than the best known"] if above else []
    beyond = sum(value > taus[-1] for value in runs)
    notes += [f"{beyond} of them above {number(taus[-1], 2)}, where the axis ends"] if beyond else []
    axis = ("τ: normalised score (0: median random trial, 1: best known)", "share of runs ≥ τ")
    figure = Figure(
        "profile",
        title + "".join(f". {note}" for note in notes),
        f"Curves of {len(lines)} arms from τ = {first:.2f} to {taus[-1]:.2f}.",
        frame,
        lambda: bands(lines, taus, axis=axis, ends=True),
        narrow=lambda: bands(lines, taus, axis=("τ: normalised score", axis[1]), ends=True, narrow=True),
    )
    return (figure, _table(frame, marks))


def _table(frame: pd.DataFrame, marks: Marks) -> Table:
    data = frame[frame["tau"].isin(SHOWN_TAUS)]
    shares = {(arm, tau): share for arm, tau, share in zip(data["arm"], data["tau"], data["share"], strict=True)}
    order = sorted(dict.fromkeys(data["arm"]), key=lambda arm: -sum(shares[arm, tau] for tau in SHOWN_TAUS))
    rows = tuple(row(marks.name(arm), *(f"{100 * shares[arm, tau]:.0f} %" for tau in SHOWN_TAUS)) for arm in order)
    notes = (
        "Every task has the same weight. A band has no width where all runs, or none, reach τ: no draw of these tasks shows what no run "
        "did. Arms whose curves cross are better at different scores.",
        *marks.notes(order),
    )
    heads = columns("arm", *(f"≥ {tau:g}" for tau in SHOWN_TAUS))
    return Table("profile_table", "Share of runs with a normalised score of at least so much", heads, rows, data, notes)
