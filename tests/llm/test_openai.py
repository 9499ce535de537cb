from __future__ import annotations

import time
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from harness.llm.backend import Message, Request
from harness.llm.build import build_backend
from harness.llm.calls import CallRecord
from harness.llm.errors import BackendUnavailable, BadRequest, NotReady, TransportFault, TruncatedPrompt
from harness.llm.openai import OpenAI, is_strict
from harness.llm.settings import LlmSettings
from harness.testing.contracts.backend import SCHEMA, BackendContract
from harness.testing.servers.double import Received
from harness.testing.servers.openai_api import KEY, LlamaCppDouble, OpenAIDouble
from harness.testing.servers.script import REPLIES, TRANSPORT, WRAPPED, Script

PATIENCE = {"hang": 0.45, "drip": 0.45}


def settings_for(server: OpenAIDouble, **changes: Any) -> LlmSettings:
    values: dict[str, Any] = {
        "name": "gpt4",
        "_target_": "harness.llm.openai.OpenAI",
        "model": "gpt-4o",
        "base_url": server.url,
        "key_env": "OPENAI_API_KEY",
        "num_ctx": 16385,
        "max_tokens": 512,
        "temperature": 0.7,
        "timeout_seconds": 5.0,
        "tries": 3,
        "first_wait_seconds": 0.01,
        **changes,
    }
    return LlmSettings(**values)


def chats(server: OpenAIDouble) -> list[Received]:
    """The requests that ask the model; before the first, the server is asked what it is."""
    return [received for received in server.received if received.method == "POST"]


def a_request(settings: LlmSettings, text: str = "Propose a configuration, please.", seed: int = 1) -> Request:
    return settings.request([Message("system", "You tune."), Message("user", text)], schema=SCHEMA, seed=seed, trial=3, call=1)


class TestOpenAI(BackendContract):
    backend_class = OpenAI

    @pytest.fixture
    def settings(self, openai: OpenAIDouble) -> LlmSettings:
        return settings_for(openai)


class TestOlderModel(BackendContract):
    backend_class = OpenAI

    @pytest.fixture
    def settings(self, openai: OpenAIDouble) -> LlmSettings:
        return settings_for(openai, model="gpt-3.5-turbo")


def test_the_request_holds_everything_that_decides_the_answer(openai: OpenAIDouble) -> None:
    settings = settings_for(openai)
    OpenAI(settings).complete(a_request(settings))
    (received,) = chats(openai)
    assert received.path == "/v1/chat/completions"
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert received.body == {
        "model": "gpt-4o",
        "messages": [{"role": "system", "content": "You tune."}, {"role": "user", "content": "Propose a configuration, please."}],
        "seed": 1,
        "temperature": 0.7,
        "max_tokens": 512,
        "response_format": {"type": "json_schema", "json_schema": {"name": "reply", "schema": SCHEMA, "strict": True}},
    }


@pytest.mark.parametrize(
    ("model", "formats", "settled"),
    [
        ("gpt-4o", ["json_schema"], "schema"),
        ("gpt-3.5-turbo", ["json_schema", "json_object"], "json"),
        ("gpt-4", ["json_schema", "json_object", None], "prompt"),
    ],
)
def test_an_older_model_is_asked_in_the_way_that_it_knows(
    openai: OpenAIDouble, model: str, formats: list[str | None], settled: str
) -> None:
    settings = settings_for(openai, model=model)
    backend = OpenAI(settings)
    reply = backend.complete(a_request(settings))
    assert [received.body.get("response_format", {}).get("type") for received in chats(openai)] == formats
    assert reply.facts.reply_format == settled
    backend.complete(a_request(settings, seed=2))
    assert len(chats(openai)) == len(formats) + 1, "the second call knows what the first one learnt"
    assert openai.answered == 2


