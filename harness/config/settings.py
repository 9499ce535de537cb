"""The way from a composed Hydra config to cells. With `schema.py`, `cli/app.py`, `cli/sweep.py` and `cli/messages.py`, the
only file that knows Hydra.

Everything past this file sees the typed values of `values.py`.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationValidationError, OmegaConfBaseException
from yaml import YAMLError

from harness.cell import Cell, Given
from harness.config import schema
from harness.config.given import read_given
from harness.config.other_words import meant
from harness.config.overrides import conf_dir as conf_dir
from harness.config.overrides import conf_files, own_conf
from harness.config.published import ATTEMPTS, GROUP, reads, reads_switches, refuse_table, told_of, with_switches
from harness.config.seeds import from_text
from harness.config.task_settings import mirrored, referenced
from harness.config.tracking import tracking_of
from harness.config.values import Settings, Tracking
from harness.config.yaml_files import complaint, refuse_changed_words
from harness.errors import SettingsError, near
from harness.importing import load_target, versions_of
from harness.llm.asking import Asking, LlmOptimizer
from harness.llm.settings import LlmSettings
from harness.optimizer import ROLES, OptimizerSpec
from harness.task import TaskSpec
from harness.training.evaluator import Evaluator, Limits
from harness.training.live import Live

# At import: a launcher's worker composes nothing, and yet resolves.
OmegaConf.register_new_resolver("mirrored", mirrored, replace=True)
OmegaConf.register_new_resolver("reference", referenced, replace=True)


def text_keys(typed: Any = None, prefix: str = "") -> frozenset[str]:
    """Return the keys of the settings that are texts: what stands behind their `=` is meant as it is typed."""
    typed = typed or schema.Settings()
    keys = {f"{prefix}{entry.name}" for entry in fields(typed) if entry.type in ("str", "str | None")}
    inner = {entry.name: value for entry in fields(typed) if is_dataclass(value := getattr(typed, entry.name))}
    return frozenset(keys).union(*(text_keys(value, f"{prefix}{name}.") for name, value in inner.items()))


def register() -> None:
    """Make the schema known to Hydra as `schema`, the first entry of conf/config.yaml's defaults."""
    ConfigStore.instance().store(name="schema", node=schema.Settings)


def resolved(config: DictConfig) -> Settings:
    """Return a composed config as typed values. Raises SettingsError for a value that is missing, or makes no sense."""
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    if path := _task_file(config):
        refuse_changed_words(path)
    try:
        plain = OmegaConf.to_container(own, resolve=True, throw_on_missing=True, enum_to_str=True)
        assert isinstance(plain, dict)
        _check_keys(plain, schema.Settings())
        typed = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(schema.Settings), own))
    except OmegaConfBaseException as error:
        raise SettingsError(_in_words(error)) from error
    assert isinstance(typed, schema.Settings)
    if typed.seeds is not None:
        _refuse_references_to_seed(OmegaConf.to_container(own, resolve=False))
    _role_of_another_class(typed.optimizer, config)
    plain["optimizer"]["role"] = typed.optimizer.role
    tracking = tracking_of(typed.tracking, config)
    plain["tracking"] = dict(vars(tracking))
    return _settings(typed, plain, tracking)


def _role_of_another_class(method: schema.OptimizerSettings, config: DictConfig) -> None:
    """Refuse a command that puts another class behind an arm's name; its role is that of a method of one's own, if none is given."""
    given = {re.sub(r"^\++", "", str(word).partition("=")[0]) for word in _hydra(config, "overrides.task") or ()}
    if "optimizer._target_" not in given:
        return
    if "optimizer.name" not in given:
        raise SettingsError(
            f"optimizer._target_={method._target_}: the tables would call it '{method.name}'; add optimizer.name=NAME, "
            "or write conf/optimizer/NAME.yaml"
        )
    if "optimizer.role" not in given and method.context is None:
        method.role = schema.OptimizerSettings.role


