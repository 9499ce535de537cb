"""The OpenAI backend against llama.cpp's own server, with the small model that setup brings."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.config.settings import conf_dir, llm_settings, task_spec
from harness.llm.backend import Message
from harness.llm.build import build_backend
from harness.llm.llama_cpp import LlamaCpp
from harness.llm.openai import OpenAI
from harness.llm.settings import LlmSettings
from harness.optimizers.agent.reply_schema import reply_schema
from harness.space.levels import level_space

READY = LlamaCpp.ready(llm_settings("smollm2", [conf_dir()]))
pytestmark = pytest.mark.skipif(not READY.ready, reason=f"{READY.reason}: {READY.command}")
TARGET = "harness.llm.openai.OpenAI"
SCRIPT = Path(__file__).parents[2] / "scripts" / "llm_server.py"


@pytest.fixture(scope="module")
def served() -> Iterator[LlmSettings]:
    command = [sys.executable, str(SCRIPT), "--until-eof", "--num-ctx", "2048"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().removeprefix("llama.cpp at ").strip()
        yield LlmSettings(_target_=TARGET, model="default", base_url=f"{address}/v1", num_ctx=2048, max_tokens=300, temperature=0.7)
        server.communicate()


def test_with_levels_the_server_holds_a_reply_to_the_space(served: LlmSettings) -> None:
    space = level_space(task_spec(conf_dir() / "task" / "digits.yaml").space)
    properties: Any = reply_schema(space)["properties"]
    request = served.request([Message("user", "Propose extreme values.")], schema=properties["config"], seed=1, trial=1, call=1)
    reply = build_backend(served, keep=lambda _: None).complete(request)
    space.check(json.loads(reply.text))
    assert reply.finish_reason == "stop"
    assert reply.facts.model == "SmolLM2-135M-Instruct.Q4_1.gguf", "the server's path does not land in records"


def test_a_window_that_the_server_does_not_have_is_said_before_the_first_call(served: LlmSettings) -> None:
    assert not OpenAI.ready(served).warning
    wider = LlmSettings(_target_=TARGET, model="default", base_url=served.base_url, num_ctx=8192)
    assert "2048" in str(OpenAI.ready(wider))
