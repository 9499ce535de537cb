"""Addresses of Ollama in the forms that its own programs take, and keys as they come from files, forms and other alphabets."""

from __future__ import annotations

import pytest

from harness.errors import SettingsError
from harness.llm.backend import Message
from harness.llm.build import build_backend
from harness.llm.endpoint import ollama_url, read_key, state_of
from harness.llm.errors import NotReady
from harness.llm.probe import readiness
from harness.llm.settings import LlmSettings
from harness.testing.servers.ollama_api import OllamaDouble
from harness.testing.servers.openai_api import KEY, OpenAIDouble

FORMS = {
    "": "http://127.0.0.1:11434",
    "gpu": "http://gpu:11434",
    "gpu:8080": "http://gpu:8080",
    "gpu/ollama": "http://gpu:11434/ollama",
    "gpu:8080/ollama/": "http://gpu:8080/ollama",
    ":11500": "http://127.0.0.1:11500",
    "'127.0.0.1:11500'": "http://127.0.0.1:11500",
    '"127.0.0.1:11500"': "http://127.0.0.1:11500",
    " gpu:8080\n": "http://gpu:8080",
    "0.0.0.0": "http://127.0.0.1:11434",
    "0.0.0.0:11500": "http://127.0.0.1:11500",
    "http://0.0.0.0:11500": "http://127.0.0.1:11500",
    "::1": "http://[::1]:11434",
    "[::1]": "http://[::1]:11434",
    "[::1]:8080": "http://[::1]:8080",
    "fe80::2/ollama": "http://[fe80::2]:11434/ollama",
    "::": "http://localhost:11434",
    "[::]:11500": "http://localhost:11500",
    "http://gpu": "http://gpu",
    "https://ollama.example": "https://ollama.example",
    "https://ollama.example:8443/path": "https://ollama.example:8443/path",
    "ollama.com": "https://ollama.com",
    "http://me:secret@gpu:8080": "http://gpu:8080",
}


