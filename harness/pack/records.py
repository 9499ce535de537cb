"""What a file must hold to be taken into a bundle, or out of one: plain records of this harness, unchanged since they were written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.errors import RecordError
from harness.llm.calls import read_calls
from harness.pack.names import PAGE, is_cell
from harness.store.archive import PackedFile, PackedFolder
from harness.store.cell_folder import CALLS, MANIFEST, SUMMARY, TRIALS, read_json, read_manifest, read_trials
from harness.store.plan import PLAN, Planned, read_plan
from harness.store.race import RACE, read_race


@dataclass
class Contents:
    """What the files that were checked hold together.

    `cells` maps the folder of each cell to whether it is done, `planned` are the folders in the plan, `tables` counts cells by (task,
    checksum of its table), `models` answered calls by (backend, model, digest), `environments` cells by their environment, as JSON text.
    `trials` counts those of each cell, and `claimed` is how many a done cell says that it has.
    """

    cells: dict[str, bool] = field(default_factory=dict)
    planned: set[str] = field(default_factory=set)
    tables: Counter[tuple[str, str]] = field(default_factory=Counter)
    models: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    environments: list[tuple[Mapping[str, Any], int]] = field(default_factory=list)
    trials: dict[str, int] = field(default_factory=dict)
    claimed: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, kind: str, data: bytes, where: str) -> None:
        """Check one file and count what it holds. Raises RecordError, which begins with `where`."""
        folder, _, last = name.rpartition("/")
        file = PackedFile(where, data)
        if name.endswith(".jsonl") and data and not data.endswith(b"\n"):
            raise RecordError(f"{where}: its last line is not whole")
        try:
            if kind == MANIFEST:
                self._manifest(folder, read_manifest(file), where)
            elif kind == SUMMARY:
                self.claimed[folder] = read_json(file).get("trials")
                self.cells[folder] = True
            elif kind == TRIALS:
                self.trials[folder] = len(read_trials(PackedFolder(where.removesuffix(f"/{last}"), {TRIALS: data}), curves=False))
            elif kind == CALLS:
                self.models.update(_models(file))
            elif kind == PLAN:
                self._plan(read_plan(_only(file, PLAN)), where)
            elif kind == RACE:
                read_race(_only(file, RACE))
            elif kind != PAGE:
                read_json(file)
        except RecursionError:
            raise RecordError(f"{where}: nested without end") from None
        except UnicodeDecodeError as error:
            raise RecordError(f"{where}: not text ({error})") from error

    def _manifest(self, folder: str, manifest: Mapping[str, Any], where: str) -> None:
        if not all(isinstance(manifest.get(key), Mapping) for key in ("identity", "settings")):
            raise RecordError(f"{where}: damaged: it has no identity or no settings")
        task, arm, seed, cell = (manifest.get(key) for key in ("task", "arm", "seed", "cell"))
        if folder != f"{task}/{arm}/seed{seed}-{str(cell)[:8]}":
            raise RecordError(f"{where}: the manifest of another cell, {task}/{arm}/seed{seed}")
        self.cells.setdefault(folder, False)
        self._environment(manifest.get("environment"))
        table = _inside(manifest, "settings", "task", "from_table", "checksum")
        if table is not None:
            self.tables[str(task), str(table)] += 1

    def _environment(self, environment: Any) -> None:
        if not isinstance(environment, Mapping):
            return
        for place, (known, cells) in enumerate(self.environments):
            if known == environment:
                self.environments[place] = (known, cells + 1)
                return
        self.environments.append((environment, 1))

    def _plan(self, plan: tuple[Planned, ...], where: str) -> None:
        for entry in plan:
            # Readers join it with the study's folder.
            own = f"{entry.task}/{entry.arm}/seed{entry.seed}-{str(entry.cell)[:8]}"
            if entry.folder != own or not is_cell(own):
                raise RecordError(f"{where}: plans {entry.folder!r}, which is not the folder of a cell of {entry.task}/{entry.arm}")
            self.planned.add(own)

    def check_whole(self, names: Mapping[str, object], where: str) -> None:
        """Raise RecordError where a cell lacks its manifest or its trials, or where there is neither a plan nor a cell."""
        for name in names:
            folder = name.rpartition("/")[0]
            if name != PAGE and folder and f"{folder}/{MANIFEST}" not in names:
                raise RecordError(f"{where}: {folder} has no {MANIFEST}")
        for folder, claimed in self.claimed.items():
            if claimed != (held := self.trials.get(folder, 0)):
                raise RecordError(f"{where}: {folder} holds {held} trials where its {SUMMARY} counts {claimed}")
        if not self.cells and not self.planned:
            raise RecordError(f"{where}: holds no cell and no plan")

    @property
    def done(self) -> int:
        """How many cells are done."""
        return sum(self.cells.values())

    @property
    def open(self) -> int:
        """How many cells are planned or begun, and not done."""
        return len(self.planned | self.cells.keys()) - self.done


def _only(file: PackedFile, name: str) -> PackedFolder:
    return PackedFolder(file.place.removesuffix(f"/{name}"), {name: file.read_bytes()})


def _models(file: PackedFile) -> Iterator[tuple[str, str, str]]:
    for call in read_calls(file):
        if call.reply is not None:
            facts = call.reply.facts
            yield facts.backend, facts.model, facts.digest or ""


def _inside(data: Any, *keys: str) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data
