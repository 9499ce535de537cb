"""SLURM's commands as stand-ins on PATH; their words are those that SLURM 22.05 says."""

from __future__ import annotations

import socket
from pathlib import Path
from shlex import quote
from types import SimpleNamespace
from typing import Any

import pytest

from harness.cluster import slurm
from harness.cluster.packing import JOB_SECONDS, least_seeds
from harness.cluster.slurm import State
from harness.cluster.waiting import Waiting, slurm_ended
from harness.config.overrides import normalise
from harness.errors import SettingsError
from harness.store.cell_folder import SUMMARY
from harness.store.files import write_json

FORGOTTEN = "slurm_load_jobs error: Invalid job id specified"
UNREACHABLE = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
REFUSALS = {
    "sbatch: error: invalid partition specified: nope\n"
    "sbatch: error: Batch job submission failed: Invalid partition name specified": "Invalid partition name specified "
    "(hydra.launcher.partition=nope); `sinfo` lists the partitions",
    "sbatch: error: Memory specification can not be satisfied\n"
    "sbatch: error: Batch job submission failed: Requested node configuration is not available": "Requested node configuration "
    "is not available (hydra.launcher.mem_gb=900); `sinfo -o '%P %c %m'` lists nodes",
    "sbatch: error: Batch job submission failed: Invalid job array specification": "Invalid job array specification; fewer jobs: "
    "hydra.sweeper.seeds_per_job=N",
    "sbatch: error: Invalid generic resource (gres) specification": "Invalid generic resource (gres) specification; "
    "`sinfo -o '%P %G'` lists what nodes have",
    "something else": "something else",
}


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that puts a command on PATH, which prints to both streams, notes its arguments and ends with a status."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def make(name: str, out: str = "", err: str = "", status: int = 0) -> Path:
        noted = tmp_path / f"{name}.txt"
        texts = f"printf '%s\\n' {quote(out)}\nprintf '%s\\n' {quote(err)} >&2" if out or err else ":"
        (folder / name).write_text(f'#!/bin/sh\necho "$@" >> {noted}\n{texts}\nexit {status}\n')
        (folder / name).chmod(0o755)
        return noted

    return make


def test_the_states_of_arrays_are_known_without_accounting(command: Any) -> None:
    noted = command("squeue", "12_0|COMPLETED|None\n12_1|TIMEOUT|TimeLimit\n12_2|PENDING|PartitionConfig\n13|RUNNING|None")
    found = slurm.states(["12_0", "12_1", "12_2", "13"])
    assert found == {
        "12_0": State("COMPLETED", "None"),
        "12_1": State("TIMEOUT", "TimeLimit"),
        "12_2": State("PENDING", "PartitionConfig"),
        "13": State("RUNNING", "None"),
    }
    assert "--jobs=12,13" in noted.read_text()
    assert slurm.ended(["12_0", "12_1", "12_2", "13", "14"], found) == {"12_0": "COMPLETED", "12_1": "TIMEOUT", "14": ""}


def test_a_forgotten_job_has_ended_and_a_silent_controller_says_nothing(command: Any) -> None:
    command("squeue", err=FORGOTTEN, status=1)
    assert slurm.states(["12"]) == {}
    command("squeue", err=UNREACHABLE, status=1)
    assert slurm.states(["12"]) is None


