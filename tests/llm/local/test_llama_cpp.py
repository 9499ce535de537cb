"""The real llama.cpp with a random model: inside the process, and through its OpenAI server."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InvalidConfig
from harness.llm.backend import Message, Request
from harness.llm.build import build_backend, takes_grammars
from harness.llm.calls import CallRecord, read_calls
from harness.llm.errors import BadRequest, NotReady, TransportFault, TruncatedPrompt
from harness.llm.llama_cpp import LlamaCpp
from harness.llm.openai import OpenAI
from harness.llm.settings import LlmSettings
from harness.space import Space
from harness.testing.contracts.backend import BackendContract

xllamacpp: Any = pytest.importorskip("xllamacpp", reason="llama.cpp is not installed: pip install -e '.[llama-cpp]'")

SPACE = Space.from_mapping(
    {
        "learning_rate": {"type": "float", "low": 1e-5, "high": 0.1, "scale": "log", "default": 1e-3, "meaning": "step"},
        "layers": {"type": "int", "low": 1, "high": 4, "default": 2, "meaning": "depth"},
        "optimizer": {"type": "categorical", "choices": ["sgd", "adam"], "default": "adam", "meaning": "method"},
    }
)
REPLY = {
    "type": "object",
    "properties": {
        "analysis": {"type": "string", "maxLength": 20},
        "config": {
            "type": "object",
            "properties": {
                "learning_rate": {"type": "number", "minimum": 1e-5, "maximum": 0.1},
                "layers": {"type": "integer", "minimum": 1, "maximum": 4},
                "optimizer": {"type": "string", "enum": ["sgd", "adam"]},
            },
            "required": ["learning_rate", "layers", "optimizer"],
            "additionalProperties": False,
        },
    },
    "required": ["analysis", "config"],
    "additionalProperties": False,
}


def in_process(path: Path, **changes: Any) -> LlmSettings:
    values: dict[str, Any] = {
        "name": "llama_cpp",
        "_target_": "harness.llm.llama_cpp.LlamaCpp",
        "path": str(path),
        "chat_template": "chatml",
        "threads": 1,
        "num_ctx": 4096,
        "max_tokens": 1500,
        "temperature": 0.8,
        "timeout_seconds": 60.0,
        **changes,
    }
    return LlmSettings(**values)


@pytest.fixture(scope="module")
def address(tiny_gguf: Path) -> Iterator[str]:
    params = xllamacpp.CommonParams()
    params.model.path = str(tiny_gguf)
    params.n_ctx, params.n_parallel, params.warmup, params.verbosity = 4096, 1, False, -1
    params.cpuparams.n_threads = 1
    params.chat_template, params.use_jinja = "chatml", False
    server = xllamacpp.Server(params)
    yield f"{server.listening_address}/v1"
    del server


class TestInProcess(BackendContract):
    backend_class = LlamaCpp

    @pytest.fixture
    def settings(self, tiny_gguf: Path) -> LlmSettings:
        return in_process(tiny_gguf)


class TestThroughItsServer(BackendContract):
    backend_class = OpenAI

    @pytest.fixture
    def settings(self, address: str) -> LlmSettings:
        return LlmSettings(
            name="openai_compatible",
            _target_="harness.llm.openai.OpenAI",
            model="tiny",
            base_url=address,
            num_ctx=4096,
            max_tokens=1500,
            temperature=0.8,
            timeout_seconds=60.0,
        )


def replies(settings: LlmSettings, schema: dict[str, Any] | None, keep: list[CallRecord]) -> list[str]:
    backend = build_backend(settings, keep=keep.append)
    asked = [
        settings.request([Message("user", "Propose.")], schema=schema, seed=trial, trial=trial, call=1) for trial in range(1, 21)
    ]
    return [backend.complete(request).text for request in asked]


def test_the_grammar_makes_even_a_random_model_propose_members_of_the_space(tiny_gguf: Path) -> None:
    kept: list[CallRecord] = []
    for text in replies(in_process(tiny_gguf), REPLY, kept):
        SPACE.check(json.loads(text)["config"])
    assert [record.trial for record in kept] == list(range(1, 21))
    assert all(CallRecord.from_dict(json.loads(json.dumps(record.to_dict()))) == record for record in kept)


def test_without_bounds_its_numbers_are_nonsense_and_the_check_says_so(tiny_gguf: Path) -> None:
    loose = json.loads(json.dumps(REPLY))
    for name in ("learning_rate", "layers"):
        del (
            loose["properties"]["config"]["properties"][name]["minimum"],
            loose["properties"]["config"]["properties"][name]["maximum"],
        )
    problems: list[str] = []
    for text in replies(in_process(tiny_gguf), loose, []):
        try:
            SPACE.check(json.loads(text)["config"])
        except InvalidConfig as invalid:
            problems += invalid.problems
    assert any("learning_rate" in problem and "above the maximum" in problem for problem in problems)
    assert any("layers" in problem for problem in problems)


def test_without_a_grammar_its_replies_are_not_even_json(tiny_gguf: Path) -> None:
    texts = replies(in_process(tiny_gguf, reply_format="prompt", max_tokens=50, num_ctx=4096), REPLY, [])
    assert len(set(texts)) == 20
    for text in texts:
        text.encode()  # as UTF-8: it can be written down
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)


def test_a_whole_cell_runs_on_it_and_says_where_each_configuration_came_from(tiny_gguf: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness", "task=toy", "optimizer=tcs", "llm=llama_cpp", f"llm.path={tiny_gguf}", "budget=4"]
    command += [
        "llm.chat_template=chatml",
        "llm.num_ctx=16384",
        "llm.max_tokens=300",
        "llm.threads=1",
        "tracking=off",
        f"out={tmp_path}",
    ]
    root = Path(__file__).resolve().parents[3]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    (path,) = tmp_path.rglob("trials.jsonl")
    assert path.with_name("summary.json").exists(), run.stdout + run.stderr
    trials = [json.loads(line) for line in path.read_text().splitlines()]
    calls = list(read_calls(path.with_name("calls.jsonl")))
    assert [trial["trial"] for trial in trials] == [1, 2, 3, 4]
    for trial in trials:
        asked = [call for call in calls if call.trial == trial["trial"]]
        source = {1: ["llm", "fallback"], 2: ["llm-retry-1", "fallback"], 3: ["llm-retry-2", "fallback"]}[len(asked)]
        assert trial["source"] in source
    assert {call.reply.facts.model for call in calls if call.reply} == {"tiny"}


def test_the_file_is_recorded_by_its_hash(tiny_gguf: Path) -> None:
    import hashlib

    settings = in_process(tiny_gguf)
    facts = LlamaCpp(settings).complete(settings.request([Message("user", "Hello.")], schema=None, seed=1, trial=1, call=1)).facts
    assert facts.model == "tiny"
    assert facts.digest == f"sha256:{hashlib.sha256(tiny_gguf.read_bytes()).hexdigest()}"
    assert facts.server is not None
    assert facts.server.startswith("xllamacpp 20")


def test_the_engine_counts_a_prompt_exactly_and_one_over_the_window_is_not_sent(tiny_gguf: Path) -> None:
    # A vocabulary of single letters makes more tokens than any estimate expects.
    settings = in_process(tiny_gguf, num_ctx=2048)
    request = settings.request([Message("user", "abcdefghij " * 300)], schema=None, seed=1, trial=4, call=1)
    with pytest.raises(TruncatedPrompt, match=r"the prompt of trial 4 has \d+ tokens and its reply at least 64") as caught:
        build_backend(settings, keep=lambda _: None).complete(request)
    with pytest.raises(TruncatedPrompt, match=r"llama\.cpp refuses the prompt of trial 4") as refused:
        LlamaCpp(settings).complete(request)
    assert caught.value.prompt_tokens == refused.value.prompt_tokens == LlamaCpp(settings).count_tokens(request)
    assert caught.value.prompt_tokens is not None
    assert caught.value.prompt_tokens > 2048
    assert caught.value.window_tokens == 2048


def test_a_generation_past_the_deadline_is_stopped_and_the_engine_stays(tiny_gguf: Path) -> None:
    def asked(settings: LlmSettings) -> Request:
        return settings.request([Message("user", "Write.")], schema=None, seed=1, trial=1, call=1)

    settings = in_process(tiny_gguf, max_tokens=50)
    before = LlamaCpp(settings).complete(asked(settings))
    hurried = in_process(tiny_gguf, timeout_seconds=0.05, max_tokens=3900)
    for _ in range(3):
        with pytest.raises(TransportFault, match=r"llama\.cpp gave no complete answer within 0\.05 s"):
            LlamaCpp(hurried).complete(asked(hurried))
    after = LlamaCpp(settings).complete(asked(settings))
    assert after.text == before.text
    assert after.load_seconds is not None
    assert after.load_seconds < 0.01, "it was not loaded again"


@pytest.mark.parametrize("low_high", [(1e-5, 0.1), (-1e-4, 5e3), (0.999, 0.9999), (1e-12, 1e-3), (1 / 3, 2 / 3), (16, 512)])
def test_the_range_of_a_number_is_held_at_any_temperature(tiny_gguf: Path, low_high: tuple[float, float]) -> None:
    low, high = low_high
    kind = "integer" if isinstance(low, int) else "number"
    schema = {
        "type": "object",
        "properties": {"x": {"type": kind, "minimum": low, "maximum": high}},
        "required": ["x"],
        "additionalProperties": False,
    }
    for temperature in (0.7, 2.0):
        for text in replies(in_process(tiny_gguf, temperature=temperature, max_tokens=200), schema, []):
            assert low <= json.loads(text)["x"] <= high
            assert len(text) < 40 or low < 1e-10, "decimals without end would be cut off"


@pytest.mark.parametrize("bounds", [{"minimum": 1e20, "maximum": 1e22}, {"minimum": 1e-300, "maximum": 1.0}])
def test_a_bound_that_the_engine_cannot_hold_does_not_take_the_rest_with_it(tiny_gguf: Path, bounds: dict[str, float]) -> None:
    schema = {
        "type": "object",
        "properties": {"x": {"type": "number", **bounds}, "y": {"type": "integer", "minimum": 1, "maximum": 4}},
        "required": ["x", "y"],
        "additionalProperties": False,
    }
    for text in replies(in_process(tiny_gguf, max_tokens=400), schema, []):
        assert json.loads(text)["y"] in range(1, 5)


def test_a_request_may_have_a_grammar_and_no_chat_template(tiny_gguf: Path) -> None:
    settings = in_process(tiny_gguf, max_tokens=40)
    kept: list[CallRecord] = []
    backend = build_backend(settings, keep=kept.append)
    plain = settings.request([Message("user", "0.9,")], schema=None, seed=1, trial=1, call=1)
    held = replace(plain, grammar='root ::= "0." [0-9]{3} "\\n"', raw=True, call=2)
    assert re.fullmatch(r"0\.\d{3}\n", backend.complete(held).text)
    assert LlamaCpp(settings).count_tokens(held) < LlamaCpp(settings).count_tokens(plain)
    assert held.key != replace(held, grammar=None).key != replace(held, grammar=None, raw=False).key
    assert kept[0].grammar_key
    assert kept[0].raw
    assert CallRecord.from_dict(json.loads(json.dumps(kept[0].to_dict()))) == kept[0]
    assert kept[0].differences(held) == []
    assert len(kept[0].differences(plain)) == 2
    assert takes_grammars(settings)
    with pytest.raises(BadRequest, match=r"llama\.cpp refuses the request: .*grammar"):
        LlamaCpp(settings).complete(replace(held, grammar="root ::= ("))
    with pytest.raises(ValueError, match="not both"):
        replace(held, schema=REPLY, raw=False)


@pytest.mark.parametrize(
    ("content", "text"), [(None, "No such file"), (b"hello", "is not a GGUF file"), (b"GGUF....", "is damaged")]
)
def test_a_file_that_is_no_model_is_said_in_one_line(tmp_path: Path, content: bytes | None, text: str) -> None:
    path = tmp_path / "model.gguf"
    if content is not None:
        path.write_bytes(content)
    settings = in_process(path)
    with pytest.raises(NotReady, match=text):
        LlamaCpp(settings).complete(settings.request([Message("user", "Hello.")], schema=None, seed=1, trial=1, call=1))
