"""Uniform draws that were not tried: one stands in for the reply of an LLM, and several are candidates of a selector."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from harness.errors import Exhausted
from harness.llm.backend import digest
from harness.seeding import keyed_random
from harness.space import Config, Space
from harness.trial import Trajectory

DRAWS = 1_000


def untried(space: Space, trajectory: Trajectory, seed: int, arm: object) -> Config:
    """Draw a configuration that was not tried yet. Raises Exhausted when a thousand draws find none.

    `arm` is plain data that no other arm has, such as the identity of its settings: arms whose draws are the same would look as if their
    contexts made no difference.
    """
    tried = [trial.config for trial in trajectory]
    rng = keyed_random(seed, f"fallback {digest(arm)}", len(trajectory) + 1)
    config = next(fresh(space, rng, tried.__contains__), None)
    if config is None:
        raise Exhausted
    return config


def fresh(space: Space, rng: random.Random, is_known: Callable[[Config], bool]) -> Iterator[Config]:
    """Draw a thousand times, and yield the configurations that are not known when they are drawn."""
    for _ in range(DRAWS):
        config = space.sample(rng)
        if not is_known(config):
            yield config
