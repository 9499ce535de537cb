"""`python -m harness.doctor`: what on this machine is ready to run, and the command that makes ready what is not.

Reads and asks; changes nothing. Exit status 0, whatever it finds: a missing GPU is not an error.
"""

from __future__ import annotations

import argparse
import importlib.util
import netrc
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from harness.config.overrides import conf_files, own_conf, refuse_shadowed, suites
from harness.config.settings import conf_dir, llm_settings, task_spec
from harness.environment import one_thread
from harness.errors import HarnessError, printable
from harness.llm.local.known import KNOWN
from harness.llm.local.memory import free_bytes, megabytes
from harness.llm.probe import readiness
from harness.readiness import Readiness
from harness.tabular.header import tabular_tasks
from harness.task import task_readiness

# With this window the doctor says what a further model would take: as large as the prompts of ten trials need.
_WINDOW_TOKENS = 8192
# So many tasks of a suite that all stand alike are one row.
ALIKE = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.doctor", description="What is ready to run here, and how to make ready what is not."
    )
    parser.add_argument(
        "--conf", type=Path, action="append", default=[], metavar="DIR", help="a folder of your own with task/ or llm/ files"
    )
    chosen = parser.parse_args(arguments)
    one_thread()
    try:
        show([*examine([conf_dir(), *(chosen.conf or own_conf())])])
    except HarnessError as error:
        print(f"harness: {printable(str(error))}", file=sys.stderr)
        return error.exit_status
    return 0


def examine(folders: Sequence[Path]) -> Iterator[tuple[str, Readiness]]:
    """Yield (group, finding) for tasks, LLMs, W&B and the GPU. A check that fails is a finding; none raises."""
    for found in examine_tasks(folders):
        yield "task", found
    yield from examine_llms(folders)
    yield from _further_models()
    yield "tracking", _wandb()
    yield "hardware", _gpu()


def examine_llms(folders: Sequence[Path]) -> Iterator[tuple[str, Readiness]]:
    """Yield (group, finding) for the LLMs alone."""
    for path in _files(folders, "llm"):
        if path.stem != "none":
            yield "LLM", _llm(path, folders)


def _further_models() -> Iterator[tuple[str, Readiness]]:
    """Yield what some larger models would take, for `llm=llama_cpp llm.path=FILE.gguf`."""
    disk, memory = shutil.disk_usage(Path.cwd()).free, free_bytes()
    for model in KNOWN:
        needed = model.needed_bytes(_WINDOW_TOKENS)
        takes = (
            f"would take {megabytes(model.file_bytes)} of disk ({megabytes(disk)} are free) and, with a window of {_WINDOW_TOKENS} tokens, "
            f"{megabytes(needed)} of memory ({megabytes(memory)} are free)"
        )
        command = f"{model.command}\nthen llm=llama_cpp llm.path={model.file}"
        yield "more models", Readiness(model.file.removesuffix(".gguf"), False, takes, command)


def _files(folders: Sequence[Path], group: str) -> list[Path]:
    return [path for folder in folders for path in conf_files(folder, group)]


def _refuse_shadowed(path: Path, folders: Sequence[Path]) -> None:
    if not path.is_relative_to(conf_dir()):
        refuse_shadowed(f"{path.parent.name}={path.stem}", [conf_dir(), *folders])


def examine_tasks(folders: Sequence[Path]) -> Iterator[Readiness]:
    """Yield one finding per task, and one for a whole suite of at least four tasks that all stand alike."""
    suite_of = {name: suite for suite, inside in suites("task", tuple(folders)).items() for name in inside}
    found: dict[str, list[Readiness]] = {}
    for path in _files(folders, "task"):
        suite = suite_of.get(path.stem, "own")
        found.setdefault(path.stem if suite == "own" else suite, []).append(_task(path, folders))
    rows: list[Readiness] = []
    for suite, inside in found.items():
        alike = len(inside) >= ALIKE and len({replace(one, name=suite) for one in inside}) == 1
        rows += [replace(inside[0], name=f"{suite} ({len(inside)})")] if alike else inside
    yield from sorted(rows, key=lambda row: row.name)


def _task(path: Path, folders: Sequence[Path]) -> Readiness:
    """Say whether the code is there, space and card make sense, and the data are there."""
    try:
        _refuse_shadowed(path, folders)
        spec = task_spec(path)
        found = task_readiness(spec.target, spec.params)
    except HarnessError as error:
        return Readiness(path.stem, False, str(error))
    # Importing a user's own module runs their code, and the table must come out whatever it raises.
    except Exception as error:
        return Readiness(path.stem, False, f"{type(error).__name__}: {error}")
    table = ", and a table for evaluator=table" if path.stem in tabular_tasks() else ""
    reason = f"{len(spec.space)} hyperparameters, {found.reason}{table}" if found.ready else found.reason
    return replace(found, name=path.stem, reason=reason)


def _llm(path: Path, folders: Sequence[Path]) -> Readiness:
    try:
        _refuse_shadowed(path, folders)
        settings = llm_settings(path.stem, folders)
        if not settings._target_:
            return Readiness(path.stem, False, f"{path} names no backend: add _target_, as the files of the harness have it")
        return replace(readiness(settings), name=path.stem)
    except (HarnessError, TypeError) as error:
        return Readiness(path.stem, False, str(error))


def _wandb() -> Readiness:
    if importlib.util.find_spec("wandb") is None:
        return Readiness("wandb", False, "not installed", "pip install wandb")
    if os.environ.get("WANDB_API_KEY") or _has_login():
        return Readiness("wandb", True, "offline by default; a key is there for tracking=wandb_online")
    return Readiness("wandb", True, "offline by default; for tracking=wandb_online first:", "wandb login")


def _has_login() -> bool:
    try:
        return netrc.netrc().authenticators("api.wandb.ai") is not None
    except (OSError, netrc.NetrcParseError):
        return False


def _gpu() -> Readiness:
    import torch  # noqa: PLC0415 - a second and a half

    if torch.cuda.is_available():
        return Readiness("GPU", True, f"{torch.cuda.get_device_name()}; CUDA {torch.version.cuda}")
    if shutil.which("nvidia-smi"):
        return Readiness(
            "GPU", False, f"there is one, and this PyTorch ({torch.__version__}) has no CUDA", 'see "PyTorch" in the README'
        )
    return Readiness("GPU", False, f"none; the core tasks need none (PyTorch {torch.__version__})")


def show(findings: Sequence[tuple[str, Readiness]]) -> None:
    """Print the findings as a table, with the commands that help below their rows."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "what", "state", "how it stands"):
        table.add_column(column, overflow="fold")
    last = ""
    for group, found in findings:
        text = Text(found.reason)
        if found.warning:
            text.append(f"\n{found.warning}", style="yellow")
        for line in found.commands:
            text.append(f"\n{line}", style="cyan")
        state = Text("ready", style="green") if found.ready else Text("not ready", style="yellow")
        table.add_row("" if group == last else group, Text(found.name), state, text)
        last = group
    Console(soft_wrap=False).print(table)


if __name__ == "__main__":
    sys.exit(main())
