"""Reads a study from a W&B project: the record files in the artifact of each run, or its history where there is no artifact."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from harness.errors import RecordError
from harness.report.sources.calls import judged_calls
from harness.report.sources.wandb_run import MirroredRun, to_cell
from harness.report.study_data import CellData, State, StudyData, cell_of_manifest
from harness.store.cell_folder import CALLS, MANIFEST, TRIALS, read_manifest, read_trials

T = TypeVar("T")
PAGE = 100
TRIES, FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 8, 1.0, 60.0


def read_online(path: str, study: str, *, base_url: str | None = None, wait: Callable[[float], None] = time.sleep) -> StudyData:
    """Read every run of a study's group in `ENTITY/PROJECT`. Raises RecordError when the project or the study is not there.

    `wait` is called with the seconds to wait when the server says that there were too many requests.
    """
    import wandb  # noqa: PLC0415 - half a second

    patient = _Patient(wait)
    problems: list[str] = []
    cells: dict[str, CellData] = {}
    try:
        api = patient(lambda: wandb.Api(overrides={"base_url": base_url} if base_url else None))
        runs = iter(patient(lambda: api.runs(path, filters={"group": study}, per_page=PAGE, lazy=False)))
        for run in patient.each(runs):
            try:
                cell = _read(run, patient)
            except RecordError as error:
                problems.append(str(error))
                continue
            if cells.get(cell.cell, cell).state is not State.DONE or cell.state is State.DONE:
                cells[cell.cell] = cell
    # The client raises errors of its own, of the network and of its protocol. After any of them there is nothing to read.
    except Exception as error:
        raise RecordError(f"W&B {path}: {type(error).__name__}: {' '.join(str(error).split())[:200]}") from error
    if not cells:
        raise RecordError(f"W&B {path}: no run of the study '{study}'")
    ordered = sorted(cells.values(), key=lambda cell: (cell.task, cell.arm, cell.seed))
    caveat = "W&B holds no plan, so a cell that was never started cannot be seen"
    return StudyData(study, f"the W&B project {path}", tuple(ordered), tuple(problems), caveat)


def _read(run: Any, patient: _Patient) -> CellData:
    """Return a run's cell, from its record files if it has them."""
    where = f"run {run.id}"
    config = {key: value for key, value in run.config.items() if key != "_wandb"}
    artifacts = list(patient.each(iter(patient(lambda: run.logged_artifacts(per_page=PAGE)))))
    records = [artifact for artifact in artifacts if artifact.type == "records"]
    if not records:
        rows = list(patient.each(iter(patient(lambda: run.scan_history(page_size=1000, use_cache=False)))))
        return to_cell(MirroredRun(where, config, rows, run.state == "finished"))
    with tempfile.TemporaryDirectory() as folder:
        there = Path(patient(lambda: records[-1].download(root=folder, skip_cache=True)))
        manifest = read_manifest(there / MANIFEST)
        cell = cell_of_manifest(manifest, where)
        trials = read_trials(there)
        calls = tuple(judged_calls(there / CALLS, trials, texts=True))
    if not trials:
        raise RecordError(f"{where}: its records artifact holds no {TRIALS}")
    state = State.DONE if run.state == "finished" else State.UNFINISHED
    return replace(cell, trials=trials, calls=calls, state=state)


class _Patient:
    """Repeats an action, after longer and longer waits, while the server answers that there were too many requests."""

    def __init__(self, wait: Callable[[float], None]) -> None:
        self._wait = wait

    def __call__(self, action: Callable[[], T]) -> T:
        pause = FIRST_WAIT_SECONDS
        for _ in range(TRIES - 1):
            try:
                return action()
            # The client wraps the error of the server in another class on each call.
            except Exception as error:
                asked = too_many_requests(error)
                if asked is None:
                    raise
                self._wait(min(max(asked, pause), LONGEST_WAIT_SECONDS))
                pause *= 2
        return action()

    def each(self, items: Iterator[T]) -> Iterator[T]:
        """Yield the items of a paged list, and wait where the server refuses a page."""
        end = object()
        while (item := self(lambda: next(items, end))) is not end:
            yield item  # type: ignore[misc]


def too_many_requests(error: BaseException) -> float | None:
    """Return how many seconds a 429 asks to wait (0 if it does not say), None for any other error."""
    seen: BaseException | None = error
    while seen is not None:
        response = getattr(seen, "response", None)
        if getattr(response, "status_code", None) == 429:
            try:
                return float(getattr(response, "headers", {}).get("Retry-After", 0))
            except (TypeError, ValueError):
                return 0.0
        if "429" in str(seen) or "rate limit" in str(seen).lower():
            return 0.0
        seen = seen.__cause__ or seen.__context__
    return None
