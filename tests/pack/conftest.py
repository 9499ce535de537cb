"""A small study of every kind that a bundle must carry, and its bundle; the command of this process, in a folder of its own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from conftest import Cli, runner
from support.cells import cells_of

from harness.pack.__main__ import main
from harness.run.study import add_to_plan, run_all
from harness.store.cell_folder import SUMMARY
from harness.testing.servers.ollama_api import OllamaDouble

ARMS = (
    ("optimizer=default_only", "seeds=2"),
    ("optimizer=tpe", "optimizer.startup_trials=1", "arm=mine", "limits.trial_seconds=600"),
    ("task=digits", "evaluator=table", "optimizer=rules", "start=default", "train_seed=1"),
    ("optimizer=tcs_phi4", "agent.names=anonymous", "llm.temperature=0.3", "seeds=2"),
)
OPEN = "toy/default_only/seed1-*"


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs/main: seven cells of four arms, one of them open, and its bundle main.tar.gz. Read it, never write into it."""
    folder = tmp_path_factory.mktemp("bundled")
    with pytest.MonkeyPatch.context() as patch, OllamaDouble() as double:
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        patch.chdir(folder)
        asked = [cells_of(folder / "runs", "budget=3", *arm, *_server(arm, double.url)) for arm in ARMS]
        study = folder / "runs" / "main"
        add_to_plan(study, [cell for cells, _ in asked for cell in cells])
        result = run_all([(settings, cells) for cells, settings in asked])
        assert (result.done, result.failed) == (6, ())
        (next(study.glob(OPEN)) / SUMMARY).unlink()
        (next(study.glob("toy/mine/*")) / "notes.bin").write_bytes(b"\xff\x00 a user's own")
        assert main(["main", "--bundle", "main.tar.gz", "--no-page"]) == 0
    return folder


def _server(arm: tuple[str, ...], url: str) -> list[str]:
    return [f"llm.base_url={url}"] if "optimizer=tcs_phi4" in arm else []


@pytest.fixture
def study(made: Path, pack: Cli, tmp_path: Path) -> Path:
    """A copy of that study that a test may change, as runs/main of its own folder."""
    shutil.copytree(made / "runs" / "main", tmp_path / "runs" / "main")
    return tmp_path / "runs" / "main"


@pytest.fixture
def bundle(made: Path) -> Path:
    """The bundle of that study."""
    return made / "main.tar.gz"


@pytest.fixture
def pack(cli: Cli, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run command lines of `harness.pack` in a folder of their own, with no LLM and no key in sight."""
    for name in [*os.environ]:
        if name.endswith("_API_KEY") or name in ("OLLAMA_HOST", "OPENAI_BASE_URL"):
            monkeypatch.delenv(name)
    return runner(main, capsys)
