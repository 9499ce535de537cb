"""Real command lines in processes of their own, and what they leave on the disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.store.codec import VARYING

TESTS = Path(__file__).resolve().parents[1]
CONF = TESTS / "support" / "conf"
FAULTY = ("--config-dir", str(CONF), "task=faulty")


def environment(**more: str) -> dict[str, str]:
    """Return an environment in which the tests' own tasks can be imported."""
    path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, **more}


def start(arguments: Sequence[str], cwd: Path, **more: Any) -> subprocess.Popen[str]:
    """Start `python -m harness` in a process group of its own."""
    command = [sys.executable, "-m", "harness", *arguments]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    return subprocess.Popen(command, cwd=cwd, **{**pipes, "env": environment(), **more})


def run(arguments: Sequence[str], cwd: Path, *, timeout: float = 60, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run `python -m harness` to its end."""
    with start(arguments, cwd, **more) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def without_result(text: str) -> list[str]:
    """Return the lines that a command wrote before it told its result."""
    lines = text.splitlines()
    told = [number for number, line in enumerate(lines) if " seed " in line and ": best validation " in line]
    return lines[: told[0]] if told else lines


def records(study: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the trials of every cell of a study, without what may differ between two runs."""
    found = {}
    for path in sorted(study.glob("*/*/*/trials.jsonl")):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        found[str(path.parent.relative_to(study))] = [{k: v for k, v in row.items() if k not in VARYING} for row in rows]
    return found