def test_a_job_that_slurm_holds_back_is_told(command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    command("squeue", "12|PENDING|PartitionConfig")
    assert slurm_ended({"12": None}) == {}
    assert slurm_ended({"12": None}) == {}
    assert capsys.readouterr().err.splitlines() == [
        "SLURM holds jobs back (PartitionConfig): they start when that changes; Ctrl-C cancels them"
    ]


@pytest.mark.parametrize("said", REFUSALS)
def test_a_refusal_is_one_line_that_names_the_setting(said: str) -> None:
    params = {"partition": "nope", "mem_gb": 900, "account": None, "name": "harness-main"}
    assert slurm.refusal(said, params) == f"SLURM refuses the jobs: {REFUSALS[said]}"


def test_the_longest_array_is_asked_for(command: Any) -> None:
    command("scontrol", "Configuration data as of 2026-11-27\nMaxArraySize            = 101\nMaxJobCount = 10000")
    assert slurm.longest_array() == 101


def test_jobs_are_cancelled_at_once_or_the_command_that_does_is_named(command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    noted = command("scancel")
    slurm.cancel(["12_0", "12_1", "13"])
    assert noted.read_text().splitlines() == ["12 13", "--quiet --full --signal=KILL 12 13"]
    command("scancel", err="scancel: error: Kill job error", status=1)
    slurm.cancel(["12_0"])
    assert capsys.readouterr().err.splitlines() == [
        "cancelled: SLURM job 12 13",
        "the SLURM jobs could not be cancelled; to do that: scancel 12",
    ]


def test_without_slurm_the_command_says_where_to_start_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SettingsError, match="there is no sbatch on this machine"):
        slurm.refuse_without_slurm()


def job(folder: Path, name: str) -> Any:
    """Return what `Waiting` sees of a job of submitit; its result is there when its file is."""
    paths = SimpleNamespace(result_pickle=folder / f"{name}_result.pkl", stderr=folder / f"{name}.err")
    return SimpleNamespace(job_id=name, paths=paths, results=lambda: [SimpleNamespace(return_value=f"result of {name}")])


def test_a_job_without_a_result_costs_no_other_job_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("harness.cluster.waiting.time", SimpleNamespace(monotonic=lambda: clock[0]))
    waiting = Waiting({name: job(tmp_path, name) for name in ("1_0", "1_1", "1_2")})
    waiting.take_ended({"1_0": "CANCELLED", "1_1": "COMPLETED"})
    clock[0] += 5
    (tmp_path / "1_1_result.pkl").touch()
    waiting.take_ended({"1_0": "CANCELLED", "1_1": "COMPLETED"})
    assert [(lost.job, lost.state) for lost in waiting.lost] == [("1_0", "CANCELLED")]
    assert [str(result) for result in waiting.results] == ["result of 1_1"]
    assert list(waiting.jobs) == ["1_2"]


def test_a_job_that_is_queued_again_is_waited_for_and_a_silent_controller_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr("harness.cluster.waiting.time", SimpleNamespace(monotonic=lambda: clock[0]))
    waiting = Waiting({"1": job(tmp_path, "1")})
    for ended in ({"1": "COMPLETED"}, {}, {"1": "COMPLETED"}):
        waiting.take_ended(ended)
        clock[0] += 14
    assert list(waiting.jobs) == ["1"]
    clock[0] += 500
    waiting.take_ended(None)
    assert list(waiting.jobs) == ["1"]
    clock[0] += 601
    waiting.take_ended(None)
    assert [(lost.job, lost.state) for lost in waiting.lost] == [("1", "SILENT")]


def test_a_launcher_implies_a_sweep() -> None:
    assert normalise(["task=toy", "hydra/launcher=joblib"], []) == ["task=toy", "hydra/launcher=joblib", "-m"]
    assert normalise(["task=toy", "hydra/launcher=joblib", "-m"], [])[-1:] == ["-m"]
    assert "-m" not in normalise(["task=toy", "hydra/launcher=joblib", "--cfg", "hydra"], [])
    assert "-m" not in normalise(["task=toy"], [])


def combination(*, trains: bool, asking: object = None, budget: int = 10) -> tuple[Any, Any]:
    cell = SimpleNamespace(budget=budget, asking=asking, folder="digits/random/seed0-1f6c9a2e")
    return SimpleNamespace(evaluator=SimpleNamespace(trains=trains)), [cell]


def test_a_job_has_as_many_seeds_as_keep_it_busy(tmp_path: Path) -> None:
    live, cells = combination(trains=True)
    assert least_seeds(tmp_path, live, cells) == 1
    assert least_seeds(tmp_path, *combination(trains=False, asking="an LLM")) == 1
    assert 20 <= least_seeds(tmp_path, *combination(trains=False)) <= 30
    done = tmp_path / "digits" / "random" / "seed1-00000000"
    done.mkdir(parents=True)
    write_json(done / SUMMARY, {"trials": 5, "train_seconds": 4.0, "propose_seconds": 1.0})
    assert least_seeds(tmp_path, live, cells) == JOB_SECONDS / 10
    # The seconds of a recorded training are not spent again.
    assert least_seeds(tmp_path, *combination(trains=False)) == JOB_SECONDS / 2


def test_a_ray_cluster_that_does_not_answer_is_one_line() -> None:
    from harness.cluster.ray import refuse_silent

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"no Ray cluster answers at 127.0.0.1:{port} .*ray start --head"):
            refuse_silent(f"127.0.0.1:{port}")
        closed.listen()
        refuse_silent(f"ray://127.0.0.1:{port}")
    for wrong in ("head", "head:", ":6379", "head:99999"):
        with pytest.raises(SettingsError, match="write HOST:PORT"):
            refuse_silent(wrong)
    refuse_silent("local")
