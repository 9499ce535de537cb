from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import Cli
from omegaconf import OmegaConf
from optimizers.test_arms import settings
from support.commands import CONF, FAULTY, records, run, without_result

from harness.cli.sweep import VARIANT_BYTES, split_jobs, variant, workers
from harness.errors import SettingsError
from harness.store.cell_folder import SUMMARY
from harness.store.plan import read_plan

TOY = ("task=toy", "tracking=off", "budget=3")


def arms(study: Path) -> list[tuple[str, str, int]]:
    return [(p.task, p.arm, p.seed) for p in read_plan(study)]


def test_seeds_asked_for_in_each_way_are_the_same_cells_with_the_same_records(cli: Cli, tmp_path: Path) -> None:
    ways = [
        ("seed=range(4)", "-m"),
        ("-m", "seed=0,1,2,3"),
        ("seeds=4",),
        ("seeds=[3,2,1,0]",),
        ("seeds='0,1-3'",),
        ("seeds=4", "-m"),
        ("seed=0,1", "seeds=4", "-m"),
    ]
    for number, way in enumerate(ways):
        assert cli(*TOY, f"out={number}", *way).status == 0
    first = records(tmp_path / "0" / "main")
    assert len(first) == 4
    for number in range(1, len(ways) - 1):
        assert records(tmp_path / str(number) / "main") == first
    assert set(records(tmp_path / str(len(ways) - 1) / "main")) <= set(first)


def test_another_key_that_is_swept_makes_a_row_for_each_of_its_values(cli: Cli, tmp_path: Path) -> None:
    assert cli(*TOY, "budget=2,3", "task.params.noise_pct=0.0,0.5", "-m").status == 0
    names = [f"random[budget={b} noise_pct={n}]" for b in (2, 3) for n in (0.0, 0.5)]
    assert arms(tmp_path / "runs" / "main") == [("toy", name, 0) for name in names]
    counts = {
        path.parent.parent.name: json.loads(path.read_text())["trials"] for path in tmp_path.glob("runs/main/toy/*/*/summary.json")
    }
    assert counts == {name: int(name[14]) for name in names}


def test_a_method_that_ignores_the_start_runs_once_for_both_starts(cli: Cli, tmp_path: Path) -> None:
    assert cli(*TOY, "optimizer=default_only,random", "start=none,default", "-m").status == 0
    assert sorted(arms(tmp_path / "runs" / "main")) == [
        ("toy", "default_only", 0),
        ("toy", "random", 0),
        ("toy", "random+default", 0),
    ]


def test_an_arm_can_be_asked_for_by_the_name_that_the_tables_give_it(cli: Cli, tmp_path: Path) -> None:
    assert cli(*TOY, "optimizer=random+default", "seeds=2", "-m").status == 0
    assert {arm for _, arm, _ in arms(tmp_path / "runs" / "main")} == {"random+default"}


def test_a_mistake_in_the_last_combination_is_found_before_the_first_one_starts(cli: Cli, tmp_path: Path) -> None:
    ran = cli(*TOY, "budget=3,2,0", "-m")
    assert (ran.status, ran.line) == (2, "harness: budget=0: a cell needs at least 1 trial")
    assert list(tmp_path.iterdir()) == []


def test_the_same_command_again_trains_nothing_and_writes_nothing(cli: Cli, tmp_path: Path) -> None:
    command = (*TOY, "seed=range(3)", "-m")
    cli(*command)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    ran = cli(*command)
    assert (ran.status, without_result(ran.err)) == (0, ["3 of 3 cells were done before"])
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_only_what_is_missing_is_run(cli: Cli, tmp_path: Path) -> None:
    command = (*TOY, "seed=range(4)", "start=none,default", "-m")
    cli(*command)
    study = tmp_path / "runs" / "main"
    whole = records(study)
    folders = sorted(path.parent for path in study.glob("*/*/*/manifest.json"))
    shutil.rmtree(folders[1])
    (folders[6] / SUMMARY).unlink()
    kept = {
        path: path.stat().st_mtime_ns for path in study.glob("*/*/*/trials.jsonl") if path.parent not in (folders[1], folders[6])
    }
    ran = cli(*command)
    assert ran.status == 0
    assert ran.err.splitlines()[0] == "6 of 8 cells were done before"
    assert records(study) == whole
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_cells_that_fail_are_told_and_leave_the_others_alone(cli: Cli, tmp_path: Path) -> None:
    ran = cli(*FAULTY, "tracking=off", "budget=2", "task.params.constructor=raise,null", "seed=0,1", "-m")
    assert ran.status == 1
    lines = ran.err.splitlines()
    assert lines[-1] == "harness: 2 of 4 cells are not done; the same command goes on with them"
    failed = [line for line in lines if line.startswith("failed: ")]
    assert len(failed) == 1
    assert re.match(r"failed: 2 cells, the first: faulty/.*: OSError: the data set is not there \(", failed[0])
    assert sum(": failed" in line for line in lines) == 2
    assert len(list(tmp_path.glob("runs/main/faulty/*/*/summary.json"))) == 2


