"""The doctor's table against servers of every state, and with keys that must not be in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config.settings import conf_dir
from harness.doctor import examine_llms, show
from harness.testing.servers.ollama_api import OllamaDouble

SECRET = "abcdefgh12345678XYZ"


def own_llm(folder: Path, text: str) -> Path:
    (folder / "llm").mkdir()
    (folder / "llm" / "own.yaml").write_text(text, encoding="utf-8")
    return folder


def test_a_double_and_a_window_that_does_not_fit_are_said_below_their_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with OllamaDouble(trained_window=8192) as server:
        text = (
            f"name: own\n_target_: harness.llm.ollama.Ollama\nmodel: phi4-reasoning:14b\nbase_url: {server.url}\nnum_ctx: 32768\n"
        )
        found = list(examine_llms([own_llm(tmp_path, text)]))
    show(found)
    out = " ".join(capsys.readouterr().out.split())
    assert "is a test double: its answers are random configurations" in out
    assert "llm.num_ctx=32768 is more than the window of phi4-reasoning:14b, 8192 tokens" in out


@pytest.mark.parametrize("value", [f"{SECRET}\n", f"{SECRET}\r\n", f"{SECRET}\nsecond-line", f"{SECRET}ü"])
def test_a_key_is_never_in_the_table(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("LLM_API_KEY", "OPENAI_API_KEY", "OLLAMA_API_KEY", "WANDB_API_KEY"):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")
    text = "name: own\n_target_: harness.llm.openai.OpenAI\nmodel: m\nbase_url: http://127.0.0.1:9/v1\nkey_env: LLM_API_KEY\n"
    show(list(examine_llms([conf_dir(), own_llm(tmp_path, text)])))
    out, err = capsys.readouterr()
    assert "OPENAI_API_KEY" in out
    assert SECRET not in (out + err).replace("\n", "").replace(" ", "")
