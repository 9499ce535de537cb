"""What `python -m harness --help` prints."""

from __future__ import annotations

from collections.abc import Sequence

from harness.config.overrides import choices, conf_dir, config_dirs

TEXT = """\
Tune tasks with tuning methods over seeds, and keep every trial.

One cell:     python -m harness task=digits optimizer=random seed=0
A study:      python -m harness task=all optimizer=classical 'seed=range(5)' -m
A named grid: python -m harness +experiment=reproduce
Its table:    python -m harness.report main

The same command again skips what is done and finishes what was broken off.

== Choices (group=name) ==
{choices}
A suite's name stands for all that is in it: task=core, optimizer=classical.
all: every suite but full (downloads data) and gpt (costs money), test and own.
An experiment: +experiment=NAME.

== Settings (key=value; default) ==
study        main   a study is a set of cells that are compared
out          runs   records are written to OUT/STUDY/TASK/ARM/SEED
seed         0      of the method; 'seed=range(5)' with -m for a sweep
seeds        null   several seeds in one job: seeds=5 or seeds=[0,3,7]
train_seed   null   of the training; null: the same as seed
budget       10     trials a cell
start        none   none | default: try the default configuration first
arm          null   name of the table row; null: from optimizer and start
evaluator    live   live | table: replay recorded trainings of the task's grid
progress     auto   auto | live | plain | off
unready      fail   fail | skip: does it fail when an LLM or data are not there
limits.trial_seconds   null    a trial that takes longer fails
limits.trial_memory_mb null    a trial that holds more megabytes fails
store.sync             trial   trial | cell: when records are synced to disk
tracking               wandb_offline   or wandb_online, off
task.space.NAME.high   ...     any key of the task; see --cfg job

Cells side by side: hydra/launcher=joblib hydra.launcher.n_jobs=2
On a cluster:       hydra/launcher=submitit_slurm, hydra/launcher=ray

--cfg job shows the composed settings, --info what they come from,
--hydra-help the flags of Hydra.
"""


def help_text(arguments: Sequence[str]) -> str:
    """Return the help, with what conf/ and the user's own folders offer; no line is wider than 80 columns."""
    return TEXT.format(choices=choices([conf_dir(), *config_dirs(arguments)]))
