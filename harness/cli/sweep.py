"""A multirun: from overrides with sweeps in them to planned cells, and from those to jobs for Hydra's launcher.

Hydra composes a config once for each combination of everything but the seed, here, before anything is trained: a mistake in the last
combination is found before the first one starts. The seeds of a combination then share a job, or are spread over several when
workers would be idle.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import open_dict

from harness.cell import Cell
from harness.cli.forecast import forecast
from harness.cli.progress import watch
from harness.cli.result import tell
from harness.cluster.launch import launch
from harness.cluster.packing import least_seeds
from harness.config.overrides import conf_dir, expand_suites, split_start
from harness.config.seeds import as_text
from harness.config.settings import cells, refuse_given_to_several, refuse_unused, resolved
from harness.config.values import Settings
from harness.console import say
from harness.errors import SettingsError
from harness.run.side_by_side import connections
from harness.run.study import Result, add_to_plan, block, blocked_by, conclude, fingerprint, is_done, run_all, study_folder

VARIANT_BYTES = 100
# Swept keys that name a row or a column of the tables by themselves; any other makes a variant of the arm.
OWN_NAME = {"task", "optimizer", "start", "seed", "seeds", "study", "arm", "variant"}


@dataclass(frozen=True)
class Combination:
    """One composed config: its overrides (no seed among them), its settings and its cells."""

    overrides: tuple[str, ...]
    settings: Settings
    cells: tuple[Cell, ...]


def run_sweep(sweeper: Any, arguments: list[str]) -> list[Any]:
    """Plan, skip what is done, launch the rest. Raises HarnessError; CellsFailed when cells failed."""
    combinations = compose_all(sweeper, [expand_suites(argument, config_folders(sweeper)) for argument in arguments])
    if not combinations:
        raise SettingsError("the sweep is empty: one of its keys has no values")
    study_of = {id(c): study_folder(c.settings) for c in combinations}
    by_study: dict[Path, list[Cell]] = {}
    for combination in combinations:
        by_study.setdefault(study_of[id(combination)], []).extend(combination.cells)
    for study, planned in by_study.items():
        add_to_plan(study, planned)
    todo, blocked = set_apart(combinations, study_of)
    for line in forecast(todo, blocked, study_of):
        say(line)
    result = sum((block(study, together, why) for (study, why), together in blocked.items()), Result())
    waiting_in_vain = {cell.id for together in blocked.values() for cell in together}
    returns: list[Result] = []
    watched = {study: [cell for cell in planned if cell.id not in waiting_in_vain] for study, planned in by_study.items()}
    vain = [(study, cell, why) for (study, (why, _)), together in blocked.items() for cell in together]
    with watch(watched, combinations[0].settings.progress, vain):
        if is_here(sweeper.config):
            # What was composed is what is run; the launcher would compose it all again, which takes longer than small cells.
            result += run_all([(combination.settings, missing) for combination, missing in todo])
        elif todo:
            least = {id(c): least_seeds(study_of[id(c)], c.settings, missing) for c, missing in todo if is_cluster(sweeper.config)}
            jobs = split_jobs(todo, workers(sweeper.config), sweeper.seeds_per_job, least)
            returns = launch(sweeper.launcher, jobs, next(iter(by_study)), quiet=combinations[0].settings.progress == "off")
    result = sum(returns, result)
    tell(by_study, combinations[0].settings.progress)
    optional = waiting_in_vain if all(c.settings.unready == "skip" for c in combinations) else set()
    conclude(by_study, result, optional=optional)
    return returns


def set_apart(
    combinations: Sequence[Combination], study_of: Mapping[int, Path]
) -> tuple[list[tuple[Combination, list[Cell]]], dict[tuple[Path, tuple[str, str]], list[Cell]]]:
    """Return what is to be run, combination by combination, and what cannot start, by study and by (reason, what would help)."""
    todo, blocked = [], dict[tuple[Path, tuple[str, str]], list[Cell]]()
    for combination in combinations:
        study = study_of[id(combination)]
        missing = [cell for cell in combination.cells if not is_done(study, cell)]
        why = blocked_by(combination.settings) if missing else None
        if why:
            blocked.setdefault((study, why), []).extend(missing)
        elif missing:
            todo.append((combination, missing))
    return todo, blocked


def compose_all(sweeper: Any, arguments: list[str]) -> list[Combination]:
    """Compose every combination once. Raises SettingsError, or Hydra's own error for an override that does not fit."""
    loader = sweeper.hydra_context.config_loader
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(arguments)
    # An experiment may sweep a key that the command line sweeps too: the last one counts, and names a row once.
    swept = list(
        dict.fromkeys(o.get_key_element() for o in overrides if o.is_sweep_override() and o.get_key_element() not in OWN_NAME)
    )
    with open_dict(sweeper.config):
        sweeper.config.hydra.overrides.task = []
    seeds_of: dict[tuple[str, ...], list[str]] = {}
    for job in sweeper.split_arguments(overrides, None)[0]:
        rest = tuple(split_start([entry for entry in job if not entry.startswith("seed=")]))
        seeds_of.setdefault(rest, []).extend(entry.removeprefix("seed=") for entry in job if entry.startswith("seed="))
    jobs = []
    for rest, seeds in seeds_of.items():
        entries = [*rest]
        if len(seeds) > 1 or (seeds and not any(entry.startswith("seeds=") for entry in rest)):
            entries.append(f"seeds={_seeds_text(seeds)}")
        jobs.append(_Job.of(rest, entries, resolved(loader.load_sweep_config(sweeper.config, entries))))
    refuse_unused((entry.partition("=")[0] for job in jobs for entry in job.rest), [job.settings for job in jobs])
    refuse_given_to_several([job.settings for job in jobs])
    return named_combinations(jobs, swept)


