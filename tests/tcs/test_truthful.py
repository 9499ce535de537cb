"""What a summary must not do to a reader, whatever the trajectory: write different things alike, or claim more than the numbers say."""

from __future__ import annotations

import math
import re
from itertools import combinations, pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.space.hyperparameter import Choice, Hyperparameter, Number, Value
from harness.tcs.analysis import axis
from harness.tcs.blocks import changes, failures, last_trial, parameters, status
from harness.tcs.blocks.parameters import BestAt, Parameter
from harness.tcs.thresholds import MODERATE_P, STRONG_P, WEAK_P
from harness.tcs.view.section import DETAILS, Assignments, Detail, Phrase, Points
from harness.tcs.view.values import Wording, bound_text
from harness.tcs.view.words import p_text, points, points_text, share_text
from harness.testing import trajectories as made
from harness.trial import Trajectory, Trial

ANY = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(ANY, max_examples=80)

# Few values, some next to each other: ties, ends and near misses are the rule.
_SCORES = st.sampled_from([0.0, 1e-9, 70.0, 70.001, 70.0009, 95.28571428571429, 95.2857142857143, 99.999, 100.0, -3.5, None])
_NEAR = (0.01, 0.0100004, 0.0104, 0.0099, 1.0, 0.999, 1e-5, 1.0001e-5)
_CONFIGS = st.builds(
    made.config,
    learning_rate=st.sampled_from(_NEAR),
    layers=st.integers(1, 5),
    batch_size=st.sampled_from([16, 32, 64]),
    optimizer=st.sampled_from(["sgd", "adam"]),
    momentum=st.sampled_from([0.0, 0.9, 0.99, 0.9899]),
)
_CURVES = st.lists(st.sampled_from([70.0, 70.0, 70.001, 71.0]), min_size=5, max_size=8).map(made.ok)
trials = st.lists(st.tuples(_CONFIGS, _SCORES | _CURVES), min_size=1, max_size=9).map(lambda pairs: made.trajectory(*pairs))


def scores_of(trajectory: Trajectory) -> list[float]:
    return [t.score for t in trajectory if t.score is not None]


def facts(view: Any) -> dict[str, Any]:
    return {key: cell.text if isinstance(cell, Phrase) else cell for key, cell in view.facts}


# --- numbers ----------------------------------------------------------------------------------------------------------------------


@MANY
@given(
    st.lists(st.one_of(st.floats(-1e12, 1e12), st.sampled_from([0.1, 0.10000001, 99.996, 100.0, 1e-9])), min_size=2),
    st.integers(0, 2),
)
def test_numbers_are_written_alike_only_where_they_are_equal_and_in_their_order(numbers: list[float], decimals: int) -> None:
    texts = {number: points_text(number, decimals, numbers) for number in numbers}
    for (a, a_text), (b, b_text) in combinations(sorted(texts.items()), 2):
        assert a == b or float(a_text) < float(b_text)


@MANY
@given(st.floats(1e-6, 100), st.floats(1e-6, 100))
def test_noise_is_written_on_its_side_of_the_difference(difference: float, noise: float) -> None:
    for noise_pct in (noise, difference):
        word, _, _, shown = status.noise_text(-difference, noise_pct).split()
        assert (word == "within") == (difference <= noise_pct)
        assert (points(difference, 2, (0.0, noise_pct)) <= float(shown)) == (difference <= noise_pct)


@given(st.floats(0, 1) | st.sampled_from([0.004, 0.005, 0.995, 0.9999999]))
def test_all_and_nothing_in_percent_are_all_and_nothing(share: float) -> None:
    assert (share_text(share) == "100%") == (share == 1)
    assert (share_text(share) == "0%") == (share == 0)


@given(st.floats(1e-3, 1) | st.sampled_from([0.0099999, 0.0100001, 0.0499999, 0.0500001, 0.2000001, 0.9999]))
def test_a_written_p_lies_on_the_same_side_of_every_threshold(p: float) -> None:
    shown = float(p_text(p))
    assert [shown <= limit for limit in (STRONG_P, MODERATE_P, WEAK_P)] == [p <= limit for limit in (STRONG_P, MODERATE_P, WEAK_P)]
    assert (shown == 1) == (p == 1)


