"""Cells of an agent against doubles that speak the real protocols."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from harness.cell import Cell
from harness.config.settings import cells, conf_dir, register, resolved
from harness.config.values import Settings
from harness.run.study import Result, run_cells
from harness.testing.servers.ollama_api import OllamaDouble
from harness.testing.servers.script import Script
from harness.trial import Trial

Run = Callable[..., tuple[Result, Cell, Path]]


@pytest.fixture
def ollama() -> Iterator[Callable[[Script], OllamaDouble]]:
    started: list[OllamaDouble] = []

    def start(script: Script | None = None) -> OllamaDouble:
        double = OllamaDouble(script)
        double.start()
        started.append(double)
        return double

    yield start
    for double in started:
        double.stop()


def settings_of(*overrides: str) -> Settings:
    """Compose a config as the command line would."""
    register()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return resolved(compose("config", overrides=["task=toy", "tracking=off", "llm.longest_wait_seconds=0.05", *overrides]))


@pytest.fixture
def composed() -> Callable[..., Settings]:
    """Compose a config as the command line would."""
    return settings_of


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run one cell and return its result, the cell and its folder."""

    def run_one(*overrides: str, study: str = "s") -> tuple[Result, Cell, Path]:
        settings = settings_of(f"out={tmp_path}", f"study={study}", *overrides)
        cell = next(cells(settings))
        result = run_cells([cell], settings)
        return result, cell, tmp_path / study / cell.folder

    return run_one


def plain(trials: tuple[Trial, ...]) -> list[Any]:
    """Return trials without the seconds that they took."""
    return [(t.number, t.proposal.config, t.proposal.source, t.outcome.curve, t.outcome.status) for t in trials]
