"""The probe's own files, in STUDY/probe/ARM/; it changes no cell.

    answers.jsonl   one line per answered question: cell, trial, change, seed, configuration, and what the server said of its model
    calls.jsonl     one line per call to the LLM, as in a cell: on the disk before the reply is used
    report.html, report.md, csv/, latex/   the page

A line is appended, synced, and never changed. A command that is given again asks only what no line answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from harness.errors import RecordError
from harness.llm.calls import CallRecord, read_calls
from harness.space import Config
from harness.store.cell_folder import CALLS
from harness.store.codec import json_line, read_row, with_checksum
from harness.store.files import storage_errors
from harness.store.lines import Lines, read_lines, whole_lines
from harness.store.lock import FolderLock

FOLDER, ANSWERS = "probe", "answers.jsonl"
SCHEMA = 1
KIND, WHAT = "probe_answer", "an answer of the probe"


@dataclass(frozen=True)
class Answer:
    """The answer to one question (see `asking.Question`).

    config: the proposed configuration; None when no reply could be used, and `problem` says why. calls: how many it took. model: what the
    server said of the model that answered.
    """

    cell: str
    task: str
    trial: int
    change: str
    draw: int
    again: bool
    key: str
    config: Config | None
    calls: int
    problem: str = ""
    model: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> tuple[str, int, str, int, bool, str]:
        """Which question it answers."""
        return (self.cell, self.trial, self.change, self.draw, self.again, self.key)


def read_answers(folder: Path) -> dict[tuple[str, int, str, int, bool, str], Answer]:
    """Return the answers by the names of their questions; none where there is no file. Raises RecordError, which names file and line."""
    found = {}
    for where, line in read_lines(folder / ANSWERS):
        row = read_row(line, where, WHAT, SCHEMA)
        try:
            if row.pop("kind") != KIND:
                raise RecordError(f"{where}: not {WHAT}")
            del row["schema"]
            answer = Answer(**row)
        except (KeyError, TypeError) as error:
            raise RecordError(f"{where}: damaged ({error}); delete that line to ask that question again") from error
        found[answer.name] = answer
    return found


class ProbeFolder:
    """The probe's files of one arm, locked by this process. Use as a context manager. Raises CellBusy, RecordError and StorageError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FolderLock(path)
        self._files: dict[str, Lines] = {}

    def __enter__(self) -> ProbeFolder:
        with storage_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for file in self._files.values():
            file.close()
        self._lock.release()

    def calls(self, model: str) -> tuple[CallRecord, ...]:
        """Return the recorded calls to a model; all of them where the name is empty. Raises RecordError."""
        return tuple(record for record in read_calls(self.path / CALLS) if model in ("", record.model))

    def keep_call(self, record: CallRecord) -> None:
        """Write the record of a call."""
        self._append(CALLS, record.to_dict())

    def keep_answer(self, answer: Answer) -> None:
        """Write an answer."""
        self._append(ANSWERS, {"kind": KIND, "schema": SCHEMA, **asdict(answer)})

    def _append(self, name: str, row: Mapping[str, object]) -> None:
        with storage_errors(self.path):
            self._lock.check()
            if name not in self._files:
                self._files[name] = Lines(self.path / name, len(whole_lines(self.path / name)))
            self._files[name].append(with_checksum(json_line(row)), sync=True)
