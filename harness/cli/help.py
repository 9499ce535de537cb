"""What `python -m harness --help` prints, and the table of settings in conf/README.md. Both come from the schema."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from harness.config.documented import Group, Setting, documented
from harness.config.overrides import choices, conf_dir, config_dirs

WIDTH = 80
KEY_WIDTH = 30
TEXT = """\
Tune tasks with tuning methods over seeds, and keep every trial.

One cell:     python -m harness task=digits optimizer=random seed=0
A study:      python -m harness task=all optimizer=classical 'seed=range(5)' -m
A named grid: python -m harness +experiment=reproduce
Its table:    python -m harness.report main

The same command again skips what is done and finishes what was interrupted.

== Choices (group=name) ==
{choices}
A suite's name stands for all its members: task=core, optimizer=classical.
foreign: lcbench and hpobench together, 42 tasks that others made.
all: every suite but full (downloads data), foreign and fcnet (need an extra),
gpt (costs money), agent and tuners (need llm=NAME), smollm2 (a test),
published and release (the published spaces and system), select, select_smollm2
and select_local (a choice among candidates), methods, optional, test and own.
An experiment: +experiment=NAME.

== Settings (key=value, with the default) ==
{settings}

Cells in parallel: hydra/launcher=joblib hydra.launcher.n_jobs=2
On a cluster:      hydra/launcher=submitit_slurm, hydra/launcher=ray_cluster

--cfg job shows the composed settings, --info what they come from,
--hydra-help the flags of Hydra, --version the version.
"""


def help_text(arguments: Sequence[str]) -> str:
    """Return the help, with what conf/ and the user's own folders offer; no line is wider than 80 columns."""
    settings = "\n\n".join(_paragraph(group) for group in documented())
    return TEXT.format(choices=choices([conf_dir(), *config_dirs(arguments)]), settings=settings)


def _paragraph(group: Group) -> str:
    heading = f"{group.prefix}*  {group.title}" if group.prefix else group.title
    return "\n".join([f"-- {heading} --", *(_entry(setting) for setting in group.settings)])


def _entry(setting: Setting) -> str:
    """Return `key=default   text`; a key that is too long for its column has a line of its own."""
    key = setting.key if setting.default is None else f"{setting.key}={setting.default}"
    lines = textwrap.wrap(setting.description, WIDTH - KEY_WIDTH, break_on_hyphens=False)
    if len(key) < KEY_WIDTH:
        key, lines = f"{key:<{KEY_WIDTH}}{lines[0]}", lines[1:]
    return "\n".join([key, *(" " * KEY_WIDTH + line for line in lines)])


def settings_table(groups: Iterable[Group] | None = None) -> str:
    """Return the settings as Markdown: one table per group."""
    return "\n\n".join(_table(group) for group in (documented() if groups is None else groups))


def _table(group: Group) -> str:
    rows = [
        f"| `{s.key}` | {f'`{s.default}`' if s.default else ''} | {s.description.replace('|', chr(92) + '|')} |"
        for s in group.settings
    ]
    heading = f"`{group.prefix}*`: {group.title}" if group.prefix else group.title
    return "\n".join([f"**{heading}**", "", "| key | default | what it is |", "|---|---|---|", *rows])
