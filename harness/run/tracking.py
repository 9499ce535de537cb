"""Weights & Biases: every cell is also a W&B run, made from the same trials as the records.

W&B is a mirror of the records. Any failure of it is one warning, and no trial is lost. A cell that was interrupted is mirrored again,
completely, by the launch that finishes it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Concatenate, Literal, ParamSpec

from harness.cell import Cell
from harness.console import say_once
from harness.run.replies import UNUSABLE
from harness.signals import stop_if_asked
from harness.store.cell_folder import CALLS, MANIFEST, TRIALS, failed_launches
from harness.training.failure import describe
from harness.trial import MEASURES, PERCENT, Objective, Trial, incumbent

if TYPE_CHECKING:
    import wandb

INIT_TIMEOUT_SECONDS = 30.0
TAG_LENGTH = 64  # W&B's own limit
COLUMNS = (
    "trial",
    "source",
    "status",
    "val_score_pct",
    "test_score_pct",
    "best_epoch",
    "train_seconds",
    "propose_seconds",
    "error",
)

P = ParamSpec("P")


class NoTracker:
    """Tracks nothing."""

    def start(self, cell: Cell, manifest: Mapping[str, object], trials: tuple[Trial, ...]) -> None:
        """Do nothing."""

    def trial(self, trial: Trial) -> None:
        """Do nothing."""

    def finish(self, summary: Mapping[str, object], folder: Path) -> None:
        """Do nothing."""

    def abort(self) -> None:
        """Do nothing."""


def _warn_instead_of_raising(
    method: Callable[Concatenate[WandbTracker, P], None],
) -> Callable[Concatenate[WandbTracker, P], None]:
    """Turn any failure of W&B into one warning; the cell then continues without W&B.

    A signal to stop that arrives while W&B runs is raised, not turned into a warning.
    """

    @functools.wraps(method)
    def wrapped(self: WandbTracker, /, *args: P.args, **kwargs: P.kwargs) -> None:
        if self.broken:
            return
        try:
            with _one_at_a_time, _wandb_environment(self._folder):
                method(self, *args, **kwargs)
        # W&B raises its own errors, and those of the network and the operating system. None of them may cost a trial.
        except Exception as error:
            self.broken = True
            stop_if_asked()
            say_once(f"W&B: {describe(error)}; going on without it, the records are complete")

    return wrapped


_environment: dict[str, str] = {}
# W&B's session and variables belong to the process. The runs of cells side by side are all open, and written one at a time.
_one_at_a_time = threading.RLock()


@contextlib.contextmanager
def _wandb_environment(folder: Path) -> Iterator[None]:
    """Set W&B's variables for the harness's runs during the block. A training may have its own W&B runs, with its own settings."""
    for variable in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR"):  # otherwise every run writes files to the home folder
        _environment.setdefault(variable, str((folder / "wandb").resolve()))
    before = {name: value for name, value in os.environ.items() if name.startswith("WANDB_")}
    os.environ.update({name: value for name, value in _environment.items() if name not in before})
    try:
        yield
    finally:
        after = {name: value for name, value in os.environ.items() if name.startswith("WANDB_")}
        for name in after.keys() - before.keys():
            _environment[name] = os.environ.pop(name)  # such as the address of W&B's background service, needed by the next call
        os.environ.update(before)


class WandbTracker:
    """One cell as one W&B run: id = cell id, group = study, tags = task, arm, seed.

    The history holds one row per epoch (`epoch/...`) and one per trial (`trial/...`, `best/...`, `config/...`). A table holds the trials,
    and an artifact holds the files of the records. When the server cannot be reached, the runs of this and the following cells of the
    process are kept offline. The summary is written once, from the best trial (see `run_summary`). $WANDB_DIR names the folder of offline
    runs; without it, it is the study's.
    """

    server_unreachable: ClassVar[bool] = False

    def __init__(self, study: Path, mode: str, project: str, entity: str | None) -> None:
        given = os.environ.get("WANDB_DIR", "").strip()
        self._study = study
        self._folder = Path(given).expanduser().absolute() if given else study
        self._mode = mode
        self._project = project
        self._entity = entity
        self._run: wandb.Run | None = None
        self._step = 0
        self._skip = 0
        self._trials: tuple[Trial, ...] = ()
        self._objective = PERCENT
        self.broken = False

    @_warn_instead_of_raising
    def start(self, cell: Cell, manifest: Mapping[str, object], trials: tuple[Trial, ...]) -> None:
        """Open the run, and log the trials of earlier launches."""
        import wandb  # noqa: PLC0415 - half a second

        self._objective = cell.task.objective
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._mode == "online" and not WandbTracker.server_unreachable:
            try:
                with _nobody_to_ask():
                    self._open(cell, manifest, "online")
            # No key, no network, a server that is down: each has its own error, and each takes up to half a minute to find out.
            except Exception as error:
                WandbTracker.server_unreachable = True
                later = f"wandb sync {self._folder}/wandb/offline-run-*"
                say_once(f"W&B: {_why_offline(error)}; runs are kept offline, to upload them later: {later}")
                wandb.teardown(exit_code=1)  # it would call the run's id taken
        if self._run is None:
            self._rename_interrupted_runs(self._run_id(cell))
            self._open(cell, manifest, "offline")
        for trial in trials:
            self._log(trial)

    def _open(self, cell: Cell, manifest: Mapping[str, object], mode: Literal["online", "offline"]) -> None:
        import wandb  # noqa: PLC0415 - half a second

        self._run = wandb.init(
            id=self._run_id(cell),
            name=f"{cell.task.name}/{cell.arm}/seed{cell.seed}",
            project=self._project,
            entity=self._entity,
            group=cell.study,
            job_type="cell",
            tags=[tag[:TAG_LENGTH] for tag in (f"task:{cell.task.name}", f"arm:{cell.arm}", f"seed:{cell.seed}")],
            config={
                **{"task": cell.task.name, "arm": cell.arm, "seed": cell.seed, "budget": cell.budget, "start": cell.start},
                **{key: manifest[key] for key in ("cell", "study", "identity", "settings", "environment")},
                # Of a task that has one: without it, a report from W&B would have no normalised scores.
                **{key: manifest[key] for key in ("reference",) if key in manifest},
            },
            dir=str(self._folder),
            mode=mode,
            resume="allow" if mode == "online" else None,
            reinit="create_new",
            settings=quiet_settings(),
        )
        # A resumed online run has its first rows already; an offline run always starts from the first row.
        self._skip = self._run.step if mode == "online" else 0
        for group, axis in (
            ("epoch", "epoch/index"),
            ("trial", "trial/number"),
            ("best", "trial/number"),
            ("config", "trial/number"),
        ):
            self._run.define_metric(f"{group}/*", step_metric=axis, summary="none")

    @_warn_instead_of_raising
    def trial(self, trial: Trial) -> None:
        """Log one trial."""
        self._log(trial)

    @_warn_instead_of_raising
    def finish(self, summary: Mapping[str, object], folder: Path) -> None:
        """Add the incumbent, the table and the record files, and close the run."""
        import wandb  # noqa: PLC0415

        run = self._run
        assert run is not None
        names = list(dict.fromkeys(name for trial in self._trials for name in trial.config))
        rows: list[Iterable[object]] = [[*table_row(trial), *(trial.config.get(name) for name in names)] for trial in self._trials]
        run.log({"trials": wandb.Table(columns=[*COLUMNS, *names], data=rows, allow_mixed_types=True)}, step=self._step)
        counts = {key: summary[key] for key in ("failures", "train_seconds", "propose_seconds", UNUSABLE) if key in summary}
        run.summary.update({**run_summary(self._trials, self._objective), **counts})
        artifact = wandb.Artifact(f"cell-{run.id}", type="records")
        for path in (folder / name for name in (MANIFEST, TRIALS, CALLS)):
            if path.exists():
                # The file will not change any more. Without these options, W&B would keep a copy of every record.
                artifact.add_file(str(path.resolve()), policy="immutable", skip_cache=True)
        run.log_artifact(artifact)
        run.finish()
        self._run = None

    @_warn_instead_of_raising
    def abort(self) -> None:
        """Close the run as failed."""
        if self._run is not None:
            self._run.summary.update(run_summary(self._trials, self._objective))
            self._run.finish(exit_code=1)
            self._run = None

    def _log(self, trial: Trial) -> None:
        assert self._run is not None
        self._trials = (*self._trials, trial)
        for row in history_rows(self._trials, self._objective):
            if self._step >= self._skip:
                self._run.log(row, step=self._step)
            self._step += 1

    def _run_id(self, cell: Cell) -> str:
        return run_id(cell, failed_launches(self._study / cell.folder))

    def _rename_interrupted_runs(self, run: str) -> None:
        """Rename earlier runs of this cell, so that `wandb sync` uploads the complete one only."""
        for earlier in self._folder.glob(f"wandb/offline-run-*-{run}"):
            earlier.rename(earlier.with_name(f"broken-off-{earlier.name}"))


@contextlib.contextmanager
def _nobody_to_ask() -> Iterator[None]:
    """Keep W&B from asking for a key on the terminal: it would hold up the study until somebody answers."""
    before = os.environ.get("TERM")
    os.environ["TERM"] = "dumb"
    try:
        yield
    finally:
        if before is None:
            del os.environ["TERM"]
        else:
            os.environ["TERM"] = before


def _why_offline(error: Exception) -> str:
    if "No API key" in str(error):
        return "there is no key for tracking=wandb_online: 'wandb login', or export WANDB_API_KEY=..., or tracking=wandb_offline"
    return describe(error)


def run_summary(trials: tuple[Trial, ...], objective: Objective) -> dict[str, object]:
    """Return what a run's summary says of its best trial: scores and configuration of one and the same, that of the best validation."""
    best = incumbent(trials, objective)
    if best is None:
        return {"trial_count": len(trials)}
    return {
        "best_val_score_pct": best.score,
        "best_test_score_pct": best.outcome.test_score_pct,
        "best_trial": best.number,
        "best_config": dict(best.config),
        "trial_count": len(trials),
    }


