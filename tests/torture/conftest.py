"""What the torture tests share: commands forked from a warm process, a server for the LLM arm, and the study that nobody interrupted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.commands import environment

from harness.testing.servers.ollama_api import OllamaDouble

HERE = Path(__file__).resolve().parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder; those of a file share fixtures that take long, but for the kills, which are most of the work."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("torture")
            if item.path.stem != "test_kills":
                item.add_marker(pytest.mark.xdist_group(item.path.stem))


def clean_environment(**more: str) -> dict[str, str]:
    """Return an environment without what W&B, used by another test in this process, may have left in it."""
    kept = {name: value for name, value in environment().items() if not name.startswith("WANDB")}
    return {**kept, "OMP_NUM_THREADS": "1", "NO_PROXY": "127.0.0.1", **more}


class Zygote:
    """Starts command lines in a process that has imported everything; see zygote.py."""

    def __init__(self) -> None:
        command = [sys.executable, str(HERE / "zygote.py")]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(command, env=clean_environment(), **pipes)
        self._answer()

    def start(self, argv: Sequence[str], cwd: Path, *, stop: Mapping[str, Any] | None = None) -> int:
        """Start `python -m harness ARGV` in `cwd`; return its process id, which is its process group's too."""
        run = {"argv": list(argv), "cwd": str(cwd), "output": str(cwd / "output.txt"), "stop": stop}
        return int(self._ask({"run": run})["pid"])

    def wait(self, pid: int) -> int:
        """Return how it ended: its exit status, or minus the signal."""
        return int(self._ask({"wait": pid})["status"])

    def run(self, argv: Sequence[str], cwd: Path, *, stop: Mapping[str, Any] | None = None) -> tuple[int, str]:
        """Run a command to its end; return how it ended, and what it printed."""
        status = self.wait(self.start(argv, cwd, stop=stop))
        return status, (cwd / "output.txt").read_text()

    def close(self) -> None:
        """End it."""
        self._process.stdin.close()  # type: ignore[union-attr]
        self._process.wait()
        self._process.stdout.close()  # type: ignore[union-attr]

    def _ask(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(asked)}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    made = Zygote()
    yield made
    made.close()


@pytest.fixture(scope="session")
def ollama() -> Iterator[OllamaDouble]:
    with OllamaDouble() as double:
        yield double


def group_is_gone(group: int) -> bool:
    """Say whether no process of a group is left; wait a moment for those that are on their way out."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False
