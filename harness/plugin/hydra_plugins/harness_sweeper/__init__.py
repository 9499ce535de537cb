"""The sweeper of `python -m harness -m`: plan every cell first, skip what is done, launch the rest.

Hydra looks for plugins in the namespace package `hydra_plugins`; the wheel installs this folder there. It is scanned at every start, so
what is heavy waits until a sweep begins.
"""

# No `from __future__ import annotations`: Hydra runs this file before it is in sys.modules, where dataclasses would look them up.
from dataclasses import dataclass
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore


@dataclass
class HarnessSweeperConf:
    """`seeds_per_job`: how many seeds of a task and arm one job runs; null: all of them, unless that would leave workers idle; on a
    cluster as many as keep a job busy for a minute.
    """

    _target_: str = "hydra_plugins.harness_sweeper.HarnessSweeper"
    params: dict[str, str] | None = None
    seeds_per_job: int | None = None


ConfigStore.instance().store(group="hydra/sweeper", name="harness", node=HarnessSweeperConf, provider="tcs-harness")


class HarnessSweeper(BasicSweeper):
    """Expands the same overrides as Hydra's own sweeper."""

    def __init__(self, params: dict[str, str] | None = None, seeds_per_job: int | None = None) -> None:
        super().__init__(max_batch_size=None, params=params)
        self.seeds_per_job = seeds_per_job

    def sweep(self, arguments: list[str]) -> Any:
        """Run the sweep; raises `harness.errors.HarnessError`."""
        from harness.cli.sweep import run_sweep  # noqa: PLC0415

        return run_sweep(self, [*self._parse_config(), *arguments])
