"""What a real Ollama 0.32.15 was seen to answer: the double gives the same, and the backend makes the best of it."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness.llm.backend import Message, Reply, Request
from harness.llm.build import build_backend
from harness.llm.calls import CallRecord
from harness.llm.errors import BackendUnavailable, BadRequest, NotReady, TruncatedPrompt
from harness.llm.ollama import Ollama
from harness.llm.probe import readiness
from harness.llm.settings import LlmSettings
from harness.testing.contracts.backend import SCHEMA
from harness.testing.servers.ollama_api import OllamaDouble
from harness.testing.servers.openai_api import OpenAIDouble
from harness.testing.servers.schema import fits
from harness.testing.servers.script import Script

ollama_client: Any = pytest.importorskip("ollama")
MODEL = "phi4-reasoning:14b"
CHAT: dict[str, Any] = {"model": MODEL, "stream": False, "messages": [{"role": "user", "content": "Propose."}]}
LOOP = {"enum": ["0" * 120]}


def raw(server: OllamaDouble, path: str, body: Any = None, *, method: str = "POST") -> tuple[int, str, str]:
    """Send without any client; return the status, the content's type and the body."""
    data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, data=data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status, response.headers.get_content_type(), response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get_content_type(), error.read().decode()


def chat(server: OllamaDouble, **more: Any) -> dict[str, Any]:
    status, _, text = raw(server, "/api/chat", {**CHAT, **more})
    assert status == 200, text
    answer: dict[str, Any] = json.loads(text)
    return answer


