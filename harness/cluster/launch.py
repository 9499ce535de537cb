"""Have Hydra's launcher run the jobs of a sweep, whichever it is; what goes wrong with it is one line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.errors import CellsFailed
from harness.run.study import Result


def launch(launcher: Any, jobs: Sequence[Sequence[str]], study: Path, *, quiet: bool) -> list[Result]:
    """Run the jobs and return their results. `quiet`: say nothing but what goes wrong.

    Raises SettingsError where the launcher does not get what it needs; CellsFailed when one of joblib's workers died under its training.
    """
    name = type(launcher).__name__
    if name in ("SlurmLauncher", "LocalLauncher"):
        from harness.cluster import submitit  # noqa: PLC0415 - an extra

        return submitit.launch(launcher, jobs, study, quiet=quiet)
    if name == "RayLauncher":
        from harness.cluster import ray  # noqa: PLC0415 - an extra

        return ray.launch(launcher, jobs)
    return by_hydra(launcher, jobs)


def by_hydra(launcher: Any, jobs: Sequence[Sequence[str]]) -> list[Result]:
    """Run the jobs as Hydra does. Raises CellsFailed when one of joblib's workers died."""
    try:
        return [job.return_value for job in launcher.launch(jobs, initial_job_idx=0)]
    except Exception as error:
        if type(error).__name__ != "TerminatedWorkerError":  # joblib's, which only its own launcher imports
            raise
        raise CellsFailed(
            "a worker process died, out of memory or by a crash in native code; the same command goes on, and with "
            "limits.trial_seconds=... a training that dies costs no more than its trial"
        ) from error
