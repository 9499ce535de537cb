"""Spaces in the forms in which users have them."""

from __future__ import annotations

import random
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from harness import Choice, Number, SettingsError, Space, Tuner
from harness.tuner.optuna_space import from_distributions, is_usable, to_distributions
from harness.tuner.spaces import user_space
from harness.tuner.user_space import UserSpace

DISTRIBUTIONS: dict[str, Any] = {
    "rate": FloatDistribution(1e-5, 1.0, log=True),
    "drop": FloatDistribution(0.0, 0.5, step=0.05),
    "share": FloatDistribution(-10.2, 10.2, step=0.1),
    "units": IntDistribution(1, 4096, log=True),
    "width": IntDistribution(8, 128, step=8),
    "depth": IntDistribution(0, 994, step=7),
    "kind": CategoricalDistribution([None, "a", True, 2]),
    "one": CategoricalDistribution(["only"]),
    "same": IntDistribution(3, 3),
}


def test_a_dict_may_leave_out_default_and_meaning() -> None:
    space = user_space(
        {
            "rate": {"type": "float", "low": "1e-5", "high": 0.1, "scale": "log"},
            "level": {"type": "ordinal", "levels": [1, 2, 3]},
            "kind": {"type": "categorical", "choices": ["x", "y"]},
            "flag": {"type": "bool"},
            "given": {"type": "int", "low": 1, "high": 9, "default": 2, "meaning": "a size"},
        }
    ).space
    assert space.default() == {"rate": pytest.approx(1e-3), "level": 2, "kind": "x", "flag": False, "given": 2}
    assert (space["given"].meaning, space["rate"].meaning) == ("a size", "")
    assert user_space(space) == UserSpace(space)


def test_optuna_distributions_come_back_as_they_were() -> None:
    user = user_space(DISTRIBUTIONS)
    assert user.fixed == {"one": "only", "same": 3}
    varied = {name: distribution for name, distribution in DISTRIBUTIONS.items() if not distribution.single()}
    assert to_distributions(user) == varied
    assert isinstance(user.space["width"], Choice)
    assert user.space["width"].range_text.startswith("one of, in this order, 8, 16, 24")
    assert isinstance(user.space["depth"], Number)
    assert user.space["depth"].meaning == "in steps of 7"
    assert UserSpace.from_mapping(user.to_mapping()) == user


def test_every_value_that_is_proposed_is_one_that_optuna_could_suggest_and_the_way_back_is_exact() -> None:
    user, rng = user_space(DISTRIBUTIONS), random.Random(0)
    for _ in range(200):
        config = user.space.check(user.on_grid(user.space.sample(rng)))
        shown = user.to_user(config)
        assert {*shown} == {*DISTRIBUTIONS}
        for name, value in shown.items():
            assert DISTRIBUTIONS[name]._contains(DISTRIBUTIONS[name].to_internal_repr(value)), (name, value)
        assert user.space.check(user.to_harness(shown)) == config


def test_a_tuner_of_optuna_distributions_hands_out_their_values_and_resumes(tmp_path: Any) -> None:
    tuner = Tuner(DISTRIBUTIONS, "random", budget=30, file=tmp_path / "t.jsonl")
    seen = set()
    for _ in range(12):
        config = tuner.ask()
        seen.add(config["kind"])
        tuner.tell(config, 50.0)
    assert None in seen
    waiting = tuner.ask()
    assert Tuner.resume(tmp_path / "t.jsonl").ask() == waiting
    with pytest.raises(SettingsError, match="same: 4 is not the only value that it has, 3"):
        tuner.tell({**tuner.ask(), "same": 4}, 50.0)


@pytest.mark.filterwarnings("ignore:Choices for a categorical")
def test_what_the_harness_cannot_show_a_method_is_one_line() -> None:
    assert not is_usable("x", CategoricalDistribution([(64, 64), (32,)]))  # type: ignore[list-item]
    with pytest.raises(SettingsError, match=r"'x': \(64, 64\) cannot be a choice; give it a name"):
        from_distributions({"x": CategoricalDistribution([(64, 64), (32,)])})  # type: ignore[list-item]
    with pytest.raises(SettingsError, match="a model could not tell apart"):
        from_distributions({"x": CategoricalDistribution([None, "None"])})
    with pytest.raises(SettingsError, match="no hyperparameter with more than one value"):
        from_distributions({"x": IntDistribution(1, 1)})
    with pytest.raises(SettingsError, match="the others are Optuna distributions, and this is 3"):
        user_space({"x": IntDistribution(1, 4), "y": 3})


class TestConfigSpace:
    @pytest.fixture
    def cs(self) -> Any:
        return pytest.importorskip("ConfigSpace", reason="ConfigSpace is an extra: pip install 'tcs-harness[configspace]'")

    def test_ranges_levels_constants_and_conditions_are_kept(self, cs: Any) -> None:
        given = cs.ConfigurationSpace()
        kind = cs.Categorical("kind", ["x", "y", "z"], default="y", meta={"meaning": "the update rule"})
        size = cs.OrdinalHyperparameter("size", ["s", "m", "l"])
        rate, depth = cs.Float("rate", (1e-3, 1.0), log=True, default=0.01), cs.Integer("depth", (1, 8))
        given.add(kind, size, rate, depth, cs.Constant("seed", 3), cs.Float("drop", (0, 1), distribution=cs.Normal(0.5, 0.1)))
        both = cs.AndConjunction(cs.EqualsCondition(rate, kind, "x"), cs.InCondition(rate, size, ["s", "m"]))
        given.add(both, cs.NotEqualsCondition(depth, kind, "x"))
        user = user_space(given)
        assert user.fixed == {"seed": 3}
        assert isinstance(user.space, Space)
        assert dict(user.space["rate"].when) == {"kind": ("x",), "size": ("s", "m")}
        assert dict(user.space["depth"].when) == {"kind": ("y", "z")}
        assert (user.space["kind"].default, user.space["kind"].meaning) == ("y", "the update rule")
        assert user.space["size"].range_text == 'one of, in this order, "s", "m", "l"'
        assert user.space["rate"].range_text == "float from 0.001 to 1, log scale"
        assert user.space["drop"].range_text == "float from 0 to 1, linear scale"
        rng = random.Random(0)
        for _ in range(30):
            cs.Configuration(given, values=user.to_user(user.space.sample(rng))).check_valid_configuration()

    def test_what_has_no_form_is_refused(self, cs: Any) -> None:
        given = cs.ConfigurationSpace({"a": (0, 10), "b": (0.0, 1.0)})
        with_forbidden = cs.ConfigurationSpace({"a": (0, 10), "b": (0.0, 1.0)})
        with_forbidden.add(cs.ForbiddenEqualsClause(with_forbidden["a"], 3))
        with pytest.raises(SettingsError, match="forbidden clauses cannot be shown"):
            user_space(with_forbidden)
        given.add(cs.GreaterThanCondition(given["b"], given["a"], 3))
        with pytest.raises(SettingsError, match="a GreaterThanCondition has no form"):
            user_space(given)
        with pytest.raises(SettingsError, match="give a ConfigurationSpace, not a UniformFloatHyperparameter"):
            user_space(given["b"])
