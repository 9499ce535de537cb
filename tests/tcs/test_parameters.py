from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.space import Space
from harness.space.hyperparameter import Choice
from harness.tcs.analysis import axis
from harness.tcs.analysis.effects import Strength, effect_of, strength
from harness.tcs.blocks.parameters import BestAt, Parameter, Parameters, parameters
from harness.tcs.view.section import Detail, Level, Points
from harness.tcs.view.words import share_text
from harness.testing.trajectories import SPACE, config, hyperparameters, trajectory


def reading(name: str, *pairs: tuple[Any, float | None]) -> Parameter:
    trials = [(config(**({"optimizer": "sgd"} if name == "momentum" else {}), **{name: value}), score) for value, score in pairs]
    found = parameters(SPACE, trajectory(*trials), 20)
    return next(item for item in found.items if item.hp.name == name)


def row(found: Parameters, name: str, detail: Detail | None = None) -> tuple[Any, ...]:
    table = found.view(detail or Detail()).tables[0]
    return next(row for row in table.rows if str(row[0]).startswith(name))


def of(name: str, *pairs: tuple[Any, float | None]) -> Parameters:
    return parameters(SPACE, trajectory(*[(config(**{name: value}), score) for value, score in pairs]), 20)


# --- what was tried ---------------------------------------------------------------------------------------------------------------


def test_values_stand_in_order_with_their_scores_the_best_marked_and_failures_as_x() -> None:
    shown = row(of("learning_rate", (0.1, None), (1e-3, 80.0), (1e-2, 90.0), (1e-4, 70.0)), "learning_rate")[1]
    assert shown == Points(((1e-4, 70.0), (1e-3, 80.0), (0.01, "90*"), (0.1, "x")))


def test_a_repeated_value_shows_its_mean_and_count() -> None:
    shown = row(of("batch_size", (32, 80.0), (32, 84.0), (64, 60.0), (32, None)), "batch_size")[1]
    assert shown == Points(((32, "82(2)*x(1)"), (64, 60.0)))


def test_levels_of_an_unordered_choice_stand_best_mean_first() -> None:
    found = reading("optimizer", ("sgd", 60.0), ("adam", 70.0), ("adam", 90.0), ("rmsprop", None))
    assert [(g.low, g.trials, g.scored, g.mean_pct, g.best_pct) for g in found.groups] == [
        ("adam", 2, 2, 80.0, 90.0),
        ("sgd", 1, 1, 60.0, 60.0),
        ("rmsprop", 1, 0, None, None),
    ]


def test_many_values_are_joined_around_the_best_which_stays_alone() -> None:
    pairs = [(10 ** (-5 + 5 * i / 19), 50.0 + (40 if i == 7 else i)) for i in range(20)]
    found = of("learning_rate", *pairs)
    shown = row(found, "learning_rate", Detail(points=5))[1]
    assert len(shown.items) == 5
    keys = [key for key, _ in shown.items]
    assert keys[1:3] != []
    best = next(i for i, (_, score) in enumerate(shown.items) if "*" in str(score))
    assert isinstance(keys[best], float)
    assert all(".." in str(key) for i, key in enumerate(keys) if i != best)
    counts = sum(g.trials for g in axis.fold(found.items[0].groups, found.items[0].best_position, 5))
    assert counts == 20


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.one_of(st.none(), st.floats(0, 100))), max_size=80), st.integers(3, 12))
def test_joining_loses_no_trial_and_keeps_every_mean(pairs: list[tuple[int, float | None]], most: int) -> None:
    seen = sorted(axis.Observation(v / 30, i + 1, v, score) for i, (v, score) in enumerate(pairs))
    scored = [o for o in seen if o.score_pct is not None]
    best = max(scored, key=lambda o: o.score_pct or 0.0).position if scored else None
    groups = axis.fold(axis.group(seen, best), best, most)
    assert len(groups) <= most
    assert sum(g.trials for g in groups) == len(pairs)
    assert sum(g.scored for g in groups) == len(scored)
    assert sum((g.mean_pct or 0.0) * g.scored for g in groups) == pytest.approx(sum(o.score_pct or 0.0 for o in scored))
    assert [g.low_position for g in groups] == sorted(g.low_position for g in groups)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_position_is_that_of_the_space(data: st.DataObject) -> None:
    hp = data.draw(hyperparameters("a", []))
    place = axis.scale(hp)
    for _ in range(5):
        value = hp.sample(random.Random(data.draw(st.integers(0, 2**32))))
        assert 0.0 <= place(value) <= 1.0
        if isinstance(hp, Choice) or abs(getattr(hp, "high", 0)) < 1e300:
            assert place(value) == pytest.approx(min(max(hp.to_unit(value), 0.0), 1.0), abs=1e-6)


