"""The parameters block: for each hyperparameter what was tried, what it gave, what it seems to do, and what is left to try."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from harness.space import Choice, Hyperparameter, Number, Space, Value
from harness.tcs import axis
from harness.tcs.axis import Coverage, Group, Observation, shown
from harness.tcs.evidence import Effect, Strength, effect_of
from harness.tcs.section import Cell, Detail, Level, Points, Scalar, Table, View
from harness.tcs.thresholds import MODERATE_P, NARROW_GAP, POINTS_KEPT
from harness.tcs.words import clean_names, p_text, points, points_text, score_decimals, signed
from harness.trial import Trajectory


class BestAt(StrEnum):
    """Where among the tried values of a number or an ordered choice the best one lies."""

    LOWEST = "low end"
    HIGHEST = "high end"
    INSIDE = "inside"
    ONLY = "only value"


@dataclass(frozen=True)
class Parameter:
    """What the trials say about one hyperparameter.

    groups: tried values in their order, at most 24 (more are joined around the best one); of unordered choices the best 24, best first.
    best_value: the value of the best scored trial in which it was active. beyond: whether its range goes on past `best_value` on that
    side. The hyperparameter itself is `hp`, short name `shown_name`.
    """

    hp: Hyperparameter
    shown_name: str
    active_trials: int
    groups: tuple[Group, ...]
    best_value: Value | None
    best_position: float | None
    best_at: BestAt | None
    beyond: bool
    effect: Effect
    coverage: Coverage

    @property
    def ordered(self) -> bool:
        """Whether its values have a sense of more and less."""
        return not isinstance(self.hp, Choice) or self.hp.ordered

    def holds_best(self, g: Group) -> bool:
        """Whether the best value lies in a group."""
        return self.best_position is not None and g.low_position <= self.best_position <= g.high_position


@dataclass(frozen=True)
class Parameters:
    """All hyperparameters, in the order of the space. `decimals` is how finely scores need to be written to tell them apart."""

    name: ClassVar[str] = "parameters"
    trials: int
    scored: int
    decimals: int
    items: tuple[Parameter, ...]

    @property
    def tested(self) -> int:
        """Hyperparameters whose effect could be tested."""
        return sum(1 for item in self.items if item.effect.p is not None and item.effect.strength is not Strength.TOO_LITTLE)

    def view(self, detail: Detail) -> View:
        if not self.trials:
            return View((("tried", "nothing yet: the whole range of every hyperparameter is open"),))
        columns = (
            "name",
            "tried value:score",
            "effect",
            "widest gap" if detail.level < Level.FULL else "range covered; widest gap",
        )
        rows = tuple(_row(item, detail, self) for item in self.items)
        return View((), (Table("hyperparameters", columns, rows),), self._notes(detail))

    def _notes(self, detail: Detail) -> tuple[str, ...]:
        notes = "* best, x failed, 80(3) mean of 3"
        if self.tested and detail.level > Level.LEAST:
            notes += "; p by permutation"
            notes += f", of {self.tested} tested {points_text(self.tested * MODERATE_P, 1)} fall below {MODERATE_P:g} by chance"
        return (notes,)


class _Latest:
    """The answer for the latest question. Two blocks ask for it in turn, and it is a quarter of the work on 1,000 trials.

    Space and trajectory are frozen, so the same objects have the same answer; they are compared by identity, which costs nothing.
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
    """Read the trajectory along each axis of the space."""
    return _latest(space, trajectory)


def _read_all(space: Space, trajectory: Trajectory) -> Parameters:
    names = clean_names(space.names)
    items = tuple(_read(hp, names[hp.name], axis.observe(hp, trajectory)) for hp in space)
    scores = [t.score for t in trajectory if t.score is not None]
    return Parameters(len(trajectory), len(scores), score_decimals(scores), items)


def _read(hp: Hyperparameter, shown_name: str, seen: list[Observation]) -> Parameter:
    best = max((o for o in seen if o.score_pct is not None), key=lambda o: (o.score_pct or 0.0, -o.trial), default=None)
    unordered = isinstance(hp, Choice) and not hp.ordered
    groups = _levels(seen) if unordered else axis.group(seen, best.position if best else None)
    where = _best_at(seen, best) if best and not unordered else None
    return Parameter(
        hp=hp,
        shown_name=shown_name,
        active_trials=len(seen),
        groups=groups,
        best_value=best.value if best else None,
        best_position=best.position if best else None,
        best_at=where,
        beyond=best is not None and _beyond(hp, best, where),
        effect=effect_of(hp, seen),
        coverage=axis.coverage(hp, seen),
    )