REFUSED: dict[str, tuple[str, str, Any, int, Any]] = {
    "a get of the chat": ("GET", "/api/chat", None, 405, "405 method not allowed"),
    "a post of the list": ("POST", "/api/tags", {}, 405, "405 method not allowed"),
    "an unknown path": ("GET", "/api/nothing", None, 404, "404 page not found"),
    "an unknown path, posted to": ("POST", "/api/nothing", {}, 404, "404 page not found"),
    "show without a name": ("POST", "/api/show", {}, 400, {"error": "model is required"}),
    "chat without a name": ("POST", "/api/chat", {"messages": []}, 400, {"error": "model is required"}),
    "a bad name": ("POST", "/api/show", {"model": "a b//:"}, 400, {"error": "invalid model name"}),
    "a name that is not there": ("POST", "/api/chat", {**CHAT, "model": "x"}, 404, {"error": "model 'x' not found"}),
    "a body that is no JSON": (
        "POST",
        "/api/chat",
        b"{not json}",
        400,
        {"error": "invalid character 'n' looking for beginning of object key string"},
    ),
    "no body": ("POST", "/api/chat", None, 400, {"error": "missing request body"}),
    "messages of a wrong type": (
        "POST",
        "/api/chat",
        {**CHAT, "messages": "hello"},
        400,
        {"error": "json: cannot unmarshal string into Go struct field ChatRequest.messages of type []api.Message"},
    ),
    "a message of a wrong type": (
        "POST",
        "/api/chat",
        {**CHAT, "messages": [1]},
        400,
        {"error": "json: cannot unmarshal number into Go struct field ChatRequest.messages of type api.Message"},
    ),
    "a window that is a word": (
        "POST",
        "/api/chat",
        {**CHAT, "options": {"num_ctx": "big"}},
        500,
        {"error": 'option "num_ctx" must be of type integer'},
    ),
    "a time that is a word": (
        "POST",
        "/api/chat",
        {**CHAT, "keep_alive": "soon"},
        400,
        {"error": 'time: invalid duration "soon"'},
    ),
    "a level of thinking that is none": (
        "POST",
        "/api/chat",
        {**CHAT, "think": "much"},
        400,
        {"error": 'invalid think value: "much" (must be "high", "medium", "low", true, or false)'},
    ),
    "a time without a unit": (
        "POST",
        "/api/chat",
        {**CHAT, "keep_alive": "300"},
        400,
        {"error": 'time: missing unit in duration "300"'},
    ),
    "thinking of a model that cannot": (
        "POST",
        "/api/chat",
        {**CHAT, "think": True},
        400,
        {"error": f'"{MODEL}" does not support thinking'},
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_real_one_refuses_the_double_refuses_in_the_same_words(case: str, ollama: OllamaDouble) -> None:
    method, path, body, status, said = REFUSED[case]
    kind = "text/plain" if isinstance(said, str) else "application/json"
    code, content, text = raw(ollama, path, body, method=method)
    assert (code, content) == (status, kind)
    assert (text if isinstance(said, str) else json.loads(text)) == said


def test_a_format_is_json_or_a_schema(ollama: OllamaDouble) -> None:
    code, _, text = raw(ollama, "/api/chat", {**CHAT, "format": "yaml"})
    assert (code, json.loads(text)["error"][:14]) == (500, "invalid format")
    assert isinstance(json.loads(chat(ollama, format="json")["message"]["content"]), dict)


@pytest.mark.parametrize("schema", [{"type": "colour"}, {"$ref": "#/$defs/none"}, {"type": "string", "pattern": "a+"}])
def test_a_schema_that_cannot_be_held_is_an_error_inside_an_error(schema: dict[str, Any], ollama: OllamaDouble) -> None:
    code, _, text = raw(ollama, "/api/chat", {**CHAT, "format": {"type": "object", "properties": {"x": schema}}})
    inner = json.loads(json.loads(text)["error"])["error"]
    assert (code, inner["code"]) == (400, 400)
    assert inner["message"].startswith("JSON schema conversion failed")


def test_a_chat_without_messages_only_loads_or_unloads(ollama: OllamaDouble) -> None:
    loaded = chat(ollama, messages=[])
    assert (loaded["message"]["content"], loaded["done"], loaded["done_reason"]) == ("", True, "load")
    assert len(json.loads(raw(ollama, "/api/ps", method="GET")[2])["models"]) == 1
    assert chat(ollama, messages=[], keep_alive=0)["done_reason"] == "unload"
    assert json.loads(raw(ollama, "/api/ps", method="GET")[2])["models"] == []


def test_a_tiny_window_is_larger_than_asked(ollama: OllamaDouble) -> None:
    answer = chat(ollama, options={"num_ctx": 16}, truncate=False, messages=[{"role": "user", "content": "word " * 28}])
    assert answer["prompt_eval_count"] == 32


def test_show_and_the_lists_give_what_the_real_ones_do(ollama: OllamaDouble) -> None:
    shown = json.loads(raw(ollama, "/api/show", {"model": MODEL})[2])
    assert shown["parameters"]
    assert shown["license"]
    assert shown["details"]["family"] == "phi3", "of the file, not of the name"
    listed = json.loads(raw(ollama, "/api/tags", method="GET")[2])["models"]
    assert [entry["context_length"] for entry in listed] == [32768, 32768]
    chat(ollama)
    assert json.loads(raw(ollama, "/api/ps", method="GET")[2])["models"][0]["context_length"] == 32768


def test_a_double_says_that_it_is_one(ollama: OllamaDouble) -> None:
    assert json.loads(raw(ollama, "/api/version", method="GET")[2]) == {"version": "0.32.15-double"}


def test_a_reply_that_repeats_one_token_is_broken_off_without_a_reason(ollama: OllamaDouble) -> None:
    answer = chat(ollama, format=LOOP)
    assert set(answer) == {"model", "created_at", "message", "done"}
    assert answer["done"] is False
    assert answer == chat(ollama, format=LOOP), "sent again unchanged, it comes again"
    assert ollama.injected == {"aborted": 2}
    client = ollama_client.Client(host=ollama.url, timeout=5)
    reply = client.chat(MODEL, CHAT["messages"], format=LOOP)
    assert (reply.done, reply.done_reason, reply.eval_count) == (False, None, None)
    client.close()


def test_with_a_temperature_a_warm_cache_and_a_reload_change_the_text() -> None:
    with OllamaDouble(drifts=True) as server:

        def text(temperature: float) -> str:
            answer = chat(server, options={"seed": 1, "temperature": temperature}, format=SCHEMA)
            return str(answer["message"]["content"])

        cold, cached = text(0.7), text(0.7)
        assert text(0.7) == cached
        chat(server, messages=[], keep_alive=0)
        reloaded = text(0.7)
        assert len({cold, cached, reloaded}) == 3
        assert text(0.0) == text(0.0)


def test_bounds_of_floats_are_not_held_and_all_else_is() -> None:
    schema = {
        "type": "object",
        "properties": {
            "learning_rate": {"type": "number", "minimum": 1e-5, "maximum": 0.1},
            "layers": {"type": "integer", "minimum": 1, "maximum": 3},
            "kind": {"enum": ["a", "b"]},
        },
        "required": ["learning_rate", "layers", "kind"],
        "additionalProperties": False,
    }
    with OllamaDouble(float_bounds=False) as server:
        replies = [json.loads(chat(server, format=schema, options={"seed": seed})["message"]["content"]) for seed in range(18)]
    assert sum(not fits(reply, schema) for reply in replies) >= 17
    assert all(fits({**reply, "learning_rate": 0.01}, schema) for reply in replies)


def test_a_small_model_copies_the_example() -> None:
    example = '{"analysis": "<your analysis>", "config": {"learning_rate": 0.1}}'
    with OllamaDouble(Script.of("example")) as server:
        asked = [{"role": "user", "content": f"Answer with one JSON object:\n{example}\nThe values show the form."}]
        assert chat(server, messages=asked)["message"]["content"] == example


def test_a_model_that_can_think_does_unless_told_not_to() -> None:
    with OllamaDouble(thinkers=[MODEL]) as server:
        assert "thinking" in chat(server)["message"]
        assert "thinking" in chat(server, think="low")["message"]
        assert "thinking" not in chat(server, think=False)["message"]


# the backend


def settings_for(server: OllamaDouble, **changes: Any) -> LlmSettings:
    values = {"name": "phi4", "_target_": "harness.llm.ollama.Ollama", "model": MODEL, "base_url": server.url, "num_ctx": 4096}
    return LlmSettings(**{**values, "max_tokens": 512, "tries": 1, "timeout_seconds": 5.0, **changes})


def a_request(settings: LlmSettings, text: str = "Propose.", schema: Any = None) -> Request:
    return settings.request([Message("user", text)], schema=schema, seed=1, trial=1, call=1)


def test_a_reply_that_was_broken_off_is_a_bad_reply_and_kept(ollama: OllamaDouble) -> None:
    kept: list[CallRecord] = []
    settings = settings_for(ollama)
    reply = build_backend(settings, keep=kept.append).complete(a_request(settings, schema=LOOP))
    assert reply.finish_reason == "aborted"
    assert reply.text.strip('"').strip("0") == ""
    assert (reply.prompt_tokens, reply.completion_tokens) == (None, None)
    assert [(record.error, record.reply) for record in kept] == [(None, reply)]
    assert CallRecord.from_dict(json.loads(json.dumps(kept[0].to_dict()))).reply == reply


@pytest.mark.parametrize("name", ["PHI4-Reasoning:14B", "phi4-reasoning:14b", "registry.ollama.ai/library/phi4-reasoning:14b"])
def test_a_model_s_name_is_taken_in_any_case_and_kept_as_the_server_has_it(name: str, ollama: OllamaDouble) -> None:
    assert readiness(settings_for(ollama, model=name)).ready
    if "/" not in name:
        settings = settings_for(ollama, model=name)
        facts = Ollama(settings).complete(a_request(settings)).facts
        assert (facts.model, facts.server, facts.is_double) == (MODEL, "0.32.15-double", True)
        assert facts.digest


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"model": "a b//:"}, BadRequest, "invalid model name"),
        ({"think": "low"}, BadRequest, r"does not support thinking; set llm\.think=null"),
        ({"think": True}, BadRequest, r"does not support thinking; set llm\.think=null"),
        ({"model": "x:1b"}, NotReady, "ollama pull x:1b"),
    ],
)
def test_what_the_server_refuses_is_said_in_its_words(
    changes: dict[str, Any], error: type[Exception], words: str, ollama: OllamaDouble
) -> None:
    settings = settings_for(ollama, **changes)
    with pytest.raises(error, match=words):
        build_backend(settings, keep=lambda _: None).complete(a_request(settings))


