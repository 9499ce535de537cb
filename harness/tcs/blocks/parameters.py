"""The parameters block: for each hyperparameter, the tried values with their scores, the effect on the score, and the untried ranges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from harness.space import Choice, Hyperparameter, Number, Space, Value
from harness.tcs.analysis import axis
from harness.tcs.analysis.axis import Coverage, Group, Observation
from harness.tcs.analysis.effects import Effect, Strength, effect_of
from harness.tcs.thresholds import MODERATE_P, NARROW_GAP, POINTS_KEPT
from harness.tcs.view.scale import PERCENT_SCALE, Scale
from harness.tcs.view.section import Cell, Detail, Level, Points, Scalar, Table, View
from harness.tcs.view.values import Wording, bound_text, falls, sides
from harness.tcs.view.words import (
    clean_names,
    p_text,
    points_text,
    score_anchors,
    score_decimals,
    share_text,
    shortest,
    signed,
)
from harness.trial import Trajectory


class BestAt(StrEnum):
    """Where the best value lies among the tried values of a number or an ordered choice.

    `ONLY`: no other value has a score. `SHARED`: several values have the best score, so no single value is the best.
    """

    LOWEST = "low end"
    HIGHEST = "high end"
    INSIDE = "inside"
    ONLY = "only value"
    SHARED = "several values"


@dataclass(frozen=True)
class Parameter:
    """What the trials say about one hyperparameter.

    hp, shown_name: the hyperparameter and its short name.
    active_trials: the number of trials in which it was active.
    groups: the tried values in order, at most 24 groups (more are joined around the best value); for an unordered choice the 24 best
        levels, best first.
    best_value, best_position, best_pct: value, position in [0, 1] and score of the best scored trial in which it was active (the first
        one on a tie); None when no such trial has a score.
    best_at: where the best value lies among the tried ones; None for an unordered choice.
    beyond: True when the best value is the outermost tried value, the range continues past it, and no other value is as good, neither
        by its best trial nor by its mean.
    failed_past: the nearest value below all scored values, and the nearest above them, that was tried and failed; None where there is
        none.
    effect, coverage: see `analysis/effects.py` and `analysis/axis.py`.
    """

    hp: Hyperparameter
    shown_name: str
    active_trials: int
    groups: tuple[Group, ...]
    best_value: Value | None
    best_position: float | None
    best_pct: float | None
    best_at: BestAt | None
    beyond: bool
    failed_past: tuple[Value | None, Value | None]
    effect: Effect
    coverage: Coverage

    @property
    def ordered(self) -> bool:
        """Whether its values have an order."""
        return not isinstance(self.hp, Choice) or self.hp.ordered

    def holds_best(self, g: Group) -> bool:
        """Say whether a trial of group `g` has the best score."""
        return g.best_pct is not None and g.best_pct == self.best_pct


@dataclass(frozen=True)
class Parameters:
    """All hyperparameters, in the order of the space. `decimals` is the number of decimals with which scores are written."""

    name: ClassVar[str] = "parameters"
    trials: int
    scored: int
    decimals: int
    items: tuple[Parameter, ...]
    scale: Scale = field(default=PERCENT_SCALE, repr=False)

    @property
    def tested(self) -> int:
        """The number of hyperparameters whose effect could be tested."""
        return sum(1 for item in self.items if item.effect.p is not None and item.effect.strength is not Strength.TOO_LITTLE)

    def view(self, detail: Detail) -> View:
        if not self.trials:
            return View((("tried", "nothing yet: the whole range of every hyperparameter is open"),))
        columns = (
            "name",
            "tried value:score",
            "effect",
            "widest gap",
        )
        rows = tuple(_row(item, detail, self) for item in self.items)
        return View((), (Table("hyperparameters", columns, rows),), self._notes(detail))

    def _notes(self, detail: Detail) -> tuple[str, ...]:
        notes = "* best trial, x failed, 80(3) mean of 3"
        if not self.tested:
            notes += f"; {Strength.TOO_LITTLE} for any effect"
        if self.tested and detail.level > Level.LEAST:
            notes += "; p by permutation"
            notes += f", of {self.tested} tested {points_text(self.tested * MODERATE_P, 1)} fall below {MODERATE_P:g} by chance"
        return (notes,)


class _Latest:
    """A cache of one result. Two blocks need the same result, and it is a quarter of the work on 1,000 trials.

    Space and trajectory are immutable, so the same objects give the same result. They are compared by identity, which is fast.
    """

    def __init__(self) -> None:
        self._known: tuple[Space, Trajectory, Parameters] | None = None

    def __call__(self, space: Space, trajectory: Trajectory) -> Parameters:
        known = self._known
        if known is None or known[0] is not space or known[1] is not trajectory:
            known = self._known = (space, trajectory, _read_all(space, trajectory))
        return known[2]


_latest = _Latest()


def parameters(space: Space, trajectory: Trajectory, budget: int) -> Parameters:  # noqa: ARG001  (the contract of a block)
    """Summarize the trajectory for each hyperparameter of the space."""
    return _latest(space, trajectory)


def _read_all(space: Space, trajectory: Trajectory) -> Parameters:
    names = clean_names(space.names)
    items = tuple(_read(hp, names[hp.name], axis.observe(hp, trajectory)) for hp in space)
    scores = [t.score for t in trajectory if t.score is not None]
    return Parameters(len(trajectory), len(scores), score_decimals(scores), items, Scale(trajectory.objective))


def _read(hp: Hyperparameter, shown_name: str, seen: list[Observation]) -> Parameter:
    best = max((o for o in seen if o.score_pct is not None), key=lambda o: (o.score_pct or 0.0, -o.trial), default=None)
    unordered = isinstance(hp, Choice) and not hp.ordered
    groups = _levels(seen) if unordered else axis.group(seen, best.position if best else None)
    where = None if best is None or unordered else _best_at(seen, best)
    return Parameter(
        hp=hp,
        shown_name=shown_name,
        active_trials=len(seen),
        groups=groups,
        best_value=best.value if best else None,
        best_position=best.position if best else None,
        best_pct=best.score_pct if best else None,
        best_at=where,
        beyond=best is not None and _goes_on(hp, best, where) and (where is BestAt.ONLY or _best_by_mean(groups, best)),
        failed_past=(None, None) if unordered else _failed_past(seen),
        effect=effect_of(hp, seen),
        coverage=axis.coverage(hp, seen),
    )


def _levels(seen: list[Observation]) -> tuple[Group, ...]:
    """Group the trials by level: the best mean first, levels without a score last."""
    groups = axis.group(seen, None, most=len(seen))
    ranked = sorted(groups, key=lambda g: (g.mean_pct is None, -(g.mean_pct or 0.0)))
    return tuple(ranked[:POINTS_KEPT])


def _best_at(seen: list[Observation], best: Observation) -> BestAt:
    if len({o.position for o in seen if o.score_pct == best.score_pct}) > 1:
        return BestAt.SHARED
    if len({o.position for o in seen if o.score_pct is not None}) == 1:
        return BestAt.ONLY
    lowest, highest = seen[0].position, seen[-1].position
    return BestAt.LOWEST if best.position == lowest else BestAt.HIGHEST if best.position == highest else BestAt.INSIDE


def _goes_on(hp: Hyperparameter, best: Observation, where: BestAt | None) -> bool:
    if isinstance(hp, Number):
        low, high = best.value != hp.exact(hp.low), best.value != hp.exact(hp.high)
    elif isinstance(hp, Choice) and hp.ordered:
        low, high = best.value != hp.choices[0], best.value != hp.choices[-1]
    else:
        return False
    return (where is BestAt.LOWEST and low) or (where is BestAt.HIGHEST and high) or (where is BestAt.ONLY and (low or high))


def _best_by_mean(groups: tuple[Group, ...], best: Observation) -> bool:
    """Say whether the mean at the best value exceeds all other means: one lucky trial among bad ones is no evidence for a direction."""
    own = [g.mean_pct for g in groups if g.mean_pct is not None and g.low_position <= best.position <= g.high_position]
    rest = [g.mean_pct for g in groups if g.mean_pct is not None and not g.low_position <= best.position <= g.high_position]
    return max(own, default=0.0) > max(rest, default=-math.inf)


def _failed_past(seen: list[Observation]) -> tuple[Value | None, Value | None]:
    scored = [o.position for o in seen if o.score_pct is not None]
    if not scored:
        return None, None
    below = [o.value for o in seen if o.position < scored[0]]
    above = [o.value for o in seen if o.position > scored[-1]]
    return below[-1] if below else None, above[0] if above else None


def _row(item: Parameter, detail: Detail, of: Parameters) -> tuple[Cell, ...]:
    name = item.shown_name
    if not item.active_trials:
        return (name, None, "never active", _coverage_text(item, detail, wording(item, ())))
    groups, left_out = item.groups, 0
    if item.ordered and detail.points > 1:
        groups = axis.fold(groups, item.best_position, detail.points)
    elif item.ordered:
        groups = tuple(g for g in groups if g.low_position <= (item.best_position or 0.0) <= g.high_position and g.scored)
    else:
        groups, left_out = groups[: detail.points], max(len(groups) - detail.points, 0)
    write = wording(item, groups)
    decimals = of.decimals - (detail.level is Level.LEAST)
    means = sorted({g.mean_pct for g in groups if g.mean_pct is not None})
    tried = Points(tuple(_point(item, g, decimals, means, write, of.scale) for g in groups), left_out)
    effect = "; ".join(part for part in (_edge_text(item), _effect_text(item, of, detail, write)) if part)
    return (name, tried, effect, _coverage_text(item, detail, write))


def wording(item: Parameter, groups: Sequence[Group]) -> Wording:
    """Return how to write the values of a hyperparameter when these groups of tried values are shown."""
    gap = item.coverage.gap
    ends = [end for g in groups for end in (g.low, g.high)] + [end for end in item.failed_past if end is not None]
    return Wording(item.hp, [*ends, gap.low, gap.high] if gap else ends, rough=True)


def _point(item: Parameter, g: Group, decimals: int, means: Sequence[float], write: Wording, scale: Scale) -> tuple[Scalar, Scalar]:
    key: Scalar = write.scalar(g.low) if g.single else f"{write(g.low)}..{write(g.high)}"
    if g.mean_pct is None:
        return key, "x" if g.trials == 1 else f"x({g.trials})"
    best, score = (
        "*" if item.holds_best(g) else "",
        scale.score(g.mean_pct, decimals, score_anchors(g.mean_pct, means)),
    )
    if g.trials == 1 and not best:
        return key, score
    many = f"({g.scored})" if g.scored > 1 else ""
    failed = f"x({g.failed})" if g.failed else ""
    return key, f"{shortest(score)}{many}{best}{failed}"


def _edge_text(item: Parameter) -> str:
    """Say that the best value is the lowest or the highest tried one, and whether the range continues there."""
    if item.best_at not in (BestAt.LOWEST, BestAt.HIGHEST):
        return ""
    end = sides(item.hp)[item.best_at is BestAt.HIGHEST].end
    return f"best at {end}{', range goes on' if item.beyond else ''}"


def _effect_text(item: Parameter, of: Parameters, detail: Detail, write: Wording) -> str:
    effect = item.effect
    count = "" if effect.count == of.scored or detail.level < Level.MORE else f", n {effect.count}"
    if effect.values == 0:
        return "no score"
    if effect.values == 1 or effect.scores == 1:
        return f"{'one value scored' if effect.values == 1 else 'all scores equal'}{count}"
    if effect.p is None or effect.tau is None or effect.strength is Strength.TOO_LITTLE:
        return f"{Strength.TOO_LITTLE}{count}" if of.tested else ""  # said once, in the note
    p = f"p {'' if effect.exact else '~'}{p_text(effect.p)}{count}"
    if not effect.strength.speaks:
        return f"{effect.strength}, {p}" if detail.level is Level.FULL else str(effect.strength)
    tau = -effect.tau if falls(item.hp) else effect.tau
    numbers = f"({effect.strength}, tau {signed(tau, apart=(-1.0, 0.0, 1.0))}, {p})"
    if effect.level is not None:
        return f"{write(effect.level)} {'better' if effect.direction > 0 else 'worse'} {numbers}"
    # Only scored trials count for the effect. On its good side trainings may still fail, so the text says where they did.
    failed = item.failed_past[effect.direction > 0]
    return f"{sides(item.hp)[effect.direction > 0].toward} is better{'' if failed is None else f', x at {write(failed)}'} {numbers}"


def gap_text(item: Parameter, write: Wording) -> str:
    """Write the widest gap of a number as a range of untried values."""
    gap = item.coverage.gap
    assert gap is not None
    if gap.open_low and gap.open_high:
        return "whole range"
    if gap.open_high:
        return f"above {bound_text(item.hp, gap.low, gap.high, rough=True)}"
    if gap.open_low:
        return f"below {bound_text(item.hp, gap.high, gap.low, rough=True)}"
    return f"{write(gap.low)}..{write(gap.high)}"


def _coverage_text(item: Parameter, detail: Detail, write: Wording) -> str | None:
    found, most = item.coverage, detail.pick(2, 3, 4, 6)
    if found.gap is not None:
        if detail.level is Level.LEAST and found.gap.share < NARROW_GAP:
            return None
        gap = f"{gap_text(item, write)} ({share_text(found.gap.share)})"
        return gap
    if found.untried:
        return f"untried: {_listed(found.untried, most, write)}"
    # A level that was tried and failed has no score, so its worth is unknown.
    return f"all tried, failed: {_listed(found.failed, most, write)}" if found.failed else "all tried"


def _listed(values: Sequence[Value], most: int, write: Wording) -> str:
    listed = ", ".join(write(value) for value in values[:most])
    return listed + (f", .. ({len(values)} in all)" if len(values) > most else "")
