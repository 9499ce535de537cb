"""Run a study again from its own records, without a server or a key, and compare every trial.

The method of each cell proposes anew; its LLM answers from the records of the cell's calls; recorded trainings are looked up in this
machine's tables, and what was trained live is trained. Settings are this machine's own files of conf/, changed as the manifests say
(`config/recorded.py`); a cell whose identity is another one then is not run, and the difference is told.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from harness.cell import Cell, Given
from harness.cli.progress import watch
from harness.config.given import GivenFile
from harness.config.recorded import settings_again
from harness.config.settings import cells
from harness.config.values import Settings
from harness.console import say
from harness.errors import RecordError, SettingsError, shown
from harness.pack.packing import cell_folders
from harness.run.study import add_to_plan, blocked_by, is_done, run_all
from harness.store.archive import PackedFolder, packed
from harness.store.cell_folder import MANIFEST, SUMMARY, TRIALS, differing, read_json, read_manifest, read_trials
from harness.store.codec import SCHEMA, VARYING, json_text, read_row
from harness.store.lines import read_lines

# Beside what may vary on one machine: where files lie on another one.
NOT_COMPARED = (*VARYING, "traceback", "raised_at")
SHOWN = 5
# What of the settings names a launch, and no cell.
_OF_LAUNCH = ("seed", "seeds", "planned", "study", "out", "store", "tracking", "progress", "unready")


@dataclass(frozen=True)
class Recorded:
    """A done cell of the study: where its records are, and its manifest."""

    folder: str
    place: Path | PackedFolder
    manifest: Mapping[str, Any]


@dataclass(frozen=True)
class Again:
    """Cells to run under one composed config, each with its record."""

    settings: Settings
    cells: Sequence[tuple[Cell, Recorded]]


def replay(study: Path) -> tuple[int, str]:
    """Replay a study into STUDY-replay beside it, and print what came of it. Return the exit status, and what there is to complain about.

    Raises HarnessError.
    """
    target = study.with_name(f"{study.resolve().name}-replay")
    recorded = list(_recorded(study))
    if not recorded:
        raise RecordError(f"{study}: no cell of it is done: there is nothing to replay")
    say(f"composing the settings of {len(recorded):,} cells")
    refused: dict[str, list[str]] = {}
    runs = [again for together in _by_settings(recorded) if (again := _again(together, study, target, refused))]
    everything = [cell for again in runs for cell, _ in again.cells]
    failed: tuple[str, ...] = ()
    if everything:
        add_to_plan(target, everything)
        with watch({target: everything}, "auto"):
            result = run_all([(again.settings, [cell for cell, _ in again.cells]) for again in runs])
        failed = (*result.fatal, *result.failed, *result.refused, *result.busy, *result.blocked, *result.stopped)
    compared = [difference for again in runs for cell, record in again.cells for difference in _compared(target, cell, record)]
    for line in _told(target, len(recorded), refused, failed, compared):
        print(shown(line))
    if len(compared) == len(recorded) and not any(compared):
        return 0, ""
    return 1, f"{target} is not equal to {study}"


def _recorded(study: Path) -> Iterator[Recorded]:
    """Yield the done cells of a study, in its folders and its pack."""
    pack = packed(study)
    for folder in sorted({*cell_folders(study), *(pack.members if pack else ())}):
        place: Path | PackedFolder = pack.open(folder) if pack and folder in pack else study / folder
        if (place / SUMMARY).exists() and (place / MANIFEST).exists():
            yield Recorded(folder, place, read_manifest(place / MANIFEST))


def _by_settings(recorded: Iterable[Recorded]) -> list[list[Recorded]]:
    """Group cells that differ in their seed only."""
    groups: dict[str, list[Recorded]] = {}
    for record in recorded:
        settings = {key: value for key, value in record.manifest.get("settings", {}).items() if key not in _OF_LAUNCH}
        key = json.dumps([settings, record.folder.split("/")[:2], record.manifest["identity"].get("given")], sort_keys=True)
        groups.setdefault(key, []).append(record)
    return list(groups.values())


def _again(together: Sequence[Recorded], study: Path, target: Path, refused: dict[str, list[str]]) -> Again | None:
    """Return the cells of one group as they can be run here; those that cannot are added to `refused`, by the reason."""
    first, by_seed = together[0], {int(record.manifest["seed"]): record for record in together}
    changes: dict[str, object] = {"study": target.name, "out": str(target.parent), "store.sync": "cell", "progress": "plain"}
    if first.manifest["identity"].get("llm"):
        changes["llm.replay"] = str(study.absolute())
    try:
        settings = replace(settings_again(first.manifest["settings"], by_seed, changes), given=_given(first))
        made = list(cells(settings))
        blocked = blocked_by(replace(settings, asking=None))
    except SettingsError as error:
        refused.setdefault(str(error), []).extend(record.folder for record in together)
        return None
    kept = []
    for cell in made:
        record = by_seed[cell.seed]
        if why := blocked[0] if blocked else _difference(record, cell):
            refused.setdefault(why, []).append(record.folder)
        else:
            kept.append((_answered_by(cell, study / record.folder), record))
    return Again(settings, kept) if kept else None


def _difference(record: Recorded, cell: Cell) -> str:
    """Say in what the identity of a cell is another one here; nothing where it is the recorded one."""
    there, here = record.manifest["identity"], json.loads(json_text(cell.identity))
    if cell.folder == record.folder and cell.id == record.manifest["cell"] and there == here:
        return ""
    words = "; ".join(islice(differing(there, here), 3)) or f"arm: {record.folder.split('/')[1]} there, {cell.arm} here"
    return words.replace(" there", " recorded")


def _answered_by(cell: Cell, folder: Path) -> Cell:
    """Let a cell's LLM answer from the records of that very cell, and read no others."""
    if cell.asking is None:
        return cell
    return replace(cell, asking=replace(cell.asking, llm=replace(cell.asking.llm, replay=str(folder.absolute()))))


