"""`python -m harness.tabulate`: train the grids of tasks into tables, which `evaluator=table` replays; or check a table here."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from harness.config.overrides import conf_dir, config_dirs, expand_suites, with_own_conf
from harness.config.settings import task_spec
from harness.console import duration, say
from harness.environment import one_thread
from harness.errors import HarnessError, SettingsError, StorageError, near
from harness.signals import handle_stop_signals, stop_status
from harness.tabular.grid import Grid
from harness.tabular.header import SUFFIX, Header, Subject, find_table, read_header
from harness.tabular.journal import Entry, Journal
from harness.tabular.machine import signature
from harness.tabular.progress import ProgressBar
from harness.tabular.table import read_table, write_table
from harness.tabular.verify import Comparison, conclusion, verify
from harness.tabular.workers import Job, train_all
from harness.task import TaskSpec, prepare_task
from harness.training.isolation import Isolation

TEXT = """\
Train every configuration of a task's grid, and write a table, which
evaluator=table replays. The grid is table.levels in the task's YAML.

Make one:   python -m harness.tabulate task=digits
Make all:   python -m harness.tabulate task=core workers=8
Check one:  python -m harness.tabulate task=digits --verify 5

The same command again goes on where the last one was broken off.

task=NAME,...   tasks, or suites such as core
workers=2       trainings side by side; default: as many as there are cores
out=tables      the folder to write to
--verify N      train N entries again; exit status 0 when all are equal to the
                last bit, 1 when this machine's numbers differ
