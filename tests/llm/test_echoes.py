"""Every text that leaves a backend, from servers that send the key back in every place that HTTP and JSON have."""

from __future__ import annotations

import itertools
import json
import traceback
from typing import Any

import pytest

from harness.doctor.table import show
from harness.llm.backend import Message
from harness.llm.build import build_backend
from harness.llm.calls import CallRecord
from harness.llm.errors import BackendError
from harness.llm.probe import readiness
from harness.llm.settings import LlmSettings
from harness.testing.servers.double import Call, Double

VARIABLE = {"ollama": "OLLAMA_API_KEY", "openai": "OPENAI_API_KEY"}
# Without a line break it is used; with one inside it is not even sent.
KEYS = {
    "plain": "planted-4f9c2e77d1b84a60",
    "with its line break": "planted-4f9c2e77d1b84a60\n",
    "of Windows": "planted-4f9c2e77d1b84a60\r\n",
    "with quotes": "planted-4f9\"c2e7'7d1b84a60",
    "cut in two": "planted-4f9c2\n2e77d1b84a60",
}
PLACES = ("status", "plain", "json", "nested", "detail", "header", "reply", "names", "shape", "redirect", "masked")


class Echo(Double):
    """Sends back what the Authorization header held, in `place`."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place

    def get(self, path: str, call: Call) -> None:
        key = self.key_of(call)
        if self.place in ("reply", "names", "shape", "header"):
            name = key if self.place == "names" else "m"
            entry = {"name": name, "model": name, "id": name, "digest": key, "owned_by": key, "details": {"family": key}}
            call.send_json(200, {"version": key, "models": [entry], "data": [entry], "object": "list"})
        else:
            self.refuse(call, key)

    def post(self, path: str, body: Any, call: Call) -> None:
        key = self.key_of(call)
        if path.endswith("/api/show"):
            call.send_json(200, {"model_info": {"a.context_length": 8192}, "details": {"family": key}, "capabilities": [key]})
        elif self.place in ("reply", "names"):
            message = {"role": "assistant", "content": f"it is {key}", "thinking": key, "reasoning_content": key}
            choice = {"index": 0, "message": message, "finish_reason": key}
            answer = {"model": key, "done": True, "done_reason": key, "message": message, "choices": [choice]}
            call.send_json(
                200, {**answer, "id": key, "object": key, "created": 1, "system_fingerprint": key, "prompt_eval_count": 20}
            )
        elif self.place == "shape":
            call.send_json(200, {"model": {"k": key}, "message": key, "choices": [{"message": {"content": {key: 1}}}]})
        else:
            self.refuse(call, key)

    def key_of(self, call: Call) -> str:
        return (call.headers.get("Authorization") or "").removeprefix("Bearer ")

    def refuse(self, call: Call, key: str) -> None:
        if self.place == "status":
            call.send_response(400, f"bad key {key}")
            call.send_header("Content-Length", "0")
            call.end_headers()
        elif self.place == "plain":
            call.send_whole(500, f"Authorization: Bearer {key}".encode(), "text/plain")
        elif self.place == "nested":
            call.send_json(400, {"error": json.dumps({"error": {"code": 400, "message": f"no {key}"}})})
        elif self.place == "detail":
            call.send_json(422, {"detail": [{"loc": ["header"], "input": {"authorization": f"Bearer {key}"}}]})
        elif self.place == "header":
            call.send_json(429, {"error": "wait"}, {"Retry-After": key, "X-Request-Id": key})
        elif self.place == "redirect":
            call.send_json(307, {}, {"Location": f"http://127.0.0.1:9/{key}"})
        elif self.place == "masked":
            call.send_json(401, {"error": {"message": f"wrong key {key[:8]}{'*' * 12}{key[-4:]}", "code": "invalid_api_key"}})
        else:
            call.send_json(400, {"error": {"message": f"no {key}", "param": key, "type": key, "code": key}})


def settings_for(kind: str, server: Double) -> LlmSettings:
    target = {"ollama": "harness.llm.ollama.Ollama", "openai": "harness.llm.openai.OpenAI"}[kind]
    url = server.address if kind == "ollama" else f"{server.address}/v1"
    more: dict[str, Any] = {"timeout_seconds": 5.0, "tries": 1, "num_ctx": 4096, "max_tokens": 50}
    return LlmSettings(name=kind, _target_=target, model="m", base_url=url, key_env=VARIABLE["openai"], **more)


def everything_said(settings: LlmSettings) -> list[str]:
    """Ask for readiness and for a reply, and return every text that could reach a person or a disk."""
    found = readiness(settings)
    show([("LLM", found)])
    texts, kept = [repr(found)], list[CallRecord]()
    backend = build_backend(settings, keep=kept.append)
    try:
        reply = backend.complete(settings.request([Message("user", "?")], schema={"type": "object"}, seed=1, trial=1, call=1))
        texts += [repr(reply), json.dumps(reply.facts.to_dict())]
    except BackendError as error:
        texts += [str(error), repr(error), "".join(traceback.format_exception(error))]
    return [*texts, *(json.dumps(record.to_dict()) for record in kept)]


def combinations() -> list[Any]:
    """Return every place with the usual key, and every key in one place; the rest is for the full check."""
    found = []
    for kind, place, key in itertools.product(VARIABLE, PLACES, KEYS):
        always = key == "with its line break" or place == "json"
        found.append(pytest.param(kind, place, key, marks=[] if always else pytest.mark.full))
    return found


@pytest.mark.parametrize(("kind", "place", "key"), combinations())
def test_no_text_that_leaves_a_backend_holds_the_key(
    kind: str, place: str, key: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE[kind], KEYS[key])
    with Echo(place) as server:
        said = everything_said(settings_for(kind, server))
        sent = [received.headers.get("authorization") for received in server.received]
    assert all(one == f"Bearer {KEYS[key].strip()}" for one in sent)
    assert bool(sent) == (key != "cut in two"), "the key was really sent, and a broken one was not"
    for text in [*said, *capfd.readouterr()]:
        assert "planted" not in text.replace("\n", "")
        assert "2e77d1b84a60" not in text.replace("\n", "")
        assert "7d1b84a60" not in text.replace("\n", "")
