"""The settings of recorded cells again: this machine's files of conf/, with what the cells' manifest says otherwise.

A manifest may come from anybody. So code, addresses, paths and commands are this machine's own, by the names of the task, the method and
the LLM; a manifest changes numbers, switches, and words out of known lists. What it says beyond that, and what the versions of the code
say, shows in the cell's identity, which the caller compares.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harness.config.composed import composed_settings
from harness.config.overrides import conf_dir, conf_files, own_conf
from harness.config.values import Settings
from harness.errors import SettingsError
from harness.llm.local.weights import SHA256

# What of a manifest is read at all, and of that the keys whose values may be words. All others take numbers, true, false and null.
_READ = ("start", "evaluator", "train_seed", "budget", "arm", "variant", "limits", "agent", "tcs", "published", "select")
_READ_LATER = ("optimizer", "task.params", "task.space", "task.metric", "task.test")
_NOT_READ = ("published.told", "optimizer._target_", "optimizer.name", "optimizer.suite", "optimizer.uses", "optimizer.role")
_WORDS = (
    *("start", "evaluator", "agent", "tcs", "published", "select", "task.metric", "task.test"),
    *("optimizer.form", "optimizer.context", "optimizer.options"),
)
_NAMES = ("arm", "variant", "optimizer.label")
_OF_LLM = ("model", "temperature", "max_tokens", "num_ctx", "think", "reply_format", "chat_template", "small")
_WORD = re.compile(r"[\w-]{0,40}")
_NAME = re.compile(r"[\w.+=~ \[\]:/@%-]{0,200}")


def settings_again(recorded: Mapping[str, Any], seeds: Iterable[int], changes: Mapping[str, object]) -> Settings:
    """Return the settings of cells by the `settings` of their manifests, for these seeds and with these changes.

    `changes` are keys of the command line, for what is not the cells' own: the study, its folder. Raises SettingsError where this machine
    has no task or method of that name.
    """
    chosen = [f"task={_name(recorded, 'task')}", f"optimizer={_name(recorded, 'optimizer')}"]
    llm = recorded.get("llm")
    asked = _of_llm(llm) if isinstance(llm, Mapping) and llm.get("_target_") else {}
    known = [path.stem for folder in (conf_dir(), *own_conf()) for path in conf_files(folder, "llm")]
    if asked and asked["llm.name"] in known:
        chosen.append(f"llm={asked.pop('llm.name')}")
        asked.pop("llm._target_")
    there = dict(_leaves(recorded))
    own = {key: value for key, value in there.items() if _under(key, _READ) and _taken(key, value)}
    made = {**own, **({"task.card": "renamed"} if _is_renamed(recorded) else {}), **asked, "seeds": sorted(seeds), **changes}
    settings = composed_settings(chosen, made)
    here = dict(_leaves(settings.recorded))
    # Afterwards, because what an option says by itself may depend on the budget, and a table's space on the evaluator.
    later = {k: v for k, v in there.items() if _under(k, _READ_LATER) and here.get(k, _NOTHING) != v and _taken(k, v)}
    return composed_settings(chosen, {**made, **later}) if later else settings


_NOTHING = object()


def _name(recorded: Mapping[str, Any], group: str) -> str:
    """Return the name of a task or method, as a word that can only choose a file. Raises SettingsError."""
    name = recorded[group].get("name") if isinstance(recorded.get(group), Mapping) else None
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w.+-]*", name):
        raise SettingsError(f"its manifest names no {group}")
    return name


def _of_llm(llm: Mapping[str, Any]) -> dict[str, object]:
    """Return what of an LLM decides its answers. The class is a name in the identity: a replay imports none."""
    found: dict[str, object] = {f"llm.{key}": value for key in _OF_LLM if _plain(value := llm.get(key))}
    for key in ("name", "_target_"):
        value = llm.get(key)
        if not isinstance(value, str) or not re.fullmatch(r"\w[\w.+-]*", value):
            raise SettingsError(f"its manifest names no LLM (llm.{key})")
        found[f"llm.{key}"] = value
    digest, path = str(llm.get("sha256") or ""), str(llm.get("path") or "")
    if re.fullmatch(r"[0-9a-f]{64}", digest.removeprefix(SHA256)):
        # Weights in a file: by their digest, and the name of a file that need not be here.
        found |= {"llm.sha256": digest.removeprefix(SHA256), "llm.path": re.sub(r"[^\w.+-]", "_", path.rpartition("/")[2])}
    return found


def _plain(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and "${" not in value)


def _is_renamed(recorded: Mapping[str, Any]) -> bool:
    return bool(recorded["task"].get("renamed"))


def _leaves(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _taken(key: str, value: object) -> bool:
    """Say whether a manifest may change a setting to a value."""
    if _under(key, _NOT_READ) or not re.fullmatch(r"[\w.-]+", key):
        return False
    if isinstance(value, list):
        return all(_taken(key, each) for each in value)
    if isinstance(value, str):
        return bool((_under(key, _WORDS) and _WORD.fullmatch(value)) or (_under(key, _NAMES) and _NAME.fullmatch(value)))
    return value is None or isinstance(value, bool | int | float)


def _under(key: str, groups: Iterable[str]) -> bool:
    return any(key == group or key.startswith(f"{group}.") for group in groups)
