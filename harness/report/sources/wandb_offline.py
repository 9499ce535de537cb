"""Reads W&B's offline run files: a log in LevelDB's format that holds protocol buffers.

W&B keeps no other copy of an offline run, and its own reader of this format is gone since 0.31. A file that was cut short is read up to
the cut; a run without its exit record counts as unfinished.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.errors import RecordError
from harness.report.sources.wandb_run import MirroredRun, to_cell
from harness.report.study_data import CellData, State, StudyData

BLOCK, HEADER, START = 32768, 7, 7
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def read_offline(folder: Path, study: str) -> StudyData:
    """Read every offline run of a study below `folder`; of several runs of a cell, the finished one, else the last."""
    files = sorted(folder.glob("**/offline-run-*/run-*.wandb"))
    files = [path for path in files if not path.parent.name.startswith("broken-off-")]
    if not files:
        raise RecordError(f"{folder}: no W&B offline run there (offline-run-*/run-*.wandb)")
    problems: list[str] = []
    cells: dict[str, CellData] = {}
    for path in files:
        try:
            run = read_run(path)
            if run.config.get("study") not in (None, study):
                continue
            cell = to_cell(run)
        except RecordError as error:
            problems.append(str(error).replace(f"{folder}/", ""))
            continue
        if cells.get(cell.cell, cell).state is not State.DONE or cell.state is State.DONE:
            cells[cell.cell] = cell
    if not cells:
        raise RecordError(f"{folder}: none of its {len(files)} W&B offline runs is of the study '{study}'")
    caveat = "W&B holds no plan, so a cell that was never started cannot be seen, and an offline run no calls"
    return StudyData(study, f"the W&B offline runs in {folder.name}/", tuple(_in_order(cells)), tuple(problems), caveat)


def _in_order(cells: dict[str, CellData]) -> list[CellData]:
    return sorted(cells.values(), key=lambda cell: (cell.task, cell.arm, cell.seed))


def read_run(path: Path) -> MirroredRun:
    """Read one .wandb file. Raises RecordError when it is not one."""
    run = MirroredRun(f"{path.parent.name}/{path.name}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{run.where}: cannot be read ({error.strerror})") from error
    if data[:4] != b":W&B" or len(data) < START:
        raise RecordError(f"{run.where}: not a W&B run file, or cut short before its first record")
    for payload in chunks(data):
        _take(payload, run)
    return run


def chunks(data: bytes) -> Iterator[bytes]:
    """Yield the payloads of a LevelDB log (blocks of 32 KiB; each chunk has CRC-32, length and kind), up to the first damage."""
    offset, started = START, b""
    while offset + HEADER <= len(data):
        room = BLOCK - offset % BLOCK
        if room < HEADER:
            offset += room
            continue
        checksum, length, kind = struct.unpack("<IHB", data[offset : offset + HEADER])
        payload = data[offset + HEADER : offset + HEADER + length]
        if kind not in (FULL, FIRST, MIDDLE, LAST) or len(payload) < length:
            return
        if zlib.crc32(payload, zlib.crc32(bytes([kind]))) != checksum:
            return
        offset += HEADER + length
        started += payload
        if kind in (FULL, LAST):
            yield started
            started = b""


def _take(payload: bytes, run: MirroredRun) -> None:
    """Add what one record holds to the run."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # noqa: PLC0415 - only for this source
    from wandb.proto import wandb_internal_pb2  # noqa: PLC0415 - half a second

    proto: Any = wandb_internal_pb2
    record = proto.Record()
    try:
        record.ParseFromString(payload)
    except DecodeError as error:
        raise RecordError(f"{run.where}: a record that is no protocol buffer ({error})") from error
    match record.WhichOneof("record_type"):
        case "run":
            for item in record.run.config.update:
                _put(run.config, item)
        case "config":
            for item in record.config.update:
                _put(run.config, item)
        case "history":
            row: dict[str, Any] = {}
            for item in record.history.item:
                row["/".join(item.nested_key) or item.key] = json.loads(item.value_json)
            run.history.append(row)
        case "exit":
            run.finished = record.exit.exit_code == 0


def _put(into: dict[str, Any], item: Any) -> None:
    keys = [item.key] if item.key else list(item.nested_key)
    for key in keys[:-1]:
        into = into.setdefault(key, {})
    into[keys[-1]] = json.loads(item.value_json)
