"""The way from a composed Hydra config to cells. With `schema.py`, `app.py`, `sweep.py` and `complaints.py`, the only file
that knows Hydra.

Everything past this file sees plain Python data.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from harness import tabular, training
from harness.cell import Cell
from harness.config.overrides import conf_dir as conf_dir
from harness.config.schema import Settings
from harness.config.seeds import from_text
from harness.config.task_settings import mirrored, shown_card
from harness.errors import SettingsError, near
from harness.importing import versions_of
from harness.optimizer import ROLES
from harness.space import Space
from harness.task import TaskCard

# At import: a launcher's worker composes nothing, and yet resolves.
OmegaConf.register_new_resolver("mirrored", mirrored, replace=True)


def register() -> None:
    """Make the schema known to Hydra as `schema`, the first entry of conf/config.yaml's defaults."""
    ConfigStore.instance().store(name="schema", node=Settings)


def resolved(config: DictConfig) -> dict[str, Any]:
    """Return a composed config as plain data. Raises SettingsError for a value that is missing or cannot be resolved."""
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    try:
        plain = OmegaConf.to_container(own, resolve=True, throw_on_missing=True, enum_to_str=True)
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", None)
        raise SettingsError((f"{key}: " if key else "") + str(error).splitlines()[0]) from error
    assert isinstance(plain, dict)
    _check_keys(plain, Settings)
    if plain["seeds"] is not None:
        _refuse_references_to_seed(OmegaConf.to_container(own, resolve=False))
    plain["task"] = shown_card(plain["task"])
    space = plain["task"]["space"]
    plain["task"]["space"] = {name: {k: v for k, v in entry.items() if v is not None} for name, entry in space.items()}
    if plain["evaluator"] == "table":
        from harness.tabular.replay import on_table  # noqa: PLC0415 - live cells do without

        plain["task"] = on_table(plain["task"])
    del plain["task"]["table"]
    return {str(key): value for key, value in plain.items()}


def task_settings(path: Path) -> dict[str, Any]:
    """Return one file of conf/task as plain data, as `harness.training.build.build_task` takes it. Raises SettingsError."""
    try:
        plain = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    except (OSError, YAMLError, OmegaConfBaseException) as error:
        raise SettingsError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(plain, dict):
        raise SettingsError(f"{path} holds no settings")
    return {str(key): value for key, value in plain.items()}


def _check_keys(plain: Mapping[Any, Any], schema: type, prefix: str = "") -> None:
    """Refuse what `+key=value` added, `~key` took away and `key=${other}` put in another's place: all of it passes Hydra."""
    known = {f.name: f for f in fields(schema)}
    for key in plain:
        if key not in known:
            raise SettingsError(f"there is no setting '{prefix}{key}'{near(str(key), known)}")
    for name, entry in known.items():
        if name not in plain:
            raise SettingsError(f"'{prefix}{name}' was taken away, and is needed")
        made_by: Any = entry.default_factory
        if isinstance(made_by, type) and is_dataclass(made_by):
            if not isinstance(plain[name], Mapping):
                raise SettingsError(f"{prefix}{name}={plain[name]!r}: needs settings of its own")
            _check_keys(plain[name], made_by, f"{prefix}{name}.")
        elif not _fits(plain[name], str(entry.type)):
            raise SettingsError(f"{prefix}{name}: takes {entry.type}, not {str(plain[name])[:60]!r}")


def _fits(value: Any, kind: str) -> bool:
    """Say whether a value is of one of the plain types that a field's annotation names; any other annotation is Hydra's to hold to."""
    types: dict[str, tuple[type, ...]] = {
        "int": (int,),
        "float": (int, float),
        "str": (str,),
        "bool": (bool,),
        "None": (type(None),),
    }
    named = kind.split(" | ")
    if not set(named) <= set(types):
        return True
    allowed = tuple(itertools.chain.from_iterable(types[name] for name in named))
    return isinstance(value, allowed) and (not isinstance(value, bool) or "bool" in named)


def _refuse_references_to_seed(raw: Any, key: str = "") -> None:
    """Refuse `${seed}` where one composed config stands for several seeds: it would be the same number for all of them."""
    for name, value in raw.items() if isinstance(raw, Mapping) else enumerate(raw):
        inside = f"{key}.{name}" if key else str(name)
        if isinstance(value, Mapping | list):
            _refuse_references_to_seed(value, inside)
        elif isinstance(value, str) and re.search(r"\$\{[^}]*\bseed\b", value):
            raise SettingsError(f"{inside}={value}: with several seeds in one command no other setting can refer to the seed")