def _hydra(config: DictConfig, key: str) -> Any:
    """Return what Hydra knows of the command, None where a config does not say."""
    whole: Any = config if "hydra" in config else HydraConfig.instance().cfg
    return None if whole is None else OmegaConf.select(whole.hydra, key)


def _task_file(config: DictConfig) -> Path | None:
    """Return the file that Hydra took the task from, None where a config does not say."""
    sources, name = _hydra(config, "runtime.config_sources") or (), _hydra(config, "runtime.choices.task")
    paths = (Path(source.path) / "task" / f"{name}.yaml" for source in sources if source.schema == "file")
    return next((path for path in paths if path.is_file()), None)


def _in_words(error: OmegaConfBaseException) -> str:
    """Return one line for what OmegaConf refuses."""
    key, holder = getattr(error, "full_key", None), getattr(error, "object_type", None)
    if isinstance(error, InterpolationValidationError) and is_dataclass(holder):
        kind = next((entry.type for entry in fields(holder) if entry.name == error.key), "another type")
        return f"{key}: takes {kind}, not what it refers to"
    return (f"{key}: " if key else "") + str(error).splitlines()[0]


def _check_keys(plain: Mapping[Any, Any], typed: Any, prefix: str = "") -> None:
    """Refuse what `+key=value` added, `~key` took away and `key=${other}` put in a group's place: all of it passes Hydra."""
    known = {entry.name: getattr(typed, entry.name) for entry in fields(typed)}
    for key in plain:
        if key not in known:
            hint = meant(str(key), ()) if not prefix else ""
            raise SettingsError(f"there is no setting '{prefix}{key}'{hint or near(str(key), known)}")
    for name, value in known.items():
        if name not in plain:
            raise SettingsError(f"'{prefix}{name}' was taken away, and is needed")
        if is_dataclass(value):
            if not isinstance(plain[name], Mapping):
                raise SettingsError(f"{prefix}{name}={plain[name]!r}: needs settings of its own")
            _check_keys(plain[name], value, f"{prefix}{name}.")


def _settings(typed: schema.Settings, plain: dict[Any, Any], tracking: Tracking) -> Settings:
    method, limits = typed.optimizer, Limits(typed.limits.trial_seconds, typed.limits.trial_memory_mb)
    # An entry of a space that is not given is null in the schema, and absent in a space.
    space = {name: {k: v for k, v in entry.items() if v is not None} for name, entry in plain["task"]["space"].items()}
    task, evaluator = _evaluated(TaskSpec.from_mapping({**plain["task"], "space": space}), typed.evaluator.name)
    made, released = _method_spec(method, plain["optimizer"]["options"]), vars(schema.PublishedSettings())
    spec = with_switches(made, vars(typed.published), released, typed.agent.attempts)
    asking = None
    if any(_under(key, ["select"]) for key in method.uses):
        from harness.optimizers.selector.candidates import check_select  # noqa: PLC0415 - other methods do without

        check_select(typed.select.source, typed.select.candidates, typed.select.orders)
    if method.context is None and method.form != "json":
        raise SettingsError(f"optimizer.form={method.form}: {method.name} asks no LLM, and has no form of an answer")
    if spec.context is not None and method.context is not None:
        agent = {**vars(typed.agent), "form": typed.agent.form or method.form, "orders": typed.select.orders}
        asking = Asking(method.context, _at_home(typed.llm), blocks=tuple(typed.tcs.blocks), format=typed.tcs.format, **agent)
        _check_connections(asking.llm)
    return Settings(
        study=typed.study,
        out=_folder("out", typed.out),
        task=task,
        evaluator=evaluator,
        optimizer=spec,
        asking=asking,
        llm=_at_home(typed.llm),
        start=typed.start.name,
        seeds=_seeds(typed),
        train_seed=typed.train_seed,
        budget=typed.budget,
        arm=typed.arm,
        variant=typed.variant,
        planned=typed.planned,
        limits=limits,
        sync=typed.store.sync.name,
        tracking=tracking,
        progress=typed.progress.name,
        unready=typed.unready.name,
        recorded=_recorded(plain, task, evaluator, spec, asking),
        given=None if typed.given is None else read_given(_folder("given", typed.given), task),
    )


