"""The contract suite of LLM backends. A test inherits it, and says how its backend is built."""

from __future__ import annotations

import json

import pytest

from harness.llm.backend import Backend, Message, Reply, Request
from harness.llm.build import BackendClass
from harness.llm.errors import BackendError
from harness.llm.probe import Readiness
from harness.llm.settings import LlmSettings
from harness.testing.servers.schema import fits

SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {
        "analysis": {"type": "string", "maxLength": 40},
        "config": {
            "anyOf": [
                {
                    "type": "object",
                    "properties": {"optimizer": {"enum": ["adam"]}, "layers": {"type": "integer", "minimum": 1, "maximum": 8}},
                    "required": ["optimizer", "layers"],
                    "additionalProperties": False,
                },
                {
                    "type": "object",
                    "properties": {"optimizer": {"enum": ["sgd"]}, "nesterov": {"type": "boolean"}},
                    "required": ["optimizer", "nesterov"],
                    "additionalProperties": False,
                },
            ]
        },
    },
    "required": ["analysis", "config"],
    "additionalProperties": False,
}


class BackendContract:
    """A subclass sets `backend_class` and the fixture `settings`, and `backend` when `backend_class(settings)` does not build it."""

    backend_class: BackendClass

    @pytest.fixture
    def settings(self) -> LlmSettings:
        raise NotImplementedError

    @pytest.fixture
    def backend(self, settings: LlmSettings) -> Backend:
        return self.backend_class(settings)

    def ask(self, settings: LlmSettings, text: str = "Propose.", *, seed: int = 1, call: int = 1) -> Request:
        messages = [Message("system", "You tune hyperparameters."), Message("user", text)]
        return settings.request(messages, schema=SCHEMA, seed=seed, trial=1, call=call)

    def test_a_reply_fits_the_schema_and_says_what_it_cost(self, backend: Backend, settings: LlmSettings) -> None:
        reply = backend.complete(self.ask(settings))
        assert isinstance(reply, Reply)
        assert fits(json.loads(reply.text), SCHEMA)
        assert reply.prompt_tokens
        assert reply.completion_tokens
        assert reply.seconds > 0
        assert reply.finish_reason == "stop"

    def test_the_reply_names_what_answered(self, backend: Backend, settings: LlmSettings) -> None:
        facts = backend.complete(self.ask(settings)).facts
        assert facts.backend
        assert facts.model
        assert facts.reply_format in ("schema", "json", "prompt")
        assert type(facts).from_dict(json.loads(json.dumps(facts.to_dict()))) == facts

    def test_the_same_request_gets_the_same_text(self, backend: Backend, settings: LlmSettings) -> None:
        first = backend.complete(self.ask(settings))
        backend.complete(self.ask(settings, "Something else."))
        assert backend.complete(self.ask(settings)).text == first.text

    def test_another_seed_gets_another_text(self, backend: Backend, settings: LlmSettings) -> None:
        texts = {backend.complete(self.ask(settings, seed=seed)).text for seed in range(6)}
        assert len(texts) > 1

    def test_a_request_without_a_schema_gets_text(self, backend: Backend, settings: LlmSettings) -> None:
        request = settings.request([Message("user", "Analyse the run.")], schema=None, seed=1, trial=1, call=2)
        reply = backend.complete(request)
        assert isinstance(reply.text, str)
        assert reply.text
        assert reply.facts.reply_format is None

    def test_a_prompt_over_the_window_is_an_error_not_an_answer(self, backend: Backend, settings: LlmSettings) -> None:
        with pytest.raises(BackendError, match=r"llm\.num_ctx|larger window"):
            backend.complete(self.ask(settings, "0.123 " * 40_000))

    def test_readiness_is_an_answer_whatever_the_settings(self, settings: LlmSettings) -> None:
        found = self.backend_class.ready(settings)
        assert isinstance(found, Readiness)
        assert found.ready, found.reason
        empty = self.backend_class.ready(LlmSettings(name="x"))
        assert isinstance(empty, Readiness)
        assert empty.reason
        assert empty.ready or empty.command