@pytest.mark.parametrize("form", FORMS)
def test_an_address_is_completed_as_ollama_does(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", form)
    assert ollama_url(None) == FORMS[form]
    if form.strip() and "secret" not in form:
        monkeypatch.setenv("OLLAMA_HOST", "elsewhere")
        assert ollama_url(form) == FORMS[form]
        assert LlmSettings(name="x", base_url=form).base_url == form


@pytest.mark.parametrize("form", ["gpu:port", "ftp://gpu", "gpu:99999", "[::1", "http://[::1:80"])
def test_what_is_no_address_is_said_in_one_line(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", form)
    with pytest.raises(SettingsError, match=r"OLLAMA_HOST=.*: must be like http://localhost:11434"):
        ollama_url(None)
    found = readiness(LlmSettings(name="x", _target_="harness.llm.ollama.Ollama", model="m"))
    assert not found.ready
    assert "must be like http://localhost:11434" in found.reason
    with pytest.raises(SettingsError, match=r"llm\.base_url=.*: must be like"):
        LlmSettings(name="x", base_url=form)


@pytest.mark.parametrize("form", ["0.0.0.0:{}", ":{}", "'127.0.0.1:{}'", '"http://localhost:{}/"', "http://0.0.0.0:{}"])
def test_a_call_goes_where_the_address_says(form: str, ollama: OllamaDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real client is imported meanwhile, and reads OLLAMA_HOST by itself."""
    monkeypatch.setenv("OLLAMA_HOST", form.format(ollama.url.rpartition(":")[2]))
    settings = LlmSettings(name="x", _target_="harness.llm.ollama.Ollama", model="phi4-reasoning:14b", num_ctx=4096, max_tokens=50)
    assert readiness(settings).ready
    request = settings.request([Message("user", "?")], schema=None, seed=1, trial=1, call=1)
    assert build_backend(settings, keep=lambda _: None).complete(request).text


@pytest.mark.parametrize("around", ["\n", "\r\n", "  ", "\t\n"])
def test_the_line_break_of_a_file_is_no_part_of_a_key(around: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_API_KEY", f"{around}{KEY}{around}")
    assert read_key("LLM_API_KEY") == KEY
    assert state_of("LLM_API_KEY") == "LLM_API_KEY is set"


@pytest.mark.parametrize("value", ["", " ", "\n"])
def test_a_blank_key_is_none(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_API_KEY", value)
    assert read_key("LLM_API_KEY") is None
    assert state_of("LLM_API_KEY") == "LLM_API_KEY is not set"
    assert read_key("") is None


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("planted-0123\n456789-planted", "holds a line break"),
        ("planted-0123\r456789-planted", "holds a line break"),
        ("planted-0123\x01456789-planted", "holds a control character"),
        ("planted-schlüssel-0123456789", "holds a character that is not ASCII, at place 13 of 28"),
        ("planted-0123456789\u200b456789", "holds a character that is not ASCII, at place 19 of 25"),
    ],
)
def test_a_key_that_no_header_can_hold_is_refused_in_words_and_not_shown(
    value: str, problem: str, openai: OpenAIDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_API_KEY", value)
    with pytest.raises(NotReady) as caught:
        read_key("LLM_API_KEY")
    assert str(caught.value).startswith(f"the key in LLM_API_KEY {problem} (it is not shown here): export LLM_API_KEY anew")
    settings = LlmSettings(
        name="own", _target_="harness.llm.openai.OpenAI", model="gpt-4o", base_url=openai.url, key_env="LLM_API_KEY"
    )
    found = readiness(settings)
    assert (found.ready, found.reason) == (False, str(caught.value))
    with pytest.raises(NotReady, match=problem):
        build_backend(settings, keep=lambda _: None).complete(settings.request([], schema=None, seed=1, trial=1, call=1))
    assert not any("planted" in text or "456789" in text for text in (str(caught.value), repr(found)))


@pytest.mark.parametrize("value", ["sk-proj-0123456789", "abcdefgh12345678XYZ", "key with spaces", "9KEY"])
def test_a_key_in_place_of_its_variable_s_name_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(SettingsError, match=r"llm\.key_env takes the name of the variable") as caught:
        LlmSettings(name="x", key_env=value)
    assert value not in str(caught.value)


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "LLM_API_KEY", "my_key_2", "TOGETHER", "GPU3SERVERKEY0123456"])
def test_the_name_of_a_variable_is_taken(name: str) -> None:
    assert LlmSettings(name="x", key_env=name).key_env == name


@pytest.mark.parametrize("url", ["http://host/v1?api_key=planted-0123", "host:80/v1?key=planted-0123", "http://host/#planted-0123"])
def test_a_key_in_the_address_is_refused_before_it_can_be_recorded(url: str) -> None:
    with pytest.raises(SettingsError, match="leave out what follows") as caught:
        LlmSettings(name="x", base_url=url)
    assert "planted" not in str(caught.value)


def test_a_password_in_the_environment_s_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://me:planted@127.0.0.1:9/v1")
    settings = LlmSettings(name="gpt", _target_="harness.llm.openai.OpenAI", model="gpt-4o", key_env="OPENAI_API_KEY")
    found = readiness(settings)
    assert not found.ready
    assert found.reason.startswith("OPENAI_BASE_URL: leave user and password out of it")
    with pytest.raises(SettingsError, match="leave user and password out") as caught:
        build_backend(settings, keep=lambda _: None)
    assert "planted" not in str(caught.value)
    with pytest.raises(SettingsError) as caught:
        LlmSettings(name="x", base_url="ftp://me:planted@host")
    assert "planted" not in str(caught.value)


def test_the_findings_name_the_variable_and_never_its_value(openai: OpenAIDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = LlmSettings(
        name="own", _target_="harness.llm.openai.OpenAI", model="gpt-4o", base_url=openai.url, key_env="LLM_API_KEY"
    )
    openai.key = None
    assert readiness(settings).reason.endswith("; LLM_API_KEY is not set")
    monkeypatch.setenv("LLM_API_KEY", KEY)
    assert readiness(settings).reason.endswith("; LLM_API_KEY is set")