def test_a_newer_models_other_names_are_used_and_recorded(openai: OpenAIDouble) -> None:
    settings = settings_for(openai, model="gpt-6-luna", temperature=None)
    reply = OpenAI(settings).complete(a_request(settings))
    body = openai.received[-1].body
    assert body["max_completion_tokens"] == 512
    assert "max_tokens" not in body
    assert reply.facts.adapted == ("max_completion_tokens", "seed left out")


def test_log_probabilities_come_where_the_server_gives_them_and_are_left_out_where_it_refuses_them(openai: OpenAIDouble) -> None:
    for model, given in (("gpt-4o", True), ("gpt-6-luna", False)):
        settings = settings_for(openai, model=model, temperature=None)
        backend = OpenAI(settings)
        assert backend.complete(a_request(settings)).tokens == ()
        assert not {"logprobs", "top_logprobs"} & set(openai.received[-1].body)
        reply = backend.complete(replace(a_request(settings), top_logprobs=3))
        assert bool(reply.tokens) is given
        assert ("log-probabilities left out" in reply.facts.adapted) is not given
        if given:
            assert reply.text.endswith("".join(token.text for token in reply.tokens))
            assert max(len(token.top) for token in reply.tokens) <= 3


def test_the_temperature_is_never_dropped_silently(openai: OpenAIDouble) -> None:
    settings = settings_for(openai, model="gpt-6-luna")
    with pytest.raises(BadRequest, match=r"refuses llm\.temperature=0\.7 .* set llm\.temperature=null"):
        OpenAI(settings).complete(a_request(settings))


def test_a_schema_beyond_strict_mode_is_sent_without_it(openai: OpenAIDouble) -> None:
    optional = {**SCHEMA, "required": ["config"]}
    settings = settings_for(openai)
    request = settings.request([Message("user", "Propose.")], schema=optional, seed=1, trial=1, call=1)
    assert OpenAI(settings).complete(request).facts.reply_format == "schema"
    assert openai.received[-1].body["response_format"]["json_schema"]["strict"] is False
    assert len(chats(openai)) == 1


@pytest.mark.parametrize(
    ("think", "field", "value"),
    [
        (True, "chat_template_kwargs", {"enable_thinking": True}),
        (False, "chat_template_kwargs", {"enable_thinking": False}),
        ("low", "reasoning_effort", "low"),
        (None, "think", None),
    ],
)
def test_thinking_is_asked_for_as_such_servers_take_it(openai: OpenAIDouble, think: Any, field: str, value: Any) -> None:
    settings = settings_for(openai, think=think)
    OpenAI(settings).complete(a_request(settings))
    assert openai.received[-1].body.get(field) == value
    assert len({"chat_template_kwargs", "reasoning_effort", "think"} & set(openai.received[-1].body)) == (think is not None)


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (SCHEMA, True),
        ({"type": "object", "properties": {"a": {"type": "integer"}}, "required": [], "additionalProperties": False}, False),
        ({"type": "object", "properties": {}, "required": []}, False),
        ({"oneOf": [{"type": "string"}]}, False),
        ({"type": "array", "items": {"type": "object"}}, False),
        ({"type": "string"}, True),
    ],
)
def test_strict_mode_is_recognised(schema: dict[str, Any], strict: bool) -> None:
    assert is_strict(schema) is strict


def test_no_key_says_which_variable_to_export() -> None:
    settings = LlmSettings(name="gpt4", _target_="harness.llm.openai.OpenAI", model="gpt-4o", key_env="OPENAI_API_KEY")
    with pytest.raises(NotReady, match=r"No key for OpenAI: export OPENAI_API_KEY=\.\.\."):
        OpenAI(settings).complete(a_request(settings))


def test_a_server_without_keys_needs_none(openai: OpenAIDouble) -> None:
    openai.key = None
    settings = settings_for(openai, key_env="LLM_API_KEY")
    assert OpenAI(settings).complete(a_request(settings)).text
    assert KEY not in str(openai.received)


def test_openais_key_is_not_sent_to_another_server(openai: OpenAIDouble) -> None:
    settings = settings_for(openai, key_env="LLM_API_KEY")
    with pytest.raises(NotReady, match="refuses the key in LLM_API_KEY"):
        OpenAI(settings).complete(a_request(settings))
    assert KEY not in str(openai.received)


