"""A study: plan its cells, and run those that are not done.

OUT/STUDY/
├── plan.jsonl               one line per planned cell; a planned cell without a folder has not been started
├── blocked.jsonl            one line per cell that could not start, with the reason
├── TASK/
│   └── ARM/
│       └── seed3-1f6c9a2e/  the records of one cell, see `store/cell_folder.py`
├── packed.zip               finished cells that `python -m harness.pack` has packed, see `store/archive.py`
└── wandb/                   the W&B runs that are kept offline, see `run/tracking.py`
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import traceback
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from filelock import FileLock, Timeout

from harness.cell import Cell
from harness.config.seeds import as_text
from harness.config.values import Settings
from harness.console import say, say_once
from harness.environment import environment
from harness.errors import CellBusy, CellMismatch, CellsFailed, HarnessError, RecordError, SettingsError, StorageError, shown
from harness.llm.errors import BackendUnavailable
from harness.llm.settings import LlmSettings
from harness.readiness import Readiness
from harness.run.loop import EveryTrialCrashed, Tracker, run_cell
from harness.run.replies import UNUSABLE
from harness.run.side_by_side import Ended, Group, divided, run_side_by_side, threadable
from harness.run.spending import forget_dollars
from harness.scrub import without_secrets_in
from harness.signals import stop_if_asked, stops_noted
from harness.store.archive import packed
from harness.store.cell_folder import (
    EVERY_TRIAL_CRASHED,
    FAILURE,
    MANIFEST,
    SUMMARY,
    CellFolder,
    differing,
    read_json,
    refuse_other_settings,
)
from harness.store.files import Batch
from harness.store.lines import append_lines
from harness.store.plan import BLOCKED, PLAN, Planned, read_plan
from harness.task import TaskSpec, prepare_task
from harness.training.failure import located
from harness.training.isolation import Isolation
from harness.training.live import end_trainers

# How long to wait for the lock on the plan; a process holds it for milliseconds.
PLAN_LOCK_SECONDS = 30


def planned(cell: Cell) -> Planned:
    """Return the line of the plan for a cell."""
    return Planned(cell.task.name, cell.arm, cell.seed, cell.budget, cell.id, cell.folder, cell.optimizer.startup_trials)


def add_to_plan(study: Path, cells: Sequence[Cell]) -> None:
    """Append the cells that the plan does not hold yet. Raises CellMismatch for a cell that the study holds with other settings.

    Nothing is written when the plan holds all cells. So the command of a finished study also works on a read-only disk.
    """
    _refuse_shared_rows(cells)
    if not _not_planned(study, cells):
        return
    try:
        study.mkdir(parents=True, exist_ok=True)
        with _plan_lock(study):
            new = _not_planned(study, cells)
            for cell in new:
                refuse_other_settings(study / cell.folder, {"identity": cell.identity})
            append_lines(study / PLAN, (vars(planned(cell)) for cell in new))
    except OSError as error:
        raise StorageError(f"cannot write the study {study}: {error.strerror or error}") from error


@contextlib.contextmanager
def _plan_lock(study: Path) -> Iterator[None]:
    try:
        with FileLock(study / ".plan.lock", timeout=PLAN_LOCK_SECONDS):
            yield
    except Timeout:
        raise CellBusy(f"{study} has been locked by another process for {PLAN_LOCK_SECONDS} s: is one suspended?") from None


def _refuse_shared_rows(cells: Sequence[Cell]) -> None:
    """Raise SettingsError when two different cells of one command have the same task, arm and seed."""
    rows: dict[tuple[str, str, int], Cell] = {}
    for cell in cells:
        other = rows.setdefault((cell.task.name, cell.arm, cell.seed), cell)
        if other.id != cell.id:
            differences = "; ".join(itertools.islice(differing(other.identity, cell.identity), 3))
            raise SettingsError(
                f"two different cells would be '{cell.arm}' on {cell.task.name} with seed {cell.seed} ({differences}): "
                f"give them names of their own with arm=..., or leave arm out"
            )


def _not_planned(study: Path, cells: Sequence[Cell]) -> list[Cell]:
    known = {entry.cell for entry in read_plan(study)} if (study / PLAN).exists() else set()
    return [cell for cell in cells if cell.id not in known]


def fingerprint(cells: Sequence[Cell]) -> str:
    """Return a hash of these cells. A job compares it with the hash of the cells that it composes itself."""
    return hashlib.sha256(",".join(cell.id for cell in cells).encode()).hexdigest()[:16]


def write_blocked(study: Path, cells: Sequence[Cell], reason: str, fix: str = "") -> None:
    """Record that these cells cannot start now: the `reason`, and in `fix` the command that helps. Raises StorageError."""
    rows = [{"cell": c.id, "task": c.task.name, "arm": c.arm, "seed": c.seed, "reason": reason, "fix": fix} for c in cells]
    try:
        with _plan_lock(study):
            append_lines(study / BLOCKED, rows)
    except OSError as error:
        raise StorageError(f"cannot write the study {study}: {error.strerror or error}") from error


def blocked_by(settings: Settings) -> tuple[str, str] | None:
    """Return why cells with these settings cannot start now, and the command that helps; None when they can.

    The reason is an LLM that cannot answer, or missing data of the task that cannot be downloaded.
    """
    if settings.task.data and settings.evaluator.trains and (problem := _missing_data(settings.task)):
        return problem, ""
    if settings.asking is None:
        return None
    found = _readiness(settings.asking.llm)
    return None if found.ready else (found.reason, ", then ".join(found.command.splitlines()))


@functools.cache
def _missing_data(task: TaskSpec) -> str:
    """Download the data of a task, and return the error, or an empty text."""
    try:
        with Isolation().building():
            prepare_task(task.target, task.params)
    except HarnessError as error:
        return str(error)
    return ""


@functools.cache
def _readiness(llm: LlmSettings) -> Readiness:
    """Check an LLM, once per command. Print its warning once (a test double answers, or the window does not fit), and whose it is."""
    from harness.llm.probe import readiness  # noqa: PLC0415 - imports an HTTP client, which only a cell with an LLM needs

    found = readiness(llm)
    if found.warning:
        say_once(f"llm: {found.warning}")  # several arms may ask it
    if found.ready and found.notice:
        say_once(f"llm: {found.notice}")
    return found


def is_done(study: Path, cell: Cell | Planned) -> bool:
    """Say whether a cell is complete, in its folder or in the study's pack."""
    folder = study / cell.folder
    if (folder / SUMMARY).exists() and (folder / MANIFEST).exists():
        return True
    pack = packed(study)
    return pack is not None and cell.folder in pack


