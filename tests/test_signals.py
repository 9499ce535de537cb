"""What stops a process is never a trial, whatever became of it inside a training or a method."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import STOPS, Cli
from support import methods
from support.cells import cells_of
from support.commands import CONF, records, run, start
from support.foreign import Foreign
from support.methods import odd

from harness import signals as stop
from harness.config.settings import task_spec
from harness.errors import CellsFailed
from harness.run.study import Result, conclude, run_cells
from harness.signals import Interrupted, handle_stop_signals, stop_if_asked, stop_status, stops_noted
from harness.space import Config
from harness.store.cell_folder import TRIALS
from harness.training.subprocess import InChild
from harness.training.trainer import InProcess
from harness.trial import Epoch, Outcome, Status

SPEC = task_spec(CONF / "task" / "foreign.yaml")
FOREIGN = ("--config-dir", str(CONF), "task=foreign", "optimizer=random", "tracking=off", "budget=3", "progress=off")
STOPPED = "harness: stopped; the same command goes on from here"
CLEAN_UPS = (None, "quietly", "loudly")
STATUS = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Put the handlers back that a test sets."""
    numbers = (*STOPS, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGXCPU)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    for noted in (stop._asked, stop._raised, stop._passed):
        noted.clear()


class UncompletedJobError(RuntimeError):
    """Stands for submitit's."""


def raising(error: BaseException) -> Callable[..., None]:
    """Return a launcher's handler."""

    def handler(*_: object) -> None:
        raise error

    return handler


def trained(**options: Any) -> Outcome:
    """Train here once, with a signal on the way."""
    return InProcess(Foreign(None, None, **options)).train({"x": 0.5}, seed=0)  # type: ignore[arg-type]


@pytest.mark.parametrize("cleans_up", CLEAN_UPS)
@pytest.mark.parametrize("number", STOPS)
def test_ctrl_c_sigterm_and_sighup_in_a_training_are_no_trial(number: signal.Signals, cleans_up: str | None) -> None:
    handle_stop_signals()
    with pytest.raises(KeyboardInterrupt):
        trained(stop=number.name, cleans_up=cleans_up)
    assert stop_status() == STATUS[number.name]
    with pytest.raises(KeyboardInterrupt):
        stop_if_asked()


@pytest.mark.parametrize("cleans_up", CLEAN_UPS)
@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGXCPU, signal.SIGTERM])
def test_what_a_launcher_s_handler_raises_in_a_training_is_no_trial_and_comes_out_of_it(
    number: signal.Signals, cleans_up: str | None
) -> None:
    # submitit when it gives a job up, when it queues it again, and a test runner.
    for error in (UncompletedJobError("timed-out too many times"), SystemExit(144), KeyboardInterrupt("the runner's")):
        signal.signal(number, handler := raising(error))
        with pytest.raises(BaseException) as raised:  # noqa: PT011 - which one is what is looked at
            trained(stop=number.name, cleans_up=cleans_up)
        found = raised.value.__cause__ if isinstance(raised.value, Interrupted) else raised.value
        assert found is error
        assert not isinstance(raised.value, Exception)
        assert signal.getsignal(number) is handler
        # It is forgotten with its trial.
        assert trained().status is Status.OK


def test_a_signal_that_its_handler_lets_pass_changes_nothing_unless_the_training_failed() -> None:
    signal.signal(signal.SIGTERM, lambda *_: None)  # as submitit sets it
    assert trained(stop="SIGTERM").status is Status.OK

    class Dying(Foreign):
        def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
            yield from super().train(config, seed=seed)
            raise RuntimeError("a worker was killed by SIGTERM")

    with pytest.raises(Interrupted, match="SIGTERM arrived"):
        InProcess(Dying(None, None, stop="SIGTERM")).train({"x": 0.5}, seed=0)  # type: ignore[arg-type]
    assert InProcess(Dying(None, None)).train({"x": 0.5}, seed=0).status is Status.CRASHED  # type: ignore[arg-type]


class Handling:
    """A training that sets a handler of its own, sends itself the signal, and takes the handler away again."""

    def __init__(self, number: signal.Signals, handler: Callable[..., None]) -> None:
        self._number, self._handler = number, handler

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        before = signal.signal(self._number, self._handler)
        os.kill(os.getpid(), self._number)
        signal.signal(self._number, before)
        yield Epoch(val_score_pct=1.0)


