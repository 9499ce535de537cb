"""The surrogate block: what it believes, against functions whose shape is known."""

from __future__ import annotations

import math
import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.optimizers.rules.policy import Rules
from harness.space import Space
from harness.tcs import ALL_BLOCKS, Format, Surrogate, render, summarize
from harness.tcs.analysis.surrogate import encoded
from harness.tcs.blocks.surrogate import expected_improvement, surrogate
from harness.testing.contracts.optimizer import a_trial, ask
from harness.testing.trajectories import SPACE, config, trajectory
from harness.trial import Direction, Objective, Proposal, Trajectory

UNIT = {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "meaning": "a number"}
PLANE = Space.from_mapping({"steep": UNIT, "idle": UNIT})


def plane(size: int, seed: int = 0) -> Trajectory:
    """Trials whose score depends on `steep` alone, best at 0.7."""
    rng = random.Random(seed)
    configs = [PLANE.sample(rng) for _ in range(size)]
    scores = [90 - 80 * (float(c["steep"]) - 0.7) ** 2 for c in configs]
    return Trajectory(tuple(a_trial(n, Proposal(c), s) for n, (c, s) in enumerate(zip(configs, scores, strict=True), start=1)))


def test_it_says_that_it_knows_nothing_before_the_fourth_score_and_where_all_scores_are_the_same() -> None:
    for size in (0, 3):
        found = surrogate(PLANE, plane(size), 10)
        assert found.nothing == f"knows nothing yet: {size} trials with a score, and it needs 4"
        assert (found.at_incumbent, found.model, found.suggestions) == (None, None, ())
    same = trajectory(*[(config(layers=n % 5 + 1), 50.0) for n in range(5)])
    assert surrogate(SPACE, same, 10).nothing == "knows nothing: all scores are the same"
    failed = trajectory(*[(config(layers=n % 5 + 1), None) for n in range(5)])
    assert "0 trials with a score" in surrogate(SPACE, failed, 10).nothing


def test_on_a_known_function_it_finds_the_axis_that_matters_the_optimum_and_its_own_error() -> None:
    trials = plane(12)
    found = surrogate(PLANE, trials, 20)
    assert dict(found.lengths)["steep"] < 1.0 < dict(found.lengths)["idle"]
    best = trials.incumbent
    assert best is not None
    assert found.at_incumbent is not None
    assert found.at_incumbent.mean_pct == pytest.approx(best.score, abs=0.5)
    assert abs(float(found.suggestions[0].config["steep"]) - 0.7) < 0.15
    assert [check.trial for check in found.last] == [10, 11, 12]
    for check in found.last:
        assert check.score_pct is not None
        assert abs(check.expected.mean_pct - check.score_pct) < 4 * max(check.expected.deviation_pct, 1.0)


def test_suggestions_are_untried_and_lie_apart_and_a_failure_makes_its_region_look_bad() -> None:
    trials = plane(8)
    found = surrogate(PLANE, trials, 20)
    places = [encoded(PLANE, suggestion.config) for suggestion in found.suggestions]
    assert len(places) == 3
    assert all(math.dist(a, b) >= 0.2 for i, a in enumerate(places) for b in places[:i])
    assert not [p for p in places if p in [encoded(PLANE, trial.config) for trial in trials]]
    broken = trials.then(a_trial(9, Proposal(found.suggestions[0].config), None))
    after = surrogate(PLANE, broken, 20)
    assert (after.scored, after.failed) == (8, 1)
    assert found.model is not None
    assert after.model is not None
    there = [model.predict([found.suggestions[0].config])[0][0] for model in (found.model, after.model)]
    assert there[1] < there[0]


def test_levels_without_an_order_are_equally_far_apart_and_what_is_inactive_stands_at_its_default() -> None:
    kinds = [encoded(SPACE, config(optimizer=kind)) for kind in ("sgd", "adam", "rmsprop")]
    assert {round(math.dist(a, b), 12) for i, a in enumerate(kinds) for b in kinds[:i]} == {1.0}
    assert all(0.0 <= place <= 1.0 for place in kinds[0])


def test_with_many_axes_all_share_one_length_scale() -> None:
    many = Space.from_mapping({f"x{n}": UNIT for n in range(17)})
    rng = random.Random(2)
    trials = Trajectory(tuple(a_trial(n, Proposal(many.sample(rng)), 50.0 + n) for n in range(1, 7)))
    found = surrogate(many, trials, 10)
    assert found.model is not None
    assert found.lengths == ()
    assert "influence: not told apart" in render(summarize(many, trials, 10, ("surrogate",)))


def test_expected_improvement_is_its_closed_form() -> None:
    assert expected_improvement(3.0, 0.0, 1.0) == 2.0
    assert expected_improvement(1.0, 2.0, 1.0) == pytest.approx(2.0 / math.sqrt(2 * math.pi))
    rng = random.Random(1)
    drawn = [max(rng.gauss(0.5, 2.0) - 1.0, 0.0) for _ in range(40_000)]
    assert expected_improvement(0.5, 2.0, 1.0) == pytest.approx(sum(drawn) / len(drawn), abs=0.02)


def test_it_is_shown_where_it_is_named_in_the_unit_of_the_task_and_a_default_summary_has_none() -> None:
    text = render(summarize(PLANE, plane(8), 20, (*ALL_BLOCKS, "surrogate")), Format.TEXT)
    shown = text.split("[surrogate]")[1]
    errors = Objective("rmse", Direction.MINIMIZE, "mg/dl", margin=0.9)
    told = render(summarize(PLANE, replace(plane(8), objective=errors), 20, ("surrogate",)), Format.TEXT)
    assert re.search(r"at incumbent: trial \d+: -\d", told), "a score in points of which lower is better has the other sign"
    assert re.search(r"at incumbent: trial \d+: \d", shown)
    assert "model: Gaussian process on 8 scored trials" in shown
    assert "influence: steep strong" in shown
    assert "untried configuration | expected | chance to beat the incumbent" in shown
    assert "surrogate" not in ALL_BLOCKS
    assert summarize(PLANE, plane(8), 20).get(Surrogate) is None


def test_the_rules_read_it_once_it_knows_something_and_are_themselves_before() -> None:
    for size, same in ((3, True), (8, False)):
        plain, more = ({ask(Rules(PLANE, seed, budget=20, surrogate=on), plane(size)) for seed in range(4)} for on in (False, True))
        assert (plain == more) is same


def test_a_summary_without_it_imports_no_library() -> None:
    code = """
import sys
from harness.space import Space
from harness.tcs import summarize
from harness.trial import Trajectory
summarize(Space.from_mapping({"x": {"type": "bool", "default": True, "meaning": "m"}}), Trajectory(), 10)
print(sorted({"numpy", "scipy", "sklearn"} & set(sys.modules)))
"""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
