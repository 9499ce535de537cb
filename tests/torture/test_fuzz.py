"""Anything at all in place of a reply, a record or a setting: used, or refused in one line, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Cli
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.values import TEXTS, trials
from torture.size import scaled

from harness.cli import app
from harness.errors import RecordError
from harness.llm.calls import read_calls
from harness.optimizers.agent.reply import BadReply, parse_reply
from harness.report.sources.calls import judged_calls
from harness.run.study import Result
from harness.space import Space
from harness.store import codec as record
from harness.store.cell_folder import read_json, read_trials
from harness.store.plan import read_plan
from harness.trial import Trial

SPACE = Space.from_mapping(
    {
        "rate": {"type": "float", "low": 1e-5, "high": 1.0, "scale": "log", "default": 1e-3, "meaning": "step size"},
        "layers": {"type": "int", "low": 1, "high": 4, "default": 2, "meaning": "layers"},
        "rule": {"type": "categorical", "choices": ["sgd", "adam"], "default": "adam", "meaning": "rule"},
        "momentum": {"type": "float", "low": 0, "high": 0.99, "default": 0.9, "meaning": "m", "when": {"rule": "sgd"}},
    }
)
GOOD = json.dumps({"analysis": "rates matter", "config": {"rate": 0.01, "layers": 3, "rule": "sgd", "momentum": 0.9}})
PIECES = st.sampled_from(
    [
        "{",
        "}",
        '"',
        "\\",
        "[",
        "]",
        ",",
        ":",
        "<think>",
        "</think>",
        "```json",
        "null",
        "NaN",
        "-Infinity",
        "1e999",
        "\\ud800",
        "true",
    ]
)


@st.composite
def spoilt(draw: st.DrawFn, text: str) -> str:
    """Draw a text with some pieces cut out, doubled, replaced or put in."""
    for _ in range(draw(st.integers(0, 4))):
        start, length = draw(st.integers(0, len(text))), draw(st.integers(0, 12))
        piece = draw(PIECES | TEXTS | st.just(text[start : start + length] * 2))
        text = text[:start] + piece + text[start + length :]
    return text


@settings(max_examples=scaled(150, 20_000))
@given(spoilt(GOOD) | st.text(max_size=80))
def test_any_reply_is_an_answer_of_the_space_or_a_complaint(text: str) -> None:
    try:
        answer = parse_reply(text, SPACE)
    except BadReply as bad:
        str(bad).encode()
        assert len(str(bad)) < 4000  # noqa: PT017 - either way is fine, and each has its own promise
    else:
        assert SPACE.problems(answer.config) == ()
        assert list(answer.config) == [name for name in SPACE.names if name in answer.config]
        answer.analysis.encode()


def refused_in_one_line(read: Callable[[], Any], name: str) -> bool:
    """Run a reader; say whether it refused, after checking that it said so in one line that names the file."""
    try:
        read()
    except RecordError as error:
        assert (name in str(error), "\n" in str(error)) == (True, False)  # noqa: PT017 - either way is fine
        return True
    return False


@settings(max_examples=scaled(60, 4_000), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=trials(), noise=st.binary(max_size=20), place=st.integers(0, 2_000), cut=st.integers(0, 60))
def test_any_bytes_in_a_file_of_trials_are_read_as_they_were_or_refused(
    tmp_path: Path, made: Trial, noise: bytes, place: int, cut: int
) -> None:
    line = record.to_line(made).replace(f'"trial":{made.number}', '"trial":1', 1)
    whole = record.with_checksum(json.dumps({k: v for k, v in json.loads(line).items() if k != record.CHECKSUM})).encode() + b"\n"
    place = min(place, len(whole))
    damaged = whole[:place] + noise + whole[place + cut :]
    path = tmp_path / "trials.jsonl"
    path.write_bytes(whole)
    before = repr(read_trials(tmp_path))
    path.write_bytes(damaged)
    if not refused_in_one_line(lambda: read_trials(tmp_path), "trials.jsonl"):
        now = repr(read_trials(tmp_path))
        assert now in (before, "()")  # a last line without its end is a torn one
    refused_in_one_line(lambda: read_trials(tmp_path, curves=False), "trials.jsonl")
    assert path.read_bytes() == damaged


@settings(max_examples=scaled(60, 4_000), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")), kind=st.booleans()
)
def test_any_bytes_in_the_other_files_are_read_or_refused(tmp_path: Path, data: bytes, kind: bool) -> None:
    content = (b'{"kind": "llm_call", "schema": 1, ' if kind else b"") + data + b"\n"
    calls, page = tmp_path / "calls.jsonl", tmp_path / "manifest.json"
    for path in (calls, page):
        path.write_bytes(content)
    refused_in_one_line(lambda: list(read_calls(calls)), calls.name)
    refused_in_one_line(lambda: list(judged_calls(calls, ())), calls.name)
    refused_in_one_line(lambda: read_json(page), page.name)
    (tmp_path / "plan.jsonl").write_bytes(content)
    refused_in_one_line(lambda: read_plan(tmp_path), "plan.jsonl")


KEYS_SET = (
    "task optimizer llm budget seed seeds start arm variant train_seed limits.trial_seconds limits.trial_memory_mb store.sync progress "
    "agent.calls agent.names agent.attempts agent.prompt agent.log_every tcs.blocks tcs.format llm.model llm.temperature llm.num_ctx "
    "llm.base_url task.version task.params task.params.epochs task.space task.space.momentum task.space.momentum.low task.card "
    "task.space.learning_rate.scale task.space.learning_rate.type task.space.momentum.when optimizer.startup_trials optimizer.options "
    "optimizer.context optimizer.label task.name task.suite tracking.project planned evaluator task.card.title study unready task.data"
)
KEYS = KEYS_SET.split()
ALPHABET = st.sampled_from(list("ab01.,:=+-~/\\'\"[](){}<>$%&#@!? \t\n_é名\udcff\x1b")) | st.characters(exclude_categories=["Nd"])
VALUES_GIVEN = (
    "null ??? ${seed} ${nowhere} ${oc.env:NOPE} ${task} true -1 0 1.5 nan inf -inf 1e400 [] [1] [[ {} {a:1} {a:{b:1}} '' '\"' range(3) "
    "toy random tcs tcs_phi4 rules none default [status] [status,status] text one two ] ) 1,2 a,b choice(1,2) ${mirrored:x} 0x10"
)
VALUES = st.sampled_from(VALUES_GIVEN.split()) | st.text(ALPHABET, max_size=8)


@st.composite
def overrides(draw: st.DrawFn) -> str:
    key = draw(st.sampled_from(KEYS) | st.sampled_from(KEYS) | st.text(ALPHABET, max_size=6))
    if draw(st.integers(0, 9)) == 0:
        key = key[:-1]
    form = draw(
        st.sampled_from(["{k}={v}", "{k}={v}", "{k}={v}", "+{k}={v}", "++{k}={v}", "~{k}", "{k}", "{k}@x={v}", "{k}={v}={v}"])
    )
    return form.format(k=key, v=draw(VALUES))


@settings(max_examples=scaled(20, 1_200), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_=st.lists(overrides(), min_size=1, max_size=2))
def test_any_setting_is_taken_or_refused_in_one_line_with_status_2(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given_: list[str]
) -> None:
    # Composed and checked in full; what it asks for is not run.
    monkeypatch.setattr(app, "run_cells", lambda *_: Result())
    monkeypatch.setattr(app, "add_to_plan", lambda *_: None)
    monkeypatch.setattr(app, "blocked_by", lambda *_: None)
    given_ = [entry for entry in given_ if not entry.startswith("-") and "hydra" not in entry and "out" not in entry]
    ran = cli("task=toy", "tracking=off", "progress=off", "out=never", *given_)
    assert ran.status in (0, 1, 2), ran.err
    assert "Traceback" not in ran.err
    if ran.status == 2:
        assert ran.line.startswith("harness: ")
        assert ran.line.isprintable()
    assert list(tmp_path.iterdir()) == []
