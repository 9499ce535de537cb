"""What an LLM, a task or a setting says cannot get into a path, a terminal, a spreadsheet or W&B, and keys are kept nowhere.

The report's page, Markdown, LaTeX, CSV and terminal meet the same list in tests/report/test_page.py.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import Cli
from support.cells import cells_of, settings_of
from support.commands import CONF, run
from support.hostile import HOSTILE
from torture.conftest import clean_environment
from torture.size import FULL

from harness.config.settings import cells
from harness.config.values import Settings
from harness.console import say
from harness.errors import HarnessError, SettingsError
from harness.llm.errors import BackendError
from harness.report.render.write import _plain
from harness.report.sources.records import read_study
from harness.run.study import add_to_plan, run_cells
from harness.store.cell_folder import read_trials
from harness.testing.servers.ollama_api import OllamaDouble
from harness.testing.servers.script import Script
from harness.training.failure import describe

# Control characters, direction marks, line separators, half pairs.
MOVES = {"Cc", "Cf", "Zl", "Zp", "Cs"}


def harmless(text: str) -> bool:
    """Say whether a terminal shows a text as it is, in one line."""
    return not any(unicodedata.category(character) in MOVES for character in text)


NAMES = ("study", "arm", "variant", "task.name", "optimizer.name", "optimizer.label", "llm.name")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_of(tmp_path_factory.mktemp("out"), "optimizer=tcs_phi4")


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_name_is_refused_or_stays_inside_the_study_s_folder(settings: Settings, name: str) -> None:
    for text in (*HOSTILE, "..", ".", "a/b", "a\\b", "", "nul\0", "-", "~", " ", "a" * 90, "é" * 60):
        unlabelled = replace(settings, optimizer=replace(settings.optimizer, label=None)) if name == "llm.name" else settings
        group, _, field = name.rpartition(".")
        value: Any = replace(getattr(unlabelled, group), **{field: text}) if group else text
        changed: Any = replace(unlabelled, **{group or field: value})
        try:
            (cell,) = cells(changed)
        except SettingsError as refused:
            assert "\n" not in str(refused)  # noqa: PT017 - either way is fine, and each has its own promise
            continue
        folder = Path("/study", cell.folder)
        assert folder.parts[:2] == ("/", "study")
        assert len(folder.parts) == 5
        assert not {"..", "."} & set(cell.folder.split("/"))
        assert harmless(cell.folder)
        assert all(0 < len(part.encode()) <= 255 for part in cell.folder.split("/"))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_error_is_one_harmless_line_in_the_record_and_on_the_terminal(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert harmless(describe(RuntimeError(text)))
    assert harmless(str(BackendError(text)))
    say(f"failed: {HarnessError(text)}")
    assert harmless(capsys.readouterr().err.removesuffix("\n"))


@pytest.mark.parametrize("text", [text for text in HOSTILE if text.isascii() and "\n" not in text and "\r" not in text])
def test_a_hostile_command_line_is_answered_in_one_harmless_line(cli: Cli, tmp_path: Path, text: str) -> None:
    for argument in (f"task={text}", f"study={text}", text):
        ran = cli("task=toy", "tracking=off", "budget=1", "progress=off", argument)
        assert ran.status in (0, 2)
        assert not ran.err or harmless(ran.line)
        assert set(tmp_path.iterdir()) <= {tmp_path / "runs"}


def test_a_spreadsheet_runs_no_cell_of_a_table() -> None:
    texts = [*HOSTILE, "=1", " =1", "\r=1", "-1.5", "+2", "-inf", "nan", "1e-5", "-1e5"]
    column = _plain(pd.DataFrame({"x": texts}))["x"]
    for text, kept in zip(texts, column, strict=True):
        try:
            float(text)
        except ValueError:
            assert kept.lstrip()[:1] not in ("=", "+", "-", "@"), text
        else:
            assert kept == text


@pytest.fixture
def ollama() -> Iterator[OllamaDouble]:
    with OllamaDouble() as double:
        yield double


def test_hostile_replies_are_kept_word_for_word_and_lead_nowhere(
    ollama: OllamaDouble, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = {"learning_rate": 0.01, "momentum": 0.5}
    replies = [json.dumps({"analysis": text, "config": {**good, "momentum": n / 100}}) for n, text in enumerate(HOSTILE)]
    bad = [json.dumps({"analysis": "", "config": {text: text}}) for text in HOSTILE]
    steps = [{"do": "text", "text": text} for pair in zip(bad, replies, strict=True) for text in pair]
    ollama.script = Script.of(*steps)
    (cell,), settings = cells_of(tmp_path, "optimizer=tcs_phi4", f"budget={len(HOSTILE)}", f"llm.base_url={ollama.url}")
    add_to_plan(tmp_path / "main", [cell])
    assert run_cells([cell], settings).done == 1
    folder = tmp_path / "main" / cell.folder
    trials = read_trials(folder)
    assert {trial.proposal.source for trial in trials} == {"llm-retry-1"}
    for trial, text in zip(trials, HOSTILE, strict=True):
        kept = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        assert trial.proposal.note["analysis"] == kept
    inside = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert all(path.startswith("main") and harmless(path) for path in inside)
    assert not (tmp_path.parent / "escaped").exists()
    assert read_study(tmp_path / "main").problems == ()
    assert harmless("".join(capsys.readouterr()).replace("\n", ""))


@pytest.mark.skipif(not FULL, reason="takes three seconds; the keys' test opens W&B too")
def test_hostile_errors_of_a_training_reach_w_and_b_as_harmless_lines(tmp_path: Path) -> None:
    from harness.report.sources.wandb_offline import read_offline

    conf = tmp_path / "conf" / "task"
    conf.mkdir(parents=True)
    text = (CONF / "task" / "faulty.yaml").read_text()
    spoken = json.dumps("\x1b[2J\u202e<script>alert(1)</script>\n=1+1")
    (conf / "loud.yaml").write_text(
        text.replace("support.faulty.Faulty", "support.faulty.Loud").replace("action: ok", f"action: {spoken}")
    )
    command = ("--config-dir", str(tmp_path / "conf"), "task=loud", "task.name=loud", "budget=2", "progress=off")
    ran = run(command, tmp_path, timeout=120, env=clean_environment())
    assert (ran.returncode, ran.stderr) == (0, "")
    data = read_offline(tmp_path / "runs" / "main", "main")
    errors = [trial.outcome.error for cell in data.cells for trial in cell.trials]
    assert len(errors) == 2
    assert all(error and harmless(error) and "script" in error for error in errors)


KEYS = {
    "OPENAI_API_KEY": "sk-planted-4f9c2e77d1b84a60",
    "OLLAMA_API_KEY": "planted-key-0123456789",
    "WANDB_API_KEY": "0123456789abcdef" * 2 + "01234567",
}


def test_planted_keys_that_a_server_echoes_are_in_no_file_of_a_study(ollama: OllamaDouble, tmp_path: Path) -> None:
    echo = " ".join(KEYS.values())
    ollama.script = Script.of({"do": "error", "text": echo}, {"do": "text", "text": echo})
    home = tmp_path / "home"
    home.mkdir()
    command = (
        "task=toy",
        "optimizer=tcs_phi4",
        f"llm.base_url={ollama.url}",
        "budget=2",
        "llm.first_wait_seconds=0.01",
        "progress=off",
    )
    ran = run(command, tmp_path, timeout=120, env=clean_environment(**KEYS, HOME=str(home)))
    assert (ran.returncode, ran.stderr) == (0, ollama.announced)
    assert any(one.headers.get("authorization") == f"Bearer {KEYS['OLLAMA_API_KEY']}" for one in ollama.received)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".wandb" for path in files)
    for path in files:
        data = path.read_bytes()
        assert not [name for name, key in KEYS.items() if key.encode() in data], path