@dataclass(frozen=True)
class Result:
    """What a job did with its cells. It holds plain data only, because it is sent between processes.

    `failed`, `refused`, `blocked` and `busy` hold one line per cell; a refused cell failed because of its settings, before its first
    trial. `fatal` says why the job could not continue, `stopped` by which signal its launcher ended it.
    """

    done: int = 0
    skipped: int = 0
    failed: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    busy: tuple[str, ...] = ()
    fatal: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    def __add__(self, other: Result) -> Result:
        return Result(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Result)))


def study_folder(settings: Settings) -> Path:
    """Return the absolute path of the study's folder, because foreign code may change the working folder."""
    return Path(settings.out).absolute() / settings.study


def run_cells(cells: Iterable[Cell], settings: Settings) -> Result:
    """Run the cells of one composed config that are not done (see `run_all`)."""
    return run_all([(settings, list(cells))])


def run_all(todo: Sequence[tuple[Settings, Sequence[Cell]]]) -> Result:
    """Run the cells of several composed configs that are not done.

    Cells run one after the other. Then those of arms that ask an LLM with `llm.connections` above 1 run, so many side by side. When a cell
    fails, its error is recorded and the next cell starts. A full disk ends the run.
    """
    forget_dollars()
    alone, groups = divided([(settings, [c for c in cells if not is_done(study_folder(settings), c)]) for settings, cells in todo])
    missing = sum(len(cells) for _, cells in alone) + sum(len(group.members) for group in groups)
    result = Result(skipped=sum(len(cells) for _, cells in todo) - missing)
    result = sum((_run_alone(cells, settings) for settings, cells in alone), result)
    return sum((_run_group(group) for group in groups), result)


def _run_alone(cells: Sequence[Cell], settings: Settings) -> Result:
    study = study_folder(settings)
    result = Result()
    try:
        with stops_noted(), Batch(study) as batch:
            result = _run_in_turn(cells, study, settings, batch)
    except StorageError as error:
        return result + Result(fatal=(str(error),))
    finally:
        end_trainers()
    return result


def _run_in_turn(waiting: Sequence[Cell], study: Path, settings: Settings, batch: Batch) -> Result:
    result = Result()
    for place, cell in enumerate(waiting):
        try:
            result += _run_or_leave(cell, study, settings, batch)
        except BackendUnavailable as error:
            # All cells of a job ask the same LLM, so each of the others would wait for it just as long, without success.
            write_blocked(study, [other for other in waiting[place:] if not is_done(study, other)], str(error))
            return result + Result(blocked=(f"{cell.task.name} {cell.arm}: {error}",))
        except StorageError as error:
            return result + Result(fatal=(str(error),))
    return result


