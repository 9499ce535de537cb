from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from support.values import trial, trials

from harness.errors import RecordError
from harness.store import codec as record
from harness.trial import Crash, Epoch, Outcome, Status, Trial


def strict(text: str) -> Any:
    """Read JSON that holds no NaN or Infinity."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def same(value: Any) -> Any:
    """Return a value in which NaN equals itself."""
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    if isinstance(value, Epoch):
        return same(dataclasses.astuple(value))
    if isinstance(value, dict):
        return {key: same(inner) for key, inner in value.items()}
    return [same(inner) for inner in value] if isinstance(value, list | tuple) else value


def read_or_refused(line: str) -> str:
    """Read a line; anything but a trial or a RecordError that names the place goes through."""
    try:
        read = record.from_line(line.encode(), "here")
    except RecordError as error:
        return "refused" if str(error).startswith("here: ") else str(error)
    return "read" if isinstance(read, Trial) else repr(read)


@given(trials())
def test_a_trial_is_one_line_of_strict_utf_8_json_and_reads_back_as_it_was(made: Trial) -> None:
    line = record.to_line(made)
    assert "\n" not in line
    assert strict(line.encode().decode())["schema"] == record.SCHEMA
    read = record.from_line(line.encode(), "here")
    assert same(record.to_row(read)) == same(record.to_row(made))
    assert same(read.outcome.curve) == same(made.outcome.curve)


def test_numbers_come_back_to_the_last_bit() -> None:
    curve = (
        Epoch(val_score_pct=0.1 + 0.2, val_loss=5e-324, number=1),
        Epoch(val_score_pct=1 / 3, val_loss=1.7976931348623157e308, number=2),
    )
    made = Trial(1, trial(1).proposal, Outcome.of_curve(curve, 1.0))
    assert record.from_line(record.to_line(made).encode(), "here").outcome.curve == curve


def test_a_row_can_be_read_by_a_person() -> None:
    row = json.loads(record.to_line(trial(3, 60.0, name="größe")))
    assert row["config"] == {"x": 0.5, "name": "größe"}
    assert "größe" in record.to_line(trial(3, 60.0, name="größe"))
    assert row["curve"] == {"val_score_pct": [59.0, 60.0], "test_score_pct": [58.0, 59.0]}
    assert list(row)[:4] == ["schema", "trial", "source", "config"]


def test_what_json_lacks_is_written_in_words() -> None:
    curve = (Epoch(val_score_pct=1.0, val_loss=math.inf, train_loss=math.nan, number=1),)
    made = Trial(1, trial(1).proposal, Outcome.failed(Status.DIVERGED, "val_loss is inf", curve, 0.1))
    row = strict(record.to_line(made))
    assert row["curve"]["val_loss"] == ["inf"]
    assert row["curve"]["train_loss"] == ["nan"]
    assert record.from_line(record.to_line(made).encode(), "here").outcome.curve[0].val_loss == math.inf


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a trial record"),
        ("{}", "not a trial record"),
        ('{"schema":true}', "not a trial record"),
        ('{"schema":"1"}', "not a trial record"),
        ('{"schema":2,"new":1}', "written by another version (schema 2, this one reads 1)"),
        ('{"schema":0,"old":1}', "written by another version (schema 0, this one reads 1)"),
        ('{"schema":1}', "damaged, or not written by this harness (it has no checksum)"),
        (record.with_checksum('{"schema":1}'), "damaged trial record (KeyError: 'status')"),
    ],
)
def test_a_line_that_is_no_record_is_refused_with_its_place_and_reason(line: str, words: str) -> None:
    with pytest.raises(RecordError) as refused:
        record.from_line(line.encode(), "trials.jsonl, line 7")
    assert str(refused.value).startswith("trials.jsonl, line 7: ")
    assert words in str(refused.value)


@given(st.data())
def test_a_record_with_anything_in_place_of_one_of_its_values_is_read_or_refused(data: st.DataObject) -> None:
    row = record.to_row(data.draw(trials()))
    key = data.draw(st.sampled_from(sorted(row)))
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
    row[key] = data.draw(anything)
    assert read_or_refused(record.with_checksum(json.dumps(row))) in ("read", "refused")


@given(st.binary(max_size=40), st.integers(0, 400), trials())
def test_flipped_bytes_are_read_or_refused_and_nothing_else(noise: bytes, place: int, made: Trial) -> None:
    line = record.to_line(made).encode()
    damaged = line[:place] + noise + line[place + len(noise) :]
    try:
        text = damaged.decode()
    except UnicodeDecodeError:
        return
    assert read_or_refused(text) in ("read", "refused")


def test_any_flipped_bit_of_a_line_or_a_page_leaves_what_it_says_as_it_was_or_is_told() -> None:
    line = record.to_line(trial(3, 60.0, name="größe")).encode()
    page = record.json_page({"schema": 1, "identity": {"seed": 3}}).encode()
    for place in range(8 * len(line)):
        damaged = flipped(line, place)
        if read_or_refused_bytes(damaged) == "read":
            assert record.from_line(damaged, "here") == record.from_line(line, "here")
    for place in range(8 * len(page)):
        try:
            read = record.read_page(flipped(page, place), "here")
        except RecordError as error:
            assert str(error).startswith("here: ")  # noqa: PT017 - the other way is fine too
        else:
            assert {name: read[name] for name in ("schema", "identity")} == {"schema": 1, "identity": {"seed": 3}}


def flipped(data: bytes, place: int) -> bytes:
    """Return `data` with one bit the other way round."""
    changed = bytearray(data)
    changed[place // 8] ^= 1 << place % 8
    return bytes(changed)


def read_or_refused_bytes(line: bytes) -> str:
    try:
        return read_or_refused(line.decode())
    except UnicodeDecodeError:
        return "refused"


def test_where_a_training_raised_is_in_the_rows_of_crashes_alone_and_can_be_left_out() -> None:
    crashed = dataclasses.replace(
        trial(1, None), outcome=dataclasses.replace(trial(1, None).outcome, crash=Crash("mine.py:3", "Traceback\n  ..."))
    )
    row = record.to_row(crashed)
    assert (row["raised_at"], row["traceback"]) == ("mine.py:3", "Traceback\n  ...")
    assert not {"raised_at", "traceback"} & {*record.to_row(trial(1)), *record.to_row(trial(1, None))}
    line = record.to_line(crashed).encode()
    assert record.from_line(line, "here").outcome.crash == Crash("mine.py:3", "Traceback\n  ...")
    assert record.from_line(line, "here", curve=False).outcome.crash == Crash("mine.py:3", "")
