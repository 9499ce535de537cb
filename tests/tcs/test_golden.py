"""Summaries of fixed trajectories, word for word, at the version that they belong to.

`HARNESS_REMAKE_GOLDEN=1 python -m pytest tests/tcs/test_golden.py` writes `golden.json` anew once `harness.tcs.VERSION` was raised; read
the difference before you commit it. Ten of the trials are real ones, of a small network on the digits.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
from pathlib import Path
from typing import Any

from support.golden import check_golden

from harness import tcs
from harness.space import Space
from harness.tcs import Format, Summary, render, summarize
from harness.testing.trajectories import SPACE, config, failed, ok, trajectory
from harness.trial import Epoch, Outcome, Proposal, Status, Trajectory, Trial

HERE = Path(__file__).parent
BUDGET = 12
Case = tuple[Space, Trajectory, int]  # and the budget

ORDERS = Space.from_mapping(
    {
        "falling": {"type": "ordinal", "levels": [64, 32, 16, 8], "default": 32, "meaning": "rows per step"},
        "named": {"type": "ordinal", "levels": ["tiny", "small", "large"], "default": "small", "meaning": "size"},
        "flag": {"type": "bool", "default": False, "meaning": "whether"},
        "width": {"type": "int", "low": 4, "high": 4096, "scale": "log", "default": 64, "meaning": "units"},
        "inner": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "meaning": "share", "when": {"flag": True}},
    }
)


def outcome(row: dict[str, Any]) -> Outcome:
    columns: dict[str, list[Any]] = {name: [v if v is None else float(v) for v in values] for name, values in row["curve"].items()}
    size = len(columns["val_score_pct"])
    curve = tuple(Epoch(number=i + 1, **{name: values[i] for name, values in columns.items()}) for i in range(size))
    if row["status"] == "ok":
        return Outcome.of_curve(curve, 1.0)
    return Outcome.failed(Status(row["status"]), row["error"], curve, 1.0)


def ten_trials() -> tuple[Space, Trajectory]:
    """Read the space and the trials."""
    data = json.loads((HERE / "ten_trials.json").read_text())
    trials = [Trial(i, Proposal(row["config"]), outcome(row)) for i, row in enumerate(data["trials"], start=1)]
    return Space.from_mapping(data["space"]), Trajectory(tuple(trials))


def drawn(space: Space, size: int, seed: int) -> Trajectory:
    """Draw trials with curves that rise, overfit or fail; without exp, which machines round differently."""
    rng = random.Random(seed)
    pairs: list[tuple[Any, Any]] = []
    for n in range(size):
        goal, noise, over = rng.uniform(60, 95), rng.choice([0.0, 0.5, 5.0]), rng.choice([0.0, 0.0, 1.0])
        val = [round(goal * e / (e + 1) - over * e + noise * rng.random(), 2) for e in range(1, rng.choice([1, 4, 12, 30]) + 1)]
        loss = {"val_loss": [round(3 - v / 50, 3) for v in val]}
        failure = failed(f"val_loss is nan at epoch {n % 4 + 1}", val=val[: n % 4]) if rng.random() < 0.2 else None
        pairs.append((space.sample(rng), failure or ok(val, [min(round(v + 4 * over, 2), 100.0) for v in val], **loss)))
    return trajectory(*pairs)


def cases() -> dict[str, Case]:
    """Return the trajectories: each edge on which a summary once misled, and drawn ones."""
    steps = [1e-4, 1e-3, 1e-2, 0.1, 0.3, 1.0]
    near = [(2.311e-5, 95.2857), (2.314e-5, 95.2858), (2.316e-5, 95.286), (2.316e-5, 95.28604)]
    sgd = config(optimizer="sgd", momentum=0.5)
    real, trials = ten_trials()
    return {
        "no trial": (SPACE, Trajectory(), 10),
        "one trial": (SPACE, trajectory((config(), 50.0)), 10),
        "all failed": (
            SPACE,
            trajectory(*[(config(layers=n), None) for n in (1, 2)], (config(), failed("OOM", Status.CRASHED))),
            10,
        ),
        "all equal": (SPACE, trajectory(*[(config(layers=n, learning_rate=s), 50.0) for n, s in enumerate(steps[:5], 1)]), 8),
        "ties": (
            SPACE,
            trajectory(*[(config(layers=n), s) for n, s in ((1, 90.0), (3, 80.0), (5, 90.0), (4, 80.0), (2, 80.0))]),
            6,
        ),
        "near misses": (SPACE, trajectory(*[(config(learning_rate=rate), score) for rate, score in near]), 12),
        "a parent": (SPACE, trajectory((config(), 60.0), (sgd, 70.0), (config(), ok([60.0] * 9)), (sgd, ok([60.0] * 9))), 12),
        "a cliff": (
            SPACE,
            trajectory(*[(config(learning_rate=s), None if s > 0.2 else 60 + n) for n, s in enumerate(steps * 2)]),
            14,
        ),
        "below zero": (SPACE, trajectory(*[(config(layers=n), s) for n, s in ((1, -3.5), (2, -1e9), (3, -0.001), (4, 0.0))]), 5),
        "no curve": (SPACE, trajectory((config(), failed("timed out", Status.TIMEOUT)), (config(layers=4), 12.5)), 2),
        "orders": (ORDERS, drawn(ORDERS, 14, seed=1), 20),
        "a dozen": (SPACE, drawn(SPACE, 12, seed=2), 30),
        "eighty": (SPACE, drawn(SPACE, 80, seed=3), 90),
        "six real ones": (real, Trajectory(trials.trials[:6]), 10),
        "ten real ones": (real, trials, BUDGET),
    }


def typed(value: Any) -> Any:
    """Return a section as data, its numbers to six digits: the last ones are the machine's."""
    if dataclasses.is_dataclass(value):
        # What has no place in its repr says how facts are shown, and is none of them.
        return {f.name: typed(getattr(value, f.name)) for f in dataclasses.fields(value) if f.repr}
    if isinstance(value, dict):
        return {str(key): typed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [typed(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def content(summary: Summary, *, whole: bool) -> dict[str, Any]:
    """Return the text of a summary in lines, and its other forms and its typed sections as digests, or as lines too."""
    other = {form.value: render(summary, form) for form in (Format.JSON, Format.MARKDOWN)}
    sections = json.dumps([typed(section) for section in summary.sections], sort_keys=True)
    return {
        "text": render(summary).splitlines(),
        **{form: text.splitlines() if whole else digest(text) for form, text in other.items()},
        "typed": digest(sections),
    }


def test_a_summary_changes_only_with_its_version() -> None:
    made = {name: content(summarize(*case), whole=name == "ten real ones") for name, case in cases().items()}
    check_golden(HERE / "golden.json", {"harness.tcs": tcs.VERSION}, {"harness.tcs": made})


def test_what_the_summary_claims_of_the_ten_trials_is_so() -> None:
    _, trajectory = ten_trials()
    text = render(summarize(*ten_trials(), BUDGET))
    best = trajectory.incumbent
    assert best is not None
    assert f"incumbent: trial {best.number}, score {best.score:.2f}" in text
    failed = [t for t in trajectory if t.score is None]
    assert [t.number for t in failed] == [4, 7]
    assert min(float(t.config["learning_rate"]) for t in failed) == 0.3
    assert max(float(t.config["learning_rate"]) for t in trajectory if t.score is not None) < 0.3
    assert "learning_rate >= 0.3 | 2 of 2 | 0 of 8" in text
    nine, ten = trajectory[8], trajectory[9]
    assert {k for k in nine.config if nine.config[k] != ten.config[k]} == {"dropout"}
    assert "10 | 9 (previous) | dropout 0.25 -> 0.5" in text
    assert "ONE KNOB" in text
