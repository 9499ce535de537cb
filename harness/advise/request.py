"""The command line of `python -m harness.advise`, read before Hydra composes anything."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.config.overrides import (
    FLAGS_WITH_VALUE,
    conf_dir,
    config_dirs,
    expand_suites,
    refuse_misleading,
    refuse_shadowed,
    with_own_conf,
)
from harness.errors import SettingsError

TEXT = """\
Say which tuning method to use on a task: race the methods that are ready here.

On your own:  python -m harness.advise task=mine
Shorter:      python -m harness.advise task=mine budget=10 seconds=600
With an LLM:  python -m harness.advise task=mine llm=phi4
Chosen ones:  python -m harness.advise task=mine optimizer=random,rules+default

Every method tunes the task from the same seeds, one seed after the other. From
five seeds on, methods that are clearly behind the best one are dropped; the
chance that the best one is dropped is at most 5 %. The command ends when one
method is left, at seeds= or at seconds=, and prints which method to use, the
best configuration, and which methods cannot be told apart. The same command
again goes on from there, also after Ctrl-C.

task=NAME       the task, as in python -m harness; needed
budget=10       trials of a method on a seed
seeds=10        at most so many seeds (more can be asked for later)
seconds=600     end after so many seconds, with what is known by then (the page
                takes some seconds more); default: no limit
llm=NAME,...    add the LLM tuner tcs with these models; none is asked otherwise
optimizer=A,B   these methods in the place of the usual ones, which are
                {methods}
study=NAME      default: advise-TASK; records are in runs/NAME
--no-page       print the advice alone; python -m harness.report writes the page
evaluator=table replay recorded trainings, where the task has them
--config-dir D  a folder of your own with task/ files

All other settings of python -m harness --help are taken too, one value each.
The records are an ordinary study: python -m harness.report advise-mine
"""
# One of each kind, from the default configuration, which an engineer tries first. The default alone comes first: it is the baseline, and
# its one training tells how long the others will take.
METHODS = (
    "default_only",
    "random+default",
    "rules+default",
    "tpe+default",
    "skopt_rf+default",
    "optuna_gp+default",
    "smac_hpo+default",
)
# What is added for each llm=NAME.
LLM_METHODS = ("tcs+default",)
MOST_SEEDS = 10
NO_PAGE = "--no-page"
_REFUSED = {
    "seed": "the race begins at seed 0 and goes on in order; write seeds=N for at most N of them",
    "planned": "is for sweeps alone",
    "experiment": "an experiment is a study of its own: python -m harness +experiment=...",
    "arm": "each method has its own row here; leave it out",
    "variant": "each method has its own row here; leave it out",
}


@dataclass(frozen=True)
class Request:
    """What is asked for. `methods` are arms as the tables name them; `llms` are names of conf/llm.

    `overrides` are the other settings, as typed; `folders` those that the user added. `seconds` is None without a limit, `page` whether
    the study's page is written.
    """

    task: str
    methods: tuple[str, ...]
    llms: tuple[str, ...]
    overrides: tuple[str, ...]
    folders: tuple[Path, ...]
    seeds: int
    seconds: float | None
    page: bool = True


def parsed(arguments: Sequence[str]) -> Request:
    """Read the command line. Raises SettingsError."""
    arguments = with_own_conf(arguments)
    folders = [conf_dir(), *config_dirs(arguments)]
    words = list(_settings(arguments))
    given = dict(word.partition("=")[::2] for word in words)
    for word in words:
        _check(word)
    if not given.get("task"):
        raise SettingsError("which task? python -m harness.advise task=digits")
    for group in ("task", "llm", "optimizer"):
        refuse_shadowed(f"{group}={given.get(group, '')}", folders)
    tasks = _names("task", given["task"], folders)
    if len(tasks) > 1:
        raise SettingsError(f"task={given['task']}: advice is for one task at a time, and these are {', '.join(tasks)}")
    llms = tuple(name for name in _names("llm", given.get("llm", ""), folders) if name != "none")
    chosen = (
        _names("optimizer", given["optimizer"], folders) if "optimizer" in given else (*METHODS, *(LLM_METHODS if llms else ()))
    )
    if not chosen:
        raise SettingsError("optimizer=: name one method or more, such as optimizer=random,rules")
    return Request(
        tasks[0],
        tuple(dict.fromkeys(chosen)),
        llms,
        tuple(word for word in words if word.partition("=")[0] not in ("task", "llm", "optimizer", "seeds", "seconds")),
        tuple(folders[1:]),
        _seeds(given.get("seeds", str(MOST_SEEDS))),
        _seconds(given["seconds"]) if "seconds" in given else None,
        NO_PAGE not in arguments,
    )


def _settings(arguments: Sequence[str]) -> list[str]:
    """Return the words that are settings. Raises SettingsError for a flag that is not --config-dir."""
    words, before = [], ""
    for argument in arguments:
        if before not in FLAGS_WITH_VALUE:
            flag = argument.partition("=")[0]
            if argument.startswith("-") and flag not in ("--config-dir", "-cd", NO_PAGE):
                raise SettingsError(f"{argument}: there is no such flag here (python -m harness.advise --help)")
            if not argument.startswith("-"):
                words.append(argument)
        before = argument
    return words


def _check(word: str) -> None:
    key, equals, _ = word.partition("=")
    name = key.lstrip("+~")
    if not equals and not key.startswith("~"):
        raise SettingsError(f"'{word}' is not a setting: write key=value (python -m harness.advise --help)")
    if name in _REFUSED:
        raise SettingsError(f"{word}: {_REFUSED[name]}")
    if name.partition("/")[0].partition(".")[0] == "hydra":
        raise SettingsError(f"{word}: the race runs its cells one after the other in this process; leave it out")
    refuse_misleading(word)


def _names(group: str, value: str, folders: Sequence[Path]) -> tuple[str, ...]:
    """Return the names that a value such as `random,classical` stands for."""
    return tuple(filter(None, expand_suites(f"{group}={value}", folders).partition("=")[2].split(",")))


def _seeds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise SettingsError(f"seeds={text}: give at most how many seeds the race may take, such as seeds=20")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < 1e9:
        raise SettingsError(f"seconds={text}: give seconds above 0, such as seconds=600")
    return seconds


def help_text() -> str:
    """Return what --help prints, at most 80 columns wide."""
    import textwrap  # noqa: PLC0415 - only --help needs it

    lines = textwrap.wrap(", ".join(METHODS), 63, break_on_hyphens=False)
    return TEXT.format(methods=f"\n{' ' * 16}".join(lines))
