from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from harness.llm.backend import Backend, Message, Request
from harness.llm.build import build_backend
from harness.llm.calls import CallRecord
from harness.llm.errors import BackendUnavailable, BadRequest, NotReady, TransportFault, TruncatedPrompt
from harness.llm.ollama import Ollama
from harness.llm.settings import LlmSettings
from harness.optimizers.agent.reply import BadReply, limit_of, parse_reply
from harness.space.space import Space
from harness.testing.contracts.backend import SCHEMA, BackendContract
from harness.testing.servers.ollama_api import OllamaDouble
from harness.testing.servers.script import REPLIES, TRANSPORT, WRAPPED, Script, step
from harness.testing.servers.tokens import count_tokens

MODEL = "qwen2.5-coder:32b"
NUMBER = {"type": "object", "properties": {"number": {"enum": [1, 2, 3]}}, "required": ["number"]}
# Long enough for a busy machine to answer in, short enough for the tests.
PATIENCE = {"hang": 0.45, "drip": 0.45}


def settings_for(server: OllamaDouble, **changes: Any) -> LlmSettings:
    values: dict[str, Any] = {
        "name": "qwen",
        "_target_": "harness.llm.ollama.Ollama",
        "model": MODEL,
        "base_url": server.url,
        "num_ctx": 4096,
        "max_tokens": 512,
        "temperature": 0.7,
        "timeout_seconds": 5.0,
        "tries": 3,
        "first_wait_seconds": 0.01,
        **changes,
    }
    return LlmSettings(**values)


def a_request(settings: LlmSettings, text: str = "Propose a configuration, please.", seed: int = 1) -> Request:
    return settings.request([Message("system", "You tune."), Message("user", text)], schema=SCHEMA, seed=seed, trial=3, call=1)


class TestOllama(BackendContract):
    backend_class = Ollama

    @pytest.fixture
    def settings(self, ollama: OllamaDouble) -> LlmSettings:
        return settings_for(ollama)


def test_the_request_holds_everything_that_decides_the_answer(ollama: OllamaDouble) -> None:
    settings = settings_for(ollama, keep_alive="30m")
    Ollama(settings).complete(a_request(settings))
    body = ollama.received[-1].body
    assert body["options"] == {"num_ctx": 4096, "seed": 1, "temperature": 0.7, "num_predict": 512}
    assert body["format"] == SCHEMA
    assert body["keep_alive"] == "30m"
    assert body["stream"] is False
    assert "think" not in body
    assert body["messages"] == [
        {"role": "system", "content": "You tune."},
        {"role": "user", "content": "Propose a configuration, please."},
    ]


def test_log_probabilities_are_asked_for_where_a_request_wants_them_and_nowhere_else(ollama: OllamaDouble) -> None:
    settings = settings_for(ollama)
    plain, wanted = a_request(settings), replace(a_request(settings), schema=NUMBER, top_logprobs=5)
    assert Ollama(settings).complete(plain).tokens == ()
    assert not {"logprobs", "top_logprobs"} & set(ollama.received[-1].body)
    reply = Ollama(settings).complete(wanted)
    assert ollama.received[-1].body["top_logprobs"] == 5
    assert "".join(token.text for token in reply.tokens) == reply.text
    (digit,) = [token for token in reply.tokens if token.text.strip().isdigit()]
    assert len(digit.top) == 5
    assert digit.top[0] == (digit.text, 0.0)


def test_the_server_is_told_to_refuse_what_does_not_fit(ollama: OllamaDouble) -> None:
    settings = settings_for(ollama)
    Ollama(settings).complete(a_request(settings))
    assert ollama.received[-1].body["truncate"] is False
    assert ollama.received[-1].body["shift"] is False


@pytest.mark.parametrize(("reply_format", "wire"), [("json", "json"), ("prompt", None)])
def test_a_schema_that_the_sampler_does_not_hold_stands_in_the_prompt(ollama: OllamaDouble, reply_format: str, wire: Any) -> None:
    settings = settings_for(ollama, reply_format=reply_format)
    reply = Ollama(settings).complete(a_request(settings))
    body = ollama.received[-1].body
    assert body.get("format") == wire
    assert "JSON Schema" in body["messages"][-1]["content"]
    assert reply.facts.reply_format == reply_format