@pytest.mark.parametrize("handler", [lambda *_: None, raising(SystemExit(0))], ids=["passes", "ends"])
@pytest.mark.parametrize("number", STOPS)
def test_what_ends_a_program_does_so_too_where_a_training_has_a_handler_of_its_own(
    number: signal.Signals, handler: Callable[..., None]
) -> None:
    handle_stop_signals()
    with pytest.raises(KeyboardInterrupt):
        InProcess(Handling(number, handler)).train({}, seed=0)  # type: ignore[arg-type]
    assert stop_status() == STATUS[number.name]


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM])
def test_a_training_may_use_a_signal_for_its_own_ends(number: signal.Signals) -> None:
    handle_stop_signals()
    assert InProcess(Handling(number, lambda *_: None)).train({}, seed=0).status is Status.OK  # type: ignore[arg-type]
    failed = InProcess(Handling(number, raising(TimeoutError("too slow")))).train({}, seed=0)  # type: ignore[arg-type]
    assert (failed.status, failed.error) == (Status.CRASHED, "TimeoutError: too slow")


def test_a_signal_between_two_trials_is_not_the_next_one_s() -> None:
    signal.signal(signal.SIGTERM, lambda *_: None)
    with stops_noted():
        for _ in range(2):
            assert trained().status is Status.OK
            os.kill(os.getpid(), signal.SIGTERM)
    assert stop_status() is None


def test_an_event_loop_s_own_wake_up_descriptor_stays_in_its_place() -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    before = signal.set_wakeup_fd(write)
    try:
        assert trained().status is Status.OK
    finally:
        assert signal.set_wakeup_fd(before) == write
        os.close(read)
        os.close(write)


def test_a_hang_up_that_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    handle_stop_signals()
    assert trained(stop="SIGHUP").status is Status.OK
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


SWEEP = ("seed=0,1", "-m")
COMMANDS = [("SIGHUP", "quietly", ()), ("SIGTERM", "loudly", SWEEP)]
MORE = [("SIGINT", None, ()), ("SIGHUP", "quietly", SWEEP), ("SIGTERM", "loudly", ()), ("SIGINT", None, SWEEP)]


@pytest.mark.parametrize(
    ("name", "cleans_up", "more"), [*COMMANDS, *(pytest.param(*case, marks=pytest.mark.full) for case in MORE)]
)
def test_a_command_that_is_stopped_inside_a_training_goes_on_with_that_trial(
    cli: Cli, tmp_path: Path, name: str, cleans_up: str | None, more: tuple[str, ...]
) -> None:
    assert cli(*FOREIGN, "study=whole", *more).status == 0
    signalled = (
        f"task.params.stop={name}",
        f"task.params.cleans_up={cleans_up or 'null'}",
        f"task.params.once={tmp_path / 'mark'}",
    )
    stopped = cli(*FOREIGN, *signalled, *more)
    assert (stopped.status, stopped.err) == (STATUS[name], f"{STOPPED}\n")
    assert not [row for rows in records(tmp_path / "runs" / "main").values() for row in rows]
    assert cli(*FOREIGN, *signalled, *more).status == 0
    assert [*records(tmp_path / "runs" / "main").values()] == [*records(tmp_path / "runs" / "whole").values()]


def test_a_launcher_s_handler_ends_a_command_with_what_it_raised(cli: Cli, tmp_path: Path) -> None:
    cases: tuple[tuple[BaseException, tuple[str, ...]], ...] = ((UncompletedJobError("timed out"), ()), (SystemExit(144), ("-m",)))
    for error, more in cases:
        signal.signal(signal.SIGUSR2, raising(error))
        with pytest.raises(type(error)) as raised:
            cli(*FOREIGN, "task.params.stop=SIGUSR2", "task.params.cleans_up=loudly", *more)
        assert raised.value is error
        assert not [row for rows in records(tmp_path / "runs" / "main").values() for row in rows]
        assert not list(tmp_path.rglob("failure.json"))


def test_a_job_that_its_launcher_stopped_is_a_line_of_the_sweep(tmp_path: Path) -> None:
    (cell,), _ = cells_of(tmp_path)
    result = Result(done=1) + Result(stopped=("node3: timed out",))
    with pytest.raises(CellsFailed, match=r"^stopped: node3: timed out$"):
        conclude({tmp_path / "main": [cell]}, result)


def test_a_stop_that_a_method_swallowed_is_not_what_it_proposes(tmp_path: Path) -> None:
    handle_stop_signals()
    (cell,), settings = cells_of(tmp_path, *odd("swallow a signal"))
    with pytest.raises(KeyboardInterrupt):
        run_cells([cell], settings)
    folder = tmp_path / "main" / cell.folder
    assert len((folder / TRIALS).read_text().splitlines()) == 2
    assert not (folder / "failure.json").exists()
    methods.Odd.broken = False
    handle_stop_signals()
    try:
        assert run_cells([cell], settings).done == 1
    finally:
        methods.Odd.broken = True


