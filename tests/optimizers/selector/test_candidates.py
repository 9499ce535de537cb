"""The candidates: distinct, untried, and a function of (space, seed, trajectory) alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from optimizers.test_golden import LEVELS, shortened, told
from support.golden import check_golden

from harness.errors import Exhausted, SettingsError
from harness.optimizers.agent.context import in_digits
from harness.optimizers.rules.policy import Rules
from harness.optimizers.selector.candidates import SOURCES, Candidate, Candidates
from harness.optimizers.selector.select_first import SelectFirst
from harness.space import Space
from harness.testing.contracts.optimizer import NASTY, a_trial, ask, given
from harness.trial import Proposal, Trajectory

BUDGET = 10


def candidates(space: Space, source: str, count: int = 5, seed: int = 3) -> Candidates:
    return Candidates(space, seed, source=source, count=count, budget=BUDGET, names="real")


def texts(found: tuple[Candidate, ...]) -> list[str]:
    return [json.dumps(in_digits(candidate.config, 3)) for candidate in found]


# Each further candidate of a model is a fit more, which takes most of a second.
COUNTS = {"rules": 5, "random": 5, "mix": 4, "forest": 2, "gp": 2}


@pytest.mark.parametrize("source", ["rules", "random", "mix"])
def test_they_are_distinct_as_they_are_shown_untried_and_the_same_in_a_new_object(source: str) -> None:
    shown = told(LEVELS, 4)
    found = candidates(LEVELS, source, COUNTS[source]).after(shown)
    tried = {json.dumps(in_digits(trial.config, 3)) for trial in shown}
    assert len(set(texts(found)) - tried) == len(found) == COUNTS[source]
    assert all(LEVELS.check(candidate.config) == candidate.config for candidate in found)
    assert candidates(LEVELS, source, COUNTS[source]).after(shown) == found


def test_another_seed_makes_other_candidates() -> None:
    assert len({tuple(texts(candidates(LEVELS, "mix", seed=seed).after(told(LEVELS, 1)))) for seed in range(4)}) == 4


def test_what_each_source_makes_is_what_its_version_makes() -> None:
    cases: dict[str, Any] = {}
    for source in SOURCES:
        for size in (0, 4):
            found = candidates(LEVELS, source, COUNTS[source]).after(told(LEVELS, size))
            cases[f"{source}, after {size} trials"] = [
                [candidate.origin, {name: shortened(value) for name, value in candidate.config.items()}] for candidate in found
            ]
    versions = SelectFirst.versions
    combined = 1_000_000 * versions["select"] + 1_000 * versions["rules"] + versions["tcs"]
    check_golden(Path(__file__).parent / "candidates.json", {"select": combined}, {"select": cases})


def test_a_model_proposes_from_the_third_score_on_and_before_it_the_origin_says_that_draws_stand_in() -> None:
    origins = [[c.origin for c in candidates(LEVELS, "mix").after(told(LEVELS, size))] for size in (3, 4)]
    assert origins == [["rules", "random", "random", "random", "rules"], ["rules", "forest", "gp", "random", "rules"]]


def test_the_first_of_the_rules_is_what_the_arm_of_the_rules_proposes() -> None:
    for size in (0, 1, 6):
        first = SelectFirst(LEVELS, 3, candidates=4, source="rules", budget=BUDGET)
        assert ask(first, told(LEVELS, size)) == ask(Rules(LEVELS, 3, budget=BUDGET), told(LEVELS, size))


SMALL = Space.from_mapping({"kind": {"type": "categorical", "choices": ["a", "b", "c", "d"], "default": "b", "meaning": "k"}})


def test_a_small_space_has_fewer_candidates_and_then_none() -> None:
    trials: list[Any] = []
    for left in (4, 3, 2, 1):
        found = candidates(SMALL, "rules").after(Trajectory(tuple(trials)))
        assert len(found) == left
        trials.append(a_trial(len(trials) + 1, Proposal(found[-1].config), 50.0 + left))
    with pytest.raises(Exhausted):
        candidates(SMALL, "rules").after(Trajectory(tuple(trials)))


def test_anonymous_rules_have_no_priors_by_name() -> None:
    shown = given(["optimizer"] * 2)
    real, anonymous = (
        [Candidates(NASTY, seed, source="rules", count=5, budget=BUDGET, names=names).after(shown) for seed in range(10)]
        for names in ("real", "anonymous")
    )
    assert real != anonymous


@pytest.mark.parametrize(
    ("source", "count", "message"), [("forrest", 5, "did you mean 'forest'"), ("mix", 1, "2 to 9"), ("mix", 10, "2 to 9")]
)
def test_settings_that_make_no_sense_are_refused(source: str, count: int, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        candidates(LEVELS, source, count)