# --- values -----------------------------------------------------------------------------------------------------------------------


@st.composite
def values_of(draw: st.DrawFn) -> tuple[Hyperparameter, list[Value]]:
    hp = draw(made.hyperparameters("a", []))
    if isinstance(hp, Choice):
        return hp, list(hp.choices)
    drawn = [hp.from_unit(draw(st.sampled_from([0.0, 0.3, 0.30001, 0.3004, 0.31, 0.999, 1.0]) | st.floats(0, 1))) for _ in range(6)]
    return hp, [value for value in drawn if math.isfinite(float(value))]  # a range beyond what floats hold has none


@MANY
@given(values_of(), st.booleans())
def test_values_are_written_alike_only_where_they_are_the_same(drawn: tuple[Hyperparameter, list[Value]], rough: bool) -> None:
    hp, values = drawn
    write = Wording(hp, values, rough=rough)
    texts: dict[str, Value] = {}
    for value in values:
        text = write(value).replace("|", "/")
        other = texts.setdefault(text, value)
        assert type(other) is type(value)
        assert other == value
        if isinstance(hp, Number):
            assert hp.low <= float(text) <= hp.high
            assert value in (hp.low, hp.high) or float(text) not in (hp.low, hp.high)


@MANY
@given(values_of())
def test_a_written_bound_holds_of_the_same_values(drawn: tuple[Hyperparameter, list[Value]]) -> None:
    hp, values = drawn
    if isinstance(hp, Number):
        for a, b in combinations(sorted({float(value) for value in values}), 2):
            least, most = hp.exact(a), hp.exact(b)
            assert a < float(bound_text(hp, most, least)) <= b
            assert a <= float(bound_text(hp, least, most)) < b


# --- sections ---------------------------------------------------------------------------------------------------------------------


@ANY
@given(trials)
def test_ties_for_the_lead_are_shown_and_the_runner_up_is_behind(trajectory: Trajectory) -> None:
    found = status.status(made.SPACE, trajectory, 12)
    scores = scores_of(trajectory)
    assert len(found.shared) == max(scores.count(max(scores, default=0.0)) - 1, 0)
    assert (found.runner_up is None) == (len(set(scores)) < 2)
    shown = facts(found.view(Detail()))
    assert ("shared" in str(shown["incumbent"])) == bool(found.shared)
    if found.runner_up:
        assert found.runner_up.behind_pct > 0
        behind = re.search(r"([\d.e-]+) behind", shown["runner_up"])
        assert behind is not None
        assert float(behind[1]) > 0
    steps = re.findall(r"([-\d.e]+) \(trial", shown.get("trend", ""))
    assert all(float(a) < float(b) for a, b in pairwise(steps))


@ANY
@given(trials)
def test_the_rank_holds_all_ties(trajectory: Trajectory) -> None:
    found, score = last_trial.last_trial(made.SPACE, trajectory, 12), trajectory[-1].score
    if score is not None:
        scores = scores_of(trajectory)
        assert found.rank == 1 + sum(s > score for s in scores)
        assert len(found.tied) == scores.count(score) - 1
        text = facts(found.view(Detail()))["trial"]
        assert any(word in text for word in ("tied", "all equal")) == (scores.count(score) > 1)


@ANY
@given(trials)
def test_two_configurations_read_alike_only_where_they_are_the_same(trajectory: Trajectory) -> None:
    best, last = trajectory.incumbent, trajectory[-1]
    shown = [
        facts(s.view(Detail()))
        for s in (status.status(made.SPACE, trajectory, 12), last_trial.last_trial(made.SPACE, trajectory, 12))
    ]
    if best is not None:
        written = [shown[0]["incumbent_config"], shown[1]["config"]]
        assert all(isinstance(cell, Assignments) for cell in written)
        assert (written[0] == written[1]) == (best.config == last.config)