@pytest.mark.parametrize("late", ["", "sleep 0.2; "], ids=["both at once", "the child first"])
def test_a_child_that_dies_of_what_its_parent_is_stopped_by_is_no_trial(late: str) -> None:
    cases: tuple[tuple[str, BaseException | None, type[BaseException]], ...] = (
        ("SIGUSR2", UncompletedJobError("timed out"), Interrupted),
        ("SIGUSR1", SystemExit(144), SystemExit),
        ("SIGTERM", None, Interrupted),  # the launcher lets it pass
    )
    for name, error, expected in cases:
        signal.signal(signal.Signals[name], raising(error) if error is not None else lambda *_: None)
        params = {"stop": name, "also": f"{late}kill -{name.removeprefix('SIG')} {os.getpid()}"}
        child = InChild(replace(SPEC, params=params), 60.0)
        try:
            with pytest.raises(expected):
                child.train({"x": 0.5}, seed=0)
        finally:
            child.close()


def test_a_child_that_kills_itself_is_a_trial() -> None:
    child = InChild(replace(SPEC, params={"stop": "SIGTERM"}), 60.0)
    try:
        outcome = child.train({"x": 0.5}, seed=0)
    finally:
        child.close()
    assert outcome.status is Status.CRASHED
    assert outcome.error == "the training process died (SIGTERM, a crash in native code perhaps)"


def in_group(folder: Path, number: signal.Signals, *more: str) -> subprocess.CompletedProcess[str]:
    """Run a study, and send its whole process group a signal in the middle, as a cluster's manager does."""
    slow = ("--config-dir", str(CONF), "task=faulty", "task.params.epoch_seconds=0.1", "budget=30", "tracking=off", "progress=off")
    with start((*slow, *more), folder) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not any(path.stat().st_size for path in folder.rglob(TRIALS)):
            time.sleep(0.02)
        os.killpg(process.pid, number)
        out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


GROUPS = [
    ("limits.trial_seconds=60",),
    ("hydra/launcher=joblib", "seeds=2", "-m"),
    ("hydra/launcher=joblib", "limits.trial_seconds=60", "seeds=2", "-m"),
]


@pytest.mark.full
@pytest.mark.parametrize("more", GROUPS, ids=["child", "joblib", "joblib, child"])
@pytest.mark.parametrize("number", [*STOPS, signal.SIGUSR1, signal.SIGUSR2])
def test_a_signal_to_all_processes_of_a_study_is_no_trial(tmp_path: Path, number: signal.Signals, more: tuple[str, ...]) -> None:
    ended = in_group(tmp_path, number, *more)
    assert ended.returncode == STATUS.get(number.name, -number)
    # Joblib's own helper does not expect that a terminal goes away, and says so to that terminal.
    said = ended.stderr.splitlines() if (number, "joblib" in str(more)) != (signal.SIGHUP, True) else [STOPPED]
    assert said == ([STOPPED] if number.name in STATUS else [])
    statuses = {row["status"] for rows in records(tmp_path / "runs" / "main").values() for row in rows}
    assert statuses == {"ok"}


@pytest.mark.full
@pytest.mark.parametrize("cleans_up", CLEAN_UPS)
def test_a_signal_inside_a_joblib_worker_s_training_is_no_trial(tmp_path: Path, cleans_up: str | None) -> None:
    many = (*FOREIGN, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "seeds=2", "-m")
    signalled = (
        "task.params.stop=SIGTERM",
        f"task.params.cleans_up={cleans_up or 'null'}",
        f"task.params.once={tmp_path / 'mark'}",
    )
    stopped = run((*many, *signalled), tmp_path)
    assert (stopped.returncode, stopped.stderr) == (130, f"{STOPPED}\n")
    assert {row["status"] for rows in records(tmp_path / "runs" / "main").values() for row in rows} <= {"ok"}
    assert run((*many, *signalled), tmp_path).returncode == 0
    found = records(tmp_path / "runs" / "main")
    assert [[row["status"] for row in rows] for rows in found.values()] == [["ok"] * 3] * 2


@pytest.mark.full
def test_a_job_on_submitit_s_launcher_that_runs_into_its_time_limit_is_queued_again_and_goes_on(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="pip install -e '.[slurm]' brings it")
    slow = (
        "--config-dir",
        str(CONF),
        "task=faulty",
        "task.params.epoch_seconds=2",
        "budget=10",
        "tracking=off",
        "progress=off",
        "-m",
    )
    on_slurm = ("hydra/launcher=submitit_local", "hydra.launcher.timeout_min=1")
    shutil.copytree(CONF.parent, tmp_path / "support")
    ran = run((*slow, *on_slurm), tmp_path, timeout=200)
    assert (ran.returncode, ran.stderr) == (0, "")
    (rows,) = records(tmp_path / "runs" / "main").values()
    assert [row["status"] for row in rows] == ["ok"] * 10
    given_up = run((*slow, *on_slurm, "+hydra.launcher.max_num_timeout=0", "study=given_up"), tmp_path, timeout=200)
    assert given_up.returncode == 1
    assert given_up.stderr.endswith("timed-out too many times.; the same command goes on from here\n")
    (rows,) = records(tmp_path / "runs" / "given_up").values()
    assert {row["status"] for row in rows} == {"ok"}
