"""Hydra's and OmegaConf's errors in one line each, with the nearest thing that exists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import GrammarParseError, OmegaConfBaseException
from yaml import YAMLError

from harness.config.other_words import meant
from harness.config.overrides import conf_dir, config_dirs
from harness.config.yaml_files import complaint
from harness.errors import near

OPEN_KEYS = ("task.params", "optimizer.options")  # what is in them is the task's or the method's own


def one_line(error: BaseException, arguments: Sequence[str]) -> str | None:
    """Return what the user got wrong, or None when the error is not of that kind."""
    if isinstance(error, OSError | UnicodeError | YAMLError | OmegaConfBaseException) and (broken := _file_of(error)):
        return complaint(broken, error)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        other = [path for folder in config_dirs(arguments) if (path := folder / group / f"{name}.yml").is_file()]
        hint = f"; give {other[0]} the ending .yaml" if other else near(name, _choices(error.options or ()))
        return f"there is no {group or 'config'} '{name}'{hint}"
    if isinstance(error, OverrideParseException):
        if not re.search(r"[=~]", error.override):
            return f"'{error.override}' is not a setting: write key=value (python -m harness --help)"
        return f"cannot read '{error.override}': {_first_line(error)} (in a shell, quote what holds brackets or spaces)"
    if not isinstance(error, HydraException | OmegaConfBaseException):
        if not _raised_while_composing(error):
            return None
        if "Unexpected type for root" in str(error):
            return _inside_a_value(arguments)
        return f"these settings do not compose: {_first_line(error)}"
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    if isinstance(cause, GrammarParseError) and (broken := _file_of(error)):
        key = f"{cause.full_key}: " if cause.full_key else ""
        return f"{broken}: {key}a reference begins with ${{ and does not end as one: write ${{key}}, or \\${{ for these characters"
    text = " ".join(str(error).split())
    if no_keys := re.match(r"In '([^']+)'.*\blist is not a subclass", text):
        return f"{no_keys[1]}.yaml holds no settings: write key: value"
    unknown = re.search(r"Could not override '([^']+)'", text)
    if unknown and "not in" in f"{text} {cause}":
        return _unknown_key(unknown[1].rpartition("@")[2], arguments)
    if unknown and "No match in the defaults list" in text:
        group = unknown[1]
        return (
            f"'{group}' has no choice yet: write +{group}=..." if (conf_dir() / group).is_dir() else _unknown_key(group, arguments)
        )
    if "Ambiguous value" in text or "sweep" in text.lower():
        return f"{_first_line(error)} (several values make several jobs: add -m)"
    full_key = getattr(cause, "full_key", None)
    reason = _first_line(cause)
    return f"{full_key}: {reason}" if full_key and full_key not in reason else reason


def _choices(names: Iterable[str]) -> list[str]:
    """Return those of a group's files that can be chosen: Hydra lists what editors left there, too."""
    return [name for name in names if re.fullmatch(r"\w[\w.+-]*", name)]


def _file_of(error: BaseException) -> str | None:
    """Return the file that Hydra was loading when the error was raised; its own errors do not say."""
    trace, path = error.__traceback__, None
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_code.co_name == "load_config" and frame.f_globals.get("__name__", "").startswith("hydra."):
            path = frame.f_locals.get("full_path", path)
        trace = trace.tb_next
    return path


def _raised_while_composing(error: BaseException) -> bool:
    """Say whether the error was raised inside of what reads settings: some of its complaints are errors of Python's own kinds."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_globals.get("__name__", "").partition(".")[0] in (
        "hydra",
        "omegaconf",
        "antlr4",
        "yaml",
    )


def _inside_a_value(arguments: Sequence[str]) -> str:
    """Say which setting lies inside a value that is an interpolation, `${...}`: such a value can only be given whole."""
    keys = _known_keys(arguments)
    for argument in arguments:
        key = argument.lstrip("+").partition("=")[0]
        whole = next(
            (known for known in keys if key.startswith(f"{known}.") and not any(k.startswith(f"{known}.") for k in keys)), ""
        )
        if whole:
            return f"{argument}: lies inside a value that the YAML computes; give the whole value with ++{whole}=..."
    return "a setting lies inside a value that the YAML computes; give the whole value with ++KEY=..."


def _unknown_key(key: str, arguments: Sequence[str]) -> str:
    keys = [] if key.startswith("hydra") else _known_keys(arguments)
    if key in keys:  # what was given has keys that it does not have
        return f"'{key}' has no such entries; to set them write ++{key}=..."
    parent = key.rpartition(".")[0]
    if parent in OPEN_KEYS and parent in keys and "startup_trials" not in meant(key, keys):
        return (
            f"there is no setting '{key}'{near(key, [k for k in keys if k.startswith(parent + '.')])}; to add it write +{key}=..."
        )
    return f"there is no setting '{key}'{meant(key, keys) if keys else ''}"


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    # "In 'task/mine': ConfigKeyError raised while composing config:" says nothing without the next line.
    return " ".join(lines[:2] if lines[0].endswith(":") else lines[:1]).rstrip(".")


def _known_keys(arguments: Sequence[str]) -> list[str]:
    """Return every key that the config has with the task and optimizer of this command line."""
    from hydra import compose, initialize_config_dir  # noqa: PLC0415
    from hydra.core.global_hydra import GlobalHydra  # noqa: PLC0415

    chosen = [a for a in arguments if re.fullmatch(r"(task|optimizer|llm|tracking)=\w+", a)]
    GlobalHydra.instance().clear()
    own = [f"hydra.searchpath=[{','.join(f'file://{path.resolve()}' for path in config_dirs(arguments))}]"]
    for overrides in ([*chosen, *own], [entry for entry in chosen if not entry.startswith("task=")], []):
        try:
            with initialize_config_dir(str(conf_dir()), version_base="1.3"):
                config = OmegaConf.to_container(compose("config", overrides=overrides))
        except Exception:
            continue
        return [key for key in _flatten(config) if not key.startswith("hydra")]
    return []


def _flatten(config: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(config, Mapping):
        for key, value in config.items():
            yield f"{prefix}{key}"
            yield from _flatten(value, f"{prefix}{key}.")