def _run_group(group: Group) -> Result:
    """Run the cells of a group side by side; then, one after the other, those that cannot be made ready, which say why."""
    end_trainers()
    result = Result()
    try:
        with stops_noted(), contextlib.ExitStack() as stack:
            ready = [(cell, study_folder(settings), settings) for settings, cell in stack.enter_context(threadable(group))]
            batches = {study: stack.enter_context(Batch(study)) for study in {study: None for _, study, _ in ready}}
            jobs = [functools.partial(_run_or_leave, cell, study, settings, batches[study]) for cell, study, settings in ready]
            ended = run_side_by_side(jobs, group.open_cells)
            result = sum((each.value for each in ended if each.value), result)
            result += _given_up([(cell, study, each) for (cell, study, _), each in zip(ready, ended, strict=True)])
    except StorageError as error:
        return result + Result(fatal=(str(error),))
    done = {cell.id for cell, _, _ in ready}
    return sum((_run_alone([cell], settings) for settings, cell in group.members if cell.id not in done), result)


def _given_up(ended: Sequence[tuple[Cell, Path, Ended[Result]]]) -> Result:
    """Return the result of the cells that raised, and of those that were not started because of that. Raises a cell's other errors."""
    errors = [(cell, each.error) for cell, _, each in ended if each.error]
    if not errors:
        return Result()
    unavailable = [(cell, error) for cell, error in errors if isinstance(error, BackendUnavailable)]
    for _, error in errors:
        if isinstance(error, StorageError):
            return Result(fatal=(str(error),))
        if not isinstance(error, BackendUnavailable):
            raise error
    (first, reason), *_ = unavailable
    left: dict[Path, list[Cell]] = {}
    for cell, study, each in ended:
        if each.value is None:
            left.setdefault(study, []).append(cell)
    for study, cells in left.items():
        write_blocked(study, cells, str(reason))
    return Result(blocked=(f"{first.task.name} {first.arm}: {reason}",))


def _run_or_leave(cell: Cell, study: Path, settings: Settings, batch: Batch) -> Result:
    """Run a cell, or leave it where it is another process's turn or its records forbid it. Raises BackendUnavailable and StorageError."""
    if is_done(study, cell):
        return Result(skipped=1)
    try:
        return _run(cell, study, settings, batch)
    except CellBusy as busy:
        return Result(busy=(str(busy),))
    except RecordError as error:
        # Nothing is written into a folder with damaged records, or with those of another cell. The other cells continue.
        advice = "" if isinstance(error, CellMismatch) else "; to run this cell anew, move its folder away"
        return Result(failed=(f"{error}{advice}",))


def _run(cell: Cell, study: Path, settings: Settings, batch: Batch) -> Result:
    manifest = without_secrets_in(cell.manifest(settings.recorded, environment()))  # it is also sent to W&B
    with CellFolder(study / cell.folder, manifest, sync=settings.sync, batch=batch) as folder:
        if folder.restored:
            say(f"{cell.folder}: {MANIFEST} is missing; it is written anew, and the {len(folder.trials)} trials there are kept")
        if is_done(study, cell):  # another process has finished it in the meantime
            return Result(skipped=1)
        try:
            run_cell(cell, folder, tracker_for(settings, study), manifest)
        except EveryTrialCrashed as error:
            stop_if_asked()
            text = shown(str(error))
            folder.fail({"error": text, "traceback": error.traceback, "trials": len(folder.trials), EVERY_TRIAL_CRASHED: True})
            return Result(failed=(f"{cell.folder}: {text}; see {folder.path / FAILURE}",))
        # A bug of a method must not end the sweep: the error is recorded and printed, and the next launch tries the cell again.
        except Exception as error:
            stop_if_asked()
            if isinstance(error, StorageError | BackendUnavailable | CellBusy):
                raise
            text = shown(str(error) if isinstance(error, HarnessError) else located(error))
            folder.fail({"error": text, "traceback": traceback.format_exc(), "trials": len(folder.trials)})
            line = f"{cell.folder}: {text}"
            return Result(refused=(line,)) if isinstance(error, SettingsError) and not folder.trials else Result(failed=(line,))
    return Result(done=1)


def tracker_for(settings: Settings, study: Path) -> Tracker:
    """Return the tracker that the settings ask for."""
    from harness.run.tracking import NoTracker, WandbTracker  # noqa: PLC0415

    tracking = settings.tracking
    return NoTracker() if tracking.mode == "off" else WandbTracker(study, tracking.mode, tracking.project, tracking.entity)


