"""Answer from the records of a finished study, without an LLM, and say where and how a request differs from the records.

This makes a study with an LLM repeatable: the same code, settings and records give the same trials. A live model may give another answer
to the same request, even with the same seed.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from harness.errors import RecordError
from harness.llm.backend import Reply, Request
from harness.llm.calls import CallRecord, calls_below, holds_records
from harness.llm.errors import NotReady, ReplayDiffers
from harness.llm.settings import LlmSettings
from harness.readiness import Readiness


class Replay:
    """A backend that answers from records. `llm.path` is a file or folder with call records: of one cell, or of a whole study.

    A record answers a request of the same trial and call with the same content. Fields that the request leaves open (no model, None in a
    decoding field) are not compared. So `llm=replay llm.path=STUDY` needs none of the original settings, and `llm=phi4 llm.replay=STUDY`
    compares them too. A record of the same cell comes first: `cell` is its folder in a study (`task/arm/seed0-...`), and of another
    launch the same task, arm and seed. Raises ReplayDiffers for the first request that no record answers, with the differences to the
    nearest record, and when other cells of a study answer the same request differently.
    """

    takes_grammars = True

    def __init__(self, settings: LlmSettings, cell: str = "") -> None:
        self._cell = cell
        self._path = Path(settings.replay or settings.path or "")
        self._given = bool(settings.replay or settings.path)
        self._calls: dict[tuple[int, int], list[tuple[Path, CallRecord]]] | None = None

    @staticmethod
    def ready(settings: LlmSettings) -> Readiness:
        backend = Replay(settings)
        try:
            calls = backend._load()
        except (NotReady, RecordError) as error:
            return Readiness(settings.name, False, str(error), "set llm.path to a study or cell folder")
        count = sum(len(kept) for kept in calls.values())
        return Readiness(settings.name, True, f"{count} answered calls in {backend._path}")

    def complete(self, request: Request) -> Reply:
        calls = self._load()
        kept = calls.get((request.trial, request.call), [])
        if not kept:
            raise ReplayDiffers(request.trial, request.call, [_nothing_kept(calls, request, self._path)])
        compared = [(record.differences(request), file, record) for file, record in kept]
        same = [(file, record.reply) for differences, file, record in compared if not differences]
        if not same:
            differences, file, _ = min(compared, key=lambda entry: (len(entry[0]), -self._kinship(entry[1])))
            raise ReplayDiffers(request.trial, request.call, [*differences, f"nearest record in {file}"])
        nearest = max(self._kinship(file) for file, _ in same)
        (file, reply), *others = [(file, reply) for file, reply in same if self._kinship(file) == nearest]
        assert reply is not None
        for other_file, other in others:
            if other is None or (other.text, other.thinking) != (reply.text, reply.thinking):
                text = f"{file} and {other_file} answer it differently: point llm.path (or llm.replay) at the folder of this cell"
                raise ReplayDiffers(request.trial, request.call, [text])
        return reply

    def _kinship(self, file: Path) -> int:
        """Return 2 for a record of this very cell, 1 for one of the same task, arm and seed, 0 for any other."""
        own, theirs = self._cell.split("/"), list(file.parts[-4:-1])
        if theirs == own:
            return 2
        return int(len(own) == len(theirs) and [*theirs[:-1], _seed_of(theirs[-1])] == [*own[:-1], _seed_of(own[-1])])

    def _load(self) -> dict[tuple[int, int], list[tuple[Path, CallRecord]]]:
        if self._calls is None:
            if not self._given or not holds_records(self._path):
                raise NotReady(
                    f"nothing to replay at '{self._path if self._given else ''}': set llm.path to a study or cell folder"
                )
            calls = defaultdict(list)
            for file, record in calls_below(self._path):
                if record.reply is not None and record.error is None:
                    calls[record.trial, record.call].append((file, record))
            if not calls:
                raise NotReady(f"no answered LLM calls in {self._path}: set llm.path to a study or cell folder with some")
            self._calls = dict(calls)
        return self._calls


def _seed_of(folder: str) -> str:
    """Return the first part of a cell's folder name: `seed0` of `seed0-75575a33`."""
    return folder.partition("-")[0]


def _nothing_kept(calls: dict[tuple[int, int], list[tuple[Path, CallRecord]]], request: Request, path: Path) -> str:
    in_trial = [call for trial, call in calls if trial == request.trial]
    if in_trial:
        return f"{path} holds calls 1 to {max(in_trial)} of this trial, and one more is asked"
    return f"{path} holds calls of trials {min(calls)[0]} to {max(calls)[0]}, and none of this one"
