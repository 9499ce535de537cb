"""The Hydra application: compose a config, build the cells that it asks for, run them.

    compose (Hydra) -> settings.cells -> study.add_to_plan -> study.run_cells -> loop.run_cell

With `-m` the middle is the sweeper's (`sweep.py`), which plans all combinations first and then has a launcher call `job` for each.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import configure_log
from hydra.types import RunMode

from harness.cli.forecast import forecast
from harness.cli.progress import watch
from harness.cli.result import tell
from harness.config.overrides import as_typed, conf_dir, config_dirs, normalise, refuse_misleading
from harness.config.settings import cells, refuse_unused, register, resolved, text_keys
from harness.console import say
from harness.environment import COMMAND_PID, end_with_command, one_thread
from harness.errors import HarnessError, SettingsError
from harness.run.study import Result, add_to_plan, block, blocked_by, conclude, fingerprint, is_done, run_cells, study_folder
from harness.signals import Interrupted, handle_stop_signals, stops_noted


def run(arguments: Sequence[str]) -> None:
    """Run one command line. Raises HarnessError, or Hydra's own errors for what does not compose (see `messages.py`)."""
    # Hydra would print a traceback and leave by itself; with this it lets its exceptions through.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    os.environ[COMMAND_PID] = str(os.getpid())
    find_sweeper()
    register()
    folder = conf_dir()
    given = normalise(arguments, [folder, *config_dirs(arguments)])
    check_flags(given)
    for argument in given:
        refuse_misleading(argument)
    texts = text_keys()
    given = [as_typed(argument, texts) for argument in given]
    sys.argv = ["harness", *given]
    single = None if any(argument.startswith("-") for argument in given) else compose_single(given, folder)
    if single is not None:
        run_single(single)
    else:
        run_by_hydra(folder)


def find_sweeper() -> None:
    """Let Hydra find the sweeper of a checkout that is not installed; an install has put it on Python's path."""
    folder = Path(__file__).resolve().parents[1] / "plugin"
    is_found = any((Path(entry) / "hydra_plugins" / "harness_sweeper").is_dir() for entry in sys.path)
    if folder.is_dir() and not is_found:
        sys.path.append(str(folder))


def compose_single(overrides: Sequence[str], folder: Path) -> Any:
    """Compose the config of one job; None for a sweep, and when Hydra is asked for more than a config.

    `hydra.main` would compose it twice, the first time to see whether it is a sweep: a third of a small command's time.
    """
    with hydra.initialize_config_dir(str(folder), version_base="1.3", job_name="harness"):
        config = hydra.compose("config", overrides=list(overrides), return_hydra_config=True)
    asked = config.hydra
    if asked.mode == RunMode.MULTIRUN or asked.callbacks or asked.job.env_set or asked.verbose:
        return None
    HydraConfig.instance().set_config(config)
    configure_log(asked.job_logging)
    return config


def run_by_hydra(folder: Path) -> None:
    """Let Hydra read `sys.argv` and do what it says: a sweep, or one of its flags. Raises HarnessError and Hydra's own errors."""
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
    """Run the cells of one composed config, in this process or in a launcher's worker. Never raises what a sweep must survive.

    What a launcher's handler of a signal raises to end this process comes through (submitit's SystemExit, when the job is queued
    again); an ordinary exception of its is a line of the result.
    """
    one_thread()
    end_with_command()
    if os.environ.get(COMMAND_PID) != str(os.getpid()):
        handle_stop_signals()  # the command itself does already
    try:
        with stops_noted():
            return _job(config)
    except Interrupted as stop:
        return Result(stopped=(f"{platform.node()}: {stop}; the same command goes on from here",))


def _job(config: Any) -> Result:
    started_in = HydraConfig.get().runtime.cwd
    try:
        enter(started_in)
    except OSError as error:
        return Result(
            fatal=(f"{platform.node()} cannot enter {started_in} ({error.strerror}): the machines must share that folder",)
        )
    settings = resolved(config)
    asked = list(cells(settings))
    if settings.planned and fingerprint(asked) != settings.planned:
        # A launcher composes each job anew, perhaps hours after the sweep was planned.
        name = f"{settings.task.name} {settings.optimizer.name}"
        return Result(failed=(f"{name}: its settings in conf/ have changed since the sweep was planned; launch it again",))
    return run_cells(asked, settings)


def enter(folder: str) -> None:
    """Go where the command was started: a cluster's worker begins elsewhere, and the user's own tasks lie there. Raises OSError."""
    os.chdir(folder)
    if folder not in sys.path:
        sys.path.append(folder)


def run_single(config: Any) -> None:
    """Plan and run the cells of a command without `-m`. Raises HarnessError; CellsFailed when a cell failed or is busy."""
    settings = resolved(config)
    refuse_unused((entry.partition("=")[0] for entry in HydraConfig.get().overrides.task), [settings])
    asked = list(cells(settings))
    study = study_folder(settings)
    add_to_plan(study, asked)
    missing = [cell for cell in asked if not is_done(study, cell)]
    blocked = blocked_by(settings) if missing else None
    if blocked:
        result = block(study, missing, blocked)
    else:
        for line in forecast([(settings, missing)], {}, {id(settings): study}):
            say(line)
        with watch({study: asked}, settings.progress):
            result = run_cells(asked, settings)
    tell({study: asked}, settings.progress)
    optional = {cell.id for cell in missing} if blocked and settings.unready == "skip" else set()
    conclude({study: asked}, result, optional=optional)


def check_flags(arguments: Sequence[str]) -> None:
    """Refuse a flag that Hydra has not, or that does not go with the others. Raises SettingsError."""
    if not any(argument.startswith("-") and argument != "-m" for argument in arguments):
        return
    parser = get_args_parser()

    def refuse(message: str) -> NoReturn:
        raise SettingsError(f"{message} (python -m harness --help)")

    parser.error = refuse  # type: ignore[method-assign] # argparse would print its usage and leave
    given = parser.parse_args(list(arguments))
    if sum((given.run, given.multirun, given.cfg is not None, given.info is not None)) > 1:
        raise SettingsError("only one of --cfg, --info, -m and --run can be given")
    if given.resolve and given.cfg is None and not given.help:
        raise SettingsError("--resolve goes with --cfg")
