"""What the model is shown about the trials: five contexts, all in the same prompt.

tcs        the summary of the expert blocks; this is the method
raw        every epoch of every trial; the ablation: the same information without the summary
scores     configurations and scores only
blind      the past proposals without results; this shows what the model knows without any evidence
shuffled   the summary of the same trials with permuted outcomes; this shows whether the model uses the outcomes at all
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from harness.errors import SettingsError, near
from harness.seeding import keyed_random
from harness.space import Config, Space, Value
from harness.tcs import ALL_BLOCKS, Format, Summary, blocks_named, render, summarize
from harness.trial import Epoch, Objective, Trajectory, Trial

CONTEXTS = ("tcs", "raw", "scores", "blind", "shuffled")
SUMMARISED = ("tcs", "shuffled")  # the contexts that show the summary
TABLE_CONTEXTS = ("scores", "shuffled")  # what a table of trials can show (`agent.form=table`)
SCORES = ("train_score_pct", "val_score_pct")  # in points; losses are in their own unit
NOTHING = "None yet: this is the first trial."
_COLUMNS = (
    ("train_loss", "train loss"),
    ("val_loss", "validation loss"),
    ("train_score_pct", "train score"),
    ("val_score_pct", "validation score"),
)

Summarizer: TypeAlias = Callable[[Space, Trajectory, int, Sequence[str]], Summary]


@dataclass(frozen=True)
class Context:
    """One kind of context, and how it is written.

    kind: one of CONTEXTS.
    blocks, format: of the summary (settings `tcs.blocks` and `tcs.format`).
    log_every: `raw` lists every so many epochs, from the first on, and always the last one; at least 1.
    digits: of the floats of a configuration, but in the summary, which has its own rule; None: all.
    summarize: what makes the summary.

    Raises SettingsError for a value that is not allowed.
    """

    kind: str
    blocks: tuple[str, ...] = ALL_BLOCKS
    format: str = "text"
    log_every: int = 1
    digits: int | None = None
    summarize: Summarizer = summarize

    def __post_init__(self) -> None:
        if self.kind not in CONTEXTS:
            raise SettingsError(f"optimizer.context={self.kind}: no such context{near(self.kind, CONTEXTS)}")
        blocks_named(self.blocks)
        if self.format not in tuple(Format):
            raise SettingsError(f"tcs.format={self.format}: no such format{near(self.format, Format)}")
        if self.log_every < 1:
            raise SettingsError(f"agent.log_every={self.log_every}: must be 1 or more")

    def text(self, space: Space, trajectory: Trajectory, *, budget: int, seed: int, summary_of_nothing: bool = False) -> str:
        """Return the text about `trajectory` that the model reads before it proposes trial `len(trajectory) + 1`.

        Before the first trial all contexts say the same, unless `summary_of_nothing` asks for the summary even then.
        """
        if not len(trajectory) and not (summary_of_nothing and self.kind in SUMMARISED):
            return NOTHING
        if self.kind in SUMMARISED:
            shown = self.outcomes(trajectory, seed)
            return render(self.summarize(space, shown, budget, self.blocks), Format(self.format)).strip()
        if self.kind == "blind":
            return "\n".join(f"Trial {t.number}: {self._config(t)}" for t in trajectory) + "\nTheir results are not shown."
        if self.kind == "scores":
            return "\n".join(self._scored(t, trajectory.objective) for t in trajectory)
        logged = (_log(t.outcome.curve, self.log_every, trajectory.objective) for t in trajectory)
        return "\n\n".join(f"{self._scored(t, trajectory.objective)}\n{log}" for t, log in zip(trajectory, logged, strict=True))

    def outcomes(self, trajectory: Trajectory, seed: int) -> Trajectory:
        """Return the trajectory with the outcomes that this context shows: permuted for `shuffled`."""
        if self.kind != "shuffled":
            return trajectory
        return trajectory.shuffled(keyed_random(seed, "shuffled context", len(trajectory)))

    def _config(self, trial: Trial) -> str:
        return json.dumps(in_digits(trial.config, self.digits), ensure_ascii=False)

    def _scored(self, trial: Trial, objective: Objective) -> str:
        outcome = trial.outcome
        if trial.score is None:
            result = f"failed ({outcome.status}: {outcome.error})"
        else:
            result = f"validation score {objective.text(objective.value(trial.score))}"
        return f"Trial {trial.number}: {self._config(trial)} -> {result}"


def in_digits(config: Mapping[str, Value], digits: int | None) -> Config:
    """Return a configuration with its floats in so many significant digits; None: all."""
    if digits is None:
        return dict(config)
    return {name: float(f"{value:.{digits}g}") if isinstance(value, float) else value for name, value in config.items()}


def _log(curve: Sequence[Epoch], every: int, objective: Objective) -> str:
    kept = [epoch for place, epoch in enumerate(curve, start=1) if (place - 1) % every == 0 or place == len(curve)]
    rows = []
    for epoch in kept:
        measured = [(name, label, getattr(epoch, name)) for name, label in _COLUMNS]
        shown = [(label, objective.value(v) if name in SCORES and v is not None else v) for name, label, v in measured]
        values = [f"{label} {_figure(value)}" for label, value in shown if value is not None]
        rows.append(f"  epoch {epoch.number}: {', '.join(values)}")
    return "\n".join(rows) or "  (no epoch was logged)"


def _figure(value: float) -> str:
    return f"{value:.5g}" if math.isfinite(value) else str(value)
