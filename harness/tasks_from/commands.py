"""A training script that cannot be imported: run it as a command, and read its training curve while it runs."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import shutil
import signal
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from harness.errors import SettingsError
from harness.scrub import foreign_text
from harness.signals import GROUP_WIDE, stop_if_asked_soon
from harness.space import Config, Space, Value
from harness.task import Task, TaskCard
from harness.tasks_from.arguments import Argument, Arguments, filled
from harness.tasks_from.processes import LineSplitter, Program
from harness.tasks_from.readings import Collector, Reading
from harness.tasks_from.task import Factory, Loop
from harness.trial import Epoch, Objective

# How much of the output is kept for the error of a failed trial: lines in the records, and characters of the last ones in its one line.
LAST_LINES = 40
LINE_CHARACTERS = 500
ERROR_CHARACTERS = 200


class CommandFailed(Exception):
    """The command of a trial failed, or ended without a score."""


def command(
    arguments: Sequence[Argument | Sequence[Argument]], *, curve: Reading, cwd: str | os.PathLike[str] | None = None
) -> Factory:
    """Return a task that trains by running a program, such as a training script.

    `arguments` is a list, with placeholders that `harness.tasks_from.arguments` explains; no shell reads it. `curve` says where the scores
    are: `lines(pattern)` or `json_lines(path, ...)`. Epochs arrive while the program runs, so a time limit keeps those that were there.
    `cwd` is the folder that it runs in, seen from the folder of the file that calls this function, which it is when `cwd` is left out;
    `"{folder}"` is the folder of the trial.

    The program has the environment of the harness, and no standard input. It is killed, with all that it started, when a limit, Ctrl-C or a
    value that is not finite ends the trial, and what it left running is killed when it ends. An exit status that is not 0, or no score, is
    a crashed trial, whose error are the last lines of its output. Building the task raises SettingsError for placeholders that do not fit
    the space, for a program or a folder that is not there, and for a YAML without `metric`.
    """
    frame = inspect.currentframe()
    caller = Path(frame.f_back.f_code.co_filename if frame and frame.f_back else "")
    home, given = caller.resolve().parent if caller.is_file() else Path.cwd(), Arguments.of(arguments)
    where = os.fspath(cwd) if cwd is not None else "."

    def build(space: Space, card: TaskCard, **params: Value) -> Task:
        given.check(space, params, where, curve.path or "")
        if "{" not in where:
            _check_program(given.program, home / where)
        script = _Script(given, curve, home, where, params)
        return Loop(space, card, script.train, None, _check_declared)

    return build


def _check_declared(objective: Objective) -> None:
    """Refuse a YAML that does not say what the scores are: a program may give an error as well as a percentage."""
    if objective.name == Objective().name:
        examples = (
            'metric: {name: rmse, direction: minimize, unit: "...", margin: ...}, or metric: {name: accuracy} for a percentage'
        )
        raise SettingsError(f"its YAML does not say what the command's scores are: write {examples}")


def _check_program(program: str, folder: Path) -> None:
    if not folder.is_dir():
        raise SettingsError(f"command: cwd={folder}: there is no such folder")
    path = shutil.which(str(folder / program) if os.sep in program else program)
    if path is None and os.sep in program:
        there = (folder / program).is_file()
        raise SettingsError(f"command: {folder / program} {'may not be executed: chmod +x' if there else 'is not there'}")
    if path is None:
        advice = "; give sys.executable" if program.startswith("python") else "; give its path"
        raise SettingsError(f"command: there is no program '{program}' on the PATH{advice}")


@dataclass(frozen=True)
class _Script:
    arguments: Arguments
    curve: Reading
    home: Path
    cwd: str
    params: Mapping[str, Value]

    def train(self, config: Config, seed: int) -> Iterator[Epoch]:
        """Run the program once, and yield each epoch as it comes. Raises CommandFailed."""
        with self._folder() as folder:
            values: dict[str, object] = {**self.params, **config, "seed": seed, "folder": folder, "config": f"{folder}/config.json"}
            if folder:
                Path(f"{folder}/config.json").write_text(json.dumps({**self.params, **config, "seed": seed}), encoding="utf-8")
            arguments = self.arguments.filled(values)
            cwd = self.home / (filled(self.cwd, values) or ".")
            path = filled(self.curve.path, values) if self.curve.path else None
            with _started(arguments, cwd) as program:
                yield from _epochs(program, self.curve, None if path is None else Path(path))

    def _folder(self) -> contextlib.AbstractContextManager[str]:
        """Return the folder of a trial, where one is asked for."""
        if self.curve.path or "{folder}" in self.cwd or self.arguments.names() & {"folder", "config"}:
            return tempfile.TemporaryDirectory(prefix="harness-trial-", ignore_cleanup_errors=True)
        return contextlib.nullcontext("")


def _started(arguments: list[str], cwd: Path) -> Program:
    try:
        return Program(arguments, cwd)
    except (OSError, ValueError) as error:
        raise CommandFailed(f"it cannot be started: {error}") from error


def _epochs(program: Program, curve: Reading, path: Path | None) -> Iterator[Epoch]:
    collector, kept, count = Collector(curve.names), _Output(), 0
    unread: ValueError | None = None
    with _Followed(path) as file:
        for line in _lines(program, kept, file):
            try:
                values = curve.values(line)
            except ValueError as error:
                # The traceback of a program that fails may hold the line that prints a score, and its file half a line.
                unread = unread or error
                continue
            for epoch in collector.add(values):
                count += 1
                yield epoch
    rest = list(collector.rest())
    yield from rest
    if program.status:
        raise kept.failure(_how(program.status))
    if unread:
        raise unread
    if not count and not rest:
        raise kept.failure(f"it ended with exit status 0 and no score: {curve.missing()}")


def _lines(program: Program, kept: _Output, file: _Followed) -> Iterator[str]:
    """Yield the lines that are to be read: those of the file where there is one, else those of the output."""
    for chunk in program.output():
        yield from _one_of(file, kept.lines(chunk))
    yield from _one_of(file, kept.last())
    yield from file.last()


def _one_of(file: _Followed, output: list[str]) -> Iterator[str]:
    return iter(output) if file.path is None else file.lines()


class _Output:
    """The lines of the output, and the last of them for an error."""

    def __init__(self) -> None:
        self._splitter = LineSplitter()
        self._last: deque[str] = deque(maxlen=LAST_LINES)

    def lines(self, chunk: bytes) -> list[str]:
        return self._kept(self._splitter.lines(chunk))

    def last(self) -> list[str]:
        return self._kept(self._splitter.last())

    def _kept(self, lines: Iterator[str]) -> list[str]:
        found = list(lines)
        self._last.extend(line.rstrip()[:LINE_CHARACTERS] for line in found if line.strip())
        return found

    def failure(self, how: str) -> CommandFailed:
        """Return the error of a failed trial: its text is one line, and all the last lines are a note, which the records hold."""
        last = [foreign_text(line) for line in self._last]
        text = ""
        for line in reversed([line for line in last if any(map(str.isalnum, line))]):  # not ^^^^ under a line of a traceback
            if len(text) + len(line) > ERROR_CHARACTERS and text:
                break
            text = f"{line.strip()} | {text}" if text else line.strip()[:ERROR_CHARACTERS]
        error = CommandFailed(f"{how}; its last lines: {text}" if last else f"{how}; it printed nothing")
        if last:
            error.add_note("\n".join(["The last lines of its output:", *last]))
        return error


class _Followed:
    """A file that is read while it grows; none where `path` is None."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._splitter = LineSplitter()
        self._stack = contextlib.ExitStack()
        self._file: BinaryIO | None = None

    def __enter__(self) -> _Followed:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def lines(self) -> Iterator[str]:
        if self._file is None and self.path is not None:
            with contextlib.suppress(FileNotFoundError):
                self._file = self._stack.enter_context(self.path.open("rb"))
        return self._splitter.lines(self._file.read()) if self._file is not None else iter(())

    def last(self) -> Iterator[str]:
        yield from self.lines()
        yield from self._splitter.last()


def _how(status: int) -> str:
    """Say how a program ended that did not end well."""
    if status > 0:
        return f"exit status {status}"
    if -status in GROUP_WIDE:  # perhaps a signal to all processes of the harness, not the training's failure
        stop_if_asked_soon()
    name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
    return f"killed by {name}, out of memory perhaps" if name == "SIGKILL" else f"killed by {name}"
