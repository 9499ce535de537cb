"""Ten real trials of a small network on the digits, and the summaries of them, word for word.

`python tests/tcs/test_golden.py` writes the three files anew; read the difference before keeping it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.space import Space
from harness.tcs import Format, render, summarize
from harness.trial import Epoch, Outcome, Proposal, Status, Trajectory, Trial

HERE = Path(__file__).parent
FILES = {Format.TEXT: "ten_trials.summary.txt", Format.JSON: "ten_trials.summary.json", Format.MARKDOWN: "ten_trials.summary.md"}
BUDGET = 12


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


def written(form: Format) -> str:
    """Return the summary of the ten trials."""
    return render(summarize(*ten_trials(), BUDGET), form)


@pytest.mark.parametrize("form", list(Format))
def test_the_summary_of_ten_real_trials_reads_word_for_word(form: Format) -> None:
    assert written(form) == (HERE / FILES[form]).read_text()


def test_what_the_summary_claims_of_the_ten_trials_is_so() -> None:
    _, trajectory = ten_trials()
    text = written(Format.TEXT)
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


if __name__ == "__main__":
    for form, name in FILES.items():
        (HERE / name).write_text(written(form))
