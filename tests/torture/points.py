"""The named points between propose, train, append, call-log, W&B and manifest, and how a process stops itself exactly there.

Nothing of this is in the product: `arm` wraps its functions in the process that is to die.
"""

from __future__ import annotations

import functools
import importlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LINES = "harness.store.lines:Lines.append"


@dataclass(frozen=True)
class Point:
    """A place in a function of the product: before it, after it, or in the middle of a line that it writes.

    Only calls with `about` in the name of their file count.
    """

    where: str
    when: str
    about: str = ""


POINTS = {
    "plan: before its lines": Point("harness.run.study:append_lines", "before", "plan.jsonl"),
    "plan: in a line": Point(LINES, "half", "plan.jsonl"),
    "plan: written": Point("harness.run.study:append_lines", "after", "plan.jsonl"),
    "lock: taken": Point("harness.store.lock:FolderLock.acquire", "after"),
    "manifest: not yet there": Point("harness.store.cell_folder:write_json", "before", "manifest.json"),
    "manifest: drafted": Point("pathlib:Path.replace", "before", "manifest.json"),
    "manifest: written": Point("harness.store.cell_folder:write_json", "after", "manifest.json"),
    "proposed, not trained": Point("harness.run.loop:_train", "before"),
    "trained, not appended": Point("harness.run.loop:_train", "after"),
    "append: in the line": Point(LINES, "half", "trials.jsonl"),
    "append: written, not synced": Point("harness.store.lines:Lines.sync", "before", "trials.jsonl"),
    "append: synced": Point("harness.store.cell_folder:CellFolder.append", "after"),
    "call: answered, not logged": Point("harness.store.cell_folder:CellFolder.append_call", "before"),
    "call: in the line": Point(LINES, "half", "calls.jsonl"),
    "call: logged, not used": Point("harness.store.cell_folder:CellFolder.append_call", "after"),
    "end: before the summary": Point("harness.store.cell_folder:CellFolder.finish", "before"),
    "end: summary drafted": Point("pathlib:Path.replace", "before", "summary.json"),
    "end: summary written": Point("harness.store.cell_folder:CellFolder.finish", "after"),
    "lock: given back": Point("harness.store.lock:FolderLock.release", "after"),
}
WANDB_POINTS = {
    "W&B: not yet opened": Point("harness.run.tracking:WandbTracker.start", "before"),
    "W&B: opened": Point("harness.run.tracking:WandbTracker.start", "after"),
    "W&B: trial not yet told": Point("harness.run.tracking:WandbTracker.trial", "before"),
    "W&B: trial told": Point("harness.run.tracking:WandbTracker.trial", "after"),
    "W&B: before its end": Point("harness.run.tracking:WandbTracker.finish", "before"),
    "W&B: closed, no summary": Point("harness.run.tracking:WandbTracker.finish", "after"),
}


def arm(name: str, occurrence: int, number: int, mark: str) -> None:
    """Have this process send itself signal `number` when it comes to a point for the `occurrence`-th time; `mark` is then made."""
    point = {**POINTS, **WANDB_POINTS}[name]
    module_name, _, path = point.where.partition(":")
    holder: Any = importlib.import_module(module_name)
    *way, last = path.split(".")
    for step in way:
        holder = getattr(holder, step)
    original = getattr(holder, last)
    seen = 0

    def stop() -> None:
        Path(mark).touch()
        os.kill(os.getpid(), number)
        while number == signal.SIGKILL:
            time.sleep(1)

    def is_it(args: tuple[Any, ...]) -> bool:
        nonlocal seen
        named = str(getattr(args[0], "_path", args[0])) if args else ""
        target = str(args[1]) if path == "Path.replace" else named
        if target.endswith(point.about):
            seen += 1
            return seen == occurrence
        return False

    setattr(holder, last, _wrapped(original, point.when, is_it, stop))


def _wrapped(
    original: Callable[..., Any], when: str, is_it: Callable[[tuple[Any, ...]], bool], stop: Callable[[], None]
) -> Callable[..., Any]:
    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if not is_it(args):
            return original(*args, **kwargs)
        if when == "half":
            lines, text = args
            lines._file.write(text.encode()[: len(text) // 2])
        if when in ("before", "half"):
            stop()
        result = original(*args, **kwargs)
        if when == "after":
            stop()
        return result

    return wrapped
