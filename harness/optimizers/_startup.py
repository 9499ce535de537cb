"""Start-up trials: random ones before a method has scores to learn from, or to show an LLM."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harness.errors import SettingsError, near
from harness.seeding import keyed_random
from harness.space import Space
from harness.trial import Proposal, Trajectory, Trial


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


def is_startup(before: Sequence[Trial], startup_trials: int) -> bool:
    """Say whether the trial after `before` is a start-up trial: every earlier trial counts, and it goes on while no trial has a score."""
    return len(before) < startup_trials or all(trial.score is None for trial in before)


def startup_draw(space: Space, seed: int, purpose: str, trajectory: Trajectory) -> Proposal:
    """Draw uniformly on the scales of the space; `purpose` keeps the draws of methods apart."""
    return Proposal(space.sample(keyed_random(seed, f"{purpose} start-up", len(trajectory) + 1)))


def asked_trials(trials: int, start: str, options: Mapping[str, object]) -> int:
    """Return on how many of so many trials the model is asked: on all but the default and the start-up trials of `options`."""
    startup = options.get("startup_trials", 1)
    assert isinstance(startup, int)
    return max(0, trials - max(startup, int(start == "default")))
