"""The machine and the versions with which this process runs, read once per process; and limits on threads."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

PACKAGES = (
    "tcs-harness",
    "hydra-core",
    "numpy",
    "scipy",
    "scikit-learn",
    "scikit-optimize",
    "optuna",
    "cmaes",
    "torch",
    "wandb",
    "ollama",
    "openai",
)
# The variable that holds the process id of the command that started a worker.
COMMAND_PID = "HARNESS_COMMAND_PID"
PARENT_POLL_SECONDS = 0.5
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class GitState(TypedDict):
    """The commit of a checkout; `dirty` says whether tracked files have uncommitted changes."""

    commit: str
    dirty: bool


class Machine(TypedDict):
    """One machine; `cores` is None when the system does not say."""

    host: str
    system: str
    processor: str
    cores: int | None


class Environment(TypedDict):
    """The environment of one process, as a manifest records it; `threads` maps each variable to its value, None when unset."""

    python: str
    packages: dict[str, str]
    git: GitState | None
    machine: Machine
    threads: dict[str, str | None]


def one_thread() -> None:
    """Limit numerical libraries to one thread, unless the user has set a number. Must run before NumPy or torch is imported.

    With more threads, cells that run at the same time compete for cores (skopt's GP is then up to 15 times slower), and results may
    differ in their last bits between machines.
    """
    for variable in THREAD_VARIABLES:
        os.environ.setdefault(variable, "1")


@functools.cache
def end_with_command() -> None:
    """In a launcher's worker on this machine: end this process soon after the command that started it has ended or was killed.

    Otherwise the worker would keep its cells locked, and a new launch could not run them.
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
def environment() -> Environment:
    """Return versions, git state and machine as plain data."""
    return {
        "python": platform.python_version(),
        "packages": versions(PACKAGES),
        "git": git_state(Path(__file__).resolve().parents[1]),
        "machine": {
            "host": platform.node(),
            "system": f"{platform.system()} {platform.release()}",
            "processor": _processor(),
            "cores": os.cpu_count(),
        },
        "threads": {name: os.environ.get(name) for name in THREAD_VARIABLES},
    }


def git_state(checkout: Path) -> GitState | None:
    """Return the commit of a checkout and whether its tracked files have uncommitted changes; None when it is not a checkout."""
    # Parent folders are not searched: the package may be installed inside another repository.
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "status", "--porcelain=v2", "--branch", "--untracked-files=no"]
    try:
        lines = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return None
    heads = [line.split()[-1] for line in lines if line.startswith("# branch.oid")]
    return {"commit": heads[0], "dirty": any(not line.startswith("#") for line in lines)} if heads else None


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of the packages that are installed, read from the names of their metadata folders.

    `importlib.metadata` is not used, because it parses a metadata file per package, which takes longer than a small cell.
    """
    found: dict[str, str] = {}
    for folder in sys.path:
        with contextlib.suppress(OSError):
            for entry in os.listdir(folder or "."):  # noqa: PTH208 - a path object for each of hundreds of entries takes longer
                if entry.endswith(".dist-info"):
                    name, _, version = entry.removesuffix(".dist-info").partition("-")
                    found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), version)
    return {package: found[package] for package in packages if package in found}


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
