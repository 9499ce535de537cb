"""The problem that every peer tunes: the toy task of this repository, whose code needs only the standard library."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[4]))

from harness.space import Config, Space
from harness.task import TaskCard
from harness.tasks.toy import Toy

# The task's settings. The driver sends them as JSON, because a peer's environment may not be able to read YAML.
TASK = json.loads(os.environ["BENCH_TASK"])
SPACE = Space.from_mapping(TASK["space"])
_TOY = Toy(SPACE, TaskCard.from_mapping(TASK["card"]), **TASK["params"])


def curve(config: Config, seed: int) -> list[float]:
    """Train once, and return the validation scores in percent; 0 for an epoch that diverged."""
    scores = [epoch.val_score_pct if epoch.non_finite() is None else 0.0 for epoch in _TOY.train(config, seed=seed)]
    assert scores
    assert all(map(math.isfinite, scores))
    return scores


def asked() -> tuple[int, int]:
    """Return the numbers of seeds and of trials per seed from the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, required=True)
    parser.add_argument("--trials", type=int, required=True)
    given = parser.parse_args()
    return given.seeds, given.trials
