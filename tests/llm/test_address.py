"""Addresses of Ollama in the forms that its own programs take."""

from __future__ import annotations

import pytest
from servers.ollama_api import OllamaDouble

from harness.errors import SettingsError
from harness.llm.address import ollama_url
from harness.llm.backend import Message
from harness.llm.build import build_backend
from harness.llm.config import LlmSettings
from harness.llm.ready import readiness

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
