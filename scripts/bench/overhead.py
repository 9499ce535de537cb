"""Measure the time that the harness adds to the training, compared with a bare loop that only appends and fsyncs lines.

    python scripts/bench/overhead.py [--rounds 7] [--folder DIR]

Every row is measured once per round, in turn, so that changes of the machine's load affect all rows alike. The medians are printed as a
Markdown table. DIR must be on the disk that will hold the records (a memory disk syncs in no time).
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.config.overrides import conf_dir
from harness.config.settings import cells, register, resolved
from harness.config.values import Settings
from harness.environment import environment, one_thread
from harness.run.study import run_cells
from harness.space import Config
from harness.store.cell_folder import read_trials
from harness.training.build import build_task

TRIALS = 200
EMPTY_APP = """
import hydra
@hydra.main(version_base="1.3", config_path=None)
def main(config):
    pass
main()
"""
ONE_CELL = ("-m", "harness", "task=toy", "tracking=off", "progress=off")


@dataclass(frozen=True)
class Taken:
    """Milliseconds of wall time, and of processor time (of this process and the children that it waited for)."""

    wall_ms: float
    cpu_ms: float

    def __sub__(self, other: Taken) -> Taken:
        return Taken(self.wall_ms - other.wall_ms, self.cpu_ms - other.cpu_ms)

    def __truediv__(self, count: int) -> Taken:
        return Taken(self.wall_ms / count, self.cpu_ms / count)


@dataclass(frozen=True)
class Row:
    """One row of the table. `measure` runs once per round; `baseline` names the row to compare with.

    `limit_ms` is the most wall time of this row; with `limit_above`, the most beyond that of its baseline.
    """

    name: str
    measure: Callable[[Path], Taken]
    baseline: str = ""
    limit_ms: float | None = None
    limit_above: bool = False


class Stopwatch:
    """Measures a block; `taken` is set at its end."""

    taken = Taken(0.0, 0.0)

    def __enter__(self) -> Stopwatch:
        self._cpu, self._wall = _cpu_seconds(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        wall = time.perf_counter() - self._wall
        self.taken = Taken(1000 * wall, 1000 * (_cpu_seconds() - self._cpu))


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and return 1 when a row exceeds its limit, else 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="how often everything is measured (default 7)")
    parser.add_argument("--folder", type=Path, default=None, help="where to write while measuring (default: the temporary folder)")
    given = parser.parse_args(arguments)
    one_thread()
    rows = table_rows()
    load, medians = os.getloadavg()[0], measure(rows, given.rounds, given.folder)
    print(f"{given.rounds} rounds on {environment()['machine']['processor']}, {os.cpu_count()} cores; medians.")
    print(f"Load average before: {load:.1f}{' (NOT a quiet machine: read the CPU column)' if load > 0.7 else ''}\n")
    print(as_markdown(rows, medians))
    return 0 if all(within_limit(row, medians) is not False for row in rows) else 1


def measure(rows: Sequence[Row], rounds: int, folder: Path | None) -> dict[str, Taken]:
    """Measure every row once per round, in turn, and return the medians."""
    found: dict[str, list[Taken]] = {row.name: [] for row in rows}
    with tempfile.TemporaryDirectory(dir=folder) as parent:
        for number in range(rounds + 1):
            for row in rows:
                scratch = Path(parent, "scratch")
                scratch.mkdir()
                taken = row.measure(scratch)
                shutil.rmtree(scratch)
                if number:  # the first round fills the caches and is not counted
                    found[row.name].append(taken)
            print(f"round {number} of {rounds}", file=sys.stderr)
    return {
        name: Taken(statistics.median(t.wall_ms for t in taken), statistics.median(t.cpu_ms for t in taken))
        for name, taken in found.items()
    }


def table_rows() -> list[Row]:
    """Return the rows in the order of the table."""
    floor, empty, python = "bare loop: append and fsync", "empty Hydra app", "python -c pass"
    joblib = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    seeds = ("seed=range(20)", "-m")
    return [
        Row(floor, bare_loop),
        Row("harness, a trial", a_trial, floor, limit_ms=0.5),
        Row("harness, a trial, store.sync=cell", lambda f: a_trial(f, "store.sync=cell"), floor),
        Row("harness, a trial, W&B offline", lambda f: a_trial(f, "tracking=wandb_offline"), floor),
        Row("harness, a trial, in a child (limits.trial_seconds)", lambda f: a_trial(f, "limits.trial_seconds=60"), floor),
        Row("harness, a trial, in a child (limits.trial_memory_mb)", lambda f: a_trial(f, "limits.trial_memory_mb=4000"), floor),
        Row("harness, a trial, all costs of 20 cells of 10 trials", cells_of_ten, floor),
        Row(python, lambda f: command(f, "-c", "pass")),
        Row("--help", lambda f: command(f, "-m", "harness", "--help"), python, limit_ms=1000),
        Row(empty, empty_app),
        Row("one cell", lambda f: command(f, *ONE_CELL), empty, limit_ms=200, limit_above=True),
        Row("one cell, W&B offline", lambda f: command(f, *ONE_CELL, "tracking=wandb_offline"), empty),
        Row("one cell, in a child", lambda f: command(f, *ONE_CELL, "limits.trial_seconds=60"), empty),
        Row("20 seeds, 'seed=range(20)' -m", lambda f: command(f, *ONE_CELL, *seeds), empty, limit_ms=3000),
        Row("20 seeds, seeds=20", lambda f: command(f, *ONE_CELL, "seeds=20"), empty, limit_ms=3000),
        Row("20 seeds, W&B offline", lambda f: command(f, *ONE_CELL, *seeds, "tracking=wandb_offline"), empty),
        Row("20 seeds, in a child", lambda f: command(f, *ONE_CELL, *seeds, "limits.trial_seconds=60"), empty),
        Row("20 seeds, two joblib workers", lambda f: command(f, *ONE_CELL, *seeds, *joblib), empty),
        Row("the same 20 seeds again: nothing to do", done_before, empty),
    ]


def bare_loop(folder: Path) -> Taken:
    """Append and fsync lines as long as a trial's record; return the time per line."""
    line = b"x" * 699 + b"\n"
    with Stopwatch() as watch, (folder / "bare.jsonl").open("ab", buffering=0) as file:
        for _ in range(TRIALS):
            file.write(line)
            os.fsync(file.fileno())
    return watch.taken / TRIALS


