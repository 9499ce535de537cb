"""Write a trial as one line of JSON, and read it back.

A line is a JSON object. A curve is stored as columns (`{"val_loss": [...], ...}`). Numbers that JSON cannot hold are the texts "nan", "inf"
and "-inf". A line is written once and never changed. Its last key is the CRC-32 of the bytes before it, which detects damage on the disk.
A line with another schema version is refused, because this version does not know what its fields mean.
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
# The fields of a trial that may differ between two runs of one cell on one machine with the same versions. In other files these are: all
# of `environment` and `created` in the manifest, `seconds` and the server's facts in calls.jsonl, and W&B's own folders.
VARYING = ("propose_seconds", "train_seconds", "crc32")
CHECKSUM = "crc32"
CHANGED = "damaged: it was changed after it was written (its checksum does not fit)"
_CHECKSUM_BYTES = len(f',"{CHECKSUM}":"01234567"}}')
_COMPACT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_SPACED = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_SURROGATES = re.compile("[\ud800-\udfff]")


def to_line(trial: Trial) -> str:
    """Write a trial as one line of strict JSON with its checksum, without the line end."""
    return with_checksum(json_line(to_row(trial)))


def with_checksum(line: str) -> str:
    """Return a line, which must hold a JSON object that is not empty, with the checksum of its bytes as the last key."""
    body = line.removesuffix("}")
    return f'{body},"{CHECKSUM}":"{zlib.crc32(body.encode()):08x}"}}'


def read_row(line: bytes, where: str, what: str, schema: int | None) -> dict[str, Any]:
    """Read a line that `with_checksum` made, and return its object without the checksum. Raises RecordError, which begins with `where`.

    `what` names the expected contents in that error, as in "a trial record". `schema` is None for rows without a schema version.
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
    body, ending = line[:-_CHECKSUM_BYTES], line[-_CHECKSUM_BYTES:]
    _check(checksum, body, where)
    if ending != f',"{CHECKSUM}":"{checksum}"}}'.encode():
        raise RecordError(f"{where}: {CHANGED}")
    return row


def check_schema(data: Mapping[str, object], schema: int, where: str, what: str) -> None:
    """Raise RecordError when the `schema` field of a record is missing or is another version."""
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


def json_line(data: Mapping[str, object]) -> str:
    """Write plain data as one line of strict JSON. Any float and any text can be written (see `_encoded`)."""
    return _text(data, _COMPACT)


def json_page(data: Mapping[str, object]) -> str:
    """Write an object as strict JSON with one line per key, so that people can read it. The last key is the checksum."""
    lines = "".join(f" {_text(key, _SPACED)}: {_text(value, _SPACED)},\n" for key, value in data.items())
    return f'{{\n{lines} "{CHECKSUM}": "{zlib.crc32(lines.encode()):08x}"\n}}\n'


def read_page(text: bytes, where: str) -> dict[str, Any]:
    """Read what `json_page` wrote. Raises RecordError for damaged or other contents."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{where}: cannot be read ({error})") from error
    if not isinstance(data, dict):
        raise RecordError(f"{where}: is not a JSON object")
    _check(data.pop(CHECKSUM, None), text.removeprefix(b"{\n").rpartition(f' "{CHECKSUM}"'.encode())[0], where)
    return data


def json_text(data: object, *, indent: int | None = None) -> str:
    """Write plain data as strict JSON, without a checksum; `indent` as in `json.dumps`."""
    return _text(data, json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=indent))


def _text(data: object, encoder: json.JSONEncoder) -> str:
    text = _encoded(data, encoder)
    # Every record is written here, so a secret that any other part of the harness missed is removed here.
    return _encoded(without_secrets_in(data), encoder) if holds_secret(text) else text


def _encoded(data: object, encoder: json.JSONEncoder) -> str:
    try:
        text = encoder.encode(data)
    except ValueError:
        text = encoder.encode(_finite(data))
    try:
        text.encode()
    except UnicodeEncodeError:
        # UTF-8 cannot hold half of a surrogate pair, as in some file names and replies of models. It is kept as an escape.
        text = _SURROGATES.sub(lambda half: f"\\u{ord(half[0]):04x}", text)
    return text


def to_row(trial: Trial) -> dict[str, object]:
    """Return a trial as plain data; the inverse of `from_row`."""
    outcome, proposal = trial.outcome, trial.proposal
    row: dict[str, object] = {
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
    """Read a line that `to_line` wrote. Raises RecordError for any other line; `where` names file and line in it.

    `curve=False` leaves out the curve, which takes most of the time to read, and the traceback.
    """
    row = read_row(line, where, "a trial record", SCHEMA)
    try:
        return from_row(row if curve else {**row, "curve": {}, "traceback": ""})
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise RecordError(f"{where}: damaged trial record ({type(error).__name__}: {error})") from error


def from_row(row: Mapping[str, Any]) -> Trial:
    """Read plain data. Raises KeyError, TypeError, ValueError, AttributeError or OverflowError when it is not a trial."""
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
    _check_values(outcome, proposal)
    return Trial(int(row["trial"]), proposal, outcome, float(row["propose_seconds"]))


def _crash(row: Mapping[str, Any]) -> Crash | None:
    """Return where a training raised; None in the rows of all others, and of versions that did not write it."""
    place, traceback = row.get("raised_at"), row.get("traceback")
    return Crash(str(place), str(traceback or "")) if place is not None else None


def _check_values(outcome: Outcome, proposal: Proposal) -> None:
    """Raise ValueError or TypeError for values that the classes accept and the harness never writes."""
    score = outcome.test_score_pct
    if score is not None and (isinstance(score, bool) or not math.isfinite(score)):
        raise ValueError(f"test_score_pct is {score}")
    for name, value in proposal.config.items():
        if not isinstance(value, int | float | str):
            raise TypeError(f"config: {name} is {type(value).__name__}")
    if not isinstance(proposal.note, Mapping):
        raise TypeError("note is not an object")


def _columns(curve: Sequence[Epoch]) -> dict[str, Sequence[float | None]]:
    columns: dict[str, Sequence[float | None]] = {}
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


def _number(value: float | str | None) -> float | None:
    return float(value) if isinstance(value, str) else value


def _finite(value: object) -> object:
    """Replace NaN and infinities, at any depth, by their names."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
