from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
import skopt
from scipy.stats import kstest
from skopt.space import Categorical, Real

from harness.errors import SettingsError
from harness.optimizer import Optimizer
from harness.optimizers._replay import decode
from harness.optimizers._skopt import dimension
from harness.optimizers.skopt_gp import SkoptGP
from harness.optimizers.skopt_rf import SkoptRF
from harness.seeding import keyed_seed
from harness.space import Space, Value
from harness.testing.contracts.optimizer import NASTY, ModelContract, run

CONDITIONAL = Space.from_mapping(
    {
        "rate": {"type": "float", "low": 1e-5, "high": 1.0, "scale": "log", "default": 1e-3, "meaning": "m"},
        "units": {"type": "int", "low": 4, "high": 512, "scale": "log", "default": 64, "meaning": "m"},
        "level": {"type": "ordinal", "levels": [0, 1, 2], "default": 0, "meaning": "m"},
        "kind": {"type": "categorical", "choices": [0, 1], "default": 0, "meaning": "m"},
        "knob": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "meaning": "m", "when": {"kind": 1}},
    }
)


class TestSkoptGP(ModelContract):
    trials = 7
    replayed = (0, 3, 6)

    @staticmethod
    def build(space: Space, seed: int) -> Optimizer:
        return SkoptGP(space, seed, startup_trials=3)


@pytest.mark.full  # SkoptGP with another surrogate
class TestSkoptRF(ModelContract):
    replayed = (0, 3, 8)

    @staticmethod
    def build(space: Space, seed: int) -> Optimizer:
        return SkoptRF(space, seed, startup_trials=3)


class TestSkoptGPAsTheLibraryComes(ModelContract):
    startup = 10

    @staticmethod
    def build(space: Space, seed: int) -> Optimizer:
        return SkoptGP(space, seed, startup_trials=10)


def score(config: Mapping[str, Value]) -> float:
    rate, units = math.log10(float(config["rate"])), math.log(float(config["units"]))
    knob = float(config["knob"]) if config["kind"] == 1 else 0.3
    return 100 - 10 * abs(rate + 2) - units - float(config["level"]) - 30 * (knob - 0.2) ** 2


def test_it_proposes_exactly_what_the_library_itself_does_on_axes_without_levels() -> None:
    dimensions = [Real(1e-5, 1.0, "log-uniform"), Categorical([0, 1]), Real(0.0, 1.0)]
    space = Space(tuple(CONDITIONAL[name] for name in ("rate", "kind", "knob")))

    def worth(config: Mapping[str, Value]) -> float:
        return score({"units": 4, "level": 0, **config})

    found = run(SkoptGP(space, 5, startup_trials=3), lambda _, proposal: worth(proposal.config), 8)
    plain = skopt.Optimizer(dimensions, base_estimator="GP", n_initial_points=3, random_state=keyed_seed(5, "skopt_gp"))
    for number, trial in enumerate(found, start=1):
        point = [({"knob": 0.5} | trial.config)[name] for name in space.names]
        if number > 3:
            point = plain.ask()
            full = dict(zip(space.names, point, strict=True))
            assert trial.config == {name: value for name, value in full.items() if name != "knob" or full["kind"] == 1}
        plain.tell(point, -worth(trial.config))


def test_start_up_trials_are_uniform_on_a_log_scale() -> None:
    found = run(SkoptGP(CONDITIONAL, 0, startup_trials=400), lambda _, proposal: 0.0, 400)
    assert kstest([(math.log10(float(trial.config["rate"])) + 5) / 5 for trial in found], "uniform").pvalue > 1e-4


@pytest.mark.filterwarnings("error")
def test_a_space_of_choices_alone_is_searched_past_its_last_configuration_without_a_warning() -> None:
    small = Space.from_mapping({name: {"type": "bool", "default": True, "meaning": "m"} for name in "ab"})
    found = run(SkoptGP(small, 0, startup_trials=2), lambda _, proposal: float(sum(map(bool, proposal.config.values()))), 7)
    assert len(found) == 7


@pytest.mark.parametrize("name", ["units", "layers", "batch_size"])
@pytest.mark.parametrize("surrogate", ["normalize", "identity"])
def test_the_library_searches_the_space_that_the_other_methods_search(name: str, surrogate: str) -> None:
    hp, axis = NASTY[name], dimension(NASTY[name])
    axis.set_transformer(surrogate)
    assert axis.transformed_bounds == (0.0, 1.0)
    places = [number / 997 for number in range(998)]
    codes = axis.inverse_transform(np.array(places))
    assert [decode(hp, code) for code in codes] == [hp.from_unit(place) for place in places]
    assert axis.transform(codes) == pytest.approx([hp.to_unit(decode(hp, code)) for code in codes])


def test_a_method_that_learns_needs_a_start_up_trial() -> None:
    with pytest.raises(SettingsError, match="startup_trials must be at least 1"):
        SkoptGP(CONDITIONAL, 0, startup_trials=0)
