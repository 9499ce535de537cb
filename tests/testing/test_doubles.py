"""The doubles themselves: the real clients must not be able to tell, and what they are scripted to do, they do and count."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InvalidConfig
from harness.optimizers.agent.reply_schema import reply_schema
from harness.testing.contracts.backend import SCHEMA
from harness.testing.contracts.optimizer import NASTY
from harness.testing.servers.double import Double
from harness.testing.servers.ollama_api import OllamaDouble
from harness.testing.servers.openai_api import KEY, OpenAIDouble
from harness.testing.servers.replies import answer, corrupt, schema_in
from harness.testing.servers.schema import draw, fits
from harness.testing.servers.script import KINDS, REPLIES, TRANSPORT, WRAPPED, Script, keyed

ollama_client: Any = pytest.importorskip("ollama")
openai_client: Any = pytest.importorskip("openai")
MODEL = "phi4-reasoning:14b"
ASK = [{"role": "user", "content": "Propose."}]
CONDITIONAL = {
    "type": "object",
    "properties": {"kind": {"enum": ["a", "b"]}, "n": {"type": "integer", "minimum": 3, "maximum": 3}, "x": {"$ref": "#/$defs/x"}},
    "required": ["kind"],
    "if": {"properties": {"kind": {"const": "a"}}},
    "then": {"required": ["n"]},
    "else": {"required": ["x"]},
    "$defs": {"x": {"type": "number", "exclusiveMinimum": 0, "maximum": 1e-3}},
}


class TestOllamaAsItsClientSeesIt:
    def test_a_streamed_chat_is_the_whole_one_in_pieces(self, ollama: OllamaDouble) -> None:
        client = ollama_client.Client(host=ollama.url, timeout=5)
        parts = list(client.chat(MODEL, ASK, format=SCHEMA, stream=True))
        assert len(parts) > 3
        assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
        assert parts[-1].eval_count > 0
        assert all(part.eval_count is None for part in parts[:-1])
        assert fits(json.loads("".join(part.message.content for part in parts)), SCHEMA)
        client.close()

    def test_a_model_is_pulled_with_progress_and_then_there(self, ollama: OllamaDouble) -> None:
        client = ollama_client.Client(host=ollama.url, timeout=5)
        with pytest.raises(ollama_client.ResponseError, match="model 'new:1b' not found") as caught:
            client.chat("new:1b", ASK)
        assert caught.value.status_code == 404
        states = [state.status for state in client.pull("new:1b", stream=True)]
        assert (states[0], states[-1]) == ("pulling manifest", "success")
        assert client.chat("new:1b", ASK).message.content
        assert [model.model for model in client.ps().models] == ["new:1b"]
        with pytest.raises(ollama_client.ResponseError, match="file does not exist"):
            client.pull("no-such-model")
        client.close()

    def test_a_window_that_is_not_set_is_small_and_a_long_prompt_is_cut_silently(self, ollama: OllamaDouble) -> None:
        client = ollama_client.Client(host=ollama.url, timeout=5)
        reply = client.chat(MODEL, [{"role": "user", "content": "word " * 10_000}])
        assert reply.prompt_eval_count == 4096
        assert reply.done_reason == "stop"
        client.close()

    def test_a_limit_cuts_the_reply_and_says_so(self, ollama: OllamaDouble) -> None:
        client = ollama_client.Client(host=ollama.url, timeout=5)
        reply = client.chat(MODEL, ASK, format=SCHEMA, options={"num_predict": 5})
        assert (reply.done_reason, reply.eval_count) == ("length", 5)
        assert len(reply.message.content) < 30
        client.close()

    def test_a_missing_body_and_a_wrong_path_are_errors(self, ollama: OllamaDouble) -> None:
        for path, status in (("/api/chat", 400), ("/api/embed2", 404)):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(urllib.request.Request(ollama.url + path, method="POST"), timeout=5)
            assert caught.value.code == status
            caught.value.close()
        with urllib.request.urlopen(ollama.url, timeout=5) as page:
            assert page.read() == b"Ollama is running"


class TestOpenAIAsItsClientSeesIt:
    def client(self, server: OpenAIDouble, key: str = KEY) -> Any:
        return openai_client.OpenAI(base_url=server.url, api_key=key, max_retries=0, timeout=5)

    def test_a_streamed_completion_is_the_whole_one_in_pieces(self, openai: OpenAIDouble) -> None:
        with self.client(openai) as client:
            held = {"type": "json_schema", "json_schema": {"name": "reply", "schema": SCHEMA, "strict": True}}
            ask: dict[str, Any] = {"model": "gpt-4o", "messages": ASK, "response_format": held}
            pieces = [chunk.choices[0].delta.content or "" for chunk in client.chat.completions.create(**ask, stream=True)]
            assert len(pieces) > 3
            assert fits(json.loads("".join(pieces)), SCHEMA)

    def test_models_are_listed_and_keys_are_checked(self, openai: OpenAIDouble) -> None:
        with self.client(openai) as client:
            assert "gpt-4o" in [model.id for model in client.models.list()]
        with self.client(openai, "sk-wrong-key-0000") as client:
            with pytest.raises(openai_client.AuthenticationError) as caught:
                client.models.list()
            assert caught.value.code == "invalid_api_key"

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"model": "gpt-9"}, "model_not_found"),
            ({"model": "gpt-6-luna", "max_tokens": 5}, "unsupported_parameter"),
            ({"model": "gpt-6-luna", "temperature": 0.2}, "unsupported_value"),
            ({"messages": [{"role": "user", "content": "word " * 20_000}]}, "context_length_exceeded"),
            ({"response_format": {"type": "json_object"}}, None),
        ],
    )
    def test_what_the_real_one_refuses_is_refused(self, openai: OpenAIDouble, change: dict[str, Any], code: str | None) -> None:
        with self.client(openai) as client, pytest.raises(openai_client.APIStatusError) as caught:
            client.chat.completions.create(**{"model": "gpt-4o", "messages": ASK, **change})
        assert caught.value.code == code


def chat(server: OllamaDouble, seed: int, text: str = "Propose.") -> str:
    """Ask without any client, once; '' when no whole answer came."""
    body = {
        "model": MODEL,
        "stream": False,
        "format": SCHEMA,
        "options": {"seed": seed},
        "messages": [{"role": "user", "content": text}],
    }
    request = urllib.request.Request(f"{server.url}/api/chat", json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return str(json.loads(response.read())["message"]["content"])
    except (OSError, ValueError):
        return ""


def test_the_same_question_gets_the_same_answer_from_every_double() -> None:
    with OllamaDouble() as one, OllamaDouble() as other:
        chat(other, 5)
        assert [chat(one, seed) for seed in range(3)] == [chat(other, seed) for seed in range(3)]
        assert len({chat(one, seed) for seed in range(10)}) > 5


def test_faults_at_random_do_not_depend_on_the_order_of_calls() -> None:
    script = Script.random(1, 0.5, ["empty", "out_of_range", "error"])
    with OllamaDouble(script) as one, OllamaDouble(script) as other:
        forth = {seed: [chat(one, seed), chat(one, seed)] for seed in range(12)}
        back = {seed: [chat(other, seed), chat(other, seed)] for seed in reversed(range(12))}
        assert forth == back
        assert one.injected == other.injected
        assert sum(one.injected.values()) + one.answered == 24
        assert {"empty", "out_of_range", "error"} == set(one.injected)


def test_the_counts_can_be_read_from_another_process() -> None:
    with OllamaDouble(Script.of("empty")) as server:
        chat(server, 1)
        chat(server, 2)
        with urllib.request.urlopen(f"{server.address}/double", timeout=5) as response:
            assert json.loads(response.read()) == {"answered": 1, "injected": {"empty": 1}, "requests": 3}


def test_a_mistake_in_the_double_fails_the_test_that_uses_it() -> None:
    class Broken(Double):
        def get(self, path: str, call: Any) -> None:
            raise ZeroDivisionError

    server = Broken()
    server.start()
    with pytest.raises(OSError, match="without response"):
        urllib.request.urlopen(server.address, timeout=5)
    with pytest.raises(ZeroDivisionError):
        server.stop()


def test_a_port_can_be_chosen_and_is_found_again_after_it_was_down() -> None:
    with OllamaDouble() as server:
        address = server.address
        with server.down():
            assert chat(server, 1) == ""
        assert server.address == address
        assert chat(server, 1)


def test_a_script_is_read_from_plain_data_and_mistakes_are_named() -> None:
    script = Script.read({"steps": ["empty", {"do": "hang", "seconds": 2}], "then": "fenced"})
    assert [script.at(number, "?", 0).do for number in range(4)] == ["empty", "hang", "fenced", "fenced"]
    assert Script.read({"random": {"seed": 1, "share": 1.0, "faults": ["cut"]}}).at(0, "?", 0).do == "cut"
    with pytest.raises(ValueError, match="unknown fault 'boom'"):
        Script.read({"steps": ["boom"]})
    with pytest.raises(ValueError, match="unknown key in script"):
        Script.read({"step": []})


def test_the_issue_list_of_faults_is_complete() -> None:
    asked = "refuse rate_limit error busy hang drip cut invalid_json out_of_range missing_key extra_key wrong_type repeat empty"
    asked += " think_only think_then_answer fenced chatter truncated not_pulled"
    assert set(asked.split()) <= set(KINDS)
    assert len(KINDS) == len(set(KINDS))
    assert not set(TRANSPORT) & set(REPLIES + WRAPPED)


@pytest.mark.parametrize("schema", [SCHEMA, reply_schema(NASTY), CONDITIONAL], ids=["branches", "space", "if-then-else"])
def test_what_is_drawn_fits_its_schema(schema: dict[str, Any]) -> None:
    drawn = [draw(schema, keyed(number)) for number in range(200)]
    assert all(fits(value, schema) for value in drawn)
    assert len({json.dumps(value) for value in drawn}) > 20


def test_what_is_drawn_from_a_spaces_schema_is_a_member_of_the_space() -> None:
    schema = reply_schema(NASTY)
    configs = [NASTY.check(draw(schema, keyed(number))["config"]) for number in range(200)]
    assert len({frozenset(config) for config in configs}) > 2, "every branch is taken"


@pytest.mark.parametrize("kind", ["out_of_range", "missing_key", "extra_key", "wrong_type", "not_finite"])
def test_a_corrupted_reply_is_no_member_of_the_space(kind: str) -> None:
    schema = reply_schema(NASTY)
    for number in range(30):
        reply = json.loads(corrupt(kind, answer(schema, keyed(number)), schema, None))
        with pytest.raises(InvalidConfig):
            NASTY.check(reply["config"])


@pytest.mark.parametrize("kind", ["invalid_json", "cut_json", "empty", "think_only", "chatter"])
def test_a_reply_without_json_has_none(kind: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        json.loads(corrupt(kind, answer(SCHEMA, random.Random(1)), SCHEMA, None))


@pytest.mark.parametrize("kind", WRAPPED)
def test_a_wrapped_reply_still_holds_the_whole_one(kind: str) -> None:
    text = answer(SCHEMA, random.Random(1))
    assert text in corrupt(kind, text, SCHEMA, None)


def test_a_schema_in_the_prompt_is_found_and_an_example_is_not_taken_for_one() -> None:
    example, schema = '```json\n{"learning_rate": 0.1}\n```', f"```json\n{json.dumps(SCHEMA)}\n```"
    assert schema_in([{"content": f"Now:\n{example}\nForm:\n{schema}\nThanks."}]) == SCHEMA
    assert schema_in([{"content": schema}, {"content": "That was wrong. Again."}]) == SCHEMA
    assert schema_in([{"content": example}, {"content": "no fence"}]) is None


def test_the_script_serves_by_hand_until_it_is_stopped(tmp_path: Path) -> None:
    faults = tmp_path / "faults.json"
    faults.write_text('{"steps": ["empty"]}')
    path = Path(__file__).resolve().parents[2] / "scripts" / "llm_double.py"
    command = [sys.executable, str(path), "--api", "ollama", "--script", str(faults), "--model", "tiny:1b"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        with urllib.request.urlopen(f"{url}/api/tags", timeout=5) as response:
            assert [model["name"] for model in json.loads(response.read())["models"]] == ["tiny:1b"]
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=10)
    assert json.loads(out) == {"answered": 0, "injected": {}, "requests": 1}
    assert process.returncode == 0
