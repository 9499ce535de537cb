"""The same command on a local Ray cluster of two nodes, and on SLURM's launcher with submitit's local executor."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import FAULTY, TESTS, records, run

CELLS = (*FAULTY, "seeds=8", "budget=2", "tracking=off", "progress=off", "task.params.epoch_seconds=0.05", "-m")
CLUSTER = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=1)
cluster.wait_for_nodes()
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


def needs(module: str, extra: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(module) is None
    return pytest.mark.skipif(missing, reason=f"pip install -e '.[{extra}]' brings {module}")


@pytest.fixture
def expected(tmp_path: Path) -> dict[str, list[dict[str, object]]]:
    """Return the records of the same cells, one after the other in one process."""
    assert run((*CELLS, "out=here"), tmp_path).returncode == 0
    return records(tmp_path / "here" / "main")


@pytest.fixture
def ray_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Start a cluster of two nodes of one processor each, and return its address."""
    monkeypatch.setenv("HOME", str(tmp_path))  # Ray leaves a token there
    command = [sys.executable, "-c", CLUSTER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as cluster:
        assert cluster.stdout is not None
        lines = (line.strip() for line in cluster.stdout)
        yield next(line for line in lines if line.rpartition(":")[2].isdecimal())
        cluster.communicate()


@needs("hydra_plugins.hydra_ray_launcher", "ray")
def test_a_ray_cluster_leaves_the_records_of_one_process(
    tmp_path: Path, expected: dict[str, list[dict[str, object]]], ray_cluster: str
) -> None:
    pids = tmp_path / "pids"
    pids.mkdir()
    on_ray = ("hydra/launcher=ray_cluster", f"hydra.launcher.ray.init.address='{ray_cluster}'")
    shutil.copytree(TESTS / "support", tmp_path / "support")  # the task lies beside the command, as a user's own does
    ran = run((*CELLS, "out=ray", f"+task.params.pids={pids}", *on_ray), tmp_path, timeout=120)
    assert ran.returncode == 0, ran.stderr
    made = records(tmp_path / "ray" / "main")
    assert len(list(pids.iterdir())) == 2
    assert by_seed(made) == by_seed(expected)


@needs("hydra_plugins.hydra_submitit_launcher", "slurm")
def test_slurm_s_launcher_leaves_the_records_of_one_process(tmp_path: Path, expected: dict[str, list[dict[str, object]]]) -> None:
    on_slurm = ("hydra/launcher=submitit_local", "hydra.sweeper.seeds_per_job=4", "hydra.launcher.timeout_min=5")
    ran = run((*CELLS, "out=slurm", *on_slurm), tmp_path, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert records(tmp_path / "slurm" / "main") == expected
    assert run((*CELLS, "out=slurm", *on_slurm), tmp_path).returncode == 0


def by_seed(found: dict[str, list[dict[str, object]]]) -> dict[str, list[dict[str, object]]]:
    """Return records by the part of a folder's name that no setting changes."""
    return {folder.rpartition("-")[0]: rows for folder, rows in found.items()}
