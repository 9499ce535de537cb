"""Measure what the harness adds to a study that waits for an LLM: cells side by side against a double that answers after a second.

    python scripts/bench/llm.py [--cells 48] [--trials 10] [--connections 16] [--seconds 1]
    python scripts/bench/llm.py --check          only compares records, against a double that answers at once

The double runs in a process of its own. Two studies of recorded trainings (evaluator=table) run against it, without the start-up of the
command: one whose every reply is a new configuration, and one with 20 % bad replies. A Markdown table is printed: seconds, the ideal and
the ratio to it, and the processor time of this process per call. Then the records of 16 connections and of one are compared on fewer
cells: they must be equal byte for byte, but for the seconds and the checksums of lines. Exit status 1: a bar was missed.

The ideal of one study is max(the longest cell, all calls / connections) calls, one after the other.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir

from harness.cell import Cell
from harness.cli.progress import watch
from harness.config.overrides import conf_dir
from harness.config.settings import cells, register, resolved
from harness.config.values import Settings
from harness.environment import environment, one_thread
from harness.llm.calls import CallRecord, calls_below
from harness.run.study import add_to_plan, blocked_by, run_all, study_folder
from harness.store.cell_folder import CALLS, SUMMARY, TRIALS
from harness.testing.servers.double import Double
from harness.testing.servers.ollama_api import OllamaDouble
from harness.testing.servers.openai_api import OpenAIDouble
from harness.testing.servers.replies import corrupt
from harness.testing.servers.schema import draw
from harness.testing.servers.script import REPLIES, Script, Step, keyed

TASKS = ("digits", "friedman", "graph", "madelon", "ratings", "text")
ARMS = {
    "ollama": ("optimizer=tcs_phi4",),
    "openai": ("optimizer=tcs", "llm=openai_compatible", "llm.model=gpt-4o", "llm.key_env="),
}
BAD_SHARE = 0.2
# A `repeat` repeats another cell's reply, so it depends on the order of the calls; `chatter` measures the reading of two megabytes.
BAD = tuple(kind for kind in REPLIES if kind not in ("repeat", "chatter"))
MOST_RATIO, MOST_RATIO_BAD, MOST_CPU_MS = 1.2, 1.15, 15.0  # 36 s of the ideal 30 s; milliseconds per call


class NewConfigurations(Double):
    """Answers trial n with the n-th of a list of different configurations, so that no reply repeats an earlier trial."""

    def reply_text(
        self,
        step: Step,
        request: str,  # noqa: ARG002 - every cell gets the same list
        schema: Mapping[str, Any] | None,
        messages: Sequence[Mapping[str, Any]] = (),
    ) -> tuple[str, str]:
        assert schema is not None
        words = next(str(m["content"]) for m in messages if "# Trials so far: " in str(m["content"]))
        done = int(words.partition("# Trials so far: ")[2].split()[0])
        text = json.dumps(next(islice(_different(schema), done, None)))
        kind = step.do
        return (text if kind == "valid" else corrupt(kind, text, schema, None)), kind


def _different(schema: Mapping[str, Any]) -> Iterator[Any]:
    """Yield different answers that fit a schema, always the same."""
    rng, seen = keyed("different", json.dumps(schema, sort_keys=True)), set()
    while True:
        answer = draw(schema, rng)
        text = json.dumps(answer["config"], sort_keys=True)
        if text not in seen:
            seen.add(text)
            yield answer


class Ollama(NewConfigurations, OllamaDouble):
    """Ollama with such answers."""


class OpenAI(NewConfigurations, OpenAIDouble):
    """OpenAI with such answers."""


def serve(pipe: Connection, api: str, seconds: float, bad_share: float) -> None:
    """Run a double in this process until the pipe is closed."""
    script = Script.random(1, bad_share, BAD) if bad_share else Script()
    double: OllamaDouble | OpenAIDouble = Ollama(script) if api == "ollama" else OpenAI(script, key=None, window=1_000_000)
    double.seconds = seconds
    with double, contextlib.suppress(EOFError):
        pipe.send(double.url)
        pipe.recv()


@contextlib.contextmanager
def double(api: str, seconds: float, bad_share: float) -> Iterator[str]:
    """Start a double in a process of its own, and yield its address."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, api, seconds, bad_share), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours.recv()
    finally:
        ours.close()
        process.join()


@dataclass(frozen=True)
class Asked:
    """A study to measure. `cells` and `trials` are counts; `seconds` is the time of an answer."""

    api: str
    cells: int
    trials: int
    connections: int
    seconds: float
    bad_share: float = 0.0


@dataclass(frozen=True)
class Measured:
    """Wall and processor seconds of a study, its calls, and those of its longest cell."""

    wall_seconds: float
    cpu_seconds: float
    calls: int
    longest: int

    def ideal_seconds(self, asked: Asked) -> float:
        """Return the time that waiting alone takes."""
        return max(float(self.longest), self.calls / asked.connections) * asked.seconds


