"""The random trials before a method that asks an LLM has scores to show: the same rule as for the methods from libraries (`_replay.py`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.errors import SettingsError, near
from harness.seeding import keyed_random
from harness.space import Space
from harness.trial import Proposal, Trajectory


def check_options(options: Mapping[str, object], known: Iterable[str], method: str) -> None:
    """Raise SettingsError for an option that a method does not have, and for start-up trials below 1."""
    for name in options:
        if name not in (*known, "startup_trials"):
            raise SettingsError(f"optimizer.options.{name}: {method} has no such option{near(name, known)}")
    startup = options.get("startup_trials")
    if not isinstance(startup, int) or startup < 1:
        raise SettingsError(f"optimizer.startup_trials={startup}: must be at least 1 for a method that learns")


def whole(options: Mapping[str, object], name: str, most: int) -> int:
    """Return an option that is a whole number from 1 to `most`. Raises SettingsError."""
    value = options.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise SettingsError(f"optimizer.options.{name}={value}: give a whole number from 1 to {most}")
    return value


def is_startup(trajectory: Trajectory, startup_trials: int) -> bool:
    """Say whether the next trial is a uniform draw: every earlier trial counts, and draws go on while no trial has a score."""
    return len(trajectory) < startup_trials or all(trial.score is None for trial in trajectory)


def startup_draw(space: Space, seed: int, purpose: str, trajectory: Trajectory) -> Proposal:
    """Draw uniformly on the scales of the space; `purpose` keeps the draws of methods apart."""
    return Proposal(space.sample(keyed_random(seed, f"{purpose} start-up", len(trajectory) + 1)))


def asked_trials(trials: int, start: str, options: Mapping[str, object]) -> int:
    """Return on how many of so many trials the model is asked: on all but the default and the start-up trials of `options`."""
    startup = options.get("startup_trials", 1)
    assert isinstance(startup, int)
    return max(0, trials - max(startup, int(start == "default")))