# --- what it does -----------------------------------------------------------------------------------------------------------------


def test_a_clear_rise_is_strong_evidence() -> None:
    effect = reading("layers", *[(i % 5 + 1, 50.0 + 5 * (i % 5) + 0.1 * i) for i in range(10)]).effect
    assert effect.strength is Strength.STRONG
    assert effect.direction == 1
    assert effect.tau == pytest.approx(1.0, abs=0.15)


def test_a_clear_fall_has_the_other_direction() -> None:
    found = of("learning_rate", *[(10.0**-i, 50.0 + i) for i in range(5)])
    assert found.items[0].effect.direction == -1
    assert row(found, "learning_rate")[2].startswith("best at low end, range goes on; lower is better (moderate, tau -1, p 0.02)")


@pytest.mark.parametrize("scores", [(50.0, 60.0), (50.0, 60.0, 70.0), (50.0, 60.0, 70.0, 80.0)])
def test_where_no_outcome_could_have_been_significant_there_is_too_little_evidence(scores: tuple[float, ...]) -> None:
    found = of("learning_rate", *[(10.0 ** -(i / 2), score) for i, score in enumerate(scores)])
    assert found.items[0].effect.strength is Strength.TOO_LITTLE
    assert "too little evidence" not in row(found, "learning_rate")[2]
    assert found.view(Detail(Level.FULL)).notes == ("* best trial, x failed, 80(3) mean of 3; too little evidence for any effect",)


@pytest.mark.parametrize(
    ("pairs", "text"),
    [
        (((0.1, 50.0),), "one value scored"),
        (((0.1, None), (0.2, None)), "no score"),
        (((0.1, None), (0.2, 70.0), (0.2, 60.0)), "one value scored"),
        (((0.1, 50.0), (0.2, 50.0), (0.3, 50.0)), "all scores equal"),
    ],
)
def test_where_nothing_can_be_compared_it_says_why(pairs: tuple[tuple[float, float | None], ...], text: str) -> None:
    found = of("learning_rate", *pairs)
    assert found.items[0].effect.strength is Strength.TOO_LITTLE
    assert row(found, "learning_rate")[2] == text


def test_an_effect_among_the_scored_says_where_training_fails_on_its_good_side() -> None:
    pairs: list[Any] = [(10.0**-i, 90.0 - i) for i in range(1, 6)] + [(1.0, None), (0.5, None)]
    found = of("learning_rate", *pairs)
    assert row(found, "learning_rate")[2].startswith("higher is better, x at 0.5 (moderate, tau +1, p 0.02")


@pytest.mark.parametrize(
    ("levels", "scores", "text"),
    [
        ([64, 32, 16, 8], (50, 60, 70, 80), "best at low end; lower is better"),
        ([8, 16, 32, 64], (50, 60, 70, 80), "best at high end; higher is better"),
        (["small", "medium", "large", "huge"], (50, 60, 70, 80), "best at late end; later in order is better"),
        (["small", "medium", "large", "huge"], (80, 70, 60, 50), "best at early end; earlier in order is better"),
        ([64, 32, 16, 8], (80, 70, 60, 50), "best at high end; higher is better"),
    ],
)
def test_levels_that_fall_or_have_names_have_effects_in_the_right_words(levels: list[Any], scores: Any, text: str) -> None:
    space = Space.from_mapping({"a": {"type": "ordinal", "levels": levels, "default": levels[0], "meaning": "m"}})
    pairs: list[Any] = [({"a": level}, score + i / 10) for i in range(2) for level, score in zip(levels, scores, strict=True)]
    shown = row(parameters(space, trajectory(*pairs), 20), "a")[2]
    assert shown.startswith(text)
    assert f"tau {'-' if 'lower' in text or 'earlier' in text else '+'}" in shown


def test_noise_is_called_significant_about_as_often_as_it_says() -> None:
    rng = random.Random(7)
    hp = SPACE["learning_rate"]
    low = 0
    for _ in range(600):
        seen = sorted(axis.Observation(rng.random(), i + 1, 0.1, rng.gauss(70, 5)) for i in range(10))
        p = effect_of(hp, seen).p
        assert p is not None
        low += p <= 0.05
    assert low / 600 <= 0.065