def check_contrast(contrast: changes.Contrast, row: tuple[Any, ...], a: Trial, b: Trial) -> None:
    differ = {name for name in a.config.keys() | b.config.keys() if a.config.get(name) != b.config.get(name)}
    assert contrast.one_knob == (len(differ) == 1)
    for change in contrast.changed:
        before, after = change.text.removeprefix(change.name).split(" -> ")
        assert before.strip() != after
    reading = str(row[4])
    tie = a.score is not None and a.score == b.score
    assert ("; a tie" in reading) == tie == (row[3] == "0")
    assert ("(" in reading) == bool(contrast.brought)
    if "beyond" in reading:
        assert abs(contrast.gain_pct or 0.0) > (contrast.noise_pct or 0.0)
        assert abs(float(row[3])) > float(reading.rpartition(" ")[2])
    if "within" in reading:
        assert abs(float(row[3])) <= float(reading.rpartition(" ")[2])


@ANY
@given(trials)
def test_a_contrast_says_one_knob_a_tie_and_noise_only_where_they_are(trajectory: Trajectory) -> None:
    found = changes.changes_block(made.SPACE, trajectory, 12)
    if len(trajectory) > 1:
        rows = found.view(Detail()).tables[0].rows
        for contrast, row in zip((*found.last, *found.one_knob), rows, strict=True):
            check_contrast(contrast, row, trajectory[contrast.earlier - 1], trajectory[contrast.later - 1])


def check_edge(item: Parameter, row: tuple[Any, ...], seen: list[axis.Observation]) -> None:
    best: dict[float, float] = {}
    for o in seen:
        if o.score_pct is not None:
            best[o.position] = max(o.score_pct, best.get(o.position, -math.inf))
    goes_on = "range goes on" in row[2]
    assert goes_on == (item.beyond and item.best_at in (BestAt.LOWEST, BestAt.HIGHEST))
    if goes_on:
        top = max(best.values())
        assert len(best) > 1
        assert [p for p, score in best.items() if score == top] in ([seen[0].position], [seen[-1].position])


def check_coverage(item: Parameter, row: tuple[Any, ...], seen: list[axis.Observation]) -> None:
    hp, tried = item.hp, {o.value for o in seen}
    gap = item.coverage.gap
    if isinstance(hp, Number):
        ends = hp.low in tried and hp.high in tried
        assert (item.coverage.share == 1) == ends
        assert gap is None or 0 < gap.share <= 1
        assert (gap is None) == (hp.integer and len(tried) == hp.high - hp.low + 1)
    else:
        assert isinstance(hp, Choice)
        scored = {o.value for o in seen if o.score_pct is not None}
        assert (row[3] == "all tried") == (scored == set(hp.choices))


@ANY
@given(trials)
def test_edges_coverage_and_tried_values_are_what_they_are_called(trajectory: Trajectory) -> None:
    found = parameters.parameters(made.SPACE, trajectory, 12)
    for item, row in zip(found.items, found.view(Detail()).tables[0].rows, strict=True):
        seen = axis.observe(item.hp, trajectory)
        if seen:
            check_edge(item, row, seen)
        check_coverage(item, row, seen)
    for detail in DETAILS:
        for row in found.view(detail).tables[0].rows:
            keys = [str(key) for key, _ in row[1].items] if isinstance(row[1], Points) else []
            assert len(set(keys)) == len(keys)


def _holds(value: Any, sign: str, text: str) -> bool:
    if sign == "=":
        return bool(value == text)
    return bool(value >= float(text) if sign == ">=" else value <= float(text))


@ANY
@given(trials)
def test_a_trait_as_it_is_written_holds_of_the_trials_that_it_counts(trajectory: Trajectory) -> None:
    for trait in failures.failures(made.SPACE, trajectory, 12).traits:
        name, sign, text = trait.text.split()
        seen = axis.observe(trait.hp, trajectory)
        having = [o for o in seen if _holds(o.value, sign, text)]
        assert name == trait.hp.name
        assert sum(o.score_pct is None for o in having) == trait.failed_with
        assert sum(o.score_pct is not None for o in having) == trait.others_with
