"""The data of the core tasks are part of the benchmark: who changes them must raise the task's `version`, and these numbers."""

from __future__ import annotations

import numpy as np
import pytest

from harness.tasks.common.metrics import Array, Parts
from harness.tasks.core.friedman import table as friedman_table
from harness.tasks.core.graph import neighbour_graph
from harness.testing.contracts.task import spec_of, task_of


def fingerprint(arrays: list[Array]) -> list[float]:
    """Return of each array its mean and the mean of its products with a fixed ramp, which notices a changed order."""
    flat = [array.astype(np.float64).ravel() for array in arrays]
    return [number for values in flat for number in (values.mean(), (values * np.linspace(-1, 1, len(values))).mean())]


def arrays_of(name: str) -> list[Array]:
    if name == "friedman":
        return list(friedman_table(Parts(250, 2000, 4000)))
    if name == "graph":
        return [neighbour_graph(10, 50, 747).to_dense().numpy()]
    rows = task_of(name)._rows  # type: ignore[attr-defined]
    return [*(values.numpy() for values in rows.inputs), rows.targets.numpy()]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("digits", [2.44934e-09, 0.00148944, 4.49082, -0.0106345]),
        ("text", [690.434, -1.89137, 0.105979, -6.64661e-05, 3.5, 0.00276389]),
        ("graph", [0.000548887, -1.51048e-06]),
        ("ratings", [71.8922, 0.121683, 3.19873, 7.81895e-05]),
        ("madelon", [-0.00682772, -0.00153173, 0.494713, 0.00128624]),
        ("friedman", [0.50053, -0.000654279, 14.5631, -0.0654706]),
    ],
)
def test_data_are_those_of_version_1(name: str, expected: list[float]) -> None:
    assert spec_of(name).version == 1
    assert fingerprint(arrays_of(name)) == pytest.approx(expected, rel=1e-3, abs=1e-6)
