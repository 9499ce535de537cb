"""Measure a study of many cells, for each size: planning, running, the files on the disk, the report and the pack.

    python scripts/bench/scale.py [--sizes 1000,10000,100000] [--folder DIR]

The study has six tasks that take no time, twelve arms of random search, and as many seeds as the size needs. It runs in one process with
`store.sync=cell` and without W&B. Every step is one command, as a user gives it. Its processor time does not depend on other work on the
machine; its wall time does. DIR must be on the disk that will hold the records; 100,000 cells take 2 GB there.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.config.overrides import conf_dir

TASKS, ARMS = 6, 12


@dataclass(frozen=True)
class Taken:
    """The seconds of wall time and processor time of one command, and its peak memory in megabytes (2^20 bytes)."""

    wall: float
    cpu: float
    peak_mb: float

    def __str__(self) -> str:
        return f"{self.wall:.1f} / {self.cpu:.1f} / {self.peak_mb:.0f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every size, print the table, and return 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1000,10000", help="how many cells (default %(default)s)")
    parser.add_argument("--folder", type=Path, default=None, help="where to write while measuring (default: the temporary folder)")
    given = parser.parse_args(arguments)
    columns = [measured(int(size), given.folder) for size in given.sizes.split(",")]
    print("Seconds on the clock / of processors / MB at the peak, where there are three figures.\n")
    print(f"| {' | '.join(column[0][1] for column in [[('', '')], *columns])} |")
    print(f"| --- |{' ---: |' * len(columns)}")
    for row in range(1, len(columns[0])):
        print(f"| {columns[0][row][0]} | {' | '.join(column[row][1] for column in columns)} |")
    return 0


def measured(size: int, parent: Path | None) -> list[tuple[str, str]]:
    """Run a study of at least `size` cells, from its plan to its pack. Return the rows of its column: (name, value)."""
    seeds = math.ceil(size / (TASKS * ARMS))
    cells = seeds * TASKS * ARMS
    with tempfile.TemporaryDirectory(dir=parent) as scratch:
        folder = Path(scratch)
        write_conf(folder / "conf")
        sweep = (
            "harness",
            "task=bowls",
            "optimizer=arms",
            f"seeds={seeds}",
            "tracking=off",
            "store.sync=cell",
            "progress=off",
            "-m",
        )
        study = folder / "runs" / "main"
        ran = command(folder, *sweep)
        again = command(folder, *sweep)
        files, fullest, megabytes = left(study)
        report = command(folder, "harness.report", "main")
        page = (study / "report" / "report.html").stat().st_size
        packed = command(folder, "harness.pack", "main")
        from_pack = command(folder, "harness.report", "main")
        pack = (study / "packed.zip").stat().st_size
        planned = command(folder, *sweep)
    print(f"{cells} cells done", file=sys.stderr)
    return [
        ("cells", f"{cells:,}"),
        ("plan and run", str(ran)),
        ("cells a second of the processor, planning left out", f"{cells / max(ran.cpu - again.cpu, 0.01):.0f}"),
        ("the same command again: plan, nothing to do", str(again)),
        ("files", f"{files:,}"),
        ("most entries in a folder", f"{fullest:,}"),
        ("records, MB", f"{megabytes:.0f}"),
        ("report", str(report)),
        ("its page, kB", f"{page / 1e3:.0f}"),
        ("pack", str(packed)),
        ("the pack, MB", f"{pack / 1e6:.1f}"),
        ("report from the pack", str(from_pack)),
        ("the same command again, packed", str(planned)),
    ]


def write_conf(conf: Path) -> None:
    """Write six copies of the toy task with more and more noise, and twelve names for random search."""
    for group in ("task", "optimizer"):
        (conf / group).mkdir(parents=True)
    toy = (conf_dir() / "task" / "toy.yaml").read_text().replace("suite: test", "suite: bowls")
    for number in range(1, TASKS + 1):
        text = toy.replace("name: toy", f"name: bowl{number}").replace("noise_pct: 0.1", f"noise_pct: {number / 2}")
        (conf / "task" / f"bowl{number}.yaml").write_text(text)
    for number in range(1, ARMS + 1):
        text = f"name: arm{number}\nsuite: arms\n_target_: harness.optimizers.random.Random\n"
        (conf / "optimizer" / f"arm{number}.yaml").write_text(text)


def command(folder: Path, *arguments: str) -> Taken:
    """Run `python -m ...` in `folder`."""
    started = time.perf_counter()
    with subprocess.Popen([sys.executable, "-m", *arguments], cwd=folder, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)}: exit status {process.returncode}")
    return Taken(time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def left(study: Path) -> tuple[int, int, float]:
    """Return the number of files of a study, the most entries in one of its folders, and its megabytes (10^6 bytes)."""
    files, fullest, size = 0, 0, 0
    for folder, folders, names in os.walk(study):
        files, fullest = files + len(names), max(fullest, len(names) + len(folders))
        size += sum(Path(folder, name).stat().st_size for name in names)
    return files, fullest, size / 1e6


if __name__ == "__main__":
    sys.exit(main())
