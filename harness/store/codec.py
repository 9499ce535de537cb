"""A trial as one line of JSON, and back.

A row holds names, not positions; curves are columns (`{"val_loss": [...], ...}`); numbers that JSON lacks are the words "nan", "inf"
and "-inf". A row is written once and never changed: its last key is the CRC-32 of the bytes before it, so that a disk's flipped bit
cannot pass for another result. A row of another schema is not read: no version knows what another one meant.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors import RecordError
from harness.scrub import holds_secret, without_secrets_in
from harness.trial import MEASURES, Crash, Epoch, Outcome, Proposal, Status, Trial, measures_of

SCHEMA = 1
# What may differ between two runs of one cell, on one machine and with the same versions. Beside the trials: all of `environment` and
# `created` in the manifest, `seconds` and what a server says of itself in calls.jsonl, W&B's own folders.
VARYING = ("propose_seconds", "train_seconds", "crc32")
CHECKSUM = "crc32"
CHANGED = "damaged: it was changed after it was written (its checksum does not fit)"
_SEAL_BYTES = len(f',"{CHECKSUM}":"01234567"}}')
_DENSE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_AIRY = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_HALVES = re.compile("[\ud800-\udfff]")


def to_line(trial: Trial) -> str:
    """Write a trial as one line of strict JSON with its checksum, without the line end."""
    return sealed(json_line(to_row(trial)))


def sealed(line: str) -> str:
    """Add to a line that holds a JSON object, not an empty one, the checksum of its bytes."""
    body = line.removesuffix("}")
    return f'{body},"{CHECKSUM}":"{zlib.crc32(body.encode()):08x}"}}'


def read_row(line: bytes, where: str, what: str, schema: int | None) -> dict[str, Any]:
    """Read a line that `sealed` wrote, and return it without its checksum. Raises RecordError, which begins with `where`.

    `what` it is, as in "a trial record", for the error of a line that is something else. `schema`: None for rows that carry none.
    """
    try:
        row = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{where}: not JSON ({error})") from error
    if not isinstance(row, dict):
        raise RecordError(f"{where}: not {what}")
    if schema is not None:
        check_schema(row, schema, where, what)
    checksum = row.pop(CHECKSUM, None)
    body, seal = line[:-_SEAL_BYTES], line[-_SEAL_BYTES:]
    _check(checksum, body, where)
    if seal != f',"{CHECKSUM}":"{checksum}"}}'.encode():
        raise RecordError(f"{where}: {CHANGED}")
    return row


def check_schema(data: Mapping[str, Any], schema: int, where: str, what: str) -> None:
    """Raise RecordError when a record does not say that it has this schema."""
    found = data.get("schema")
    if type(found) is not int:
        raise RecordError(f"{where}: not {what}")
    if found != schema:
        raise RecordError(f"{where}: written by another version (schema {found}, this one reads {schema})")


def _check(checksum: object, content: bytes, where: str) -> None:
    if checksum is None:
        raise RecordError(f"{where}: damaged, or not written by this harness (it has no checksum)")
    if checksum != f"{zlib.crc32(content):08x}":
        raise RecordError(f"{where}: {CHANGED}")


def json_line(data: Mapping[str, Any]) -> str:
    """Write plain data as one line of strict JSON that UTF-8 can hold, whatever is in it."""
    return _text(data, _DENSE)


def json_page(data: Mapping[str, Any]) -> str:
    """Write an object as strict JSON for people too, a line a key, the last one its checksum."""
    lines = "".join(f" {_text(key, _AIRY)}: {_text(value, _AIRY)},\n" for key, value in data.items())
    return f'{{\n{lines} "{CHECKSUM}": "{zlib.crc32(lines.encode()):08x}"\n}}\n'


def read_page(text: bytes, where: str) -> dict[str, Any]:
    """Read what `json_page` wrote. Raises RecordError when it is damaged, or is something else."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{where}: cannot be read ({error})") from error
    if not isinstance(data, dict):
        raise RecordError(f"{where}: is not a JSON object")
    _check(data.pop(CHECKSUM, None), text.removeprefix(b"{\n").rpartition(f' "{CHECKSUM}"'.encode())[0], where)
    return data


def json_text(data: Any, **layout: Any) -> str:
    """Write plain data as strict JSON that UTF-8 can hold; `layout` goes to `json.JSONEncoder`."""
    return _text(data, json.JSONEncoder(ensure_ascii=False, allow_nan=False, **layout))


def _text(data: Any, encoder: json.JSONEncoder) -> str:
    text = _encoded(data, encoder)
    # Every record is written here, so no key can reach one, whoever let it through.
    return _encoded(without_secrets_in(data), encoder) if holds_secret(text) else text


