"""What every peer tunes: this repository's own toy task, trained by its own code, which needs nothing but the standard library."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from harness.space import Config, Space
from harness.task import TaskCard
from harness.tasks.toy import Toy

# The task's settings, as the harness composes them; the driver hands them over, for a peer may lack a reader of YAML.
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
    """Return how many seeds the command line asks for, and how many trials each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, required=True)
    parser.add_argument("--trials", type=int, required=True)
    given = parser.parse_args()
    return given.seeds, given.trials
