from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.cells import cells_of, settings_of
from support.commands import run

from harness.cell import Cell
from harness.config.values import Settings
from harness.errors import RecordError, SettingsError
from harness.store.cell_folder import read_json, read_trials
from harness.tabular.grid import Grid
from harness.tabular.header import grid_space
from harness.tabular.replay import TableTrainer, cut_short
from harness.training.build import build_task
from harness.training.trainer import InProcess
from harness.trial import Epoch, Outcome, Status

from .conftest import Mine, Tabulate


def settings_of_mini(folder: Path, *overrides: str) -> Settings:
    return settings_of(folder / "runs", "task=mini", *overrides, conf=folder / "conf")


def cells_of_mini(folder: Path, *overrides: str) -> tuple[list[Cell], Settings]:
    return cells_of(folder / "runs", "task=mini", *overrides, conf=folder / "conf")


def test_a_cell_of_a_table_has_the_scores_of_a_live_one_on_the_same_space(mine: Mine, tabulate: Tabulate, tmp_path: Path) -> None:
    settings = mine()
    assert tabulate("task=mini")[0] == 0
    cells, _ = cells_of_mini(tmp_path, "evaluator=table", "seeds=2")
    grid = Grid(grid_space(settings), settings.space)
    live = InProcess(build_task(settings))
    for cell in cells:
        task, trainer = cell.evaluator.open(cell.task, cell.limits)
        assert isinstance(trainer, TableTrainer)
        assert task.space == grid.space
        for config in grid.configs:
            here, there = live.train(grid.complete(config), seed=cell.train_seed), trainer.train(config, seed=cell.train_seed)
            assert repr((here.status, here.curve, here.error)) == repr((there.status, there.curve, there.error))
            assert (here.val_score_pct, here.test_score_pct, here.best_epoch) == (
                there.val_score_pct,
                there.test_score_pct,
                there.best_epoch,
            )
            assert repr(tuple(task.train(config, seed=cell.train_seed))) == repr(here.curve)


def test_a_whole_study_runs_from_tables_with_the_recorded_seconds_and_the_known_best(
    mine: Mine, tabulate: Tabulate, tmp_path: Path
) -> None:
    mine()
    tabulate("task=mini")
    ran = run(
        ["task=mini", "evaluator=table", "optimizer=random,rules,sobol", "seeds=3", "start=default", "tracking=off", "-m"], tmp_path
    )
    assert ran.returncode == 0, ran.stderr
    manifests = sorted((tmp_path / "runs").glob("main/mini/*/*/manifest.json"))
    assert len(manifests) == 9
    for path in manifests:
        manifest, trials = read_json(path), read_trials(path.parent)
        best = manifest["settings"]["task"]["best_val_score_pct"][str(manifest["identity"]["train_seed"])]
        assert manifest["identity"]["train_seed"] == manifest["seed"] % 2
        assert max(trial.score for trial in trials if trial.score is not None) <= best
        assert all(trial.outcome.seconds > 0 for trial in trials)
        assert trials[0].config == {"learning_rate": 1e-3, "momentum": 0.5}


def test_a_time_limit_goes_by_the_recorded_seconds() -> None:
    curve = tuple(Epoch(10.0 * number, number=number) for number in range(1, 11))
    whole = Outcome.of_curve(curve, 20.0)
    cut = cut_short(whole, 7.0)
    assert (cut.status, len(cut.curve), cut.seconds) == (Status.TIMEOUT, 3, 7.0)
    assert cut.error == "not finished after 7 s (limits.trial_seconds)"


