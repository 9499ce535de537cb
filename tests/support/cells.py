"""Settings and cells as a command line would make them, without the command."""

from __future__ import annotations

from pathlib import Path

from hydra import compose, initialize_config_dir
from support.commands import CONF

from harness.cell import Cell
from harness.config.overrides import conf_dir
from harness.config.settings import cells, register, resolved
from harness.config.values import Settings


def settings_of(out: Path, *overrides: str, conf: Path = CONF) -> Settings:
    """Compose the settings of a command line on the toy task, or another (of the folder `conf` too), with W&B off."""
    register()
    asked = ["task=toy", "tracking=off", f"out={out}", f"hydra.searchpath=[file://{conf}]", *overrides]
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return resolved(compose("config", overrides=asked))


def cells_of(out: Path, *overrides: str, conf: Path = CONF) -> tuple[list[Cell], Settings]:
    """Return the cells that a command line asks for, and its settings."""
    settings = settings_of(out, *overrides, conf=conf)
    return list(cells(settings)), settings
