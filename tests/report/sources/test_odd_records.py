"""Whatever stands in a record, the report is made: an odd value costs at most its own cell."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.errors import RecordError
from harness.report.analysis.options import Options
from harness.report.assemble import build_report
from harness.report.compute import find
from harness.report.render.document import Figure
from harness.report.render.plot_style import style
from harness.report.sources.records import read_study
from harness.report.study_data import State
from harness.store.cell_folder import read_json
from harness.store.codec import CHECKSUM, with_checksum
from harness.store.files import write_json
from harness.store.plan import read_plan

ODD: tuple[Any, ...] = (None, True, -1, 10**400, "", "nan", [], [[]], {}, {"a": {"b": []}}, "\x1b[2J\u202e</script>", 1e308)
TRIAL_KEYS = (
    "trial",
    "source",
    "config",
    "status",
    "val_score_pct",
    "test_score_pct",
    "best_epoch",
    "error",
    "propose_seconds",
    "train_seconds",
    "curve",
    "note",
)
MANIFEST_PATHS = (
    "identity",
    "identity.task",
    "identity.task.space",
    "identity.optimizer",
    "identity.agent",
    "identity.llm",
    "identity.llm.model",
    "identity.start",
    "settings",
    "settings.task",
    "settings.task.card",
    "settings.task.card.title",
    "settings.task.best_val_score_pct",
    "settings.llm",
    "settings.llm.name",
    "settings.llm.small",
    "settings.optimizer",
    "settings.optimizer.knows_default",
    "settings.optimizer.role",
    "environment",
    "environment.git",
    "environment.machine",
    "environment.packages",
)


def put(data: dict[str, Any], path: str, value: Any) -> None:
    *way, last = path.split(".")
    for key in way:
        inner = data.get(key)
        data[key] = data = dict(inner) if isinstance(inner, dict) else {}
    data[last] = value


def damage_trial(cell: Path, key: str, value: Any) -> None:
    lines = (cell / "trials.jsonl").read_text().splitlines()
    row = json.loads(lines[4]) | {key: value}
    row.pop(CHECKSUM, None)
    (cell / "trials.jsonl").write_text("\n".join([*lines[:4], with_checksum(json.dumps(row)), *lines[5:]]) + "\n")


def damage_manifest(cell: Path, path: str, value: Any) -> None:
    manifest = read_json(cell / "manifest.json")
    put(manifest, path, value)
    write_json(cell / "manifest.json", manifest)


def damage_call(cell: Path, key: str, value: Any) -> None:
    if (cell / "calls.jsonl").exists():
        lines = (cell / "calls.jsonl").read_text().splitlines()
        row = json.loads(lines[0]) | {key: value}
        row.pop(CHECKSUM, None)
        (cell / "calls.jsonl").write_text("\n".join([with_checksum(json.dumps(row)), *lines[1:]]) + "\n")


CALL_KEYS = ["schema", "trial", "call", "attempt", "model", "messages", "reply", "seconds", "error"]


@pytest.mark.parametrize(
    ("damage", "places"), [(damage_trial, TRIAL_KEYS), (damage_manifest, MANIFEST_PATHS), (damage_call, CALL_KEYS)]
)
def test_a_report_is_made_of_any_record(synthetic_folder: Path, tmp_path: Path, damage: Any, places: list[str]) -> None:
    changes = list(itertools.product(places, ODD if damage is damage_trial else ODD[::2]))
    folders = sorted({entry.folder for entry in read_plan(synthetic_folder)}, key=lambda name: "tcs" not in name)
    for round_, start in enumerate(range(0, len(changes), len(folders))):
        study = Path(shutil.copytree(synthetic_folder, tmp_path / f"study{round_}"))
        for folder, (place, value) in zip(folders, changes[start : start + len(folders)], strict=False):
            damage(study / folder, place, value)
        data = read_study(study)
        assert all("\n" not in line for line in data.problems)
        report = build_report(find(data, Options(resamples=200, traces=1)))
        with style():
            for figure in (item for item in report.items() if isinstance(item, Figure)):
                figure.draw().draw_without_rendering()
        for cell in (cell for cell in data.cells if cell.state is State.DONE):
            with contextlib.suppress(RecordError):
                data.in_full(cell)