def _levels(seen: list[Observation]) -> tuple[Group, ...]:
    """Group by level, best mean first, levels without a score last."""
    groups = axis.group(seen, None, most=len(seen))
    ranked = sorted(groups, key=lambda g: (g.mean_pct is None, -(g.mean_pct or 0.0)))
    return tuple(ranked[:POINTS_KEPT])


def _best_at(seen: list[Observation], best: Observation) -> BestAt:
    lowest, highest = seen[0].position, seen[-1].position
    if lowest == highest:
        return BestAt.ONLY
    return BestAt.LOWEST if best.position == lowest else BestAt.HIGHEST if best.position == highest else BestAt.INSIDE


def _beyond(hp: Hyperparameter, best: Observation, where: BestAt | None) -> bool:
    if isinstance(hp, Number):
        low, high = best.value != hp.exact(hp.low), best.value != hp.exact(hp.high)
    elif isinstance(hp, Choice) and hp.ordered:
        low, high = best.value != hp.choices[0], best.value != hp.choices[-1]
    else:
        return False
    return (where is BestAt.LOWEST and low) or (where is BestAt.HIGHEST and high) or (where is BestAt.ONLY and (low or high))


def _row(item: Parameter, detail: Detail, of: Parameters) -> tuple[Cell, ...]:
    name = item.shown_name + (" (log)" if isinstance(item.hp, Number) and item.hp.log else "")
    if not item.active_trials:
        return (name, None, "never active", _coverage_text(item, detail))
    groups, left_out = item.groups, 0
    if item.ordered and detail.points > 1:
        groups = axis.fold(groups, item.best_position, detail.points)
    elif item.ordered:
        groups = tuple(g for g in groups if item.holds_best(g))
    else:
        groups, left_out = groups[: detail.points], max(len(groups) - detail.points, 0)
    decimals = of.decimals - (detail.level is Level.LEAST)
    tried = Points(tuple(_point(item, g, decimals) for g in groups), left_out)
    effect = "; ".join(part for part in (_edge_text(item), _effect_text(item, of.scored, detail)) if part)
    return (name, tried, effect, _coverage_text(item, detail))


def _point(item: Parameter, g: Group, decimals: int) -> tuple[Scalar, Scalar]:
    key: Scalar = axis.shown_scalar(item.hp, g.low, rough=True)
    if not g.single:
        key = f"{shown(item.hp, g.low, rough=True)}..{shown(item.hp, g.high, rough=True)}"
    if g.mean_pct is None:
        return key, "x" if g.trials == 1 else f"x({g.trials})"
    best = "*" if item.holds_best(g) else ""
    if g.trials == 1 and not best:
        return key, points(g.mean_pct, decimals)
    many = f"({g.scored})" if g.scored > 1 else ""
    failed = f"x({g.failed})" if g.failed else ""
    return key, f"{points_text(g.mean_pct, decimals)}{many}{best}{failed}"


def _edge_text(item: Parameter) -> str:
    """Say that the best value lies at an end of what was tried, and whether the range goes on there."""
    if item.best_at not in (BestAt.LOWEST, BestAt.HIGHEST):
        return ""
    return f"best at {item.best_at}{', range goes on' if item.beyond else ''}"


def _effect_text(item: Parameter, scored: int, detail: Detail) -> str:
    effect = item.effect
    count = "" if effect.count == scored or detail.level < Level.MORE else f", n {effect.count}"
    if effect.p is None or effect.tau is None or effect.strength is Strength.TOO_LITTLE:
        return f"too little evidence{count}"
    p = f"p {'' if effect.exact else '~'}{p_text(effect.p)}{count}"
    if not effect.strength.speaks:
        return f"{effect.strength}, {p}" if detail.level is Level.FULL else str(effect.strength)
    numbers = f"({effect.strength}, tau {signed(effect.tau)}, {p})"
    if effect.level is not None:
        return f"{shown(item.hp, effect.level)} {'better' if effect.direction > 0 else 'worse'} {numbers}"
    return f"{'higher' if effect.direction > 0 else 'lower'} is better {numbers}"


def _coverage_text(item: Parameter, detail: Detail) -> str | None:
    found = item.coverage
    if found.gap is not None:
        low, high = (shown(item.hp, end, rough=True) for end in (found.gap.low, found.gap.high))
        if detail.level is Level.LEAST and found.gap.share < NARROW_GAP:
            return None
        gap = f"{low}..{high} ({found.gap.share:.0%})"
        return f"{found.share:.0%}; {gap}" if detail.level is Level.FULL else gap
    if not found.untried:
        return "all tried"
    most = detail.pick(2, 3, 4, 6)
    listed = ", ".join(shown(item.hp, value) for value in found.untried[:most])
    return f"untried: {listed}" + (f", .. ({len(found.untried)} in all)" if len(found.untried) > most else "")
