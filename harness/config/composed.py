"""A cell from Python instead of a command line: the method, the LLM and their settings by the names that conf/ gives them."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from harness.cell import Cell
from harness.config.overrides import conf_dir, conf_files, own_conf
from harness.config.settings import cells, refuse_unused, register, resolved
from harness.config.values import Settings
from harness.config.yaml_files import complaint
from harness.errors import SettingsError, near
from harness.task import TaskSpec

# What of the settings decides the proposals of a method that somebody else drives.
GROUPS = ("start", "agent", "tcs", "published", "llm", "optimizer")
OPEN_GROUP = "optimizer.options"
_OPEN = (f"{OPEN_GROUP}.", "task.params.")


def composed_cell(task: TaskSpec, method: str, *, llm: str | None, seed: int, budget: int, settings: Mapping[str, object]) -> Cell:
    """Return the cell of a task that no file describes.

    `method` and `llm` are names in conf/optimizer and conf/llm, or in the `conf` of the current folder. `settings` are keys of the command
    line with their values: `{"start": "default", "agent.names": "anonymous", "llm.temperature": 0.2}`. Raises SettingsError.
    """
    for key in settings:
        if key in GROUPS and key != "start":
            raise SettingsError(
                f"settings: '{key}' is a group: give what is below it; method= and llm= choose from the files of conf/"
            )
        if str(key).partition(".")[0] not in GROUPS:
            raise SettingsError(f"settings: {key!r} is none of a method; it takes {', '.join(GROUPS)} and what is below them")
    folders = [folder.resolve() for folder in own_conf()]
    _check_choice("method", "optimizer", method, folders)
    if llm is not None:
        _check_choice("llm", "llm", llm, folders)
    chosen = [f"optimizer={method}", *([f"llm={llm}"] if llm is not None else [])]
    try:
        config = _composed(chosen, folders)
        _set(config, settings)
        for key, value in (("seed", seed), ("budget", budget), *_told(task)):
            OmegaConf.update(config, key, value)
        asked = replace(resolved(config), task=task)
    except (HydraException, OmegaConfBaseException) as error:
        raise SettingsError(_words(error)) from error
    except (OSError, UnicodeError, YAMLError) as error:
        raise SettingsError(complaint(f"conf/optimizer/{method}.yaml", error)) from error
    for key in (*(["llm"] if llm is not None else []), *settings):
        _refuse_unused(key, method, asked)
    return next(cells(asked))


def composed_settings(chosen: Sequence[str], changes: Mapping[str, object]) -> Settings:
    """Return the settings of files of conf/, such as `task=digits` and `optimizer=rules`, with changes by the keys of the command line.

    W&B is off. The files may also lie in the `conf` of the current folder. Raises SettingsError.
    """
    folders = [folder.resolve() for folder in own_conf()]
    for choice in chosen:
        group, _, name = choice.partition("=")
        _check_choice(group, group, name, folders)
    try:
        config = _composed(chosen, folders)
        for key, value in changes.items():
            OmegaConf.update(config, key, value, merge=False, force_add=key.startswith(_OPEN))
        return resolved(config)
    except (HydraException, OmegaConfBaseException) as error:
        raise SettingsError(_words(error)) from error
    except (OSError, UnicodeError, YAMLError) as error:
        raise SettingsError(complaint(f"conf ({', '.join(chosen)})", error)) from error


def _told(task: TaskSpec) -> Iterator[tuple[str, object]]:
    """Yield what the settings of a method may say of the task in a message. The task itself takes no way through Hydra."""
    yield "task.name", _literal(task.name)
    yield "task.card.metric", _literal(task.card.metric)
    for key in ("name", "direction", "unit", "margin"):
        value = task.objective.to_mapping()[key]
        yield f"task.metric.{key}", _literal(value) if isinstance(value, str) else value


def _literal(text: str) -> str:
    return text.replace("${", "\\${")


def _words(error: Exception) -> str:
    """Return the first line of what Hydra or OmegaConf refuses, with the key."""
    key = getattr(error, "full_key", None)
    return f"{key}: {str(error).splitlines()[0]}" if key else " ".join(str(error).split())


def _refuse_unused(key: str, method: str, asked: Settings) -> None:
    try:
        refuse_unused([key], [asked])
    except SettingsError:
        raise SettingsError(f"{key}: method {method!r} does not use it; leave it out") from None


def _composed(chosen: Iterable[str], folders: Iterable[Path]) -> DictConfig:
    """Return a copy of a composed config that the caller may change."""
    files = (path for folder in (conf_dir(), *folders) for path in sorted(folder.rglob("*.yaml")))
    return copy.deepcopy(_composed_once(tuple(chosen), tuple(folders), tuple((path, path.stat().st_mtime_ns) for path in files)))


@functools.lru_cache(maxsize=8)
def _composed_once(
    chosen: tuple[str, ...],
    folders: tuple[Path, ...],
    files: tuple[tuple[Path, int], ...],  # noqa: ARG001 - a file that has changed is read again
) -> DictConfig:
    """Compose, which takes 0.05 s: a sampler needs it for each trial beyond its budget."""
    register()
    added = ",".join(f"'file://{folder.resolve()}'" for folder in folders)
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        # With Hydra's own settings, so that nobody looks into those of an application of Hydra that the caller may be.
        overrides = ["task=toy", "tracking=off", f"hydra.searchpath=[{added}]", *chosen]
        return compose("config", overrides=overrides, return_hydra_config=True)


def _check_choice(argument: str, group: str, name: str, folders: Iterable[Path]) -> None:
    known = [path.stem for folder in (conf_dir(), *folders) for path in conf_files(folder, group)]
    if name not in known:
        raise SettingsError(f"{argument}={name!r}: there is none of that name in conf/{group}{near(str(name), known)}")


def _set(config: DictConfig, settings: Mapping[str, object]) -> None:
    known = list(_keys(OmegaConf.to_container(config, resolve=False), "")) if settings else []
    for key, value in settings.items():
        is_open = key.startswith(f"{OPEN_GROUP}.")
        if key not in known and not is_open:
            raise SettingsError(f"settings: there is no '{key}'{near(key, known)}")
        OmegaConf.update(config, key, value, merge=False, force_add=is_open)


def _keys(entries: Any, prefix: str) -> Iterator[str]:
    for name, value in entries.items():
        if prefix or name in GROUPS:
            yield f"{prefix}{name}"
            if isinstance(value, Mapping):
                yield from _keys(value, f"{prefix}{name}.")