def composed(folder: Path, url: str, asked: Asked) -> list[tuple[Settings, list[Cell]]]:
    """Return the cells of a study over the six tables."""
    register()
    per_task = -(-asked.cells // len(TASKS))
    found = []
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        for number, task in enumerate(TASKS):
            count = min(per_task, asked.cells - number * per_task)
            if count < 1:
                break
            more: tuple[str, ...] = (
                f"out={folder}",
                f"budget={asked.trials}",
                f"seeds={count}",
                f"llm.base_url={url}",
                "tracking=off",
            )
            more += (f"task={task}", f"llm.connections={asked.connections}", "evaluator=table", *ARMS[asked.api])
            settings = resolved(compose("config", overrides=list(more)))
            found.append((settings, list(cells(settings))))
    return found


def measure(folder: Path, url: str, asked: Asked) -> Measured:
    """Run a study in this process, and measure it."""
    todo = composed(folder, url, asked)
    study, planned = study_folder(todo[0][0]), [cell for _, asked_cells in todo for cell in asked_cells]
    problem = blocked_by(todo[0][0])  # as a command does; it imports what it needs
    assert problem is None, problem
    add_to_plan(study, planned)
    before, started = os.times(), time.perf_counter()
    with watch({study: planned}, "off"):
        result = run_all(todo)
    wall, after = time.perf_counter() - started, os.times()
    assert result.done == len(planned), result
    calls: dict[Path, list[CallRecord]] = {}
    for file, call in calls_below(study):
        calls.setdefault(file, []).append(call)
    cpu = after.user + after.system - before.user - before.system
    return Measured(wall, cpu, sum(map(len, calls.values())), max(map(len, calls.values())))


# What no two runs share: numbers of seconds, and the checksums of lines that hold them.
_VARYING = re.compile(rb'"\w*(seconds|crc32)": ?("[0-9a-f]*"|[-+.0-9e]+),?')


def records(folder: Path) -> dict[str, bytes]:
    """Return the records of all cells below a folder, without seconds and checksums."""
    files = (path for name in (TRIALS, CALLS, SUMMARY) for path in folder.rglob(name))
    return {str(path.relative_to(folder)): _VARYING.sub(b"", path.read_bytes()) for path in files}


def are_equal(scratch: Path, asked: Asked) -> bool:
    """Say whether a study has the same records with many connections and with one."""
    found = []
    for connections in (asked.connections, 1):
        with double(asked.api, 0.0, asked.bad_share) as url:
            folder = scratch / f"equal-{connections}"
            measure(folder, url, Asked(asked.api, asked.cells, asked.trials, connections, 0.0, asked.bad_share))
        found.append(records(folder))
    return bool(found[0]) and found[0] == found[1]


def row(name: str, asked: Asked, measured: Measured, most_ratio: float) -> tuple[str, bool]:
    """Return a row of the table, and whether its bars are met."""
    ideal = measured.ideal_seconds(asked)
    ratio, cpu_ms = measured.wall_seconds / ideal, 1000 * measured.cpu_seconds / measured.calls
    numbers = (f"{measured.wall_seconds:.1f}", f"{ideal:.1f}", f"{ratio:.2f}", f"{most_ratio:.2f}", f"{cpu_ms:.1f}")
    line = f"| {name} | {measured.calls} | {measured.longest} | {' | '.join(numbers)} |"
    return line, ratio <= most_ratio and cpu_ms <= MOST_CPU_MS


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and return 1 when a bar was missed, else 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--api", choices=tuple(ARMS), default="ollama", help="which server the double imitates (default ollama)")
    parser.add_argument("--cells", type=int, default=48, help="cells of each study (default 48)")
    parser.add_argument("--trials", type=int, default=10, help="trials per cell (default 10)")
    parser.add_argument("--connections", type=int, default=16, help="llm.connections (default 16)")
    parser.add_argument("--seconds", type=float, default=1.0, help="seconds of an answer (default 1)")
    parser.add_argument("--check", action="store_true", help="only compare records")
    given = parser.parse_args(arguments)
    one_thread()
    asked = Asked(given.api, given.cells, given.trials, given.connections, given.seconds)
    is_met = True
    with tempfile.TemporaryDirectory() as scratch:
        if not given.check:
            is_met = print_table(Path(scratch), asked)
        small = Asked(given.api, min(12, given.cells), min(4, given.trials), given.connections, 0.0, BAD_SHARE)
        equal = are_equal(Path(scratch), small)
    print(f"\n{small.cells} cells with {small.connections} connections and with one: records {'equal' if equal else 'DIFFER'}")
    return 0 if is_met and equal else 1


def print_table(scratch: Path, asked: Asked) -> bool:
    """Measure both studies, print their rows, and return whether all bars are met."""
    load = os.getloadavg()[0]
    print(
        f"{asked.api}, {asked.cells} cells of {asked.trials} trials, {asked.connections} connections, {asked.seconds:g} s an answer,"
    )
    print(f"on {environment()['machine']['processor']}, {os.cpu_count()} cores, load average before: {load:.1f}")
    print(f"{'(NOT a quiet machine: read the CPU column)' if load > 0.7 else ''}\n")
    print(f"| replies | calls | of the longest cell | s | ideal, s | ratio | bar | CPU per call, ms (bar {MOST_CPU_MS:g}) |")
    print("|---|---|---|---|---|---|---|---|")
    met = []
    for name, share, bar in (("all new and valid", 0.0, MOST_RATIO), ("a fifth is bad", BAD_SHARE, MOST_RATIO_BAD)):
        study = Asked(asked.api, asked.cells, asked.trials, asked.connections, asked.seconds, share)
        with double(asked.api, asked.seconds, share) as url:
            line, is_met = row(name, study, measure(scratch / str(share), url, study), bar)
        print(line, flush=True)
        met.append(is_met)
    return all(met)


if __name__ == "__main__":
    sys.exit(main())