def block(study: Path, cells: Sequence[Cell], blocked: tuple[str, str]) -> Result:
    """Record that cells are blocked before they start, and return their result."""
    reason, fix = blocked
    write_blocked(study, cells, reason, fix)
    arms, tasks = (dict.fromkeys(names) for names in zip(*((cell.arm, cell.task.name) for cell in cells), strict=True))
    where = ", ".join(tasks) if len(tasks) < 3 else f"{len(tasks)} tasks"
    return Result(blocked=(f"{', '.join(arms)} on {where}: {reason}{f'; make it ready with: {fix}' if fix else ''}",))


def _grouped(lines: Iterable[str]) -> Iterator[str]:
    """Yield one line for all cells that failed for the same reason."""
    groups: dict[str, list[str]] = {}
    for line in lines:
        reason = line.partition(": ")[2]
        groups.setdefault(reason.rpartition("; see ")[0] or reason or line, []).append(line)
    for group in groups.values():
        yield group[0] if len(group) == 1 else f"{len(group)} cells, the first: {group[0]}"


def conclude(planned: Mapping[Path, Sequence[Cell]], result: Result, *, optional: Collection[str] = ()) -> None:
    """Print one line per problem of a command.

    Raises CellsFailed when cells are not done, which those are not whose every training crashed, or hold random draws in place of an LLM's
    proposals; SettingsError when their settings are the only reason; StorageError when nothing could be written. A cell whose trainings
    diverged or ran out of time is a result: it has a line. `optional` holds the ids of cells that need not be done.
    """
    if result.fatal:
        raise StorageError(result.fatal[0])
    problems = [f"stopped: {line}" for line in result.stopped]
    problems += [f"busy: {line}" for line in result.busy]
    problems += [f"blocked: {line}" for line in dict.fromkeys(result.blocked)]
    kind = SettingsError if result.refused and not problems and not result.failed else CellsFailed
    problems += [f"failed: {line}" for line in _grouped((*result.refused, *result.failed))]
    total = sum(map(len, planned.values()))
    left = sum(not is_done(study, cell) for study, cells in planned.items() for cell in cells if cell.id not in optional)
    done = list(_summaries(planned))
    drawn, lost = _random_draws(done), _without_score(done)
    if total == 1 and ((left and problems) or drawn):
        raise kind((problems + drawn)[0])
    for line in problems + drawn + lost:
        say(line)
    if left:
        raise kind(f"{left} of {total} cells are not done; the same command goes on with them")
    if drawn:
        raise CellsFailed(
            "the table rows of these cells say nothing about their model; when it answers, a new study=NAME asks it anew"
        )


def _summaries(planned: Mapping[Path, Sequence[Cell]]) -> Iterator[tuple[Cell, Mapping[str, object]]]:
    """Yield every done cell with its summary, from its folder or the study's pack. The report names what is damaged."""
    for study, cells in planned.items():
        for cell in cells:
            with contextlib.suppress(RecordError):
                pack = packed(study)
                if (study / cell.folder / SUMMARY).exists():
                    yield cell, read_json(study / cell.folder / SUMMARY)
                elif pack is not None and cell.folder in pack:
                    yield cell, read_json(pack.open(cell.folder) / SUMMARY)


def _random_draws(done: Iterable[tuple[Cell, Mapping[str, object]]]) -> list[str]:
    """Return a line for all seeds of a task and arm whose LLM gave no usable reply, for the same reason."""
    return _by_seed((cell, str(summary[UNUSABLE])) for cell, summary in done if cell.asking and summary.get(UNUSABLE))


def _without_score(done: Iterable[tuple[Cell, Mapping[str, object]]]) -> list[str]:
    """Return a line for all seeds of a task and arm without one trial that has a score."""
    return _by_seed((cell, words) for cell, summary in done if (words := every_trial_failed(summary)))


def _by_seed(told: Iterable[tuple[Cell, str]]) -> list[str]:
    seeds: dict[tuple[str, str], list[int]] = {}
    for cell, words in told:
        seeds.setdefault((f"{cell.task.name} {cell.arm}", words), []).append(cell.seed)
    return [f"{name}, seed {as_text(found)}: {words}" for (name, words), found in seeds.items()]


def every_trial_failed(summary: Mapping[str, object]) -> str:
    """Say how the trials of a done cell failed, where none has a score; else nothing."""
    failures, trials = summary.get("failures"), summary.get("trials")
    if not trials or summary.get("incumbent") is not None or not isinstance(failures, Mapping):
        return ""
    kinds = ", ".join(f"{count} {status}" for status, count in failures.items())
    count = f"all {trials} trials" if trials != 1 else "the only trial"
    done = "the cell is done, since its failures are its result; after a change of the task, study=NAME trains anew"
    return f"{count} failed ({kinds}); {done}"
