"""The methods of a race: each one composed once, as `python -m harness` composes a cell."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.advise.request import Request
from harness.cell import Cell
from harness.cli.app import compose_single, find_sweeper
from harness.config.overrides import as_typed, conf_dir, split_start
from harness.config.settings import cells, refuse_unused, register, resolved, text_keys
from harness.config.values import Settings
from harness.environment import COMMAND_PID
from harness.errors import SettingsError

# What the command takes for a setting that is not given.
OWN_DEFAULTS = {"tracking": "off"}
# Methods that need an extra: what they import, and the command that brings it. Found out here, before the start-up trials are trained.
EXTRAS = {"harness.optimizers.smac_hpo.SmacHPO": ("smac", "pip install 'tcs-harness[smac]'")}


@dataclass(frozen=True)
class Candidate:
    """One method: its settings, and its cell of each seed from 0 on."""

    settings: Settings
    cells: tuple[Cell, ...]

    @property
    def arm(self) -> str:
        """Its name in the tables."""
        return self.cells[0].arm


def candidates_of(request: Request) -> list[Candidate]:
    """Compose every method. Raises SettingsError, and Hydra's own errors for what does not compose (see `cli/messages.py`)."""
    os.environ["HYDRA_FULL_ERROR"] = "1"
    os.environ[COMMAND_PID] = str(os.getpid())
    find_sweeper()
    register()
    found: dict[str, Candidate] = {}
    for overrides in _variants(request):
        candidate = _composed(overrides)
        found.setdefault(candidate.arm, candidate)  # a method that asks no LLM is composed once for each of them
    candidates = list(found.values())
    given = [word.partition("=")[0] for word in request.overrides]
    refuse_unused([*given, *(["llm"] if request.llms else [])], [candidate.settings for candidate in candidates])
    return candidates


def _variants(request: Request) -> Iterator[list[str]]:
    """Yield the overrides of every method with every LLM."""
    for llm in request.llms or ("",):
        for method in request.methods:
            yield [*_shared(request), *([f"llm={llm}"] if llm else []), *split_start([f"optimizer={method}"])]


def _shared(request: Request) -> list[str]:
    given = {word.partition("=")[0] for word in request.overrides}
    defaults = {**OWN_DEFAULTS, "study": f"advise-{request.task}"}
    texts = text_keys()
    paths = ",".join(f"'file://{folder.resolve()}'" for folder in request.folders)
    return [
        f"task={request.task}",
        f"seeds={request.seeds}",
        *(f"{key}={value}" for key, value in defaults.items() if key not in given),
        *(as_typed(word, texts) for word in request.overrides),
        *([f"hydra.searchpath=[{paths}]"] if paths else []),
    ]


def _composed(overrides: Sequence[str]) -> Candidate:
    config = compose_single(overrides, conf_dir())
    if config is None:
        raise SettingsError("these settings ask for a sweep, and a race takes one value of each")
    settings = resolved(config)
    return Candidate(settings, tuple(cells(settings)))


def lacking(target: str) -> tuple[str, str] | None:
    """Return what a method lacks here, and the command that brings it; None for one that lacks nothing."""
    package, command = EXTRAS.get(target, ("", ""))
    if not package or importlib.util.find_spec(package) is not None:
        return None
    return f"the package {package} is not installed", command


def refuse_missing_folders(folders: Sequence[Path]) -> None:
    """Raise SettingsError for a folder of --config-dir that is not there."""
    for folder in folders:
        if not folder.is_dir():
            raise SettingsError(f"--config-dir {folder}: there is no such folder")
