"""What a command line says, before Hydra reads it. Standard library only, so that --help answers at once."""

from __future__ import annotations

import functools
import itertools
import os
import re
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.errors import SettingsError, near

SUITE_GROUPS = ("task", "optimizer")
# `all` stops short of what costs money or must be downloaded first: that is asked for by name.
NOT_IN_ALL = {"task": {"full", "optional", "own", "test"}, "optimizer": {"gpt", "agent", "optional", "own", "test"}}
HELP_FLAGS = ("--help", "-h")
SHOWING_FLAGS = (*HELP_FLAGS, "--hydra-help", "--cfg", "-c", "--info", "-i")
FLAGS_WITH_VALUE = ("--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd")


def conf_dir() -> Path:
    """Return the folder that holds config.yaml: $HARNESS_CONF, or beside the package in a checkout, or inside it in a wheel."""
    here = Path(__file__).resolve().parents[1]
    chosen = os.environ.get("HARNESS_CONF")
    for folder in [Path(chosen).resolve()] if chosen else [here / "conf", here.parent / "conf"]:
        if (folder / "config.yaml").is_file():
            return folder
    raise SettingsError(f"no config.yaml in {chosen or here.parent / 'conf'}: set HARNESS_CONF to the folder that holds it")


def own_conf() -> list[Path]:
    """Return `conf` in the current folder where that holds a user's own tasks, methods or LLMs; nothing elsewhere."""
    folder = Path("conf")
    is_own = any((folder / group).is_dir() for group in ("task", "optimizer", "llm")) and folder.resolve() != conf_dir()
    return [folder] if is_own else []


def with_own_conf(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with `--config-dir conf` where the current folder has an `own_conf` and the command names no folder."""
    named = any(argument.partition("=")[0] in ("--config-dir", "-cd") for argument in arguments)
    return [*arguments, *(part for folder in ([] if named else own_conf()) for part in ("--config-dir", str(folder)))]


def config_dirs(arguments: Sequence[str]) -> list[Path]:
    """Return the folders that the user added with --config-dir."""
    found = [Path(following) for a, following in itertools.pairwise(arguments) if a in ("--config-dir", "-cd")]
    return found + [Path(a.partition("=")[2]) for a in arguments if a.startswith("--config-dir=")]


def normalise(arguments: Sequence[str], conf: Sequence[Path]) -> list[str]:
    """Return the arguments as Hydra wants them: overrides first, suites such as `task=all` as the names that they stand for.

    A suite stands for several jobs, so it implies `-m`. Raises SettingsError.
    """
    overrides: list[str] = []
    flags: list[str] = []
    before = ""
    for argument in arguments:
        is_flag = argument.startswith("-") or before in FLAGS_WITH_VALUE or (before in ("--info", "-i") and "=" not in argument)
        (flags if is_flag else overrides).append(argument)
        before = argument
    nameless = [override for override in overrides if override.lstrip("+~").startswith("=")]
    if nameless:
        raise SettingsError(f"'{nameless[0]}' has no name: write key=value (python -m harness --help)")
    expanded = [expand_suites(override, conf) for override in overrides]
    shows = any(flag.partition("=")[0] in SHOWING_FLAGS for flag in flags)
    if any("," in new and new != old for new, old in zip(expanded, overrides, strict=True)) and not shows:
        flags.append("-m")
    expanded = split_start(expanded)
    flags = list(dict.fromkeys("-m" if flag == "--multirun" else flag for flag in flags))
    return [*expanded, *flags]


def expand_suites(override: str, conf: Iterable[Path]) -> str:
    """Turn `task=all`, `task=core,full` or `optimizer=classical` into the names of the files in those suites; leave the rest alone.

    A suite is the word after `suite:` in a file of conf/task or conf/optimizer. Raises SettingsError for a suite without members.
    """
    key, _, value = override.partition("=")
    if key not in SUITE_GROUPS or not re.fullmatch(r"[\w.,+-]+", value):
        return override
    members = suites(key, tuple(conf))
    names: dict[str, None] = {}
    for word in value.split(","):
        if word == "all":
            chosen = [name for suite, inside in members.items() if suite not in NOT_IN_ALL[key] for name in inside]
        else:
            chosen = members.get(word, [word])
        if not chosen:
            raise SettingsError(f"{override}: no {key} is in '{word}'{near(word, members)}")
        names.update(dict.fromkeys(chosen))
    return f"{key}={','.join(names)}"


def split_start(overrides: Sequence[str]) -> list[str]:
    """Turn `optimizer=random+default`, the arm as the tables name it, into `optimizer=random start=default`."""
    named = [o for o in overrides if o.startswith("optimizer=") and o.endswith("+default") and "," not in o]
    if not named:
        return list(overrides)
    others = [o for o in overrides if o not in named and not o.startswith("start=")]
    return [*others, *(o.removesuffix("+default") for o in named), "start=default"]


@functools.cache
def suites(group: str, conf: tuple[Path, ...]) -> dict[str, list[str]]:
    """Return the members of each suite of a config group, by name, in the order of the names."""
    found: dict[str, list[str]] = {}
    for folder in conf:
        for path in sorted((folder / group).glob("*.yaml")):
            match = re.search(r"^suite:\s*['\"]?(\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
            members = found.setdefault(match[1] if match else "own", [])
            if path.stem not in members:
                members.append(path.stem)
    return found


def choices(conf: Sequence[Path]) -> str:
    """Return what each config group offers, for --help: a group a paragraph, at most 80 columns wide."""
    groups: dict[str, set[str]] = {}
    for path in (path for folder in conf for path in folder.glob("*/*.yaml")):
        groups.setdefault(path.parent.name, set()).add(path.stem)
    lines = []
    for group, names in sorted(groups.items()):
        members = suites(group, tuple(conf)) if group in SUITE_GROUPS else {"": sorted(names)}
        text = "; ".join(f"{suite}: {', '.join(inside)}" if suite else ", ".join(inside) for suite, inside in members.items())
        lines.append(textwrap.fill(text, 78, initial_indent=f"{group:<11} ", subsequent_indent=" " * 12, break_on_hyphens=False))
    return "\n".join(lines)
