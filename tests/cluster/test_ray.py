"""What a user of Ray meets: no cluster, one that has ended, an address at which nothing answers."""

from __future__ import annotations

import importlib.util
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import environment, run

CELLS = ("task=toy", "seeds=2", "budget=2", "tracking=off", "progress=off")
ADDRESS = "hydra.launcher.ray.init.address"
pytestmark = [
    pytest.mark.full,
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("hydra_plugins.hydra_ray_launcher") is None, reason="pip install -e '.[ray]' brings Ray"
    ),
]


@pytest.fixture
def stale() -> Iterator[dict[str, str]]:
    """Return the environment of a machine on which a Ray cluster has ended without removing the file of its address."""
    folder = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))  # Ray puts sockets there, whose paths must be short
    (folder / "ray").mkdir()
    (folder / "ray" / "ray_current_cluster").write_text("127.0.0.1:1\n")
    yield environment(RAY_TMPDIR=str(folder), HOME=str(folder))
    shutil.rmtree(folder)


def test_ray_on_this_machine_does_not_look_for_a_cluster_that_has_ended(tmp_path: Path, stale: dict[str, str]) -> None:
    here = ("hydra/launcher=ray", "+hydra.launcher.ray.init.num_cpus=1")
    ran = run((*CELLS, *here), tmp_path, timeout=300, env=stale)
    assert ran.returncode == 0, ran.stderr
    assert len(list(tmp_path.glob("runs/main/*/*/*/summary.json"))) == 2


def test_a_cluster_that_has_ended_is_one_line(tmp_path: Path, stale: dict[str, str]) -> None:
    ran = run((*CELLS, "hydra/launcher=ray_cluster"), tmp_path, timeout=300, env=stale)
    assert ran.returncode == 2
    assert re.match(r"harness: no Ray cluster answers at \S+:1 \(Connection refused\)", ran.stderr.splitlines()[-1]), ran.stderr
    assert "Traceback" not in ran.stderr


def test_no_cluster_is_one_line(tmp_path: Path, stale: dict[str, str]) -> None:
    Path(stale["RAY_TMPDIR"], "ray", "ray_current_cluster").unlink()
    ran = run((*CELLS, "hydra/launcher=ray_cluster"), tmp_path, timeout=300, env=stale)
    assert (ran.returncode, ran.stderr.splitlines()[-1]) == (
        2,
        "harness: no Ray cluster runs on this machine: `ray start --head` starts one, and prints its address; "
        f"or give {ADDRESS}=HOST:PORT, or hydra/launcher=ray",
    )


def test_an_address_at_which_nothing_answers_is_one_line(tmp_path: Path, stale: dict[str, str]) -> None:
    ran = run((*CELLS, "hydra/launcher=ray_cluster", f"{ADDRESS}='127.0.0.1:2'"), tmp_path, timeout=300, env=stale)
    assert (ran.returncode, ran.stderr) == (
        2,
        "harness: no Ray cluster answers at 127.0.0.1:2 (Connection refused): `ray start --head` starts one, and prints its address\n",
    )