def test_digest_quantisation_and_version_are_recorded_and_asked_for_once(ollama: OllamaDouble) -> None:
    settings = settings_for(ollama)
    backend = Ollama(settings)
    facts = [backend.complete(a_request(settings, seed=seed)).facts for seed in range(3)]
    assert facts[0] == facts[2]
    assert facts[0].digest is not None
    assert len(facts[0].digest) == 64
    assert (facts[0].quantisation, facts[0].server, facts[0].context_tokens) == ("Q4_K_M", "0.32.15-double", 32768)
    asked = [received.path for received in ollama.received]
    assert [asked.count(path) for path in ("/api/show", "/api/tags", "/api/version", "/api/chat")] == [1, 1, 1, 3]


def test_zero_counts_that_the_server_leaves_out_are_unknown_not_wrong(ollama: OllamaDouble) -> None:
    ollama.script = Script.of("valid", "empty")
    settings = settings_for(ollama)
    backend = Ollama(settings)
    first, second = (backend.complete(a_request(settings, seed=seed)) for seed in (1, 2))
    assert first.load_seconds == pytest.approx(0.012)
    assert second.load_seconds is None
    assert second.completion_tokens is None
    assert second.text == ""


def test_thinking_comes_apart_from_the_text(ollama: OllamaDouble) -> None:
    ollama.thinkers = {MODEL}
    settings = settings_for(ollama, think=True)
    reply = Ollama(settings).complete(a_request(settings))
    assert reply.thinking.startswith("The last loss fell")
    assert "The last loss fell" not in reply.text


def test_thinking_counts_towards_the_limit_and_may_use_it_up(ollama: OllamaDouble) -> None:
    ollama.thinkers, ollama.thought = {MODEL}, "The rate is too high. " * 20
    cut, whole = (
        Ollama(settings := settings_for(ollama, think=True, max_tokens=limit)).complete(a_request(settings)) for limit in (30, 500)
    )
    assert (cut.text, cut.finish_reason, cut.completion_tokens) == ("", "length", 30)
    space = Space.from_mapping({"x": {"type": "float", "low": 0, "high": 1, "default": 0.5, "meaning": "x"}})
    with pytest.raises(BadReply, match=r"cut off at the token limit of 30 \(llm\.max_tokens\) before it began to answer"):
        parse_reply(cut.text, space, cut_off=limit_of(cut, 30), thought=bool(cut.thinking))
    assert whole.finish_reason == "stop"
    assert whole.completion_tokens is not None
    assert whole.completion_tokens > count_tokens(whole.text) + 100


def test_a_model_that_cannot_think_is_a_setting_to_change(ollama: OllamaDouble) -> None:
    settings = settings_for(ollama, think=True)
    with pytest.raises(BadRequest, match=r"does not support thinking; set llm\.think=null"):
        Ollama(settings).complete(a_request(settings))


def test_a_model_that_is_not_pulled_names_the_command(ollama: OllamaDouble) -> None:
    settings = settings_for(ollama, model="phi5:1b")
    with pytest.raises(NotReady, match=rf"Ollama at {ollama.url} has no model 'phi5:1b'\. Get it with 'ollama pull phi5:1b'\."):
        Ollama(settings).complete(a_request(settings))


def test_no_server_names_the_two_commands(ollama: OllamaDouble) -> None:
    settings = settings_for(ollama)
    expected = f"No Ollama at {ollama.url}. Start it with 'ollama serve', then 'ollama pull {MODEL}'."
    with ollama.down(), pytest.raises(TransportFault) as caught:
        Ollama(settings).complete(a_request(settings))
    assert str(caught.value) == expected


def test_a_window_beyond_the_models_own_is_refused(ollama: OllamaDouble) -> None:
    settings = settings_for(ollama, num_ctx=65536)
    with pytest.raises(BadRequest, match="window of 32768 tokens"):
        Ollama(settings).complete(a_request(settings))