--config-dir D  a folder of your own with task/ files
"""
KEYS = ("task", "workers", "out")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 when all is made or equal, 1 when --verify finds a difference, 2 for a mistake.

    Stopped, it is the status of the signal, as in `python -m harness`.
    """
    one_thread()
    handle_stop_signals()
    try:
        arguments = list(sys.argv[1:] if argv is None else argv)
        chosen = _parsed(arguments)
        if chosen is None:
            print(TEXT, end="")
            return 0
        specs = [_spec(name, chosen.folders) for name in chosen.tasks]
        if chosen.verify is not None:
            return max([_verify(spec, chosen.verify) for spec in specs])
        for spec in specs:
            Subject.of(spec)  # a mistake in the last task's levels is found before the first one trains
        for spec in specs:
            _make(spec, chosen.out, chosen.workers)
    except HarnessError as error:
        print(f"harness.tabulate: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("harness.tabulate: stopped; the same command goes on from here", file=sys.stderr)
        return stop_status() or 130
    return 0


def _parsed(arguments: Sequence[str]) -> argparse.Namespace | None:
    """Return tasks, workers, out, folders and verify; None when help is asked for. Raises SettingsError."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("settings", nargs="*")
    parser.add_argument("--verify", type=int)
    parser.add_argument("--config-dir", "-cd", action="append")
    parser.add_argument("--help", "-h", action="store_true")

    def refuse(message: str) -> NoReturn:
        raise SettingsError(f"{message} (python -m harness.tabulate --help)")

    parser.error = refuse  # type: ignore[method-assign] # argparse would print its usage and leave
    chosen = parser.parse_intermixed_args(list(arguments))
    if chosen.help:
        return None
    given: dict[str, str] = {}
    for setting in chosen.settings:
        key, equals, value = setting.partition("=")
        if not equals or key not in KEYS:
            raise SettingsError(f"'{setting}' is no setting here{near(key, KEYS)} (python -m harness.tabulate --help)")
        given[key] = value
    folders = [conf_dir(), *config_dirs(with_own_conf(arguments))]
    names = expand_suites(f"task={given.get('task', '')}", folders).partition("=")[2]
    if not names:
        raise SettingsError("which task? python -m harness.tabulate task=digits, or task=core")
    if chosen.verify is not None and chosen.verify < 1:
        raise SettingsError(f"--verify {chosen.verify}: give how many entries, 1 or more")
    workers = _whole(given.get("workers", str(os.cpu_count() or 1)))
    return argparse.Namespace(
        tasks=names.split(","), workers=workers, out=Path(given.get("out", "tables")), folders=folders, verify=chosen.verify
    )


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise SettingsError(f"workers={text}: give how many, 1 or more")
    return int(text)


def _spec(name: str, folders: Sequence[Path]) -> TaskSpec:
    for folder in reversed(folders):
        if (path := folder / "task" / f"{name}.yaml").is_file():
            return task_spec(path)
    known = [path.stem for folder in folders for path in (folder / "task").glob("*.yaml")]
    raise SettingsError(f"there is no task '{name}'{near(name, known)}")


def _make(spec: TaskSpec, out: Path, workers: int) -> None:
    """Make one task's table, unless it is there already."""
    name, subject = spec.name, Subject.of(spec)
    path, journal_path = out / f"{name}{SUFFIX}", out / f"{name}.part.jsonl"
    if path.exists() and read_header(path).subject == subject:
        say(f"{name}: {path} is there already; nothing to train")
        return
    _fetch_data(spec)
    assert spec.table is not None
    grid = Grid.of(spec.space, spec.table.levels)
    jobs: list[Job] = [(i, grid.complete(config), seed) for seed in subject.train_seeds for i, config in enumerate(grid.configs)]
    here = signature()
    try:
        with Journal(journal_path, subject, here) as journal:
            missing = [job for job in jobs if (job[0], job[2]) not in journal.entries]
            if journal.entries:
                say(f"{name}: goes on from {journal_path}, with {len(journal.entries)} of {len(jobs)} trainings done")
            if missing:
                _train(spec, grid, missing, workers, journal)
            header = write_table(path, subject, journal.entries, here)
    except OSError as error:
        raise StorageError(f"cannot write {error.filename or out}: {error.strerror or error}") from error
    journal_path.unlink()
    say(_description(name, path, header, list(journal.entries.values())))


def _fetch_data(spec: TaskSpec) -> None:
    """Have a task fetch its data once, before several processes would. Raises HarnessError."""
    if spec.data:
        with Isolation().building():
            prepare_task(spec.target, spec.params)


def _description(name: str, path: Path, header: Header, entries: Sequence[Entry]) -> str:
    seconds = sum(entry.cpu_seconds for entry in entries)
    ends = Counter(str(entry.outcome.status) for entry in entries if not entry.outcome.ok)
    failed = f" ({', '.join(f'{count} {status}' for status, count in sorted(ends.items()))})" if ends else ""
    return (
        f"{name}: {path} holds {header.configs} configurations x {len(header.subject.train_seeds)} training seeds{failed}, "
        f"{duration(seconds)} of training, {path.stat().st_size / 1e6:.1f} MB, checksum {header.checksum}"
    )


def _train(spec: TaskSpec, grid: Grid, missing: Sequence[Job], workers: int, journal: Journal) -> None:
    with ProgressBar(spec.name, len(missing)) as bar:

        def done(entry: Entry) -> None:
            journal.append(entry, grid.configs[entry.config])
            bar.advance()

        train_all(spec, missing, workers, done)


def _verify(spec: TaskSpec, count: int) -> int:
    path, _ = find_table(spec)
    table = read_table(path)
    _fetch_data(spec)
    found: list[Comparison] = []
    for comparison in verify(spec, table, count):
        found.append(comparison)
        state = "equal" if comparison.equal else "differs"
        say(
            f"{spec.name} {state}: {_score(comparison.recorded.val_score_pct)} there, "
            f"{_score(comparison.trained.val_score_pct)} here, train_seed={comparison.seed} {comparison.config}"
        )
    print(f"{spec.name}: {conclusion(found, table.header.signature, signature())}")
    return 0 if all(comparison.equal for comparison in found) else 1


def _score(value: float | None) -> str:
    return "no score" if value is None else f"{value:.4f}"


if __name__ == "__main__":
    sys.exit(main())