def _given(record: Recorded) -> GivenFile | None:
    """Return the trials that were given to a cell, from its own records."""
    if not record.manifest["identity"].get("given"):
        return None
    given = tuple(trial for trial in read_trials(record.place) if trial.given)
    return GivenFile(f"{record.place}/{TRIALS}", False, Given(given))


def _compared(target: Path, cell: Cell, record: Recorded) -> Iterator[str]:
    """Yield an empty text for a cell that was replayed and is equal, or its first difference; nothing for one that is not done."""
    if not is_done(target, cell):
        return
    again = packed(target)
    place = again.open(cell.folder) if again and cell.folder in again else target / cell.folder
    first = next(_differences(record.place, place), "")
    yield f"{record.folder}, {first}" if first else ""


def _differences(there: Path | PackedFolder, here: Path | PackedFolder) -> Iterator[str]:
    """Yield in what the trials and the summary of two cells differ."""
    first, again = _rows(there), _rows(here)
    if len(first) != len(again):
        yield f"{len(first)} trials recorded, {len(again)} replayed"
    for number, (old, new) in enumerate(zip(first, again, strict=False), start=1):
        yield from (f"trial {number}: {words}" for words in _worded(old, new))
    kept = [{k: v for k, v in read_json(place / SUMMARY).items() if k not in NOT_COMPARED} for place in (there, here)]
    yield from (f"{SUMMARY}: {words}" for words in _worded(*kept))


def _worded(old: object, new: object) -> Iterator[str]:
    return (words.replace(" there, ", " recorded, ").replace(" here", " replayed") for words in differing(old, new))


def _rows(place: Path | PackedFolder) -> list[dict[str, Any]]:
    rows = [read_row(line, where, "a trial record", SCHEMA) for where, line in read_lines(place / TRIALS)]
    return [{key: value for key, value in row.items() if key not in NOT_COMPARED} for row in rows]


def _told(
    target: Path, recorded: int, refused: Mapping[str, Sequence[str]], failed: Sequence[str], compared: Sequence[str]
) -> Iterator[str]:
    """Yield what the command says at its end."""
    different = [words for words in compared if words]
    yield f"{target}: {len(compared):,} of {recorded:,} cells replayed"
    yield f"  {len(compared) - len(different):,} of them equal in every trial, but for seconds and checksums"
    yield from (f"  differs: {words}" for words in _some(different))
    for why, folders in refused.items():
        others = f" and {len(folders) - 1:,} more" if len(folders) > 1 else ""
        yield f"  not replayed: {folders[0]}{others}: {why}"
    yield from (f"  failed: {line}" for line in _some(failed))


def _some(lines: Sequence[str]) -> Iterator[str]:
    yield from lines[:SHOWN]
    if len(lines) > SHOWN:
        yield f"and {len(lines) - SHOWN:,} more"
