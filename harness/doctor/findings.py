"""Ask tasks, LLMs, W&B and the GPU how they stand. All servers are asked at once: a dead one costs the time-out of one question."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import netrc
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from harness.config.overrides import conf_files, refuse_shadowed, suites
from harness.config.settings import conf_dir, llm_settings, task_spec
from harness.doctor.task_check import checked
from harness.errors import HarnessError
from harness.llm.local.known import KNOWN
from harness.llm.local.memory import free_bytes, megabytes
from harness.llm.probe import ends_soon, readiness
from harness.llm.settings import LlmSettings
from harness.readiness import Readiness
from harness.tabular.header import tabular_tasks

# Where there is one of these, PyTorch is asked, whose import takes a second.
_GPU_SIGNS = ("/dev/nvidia0", "/dev/kfd", "/dev/dxg")
# With this window the doctor says what a further model would take: as large as the prompts of ten trials need.
_WINDOW_TOKENS = 8192
# So many tasks of a suite that all stand alike are one row.
ALIKE = 4


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
    paths = [path for path in _files(folders, "llm") if path.stem != "none"]
    read = [_llm(path, folders) for path in paths]
    with ThreadPoolExecutor(len(paths) or 1) as asking:
        found = asking.map(lambda one: _dated(one, _sized(one, readiness(one))) if isinstance(one, LlmSettings) else one, read)
        yield from (("LLM", replace(one, name=path.stem)) for path, one in zip(paths, found, strict=True))


def room() -> str:
    """Say how much disk and memory is free: what a model takes on the disk, it takes in memory too, and more for its window."""
    return f"{megabytes(shutil.disk_usage(Path.cwd()).free)} of disk and {megabytes(free_bytes())} of memory are free"


def _further_models() -> Iterator[tuple[str, Readiness]]:
    """Yield what some larger models would take, for `llm=llama_cpp llm.path=FILE.gguf`."""
    for model in KNOWN:
        needed = megabytes(model.needed_bytes(_WINDOW_TOKENS))
        takes = f"takes {megabytes(model.file_bytes)} of disk, and {needed} of memory with a window of {_WINDOW_TOKENS} tokens"
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
        found = checked(spec)
    except HarnessError as error:
        return Readiness(path.stem, False, str(error))
    # Importing a user's own module runs their code, and the table must come out whatever it raises.
    except Exception as error:
        return Readiness(path.stem, False, f"{type(error).__name__}: {error}")
    table = "; has a table" if path.stem in tabular_tasks() else ""
    reason = f"{len(spec.space)} hyperparameters, {found.reason}{table}" if found.ready else found.reason
    return replace(found, name=path.stem, reason=reason)


def _llm(path: Path, folders: Sequence[Path]) -> LlmSettings | Readiness:
    """Return the settings of an LLM, or what is wrong with its file."""
    try:
        _refuse_shadowed(path, folders)
        settings = llm_settings(path.stem, folders)
    except (HarnessError, TypeError) as error:
        return Readiness(path.stem, False, str(error))
    if not settings._target_:
        return Readiness(path.stem, False, f"{path} names no backend: add _target_, as the files of the harness have it")
    return settings


def _sized(settings: LlmSettings, found: Readiness) -> Readiness:
    """Return a finding that names the model with its size, where the LLM's file says that."""
    if not settings.disk_gb:
        return found
    model, size = settings.model, f"{settings.model} ({settings.disk_gb:g} GB)"
    return replace(found, reason=found.reason.replace(model, size, 1) if model in found.reason else f"{size}: {found.reason}")


def _dated(settings: LlmSettings, found: Readiness) -> Readiness:
    """Return a finding that says when the model's provider ends it, if the LLM's file says so and the finding does not."""
    if settings.end is None or str(settings.end) in f"{found.reason} {found.warning}":
        return found
    if warning := ends_soon(settings, settings.end, "its provider"):
        return replace(found, warning="; ".join(filter(None, (found.warning, warning))))
    return replace(found, reason=f"{found.reason}; served until {settings.end}")


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
    version = importlib.metadata.version("torch")
    if not (shutil.which("nvidia-smi") or any(Path(sign).exists() for sign in _GPU_SIGNS)):
        return Readiness("GPU", False, f"none; the core tasks need none (PyTorch {version})")
    import torch  # noqa: PLC0415 - a second and a half

    if torch.cuda.is_available():
        return Readiness("GPU", True, f"{torch.cuda.get_device_name()}; CUDA {torch.version.cuda}")
    return Readiness("GPU", False, f"there is one, and this PyTorch ({version}) cannot use it", 'see "PyTorch" in the README')
