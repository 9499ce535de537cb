"""What foreign code does to its process reaches neither the harness nor a method, nor the next training."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Cli
from support import foreign
from support.commands import CONF, environment, records, run
from support.foreign import CLEAN_ENDINGS, LEAVINGS, Foreign, draws, seen

from harness.config.settings import task_spec
from harness.report.sources.wandb_offline import read_run
from harness.report.sources.wandb_run import to_cell
from harness.space import Config
from harness.training import isolation, process_state
from harness.training.build import build_task
from harness.training.isolation import Isolation
from harness.training.subprocess import InChild
from harness.training.trainer import InProcess
from harness.trial import Epoch, Status

SPEC = task_spec(CONF / "task" / "foreign.yaml")
FOREIGN = ("--config-dir", str(CONF), "task=foreign", "optimizer=random", "budget=3", "progress=off")
EVERYTHING = f"task.params.leaves=[{','.join(LEAVINGS)}]"


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Foreign]:
    """Return a task in a folder of its own; what its trainings see is compared with the first of this test."""
    monkeypatch.chdir(tmp_path)
    foreign.first.clear()
    yield Foreign(None, None)  # type: ignore[arg-type]
    foreign.first.clear()


# What takes longest to import is tried in full runs only.
EACH = [pytest.param(name, marks=pytest.mark.full) if name == "scikit-learn" else name for name in LEAVINGS]


@pytest.mark.parametrize("name", EACH)
def test_what_a_training_leaves_behind_is_gone_when_it_ends_and_the_next_one_begins_as_it_did(task: Foreign, name: str) -> None:
    trainer = InProcess(task)
    leave: Config = {"x": 0.5, "leaves": [name]}  # type: ignore[dict-item]
    LEAVINGS[name].look()  # imports what it needs
    before, state, random_state = seen(), process_state.read(), random.getstate()
    for _ in range(2):
        outcome = trainer.train(leave, seed=3)
        assert (outcome.status, outcome.val_score_pct, outcome.error) == (Status.OK, 0.5, None)
        assert seen() == before
        assert process_state.read(state) == state
        assert random.getstate() == random_state


@pytest.mark.parametrize("name", [name for name in EACH if name not in CLEAN_ENDINGS])
def test_what_a_training_leaves_behind_would_be_seen(task: Foreign, name: str) -> None:
    with Isolation().training(0):
        before = LEAVINGS[name].look()
        LEAVINGS[name].do()
        assert LEAVINGS[name].look() != before


def test_a_training_that_draws_from_the_global_generators_repeats_whatever_was_drawn_before(task: Foreign) -> None:
    import numpy as np
    import torch

    trainer = InProcess(task)
    outside = repr(np.random.get_state()), torch.get_rng_state().tolist()
    found = []
    for seed in (3, 4, 3):
        trainer.train({"x": 0.5}, seed=seed)
        found.append([*foreign.drawn])
    assert (repr(np.random.get_state()), torch.get_rng_state().tolist()) == outside
    assert found[0] == found[2]
    assert all(one != other for one, other in zip(found[0], found[1], strict=True))
    assert draws() != found[0]


def test_in_a_child_every_training_begins_as_the_first_one_did(task: Foreign) -> None:
    child = InChild(replace(SPEC, params={}), 60.0)
    names = [name for name in LEAVINGS if name not in ("torch", "scikit-learn")]  # which take a second to import
    try:
        for name in (*names, names, names):
            leaves = [name] if isinstance(name, str) else name
            outcome = child.train({"x": 0.5, "leaves": leaves}, seed=3)  # type: ignore[dict-item]
            assert (outcome.status, outcome.val_score_pct, outcome.error) == (Status.OK, 0.5, None), leaves
    finally:
        child.close()


class Plain:
    """A task out of one function."""

    def __init__(self, train: Any) -> None:
        self._train = train

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        return self._train()  # type: ignore[no-any-return]


def test_what_a_constructor_sets_holds_for_its_own_trainings_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    monkeypatch.chdir(tmp_path)
    before = seen()
    isolation, other = Isolation(), Isolation()
    with isolation.building():
        LEAVINGS["NumPy"].do()
        LEAVINGS["working folder"].do()
        LEAVINGS["environment"].do()
    assert seen() == before
    for apart, folder, mode in ((isolation, tmp_path / "work", "raise"), (other, tmp_path, before["NumPy"][0]["over"])):
        for _ in range(2):
            with apart.training(0):
                assert (Path.cwd(), np.geterr()["over"]) == (folder, mode)
                os.chdir("/")
                np.seterr(over="print")


def test_what_an_import_sets_holds_for_all_foreign_code_from_then_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sets_at_import.py").write_text("import numpy as np, os\nnp.seterr(under='raise')\nos.environ['AT_IMPORT'] = '1'\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("harness.training.isolation._by_imports", {})
    import numpy as np

    found = []

    def train() -> Iterator[Epoch]:
        import sets_at_import  # type: ignore[import-not-found] # noqa: F401

        found.append((np.geterr()["under"], os.environ.get("AT_IMPORT")))
        np.seterr(under="print")
        yield Epoch(val_score_pct=1.0)

    for _ in range(3):
        assert InProcess(Plain(train)).train({}, seed=0).error is None  # type: ignore[arg-type]
        assert (np.geterr()["under"], os.environ.get("AT_IMPORT")) == ("ignore", None)
    assert found == [("raise", "1")] * 3


LAZY = """
import sys
from harness.training.trainer import InProcess
from harness.trial import Epoch
class Task:
    def train(self, config, *, seed):
        import numpy as np, torch
        drawn.append((np.random.rand(), float(torch.rand(1))))
        state.append((np.geterr()["over"], torch.is_grad_enabled(), torch.get_default_dtype()))
        np.seterr(all="raise"); torch.set_grad_enabled(False); torch.set_default_dtype(torch.float64)
        yield Epoch(val_score_pct=1.0)