def _check_connections(llm: LlmSettings) -> None:
    if llm.connections and llm.connections > 1:
        from harness.llm.build import connections_of  # noqa: PLC0415 - imports the backend's class

        connections_of(llm)


def _method_spec(method: schema.OptimizerSettings, options: Mapping[str, Any]) -> OptimizerSpec:
    return OptimizerSpec(
        name=method.name,
        target=method._target_,
        options=options,
        startup_trials=method.startup_trials,
        context=method.context,
        label=method.label,
        role=method.role,
        ignores_start=method.ignores_start,
        uses=tuple(method.uses),
    )


def _folder(key: str, path: str) -> str:
    """Return a path with the home folder in the place of `~`, which no shell puts there behind a `=`. Raises SettingsError."""
    if re.match(r"\$\w|\$\{", path):
        raise SettingsError(f"{key}={path}: the shell has not put in the variable (single quotes?); in YAML write ${{oc.env:NAME}}")
    expanded = os.path.expanduser(path)  # noqa: PTH111 - pathlib raises where there is no such user
    if expanded.startswith("~"):
        raise SettingsError(
            f"{key}={path}: no user of that name has a home folder here; write the folder in full, or ./~... for one"
        )
    return expanded


def _at_home(llm: LlmSettings) -> LlmSettings:
    """Return the settings of an LLM with the home folder in the place of `~` in its paths."""
    given = {name: value for name in ("path", "replay", "prices") if (value := getattr(llm, name))}
    paths: dict[str, Any] = {name: _folder(f"llm.{name}", value) for name, value in given.items()}
    return replace(llm, **paths) if paths else llm


def _evaluated(task: TaskSpec, evaluator: str) -> tuple[TaskSpec, Evaluator]:
    if evaluator == "live":
        return task, Live()
    from harness.tabular.replay import with_table  # noqa: PLC0415 - live cells do without

    return with_table(task)


def _recorded(
    plain: Mapping[Any, Any], task: TaskSpec, evaluator: Evaluator, method: OptimizerSpec, asking: Asking | None
) -> dict[str, Any]:
    """Return the settings as a manifest keeps them.

    The task is as it is shown and evaluated, the method as its switches make it, and a GGUF file's model has its name.
    """
    shown = {key: value for key, value in plain["task"].items() if key not in ("renamed_card", "table", "reference")}
    changed = {"card": task.card.to_mapping(), "renamed": task.renamed, "space": task.space.to_mapping()}
    made = {"role": method.role, "context": method.context, "options": method.options}
    recorded = {str(key): value for key, value in plain.items()} | {
        "task": {**shown, **changed, **evaluator.recorded},
        "optimizer": {**plain["optimizer"], **made},
        **({"published": {**plain["published"], "told": told}} if (told := told_of(method, task)) else {}),
    }
    if asking and not plain["llm"]["model"]:
        recorded["llm"] = {**plain["llm"], "model": asking.llm.model_name}
    return recorded


def llm_settings(name: str, folders: Sequence[Path]) -> LlmSettings:
    """Return the settings of one LLM as a command has them: composed, with its defaults, references and package.

    `folders` are the user's. Raises SettingsError.
    """
    register()
    if (plain := _plain_llm(name, folders)) is not None:
        return plain
    first = conf_dir()
    added = ",".join(f"'file://{folder.resolve()}'" for folder in folders if folder.resolve() != first)
    try:
        with initialize_config_dir(str(first), version_base="1.3"):
            config = compose("config", overrides=["task=toy", f"llm={name}", f"hydra.searchpath=[{added}]"])
        settings = OmegaConf.to_object(config.llm)
    except (HydraException, OmegaConfBaseException) as error:
        cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
        words = _in_words(cause) if isinstance(cause, OmegaConfBaseException) else " ".join(str(cause).split())
        raise SettingsError(words) from error
    except (OSError, UnicodeError, YAMLError) as error:
        found = [path for folder in (first, *folders) if (path := folder / "llm" / f"{name}.yaml").exists()]
        raise SettingsError(complaint(found[0] if found else name, error)) from error
    assert isinstance(settings, LlmSettings)
    return _at_home(settings)


