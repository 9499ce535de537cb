"""Compare the harness with similar tools (peers): random search on the same objective and space, all of them in turn in every round.

    python scripts/bench/peers [--install] [--peers optuna,syne_tune] [--rounds 5] [--cache DIR]

Each peer has its own environment in DIR (default: tcs-harness/bench-peers in the user's cache). A peer without an environment is skipped;
--install makes the environment. A ratio is computed within each round, so that changes of the machine's load affect both sides alike; the
medians are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PEERS = Path(__file__).resolve().parent / "peers"
TRIALS, SEEDS = 10, 20
OURS = "this harness"
CARPS = (
    "+task/DUMMY=config",
    "+optimizer/randomsearch=config",
    "task.name=bowl",
    "~task.objective_function",
    "+task.objective_function={_target_:carps_bowl.Bowl,seed:${seed}}",
    f"task.optimization_resources.n_trials={TRIALS}",
)


@dataclass(frozen=True)
class Candidate:
    """One row of the table.

    `packages` are installed in its environment; without any it runs in this environment. `command` returns Python's arguments for a number
    of seeds. The time per trial is measured over `steady` seeds after the first.
    """

    name: str
    environment: str
    packages: tuple[str, ...]
    command: Callable[[int], Sequence[str]]
    variables: Mapping[str, str]
    steady: int = 100


@dataclass(frozen=True)
class Taken:
    """The seconds of wall time and processor time of one command, and the bytes and files that it wrote."""

    wall: float
    cpu: float
    written: int
    files: int


def candidates() -> list[Candidate]:
    """Return the rows of the table, the harness's own first."""

    def ours(*overrides: str) -> Callable[[int], Sequence[str]]:
        return lambda seeds: ("-m", "harness", "task=toy", "tracking=off", "progress=off", f"seeds={seeds}", *overrides)

    def loop(name: str) -> Callable[[int], Sequence[str]]:
        return lambda seeds: (str(PEERS / f"{name}.py"), "--seeds", str(seeds), "--trials", str(TRIALS))

    def carps(seeds: int) -> Sequence[str]:
        return ("-m", "carps.run", *CARPS, *(("seed=0",) if seeds == 1 else (f"seed=range({seeds})", "-m")))

    optuna = ("optuna==5.0.0",)
    return [
        Candidate(OURS, "", (), ours("store.sync=cell"), {}),
        Candidate(f"{OURS}, one sync per trial", "", (), ours(), {}),
        Candidate("Optuna, in memory", "optuna", optuna, loop("optuna_loop"), {}),
        Candidate("Optuna, journal file", "optuna", optuna, loop("optuna_loop"), {"BENCH_JOURNAL": "journal.log"}),
        Candidate("scikit-optimize + JSONL", "skopt", ("scikit-optimize==0.10.2",), loop("skopt_loop"), {}),
        Candidate(
            "Syne Tune, simulator",
            "syne_tune",
            ("syne-tune==0.16.0", "huggingface_hub"),
            loop("syne_tune_loop"),
            {"SYNETUNE_FOLDER": "syne-tune"},
        ),
        Candidate("CARP-S", "carps", ("carps==1.1.0",), carps, {"PYTHONPATH": str(PEERS)}, steady=SEEDS - 1),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and return 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured (default 5)")
    parser.add_argument("--peers", default="optuna,skopt,syne_tune,carps", help="whom to measure (default %(default)s)")
    parser.add_argument("--install", action="store_true", help="make the environments that are missing (pip; a minute each)")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="where the environments are (default %(default)s)")
    given = parser.parse_args(arguments)
    asked = given.peers.split(",")
    rows = []
    for row in candidates():
        reason = "" if not row.environment else unready(row, given.cache, install=given.install)
        if row.environment and row.environment not in asked:
            continue
        if reason:
            print(f"skipped: {row.name} ({reason})", file=sys.stderr)
        else:
            rows.append(row)
    found = measure(rows, given.rounds, given.cache)
    print(f"Random search, {TRIALS} trials a cell, on a task that takes nothing; {given.rounds} rounds, medians.")
    print(f"Load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores: where it is above 0.7, read the CPU columns.\n")
    print(as_markdown(rows, found))
    return 0


