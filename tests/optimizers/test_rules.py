from __future__ import annotations

import json
import statistics
from typing import Any

import pytest

from harness.errors import SettingsError
from harness.optimizer import DefaultFirst, Optimizer
from harness.optimizers.random import Random
from harness.optimizers.rules.levels import CONTRAST_TRIALS, Reading, axis_of
from harness.optimizers.rules.policy import Rules, ranked
from harness.optimizers.rules.priors import Priors, Role, usual_name
from harness.seeding import keyed_random
from harness.space import Config, Space
from harness.space.hyperparameter import parse
from harness.tcs import ALL_BLOCKS, summarize
from harness.tcs.analysis.verdict import Verdict
from harness.testing.contracts.optimizer import NASTY, OptimizerContract, a_trial, ask, configs, given, run
from harness.trial import Proposal, Trajectory


class TestRules(OptimizerContract):
    @staticmethod
    def build(space: Space, seed: int) -> Optimizer:
        return Rules(space, seed, budget=12)


class TestRulesWithoutPriors(OptimizerContract):
    replayed = range(0, 12, 3)

    @staticmethod
    def build(space: Space, seed: int) -> Optimizer:
        return Rules(space, seed, budget=12, names="anonymous")


def number(low: float, high: float, default: float, **more: Any) -> dict[str, Any]:
    return {"type": "float", "low": low, "high": high, "default": default, "meaning": "a number"} | more


BOWL = Space.from_mapping({name: number(0, 1, 0.5) for name in ("a", "b", "c", "d")})
RATE = Space.from_mapping({"learning_rate": number(1e-6, 10.0, 1e-6, scale="log"), "knob": number(0, 1, 0.5)})


def bowl(_: int, proposal: Proposal) -> float:
    return 100 - 100 * sum((float(value) - 0.8) ** 2 for value in proposal.config.values())


def tried(space: Space, *rows: tuple[Config, float | None]) -> Trajectory:
    return Trajectory(tuple(a_trial(k, Proposal(space.check(config)), score) for k, (config, score) in enumerate(rows, start=1)))


def best_of(optimizer: Optimizer) -> float:
    found = run(optimizer, bowl, 10).incumbent
    assert found is not None
    return float(found.score or 0.0)


def test_on_a_bowl_it_beats_random_search_from_the_same_default() -> None:
    rules = [best_of(DefaultFirst(Rules(BOWL, seed, budget=10), BOWL)) for seed in range(20)]
    random = [best_of(DefaultFirst(Random(BOWL, seed), BOWL)) for seed in range(20)]
    assert statistics.mean(rules) > statistics.mean(random) + 3


def test_the_candidates_are_a_function_of_the_summary_alone() -> None:
    shown = run(Rules(BOWL, 0, budget=10), bowl, 5)
    summary = summarize(BOWL, shown, 10, ALL_BLOCKS)
    rng = keyed_random(0, "rules", 6)
    first = ranked(BOWL, summary, Priors(BOWL), rng)[0]
    assert ask(Rules(BOWL, 0, budget=10), shown) == json.dumps(first)


def test_names_of_hyperparameters_matter_only_where_they_are_shown() -> None:
    hidden = Space.from_mapping({"x1": RATE.to_mapping()["learning_rate"], "x2": RATE.to_mapping()["knob"]})
    for names, same in (("real", False), ("anonymous", True)):
        known = [ask(Rules(RATE, seed, budget=10, names=names), Trajectory()) for seed in range(10)]
        blind = [ask(Rules(hidden, seed, budget=10, names=names), Trajectory()) for seed in range(10)]
        assert ([list(json.loads(text).values()) for text in known] == [list(json.loads(text).values()) for text in blind]) is same


def test_a_learning_rate_starts_where_textbooks_put_it_not_at_a_default_that_no_one_would_choose() -> None:
    rates = [float(Rules(RATE, seed, budget=10).propose(Trajectory()).config["learning_rate"]) for seed in range(40)]
    blind = [
        float(Rules(RATE, seed, budget=10, names="anonymous").propose(Trajectory()).config["learning_rate"]) for seed in range(40)
    ]
    assert statistics.median(rates) > 10 * statistics.median(blind)


def test_a_value_that_failed_is_not_asked_for_again_soon() -> None:
    kind = {"type": "categorical", "choices": ["good", "bad", "other"], "default": "good", "meaning": "k"}
    space = Space.from_mapping({"kind": kind, "x": number(0, 1, 0.5)})
    shown = tried(space, ({"kind": "good", "x": 0.5}, 80.0), ({"kind": "bad", "x": 0.4}, None), ({"kind": "bad", "x": 0.6}, None))
    asked = [Rules(space, seed, budget=10).propose(shown).config["kind"] for seed in range(30)]
    assert asked.count("bad") <= 2 < asked.count("other")