def test_no_server_says_so(openai: OpenAIDouble) -> None:
    settings = settings_for(openai)
    with openai.down(), pytest.raises(TransportFault) as caught:
        OpenAI(settings).complete(a_request(settings))
    assert str(caught.value) == f"No server at {openai.url}. Start it, or set llm.base_url."


@pytest.mark.parametrize("fault", [f for f in TRANSPORT if f != "refuse"])
def test_a_call_lost_on_its_way_is_made_again_and_both_are_kept(openai: OpenAIDouble, fault: str) -> None:
    openai.script = Script.of({"do": fault, "seconds": 2.0})
    kept: list[CallRecord] = []
    settings = settings_for(openai, timeout_seconds=PATIENCE.get(fault, 5.0))
    reply = build_backend(settings, keep=kept.append).complete(a_request(settings))
    assert openai.injected == {fault: 1}
    assert openai.answered == 1, "the client itself must not retry"
    assert [(r.attempt, r.error_kind, r.reply is None) for r in kept] == [(1, "TransportFault", True), (2, None, False)]
    assert kept[1].reply == reply


@pytest.mark.parametrize("fault", [f for f in TRANSPORT if f != "refuse"])
def test_a_call_lost_every_time_ends_as_unavailable(openai: OpenAIDouble, fault: str) -> None:
    openai.script = Script.of(then={"do": fault, "seconds": 2.0})
    settings = settings_for(openai, timeout_seconds=PATIENCE.get(fault, 5.0), tries=2)
    with pytest.raises(BackendUnavailable, match=r"tried 2 times .* launch the same command again"):
        build_backend(settings, keep=lambda _: None).complete(a_request(settings))
    assert openai.injected == {fault: 2}
    assert openai.answered == 0


def test_a_server_that_comes_back_is_found_again(openai: OpenAIDouble) -> None:
    openai.script = Script.of({"do": "refuse", "seconds": 0.05})
    settings = settings_for(openai, tries=8, first_wait_seconds=0.02)
    assert build_backend(settings, keep=lambda _: None).complete(a_request(settings)).text
    assert openai.injected == {"refuse": 1}


@pytest.mark.parametrize("fault", REPLIES + WRAPPED)
def test_a_bad_reply_is_handed_on_as_it_is_and_never_asked_for_again(openai: OpenAIDouble, fault: str) -> None:
    openai.script = Script.of("valid", fault)
    kept: list[CallRecord] = []
    settings = settings_for(openai)
    backend = build_backend(settings, keep=kept.append)
    good = backend.complete(a_request(settings, seed=1))
    bad = backend.complete(a_request(settings, seed=2))
    assert openai.injected == {fault: 1}
    assert [record.error for record in kept] == [None, None]
    assert (bad.text == good.text) == (fault == "repeat")
    bad.text.encode()


@pytest.mark.parametrize(
    ("fault", "error", "text"),
    [
        ("not_pulled", NotReady, "has no model 'gpt-4o' for this key"),
        ("unauthorized", NotReady, "refuses the key in OPENAI_API_KEY"),
        ("quota", NotReady, "no credit left"),
        ("truncated", TruncatedPrompt, "did not see the whole prompt of trial 3"),
        ("too_long", TruncatedPrompt, "maximum context length is 16385 tokens"),
        ("out_of_memory", BackendUnavailable, "500 CUDA out of memory"),
    ],
)
def test_what_the_server_cannot_do_is_said_in_one_line(openai: OpenAIDouble, fault: str, error: type[Exception], text: str) -> None:
    openai.script = Script.of(then=fault)
    settings = settings_for(openai)
    question = "Look at these numbers and say which of them is the best: 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9"
    with pytest.raises(error) as caught:
        build_backend(settings, keep=lambda _: None).complete(a_request(settings, question))
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)
    assert openai.injected == {fault: 3 if error is BackendUnavailable else 1}


