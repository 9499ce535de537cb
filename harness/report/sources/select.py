"""Chooses the source of a study, and compares two sources."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from harness.errors import SettingsError
from harness.report.sources.records import read_study
from harness.report.study_data import CellData, State, StudyData
from harness.trial import incumbent


def read_source(source: str, folder: Path | None, study: str) -> StudyData:
    """Read a study from `records`, `wandb-offline:DIR` or `wandb:ENTITY/PROJECT`. Raises SettingsError and RecordError."""
    kind, _, place = source.partition(":")
    if kind == "records" and (folder or place):
        return read_study(Path(place) if place else folder or Path())
    if kind == "wandb-offline":
        from harness.report.sources.wandb_offline import read_offline  # noqa: PLC0415 - W&B's protocol takes half a second

        if not place and folder is None:
            raise SettingsError("wandb-offline needs the folder of the runs: wandb-offline:DIR")
        return read_offline(Path(place) if place else (folder or Path()) / "wandb", study)
    if kind == "wandb" and place.count("/") == 1:
        from harness.report.sources.wandb_online import read_online  # noqa: PLC0415

        return read_online(place, study)
    raise SettingsError(f"cannot read from '{source}': give records, wandb-offline:DIR or wandb:ENTITY/PROJECT")


def disagreements(first: StudyData, second: StudyData) -> Iterator[str]:
    """Yield a line for each done cell that is in one study only, or whose trials or scores differ.

    Equal cells make equal tables: every number of the main and the validation table is a mean over these.
    """
    ours, theirs = _done(first), _done(second)
    for key in dict.fromkeys((*ours, *theirs)):
        label = "{}/{}/seed{}".format(*key)
        if key not in theirs:
            yield f"{label}: done in {first.origin}, not in {second.origin}"
        elif key not in ours:
            yield f"{label}: done in {second.origin}, not in {first.origin}"
        else:
            yield from (f"{label}: {line}" for line in _differences(ours[key], theirs[key]))


def _done(study: StudyData) -> dict[tuple[str, str, int], CellData]:
    return {(cell.task, cell.arm, cell.seed): cell for cell in study.cells if cell.state is State.DONE}


def _differences(one: CellData, other: CellData) -> Iterator[str]:
    objective = one.objective
    if objective != other.objective:
        yield f"its scores are {objective.to_mapping()} against {other.objective.to_mapping()}"
        return
    if len(one.trials) != len(other.trials):
        yield f"{len(one.trials)} trials against {len(other.trials)}"
        return
    for ours, theirs in zip(one.trials, other.trials, strict=True):
        for name in ("status", "val_score_pct", "test_score_pct"):
            mine, yours = getattr(ours.outcome, name), getattr(theirs.outcome, name)
            if not _same(mine, yours):
                yield f"trial {ours.number}: {name} {mine} against {yours}"
    best = [trial.number if trial else None for trial in (incumbent(one.trials, objective), incumbent(other.trials, objective))]
    if best[0] != best[1]:
        yield f"validation chose trial {best[0]} against {best[1]}"


def _same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-12, abs_tol=0.0)
    return one == other