def _encoded(data: Any, encoder: json.JSONEncoder) -> str:
    try:
        text = encoder.encode(data)
    except ValueError:
        text = encoder.encode(_finite(data))
    try:
        text.encode()
    except UnicodeEncodeError:
        # Half a surrogate pair, from a file's name or a model's reply: kept exactly, as an escape.
        text = _HALVES.sub(lambda half: f"\\u{ord(half[0]):04x}", text)
    return text


def to_row(trial: Trial) -> dict[str, Any]:
    """Return a trial as plain data; the inverse of `from_row`."""
    outcome, proposal = trial.outcome, trial.proposal
    row: dict[str, Any] = {
        "schema": SCHEMA,
        "trial": trial.number,
        "source": proposal.source,
        "config": proposal.config,
        "status": str(outcome.status),
        "val_score_pct": outcome.val_score_pct,
        "test_score_pct": outcome.test_score_pct,
        "best_epoch": outcome.best_epoch,
        "error": outcome.error,
        "propose_seconds": round(trial.propose_seconds, 6),
        "train_seconds": round(outcome.seconds, 6),
        "curve": _columns(outcome.curve),
    }
    if outcome.crash is not None:
        row |= {"raised_at": outcome.crash.place, "traceback": outcome.crash.traceback}
    if proposal.note:
        row["note"] = dict(proposal.note)
    return row


def from_line(line: bytes, where: str, *, curve: bool = True) -> Trial:
    """Read a line that `to_line` wrote. `where` names file and line in the RecordError of one that it did not.

    `curve=False` leaves out the curve, which takes most of the time, and the traceback.
    """
    row = read_row(line, where, "a trial record", SCHEMA)
    try:
        return from_row(row if curve else {**row, "curve": {}, "traceback": ""})
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise RecordError(f"{where}: damaged trial record ({type(error).__name__}: {error})") from error


def from_row(row: Mapping[str, Any]) -> Trial:
    """Read plain data; raises KeyError, TypeError or ValueError when it is not a trial's."""
    outcome = Outcome(
        status=Status(row["status"]),
        curve=_epochs(row["curve"]),
        seconds=float(row["train_seconds"]),
        val_score_pct=row["val_score_pct"],
        test_score_pct=row["test_score_pct"],
        best_epoch=row["best_epoch"],
        error=row["error"],
        crash=_crash(row),
    )
    proposal = Proposal(dict(row["config"]), row["source"], row.get("note", {}))
    _refuse_strange(outcome, proposal)
    return Trial(int(row["trial"]), proposal, outcome, float(row["propose_seconds"]))


def _crash(row: Mapping[str, Any]) -> Crash | None:
    """Return where a training raised; None in the rows of all others, and of versions that did not write it."""
    place, traceback = row.get("raised_at"), row.get("traceback")
    return Crash(str(place), str(traceback or "")) if place is not None else None


def _refuse_strange(outcome: Outcome, proposal: Proposal) -> None:
    """Refuse what these classes let pass and no harness writes. Raises ValueError and TypeError."""
    score = outcome.test_score_pct
    if score is not None and (isinstance(score, bool) or not math.isfinite(score)):
        raise ValueError(f"test_score_pct is {score}")
    for name, value in proposal.config.items():
        if not isinstance(value, int | float | str):
            raise TypeError(f"config: {name} is {type(value).__name__}")
    if not isinstance(proposal.note, Mapping):
        raise TypeError("note is not an object")


def _columns(curve: Sequence[Epoch]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {}
    for name, column in zip(MEASURES, zip(*map(measures_of, curve), strict=True), strict=False):
        if any(value is not None for value in column):
            columns[name] = list(column)
    if any(epoch.number != number for number, epoch in enumerate(curve, start=1)):
        columns["number"] = [epoch.number for epoch in curve]
    return columns


def _epochs(columns: Mapping[str, Sequence[Any]]) -> tuple[Epoch, ...]:
    if not columns:
        return ()
    length = len(next(iter(columns.values())))
    numbers = columns.get("number", range(1, length + 1))
    measured = {name: [_number(value) for value in column] for name, column in columns.items() if name != "number"}
    rows = (dict(zip(measured, values, strict=True)) for values in zip(*measured.values(), strict=True))
    return tuple(Epoch(**row, number=number) for row, number in zip(rows, numbers, strict=True))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, str) else value


def _finite(value: Any) -> Any:
    """Replace, anywhere inside, the floats that JSON lacks by their names."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
