"""The Hydra application: compose a config, build the cells that it asks for, run them.

    compose (Hydra) -> settings.cells -> study.add_to_plan -> study.run_cells -> cell.run_cell

With `-m` the middle is the sweeper's (`sweep.py`), which plans all combinations first and then has a launcher call `job` for each.
"""

from __future__ import annotations

import itertools
import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf

from harness.environment import COMMAND_PID, end_with_command, one_thread
from harness.errors import HarnessError, SettingsError
from harness.progress import watch
from harness.settings import cells, conf_dir, register, resolved
from harness.study import (
    SUITE_GROUPS,
    Result,
    add_to_plan,
    block,
    blocked_by,
    conclude,
    expand_suites,
    is_done,
    run_cells,
    split_start,
    suites,
)

FLAGS_WITH_VALUE = ("--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd")


def run(arguments: Sequence[str]) -> None:
    """Run one command line. Raises HarnessError, or Hydra's own errors for what does not compose (see `complaints.py`)."""
    # Hydra would print a traceback and leave by itself; with this it lets its exceptions through.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    os.environ[COMMAND_PID] = str(os.getpid())
    register()
    folder = conf_dir()
    folders = (folder, *config_dirs(arguments))
    sys.argv = ["harness", *normalise(arguments, folders)]
    OmegaConf.register_new_resolver("harness_choices", lambda: choices(folders), replace=True)
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
    end_with_command()
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
    conclude({study: asked}, result)


def normalise(arguments: Sequence[str], conf: Sequence[Path]) -> list[str]:
    """Return the arguments as Hydra wants them: overrides first, suites such as `task=all` as the names that they stand for.

    A suite stands for several jobs, so it implies `-m`. Raises SettingsError for a flag that is not one, or does not fit the others.
    """
    overrides: list[str] = []
    flags: list[str] = []
    before = ""
    for argument in arguments:
        is_flag = argument.startswith("-") or before in FLAGS_WITH_VALUE or (before in ("--info", "-i") and "=" not in argument)
        (flags if is_flag else overrides).append(argument)
        before = argument
    nameless = [override for override in overrides if override.lstrip("+~").startswith("=")]
    if nameless:
        raise SettingsError(f"'{nameless[0]}' has no name: write key=value (python -m harness --help)")
    expanded = [expand_suites(override, conf) for override in overrides]
    shows = any(flag.startswith(("--cfg", "-c", "--info", "-i", "--help", "-h", "--hydra-help")) for flag in flags)
    if any("," in new and new != old for new, old in zip(expanded, overrides, strict=True)) and not shows:
        flags.append("-m")
    expanded = split_start(expanded)
    flags = list(dict.fromkeys("-m" if flag == "--multirun" else flag for flag in flags))
    if flags and flags != ["-m"]:
        _check_flags([*expanded, *flags])
    return [*expanded, *flags]


def _check_flags(arguments: Sequence[str]) -> None:
    parser = get_args_parser()

    def refuse(message: str) -> NoReturn:
        raise SettingsError(f"{message} (python -m harness --help)")

    parser.error = refuse  # type: ignore[method-assign] # argparse would print its usage and leave
    given = parser.parse_args(list(arguments))
    if sum((given.run, given.multirun, given.cfg is not None, given.info is not None)) > 1:
        raise SettingsError("only one of --cfg, --info, -m and --run can be given")
    if given.resolve and given.cfg is None and not given.help:
        raise SettingsError("--resolve goes with --cfg")


def config_dirs(arguments: Sequence[str]) -> list[Path]:
    """Return the folders that the user added with --config-dir."""
    found = [Path(following) for a, following in itertools.pairwise(arguments) if a in ("--config-dir", "-cd")]
    return found + [Path(a.partition("=")[2]) for a in arguments if a.startswith("--config-dir=")]


def choices(conf: Sequence[Path]) -> str:
    """Return what each config group offers, for --help: a group a paragraph, at most 80 columns wide."""
    groups: dict[str, set[str]] = {}
    for path in (path for folder in conf for path in folder.glob("*/*.yaml")):
        groups.setdefault(path.parent.name, set()).add(path.stem)
    lines = []
    for group, names in sorted(groups.items()):
        members = suites(group, tuple(conf)) if group in SUITE_GROUPS else {"": sorted(names)}
        text = "; ".join(f"{suite}: {', '.join(inside)}" if suite else ", ".join(inside) for suite, inside in members.items())
        lines.append(textwrap.fill(text, 78, initial_indent=f"{group:<11} ", subsequent_indent=" " * 12, break_on_hyphens=False))
    return "\n".join(lines)
