"""Keys: planted, echoed by hostile servers, and looked for everywhere."""

from __future__ import annotations

import json
import logging
import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import SettingsError
from harness.llm.backend import Message
from harness.llm.build import build_backend
from harness.llm.calls import CallRecord
from harness.llm.errors import BackendError
from harness.llm.settings import LlmSettings
from harness.scrub import foreign_text, one_line
from harness.testing.servers.double import Double
from harness.testing.servers.ollama_api import OllamaDouble
from harness.testing.servers.openai_api import OpenAIDouble
from harness.testing.servers.script import Script

SECRET = "sk-planted-4f9c2e77d1b84a60"
FAULTS = ["unauthorized", "rate_limit", "error", "busy", "quota", "not_pulled", "too_long"]


@pytest.fixture(params=["ollama", "openai"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Double:
    """A double of either API, and its key in the environment."""
    double: Double = request.getfixturevalue(request.param)
    for name in ("OPENAI_API_KEY", "OLLAMA_API_KEY"):
        monkeypatch.setenv(name, SECRET)
    return double


def settings_for(server: Double) -> LlmSettings:
    shared: dict[str, Any] = {"timeout_seconds": 5.0, "tries": 2, "first_wait_seconds": 0.01, "max_tokens": 50, "num_ctx": 4096}
    if isinstance(server, OllamaDouble):
        return LlmSettings(
            name="o", _target_="harness.llm.ollama.Ollama", model="phi4-reasoning:14b", base_url=server.url, **shared
        )
    assert isinstance(server, OpenAIDouble)
    server.key = SECRET
    target = "harness.llm.openai.OpenAI"
    return LlmSettings(name="g", _target_=target, model="gpt-4o", base_url=server.url, key_env="OPENAI_API_KEY", **shared)


def whole_chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def everything_of(server: Double, settings: LlmSettings) -> tuple[list[str], list[CallRecord]]:
    """Ask once, and return every text that could reach a person or a disk."""
    kept: list[CallRecord] = []
    backend = build_backend(settings, keep=kept.append)
    request = settings.request([Message("user", "Hello.")], schema=None, seed=1, trial=1, call=1)
    texts: list[str] = []
    try:
        reply = backend.complete(request)
        texts.append(repr(reply))
    except BackendError as error:
        for one in whole_chain(error):
            texts += [str(one), repr(one), repr(one.args)]
        texts.append("".join(traceback.format_exception(error)))
    sent = [received.headers.get("authorization") for received in server.received if received.method == "POST"]
    assert f"Bearer {SECRET}" in sent, "the key was really used"
    texts += [json.dumps(record.to_dict()) for record in kept]
    texts += [repr(settings), json.dumps(settings.identity()), repr(backend), repr(vars(backend))]
    return texts, kept


@pytest.mark.parametrize("fault", FAULTS)
def test_a_key_that_a_server_echoes_in_an_error_is_found_nowhere(
    server: Double, fault: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    server.script = Script.of(then={"do": fault, "text": f"bad key {SECRET}\nin Authorization: Bearer {SECRET}"})
    texts, _ = everything_of(server, settings_for(server))
    out, err = capfd.readouterr()
    for text in [*texts, caplog.text, out, err]:
        assert SECRET not in text
    assert any("OLLAMA_API_KEY" in text or "OPENAI_API_KEY" in text for text in texts)


def test_a_key_that_a_server_echoes_in_a_reply_is_not_recorded(server: Double) -> None:
    server.script = Script.of({"do": "text", "text": f"Your key is {SECRET}, is it not?"})
    texts, kept = everything_of(server, settings_for(server))
    assert len(kept) == 1
    assert kept[0].reply is not None
    assert "Your key is [O" in kept[0].reply.text
    for text in texts:
        assert SECRET not in text


def test_a_password_in_the_address_is_refused_before_it_can_be_recorded() -> None:
    with pytest.raises(SettingsError, match="leave user and password out") as caught:
        LlmSettings(name="x", base_url=f"http://me:{SECRET}@localhost:11434")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Incorrect API key provided: sk-proj-abc***xyz.", "Incorrect API key provided: [key]."),
        ("Authorization: Bearer eyJhbGciOi.J9", "Authorization: [key]"),
        ("see http://me:pw@host/x", "see http://host/x"),
        ("two\nlines\tand\x1b[31m red\x1b[0m", "two lines and [31m red [0m"),
        ("\u202egnp.exe", "gnp.exe"),
        ("risk-free and desk-bound", "risk-free and desk-bound"),
        ("  spaces   collapse  ", "spaces collapse"),
    ],
)
def test_an_error_text_is_one_safe_line(text: str, shown: str) -> None:
    assert one_line(text, limit=200) == shown


def test_a_page_of_html_in_an_error_stays_short() -> None:
    assert len(str(BackendError("<div>" * 1_000_000))) == 600


@given(st.text())
def test_any_text_ends_as_one_printable_line(text: str) -> None:
    line = one_line(text, limit=80)
    assert len(line) <= 80
    assert "\n" not in line
    assert "\x1b" not in line
    line.encode()


@given(st.text(st.characters(codec=None)))
def test_any_reply_can_be_written_down(text: str) -> None:
    kept = foreign_text(text)
    kept.encode()
    if text.isprintable() and text.isascii():
        assert kept == text


def test_only_secrets_are_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONKEY_BUSINESS", "learning_rate")
    monkeypatch.setenv("SHORT_API_KEY", "adam")
    monkeypatch.setenv("WANDB_API_KEY", SECRET)
    assert foreign_text(f"adam with learning_rate and {SECRET}") == "adam with learning_rate and [WANDB_API_KEY]"


def test_a_planted_key_reaches_no_file_of_a_cell(server: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    server.script = Script.of({"do": "error", "text": SECRET}, {"do": "text", "text": SECRET})
    path = tmp_path / "calls.jsonl"
    settings = settings_for(server)

    def keep(record: CallRecord) -> None:
        with path.open("a", encoding="utf-8") as file:
            print(json.dumps(record.to_dict(), ensure_ascii=False), file=file)

    backend = build_backend(settings, keep=keep)
    backend.complete(settings.request([Message("user", "Hello.")], schema=None, seed=1, trial=1, call=1))
    assert len(path.read_text().splitlines()) == 2
    for file in tmp_path.rglob("*"):
        assert SECRET not in file.read_text()
