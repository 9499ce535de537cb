"""Submit the jobs of a sweep through submitit, as Hydra's launcher does, and wait for them in another way.

Hydra's launcher would raise the first job's error, and leave the others alone; Ctrl-C would end the command and not its jobs.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton

from harness.cluster import slurm
from harness.cluster.waiting import Lost, wait
from harness.console import say
from harness.errors import HarnessError, SettingsError, shown
from harness.run.study import Result
from harness.signals import stop_status

# Of a job, unless hydra.launcher.mem_gb or another setting of memory is given: without one, SLURM may give a job the whole node.
MEMORY_GB = 4
MEMORY_KEYS = ("mem_gb", "mem_per_cpu", "mem_per_gpu")
HANGUP = 129


def launch(launcher: Any, jobs: Sequence[Sequence[str]], study: Path, *, quiet: bool) -> list[Result]:
    """Run the jobs, and return their results, with a line for each way in which jobs ended without one. Raises SettingsError."""
    on_slurm = launcher._EXECUTOR == "slurm"
    if on_slurm:
        slurm.refuse_without_slurm()
    params = with_defaults(launcher.params, study, on_slurm=on_slurm)
    submitted: list[Any] = []
    try:
        for arguments in arrays(jobs, slurm.longest_array() if on_slurm else None):
            with refusals(params):
                submitted += make_executor(launcher._EXECUTOR, params).map_array(launcher, *zip(*arguments, strict=True))
        if not quiet:
            say(announcement([job.job_id for job in submitted], params, on_slurm=on_slurm))
        results, lost = wait(submitted, on_slurm=on_slurm)
    except (HarnessError, KeyboardInterrupt):
        # Whose terminal was closed may want the jobs to go on.
        if submitted and stop_status() != HANGUP:
            cancel(submitted, on_slurm=on_slurm)
        raise
    return [*(with_time_limit(result, params) for result in results), *lines(lost, params)]


def with_time_limit(result: Result, params: Mapping[str, Any]) -> Result:
    """Return the result of a job with words of ours where submitit's say that the time limit ended it."""
    words = f"the time limit ended the job (hydra.launcher.timeout_min={params['timeout_min']})"
    stopped = [f"{line.partition(': ')[0]}: {words}" if "timed-out too many times" in line else line for line in result.stopped]
    return replace(result, stopped=tuple(stopped))


def with_defaults(given: Mapping[str, Any], study: Path, *, on_slurm: bool) -> dict[str, Any]:
    """Return the launcher's parameters; logs go below the study, and its name into the job's, unless others are given.

    Raises SettingsError for several processes per job, which would all run the same cells.
    """
    params = dict(given)
    for key in ("nodes", "tasks_per_node"):
        if params.get(key, 1) not in (1, None):
            raise SettingsError(
                f"hydra.launcher.{key}={params[key]}: a job is one process that runs its cells in turn; leave it out"
            )
    if Path(str(params["submitit_folder"])) == Path(".submitit/%j"):
        params["submitit_folder"] = str(study.absolute() / ".submitit" / "%j")
    if params.get("name") == "harness":
        params["name"] = f"harness-{re.sub(r'[^A-Za-z0-9_.-]', '_', study.name)}"
    extra = params.get("additional_parameters") or {}
    if on_slurm and all(params.get(key) is None for key in MEMORY_KEYS) and not any(str(key).startswith("mem") for key in extra):
        params["mem_gb"] = MEMORY_GB
    return params


def arrays(jobs: Sequence[Sequence[str]], longest: int | None) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the arguments of jobs for the launcher's `__call__`, no more at a time than an array may have."""
    rows = [(list(overrides), "hydra.sweep.dir", n, f"job_id_for_{n}", Singleton.get_state()) for n, overrides in enumerate(jobs)]
    size = min(longest or len(rows), len(rows))
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def make_executor(cluster: str, params: Mapping[str, Any]) -> Any:
    """Return submitit's executor with these parameters of Hydra's launcher."""
    import submitit  # noqa: PLC0415
    from hydra_plugins.hydra_submitit_launcher.config import BaseQueueConf  # noqa: PLC0415

    first = {f"{cluster}_max_num_timeout": params["max_num_timeout"]} if "max_num_timeout" in params else {}
    executor = submitit.AutoExecutor(cluster=cluster, folder=params["submitit_folder"], **first)
    shared = BaseQueueConf.__dataclass_fields__
    rest = {key: value for key, value in params.items() if key not in ("submitit_folder", "max_num_timeout")}
    executor.update_parameters(**{key if key in shared else f"{cluster}_{key}": value for key, value in rest.items()})
    return executor


@contextlib.contextmanager
def refusals(params: Mapping[str, Any]) -> Iterator[None]:
    """Turn sbatch's refusal into one line: raises SettingsError. submitit prints it, too; that is dropped."""
    from submitit.core.utils import FailedJobError, FailedSubmissionError  # noqa: PLC0415

    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    except (FailedJobError, FailedSubmissionError) as error:
        raise SettingsError(shown(slurm.refusal(str(error), params))) from error


def announcement(ids: Sequence[str], params: Mapping[str, Any], *, on_slurm: bool) -> str:
    """Say what was submitted, what each job may take, and how to cancel them all."""
    count = "1 job" if len(ids) == 1 else f"{len(ids)} jobs"
    limits = [f"{params['timeout_min']} minutes (hydra.launcher.timeout_min)"]
    if params.get("mem_gb") is not None:
        limits.append(f"{params['mem_gb']} GB (hydra.launcher.mem_gb)")
    text = f"{count} of at most {' and '.join(limits)} {'' if len(ids) == 1 else 'each'}".rstrip()
    return f"{text}; to cancel: Ctrl-C, or scancel {' '.join(main_ids(ids))}" if on_slurm else f"{text}; to cancel: Ctrl-C"


def main_ids(ids: Sequence[str]) -> list[str]:
    """Return the ids of whole arrays."""
    return list(dict.fromkeys(job.partition("_")[0] for job in ids))


def cancel(jobs: Sequence[Any], *, on_slurm: bool) -> None:
    """Cancel the jobs that were submitted."""
    if on_slurm:
        slurm.cancel([job.job_id for job in jobs])
        return
    for job in jobs:
        job.cancel(check=False)


def lines(lost: Sequence[Lost], params: Mapping[str, Any]) -> list[Result]:
    """Return a result for each way in which jobs ended without one of theirs."""
    by_state = defaultdict[str, list[Lost]](list)
    for each in lost:
        by_state[each.state].append(each)
    return [Result(stopped=(line(state, found, params),)) for state, found in by_state.items()]


def line(state: str, found: Sequence[Lost], params: Mapping[str, Any]) -> str:
    """Say that jobs ended without a result, why, and what helps."""
    names = ", ".join(each.job for each in found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
    why = {
        "": "SLURM has forgotten them, and they left no result",
        "TIMEOUT": f"the time limit ended them (hydra.launcher.timeout_min={params['timeout_min']})",
        "OUT_OF_MEMORY": f"they ran out of memory (hydra.launcher.mem_gb={params.get('mem_gb')})",
        "CANCELLED": "somebody cancelled them",
        "SILENT": "squeue has not answered for ten minutes; they may run on",
    }.get(state, f"no result ({state})")
    count = "1 job" if len(found) == 1 else f"{len(found)} jobs"
    return f"{count} ({names}): {why}; what their cells recorded is kept (the log of the first: {found[0].log})"