drawn, state = [], []
assert "torch" not in sys.modules
for _ in range(2):
    assert InProcess(Task()).train({}, seed=0).error is None
import numpy as np, torch
state.append((np.geterr()["over"], torch.is_grad_enabled(), torch.get_default_dtype()))
print(len(set(drawn)), *set(state))
"""


@pytest.mark.full
def test_a_library_that_a_training_is_the_first_to_import_is_left_as_it_came() -> None:
    ran = subprocess.run([sys.executable, "-c", LAZY], env=environment(), capture_output=True, text=True, check=True)
    assert ran.stdout == "1 ('warn', True, torch.float32)\n"


def test_a_training_s_forks_end_by_the_signals_that_they_are_sent(task: Foreign) -> None:
    ended = []

    def train() -> Iterator[Epoch]:
        pid = os.fork()
        if pid == 0:
            signal.pause()
            os._exit(0)
        os.kill(pid, signal.SIGTERM)
        ended.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        yield Epoch(val_score_pct=1.0)

    before = signal.getsignal(signal.SIGTERM)
    from harness.signals import handle_stop_signals

    try:
        handle_stop_signals()
        assert InProcess(Plain(train)).train({}, seed=0).error is None  # type: ignore[arg-type]
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended == [-signal.SIGTERM]


def test_a_task_is_built_apart_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Isolation().building():
        build_task(replace(SPEC, params={}))
        os.chdir("/")
    assert Path.cwd() == tmp_path


# Without torch: what the first training imports is not what the first one sees.
LEFT = f"task.params.leaves=[{','.join(name for name in LEAVINGS if not LEAVINGS[name].library or name.startswith('Hydra'))}]"
HERE = (), ("seeds=2", "-m"), pytest.param(("limits.trial_seconds=60",), marks=pytest.mark.full)


def scores(study: Path) -> list[tuple[str, list[float]]]:
    return [(folder.rpartition("-")[0], [row["val_score_pct"] for row in rows]) for folder, rows in records(study).items()]


@pytest.mark.parametrize("more", HERE, ids=["single", "sweep", "child"])
def test_a_study_whose_trainings_leave_everything_behind_is_the_study_of_others(
    cli: Cli, tmp_path: Path, more: tuple[str, ...]
) -> None:
    foreign.first.clear()
    ran = cli(*FOREIGN, LEFT, "tracking=off", "study=left", *more)
    assert (ran.status, ran.err) == (0, "")
    assert cli(*FOREIGN, "tracking=off", "study=clean", *more).status == 0
    assert scores(tmp_path / "runs" / "left") == scores(tmp_path / "runs" / "clean")
    assert all(score < 1.0 for _, found in scores(tmp_path / "runs" / "left") for score in found)
    foreign.first.clear()


def test_a_message_names_what_lies_below_the_working_folder_from_there(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "runs" / "main").mkdir(parents=True)
    (tmp_path / "runs" / "main" / "plan.jsonl").write_text("{}\n")
    assert cli("task=toy", "tracking=off").line.startswith("harness: runs/main/plan.jsonl, line 1: damaged")


WANDB_TASK = """
import wandb
from harness import tasks_from
from harness.trial import Epoch

@tasks_from.loop
def Own(config, seed, finish=True):
    assert wandb.run is None
    run = wandb.init(project="own", config=dict(config), mode="offline", dir="own")
    assert run.id not in SEEN
    SEEN.append(run.id)
    for epoch in range(2):
        wandb.log({"accuracy": 50 + epoch})
        yield Epoch(val_score_pct=50 + epoch + config["x"])
    if finish:
        wandb.finish()

