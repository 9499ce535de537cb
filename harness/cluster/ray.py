"""Run the jobs of a sweep on Ray: on this machine, or on a cluster that is looked for before Ray waits for it for minutes."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import Any

from omegaconf import OmegaConf, open_dict

from harness.errors import CellsFailed, SettingsError, printable
from harness.run.study import Result

ADDRESS = "hydra.launcher.ray.init.address"
START = "`ray start --head` starts one, and prints its address"
CONNECT_SECONDS = 10.0
# Ray's own default is a third of the memory; the launcher's is this one.
OBJECT_STORE_BYTES = 78_643_200


def launch(launcher: Any, jobs: Sequence[Sequence[str]]) -> list[Result]:
    """Run the jobs and return their results.

    Raises SettingsError when Ray does not start here or its cluster is not there; CellsFailed when Ray loses a job.
    """
    from ray.exceptions import RayError  # noqa: PLC0415

    start(launcher.ray_cfg.init)
    try:
        return [job.return_value for job in launcher.launch(jobs, initial_job_idx=0)]
    except RayError as error:
        reason = printable(next((line for line in str(error).splitlines() if line.strip()), type(error).__name__))
        raise CellsFailed(f"Ray lost a job: {reason}; the same command goes on") from error


def start(init: Any) -> None:
    """Start Ray on this machine, or connect to the cluster that the settings name. Raises SettingsError."""
    import ray  # noqa: PLC0415

    # Without an address Ray would look for a cluster, also by the file that one that has ended left behind.
    address = init.get("address") or os.environ.get("RAY_ADDRESS") or "local"
    with open_dict(init):
        init.address = address
        if address == "local":
            init.setdefault("object_store_memory", OBJECT_STORE_BYTES)
        else:
            init.object_store_memory = None  # a running cluster has its own
    refuse_silent(found(address))
    options: Any = OmegaConf.to_container(init, resolve=True)
    try:
        ray.init(**options)
    except (ConnectionError, ValueError, TypeError, RuntimeError) as error:
        text = printable(" ".join(str(error).split()))
        raise SettingsError(f"Ray does not start with {ADDRESS}={address}: {text}") from error


def found(address: str) -> str:
    """Return the address of the cluster that `auto` stands for. Raises SettingsError when none runs on this machine."""
    if address != "auto":
        return address
    from ray._private.services import canonicalize_bootstrap_address  # noqa: PLC0415

    try:
        return str(canonicalize_bootstrap_address("auto"))
    except ConnectionError as error:
        raise SettingsError(
            f"no Ray cluster runs on this machine: {START}; or give {ADDRESS}=HOST:PORT, or hydra/launcher=ray"
        ) from error


def refuse_silent(address: str, *, seconds: float = CONNECT_SECONDS) -> None:
    """Raise SettingsError when nothing answers at HOST:PORT within these seconds. Ray itself would try for two minutes."""
    if address == "local":
        return
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise SettingsError(f"{ADDRESS}={address}: write HOST:PORT ({START})")
    try:
        socket.create_connection((host.strip("[]"), int(port)), seconds).close()
    except OSError as error:
        raise SettingsError(f"no Ray cluster answers at {address} ({error.strerror or error}): {START}") from error