def test_it_never_repeats_itself_and_ends_when_nothing_is_left() -> None:
    space = Space.from_mapping({"kind": {"type": "categorical", "choices": ["a", "b", "c"], "default": "b", "meaning": "k"}})
    whole = run(Rules(space, 0, budget=10), lambda n, p: 50.0, 10)
    assert sorted(configs(whole)) == [json.dumps({"kind": kind}) for kind in "abc"]


@pytest.mark.parametrize(
    ("option", "message"), [({"names": "reel"}, "agent.names.*did you mean 'real'"), ({"budget": 0}, "budget")]
)
def test_options_that_mean_nothing_are_refused(option: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Rules(NASTY, 0, **{"budget": 10, **option})


def test_trials_beyond_the_budget_are_still_answered() -> None:
    NASTY.check(Rules(NASTY, 0, budget=2).propose(given(["optimizer"] * 5)).config)


@pytest.mark.parametrize(
    ("name", "meaning", "usual"),
    [
        ("learning_rate", "m", "learning_rate"),
        ("lr", "m", "learning_rate"),
        ("sgd.lr", "m", "learning_rate"),
        ("baseLearningRate", "m", "learning_rate"),
        ("word_dropout", "m", "dropout"),
        ("beta_1", "m", "beta1"),
        ("p", "learning rate of the optimizer", "learning_rate"),
        ("colour", "m", None),
        ("x", "share of the learning rate that is left", None),
    ],
)
def test_a_hyperparameter_is_known_by_its_name_or_by_how_its_description_begins(name: str, meaning: str, usual: str | None) -> None:
    assert usual_name(parse(name, number(0, 1, 0.5, meaning=meaning))) == usual


def test_the_textbook_learning_rate_depends_on_the_update_rule() -> None:
    rule = {"type": "categorical", "choices": ["sgd", "adam"], "default": "sgd", "meaning": "update rule"}
    space = Space.from_mapping({"learning_rate": number(1e-5, 10.0, 1.0, scale="log"), "optimizer": rule})
    priors, rate = Priors(space), space["learning_rate"]
    assert priors.agreement(rate, 1e-3, {"optimizer": "adam"}) == 1.0
    at_sgd = priors.agreement(rate, 1e-3, {"optimizer": "sgd"})
    assert at_sgd is not None
    assert at_sgd < 0


def test_overfitting_calls_for_a_more_constrained_model_and_a_closed_book_for_nothing() -> None:
    space = Space.from_mapping(
        {"dropout": number(0, 0.8, 0.1), "hidden_size": number(8, 64, 16, scale="log"), "knob": number(0, 1, 0.5)}
    )
    priors = Priors(space)
    assert [priors.role(hp) for hp in space] == [Role.REGULARISER, Role.CAPACITY, None]
    assert [priors.remedy(Verdict.OVERFITTING, hp) for hp in space] == [1, -1, 0]
    assert [Priors.none().remedy(Verdict.OVERFITTING, hp) for hp in space] == [0, 0, 0]
    assert [priors.remedy(None, hp) for hp in space] == [0, 0, 0]


def test_a_knob_that_brings_another_in_or_out_is_no_contrast() -> None:
    """It differs from the incumbent in two hyperparameters, so its loss is not the effect of one."""
    rule = {"type": "categorical", "choices": ["adam", "sgd", "rmsprop"], "default": "adam", "meaning": "update rule"}
    momentum = number(0, 1, 0.5, when={"optimizer": "sgd"})
    space = Space.from_mapping({"optimizer": rule, "momentum": momentum, "x": number(0, 1, 0.5)})
    adam: Config = {"optimizer": "adam", "x": 0.5}
    brought = tried(space, (adam, 80.0), ({"optimizer": "sgd", "momentum": 0.9, "x": 0.5}, 60.0))
    clean = tried(space, (adam, 80.0), ({"optimizer": "rmsprop", "x": 0.5}, 60.0))
    weights = []
    for shown in (brought, clean):
        reading = Reading.of(summarize(space, shown, 10, ALL_BLOCKS))
        axis = axis_of(reading.parameters.items[0], "adam", reading, keyed_random(0, "rules", 3))
        weights.append(dict(zip(axis.values, axis.weight, strict=True)))
    assert weights[0] == {"adam": 2.0, "sgd": 1.0, "rmsprop": 0.0}
    assert weights[1] == {"adam": 2.0 + CONTRAST_TRIALS, "sgd": 0.0, "rmsprop": 1.0 + CONTRAST_TRIALS}


def test_a_cure_turns_with_levels_that_are_listed_from_the_highest_down() -> None:
    entry = {"type": "ordinal", "levels": [0.0, 0.2, 0.5], "default": 0.2, "meaning": "share"}
    rising = Space.from_mapping({"dropout": entry})
    falling = Space.from_mapping({"dropout": entry | {"levels": [0.5, 0.2, 0.0]}})
    assert Priors(rising).remedy(Verdict.OVERFITTING, rising["dropout"]) == 1
    assert Priors(falling).remedy(Verdict.OVERFITTING, falling["dropout"]) == -1