def test_two_different_cells_cannot_share_a_row_of_the_tables(cli: Cli, tmp_path: Path) -> None:
    ran = cli(*TOY, "arm=mine", "start=none,default", "-m")
    assert ran.status == 2
    expected = (
        "two different cells would be 'mine' on toy with seed 0 (start: 'none' there, 'default' here): give them names of their own"
    )
    assert ran.line.startswith(f"harness: {expected}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("argument", ["seed=range(0)", "seed=range(5,5)"])
def test_a_sweep_over_nothing_is_a_mistake(cli: Cli, argument: str) -> None:
    assert cli(*TOY, argument, "-m").line == "harness: the sweep is empty: one of its keys has no values"


def test_several_studies_in_one_sweep_keep_apart(cli: Cli, tmp_path: Path) -> None:
    assert cli(*TOY, "study=one,two", "-m").status == 0
    assert records(tmp_path / "runs" / "one") == records(tmp_path / "runs" / "two")
    assert len(records(tmp_path / "runs" / "one")) == 1


def test_an_experiment_of_the_user_s_own_names_a_grid_over_a_suite(cli: Cli, tmp_path: Path) -> None:
    conf = tmp_path / "mine"
    (conf / "experiment").mkdir(parents=True)
    (conf / "task").mkdir()
    toy = (Path(__file__).parents[2] / "conf" / "task" / "toy.yaml").read_text().replace("suite: test", "suite: hand")
    for name in ("left", "right"):
        (conf / "task" / f"{name}.yaml").write_text(toy.replace("name: toy", f"name: {name}"))
    sweep = "hydra: {mode: MULTIRUN, sweeper: {params: {task: hand, optimizer: random, start: 'none,default'}}}"
    (conf / "experiment" / "grid.yaml").write_text(f"# @package _global_\nstudy: mine\nseeds: 2\nbudget: 2\n{sweep}\n")
    ran = cli("--config-dir", str(conf), "+experiment=grid", "tracking=off")
    assert ran.status == 0
    expected = [(task, arm, seed) for task in ("left", "right") for arm in ("random", "random+default") for seed in (0, 1)]
    assert sorted(arms(tmp_path / "runs" / "mine")) == expected
    assert len(records(tmp_path / "runs" / "mine")) == 8


def test_joblib_s_workers_leave_the_same_records_as_one_process_with_trainings_that_hang_and_die(tmp_path: Path, cli: Cli) -> None:
    hanging = ("limits.trial_seconds=1", "task.params.action='loop in C'", "task.params.only_above=0.7")
    command = (*FAULTY, "seeds=2", "start=none,default", "budget=2", "tracking=off", *hanging, "-m")
    ran = run((*command, "out=two", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"), tmp_path)
    assert (ran.returncode, ran.stdout) == (0, "")
    assert len(without_result(ran.stderr)) == 4
    assert cli(*command, "out=one").status == 0
    found = records(tmp_path / "two" / "main")
    assert found == records(tmp_path / "one" / "main")
    rows = [row for rows in found.values() for row in rows]
    assert len(rows) == 8
    assert {row["status"] for row in rows if row["config"]["x"] > 0.7} == {"timeout"}
    assert {row["status"] for row in rows if row["config"]["x"] <= 0.7} == {"ok"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_a_worker_that_dies_is_one_line_and_the_same_command_goes_on(tmp_path: Path) -> None:
    joblib = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "seeds=2", "budget=3", "tracking=off", "-m")
    ran = run((*FAULTY, "task.params.action=os._exit", "task.params.only_above=0.6", *joblib), tmp_path)
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1].startswith("harness: a worker process died, out of memory or by a crash in native code;")
    assert "Traceback" not in ran.stderr


def test_a_very_long_variant_still_is_a_folder_s_name() -> None:
    job = [f"task.params.{'k' * 40}{n}={'v' * 40}" for n in range(5)]
    swept = [entry.partition("=")[0] for entry in job]
    (override,) = variant(job, swept)
    name = override.removeprefix("variant='").removesuffix("'")
    assert len(name.encode()) <= VARIANT_BYTES + 9
    (other,) = variant([*job[:-1], job[-1] + "w"], swept)
    assert other != override


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("0.5", "x=0.5"),
        ("[1,2]", "x=1+2"),
        ("a/b", "x=ab"),
        ("''", "x=none"),
        ("größe", "x=größe"),
        ("{a:1}", "x=a1"),
        ("\x1b[31m", "x=31m"),
    ],
)
def test_a_value_becomes_a_harmless_part_of_a_name(value: str, shown: str) -> None:
    assert variant([f"task.params.x={value}"], ["task.params.x"]) == [f"variant='{shown}'"]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("{curve:none}", ["variant='curve=none'"]),
        ("{curve: none, target: hidden}", ["variant='curve=none target=hidden'"]),
        ("{}", []),
    ],
)
def test_a_group_of_settings_is_named_after_what_is_in_it(value: str, name: list[str]) -> None:
    assert variant([f"published={value}"], ["published"]) == name