def _plain_llm(name: str, folders: Sequence[Path]) -> LlmSettings | None:
    """Return the settings of a file that says all of it by itself, twenty times as fast as composed; None for any other file.

    A file with defaults, references or a package is none, nor one that is wrong: composing it says what of it.
    """
    found = [path for folder in (conf_dir(), *folders) if (path := folder / "llm" / f"{name}.yaml").is_file()]
    try:
        text = found[0].read_text(encoding="utf-8") if len({path.resolve() for path in found}) == 1 else "defaults:"
        if any(sign in text for sign in ("defaults:", "${", "@package")):
            return None
        settings = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(LlmSettings), OmegaConf.load(found[0])))
    except (OSError, ValueError, YAMLError, OmegaConfBaseException, SettingsError):
        return None
    return _at_home(settings) if isinstance(settings, LlmSettings) else None


def llm_with(settings: LlmSettings, overrides: Sequence[str]) -> LlmSettings:
    """Return the settings of an LLM with `llm=NAME` and `llm.KEY=VALUE` of a command line. Raises SettingsError."""
    given = [word.partition("=")[::2] for word in overrides]
    for name in (value for key, value in given if key == "llm"):
        folders = [folder.resolve() for folder in own_conf()]
        known = [path.stem for folder in (conf_dir(), *folders) for path in conf_files(folder, "llm")]
        if name not in known:
            raise SettingsError(f"llm={name}: there is no llm of that name in conf/llm{near(name, known)}")
        settings = llm_settings(name, folders)
    known = [entry.name for entry in fields(LlmSettings)]
    words = [(key.removeprefix("llm."), value) for key, value in given if key != "llm"]
    for key, value in words:
        if key not in known:
            raise SettingsError(f"llm.{key}={value}: no such setting{near(key, known)}")
    try:
        changed = OmegaConf.from_dotlist([f"{key}={value}" for key, value in words])
        made = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(settings), changed))
    except OmegaConfBaseException as error:
        raise SettingsError(f"llm.{_in_words(error)}") from error
    assert isinstance(made, LlmSettings)
    return _at_home(made)


def task_spec(path: Path) -> TaskSpec:
    """Return the task of one file of conf/task. Raises SettingsError."""
    try:
        plain = OmegaConf.to_container(_with_bases(path), resolve=True)
    except (OSError, UnicodeError, YAMLError, OmegaConfBaseException) as error:
        raise SettingsError(complaint(path, error)) from error
    if not isinstance(plain, dict):
        raise SettingsError(f"{path} holds no settings: write key: value")
    refuse_changed_words(path)
    return TaskSpec.from_mapping({"name": path.stem, **{str(key): value for key, value in plain.items()}})


def _with_bases(path: Path) -> Any:
    """Return a task's file merged over the files that its `defaults` name, as Hydra merges them: `base/lcbench@_here_`, `_self_`."""
    own: Any = OmegaConf.load(path)
    if not isinstance(own, DictConfig) or "defaults" not in own:
        return own
    names = [str(name).removesuffix("@_here_") for name in own.pop("defaults")]
    return OmegaConf.merge(*(OmegaConf.load(path.parent / f"{name}.yaml") for name in names if name != "_self_"), own)


def _refuse_references_to_seed(raw: Any, key: str = "") -> None:
    """Refuse `${seed}` where one composed config stands for several seeds: it would be the same number for all of them."""
    for name, value in raw.items() if isinstance(raw, Mapping) else enumerate(raw):
        inside = f"{key}.{name}" if key else str(name)
        if isinstance(value, Mapping | list):
            _refuse_references_to_seed(value, inside)
        elif isinstance(value, str) and re.search(r"\$\{[^}]*\bseed\b", value):
            raise SettingsError(f"{inside}={value}: with several seeds in one command no other setting can refer to the seed")