def test_a_rate_limit_is_waited_for_as_long_as_the_server_asks(openai: OpenAIDouble) -> None:
    openai.script = Script.of({"do": "rate_limit", "retry_after": "0.2"})
    settings = settings_for(openai)
    start = time.perf_counter()
    assert build_backend(settings, keep=lambda _: None).complete(a_request(settings)).text
    assert 0.2 <= time.perf_counter() - start < 2.0


def test_a_rate_limit_for_the_day_stops_the_cell(openai: OpenAIDouble) -> None:
    openai.script = Script.of({"do": "rate_limit", "retry_after": "86400"})
    settings = settings_for(openai)
    with pytest.raises(BackendUnavailable, match="asks to wait 86400 s"):
        build_backend(settings, keep=lambda _: None).complete(a_request(settings))


class TestReady:
    def settings(self, model: str) -> LlmSettings:
        return LlmSettings(name="gpt", _target_="harness.llm.openai.OpenAI", model=model, key_env="OPENAI_API_KEY")

    def test_a_missing_key_is_named(self) -> None:
        found = OpenAI.ready(self.settings("gpt-6-luna"))
        assert (found.ready, found.reason, found.command) == (False, "OPENAI_API_KEY is not set", "export OPENAI_API_KEY=...")

    def test_a_key_is_enough_and_is_not_shown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        found = OpenAI.ready(self.settings("gpt-6-luna"))
        assert found.ready
        assert KEY not in repr(found)

    def test_a_model_that_openai_has_ended_is_not_ready_even_with_a_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        found = OpenAI.ready(self.settings("gpt-3.5-turbo"))
        assert not found.ready
        assert found.reason == "OpenAI no longer serves gpt-3.5-turbo (since 2026-10-23)"

    def test_an_announced_end_lies_in_the_future_until_it_comes(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        for days, ready in ((1, True), (0, False)):
            prices = tmp_path / "prices.toml"
            end = date.today() + timedelta(days=days)
            row = f"{{ prompt_usd = 1.0, completion_usd = 2.0, shutdown = {end} }}"
            prices.write_text(f'date = 2026-11-22\nsource = "a test"\n[models]\n"gpt-x" = {row}\n')
            settings = self.settings("gpt-x")
            settings.prices = str(prices)
            assert OpenAI.ready(settings).ready is ready

    def test_a_server_of_ones_own_is_asked_for_its_models(self, openai: OpenAIDouble) -> None:
        found = OpenAI.ready(settings_for(openai))
        assert found.ready
        assert "gpt-4o" in found.reason

    def test_a_server_of_ones_own_that_is_down_is_not_ready(self, openai: OpenAIDouble) -> None:
        with openai.down():
            found = OpenAI.ready(settings_for(openai))
        assert not found.ready
        assert openai.url in found.reason


@pytest.fixture
def at_openai(openai: OpenAIDouble, monkeypatch: pytest.MonkeyPatch) -> OpenAIDouble:
    """A double at OpenAI's own address."""
    monkeypatch.setattr("harness.llm.openai._OPENAI", openai.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    return openai


@pytest.mark.parametrize(("think", "effort"), [("low", "low"), (False, "none"), (None, None)])
def test_openai_takes_how_much_a_model_thinks(at_openai: OpenAIDouble, think: Any, effort: str | None) -> None:
    settings = settings_for(at_openai, base_url=None, think=think)
    OpenAI(settings).complete(a_request(settings))
    (body,) = (received.body for received in chats(at_openai))
    assert body.get("reasoning_effort") == effort
    assert "chat_template_kwargs" not in body


def test_openai_knows_no_thinking_without_a_level(at_openai: OpenAIDouble) -> None:
    settings = settings_for(at_openai, base_url=None, think=True)
    found = OpenAI.ready(settings)
    assert (found.ready, found.command) == (False, "llm.think=medium")
    with pytest.raises(
        BadRequest, match=r"llm\.think=true: OpenAI takes how much a model shall think, low, medium or high, or false"
    ):
        OpenAI(settings).complete(a_request(settings))
    assert not chats(at_openai)


def test_a_model_that_is_gone_names_its_successor(at_openai: OpenAIDouble) -> None:
    end = date.today() + timedelta(days=30)
    settings = settings_for(at_openai, base_url=None, model="gpt-x", retires={"gpt-x": str(end)}, successor="gpt6_luna")
    found = OpenAI.ready(settings)
    assert (found.ready, found.warning) == (True, f"OpenAI ends gpt-x on {end}, in 30 days; then llm=gpt6_luna")
    with pytest.raises(NotReady) as refused:
        OpenAI(settings).complete(a_request(settings))
    assert str(refused.value) == (
        f"api.openai.com has no model 'gpt-x' for this key (its provider announced its end for {end}): take llm=gpt6_luna, or another "
        f"model with llm.model=NAME"
    )
    ended = OpenAI.ready(replace(settings, retires={"gpt-x": str(date.today())}))
    assert (ended.ready, ended.retired, ended.state) == (False, True, "retired")
    assert ended.command.startswith("take llm=gpt6_luna, or another model with llm.model=NAME, or llm.base_url=URL")


def of_llama_cpp(server: LlamaCppDouble, **changes: Any) -> LlmSettings:
    return settings_for(server, **{"name": "openai_compatible", "model": "default", "key_env": "", "num_ctx": 8192, **changes})


def test_a_server_of_llama_cpp_gets_no_prompt_from_its_cache_and_repeats_a_reply() -> None:
    with LlamaCppDouble() as server:
        backend = OpenAI(of_llama_cpp(server))
        first, again = (backend.complete(a_request(of_llama_cpp(server))) for _ in range(2))
        sent = [received.body for received in chats(server)]
    assert first.text == again.text
    assert [body["cache_prompt"] for body in sent] == [False, False]
    assert sum(received.path == "/v1/models" for received in server.received) == 1, "it is asked once what it is"


def test_no_other_server_is_sent_a_field_of_llama_cpp(openai: OpenAIDouble) -> None:
    OpenAI(settings_for(openai)).complete(a_request(settings_for(openai)))
    assert "cache_prompt" not in openai.received[-1].body


def test_a_path_of_the_server_is_shortened_to_its_file() -> None:
    with LlamaCppDouble(file="/home/someone/secret-project/tiny.gguf") as server:
        settings = of_llama_cpp(server)
        assert OpenAI(settings).complete(a_request(settings)).facts.model == "tiny.gguf"
        found = OpenAI.ready(settings)
    assert "tiny.gguf" in found.reason
    assert "someone" not in found.reason


@pytest.mark.parametrize(("num_ctx", "warned"), [(8192, False), (16384, True)])
def test_the_window_of_a_server_is_compared_with_the_one_that_is_set(num_ctx: int, warned: bool) -> None:
    with LlamaCppDouble(window=8192) as server:
        found = OpenAI.ready(of_llama_cpp(server, num_ctx=num_ctx))
    assert found.ready
    assert ("num_ctx=16384 is more than the window that" in found.warning) == warned
    assert "test double" in found.warning


def test_a_prompt_over_the_window_of_llama_cpp_is_told_from_a_bad_request() -> None:
    with LlamaCppDouble(window=512) as server, pytest.raises(TruncatedPrompt, match="exceeds the available context size"):
        OpenAI(of_llama_cpp(server)).complete(a_request(of_llama_cpp(server), "0.123 " * 1000))


@pytest.mark.parametrize("change", [{"grammar": 'root ::= "a"'}, {"raw": True}])
def test_a_request_with_a_grammar_is_refused_in_one_line(openai: OpenAIDouble, change: dict[str, Any]) -> None:
    request = Request((Message("user", "1,2,"),), **change)
    with pytest.raises(BadRequest, match="takes no grammar and no raw text: use a model inside the process"):
        OpenAI(settings_for(openai)).complete(request)
    assert not openai.received
