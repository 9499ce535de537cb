from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import RecordError
from harness.llm.backend import Message, ModelFacts, Reply, ReplyFormat, Request, Token
from harness.llm.calls import CallRecord, calls_below, read_calls
from harness.llm.errors import TransportFault
from harness.store.codec import json_line, with_checksum

FACTS = ModelFacts("ollama", "phi4", server="0.12", digest="abc", context_tokens=32768, capabilities=("completion",))
REQUEST = Request(
    (Message("system", "You tune."), Message("user", "line one\nline two")),
    model="phi4",
    schema={"type": "object"},
    seed=7,
    temperature=0.8,
    max_tokens=100,
    num_ctx=4096,
    trial=2,
    call=1,
)
REPLY = Reply(
    "{}", FACTS, thinking="hm", prompt_tokens=5, completion_tokens=2, seconds=0.25, load_seconds=0.1, finish_reason="stop"
)
text = st.text(st.characters(exclude_categories=["Cs"]))
maybe_tokens = st.none() | st.integers(0, 10**9)


def test_a_record_reads_back_as_it_was() -> None:
    record = CallRecord.of(REQUEST, 0.3, reply=REPLY)
    assert CallRecord.from_dict(json.loads(json.dumps(record.to_dict()))) == record
    failed = CallRecord.of(REQUEST, 0.3, error=TransportFault("lost"))
    assert CallRecord.from_dict(json.loads(json.dumps(failed.to_dict()))) == failed


def test_a_record_without_log_probabilities_is_as_it_always_was_and_one_with_them_reads_back() -> None:
    assert not {"top_logprobs", "tokens"} & (set(CallRecord.of(REQUEST, 0.3, reply=REPLY).to_dict()) | set(_reply_row(REPLY)))
    asked = replace(REQUEST, top_logprobs=5)
    scored = replace(REPLY, tokens=(Token(" 2", -0.1, ((" 2", -0.1), ("1", -2.5))), Token("}", 0.0)))
    record = CallRecord.of(asked, 0.3, reply=scored)
    assert CallRecord.from_dict(json.loads(json.dumps(record.to_dict()))) == record
    assert asked.key != REQUEST.key
    assert record.differences(asked) == []
    assert record.differences(REQUEST) == ["log-probabilities of a token: 5 recorded, 0 asked"]
    with pytest.raises(ValueError, match="0 to 20"):
        replace(REQUEST, top_logprobs=21)


def test_what_is_no_list_of_tokens_gives_none() -> None:
    assert Token.read([{"token": "1", "logprob": -0.5}] * 60) == (Token("1", -0.5),) * 48
    for odd in (None, [1], [{"token": "x"}], "text", [{"token": "x", "logprob": 0, "top_logprobs": [{}]}]):
        assert Token.read(odd) == ()


@given(text, text, text, maybe_tokens, maybe_tokens, st.floats(0, 1e6))
def test_any_reply_reads_back_as_it_was(
    said: str, thought: str, reason: str, prompt: int | None, done: int | None, spent: float
) -> None:
    reply = Reply(said, FACTS, thinking=thought, prompt_tokens=prompt, completion_tokens=done, seconds=spent, finish_reason=reason)
    record = CallRecord.of(replace(REQUEST, messages=(Message("user", thought),)), spent, reply=reply)
    line = json.dumps(record.to_dict(), ensure_ascii=False).encode()
    assert CallRecord.from_dict(json.loads(line)) == record


def _reply_row(reply: Reply) -> dict[str, Any]:
    row: Any = CallRecord.of(REQUEST, 0.3, reply=reply).to_dict()["reply"]
    return dict(row)


def test_the_key_is_the_same_in_every_process() -> None:
    code = (
        "from harness.llm.backend import Message, Request\n"
        "print(Request((Message('system', 'You tune.'), Message('user', 'line one\\nline two')), model='phi4', schema={'type': 'object'},"
        " seed=7, temperature=0.8, max_tokens=100, num_ctx=4096).key)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "5"})
    assert run.stdout.strip() == REQUEST.key


@pytest.mark.parametrize(
    "change",
    [
        {"model": "qwen"},
        {"seed": 8},
        {"temperature": 0.0},
        {"max_tokens": 101},
        {"num_ctx": 8192},
        {"think": True},
        {"reply_format": ReplyFormat.PROMPT},
        {"schema": None},
        {"schema": {"type": "array"}},
        {"messages": REQUEST.messages[:1]},
        {"messages": (Message("user", "You tune."), REQUEST.messages[1])},
    ],
)
def test_whatever_decides_the_answer_is_in_the_key(change: dict[str, Any]) -> None:
    assert replace(REQUEST, **change).key != REQUEST.key


@pytest.mark.parametrize("change", [{"trial": 9}, {"call": 9}, {"attempt": 9}])
def test_which_question_it_is_is_not_in_the_key(change: dict[str, Any]) -> None:
    assert replace(REQUEST, **change).key == REQUEST.key


def line_of(record: CallRecord) -> str:
    return with_checksum(json_line(record.to_dict()))


def test_the_calls_of_all_cells_below_a_folder_are_found(tmp_path: Path) -> None:
    records = [CallRecord.of(replace(REQUEST, call=call), 0.1, reply=REPLY) for call in (1, 2)]
    for seed, record in enumerate(records):
        cell = tmp_path / "task" / "arm" / f"seed{seed}"
        cell.mkdir(parents=True)
        (cell / "calls.jsonl").write_text(line_of(record) + "\n")
        (cell / "trials.jsonl").write_text("is not looked at\n")
    assert [record for _, record in calls_below(tmp_path)] == records
    assert list(calls_below(cell / "calls.jsonl")) == [(cell / "calls.jsonl", records[1])]


def test_a_line_cut_short_by_a_crash_is_left_out(tmp_path: Path) -> None:
    line = line_of(CallRecord.of(REQUEST, 0.1, reply=REPLY))
    path = tmp_path / "calls.jsonl"
    assert list(read_calls(path)) == []
    path.write_text(f"{line}\n{line[:50]}")
    assert len(list(read_calls(path))) == 1


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('{"kind":"llm_call",', "not JSON"),
        ('{"kind":"llm_call","schema":1}', "no checksum"),
        (with_checksum('{"kind":"llm_call","schema":1}'), "damaged record of an LLM call"),
        ('{"kind":"llm_call","schema":2}', "written by another version .schema 2, this one reads 1."),
        ('{"kind":"llm_call"}', "not the record of an LLM call"),
        (with_checksum('{"kind":"a_call","schema":1}'), "not the record of an LLM call"),
    ],
)
def test_a_damaged_record_names_file_and_line(tmp_path: Path, line: str, text: str) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(RecordError, match=f"calls.jsonl, line 1.*{text}"):
        list(read_calls(path))