def test_only_trainings_that_took_longer_than_the_limit_time_out(mine: Mine, tabulate: Tabulate, tmp_path: Path) -> None:
    mine()
    tabulate("task=mini")
    (free,), _ = cells_of_mini(tmp_path, "evaluator=table")
    task, trainer = free.evaluator.open(free.task, free.limits)
    seconds = sorted({trainer.train(config, seed=0).seconds for config in Grid(task.space, task.space).configs})
    limit = seconds[len(seconds) // 2]
    (limited,), _ = cells_of_mini(tmp_path, "evaluator=table", f"limits.trial_seconds={limit}")
    assert limited.id != free.id
    short = limited.evaluator.open(limited.task, limited.limits)[1]
    for config in Grid(task.space, task.space).configs:
        before, after = trainer.train(config, seed=0), short.train(config, seed=0)
        assert after == before if before.seconds <= limit else after.status is Status.TIMEOUT


def test_a_live_cell_and_a_table_s_never_share_an_id_and_nor_do_two_tables(mine: Mine, tabulate: Tabulate, tmp_path: Path) -> None:
    mine()
    (live,), _ = cells_of_mini(tmp_path)
    tabulate("task=mini")
    (first,), _ = cells_of_mini(tmp_path, "evaluator=table")
    assert cells_of_mini(tmp_path)[0] == [live]
    (tmp_path / "tables" / "mini.npz").unlink()
    tabulate("task=mini")  # other seconds, other contents
    (second,), _ = cells_of_mini(tmp_path, "evaluator=table")
    assert len({live.id, first.id, second.id}) == 3
    assert "evaluator" not in live.identity
    with pytest.raises(RecordError, match="has changed since the cell was planned"):
        first.evaluator.open(first.task, first.limits)


def test_training_seeds_take_turns_and_another_is_refused(mine: Mine, tabulate: Tabulate, tmp_path: Path) -> None:
    mine()
    tabulate("task=mini")
    cells, _ = cells_of_mini(tmp_path, "evaluator=table", "seeds=5")
    assert [cell.train_seed for cell in cells] == [0, 1, 0, 1, 0]
    assert [cell.train_seed for cell in cells_of_mini(tmp_path, "evaluator=table", "seeds=2", "train_seed=1")[0]] == [1, 1]
    with pytest.raises(SettingsError, match="train_seed=2: the table of task 'mini' holds 0, 1"):
        cells_of_mini(tmp_path, "evaluator=table", "train_seed=2")


def test_a_memory_limit_which_no_table_can_keep_is_refused(mine: Mine, tabulate: Tabulate, tmp_path: Path) -> None:
    mine()
    tabulate("task=mini")
    with pytest.raises(SettingsError, match="leave it out with evaluator=table"):
        cells_of_mini(tmp_path, "evaluator=table", "limits.trial_memory_mb=100")


@pytest.mark.parametrize(
    ("override", "difference"),
    [
        ("task.version=2", "version: 1 in the table, 2 now"),
        ("task.params.epochs=4", "params.epochs: 3 in the table, 4 now"),
        ("task.space.momentum.high=0.95", "whole_space.momentum.high: 0.99 in the table, 0.95 now"),
        ("task.table.levels.momentum=[0.0,0.5]", "space.momentum.levels:"),
        ("task.table.train_seeds=1", "train_seeds:"),
        ("task._target_=harness.tasks.toy.Bowl", "target: 'harness.tasks.toy.Toy' in the table, 'harness.tasks.toy.Bowl' now"),
    ],
)
def test_a_table_of_other_settings_is_refused(
    mine: Mine, tabulate: Tabulate, tmp_path: Path, override: str, difference: str
) -> None:
    mine()
    tabulate("task=mini")
    with pytest.raises(SettingsError) as raised:
        settings_of_mini(tmp_path, "evaluator=table", override)
    assert difference in str(raised.value)
    assert str(raised.value).endswith("python -m harness.tabulate task=mini")


def test_a_task_without_a_table_names_those_that_have_one(
    mine: Mine, tabulate: Tabulate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine()
    tabulate("task=mini")
    monkeypatch.setenv("HARNESS_TABLES", str(tmp_path / "tables"))
    with pytest.raises(SettingsError, match=r"task 'toy' has no table; there is: mini$"):
        settings_of(tmp_path / "runs", "evaluator=table")
    mine(name="other")
    with pytest.raises(SettingsError, match=r"can be made with: python -m harness.tabulate task=other$"):
        settings_of_mini(tmp_path, "evaluator=table")


def test_the_task_is_not_even_imported(mine: Mine, tabulate: Tabulate, tmp_path: Path) -> None:
    mine()
    tabulate("task=mini")
    program = (
        "import sys; from harness.__main__ import main; "
        "main(['task=mini', 'evaluator=table', 'optimizer=rules', 'tracking=off', 'progress=off']); "
        "print('MODULES', *{name.split('.')[0] for name in sys.modules})"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split("MODULES ")[1].split())
    assert not loaded & {"tasks", "torch", "sklearn", "scipy", "pandas", "wandb", "multiprocessing"}