def test_a_server_that_stays_down_stops_cleanly_and_says_how_to_go_on(ollama: OllamaDouble) -> None:
    kept: list[CallRecord] = []
    settings = settings_for(ollama)
    backend = build_backend(settings, keep=kept.append)
    with (
        ollama.down(),
        pytest.raises(BackendUnavailable, match=r"No Ollama at .* \(tried 3 times .* launch the same command again"),
    ):
        backend.complete(a_request(settings))
    assert [record.error_kind for record in kept] == ["TransportFault"] * 3
    assert backend.complete(a_request(settings)).text


def test_a_server_that_comes_back_is_found_again(ollama: OllamaDouble) -> None:
    ollama.script = Script.of({"do": "refuse", "seconds": 0.05})
    settings = settings_for(ollama, tries=8, first_wait_seconds=0.02)
    backend = build_backend(settings, keep=lambda _: None)
    assert backend.complete(a_request(settings)).text
    assert ollama.injected == {"refuse": 1}


@pytest.mark.parametrize("fault", [f for f in TRANSPORT if f != "refuse"])
def test_a_call_lost_on_its_way_is_made_again_and_both_are_kept(ollama: OllamaDouble, fault: str) -> None:
    ollama.script = Script.of({"do": fault, "seconds": 2.0})
    kept: list[CallRecord] = []
    settings = settings_for(ollama, timeout_seconds=PATIENCE.get(fault, 5.0))
    reply = build_backend(settings, keep=kept.append).complete(a_request(settings))
    assert ollama.injected == {fault: 1}
    assert ollama.answered == 1
    assert [(r.attempt, r.error_kind, r.reply is None) for r in kept] == [(1, "TransportFault", True), (2, None, False)]
    assert kept[1].reply == reply


@pytest.mark.parametrize("fault", [f for f in TRANSPORT if f != "refuse"])
def test_a_call_lost_every_time_ends_as_unavailable(ollama: OllamaDouble, fault: str) -> None:
    ollama.script = Script.of(then={"do": fault, "seconds": 2.0})
    settings = settings_for(ollama, timeout_seconds=PATIENCE.get(fault, 5.0), tries=2)
    backend = build_backend(settings, keep=lambda _: None)
    with pytest.raises(BackendUnavailable, match="tried 2 times"):
        backend.complete(a_request(settings))
    assert ollama.injected == {fault: 2}
    assert ollama.answered == 0


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_the_deadline_holds_whatever_the_server_does(ollama: OllamaDouble, fault: str) -> None:
    ollama.script = Script.of({"do": fault, "seconds": 5.0})
    settings = settings_for(ollama, timeout_seconds=PATIENCE[fault])
    backend = Ollama(settings)
    start = time.perf_counter()
    with pytest.raises(TransportFault, match=r"gave no complete answer within 0\.45 s"):
        backend.complete(a_request(settings))
    assert time.perf_counter() - start < 3.0
    assert backend.complete(a_request(settings)).text


@pytest.mark.parametrize("fault", REPLIES + WRAPPED)
def test_a_bad_reply_is_handed_on_as_it_is_and_never_asked_for_again(ollama: OllamaDouble, fault: str) -> None:
    ollama.script = Script.of("valid", fault)
    kept: list[CallRecord] = []
    settings = settings_for(ollama, num_ctx=16384, max_tokens=8192)
    backend = build_backend(settings, keep=kept.append)
    good = backend.complete(a_request(settings, seed=1))
    bad = backend.complete(a_request(settings, seed=2))
    assert ollama.injected == {fault: 1}
    assert [record.error for record in kept] == [None, None]
    assert (bad.text == good.text) == (fault == "repeat")
    assert bad.finish_reason == ("length" if fault in ("cut_json", "chatter") else "stop")
    if fault == "chatter":
        assert len(bad.text) > 1_900_000
    bad.text.encode()  # no half of a surrogate pair is left