SEEN = []
"""


def with_wandb_inside(folder: Path) -> tuple[str, ...]:
    """Write a task whose trainings keep W&B runs, and return the command that tunes it."""
    (folder / "conf" / "task").mkdir(parents=True)
    (folder / "own").mkdir()
    (folder / "wandb_inside.py").write_text(WANDB_TASK)
    foreign = yaml.safe_load((CONF / "task" / "foreign.yaml").read_text())
    settings = {**foreign, "name": "wandb_inside", "_target_": "wandb_inside.Own", "params": {"finish": True}}
    (folder / "conf" / "task" / "wandb_inside.yaml").write_text(yaml.safe_dump(settings))
    return ("task=wandb_inside", "optimizer=random", "budget=2", "progress=off")


def own_environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in environment(HOME=str(folder / "home")).items() if not name.startswith("WANDB")}
    return {**kept, "WANDB_ERROR_REPORTING": "false"}


def test_a_training_s_own_w_and_b_runs_and_the_harness_s_leave_each_other_alone(tmp_path: Path) -> None:
    command = with_wandb_inside(tmp_path)
    # None of them ends its run: the next one must not get it.
    ran = run((*command, "task.params.finish=false"), tmp_path, env=own_environment(tmp_path))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    (rows,) = records(tmp_path / "runs" / "main").values()
    assert [row["status"] for row in rows] == ["ok", "ok"]
    own = [read_run(path) for path in tmp_path.glob("own/wandb/offline-run-*/run-*.wandb")]
    assert [[row["accuracy"] for row in each.history] for each in own] == [[50, 51], [50, 51]]
    assert all(each.finished for each in own)
    (mirrored,) = (read_run(path) for path in tmp_path.glob("runs/main/wandb/offline-run-*/run-*.wandb"))
    assert mirrored.finished
    assert [trial.score for trial in to_cell(mirrored).trials] == [row["val_score_pct"] for row in rows]


@pytest.mark.full
@pytest.mark.parametrize("tracking", ["tracking=off", "tracking=wandb_offline"])
@pytest.mark.parametrize(
    "more",
    [
        (),
        ("limits.trial_seconds=60",),
        ("-m",),
        ("hydra/launcher=joblib", "-m"),
        ("hydra/launcher=joblib", "limits.trial_seconds=60", "-m"),
    ],
    ids=["single", "child", "sweep", "joblib", "joblib, child"],
)
def test_everything_at_once_in_every_way_of_running(tmp_path: Path, more: tuple[str, ...], tracking: str) -> None:
    many = ("seeds=2", tracking, *more)
    left = run(
        (*FOREIGN, EVERYTHING, "study=left", "optimizer=optuna_gp", "budget=6", *many), tmp_path, env=own_environment(tmp_path)
    )
    assert (left.returncode, left.stderr) == (0, "")
    clean = run((*FOREIGN, "study=clean", "optimizer=optuna_gp", "budget=6", *many), tmp_path, env=own_environment(tmp_path))
    assert (clean.returncode, clean.stderr) == (0, "")
    assert scores(tmp_path / "runs" / "left") == scores(tmp_path / "runs" / "clean")
    command = with_wandb_inside(tmp_path)
    inside = run((*command, *many, "study=inside"), tmp_path, env=own_environment(tmp_path))
    assert (inside.returncode, inside.stdout) == (0, "")
    assert {row["status"] for rows in records(tmp_path / "runs" / "inside").values() for row in rows} == {"ok"}
    if tracking != "tracking=off":
        report = [sys.executable, "-m", "harness.report", "inside", "--agree", "wandb-offline:runs/inside/wandb"]
        agreed = subprocess.run(report, cwd=tmp_path, env=own_environment(tmp_path), capture_output=True, text=True, check=False)
        assert agreed.returncode == 0, agreed.stdout + agreed.stderr
        assert "every trial's scores equal" in agreed.stdout


def test_what_a_training_had_set_before_an_import_does_not_last_with_what_the_import_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "quiet_library.py").write_text(
        "import sys, warnings\nwarnings.filterwarnings('ignore', message='of the library')\nsys.path.append('/of/the/library')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(isolation, "_by_imports", {})
    apart = Isolation()
    with apart.training(0):
        warnings.simplefilter("ignore")
        sys.path.insert(0, "/of/the/training")
        import quiet_library  # type: ignore[import-not-found]  # noqa: F401
    with apart.training(1):
        assert ("ignore", None, Warning, None, 0) not in warnings.filters
        assert [pattern.pattern for _, pattern, *_ in warnings.filters if isinstance(pattern, re.Pattern)].count(
            "of the library"
        ) == 1
        assert "/of/the/training" not in sys.path
        assert sys.path[-1] == "/of/the/library"
    assert "/of/the/library" not in sys.path


def test_a_list_that_a_constructor_and_a_later_import_change_keeps_what_both_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("early_library", "late_library"):
        (tmp_path / f"{name}.py").write_text(f"import sys\nsys.path.append('/of/{name}')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(isolation, "_by_imports", {})
    apart = Isolation()
    with apart.building():
        sys.path.insert(0, "/of/the/constructor")
        import early_library  # type: ignore[import-not-found]  # noqa: F401
    with apart.training(0):
        assert sys.path[0] == "/of/the/constructor"
        import late_library  # type: ignore[import-not-found]  # noqa: F401
    with apart.training(1):
        assert sys.path[0] == "/of/the/constructor"
        assert sys.path[-2:] == ["/of/early_library", "/of/late_library"]
    with Isolation().training(0):
        assert "/of/the/constructor" not in sys.path
        assert sys.path[-2:] == ["/of/early_library", "/of/late_library"]
