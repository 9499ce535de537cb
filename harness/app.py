"""The Hydra application: compose a config, build the cells that it asks for, run them.

    compose (Hydra) -> settings.cells -> study.add_to_plan -> study.run_cells -> cell.run_cell

With `-m` the middle is the sweeper's (`sweep.py`), which plans all combinations first and then has a launcher call `job` for each.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from harness.environment import one_thread
from harness.errors import CellsFailed, HarnessError
from harness.progress import watch
from harness.settings import cells, conf_dir, register, resolved
from harness.study import SUITE_GROUPS, Result, add_to_plan, block, blocked_by, expand_suites, is_done, report_problems, run_cells


def run(arguments: Sequence[str]) -> None:
    """Run one command line. Raises HarnessError, or Hydra's own errors for what does not compose (see `complaints.py`)."""
    # Hydra would print a traceback and leave by itself; with this it lets its exceptions through.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    register()
    folder = conf_dir()
    sys.argv = ["harness", *normalise(arguments, [folder, *config_dirs(arguments)])]
    errors: list[HarnessError] = []

    def single_or_sweep(config: Any) -> Any:
        if HydraConfig.get().mode != RunMode.RUN:
            return job(config)
        try:
            run_single(config)
        except HarnessError as error:
            errors.append(error)  # raised through Hydra, it would bring Hydra's own message with it
        return None

    hydra.main(version_base="1.3", config_path=str(folder), config_name="config")(single_or_sweep)()
    if errors:
        raise errors[0]


def job(config: Any) -> Result:
    """Run the cells of one composed config, in this process or in a launcher's worker. Never raises what a sweep must survive."""
    one_thread()
    settings = resolved(config)
    return run_cells(cells(settings), settings)


def run_single(config: Any) -> None:
    """Plan and run the cells of a command without `-m`. Raises HarnessError; CellsFailed when a cell failed or is busy."""
    settings = resolved(config)
    asked = list(cells(settings))
    study = Path(settings["out"]) / settings["study"]
    add_to_plan(study, asked)
    missing = [cell for cell in asked if not is_done(study, cell)]
    blocked = blocked_by(settings) if missing else None
    if blocked:
        result = block(study, missing, blocked)
    else:
        with watch({study: asked}, settings["progress"]):
            result = run_cells(asked, settings)
    if problems := list(report_problems(result)):
        raise CellsFailed("; ".join(problems))


def normalise(arguments: Sequence[str], conf: Sequence[Path]) -> list[str]:
    """Return the arguments as Hydra wants them: `-m` in front, and `task=all` and other suites as the names that they stand for.

    A suite stands for several jobs, so it implies `-m`.
    """
    multirun = [a for a in arguments if a in ("-m", "--multirun")]
    rest = []
    for argument in (a for a in arguments if a not in ("-m", "--multirun")):
        expanded = expand_suites(argument, conf) if argument.partition("=")[0] in SUITE_GROUPS else argument
        if expanded != argument and "," in expanded:
            multirun = ["-m"]
        rest.append(expanded)
    return [*multirun[:1], *rest]


def config_dirs(arguments: Sequence[str]) -> list[Path]:
    """Return the folders that the user added with --config-dir."""
    found = [Path(following) for a, following in itertools.pairwise(arguments) if a in ("--config-dir", "-cd")]
    return found + [Path(a.partition("=")[2]) for a in arguments if a.startswith("--config-dir=")]