@dataclass(frozen=True)
class _Job:
    """One composed config without the name of a variant, and what decides the result of its first cell."""

    rest: tuple[str, ...]
    entries: list[str]
    settings: Settings
    arm: str
    result: str

    @classmethod
    def of(cls, rest: tuple[str, ...], entries: list[str], settings: Settings) -> _Job:
        cell = next(cells(settings))
        return cls(rest, entries, settings, cell.arm, json.dumps([cell.task.name, cell.identity], sort_keys=True))

    def but(self, key: str) -> tuple[str, ...]:
        """Return the overrides without the one of a swept key."""
        return tuple(entry for entry in self.rest if entry.partition("=")[0] != key)


def named_combinations(jobs: Sequence[_Job], swept: Sequence[str]) -> list[Combination]:
    """Name each job after the swept keys that its result depends on, and leave out cells that an earlier job has.

    So a setting that a method does not use makes no row of its own. Raises SettingsError for a key that changes nothing, and for two
    values that mean the same.
    """
    used = {key: _jobs_that_use(key, jobs) for key in swept}
    for key, users in used.items():
        if not users and len({job.but(key) for job in jobs}) < len(jobs):
            raise SettingsError(
                f"{key.lstrip('+')}: its values make equal trials, since no arm of this sweep uses it; leave it out"
            )
    combinations, seen, names = [], set[tuple[str, str, str]](), dict[tuple[str, ...], list[str]]()
    for job in jobs:
        name = variant(job.rest, [key for key in swept if job.rest in used[key]])
        place = (job.settings.out, job.settings.study)
        if name != (other := names.setdefault((*place, job.arm, job.result), name)):
            raise SettingsError(
                f"{' '.join([*other, *name])}: the values of this sweep make the same cell twice; give each value once"
            )
        settings = job.settings.named(_unquoted(name[0])) if name else job.settings
        new = tuple(cell for cell in cells(settings) if (*place, cell.id) not in seen)
        seen.update((*place, cell.id) for cell in new)
        named = [*(e for e in job.entries if not e.startswith("seeds=")), *name]
        combinations.append(Combination(tuple(named), settings, new))
    return combinations


def _jobs_that_use(key: str, jobs: Sequence[_Job]) -> set[tuple[str, ...]]:
    """Return the overrides of the jobs that would have another result with another value of a swept key."""
    results: dict[tuple[str, ...], set[str]] = {}
    for job in jobs:
        results.setdefault(job.but(key), set()).add(job.result)
    return {job.rest for job in jobs if len(results[job.but(key)]) > 1}


def _unquoted(override: str) -> str:
    return override.partition("=")[2].strip("'")