def test_noise_over_three_levels_is_called_significant_no_more_often_than_it_says() -> None:
    rng = random.Random(8)
    hp = SPACE["optimizer"]
    low = 0
    for _ in range(400):
        seen = sorted(axis.Observation((rng.randrange(3) + 0.5) / 3, i + 1, "adam", rng.gauss(70, 5)) for i in range(12))
        p = effect_of(hp, seen).p
        low += p is not None and p <= 0.05
    assert low / 400 <= 0.07


def test_the_best_level_is_named_with_its_evidence() -> None:
    pairs = [(("adam", "sgd", "rmsprop")[i % 3], (90.0, 60.0, 62.0)[i % 3] + i / 10) for i in range(12)]
    found = of("optimizer", *pairs)
    assert row(found, "optimizer")[2].startswith("adam better (moderate, tau +0.7")
    effect = found.items[2].effect
    assert (effect.level, effect.direction) == ("adam", 1)


def test_of_two_levels_the_better_one_is_named() -> None:
    effect = reading("optimizer", *[(("adam", "sgd")[i % 2], 60.0 + 20 * (i % 2) + i / 10) for i in range(8)]).effect
    assert (effect.level, effect.direction) == ("sgd", 1)


def test_a_conditional_one_counts_the_trials_in_which_it_was_active() -> None:
    trials = [(config(optimizer="sgd", momentum=m), 60.0 + 10 * m) for m in (0.0, 0.5, 0.9)] + [(config(), 70.0)]
    found = parameters(SPACE, trajectory(*trials), 20)
    assert next(i for i in found.items if i.hp.name == "momentum").active_trials == 3
    assert row(found, "momentum")[2] == "best at high end, range goes on"
    never = parameters(SPACE, trajectory((config(), 70.0)), 20)
    assert row(never, "momentum")[1:3] == (None, "never active")


def test_how_many_effects_would_show_by_chance_is_said() -> None:
    pairs = [
        (config(layers=i % 5 + 1, learning_rate=10.0 ** -(i % 4), batch_size=(16, 32, 64)[i % 3]), 50.0 + i * 7 % 11)
        for i in range(9)
    ]
    found = parameters(SPACE, trajectory(*pairs), 20)
    assert found.tested == 3
    assert "of 3 tested 0.2 fall below 0.05 by chance" in found.view(Detail()).notes[0]


@pytest.mark.parametrize(
    ("p", "least", "expected"),
    [
        (0.005, 0.001, "strong"),
        (0.05, 0.001, "moderate"),
        (0.2, 0.001, "weak"),
        (0.21, 0.001, "unclear"),
        (0.06, 0.06, "too little evidence"),
    ],
)
def test_the_words_for_p(p: float, least: float, expected: str) -> None:
    assert strength(p, least) == expected


# --- what is left -----------------------------------------------------------------------------------------------------------------


def test_the_widest_gap_is_on_the_space_own_scale() -> None:
    gap = reading("learning_rate", (1e-5, 50.0), (1e-4, 50.0), (1e-1, 50.0), (1.0, 50.0)).coverage.gap
    assert gap is not None
    assert (gap.low, gap.high, round(gap.share, 6)) == (1e-4, 1e-1, 0.6)


def test_a_gap_may_lie_between_a_tried_value_and_the_end_of_the_range() -> None:
    gap = reading("momentum", (0.8, 50.0), (0.9, 50.0)).coverage.gap
    assert gap is not None
    assert (gap.low, gap.high, gap.open_low, gap.open_high) == (0.0, 0.8, True, False)


def test_between_neighbouring_integers_there_is_no_gap() -> None:
    found = reading("layers", *[(i, 50.0) for i in range(1, 6)])
    assert found.coverage.gap is None
    gap = reading("layers", (1, 50.0), (2, 50.0), (4, 50.0), (5, 50.0)).coverage.gap
    assert gap is not None
    assert (gap.low, gap.high) == (2, 4)


def test_untried_levels_are_listed() -> None:
    assert reading("batch_size", (16, 50.0), (64, 50.0)).coverage.untried == (32, 128)
    assert row(of("optimizer", ("sgd", 50.0), ("adam", 50.0)), "optimizer")[3] == "untried: rmsprop"