@pytest.mark.parametrize(("given", "sent"), [("-1", -1), ("0", 0), ("300", 300), ("0.5", 0.5), ("-1m", "-1m"), ("30m", "30m")])
def test_how_long_a_model_stays_loaded_is_sent_as_the_server_takes_it(given: str, sent: Any, ollama: OllamaDouble) -> None:
    settings = settings_for(ollama, keep_alive=given)
    build_backend(settings, keep=lambda _: None).complete(a_request(settings))
    kept = ollama.received[-1].body["keep_alive"]
    assert (kept, type(kept)) == (sent, type(sent))


@pytest.mark.parametrize("think", [True, False, "low", "medium", "high"])
def test_how_much_a_model_thinks_is_sent_as_it_is_given(think: Any) -> None:
    with OllamaDouble(thinkers=[MODEL]) as server:
        settings = settings_for(server, think=think)
        assert build_backend(settings, keep=lambda _: None).complete(a_request(settings)).text
        assert server.received[-1].body["think"] == think


def test_a_schema_that_cannot_be_held_is_said_in_the_inner_words(ollama: OllamaDouble) -> None:
    settings = settings_for(ollama)
    with pytest.raises(BadRequest, match=r"refuses the request: 400 JSON schema conversion failed: Unrecognized schema"):
        build_backend(settings, keep=lambda _: None).complete(a_request(settings, schema={"type": "colour"}))


