from __future__ import annotations

from harness.optimizers.agent.names import Names
from harness.optimizers.agent.prompt import space_text
from harness.space import Config, Space
from harness.trial import Outcome, Proposal, Status, Trajectory, Trial

SPACE = Space.from_mapping(
    {
        "learning_rate": {"type": "float", "low": 1e-5, "high": 1.0, "scale": "log", "default": 1e-3, "meaning": "step size"},
        "optimizer": {"type": "categorical", "choices": ["sgd", "adam"], "default": "adam", "meaning": "update rule"},
        "momentum": {
            "type": "float",
            "low": 0.0,
            "high": 0.99,
            "default": 0.9,
            "meaning": "momentum of SGD",
            "when": {"optimizer": "sgd"},
        },
        "batch_size": {"type": "ordinal", "levels": [16, 32], "default": 32, "meaning": "images a step", "unit": "images"},
    }
)
CONFIG: Config = {"learning_rate": 0.1, "optimizer": "sgd", "momentum": 0.5, "batch_size": 16}


def test_anonymous_names_hide_every_name_choice_meaning_and_unit() -> None:
    text = space_text(Names.anonymous(SPACE).space)
    for word in ("learning", "rate", "optimizer", "sgd", "adam", "momentum", "batch", "step", "images", "update"):
        assert word not in text
    assert "h3: float from 0 to 0.99, linear scale; default 0.9; only when h2 is " in text


def test_anonymous_configurations_translate_there_and_back() -> None:
    names = Names.anonymous(SPACE)
    shown = names.shown(CONFIG)
    assert shown == {"h1": 0.1, "h2": "A", "h3": 0.5, "h4": 16}
    assert names.space.problems(shown) == ()
    assert names.real_config(shown) == CONFIG
    assert names.space.default() == names.shown(SPACE.default())


def test_anonymous_trajectories_hide_names_in_errors_too() -> None:
    failed = Outcome.failed(Status.CRASHED, "ValueError: momentum must be below 1", (), 0.1)
    trajectory = Trajectory((Trial(1, Proposal(CONFIG), failed),))
    shown = Names.anonymous(SPACE).trajectory(trajectory)
    assert "momentum" not in repr(shown)
    assert shown[0].outcome.status is Status.CRASHED


def test_real_names_change_nothing() -> None:
    names = Names.real(SPACE)
    assert names.space is SPACE
    assert names.shown(CONFIG) == CONFIG
    assert names.real_config(CONFIG) == CONFIG