@pytest.mark.parametrize(
    ("pairs", "where", "beyond"),
    [
        (((1, 50.0), (2, 90.0), (3, 60.0)), BestAt.INSIDE, False),
        (((1, 50.0), (2, 60.0), (3, 90.0)), BestAt.HIGHEST, True),
        (((3, 50.0), (5, 90.0)), BestAt.HIGHEST, False),
        (((2, 90.0), (5, 50.0)), BestAt.LOWEST, True),
        (((2, 90.0),), BestAt.ONLY, True),
        (((2, 90.0), (4, None)), BestAt.ONLY, True),
        (((2, 50.0), (3, 50.0), (4, 50.0)), BestAt.SHARED, False),
        (((2, 90.0), (3, 80.0), (4, 90.0)), BestAt.SHARED, False),
        (((2, 90.0), (2, 60.0), (3, 80.0)), BestAt.LOWEST, False),  # the best trial, but not the best mean
        (((2, 90.0), (2, 90.0), (3, 80.0)), BestAt.LOWEST, True),
    ],
)
def test_it_says_where_the_best_value_lies(pairs: tuple[tuple[int, float], ...], where: BestAt, beyond: bool) -> None:
    found = reading("layers", *pairs)
    assert (found.best_at, found.beyond) == (where, beyond)


def test_every_value_with_the_best_score_is_marked() -> None:
    shown = row(of("layers", (2, 90.0), (3, 80.0), (4, 90.0)), "layers")
    assert shown[1] == Points(((2, "90*"), (3, 80.0), (4, "90*")))
    assert "best at" not in shown[2]


def test_means_that_differ_are_written_apart() -> None:
    shown = row(of("layers", (2, 90.04), (3, 90.01), (4, 30.0), (5, 60.0)), "layers")[1]
    assert shown == Points(((2, "90.04*"), (3, 90.01), (4, 30.0), (5, 60.0)))


@pytest.mark.parametrize(
    ("tried", "covered", "gap"),
    [
        ((1, 5), "100%", "1..5 (60%)"),
        ((1, 2, 3, 4, 5), None, "all tried"),
        ((2, 4), "60%", "below 2 (20%)"),
        ((3,), "20%", "below 3 (40%)"),
        ((1, 4), "80%", "1..4 (40%)"),
    ],
)
def test_an_integer_whose_ends_were_tried_is_covered(tried: tuple[int, ...], covered: str | None, gap: str) -> None:
    found = of("layers", *[(n, 50.0) for n in tried])
    assert row(found, "layers")[3] == gap
    coverage = next(item.coverage for item in found.items if item.hp.name == "layers")
    assert covered is None or share_text(coverage.share) == covered


def test_a_range_is_covered_only_by_its_very_ends() -> None:
    assert row(of("learning_rate", (1e-5, 50.0), (0.9999, 60.0)), "learning_rate")[3].startswith("1e-5..0.9999 (")
    assert row(of("learning_rate", (1e-5, 50.0), (1.0, 60.0)), "learning_rate")[3] == "1e-5..1 (100%)"


def test_levels_that_only_failed_are_not_just_tried() -> None:
    found = of("optimizer", ("sgd", None), ("adam", 50.0), ("rmsprop", 60.0))
    assert row(found, "optimizer")[3] == "all tried, failed: sgd"
    assert found.items[2].coverage.failed == ("sgd",)


def test_a_value_of_an_integer_that_only_failed_is_not_just_tried() -> None:
    assert row(of("layers", (1, None), *[(n, 50.0 + n) for n in range(2, 6)]), "layers")[3] == "all tried, failed: 1"


def test_what_was_never_active_is_open_as_a_whole() -> None:
    assert row(of("layers", (1, 50.0)), "momentum")[3] == "whole range (100%)"


def test_before_the_first_trial_everything_is_open() -> None:
    found = parameters(SPACE, trajectory(), 10)
    assert found.items[0].coverage.gap is not None
    assert found.items[0].coverage.gap.share == 1.0
    assert found.items[1].coverage.untried == (16, 32, 64, 128)


def test_at_the_least_detail_each_hyperparameter_keeps_its_row_and_its_best_value() -> None:
    pairs = [(config(layers=i % 5 + 1, learning_rate=10.0 ** -(i % 5)), 50.0 + i) for i in range(10)]
    table = parameters(SPACE, trajectory(*pairs), 20).view(Detail(Level.LEAST, 1, 3)).tables[0]
    assert len(table.rows) == len(SPACE)
    assert table.rows[0][1] == Points(((1e-4, "56(2)*"),))


def test_a_space_of_choices_with_many_values_stays_bounded() -> None:
    space = Space((Choice(name="a", default="v0", meaning="m", choices=tuple(f"v{i}" for i in range(500))),))
    trials: list[Any] = [({"a": f"v{i}"}, float(i % 90)) for i in range(300)]
    found = parameters(space, trajectory(*trials), 400)
    assert len(found.items[0].groups) == 24
    assert len(str(found.view(Detail()).tables[0].rows)) < 1_500
