"""What SLURM's own commands say: the states of jobs, the longest array, why jobs are refused. It needs no accounting (`sacct`)."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.console import say
from harness.errors import SettingsError

COMMANDS = ("sbatch", "srun", "squeue", "scancel")
COMMAND_SECONDS = 60
# A job in one of these writes no result any more.
BROKEN = frozenset(("BOOT_FAIL", "CANCELLED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT"))
# A job has ended when it is in one of these, or forgotten; from any other state it goes on.
ENDED = BROKEN | {"COMPLETED", "PREEMPTED", "REVOKED", ""}
# Reasons of a pending job that pass without the user.
PASSING = frozenset(("None", "Priority", "Resources", "JobArrayTaskLimit", "BeginTime", "Dependency", "Cleaning", "Reservation"))


@dataclass(frozen=True)
class State:
    """The state of a job, such as RUNNING, and why SLURM holds it back, such as Resources (`None` for a job that it does not)."""

    name: str
    reason: str

    @property
    def is_held(self) -> bool:
        """Say whether the job waits for something that other jobs do not bring about by ending."""
        return self.name == "PENDING" and self.reason not in PASSING


def refuse_without_slurm() -> None:
    """Raise SettingsError where SLURM's commands are missing."""
    missing = [name for name in COMMANDS if shutil.which(name) is None]
    if missing:
        raise SettingsError(
            f"hydra/launcher=submitit_slurm: there is no {missing[0]} on this machine; start the command where SLURM's commands are, "
            "such as a cluster's login node, or take hydra/launcher=joblib"
        )


def states(ids: Iterable[str]) -> dict[str, State] | None:
    """Return the states of all jobs with these ids, by the id of the job or of the array's member, such as `12_3`.

    A job that SLURM has forgotten is missing; None when SLURM does not answer.
    """
    wanted = sorted({job.partition("_")[0] for job in ids})
    ran = _run("squeue", "--noheader", "--array", "--states=all", "--format=%i|%T|%r", f"--jobs={','.join(wanted)}")
    if ran is None or (ran.returncode and "Invalid job id" not in ran.stderr):
        return None
    rows = [line.strip().split("|") for line in ran.stdout.splitlines()]
    return {row[0]: State(row[1], row[2]) for row in rows if len(row) == 3}


def longest_array() -> int | None:
    """Return how many jobs an array may have here, None when SLURM does not say."""
    ran = _run("scontrol", "show", "config")
    found = re.search(r"MaxArraySize\s*=\s*(\d+)", ran.stdout) if ran else None
    return int(found[1]) if found and int(found[1]) > 0 else None


def cancel(ids: Iterable[str]) -> None:
    """Cancel jobs at once, waiting ones too. Records lose at most the trial in progress. Where that fails, name the command."""
    wanted = sorted({job.partition("_")[0] for job in ids})
    ran = _run("scancel", *wanted)
    if ran is None or ran.returncode:
        say(f"the SLURM jobs could not be cancelled; to do that: scancel {' '.join(wanted)}")
        return
    # SLURM would let a running job go on for KillWait, 30 s by default, with its cells locked.
    _run("scancel", "--quiet", "--full", "--signal=KILL", *wanted)
    say(f"cancelled: SLURM job {' '.join(wanted)}")


def refusal(stderr: str, params: Mapping[str, object]) -> str:
    """Return one line for what sbatch wrote: its last reason, and the settings that were asked for."""
    reasons = [line.removeprefix("sbatch: error: ").strip() for line in stderr.splitlines() if line.startswith("sbatch: error: ")]
    reason = (reasons or [line for line in stderr.splitlines() if line.strip()] or ["sbatch failed"])[-1]
    reason = reason.removeprefix("Batch job submission failed: ").rstrip(".")
    asked = " ".join(
        f"hydra.launcher.{key}={value}" for key, value in params.items() if value is not None and _matters(key, stderr)
    )
    return f"SLURM refuses the jobs: {reason}{f' ({asked})' if asked else ''}{_help(stderr)}"


_HELP = (
    ("partition", ("partition",), "`sinfo` lists the partitions"),
    ("memory|node configuration", ("mem_gb", "mem_per_cpu", "cpus_per_task", "gpus_per_node"), "`sinfo -o '%P %c %m'` lists nodes"),
    ("array", (), "fewer jobs: hydra.sweeper.seeds_per_job=N"),
    ("limit", (), "fewer jobs: hydra.sweeper.seeds_per_job=N"),
    ("account|qos", ("account", "qos"), "ask the cluster's administrators"),
    ("time", ("timeout_min",), "`sinfo` lists the limits of partitions"),
    ("gres|gpu", ("gres", "gpus_per_node", "gpus_per_task"), "`sinfo -o '%P %G'` lists what nodes have"),
)  # fmt: skip


def _matters(key: str, stderr: str) -> bool:
    return any(key in keys for pattern, keys, _ in _HELP if re.search(pattern, stderr, re.IGNORECASE))


def _help(stderr: str) -> str:
    found = [text for pattern, _, text in _HELP if re.search(pattern, stderr, re.IGNORECASE)]
    return f"; {found[0]}" if found else ""


def _run(*command: str) -> subprocess.CompletedProcess[str] | None:
    """Run a command of SLURM's; None when it is missing or does not end."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None


def ended(ids: Sequence[str], found: Mapping[str, State]) -> dict[str, str]:
    """Return the jobs that have ended, with their states; `` for one that SLURM has forgotten."""
    names = {job: found[job].name if job in found else "" for job in ids}
    return {job: name for job, name in names.items() if name in ENDED}
