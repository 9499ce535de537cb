"""What this process runs on and with: recorded once a process, never by a subprocess in every cell."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

PACKAGES = (
    "tcs-harness",
    "hydra-core",
    "numpy",
    "scipy",
    "scikit-learn",
    "scikit-optimize",
    "optuna",
    "torch",
    "wandb",
    "ollama",
    "openai",
)
# Where a worker finds the process id of the command that started it.
COMMAND_PID = "HARNESS_COMMAND_PID"
PARENT_POLL_SECONDS = 0.5
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def one_thread() -> None:
    """Ask every numerical library that is loaded after this for one thread, unless the user has set a number.

    Two cells side by side must not fight for cores (skopt's GP is up to 15 times slower then), and only one thread gives the same
    bits everywhere. Must run before NumPy or torch is imported.
    """
    for variable in THREAD_VARIABLES:
        os.environ.setdefault(variable, "1")


@functools.cache
def end_with_command() -> None:
    """In a launcher's worker on this machine: end this process soon after the command that started it, even when that was killed.

    Otherwise its cells would stay locked, and a relaunch would have to leave them out.
    """
    command = os.getppid()
    if os.environ.get(COMMAND_PID) != str(command):
        return

    def watch() -> None:
        while os.getppid() == command:
            time.sleep(PARENT_POLL_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@functools.cache
def environment() -> dict[str, Any]:
    """Return versions, git state and machine as plain data."""
    return {
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "git": git_state(Path(__file__).resolve().parent),
        "machine": {
            "host": platform.node(),
            "system": f"{platform.system()} {platform.release()}",
            "processor": _processor(),
            "cores": os.cpu_count(),
        },
        "threads": {name: os.environ.get(name) for name in THREAD_VARIABLES},
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """Return the commit of the checkout that holds `folder` and whether it has uncommitted changes; None outside a checkout."""
    try:
        command = ["git", "-C", str(folder), "status", "--porcelain=v2", "--branch", "--untracked-files=no"]
        lines = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.splitlines()
        # A package installed inside somebody else's repository is not part of it.
        tracked = subprocess.run(["git", "-C", str(folder), "ls-files", "__main__.py"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    heads = [line.split()[-1] for line in lines if line.startswith("# branch.oid")]
    if not heads or not tracked.stdout.strip():
        return None
    return {"commit": heads[0], "dirty": any(not line.startswith("#") for line in lines)}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