@pytest.mark.parametrize(
    ("fault", "error", "text"),
    [
        ("not_pulled", NotReady, "Get it with 'ollama pull"),
        ("unauthorized", NotReady, "set OLLAMA_API_KEY"),
        ("truncated", TruncatedPrompt, "did not see the whole prompt of trial 3"),
        ("too_long", TruncatedPrompt, "exceeds the available context size"),
        ("out_of_memory", BackendUnavailable, "requires more system memory"),
    ],
)
def test_what_the_server_cannot_do_is_said_in_one_line(ollama: OllamaDouble, fault: str, error: type[Exception], text: str) -> None:
    ollama.script = Script.of(then=fault)
    settings = settings_for(ollama)
    backend = build_backend(settings, keep=lambda _: None)
    question = "Look at these numbers and say which of them is the best: 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9"
    with pytest.raises(error) as caught:
        backend.complete(a_request(settings, question))
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)
    assert ollama.injected == {fault: 3 if error is BackendUnavailable else 1}


def test_retry_after_is_waited_for(ollama: OllamaDouble) -> None:
    ollama.script = Script.of({"do": "rate_limit", "retry_after": "0.2"}, {"do": "busy", "retry_after": "0"})
    settings = settings_for(ollama)
    start = time.perf_counter()
    assert build_backend(settings, keep=lambda _: None).complete(a_request(settings)).text
    assert 0.2 <= time.perf_counter() - start < 1.0


def test_a_server_that_asks_for_hours_counts_as_down(ollama: OllamaDouble) -> None:
    ollama.script = Script.of({"do": "rate_limit", "retry_after": "7200"})
    settings = settings_for(ollama)
    with pytest.raises(BackendUnavailable, match="asks to wait 7200 s"):
        build_backend(settings, keep=lambda _: None).complete(a_request(settings))


class TestTruncation:
    """Ollama cuts a prompt silently: three ways to notice."""

    # 900 tokens as the double counts, in two turns of which the older would be dropped.
    turns = (Message("system", "You tune."), Message("user", "word " * 850), Message("user", "and now? " * 20))

    def request(self, settings: LlmSettings, num_ctx: int) -> Request:
        request = settings.request(self.turns, schema=None, seed=1, trial=2, call=1)
        return replace(request, num_ctx=num_ctx, max_tokens=64)

    def test_before_sending_by_an_estimate(self, ollama: OllamaDouble) -> None:
        settings = settings_for(ollama)
        backend = build_backend(settings, keep=lambda _: None)
        with pytest.raises(TruncatedPrompt, match=r"the window has 512: raise llm\.num_ctx to \d+ or more"):
            backend.complete(self.request(settings, 512))
        assert ollama.received == []

    def test_by_the_servers_refusal(self, ollama: OllamaDouble) -> None:
        settings = settings_for(ollama)
        with pytest.raises(TruncatedPrompt, match=r"refuses the prompt of trial 2.*Raise llm\.num_ctx \(512\)"):
            Ollama(settings).complete(self.request(settings, 512))

    def test_after_the_fact_by_the_count_of_a_server_that_cuts(self, ollama: OllamaDouble) -> None:
        from harness.llm.truncation import _cut, prompt_token_range

        ollama.honest = False
        settings = settings_for(ollama)
        request = self.request(settings, 512)
        reply = Ollama(settings).complete(request)
        assert reply.prompt_tokens is not None
        assert reply.prompt_tokens < 100
        problem = _cut(request, reply, prompt_token_range(request)[0])
        assert problem is not None
        assert "it has at least" in problem

    def test_a_prompt_that_fits_passes_all_three(self, ollama: OllamaDouble) -> None:
        settings = settings_for(ollama)
        backend: Backend = build_backend(settings, keep=lambda _: None)
        assert backend.complete(self.request(settings, 4096)).text


def test_the_address_may_come_from_the_environment(ollama: OllamaDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", ollama.url.removeprefix("http://"))
    settings = settings_for(ollama, base_url=None)
    assert Ollama(settings).complete(a_request(settings)).text


def test_every_step_has_a_name_that_is_known() -> None:
    with pytest.raises(ValueError, match="unknown fault 'explode'"):
        step("explode")
