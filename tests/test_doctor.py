"""The doctor's table against servers of every state, and with keys that must not be in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config.settings import conf_dir
from harness.doctor.findings import examine_llms, examine_tasks
from harness.doctor.table import show
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


def test_a_file_is_read_as_a_command_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSWERS", str(tmp_path / "answers.gguf"))
    (tmp_path / "answers.gguf").touch()
    texts = {
        "based": "defaults:\n  - llama_cpp\n  - _self_\nname: based\npath: ${oc.env:ANSWERS}\ntimeout_seconds: 9e2\n",
        "packed": "# @package _global_\nllm:\n  name: packed\n  _target_: harness.llm.replay.Replay\n  path: ${study}\n",
        "odd": "name: odd\n_target_: harness.llm.ollama.Ollama\nmodell: x\n",
        "broken": "name: [\n",
        "bare": "name: bare\n",
        "phi4": "name: phi4\n",
    }
    (tmp_path / "llm").mkdir()
    for name, text in texts.items():
        (tmp_path / "llm" / f"{name}.yaml").write_text(text)
    (tmp_path / "llm" / "._based.yaml").write_bytes(b"\xff")
    found = {found.name: found.reason for _, found in examine_llms([tmp_path])}
    assert found.keys() == texts.keys()
    assert f"{tmp_path}/answers.gguf" in found["based"] or "xllamacpp" in found["based"]
    assert "nothing to replay at 'main'" in found["packed"]
    assert "modell" in found["odd"]
    assert "broken.yaml, line 2, column 1" in found["broken"]
    assert "names no backend" in found["bare"]
    assert "give it another name" in found["phi4"]


def test_only_commands_look_like_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("PATH", str(tmp_path))
    show(list(examine_llms([conf_dir()])))
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert "$ curl -fsSL https://ollama.com/install.sh | sh" in lines
    assert "$ ollama serve" in lines
    assert "$ ollama pull phi4-reasoning:14b" in lines
    assert "take llm=gpt6_luna, or another model with llm.model=NAME, or llm.base_url=URL of a server that still does" in lines
    assert len([line for line in lines if line == "$ ollama serve"]) == 1
    assert not [line for line in lines if line.startswith(("$ set", "$ llm.", "$ start"))]


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


def test_a_suite_whose_tasks_all_stand_alike_is_one_row(tmp_path: Path) -> None:
    (tmp_path / "task").mkdir()
    toy = (conf_dir() / "task" / "toy.yaml").read_text().replace("suite: test", "suite: many")
    for name in "abcd":
        (tmp_path / "task" / f"many_{name}.yaml").write_text(toy)
    assert [found.name for found in examine_tasks([tmp_path])] == ["many (4)"]
    (tmp_path / "task" / "many_d.yaml").write_text(toy.replace("harness.tasks.toy", "harness.tasks.toi"))
    assert [found.name for found in examine_tasks([tmp_path])] == [f"many_{name}" for name in "abcd"]
    (tmp_path / "task" / "many_d.yaml").unlink()  # three are shown one by one
    assert [found.name for found in examine_tasks([tmp_path])] == [f"many_{name}" for name in "abc"]