def combination(*names: str) -> Any:
    return SimpleNamespace(overrides=names, settings=SimpleNamespace(asking=None))


def cells(*seeds: int) -> Any:
    return [SimpleNamespace(seed=seed, id=f"id{seed}") for seed in seeds]


def seeds_of(jobs: list[list[str]]) -> list[str]:
    return [entry for job in jobs for entry in job if entry.startswith("seeds=")]


def test_the_seeds_of_a_combination_share_a_job_unless_workers_would_be_idle() -> None:
    todo = [(combination("task=a"), cells(*range(20))), (combination("task=b"), cells(3, 1))]
    assert seeds_of(split_jobs(todo, 1, None)) == ["seeds='0-19'", "seeds='3,1'"]
    assert len(split_jobs(todo, 2, None)) == 11
    assert seeds_of(split_jobs(todo, 64, None))[-2:] == ["seeds='3'", "seeds='1'"]
    assert len(split_jobs(todo, 1, 5)) == 5
    for size in (0, -1):
        with pytest.raises(SettingsError, match=f"seeds_per_job={size}: must be 1 or more"):
            split_jobs(todo, 1, size)


@pytest.mark.parametrize(
    ("launcher", "expected"),
    [({"_target_": "x.BasicLauncher"}, 1), ({"_target_": "x.Joblib", "n_jobs": 3}, 3), ({"_target_": "x.Slurm"}, 64)],
)
def test_the_launcher_says_how_many_jobs_run_side_by_side(launcher: dict[str, Any], expected: int) -> None:
    assert workers(OmegaConf.create({"hydra": {"launcher": launcher}})) == expected


def test_no_workers_at_all_are_a_mistake() -> None:
    with pytest.raises(SettingsError, match=r"hydra.launcher.n_jobs=0"):
        workers(OmegaConf.create({"hydra": {"launcher": {"_target_": "x", "n_jobs": 0}}}))


def test_the_tests_own_tasks_are_where_they_are_looked_for() -> None:
    assert (CONF / "task" / "faulty.yaml").is_file()


RULES_AND_RANDOM = ("optimizer=rules,random", "agent.names=real,anonymous")


def test_a_swept_setting_varies_only_the_arms_that_use_it(cli: Cli, tmp_path: Path) -> None:
    assert cli(*TOY, *RULES_AND_RANDOM, "-m").status == 0
    expected = [("toy", name, 0) for name in ("rules[names=real]", "rules[names=anonymous]", "random")]
    assert sorted(arms(tmp_path / "runs" / "main")) == sorted(expected)


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (("optimizer=rules", "tcs.blocks=[status],[status,parameters]"), "tcs.blocks"),
        (("optimizer=rules,random", "tcs.format=json"), "tcs.format"),
        (("optimizer=random", "agent.names=anonymous"), "agent.names"),
        (("optimizer=sobol", "llm=phi4"), "llm"),
        (("optimizer=random,sobol", "task.card.title=other"), "task.card.title"),
        (("optimizer=random", "task.table.train_seeds=2"), "task.table.train_seeds"),
        (("optimizer=random", "store.sync=trial,cell"), "store.sync"),
        (("optimizer=random", "progress=off,plain"), "progress"),
    ],
)
def test_a_setting_that_reaches_no_arm_is_one_line(cli: Cli, tmp_path: Path, arguments: tuple[str, ...], key: str) -> None:
    ran = cli(*TOY, *arguments, "-m")
    assert (ran.status, ran.line.startswith(f"harness: {key}: ")) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_a_single_command_refuses_a_setting_that_its_arm_does_not_use(cli: Cli, tmp_path: Path) -> None:
    ran = cli(*TOY, "optimizer=rules", "tcs.format=json")
    assert (ran.status, ran.line.startswith("harness: tcs.format: rules would not use it; leave it out")) == (2, True)
    assert list(tmp_path.iterdir()) == []
    assert cli(*TOY, "optimizer=rules", "agent.names=anonymous").status == 0


def test_two_values_that_mean_the_same_are_one_line(cli: Cli, tmp_path: Path) -> None:
    ran = cli(*TOY, "task.space.learning_rate.high=1,1.0,0.5", "-m")
    assert (ran.status, "the same cell twice" in ran.line) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_every_arm_that_refers_to_a_setting_of_some_arms_lists_it_among_those_it_uses() -> None:
    for path in sorted((CONF.parents[2] / "conf" / "optimizer").glob("*.yaml")):
        text = path.read_text()
        referred = set(re.findall(r"\$\{((?:agent|tcs|llm)\.[\w.]+)\}", text))
        listed = settings(path.stem).get("uses") or []
        assert referred <= set(listed), path.name