# What not every arm reads. A method's YAML lists under `uses` what it reads of them; a table's levels are read by evaluator=table.
NOT_FOR_ALL = ("agent", "tcs", "published", "select", "llm", "task.card", "task.renamed_card", "task.table")


def refuse_unused(keys: Iterable[str], asked: Sequence[Settings]) -> None:
    """Raise SettingsError for a key of the command line that none of the composed configs reads: it would name rows of equal trials."""
    for key in dict.fromkeys(key.lstrip("+~").partition("@")[0] for key in keys):
        if _under(key, NOT_FOR_ALL) and not any(_reads(settings, key) for settings in asked):
            arms = list(dict.fromkeys(settings.optimizer.name for settings in asked))
            listed = ", ".join(arms[:3]) + (", ..." if len(arms) > 3 else "")
            reader = "evaluator=table" if _under(key, ["task.table"]) else "an arm that lists it under uses: in conf/optimizer"
            raise SettingsError(f"{key}: {listed} would not use it; leave it out, or add {reader}")


def refuse_given_to_several(asked: Sequence[Settings]) -> None:
    """Raise SettingsError when one file gives its rows to several tasks, and does not say which belong to which."""
    tasks: dict[str, dict[str, None]] = {}
    for settings in asked:
        if settings.given and not settings.given.by_task:
            tasks.setdefault(settings.given.path, {})[settings.task.name] = None
    for path, names in tasks.items():
        if len(names) > 1:
            listed = ", ".join([*names][:3]) + (", ..." if len(names) > 3 else "")
            raise SettingsError(
                f"given={path}: its rows would count for {len(names)} tasks ({listed}): name each row's in a column 'task'"
            )


def _reads(settings: Settings, key: str) -> bool:
    if _under(key, ["task.table"]):
        return not settings.evaluator.trains
    if reads_switches(settings.optimizer) and _under(key, [GROUP, ATTEMPTS]):
        return reads(settings.optimizer, key)
    return _under(key, settings.optimizer.uses)


def _under(key: str, groups: Sequence[str]) -> bool:
    return any(key == group or key.startswith(f"{group}.") for group in groups)


def cells(settings: Settings) -> Iterator[Cell]:
    """Yield the cells that one composed config asks for, a seed each, after checking what can be checked without loading the task.

    Raises SettingsError.
    """
    _check_numbers(settings)
    _check_name("study", settings.study)
    _check_name("task.name", settings.task.name)
    optimizer = settings.optimizer
    _check_role(optimizer)
    refuse_table(optimizer, settings.evaluator)
    start = "none" if optimizer.ignores_start else settings.start
    arm = _arm_name(settings, start)
    versions, identity = _method(settings)
    for seed in settings.seeds:
        yield Cell(
            study=settings.study,
            arm=arm,
            seed=seed,
            train_seed=settings.evaluator.train_seed(settings.train_seed, seed),
            budget=settings.budget,
            start=start,
            task=settings.task,
            optimizer=optimizer,
            evaluator=settings.evaluator,
            limits=settings.limits,
            asking=settings.asking,
            asking_identity=identity,
            versions={**versions, **settings.evaluator.versions},
            given=settings.given.given if settings.given else Given(),
        )


def _check_role(optimizer: OptimizerSpec) -> None:
    role = optimizer.role
    if role not in ROLES:
        raise SettingsError(f"optimizer.role={role!r}: there is no such role{near(role, ROLES)}")
    if (role == "llm") != (optimizer.context is not None):
        raise SettingsError(
            f"optimizer.role={role!r}: a method with a context asks an LLM, and only such a method has the role 'llm'"
        )