# What not every arm reads. A method's YAML lists under `uses` what it reads of them; a table's levels are read by evaluator=table.
NOT_FOR_ALL = ("agent", "tcs", "llm", "task.card", "task.renamed_card", "task.table")


def refuse_unused(keys: Iterable[str], asked: Sequence[Mapping[str, Any]]) -> None:
    """Raise SettingsError for a key of the command line that none of the composed configs reads: it would name rows of equal trials."""
    for key in dict.fromkeys(key.lstrip("+~").partition("@")[0] for key in keys):
        if _under(key, NOT_FOR_ALL) and not any(_reads(settings, key) for settings in asked):
            arms = list(dict.fromkeys(str(settings["optimizer"]["name"]) for settings in asked))
            listed = ", ".join(arms[:3]) + (", ..." if len(arms) > 3 else "")
            reader = "evaluator=table" if _under(key, ["task.table"]) else "an arm that lists it under uses: in conf/optimizer"
            raise SettingsError(f"{key}: {listed} would not use it; leave it out, or add {reader}")


def _reads(settings: Mapping[str, Any], key: str) -> bool:
    if _under(key, ["task.table"]):
        return settings["task"].get("from_table") is not None
    return _under(key, settings["optimizer"]["uses"])


def _under(key: str, groups: Sequence[str]) -> bool:
    return any(key == group or key.startswith(f"{group}.") for group in groups)


def cells(settings: Mapping[str, Any]) -> Iterator[Cell]:
    """Yield the cells that one composed config asks for, a seed each, after checking what can be checked without loading the task.

    Raises SettingsError.
    """
    task, optimizer = settings["task"], settings["optimizer"]
    try:
        space = Space.from_mapping(task["space"])
        TaskCard.from_mapping(task["card"])
    except SettingsError as error:
        raise SettingsError(f"task '{task['name']}': {error}") from error
    _check_numbers(settings)
    for part, name in (("study", settings["study"]), ("task.name", task["name"])):
        _check_name(part, name)
    _check_role(optimizer)
    start = "none" if optimizer["ignores_start"] else settings["start"]
    arm = _arm_name(settings, start)
    agent = _agent(settings)
    versions = _versions(settings, agent)
    for seed in seeds(settings):
        yield Cell(
            study=settings["study"],
            arm=arm,
            seed=seed,
            train_seed=_train_seed(settings, seed),
            budget=settings["budget"],
            start=start,
            # The space in full, so that the identity does not depend on how the YAML happened to write it.
            task={**task, "space": space.to_mapping()},
            optimizer=optimizer,
            time_limit_seconds=settings["limits"]["trial_seconds"],
            memory_limit_mb=settings["limits"]["trial_memory_mb"],
            agent=agent,
            versions=versions,
        )


def _check_role(optimizer: Mapping[str, Any]) -> None:
    role = optimizer["role"]
    if role not in ROLES:
        raise SettingsError(f"optimizer.role={role!r}: there is no such role{near(role, ROLES)}")
    if (role == "llm") != (optimizer["context"] is not None):
        raise SettingsError(
            f"optimizer.role={role!r}: a method with a context asks an LLM, and only such a method has the role 'llm'"
        )


def seeds(settings: Mapping[str, Any]) -> list[int]:
    """Return the seeds of one composed config: `seeds=5` means 0 to 4, a list or '0-29,35' itself, null means `seed` alone."""
    asked = settings["seeds"]
    if asked is None:
        return [settings["seed"]]
    if isinstance(asked, str):
        asked = from_text(asked) or asked
    if isinstance(asked, int) and not isinstance(asked, bool) and asked > 0:
        return list(range(asked))
    if isinstance(asked, list) and asked and all(isinstance(s, int) and not isinstance(s, bool) for s in asked):
        return list(dict.fromkeys(asked))
    raise SettingsError(f"seeds={asked!r}: give how many (seeds=5) or which (seeds=[0,3,7])")


