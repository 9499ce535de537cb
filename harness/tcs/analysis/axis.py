"""A trajectory seen along one hyperparameter: the tried values, their scores, the covered share of the range, and the widest gap."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from harness.space import Choice, Hyperparameter, Number, Value
from harness.tcs.thresholds import POINTS_KEPT
from harness.tcs.view.words import bounded
from harness.trial import Trajectory


class Observation(NamedTuple):
    """One trial along one axis. `position` is in [0, 1] on the hyperparameter's own scale; the score is None for a failed trial."""

    position: float
    trial: int
    value: Value
    score_pct: float | None


@dataclass(frozen=True, slots=True)
class Group:
    """The trials whose values lie from `low` to `high` (equal for a single value).

    `mean_pct` and `best_pct` are taken over the `scored` trials among them; None when there are none.
    """

    low: Value
    high: Value
    low_position: float
    high_position: float
    trials: int
    scored: int
    mean_pct: float | None
    best_pct: float | None

    @property
    def failed(self) -> int:
        """The number of trials without a score."""
        return self.trials - self.scored

    @property
    def single(self) -> bool:
        """Whether all its trials had the same value."""
        return self.low_position == self.high_position


@dataclass(frozen=True, slots=True)
class Gap:
    """The widest interval of a number's range in which nothing was tried.

    low, high: the tried values at its two sides. With `open_low` (`open_high`) it is instead the untried end of the range.
    share: its share of the range, in [0, 1], on the hyperparameter's own scale. An integer covers half a step to either side, so the
        share is that of the untried integers.
    """

    low: Value
    high: Value
    share: float
    open_low: bool = False
    open_high: bool = False


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the range was tried.

    share: the part of the range from the lowest to the highest tried value, in [0, 1]; for a choice, the share of tried levels. It is 1
        exactly when both ends (every level) were tried.
    gap: the widest gap of a number; None when there is none, and for a choice.
    untried: the untried levels of a choice.
    failed: the levels that were tried but have no score; for an integer only when every value was tried.
    """

    share: float
    gap: Gap | None = None
    untried: tuple[Value, ...] = ()
    failed: tuple[Value, ...] = ()


def observe(hp: Hyperparameter, trajectory: Trajectory) -> list[Observation]:
    """Return the trials in which `hp` was active, ordered by position, then by trial number."""
    place, name, seen = scale(hp), hp.name, []
    for trial in trajectory.trials:
        config, score = trial.proposal.config, trial.outcome.val_score_pct
        if name in config:
            value = config[name]
            seen.append(Observation(place(value), trial.number, value, score if score is None else bounded(score)))
    # No two observations have the same position and trial number, so the sort never compares values of different types.
    seen.sort()
    return seen


def scale(hp: Hyperparameter) -> Callable[[Value], float]:
    """Return the function from a value of `hp` to its position: as `hp.to_unit`, but never outside [0, 1] by rounding or overflow.

    It is called for thousands of values, so everything that depends only on the range is computed once.
    """
    if isinstance(hp, Choice):
        # True == 1 in Python, and both may be choices.
        places = {(isinstance(choice, bool), choice): (i + 0.5) / len(hp.choices) for i, choice in enumerate(hp.choices)}
        return lambda value: places[isinstance(value, bool), value]
    assert isinstance(hp, Number)
    own = math.log if hp.log else float
    start, end, low, high = own(hp.low), own(hp.high), hp.to_unit(hp.low), hp.to_unit(hp.high)
    if not math.isfinite(end - start):
        return lambda value: 0.5 + 0.25 * (float(value) / hp.high - float(value) / hp.low)
    slope = (high - low) / (end - start)

    def place(value: Value) -> float:
        position = low + (own(float(value)) - start) * slope
        return position if 0.0 <= position <= 1.0 else float(position > 0.5)

    return place


def group(observations: Sequence[Observation], best: float | None, most: int = POINTS_KEPT) -> tuple[Group, ...]:
    """Group observations (ordered by position) by value; more than `most` values are joined as in `fold`."""
    starts = [i for i, o in enumerate(observations) if i == 0 or observations[i - 1].position != o.position]
    ends = [*starts[1:], len(observations)][: len(starts)]
    at = next((k for k, i in enumerate(starts) if observations[i].position == best), None)
    runs = _partition([end - start for start, end in zip(starts, ends, strict=True)], at, most)
    return tuple(_group_of(observations[starts[a] : ends[b - 1]]) for a, b in runs)


def _group_of(run: Sequence[Observation]) -> Group:
    scores = [o.score_pct for o in run if o.score_pct is not None]
    mean = math.fsum(scores) / len(scores) if scores else None
    first, last = run[0], run[-1]
    return Group(first.value, last.value, first.position, last.position, len(run), len(scores), mean, max(scores, default=None))


def fold(groups: Sequence[Group], best: float | None, most: int) -> tuple[Group, ...]:
    """Join neighbouring groups until at most `most` (at least 3) are left, each with about equally many trials.

    The group at position `best` is never joined with others, so that the values below it, at it and above it can be compared.
    """
    at = next((i for i, g in enumerate(groups) if best is not None and g.low_position <= best <= g.high_position), None)
    return tuple(_joined(groups[a:b]) for a, b in _partition([g.trials for g in groups], at, most))


def _partition(weights: Sequence[int], apart: int | None, most: int) -> list[tuple[int, int]]:
    """Split range(len(weights)) into at most `most` (at least 3) runs of about equal weight; index `apart` gets its own run."""
    size, most = len(weights), max(most, 3)
    if size <= most:
        return [(i, i + 1) for i in range(size)]
    if apart is None:
        return _even(weights, 0, size, most)
    below, above = sum(weights[:apart]), sum(weights[apart + 1 :])
    slots = most - 1
    for_below = min(max(round(slots * below / (below + above)), apart > 0), slots - (apart < size - 1))
    return [*_even(weights, 0, apart, for_below), (apart, apart + 1), *_even(weights, apart + 1, size, slots - for_below)]


def _even(weights: Sequence[int], start: int, end: int, most: int) -> list[tuple[int, int]]:
    """Split range(start, end) into at most `most` runs; the middle of its weight decides to which run an index goes."""
    total, before, current = sum(weights[start:end]), 0.0, -1
    first: list[int] = []
    for i in range(start, end):
        run = min(int((before + weights[i] / 2) * most / total), most - 1) if end - start > most else i
        if run != current:
            first.append(i)
        current, before = run, before + weights[i]
    return list(zip(first, [*first[1:], end], strict=True)) if first else []


def _joined(run: Sequence[Group]) -> Group:
    if len(run) == 1:
        return run[0]
    scored = sum(g.scored for g in run)
    mean = math.fsum(g.mean_pct * g.scored for g in run if g.mean_pct is not None) / scored if scored else None
    best = max((g.best_pct for g in run if g.best_pct is not None), default=None)
    first, last = run[0], run[-1]
    return Group(first.low, last.high, first.low_position, last.high_position, sum(g.trials for g in run), scored, mean, best)


def coverage(hp: Hyperparameter, observations: Sequence[Observation]) -> Coverage:
    """Return how much of the range of `hp` the observations (ordered by position) cover."""
    if isinstance(hp, Number):
        if not observations:
            return Coverage(0.0, Gap(hp.exact(hp.low), hp.exact(hp.high), 1.0, True, True))
        gap = _widest_gap(hp, observations)
        failed = () if gap else _unscored(observations)
        return Coverage(_covered(hp, observations[0].value, observations[-1].value), gap, failed=failed)
    assert isinstance(hp, Choice)
    tried, place = {o.position for o in observations}, scale(hp)
    untried = tuple(choice for choice in hp.choices if place(choice) not in tried)
    return Coverage(1 - len(untried) / len(hp.choices), None, untried, _unscored(observations))


def _unscored(observations: Sequence[Observation]) -> tuple[Value, ...]:
    scored = {o.position for o in observations if o.score_pct is not None}
    return tuple({o.position: o.value for o in observations if o.position not in scored}.values())


def _covered(hp: Number, first: Value, last: Value) -> float:
    if float(first) <= hp.low and float(last) >= hp.high:
        return 1.0
    place, half = scale(hp), 0.5 if hp.integer else 0.0
    return min(place(float(last) + half) - place(float(first) - half), math.nextafter(1.0, 0.0))


def _widest_gap(hp: Number, observations: Sequence[Observation]) -> Gap | None:
    first, last = observations[0].value, observations[-1].value
    low, high = hp.exact(hp.low), hp.exact(hp.high)
    place, half = scale(hp), 0.5 if hp.integer else 0.0
    gaps = []
    if float(first) > hp.low:
        gaps.append(Gap(low, first, place(float(first) - half), open_low=True))
    inside = max(_inner_gaps(hp, observations), key=lambda gap: gap.share, default=None)
    gaps += [inside] if inside and inside.share > 0 else []
    if float(last) < hp.high:
        gaps.append(Gap(last, high, 1 - place(float(last) + half), open_high=True))
    return max(gaps, key=lambda gap: gap.share, default=None)


def _inner_gaps(hp: Number, observations: Sequence[Observation]) -> Iterator[Gap]:
    place = scale(hp)
    for a, b in pairwise(observations):
        if not hp.integer:
            yield Gap(a.value, b.value, b.position - a.position)
        elif float(b.value) - float(a.value) >= 2:  # there is nothing to try between neighbouring integers
            yield Gap(a.value, b.value, place(float(b.value) - 0.5) - place(float(a.value) + 0.5))