def default_cache() -> Path:
    """Return the folder of the environments in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tcs-harness" / "bench-peers"


def unready(row: Candidate, cache: Path, *, install: bool) -> str:
    """Return why a peer cannot be measured, empty when it can. With `install`, make its environment first."""
    folder = cache / row.environment
    ready = folder / ".ready"
    if ready.exists() and ready.read_text() == " ".join(row.packages):
        return ""
    if not install:
        return "no environment; --install makes it"
    venv.create(folder, with_pip=True, clear=True)
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *row.packages]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        return f"cannot be installed: {(ran.stderr.strip().splitlines() or ['pip says nothing'])[-1]}"
    ready.write_text(" ".join(row.packages))
    return ""


def measure(rows: Sequence[Candidate], rounds: int, cache: Path) -> dict[str, list[tuple[Taken, Taken, Taken]]]:
    """Run every row with 1, with 20 and with `steady` + 1 seeds, once per round. The first round fills the caches and is not counted."""
    found: dict[str, list[tuple[Taken, Taken, Taken]]] = {row.name: [] for row in rows}
    for number in range(rounds + 1):
        for row in rows:
            ran = {seeds: run(row, seeds, cache) for seeds in sorted({1, SEEDS, row.steady + 1})}
            if number:
                found[row.name].append((ran[1], ran[SEEDS], ran[row.steady + 1]))
        print(f"round {number} of {rounds}", file=sys.stderr)
    return found


def run(row: Candidate, seeds: int, cache: Path) -> Taken:
    """Run one command in an empty folder."""
    python = cache / row.environment / "bin" / "python" if row.environment else Path(sys.executable)
    with tempfile.TemporaryDirectory() as folder:
        variables = os.environ | {
            "BENCH_TASK": toy_settings(),
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **row.variables,
        }
        before, started = os.times(), time.perf_counter()
        ran = subprocess.run([python, *row.command(seeds)], cwd=folder, env=variables, capture_output=True, text=True, check=False)
        wall, after = time.perf_counter() - started, os.times()
        if ran.returncode:
            raise SystemExit(f"{row.name} failed:\n{ran.stdout[-1000:]}\n{ran.stderr[-2000:]}")
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        left = [path for path in Path(folder).rglob("*") if path.is_file()]
        return Taken(wall, cpu, sum(path.stat().st_size for path in left), len(left))


def toy_settings() -> str:
    """Return the toy task's settings as JSON, for peers whose environment cannot read YAML."""
    import yaml  # noqa: PLC0415

    return json.dumps(yaml.safe_load((ROOT / "conf" / "task" / "toy.yaml").read_text()))


def as_markdown(rows: Sequence[Candidate], found: Mapping[str, Sequence[tuple[Taken, Taken, Taken]]]) -> str:
    """Write the table. The time per trial includes its share of the cell's time; ratios are of the processor time of 20 seeds."""
    heads = (
        "",
        "one cell, s",
        "CPU, s",
        f"{SEEDS} seeds, s",
        "CPU, s",
        "a trial, ms",
        "CPU, ms",
        "kB a cell",
        "files",
        "x ours, CPU",
    )
    lines = [f"| {' | '.join(heads)} |", f"| --- |{' ---: |' * (len(heads) - 1)}"]
    own = [many.cpu for _, many, _ in found[OURS]]
    for row in rows:
        rounds = found[row.name]
        ratios = sorted(many.cpu / ours for (_, many, _), ours in zip(rounds, own, strict=True))
        trials = row.steady * TRIALS / 1000
        cells = (
            row.name,
            *(f"{median([getattr(taken[place], what) for taken in rounds]):.2f}" for place in (0, 1) for what in ("wall", "cpu")),
            *(
                f"{median([(getattr(most, what) - getattr(one, what)) / trials for one, _, most in rounds]):.2f}"
                for what in ("wall", "cpu")
            ),
            f"{median([many.written for _, many, _ in rounds]) / SEEDS / 1000:.1f}",
            f"{median([many.files for _, many, _ in rounds]) / SEEDS:.1f}",
            f"{median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


if __name__ == "__main__":
    sys.exit(main())