def _train_seed(settings: Mapping[str, Any], seed: int) -> int:
    """Return the seed of a cell's trainings: as asked, else the cell's own; of a table, which holds few, they take turns."""
    asked, source = settings["train_seed"], settings["task"].get("from_table")
    if source is None:
        return seed if asked is None else int(asked)
    held: list[int] = source["train_seeds"]
    if asked is None:
        return held[seed % len(held)]
    if asked not in held:
        listed = ", ".join(map(str, held))
        raise SettingsError(f"train_seed={asked}: the table of task '{settings['task']['name']}' holds {listed}; null takes turns")
    return int(asked)


def _versions(settings: Mapping[str, Any], agent: Mapping[str, Any] | None) -> dict[str, int]:
    """Return the versions of the code that decides the result. Raises SettingsError for a method that cannot be imported."""
    trained = {"table": tabular.VERSION} if settings["task"].get("from_table") else {"training": training.VERSION}
    return {**versions_of(settings["optimizer"]["_target_"]), **(agent["versions"] if agent else {}), **trained}


def _agent(settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the settings of the agent and what of them decides the result; None for a method that asks no LLM."""
    context = settings["optimizer"]["context"]
    if context is None:
        return None
    from harness import tcs  # noqa: PLC0415 - only an agent's cell waits for these
    from harness.optimizers.agent.build import agent_identity  # noqa: PLC0415
    from harness.optimizers.agent.context import SUMMARISED  # noqa: PLC0415

    agent = {"agent": {"context": context, **settings["agent"]}, "tcs": settings["tcs"], "llm": settings["llm"]}
    return {
        **agent,
        "identity": agent_identity(agent, settings["task"]["card"]),
        "versions": {"tcs": tcs.VERSION} if context in SUMMARISED else {},
    }


def _arm_name(settings: Mapping[str, Any], start: str) -> str:
    optimizer = settings["optimizer"]
    asked = f"{optimizer['name']}_{settings['llm']['name']}" if optimizer["context"] else optimizer["name"]
    name: str = settings["arm"] or optimizer["label"] or asked
    _check_name("arm", name)
    if not re.fullmatch(r"[\w.+=~ \[\]-]{0,120}", settings["variant"]) or len(settings["variant"].encode()) > VARIANT_BYTES:
        raise SettingsError(
            f"variant={settings['variant']!r}: use up to {VARIANT_BYTES} letters, digits and any of . _ - + = ~ [ ]"
        )
    if not settings["arm"] and start == "default":
        name += "+default"
    if not settings["arm"] and optimizer["context"] and settings["task"]["renamed"]:
        name += "+renamed"
    return f"{name}[{settings['variant']}]" if settings["variant"] else name


def _check_numbers(settings: Mapping[str, Any]) -> None:
    if settings["budget"] < 1:
        raise SettingsError(f"budget={settings['budget']}: a cell needs at least 1 trial")
    for name, unit in (("trial_seconds", "seconds"), ("trial_memory_mb", "megabytes")):
        limit = settings["limits"][name]
        if limit is not None and not 0 < limit < math.inf:
            raise SettingsError(f"limits.{name}={limit}: give {unit} above 0, or null for no limit")
    if settings["task"].get("from_table") and settings["limits"]["trial_memory_mb"] is not None:
        raise SettingsError("limits.trial_memory_mb: a table holds no memory of its trainings; leave it out with evaluator=table")
    if settings["optimizer"]["startup_trials"] < 0:
        raise SettingsError("optimizer.startup_trials: must be 0 or more")
    for seed in (*seeds(settings), settings["train_seed"] or 0):
        # NumPy and scikit-learn take no others, and every training would fail.
        if not 0 <= seed < 2**32:
            raise SettingsError(f"seed {seed}: seeds go from 0 to {2**32 - 1}")


# It becomes part of a folder's name, whose limit is 255 bytes. A sweep's own are up to nine bytes longer than `sweep.VARIANT_BYTES`.
VARIANT_BYTES = 120


def _check_name(part: str, name: str) -> None:
    # These become folder names, table rows and W&B groups.
    if not re.fullmatch(r"[\w+=\[\]-][\w.+=\[\]-]*", name) or len(name.encode()) > 80:
        raise SettingsError(f"{part}={name!r}: use up to 80 letters, digits and any of . _ - + = [ ], not starting with a dot")