def variant(job: Sequence[str], swept: Sequence[str]) -> list[str]:
    """Return the override that names the arm's variant after the keys that are swept without a name of their own.

    A group of settings as a value, `published={previous: real}`, is named after what is in it; an empty one names nothing.
    """
    values = dict(entry.partition("=")[::2] for entry in job)
    parts = [part for key in swept for part in _parts(key.lstrip("+"), values[key])]
    name = " ".join(parts)
    if len(name.encode()) > VARIANT_BYTES:  # it becomes part of a folder's name
        name = f"{name.encode()[:VARIANT_BYTES].decode(errors='ignore')}~{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return [f"variant='{name}'"] if name else []


def _parts(key: str, value: str) -> list[str]:
    if "." in key or not (value.startswith("{") and value.endswith("}")):
        return [f"{key.rpartition('.')[2]}={_plain(value)}"]
    inside = [entry.partition(":") for entry in value[1:-1].split(",") if entry.strip()]
    return [f"{_plain(key.strip())}={_plain(given)}" for key, _, given in inside]


def _seeds_text(seeds: Sequence[str]) -> str:
    """Return the values of a sweep over `seed` as one value of `seeds`; what is not a number is for the schema to refuse."""
    return f"'{as_text([int(seed) for seed in seeds])}'" if all(map(str.isdecimal, seeds)) else f"[{','.join(seeds)}]"


def _plain(value: str) -> str:
    kept = "".join(c if c.isalnum() or c in "._-+=" else "+" if c == "," else "" for c in value)
    return kept or "none"


def split_jobs(
    todo: Sequence[tuple[Combination, list[Cell]]], workers: int, seeds_per_job: int | None, least: Mapping[int, int] | None = None
) -> list[list[str]]:
    """Return the overrides of each job: all missing seeds of a combination together, or fewer so that every worker has eight jobs.

    `least` holds for combinations, by their `id`, how many seeds a job has at least, where there are so many. A job of an arm that asks an
    LLM has at least as many as run side by side in it.
    """
    total = sum(len(missing) for _, missing in todo)
    if seeds_per_job is not None and seeds_per_job < 1:
        raise SettingsError(f"hydra.sweeper.seeds_per_job={seeds_per_job}: must be 1 or more, or null")
    size = seeds_per_job or (total if workers == 1 else max(1, math.ceil(total / (8 * workers))))
    jobs = []
    for combination, missing in todo:
        together = seeds_per_job or max(size, connections(combination.settings), (least or {}).get(id(combination), 1))
        for start in range(0, len(missing), together):
            chunk = missing[start : start + together]
            seeds = as_text([cell.seed for cell in chunk])
            jobs.append([*combination.overrides, f"seeds='{seeds}'", f"planned='{fingerprint(chunk)}'"])
    return jobs


def is_here(config: Any) -> bool:
    """Say whether the jobs run in this process, one after the other, and Hydra is asked for nothing around them."""
    asked = config.hydra
    return asked.launcher._target_.endswith("BasicLauncher") and not (asked.callbacks or asked.job.env_set or asked.verbose)


def is_cluster(config: Any) -> bool:
    """Say whether the launcher has no number of workers on this machine."""
    launcher = config.hydra.launcher
    return not launcher._target_.endswith("BasicLauncher") and launcher.get("n_jobs") is None


def workers(config: Any) -> int:
    """Return how many jobs the launcher runs side by side (a cluster's: many)."""
    launcher = config.hydra.launcher
    if launcher._target_.endswith("BasicLauncher"):
        return 1
    if is_cluster(config):
        return 64
    asked = launcher.get("n_jobs")
    if asked == 0:
        raise SettingsError("hydra.launcher.n_jobs=0: give how many jobs to run side by side, or -1 for as many as there are cores")
    return int(asked) if asked > 0 else max(1, (os.cpu_count() or 1) + 1 + int(asked))


def config_folders(sweeper: Any) -> list[Path]:
    """Return the folders on disk that Hydra composes from: the project's, then those of --config-dir."""
    paths = [source.path for source in sweeper.hydra_context.config_loader.get_sources() if source.provider != "hydra"]
    folders = [Path(path.removeprefix("file://")) for path in paths if path]
    return [folder for folder in folders if folder.is_dir()] or [conf_dir()]
