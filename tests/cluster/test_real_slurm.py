"""A real SLURM, such as the one node that Debian's packages make (slurmctld, slurmd, slurm-client, munge), also without accounting."""

from __future__ import annotations

import importlib.util
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support.commands import FAULTY, records, run, start


def slurm_answers() -> bool:
    if shutil.which("sinfo") is None:
        return False
    return subprocess.run(["sinfo", "--noheader"], capture_output=True, timeout=30).returncode == 0


pytestmark = [
    pytest.mark.full,
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("hydra_plugins.hydra_submitit_launcher") is None,
        reason="pip install -e '.[slurm]' brings submitit",
    ),
    pytest.mark.skipif(not slurm_answers(), reason="no SLURM answers here"),
]
SECONDS = 300
CELLS = (*FAULTY, "budget=4", "tracking=off", "progress=plain")
ON_SLURM = ("hydra/launcher=submitit_slurm", "hydra.launcher.mem_gb=1")
REFUSED: dict[tuple[str, ...], str] = {
    (
        "hydra.launcher.partition=nope",
    ): r"SLURM refuses the jobs: .*[Pp]artition.* \(hydra.launcher.partition=nope\); `sinfo` lists .*",
    ("hydra.launcher.mem_gb=900000",): r"SLURM refuses the jobs: .* \(hydra.launcher.mem_gb=900000\); `sinfo .*` lists nodes",
    ("+hydra.launcher.additional_parameters.gres=none:1",): r"SLURM refuses the jobs: .*generic resource.*; `sinfo .*",
}


@pytest.mark.parametrize("asked", REFUSED)
def test_what_slurm_refuses_is_one_line(tmp_path: Path, asked: tuple[str, ...]) -> None:
    ran = run((*CELLS, "seeds=2", *ON_SLURM, *asked), tmp_path, timeout=SECONDS)
    assert ran.returncode == 2
    assert re.fullmatch(f"harness: {REFUSED[asked]}\n", ran.stderr), ran.stderr


def test_a_cancelled_job_is_one_line_and_the_others_give_their_records(tmp_path: Path) -> None:
    asked = (*CELLS, "seeds=2", "task.params.epoch_seconds=10", *ON_SLURM)
    with start(asked, tmp_path) as command:
        name, job = first_line_and_job(command)
        assert "2 jobs of at most 60 minutes" in name
        wait_until_running(f"{job}_0")
        subprocess.run(["scancel", "--full", "--signal=KILL", f"{job}_0"], check=True)
        _, err = command.communicate(timeout=SECONDS)
    assert command.returncode == 1
    lines = [line for line in err.splitlines() if line.startswith(("stopped", "harness"))]
    assert len(lines) == 2, err
    assert re.match(rf"stopped: 1 job \({job}_0\): .*; what their cells recorded is kept \(the log of the first: ", lines[0])
    assert lines[1] == "harness: 1 of 2 cells are not done; the same command goes on with them"
    assert len(list((tmp_path / "runs" / "main").glob("*/*/*/summary.json"))) == 1
    assert not (tmp_path / ".submitit").exists()
    assert (tmp_path / "runs" / "main" / ".submitit").is_dir()


def test_ctrl_c_cancels_the_jobs_and_the_same_command_ends_with_the_records_of_one_process(tmp_path: Path) -> None:
    slow = (*CELLS, "seeds=2", "task.params.epoch_seconds=1")
    assert run((*slow, "out=here"), tmp_path).returncode == 0
    with start((*slow, "out=there", *ON_SLURM), tmp_path) as command:
        _, job = first_line_and_job(command)
        wait_until_running(f"{job}_0")
        names = subprocess.run(["squeue", "-h", "-o", "%j", "-j", job], capture_output=True, text=True, check=True).stdout.split()
        assert set(names) == {"harness-main"}
        command.send_signal(signal.SIGINT)
        _, err = command.communicate(timeout=60)
    assert err.splitlines()[-2:] == [f"cancelled: SLURM job {job}", "harness: stopped; the same command goes on from here"]
    assert command.returncode == 130
    assert run((*slow, "out=there", *ON_SLURM), tmp_path, timeout=SECONDS).returncode == 0
    assert records(tmp_path / "there" / "main") == records(tmp_path / "here" / "main")


def test_a_time_limit_is_one_line_that_names_the_setting(tmp_path: Path) -> None:
    limit = ("hydra.launcher.timeout_min=1", "hydra.launcher.signal_delay_s=5", "task.params.epoch_seconds=60")
    ran = run((*CELLS, "seeds=1", *ON_SLURM, *limit), tmp_path, timeout=SECONDS)
    assert ran.returncode == 1
    assert "the time limit ended" in ran.stderr.splitlines()[-1], ran.stderr
    assert "hydra.launcher.timeout_min=1" in ran.stderr.splitlines()[-1]


def first_line_and_job(command: subprocess.Popen[str]) -> tuple[str, str]:
    """Return the line that tells what was submitted, and the id of the array in it."""
    assert command.stderr is not None
    line = command.stderr.readline()
    assert "to cancel: Ctrl-C, or scancel " in line, line + command.stderr.read()
    return line, line.split()[-1]


def wait_until_running(job: str) -> None:
    """Wait until a job runs for some seconds."""
    for _ in range(600):
        found = subprocess.run(["squeue", "-h", "-r", "-j", job, "-t", "RUNNING", "-o", "%M"], capture_output=True, text=True)
        if found.stdout.strip() and found.stdout.strip() >= "0:06":
            return
        time.sleep(0.5)
    pytest.fail(f"{job} does not run")