def _method(settings: Settings) -> tuple[dict[str, int], dict[str, Any]]:
    """Return the versions of a method, and what of its LLM settings decides the result: nothing for one that asks no LLM.

    Raises SettingsError for a method that cannot be imported, or does not ask although its settings say so.
    """
    optimizer, asking = settings.optimizer, settings.asking
    if asking is None:
        reads_card = getattr(load_target(optimizer.target), "reads_card", False)
        return versions_of(optimizer.target), {"card": {"metric": settings.task.card.metric}} if reads_card else {}
    made = load_target(optimizer.target)
    if not (isinstance(made, type) and issubclass(made, LlmOptimizer)):
        raise SettingsError(
            f"optimizer '{optimizer.name}' has a context, and {optimizer.target} is no LlmOptimizer (harness.llm.asking)"
        )
    made.check_options({**optimizer.options, "startup_trials": optimizer.startup_trials})
    return made.versions_with(asking), made.identity(asking, settings.task.card)


def _seeds(typed: schema.Settings) -> tuple[int, ...]:
    """Return the seeds of one composed config: `seeds=5` means 0 to 4, a list or '0-29,35' itself, null means `seed` alone."""
    asked = typed.seeds
    if asked is None:
        return (typed.seed,)
    if isinstance(asked, str):
        asked = from_text(asked) or asked
    if isinstance(asked, int) and not isinstance(asked, bool) and asked > 0:
        return tuple(range(asked))
    if isinstance(asked, list) and asked and all(isinstance(s, int) and not isinstance(s, bool) for s in asked):
        return tuple(dict.fromkeys(asked))
    raise SettingsError(f"seeds={asked!r}: give how many (seeds=5) or which (seeds=[0,3,7])")


def _arm_name(settings: Settings, start: str) -> str:
    optimizer, asks = settings.optimizer, settings.asking is not None
    name = settings.arm or optimizer.label or (f"{optimizer.name}_{settings.llm.name}" if asks else optimizer.name)
    _check_name("arm", name)
    if not re.fullmatch(r"[\w.+=~ \[\]-]{0,120}", settings.variant) or len(settings.variant.encode()) > VARIANT_BYTES:
        raise SettingsError(f"variant={settings.variant!r}: use up to {VARIANT_BYTES} letters, digits and any of . _ - + = ~ [ ]")
    if not settings.arm and start == "default":
        name += "+default"
    if not settings.arm and asks and settings.task.renamed:
        name += "+renamed"
    if not settings.arm and settings.given:
        name += "+given"
    return f"{name}[{settings.variant}]" if settings.variant else name


def _check_numbers(settings: Settings) -> None:
    limits = settings.limits
    if settings.budget < 1:
        raise SettingsError(f"budget={settings.budget}: a cell needs at least 1 trial")
    for name, limit, unit in (
        ("trial_seconds", limits.trial_seconds, "seconds"),
        ("trial_memory_mb", limits.trial_memory_mb, "megabytes"),
    ):
        if limit is not None and not 0 < limit < math.inf:
            raise SettingsError(f"limits.{name}={limit}: give {unit} above 0, or null for no limit")
    settings.evaluator.check(limits)
    if settings.optimizer.startup_trials < 0:
        raise SettingsError("optimizer.startup_trials: must be 0 or more")
    for seed in (*settings.seeds, settings.train_seed or 0):
        # NumPy and scikit-learn take no others, and every training would fail.
        if not 0 <= seed < 2**32:
            raise SettingsError(f"seed {seed}: seeds go from 0 to {2**32 - 1}")


# It becomes part of a folder's name, whose limit is 255 bytes. A sweep's own are up to nine bytes longer than `sweep.VARIANT_BYTES`.
VARIANT_BYTES = 120


def _check_name(part: str, name: str) -> None:
    # These become folder names, table rows and W&B groups.
    if not re.fullmatch(r"[\w+=\[\]-][\w.+=\[\]-]*", name) or len(name.encode()) > 80:
        raise SettingsError(f"{part}={name!r}: use up to 80 letters, digits and any of . _ - + = [ ], not starting with a dot")
