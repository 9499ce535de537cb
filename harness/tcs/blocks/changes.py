"""The changes block: what the last trial changed, how the score moved, and which pairs of trials differ in one hyperparameter only.

The summary calls such a pair "one knob"; so do the names in this module.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from harness.space import Space
from harness.tcs.analysis.configs import Brought, Change, brought, changes, count_changes, wordings
from harness.tcs.blocks.status import noise_text, pair_noise_pct
from harness.tcs.thresholds import CONTRAST_WINDOW, CONTRASTS_KEPT
from harness.tcs.view.scale import PERCENT_SCALE, Scale
from harness.tcs.view.section import Cell, Detail, Table, View
from harness.tcs.view.values import Wording
from harness.tcs.view.words import bounded
from harness.trial import Trajectory, Trial, incumbent

_BROUGHT_KEPT = 3


class Role(StrEnum):
    """Which trial the later one is compared with."""

    PREVIOUS = "previous"
    INCUMBENT = "best before"
    BOTH = "previous and best before"
    OTHER = "one knob"


@dataclass(frozen=True)
class Contrast:
    """The comparison of trial `later` with trial `earlier`.

    changed: the differences among the hyperparameters that are active in both, largest step first; empty for equal configurations.
    brought: the hyperparameters that are active in only one of the two, because a parent of theirs changed.
    gain_pct: the later score minus the earlier score, in points; None when either trial failed.
    noise_pct: the epoch-to-epoch noise of that difference, in points. It is a lower bound of the noise between seeds.
    outcome: both results as text, `earlier -> later`: a score, or the status of a failed trial.
    """

    later: int
    earlier: int
    role: Role
    changed: tuple[Change, ...]
    brought: tuple[Brought, ...]
    gain_pct: float | None
    noise_pct: float | None
    outcome: str
    scale: Scale = field(default=PERCENT_SCALE, repr=False)

    @property
    def one_knob(self) -> bool:
        """Whether exactly one hyperparameter differs and activates or deactivates no other, so that the gain is its effect plus noise."""
        return len(self.changed) == 1 and not self.brought

    @property
    def tie(self) -> bool:
        """Whether the two scores are equal."""
        return self.gain_pct == 0

    @property
    def within_noise(self) -> bool:
        """Whether the gain is no larger than the noise."""
        return self.gain_pct is not None and self.noise_pct is not None and abs(self.gain_pct) <= self.noise_pct


@dataclass(frozen=True)
class Changes:
    """Comparisons of trials.

    last: the last trial against the previous one, and against the best trial before it (one comparison when these are the same trial).
    one_knob: the newest pairs among the last 30 trials and the incumbent in which one hyperparameter differs. It may activate or
        deactivate others; `Contrast.one_knob` is then False.
    """

    name: ClassVar[str] = "changes"
    last: tuple[Contrast, ...]
    one_knob: tuple[Contrast, ...]

    def view(self, detail: Detail) -> View:
        if not self.last:
            return View((("changes", "fewer than two trials: nothing to compare"),))
        # A few of many simultaneous changes explain nothing: they are only counted.
        most = detail.pick(3, 3, 4, 4)
        columns = ("trial", "against", "changed", "score", "reading")
        kept = self.one_knob[: detail.pick(1, 2, 4, CONTRASTS_KEPT)]
        rows = tuple(_row(contrast, most) for contrast in (*self.last, *kept))
        return View((), (Table("contrasts", columns, rows, len(self.one_knob) - len(kept)),))


def changes_block(space: Space, trajectory: Trajectory, budget: int) -> Changes:  # noqa: ARG001  (the contract of a block)
    """Compare the last trial with the previous one and with the best before it, and find pairs that differ in one hyperparameter."""
    if len(trajectory) < 2:
        return Changes((), ())
    last, previous = trajectory[-1], trajectory[-2]
    best = incumbent(trajectory.trials[:-1])
    if best is None or best is previous:
        role = Role.BOTH if best is previous else Role.PREVIOUS
        pairs = [(last, previous, role)]
    else:
        pairs = [(last, previous, Role.PREVIOUS), (last, best, Role.INCUMBENT)]
    compared = {(a.number, b.number) for a, b, _ in pairs}
    single = [(a, b, Role.OTHER) for a, b in _one_knob_pairs(trajectory) if (a.number, b.number) not in compared]
    kept = [*pairs, *single[:CONTRASTS_KEPT]]
    written = wordings(space, [trial.config for a, b, _ in kept for trial in (a, b)], rough=True)
    contrasts = [_contrast(space, *pair, written, Scale(trajectory.objective)) for pair in kept]
    return Changes(tuple(contrasts[: len(pairs)]), tuple(contrasts[len(pairs) :]))


def _one_knob_pairs(trajectory: Trajectory) -> Iterator[tuple[Trial, Trial]]:
    """Yield pairs (later, earlier) in which one hyperparameter differs, the newest first."""
    recent = trajectory.trials[-CONTRAST_WINDOW:]
    best = trajectory.incumbent
    if best is not None and best.number < recent[0].number:
        recent = (best, *recent)
    for j in range(len(recent) - 1, 0, -1):
        for i in range(j - 1, -1, -1):
            if count_changes(recent[i].config, recent[j].config) == 1:
                yield recent[j], recent[i]


def _contrast(space: Space, later: Trial, earlier: Trial, role: Role, written: Mapping[str, Wording], scale: Scale) -> Contrast:
    scored = later.score is not None and earlier.score is not None
    return Contrast(
        later=later.number,
        earlier=earlier.number,
        role=role,
        changed=changes(space, earlier.config, later.config, written),
        brought=brought(space, earlier.config, later.config),
        gain_pct=bounded(later.score or 0.0) - bounded(earlier.score or 0.0) if scored else None,
        noise_pct=pair_noise_pct(later, earlier) if scored else None,
        outcome=f"{_ending(earlier, scale)} -> {_ending(later, scale)}",
        scale=scale,
    )


def _ending(trial: Trial, scale: Scale) -> str:
    return trial.outcome.status.value if trial.score is None else scale.score_text(bounded(trial.score))


def _row(contrast: Contrast, most: int) -> tuple[Cell, ...]:
    noise = contrast.noise_pct or 0.0
    gain = contrast.outcome if contrast.gain_pct is None else contrast.scale.signed(contrast.gain_pct, apart=(0.0, noise, -noise))
    against = f"{contrast.earlier} ({contrast.role})" if contrast.role is not Role.OTHER else str(contrast.earlier)
    return (contrast.later, against, _changed_text(contrast, most), gain, _reading(contrast))


def _changed_text(contrast: Contrast, most: int) -> str | None:
    """List the changes when there are at most `most`; None where there are more."""
    if not contrast.changed:
        return "nothing: the same configuration"
    return "; ".join(change.text for change in contrast.changed) if len(contrast.changed) <= most else None


def _reading(contrast: Contrast) -> str:
    count = len(contrast.changed)
    knobs = "ONE KNOB" if count == 1 else f"{count} knobs mixed" if count else "repeat"
    if contrast.brought:
        kept = [other.text for other in contrast.brought[:_BROUGHT_KEPT]]
        more = [f"{len(contrast.brought) - len(kept)} more"] if len(kept) < len(contrast.brought) else []
        knobs += f" ({', '.join([*kept, *more])})"
    if contrast.tie:
        return f"{knobs}; a tie"
    if contrast.gain_pct is None or contrast.noise_pct is None:
        return knobs
    return f"{knobs}; {noise_text(contrast.gain_pct, contrast.noise_pct, contrast.scale)}"
