"""What a command line says, before Hydra reads it. Standard library only, so that --help answers at once."""

from __future__ import annotations

import functools
import itertools
import os
import re
import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.errors import SettingsError, near

SUITE_GROUPS = ("task", "optimizer")
GROUPS = (*SUITE_GROUPS, "llm", "experiment", "tracking")
# `all` stops short of what costs money or must be downloaded first: that is asked for by name.
NOT_IN_ALL = {
    "task": {"full", "published", "lcbench", "hpobench", "fcnet", "optional", "own", "test"},
    "optimizer": {
        "gpt",
        "gpt_history",
        "open",
        "smollm2",
        "agent",
        "select",
        "select_smollm2",
        "select_local",
        "release",
        "methods",
        "tuners",
        "optional",
        "own",
        "test",
    },
}
# A word for several suites together, unless a file or a suite has that name.
SUITES_OF_SUITES = {"task": {"foreign": ("lcbench", "hpobench")}}
HELP_FLAGS = ("--help", "-h")
SHOWING_FLAGS = (*HELP_FLAGS, "--hydra-help", "--cfg", "-c", "--info", "-i")
FLAGS_WITH_VALUE = ("--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd")


def conf_dir() -> Path:
    """Return the folder that holds config.yaml: $HARNESS_CONF, or beside the package in a checkout, or inside it in a wheel."""
    here = Path(__file__).resolve().parents[1]
    chosen = os.environ.get("HARNESS_CONF")
    for folder in [Path(chosen).expanduser().resolve()] if chosen else [here / "conf", here.parent / "conf"]:
        if (folder / "config.yaml").is_file():
            return folder
    raise SettingsError(f"no config.yaml in {chosen or here.parent / 'conf'}: set HARNESS_CONF to the folder that holds it")


def own_conf() -> list[Path]:
    """Return `conf` in the current folder where that holds a user's own tasks, methods, LLMs or experiments; nothing elsewhere."""
    folder = Path("conf")
    is_own = any((folder / group).is_dir() for group in GROUPS) and folder.resolve() != conf_dir()
    return [folder] if is_own else []


