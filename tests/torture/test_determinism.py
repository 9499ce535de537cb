"""The same cells in another process, in another order, with one or two workers: the same records but for `record.VARYING`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.commands import records, run
from torture.conftest import Zygote
from torture.size import FULL

from harness.store.cell_folder import MANIFEST, read_json
from harness.store.codec import VARYING
from harness.testing.servers.ollama_api import OllamaDouble

ARMS = "random,rules,tpe,skopt_gp,tcs_phi4" if FULL else "random,rules,tcs_phi4"
TASK = "task=friedman" if FULL else "task=toy"
# Beside the trials: what of a manifest may differ between two runs of a cell with the same versions on the same machine.
MANIFEST_VARYING = {"created", "settings", "environment"}


def command(ollama: OllamaDouble, *more: str) -> tuple[str, ...]:
    size = ("seeds=2", "budget=4", "progress=off", "tracking=off", f"llm.base_url={ollama.url}")
    return (TASK, *size, "-m", *([] if any("optimizer=" in entry for entry in more) else [f"optimizer={ARMS}"]), *more)


def manifests(study: Path) -> dict[str, Any]:
    found = {str(path.parent.relative_to(study)): read_json(path) for path in study.glob(f"*/*/*/{MANIFEST}")}
    return {name: {k: v for k, v in data.items() if k not in MANIFEST_VARYING} for name, data in found.items()}


@pytest.fixture(scope="module")
def first(zygote: Zygote, ollama: OllamaDouble, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first")
    assert zygote.run(command(ollama), folder) == (0, ollama.announced)
    return folder / "runs" / "main"


def in_turn(ollama: OllamaDouble, zygote: Zygote, folder: Path) -> None:
    assert zygote.run(command(ollama), folder) == (0, ollama.announced)


def backwards(ollama: OllamaDouble, zygote: Zygote, folder: Path) -> None:
    arms = ",".join(reversed(ARMS.split(",")))
    for seed in (1, 0):
        assert zygote.run(command(ollama, f"optimizer={arms}", f"seeds=[{seed}]"), folder) == (0, ollama.announced)


def a_new_interpreter(ollama: OllamaDouble, _: Zygote, folder: Path) -> None:
    arms: Sequence[str] = ARMS.split(",")
    halves = [arms] if not FULL else [arms[::2], arms[1::2]]
    for half in halves:
        ran = run(command(ollama, f"optimizer={','.join(half)}"), folder, timeout=300)
        announced = ollama.announced if any("phi4" in arm for arm in half) else ""
        assert (ran.returncode, ran.stderr) == (0, announced)


def two_workers(ollama: OllamaDouble, _: Zygote, folder: Path) -> None:
    workers = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    ran = run(command(ollama, *workers), folder, timeout=300)
    assert (ran.returncode, ran.stderr) == (0, ollama.announced)


def one_worker(ollama: OllamaDouble, _: Zygote, folder: Path) -> None:
    workers = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=1")
    ran = run(command(ollama, *workers), folder, timeout=300)
    assert (ran.returncode, ran.stderr) == (0, ollama.announced)


WAYS = {way.__name__: way for way in (in_turn, backwards, a_new_interpreter, two_workers, one_worker)}


@pytest.mark.parametrize("way", WAYS if FULL else ["backwards"])
def test_however_the_same_cells_are_run_their_records_are_the_same(
    zygote: Zygote, ollama: OllamaDouble, first: Path, tmp_path: Path, way: str
) -> None:
    WAYS[way](ollama, zygote, tmp_path)
    study = tmp_path / "runs" / "main"
    assert len(records(first)) == 2 * len(ARMS.split(","))
    assert records(study) == records(first)
    assert manifests(study) == manifests(first)


def test_what_may_differ_is_seconds_and_the_checksum_over_them(first: Path) -> None:
    assert VARYING == ("propose_seconds", "train_seconds", "crc32")
    rows = [json.loads(line) for path in first.rglob("trials.jsonl") for line in path.read_text().splitlines()]
    assert all(set(VARYING) <= set(row) for row in rows)