def run_id(cell: Cell, failed: int = 0) -> str:
    """Return the id of a cell's run: the cell's id, and six digits for the study, because two studies of a project may share a cell.

    `failed` is how often all of its trials crashed. Each time the cell begins anew it is another run, because W&B cannot take back rows.
    """
    text = f"{cell.id}-{hashlib.sha256(cell.study.encode()).hexdigest()[:6]}"
    return f"{text}-{failed + 1}" if failed else text


def history_rows(trials: tuple[Trial, ...], objective: Objective) -> Iterator[dict[str, object]]:
    """Yield the history rows of the last of `trials`: one per epoch, then one for the trial."""
    trial = trials[-1]
    before = sum(len(earlier.outcome.curve) for earlier in trials[:-1])
    for epoch in trial.outcome.curve:
        measured = {f"epoch/{name}": getattr(epoch, name) for name in MEASURES if getattr(epoch, name) is not None}
        yield {"epoch/index": before + epoch.number, "epoch/number": epoch.number, "epoch/trial": trial.number, **measured}
    best = incumbent(trials, objective)
    values = dict(zip(COLUMNS, table_row(trial), strict=True))
    row: dict[str, object] = {
        "trial/number": trial.number,
        **{f"trial/{k}": v for k, v in values.items() if k != "trial" and v is not None},
    }
    row |= {f"config/{name}": value for name, value in trial.config.items()}
    if best is not None:
        row |= {"best/val_score_pct": best.score, "best/test_score_pct": best.outcome.test_score_pct, "best/trial": best.number}
    yield row


def table_row(trial: Trial) -> list[object]:
    """Return a trial's values in the order of COLUMNS."""
    outcome = trial.outcome
    scores = [outcome.val_score_pct, outcome.test_score_pct, outcome.best_epoch]
    times = [round(outcome.seconds, 6), round(trial.propose_seconds, 6)]
    return [trial.number, trial.proposal.source, str(outcome.status), *scores, *times, outcome.error]


def quiet_settings() -> wandb.Settings:
    """Return settings without W&B's statistics, console capture and questions, which would disturb a benchmark."""
    import wandb  # noqa: PLC0415

    return wandb.Settings(
        silent=True,
        console="off",
        init_timeout=INIT_TIMEOUT_SECONDS,
        x_disable_stats=True,
        x_disable_meta=True,
        x_save_requirements=False,
        # With W&B's default, up to 15 s of history are lost when the process is killed.
        x_transaction_log_flush_interval=1.0,
    )