def with_own_conf(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with `--config-dir conf` where the current folder has an `own_conf` and the command names no folder.

    No shell expands the home sign in `--config-dir=~/x`. What lies beside a named folder can be imported from then on, by workers too: a
    `_target_` in it is code of the same project.
    """
    arguments = [a.replace("=~", f"={Path.home()}", 1) if a.startswith("--config-dir=~/") else a for a in arguments]
    for beside in dict.fromkeys(str(folder.resolve().parent) for folder in config_dirs(arguments) if folder.is_dir()):
        if beside not in sys.path:
            sys.path.append(beside)
            os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), beside)))
    named = any(argument.partition("=")[0] in ("--config-dir", "-cd") for argument in arguments)
    return [*arguments, *(part for folder in ([] if named else own_conf()) for part in ("--config-dir", str(folder)))]


def config_dirs(arguments: Sequence[str]) -> list[Path]:
    """Return the folders that the user added with --config-dir."""
    found = [Path(following) for a, following in itertools.pairwise(arguments) if a in ("--config-dir", "-cd")]
    return found + [Path(a.partition("=")[2]) for a in arguments if a.startswith("--config-dir=")]


def normalise(arguments: Sequence[str], conf: Sequence[Path]) -> list[str]:
    """Return the arguments as Hydra wants them: overrides first, suites such as `task=all` as the names that they stand for.

    A suite stands for several jobs, so it implies `-m`; so does a launcher, which Hydra would ignore without. Raises SettingsError.
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
    for override in expanded:
        refuse_shadowed(override, conf)
    shows = any(flag.partition("=")[0] in SHOWING_FLAGS for flag in flags)
    is_sweep = any("," in new and new != old for new, old in zip(expanded, overrides, strict=True))
    if (is_sweep or any(override.startswith("hydra/launcher=") for override in expanded)) and not shows:
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
    own = {*members, *(name for inside in members.values() for name in inside)}
    names: dict[str, None] = {}
    for word in value.split(","):
        if word == "all":
            chosen = [name for suite, inside in members.items() if suite not in NOT_IN_ALL[key] for name in inside]
        else:
            several = () if word in own else SUITES_OF_SUITES.get(key, {}).get(word, ())
            chosen = [name for suite in several for name in members.get(suite, ())] or members.get(word, [word])
        if not chosen:
            raise SettingsError(f"{override}: no {key} is in '{word}'{near(word, members)}")
        names.update(dict.fromkeys(chosen))
    return f"{key}={','.join(names)}"


def refuse_misleading(override: str) -> None:
    """Raise SettingsError for what Hydra would take, or explain in its own words, and the harness does otherwise."""
    key, _, value = override.partition("=")
    name, word = key.lstrip("+~"), value.strip("'\"").lower()
    if key.startswith("~") and name in _INSTEAD_OF_LEAVING_OUT:
        raise SettingsError(f"{key} cannot be left out; write {_INSTEAD_OF_LEAVING_OUT[name]}")
    if name in ("tracking", "llm") and word in ("false", "no", "null", "none", "0", "disabled") and f"{name}={word}" != "llm=none":
        raise SettingsError(f"{key}={value}: write {_INSTEAD_OF_LEAVING_OUT[name]}")
    if name == "tracking" and word in ("true", "yes", "1", "on", "online", "offline", "wandb"):
        raise SettingsError(f"{key}={value}: write tracking=wandb_{'online' if word == 'online' else 'offline'}")
    if name in ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir", "hydra.output_subdir"):
        raise SettingsError(f"{name}: the harness says where records go: write out=FOLDER and study=NAME instead")
    if name == "hydra.job.chdir" and word not in ("false", "null"):
        raise SettingsError(f"{override}: a command stays in its folder; leave it out, and write out=FOLDER for the records")
    if name == "hydra/sweeper" and word != "harness":
        raise SettingsError(f"{override}: the harness has its own sweeper; choose a tuning method by optimizer=NAME")
    if value.startswith("interval("):
        range_ = f"'{name}=range{value.removeprefix('interval')}'"
        listed = "seeds=3, or 'seed=range(3)' with -m" if name in ("seed", "seeds") else f"{name}=A,B,C or {range_} with -m"
        raise SettingsError(f"{override}: a sweep needs values, and an interval has none; write {listed}")


_INSTEAD_OF_LEAVING_OUT = {
    "tracking": "tracking=off to do without W&B",
    "llm": "llm=none for no LLM",
    "task": "task=NAME",
    "optimizer": "optimizer=NAME",
}
_HYDRA_SWEEPS = re.compile(r"(choice|range|glob|sort|shuffle|tag|extend_list|str|int|float|bool|json_str)\(")


def as_typed(override: str, text_keys: Iterable[str]) -> str:
    """Return an override in which a text is in quotes: Hydra would take `study=2026_11_26` for a number, and `1.10` for `1.1`.

    What it reads in another way on purpose stays: lists of a sweep, functions, quotes, null and references.
    """
    key, _, value = override.partition("=")
    if key.lstrip("+") not in text_keys or not value or value[0] in "'\"" or "${" in value or _HYDRA_SWEEPS.match(value):
        return override
    parts = value.split(",")
    if len(parts) > 1 and re.search(r"[\[\](){}'\"]", value):
        return override
    return f"{key}={','.join(map(_in_quotes, parts))}"


def _in_quotes(text: str) -> str:
    if text.lower() == "null" or text.endswith("\\") or not text or {"'", '"'} <= {*text}:
        return text
    return f'"{text}"' if "'" in text else f"'{text}'"


def split_start(overrides: Sequence[str]) -> list[str]:
    """Turn `optimizer=random+default`, the arm as the tables name it, into `optimizer=random start=default`."""
    named = [o for o in overrides if o.startswith("optimizer=") and o.endswith("+default") and "," not in o]
    if not named:
        return list(overrides)
    others = [o for o in overrides if o not in named and not o.startswith("start=")]
    return [*others, *(o.removesuffix("+default") for o in named), "start=default"]


def conf_files(folder: Path, group: str) -> list[Path]:
    """Return the files of a group that a command line can name, in the order of their names.

    Others are left alone: what editors and systems hide there (`.#x.yaml`, `._x.yaml`), copies such as `x (copy).yaml`, and folders.
    """
    paths = sorted((folder / group).glob("*.yaml"))
    return [path for path in paths if re.fullmatch(r"\w[\w.+-]*", path.stem) and not path.is_dir()]


def _text(path: Path) -> str:
    """Return the text of a file as far as it can be read: what is wrong with it is said to whom it is needed by."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def refuse_shadowed(override: str, conf: Iterable[Path]) -> None:
    """Raise SettingsError for a choice that two folders have a file of: the first would be taken, and the other one is the user's."""
    group, _, value = override.lstrip("+").partition("=")
    folders = list(dict.fromkeys(folder.resolve() for folder in conf)) if group in GROUPS else []
    for name in value.split(",") if len(folders) > 1 else ():
        paths = [path for folder in folders if (path := folder / group / f"{name}.yaml").is_file()]
        if len(paths) > 1:
            raise SettingsError(
                f"{group}={name}: {paths[-1]} has the name of one that comes with the harness; give it another name"
            )


def suites(group: str, conf: tuple[Path, ...]) -> dict[str, list[str]]:
    """Return the members of each suite of a config group, by name, in the order of the names."""
    return _suites(group, tuple(folder.resolve() for folder in conf))


@functools.cache
def _suites(group: str, conf: tuple[Path, ...]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for folder in conf:
        for path in conf_files(folder, group):
            match = re.search(r"^suite:\s*['\"]?(\w+)", _text(path), re.MULTILINE)
            members = found.setdefault(match[1] if match else "own", [])
            if path.stem not in members:
                members.append(path.stem)
    return found


def choices(conf: Sequence[Path]) -> str:
    """Return what each config group offers, for --help: a group a paragraph, at most 80 columns wide."""
    groups: dict[str, set[str]] = {}
    for group in (path.name for path in conf[0].iterdir() if path.is_dir()):
        if names := {path.stem for folder in conf for path in conf_files(folder, group)}:
            groups[group] = names
    lines = []
    for group, names in sorted(groups.items()):
        members = suites(group, tuple(conf)) if group in SUITE_GROUPS else {"": sorted(names)}
        text = "; ".join(f"{suite}: {', '.join(inside)}" if suite else ", ".join(inside) for suite, inside in members.items())
        lines.append(textwrap.fill(text, 78, initial_indent=f"{group:<11} ", subsequent_indent=" " * 12, break_on_hyphens=False))
    return "\n".join(lines)