def a_trial(folder: Path, *overrides: str) -> Taken:
    """Run one long cell; return the time per trial, without the toy task's own time and the time of a cell of one trial."""
    long, configs = run_cell_of(folder, TRIALS, *overrides)
    short, _ = run_cell_of(folder, 1, *overrides)
    return (long - short - toy_alone(configs[1:])) / (TRIALS - 1)


def cells_of_ten(folder: Path) -> Taken:
    """Run 20 cells of 10 trials; return the time per trial, with its share of folders, locks, manifests and summaries."""
    taken = run_settings(composed(folder, "budget=10", "seeds=20"))
    configs = [trial.config for path in folder.rglob("trials.jsonl") for trial in read_trials(path.parent)]
    return (taken - toy_alone(configs)) / len(configs)


def run_cell_of(folder: Path, budget: int, *overrides: str) -> tuple[Taken, list[Config]]:
    """Run a cell in this process; return its time and the configurations that it trained."""
    taken = run_settings(composed(folder, f"budget={budget}", f"study=of{budget}", *overrides))
    (path,) = folder.glob(f"of{budget}/toy/*/*")
    return taken, [trial.config for trial in read_trials(path)]


def run_settings(settings: Settings) -> Taken:
    """Run the cells of composed settings in this process."""
    asked = list(cells(settings))
    with Stopwatch() as watch:
        result = run_cells(asked, settings)
    assert result.done == len(asked), result
    return watch.taken


def toy_alone(configs: Sequence[Config]) -> Taken:
    """Return the time in which the toy task itself trains these configurations."""
    task = build_task(composed(Path()).task)
    with Stopwatch() as watch:
        for config in configs:
            for epoch in task.train(config, seed=0):
                if epoch.non_finite():
                    break
    return watch.taken


def composed(folder: Path, *overrides: str) -> Settings:
    """Compose the settings of a command line in this process."""
    from hydra import compose, initialize_config_dir  # noqa: PLC0415

    register()
    asked = ["task=toy", "tracking=off", f"out={folder}", *overrides]
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return resolved(compose("config", overrides=asked))


def command(folder: Path, *arguments: str) -> Taken:
    """Run Python with these arguments in `folder`."""
    with Stopwatch() as watch:
        subprocess.run([sys.executable, *arguments], cwd=folder, check=True, capture_output=True)
    return watch.taken


def empty_app(folder: Path) -> Taken:
    """Run a Hydra app that does nothing, without the harness."""
    (folder / "app.py").write_text(EMPTY_APP)
    return command(folder, "app.py")


def done_before(folder: Path) -> Taken:
    """Run 20 seeds, and measure the same command when it runs again."""
    arguments = (*ONE_CELL, "seed=range(20)", "-m")
    command(folder, *arguments)
    return command(folder, *arguments)


def within_limit(row: Row, medians: Mapping[str, Taken]) -> bool | None:
    """Say whether a row keeps its limit; None when it has none."""
    if row.limit_ms is None:
        return None
    return medians[row.name].wall_ms - (medians[row.baseline].wall_ms if row.limit_above else 0.0) <= row.limit_ms


def as_markdown(rows: Sequence[Row], medians: Mapping[str, Taken]) -> str:
    """Write the table; a ratio is to the wall time of the row's baseline."""
    lines = [
        "| what | ms | CPU, ms | compared with | ratio | limit, ms | kept |",
        "| --- | ---: | ---: | --- | ---: | ---: | --- |",
    ]
    for row in rows:
        taken = medians[row.name]
        ratio = f"{taken.wall_ms / medians[row.baseline].wall_ms:.1f}" if row.baseline else ""
        limit = "" if row.limit_ms is None else f"{'+' if row.limit_above else ''}{row.limit_ms:g}"
        kept = {None: "", True: "yes", False: "NO"}[within_limit(row, medians)]
        lines.append(
            f"| {row.name} | {figure(taken.wall_ms)} | {figure(taken.cpu_ms)} | {row.baseline} | {ratio} | {limit} | {kept} |"
        )
    return "\n".join(lines)


def figure(milliseconds: float) -> str:
    """Write a number with three digits, without an exponent."""
    return f"{milliseconds:.3g}" if abs(milliseconds) < 100 else f"{milliseconds:.0f}"


if __name__ == "__main__":
    sys.exit(main())