def test_version_0_30_0_counts_no_cached_tokens_and_that_is_no_cut_prompt() -> None:
    text = "The validation loss is still falling, so train for longer. " * 40

    def ask(server: OllamaDouble) -> list[Reply]:
        settings = settings_for(server)
        backend = build_backend(settings, keep=lambda _: None)
        return [backend.complete(replace(a_request(settings, text), call=call)) for call in (1, 2)]

    with OllamaDouble(version="0.30.0") as server:
        first, second = ask(server)
    assert first.prompt_tokens is not None
    assert second.prompt_tokens is not None
    assert second.prompt_tokens < first.prompt_tokens / 10
    with OllamaDouble(version="0.30.1") as server:
        first, second = ask(server)
    assert first.prompt_tokens == second.prompt_tokens
    with OllamaDouble(Script.of("truncated"), version="0.30.1") as server, pytest.raises(TruncatedPrompt):
        ask(server)


# readiness


@pytest.mark.parametrize(
    ("num_ctx", "words"),
    [
        (32768, ""),
        (4096, ""),
        (65536, r"llm\.num_ctx=65536 is more than the window of phi4-reasoning:14b, 32768 tokens"),
        (None, r"llm\.num_ctx is null, .* has one of 32768 tokens"),
    ],
)
def test_the_window_is_compared_with_the_model_s_in_one_line(num_ctx: int | None, words: str, ollama: OllamaDouble) -> None:
    found = readiness(settings_for(ollama, num_ctx=num_ctx))
    assert found.ready
    assert found.warning.startswith(f"the server at {ollama.url} is a test double: its answers are random configurations")
    assert bool(re.search(words, found.warning)) if words else "num_ctx" not in found.warning
    assert "\n" not in found.warning


def test_a_server_whose_list_has_no_windows_is_asked_for_the_model_s(monkeypatch: pytest.MonkeyPatch) -> None:
    entry: Callable[[OllamaDouble, str], dict[str, Any]] = OllamaDouble._entry

    class Older(OllamaDouble):
        def _entry(self, name: str) -> dict[str, Any]:
            return {key: value for key, value in entry(self, name).items() if key != "context_length"}

    with Older(trained_window=8192) as server:
        found = readiness(settings_for(server, num_ctx=16384))
    assert "is more than the window of phi4-reasoning:14b, 8192 tokens" in found.warning


def test_a_double_of_openai_is_named_too(openai: OpenAIDouble) -> None:
    settings = LlmSettings(
        name="own", _target_="harness.llm.openai.OpenAI", model="gpt-4o", base_url=openai.url, key_env="OPENAI_API_KEY"
    )
    assert readiness(settings).warning == f"the server at {openai.url} is a test double: its answers are random configurations"
    facts = build_backend(settings, keep=lambda _: None).complete(a_request(settings)).facts
    assert (facts.model, facts.server, facts.is_double) == ("gpt-4o-2024-08-06", "harness-double", True)


def test_a_server_that_lets_nobody_in_is_not_called_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(OllamaDouble):
        def get(self, path: str, call: Any) -> None:
            call.send_json(401, {"error": "unauthorized"})

    with Closed() as server:
        found = readiness(settings_for(server))
    assert "lets nobody in (it says 401 Unauthorized; OLLAMA_API_KEY is not set)" in found.reason


def test_a_server_that_is_gone_for_good_is_unavailable(ollama: OllamaDouble) -> None:
    settings = settings_for(ollama)
    with ollama.down(), pytest.raises(BackendUnavailable, match="No Ollama at"):
        build_backend(settings, keep=lambda _: None).complete(a_request(settings))
