"""LCBench: the surrogate, its clock, and what is said when something is missing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Cli
from support.cells import cells_of

from harness.config.settings import conf_dir, task_spec
from harness.errors import SettingsError
from harness.run.study import _missing_data, run_cells
from harness.seeding import keyed_random
from harness.tasks.common import datasets
from harness.tasks.common.registry import DataError
from harness.tasks.lcbench import surrogate as module
from harness.tasks.lcbench.surrogate import EPOCHS, INPUTS, OUTPUTS, surrogate
from harness.tasks.lcbench.task import LCBench
from harness.testing.contracts.task import TaskContract, spec_of
from harness.training.build import build_task
from harness.training.evaluator import Limits
from harness.training.live import Live
from harness.trial import Status

NAMES = sorted(path.stem for path in (conf_dir() / "task").glob("lcbench_*.yaml"))

pytestmark = pytest.mark.usefixtures("mirror", "onnxruntime")


@pytest.fixture(scope="session")
def onnxruntime() -> None:
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install -e '.[foreign]'")


class TestLCBench(TaskContract):
    name = "lcbench_3945"
    window = (60.0, 88.0)
    measures = ("val_score_pct", "val_loss", "test_score_pct")
    deterministic = True  # a surrogate has no noise, so seeds vary the method alone


def test_there_is_one_task_for_each_of_the_34_and_the_space_is_that_of_the_publisher(mirror: Path) -> None:
    (published,) = datasets.read("yahpo_lcbench", "config_space.json")
    known = {hp["name"]: hp for hp in json.loads(published)["hyperparameters"]}
    specs = [task_spec(conf_dir() / "task" / f"{name}.yaml") for name in NAMES]
    assert {str(spec.params["openml_task"]) for spec in specs} == {*known["OpenML_task_id"]["choices"]}
    assert all(spec.name == f"lcbench_{spec.params['openml_task']}" for spec in specs)
    assert all(spec.space == specs[0].space for spec in specs)
    assert specs[0].space.names == INPUTS
    for name, entry in specs[0].space.to_mapping().items():
        theirs = known[name]
        assert (entry["low"], entry["high"]) == (pytest.approx(theirs["lower"]), pytest.approx(theirs["upper"]))
        assert (entry["type"] == "int", entry.get("scale") == "log") == (theirs["type"] == "uniform_int", theirs["log"])


# Runs in the environment that has yahpo-gym: its pins are other ones than ours.
YAHPO = """
import json, sys
from yahpo_gym import BenchmarkSet, local_config
local_config.init_config()
local_config.set_data_path(sys.argv[1])
benchmark = BenchmarkSet("lcbench", check=False)
wanted = json.load(sys.stdin)
print("VALUES", json.dumps([{k: float(v) for k, v in benchmark.objective_function(one)[0].items()} for one in wanted]))
"""


def test_scores_and_seconds_are_those_of_the_reference_package(mirror: Path, tmp_path: Path) -> None:
    python = os.environ.get("HARNESS_YAHPO_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import yahpo_gym"], capture_output=True, check=False).returncode:
        pytest.skip("needs yahpo-gym: HARNESS_YAHPO_PYTHON names the python of an environment with it")
    (tmp_path / "lcbench").symlink_to(mirror / "yahpo_lcbench")
    space = spec_of("lcbench_3945").space
    asked = [(task, space.sample(keyed_random(5, "reference", task))) for task in sorted(surrogate().numbers)]
    ours = [surrogate().curves(task, [config])[0, epoch - 1].tolist() for task, config in asked for epoch in (1, 17, EPOCHS)]
    wanted = [{**config, "OpenML_task_id": str(task), "epoch": epoch} for task, config in asked for epoch in (1, 17, EPOCHS)]
    ran = subprocess.run(
        [python, "-c", YAHPO, str(tmp_path)],
        input=json.dumps(wanted),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "YAHPO_LOCAL_CONFIG": str(tmp_path / "settings"), "PYTHONPATH": ""},
    )
    theirs = json.loads(ran.stdout.split("VALUES ")[1])
    for mine, expected in zip(ours, theirs, strict=True):
        # It evaluates row by row: a batch rounds otherwise, and the exponential of the time shows it most.
        assert mine[0] == pytest.approx(expected["time"], rel=2e-3)
        assert mine[1:] == pytest.approx([expected[name] for name in OUTPUTS[1:]], rel=2e-5, abs=1e-6)


def test_a_batch_of_configurations_gives_the_curves_of_each() -> None:
    space = spec_of("lcbench_3945").space
    configs = [space.sample(keyed_random(0, "batch", number)) for number in range(3)]
    together = surrogate().curves(7593, configs)
    assert together.shape == (3, EPOCHS, len(OUTPUTS))
    for config, curve in zip(configs, together, strict=True):
        assert curve == pytest.approx(surrogate().curves(7593, [config])[0], rel=2e-3)


def test_recorded_seconds_count_and_nobody_waits_for_them() -> None:
    spec = spec_of("lcbench_3945")
    task, trainer = Live().open(spec, Limits())
    assert isinstance(task, LCBench)
    config = spec.space.default()
    outcome, ends = trainer.train(config, seed=0), task.clock(config, seed=0)
    assert list(ends) == sorted(ends)
    assert outcome.seconds == pytest.approx(ends[-1])
    assert outcome.seconds > 10  # of a training that took milliseconds here
    best = max(outcome.curve, key=lambda epoch: epoch.val_score_pct)
    assert (outcome.best_epoch, outcome.test_score_pct) == (best.number, best.test_score_pct)
    _, limited = Live().open(spec, Limits(trial_seconds=ends[9]))
    cut = limited.train(config, seed=0)
    assert (cut.status, len(cut.curve), cut.seconds) == (Status.TIMEOUT, 10, ends[9])


def test_a_manifest_holds_the_reference_and_the_identity_does_not(tmp_path: Path) -> None:
    (cell,), settings = cells_of(tmp_path, "task=lcbench_3945", "budget=2")
    assert run_cells([cell], settings).done == 1
    manifest = json.loads((tmp_path / "main" / cell.folder / "manifest.json").read_text())
    assert manifest["reference"]["val"]["median"] < manifest["reference"]["val"]["best"]
    assert manifest["reference"]["test"]["median"] < manifest["reference"]["test"]["best"]
    assert "Sobol" in manifest["reference"]["source"]
    assert "reference" not in json.dumps(manifest["identity"])


@pytest.mark.full
def test_the_committed_reference_is_what_the_script_computes() -> None:
    from scripts import foreign_references as script

    spec = spec_of("lcbench_167184")
    assert spec.reference
    made = script.of_lcbench(spec, script.POINTS)
    assert made["source"] == spec.reference.source
    for scale, name in ((spec.reference.val, "val"), (spec.reference.test, "test")):
        assert scale
        assert (scale.median, scale.best) == pytest.approx((made[name]["median"], made[name]["best"]), abs=1e-3)


def test_a_number_that_lcbench_does_not_have_is_one_line(cli: Cli) -> None:
    spec = spec_of("lcbench_3945")
    with pytest.raises(
        SettingsError, match=r"^task\.params\.openml_task=3954: LCBench has no such task of OpenML; it has 3945, 7593, "
    ):
        build_task(replace(spec, params={"openml_task": 3954}))
    with pytest.raises(SettingsError, match=r"openml_task=167083: .*3945.*189909"):  # the encoding knows it, the surrogate does not
        build_task(replace(spec, params={"openml_task": 167083}))
    ran = cli("task=lcbench_3945", "task.params.openml_task=1", "tracking=off", "progress=off")
    assert ran.status == 2
    assert ran.err.count("\n") == 1
    assert "LCBench has no such task of OpenML" in ran.err
    ran = cli("task=lcbench_3954", "tracking=off")
    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert "lcbench_3945" in ran.err


def test_without_onnxruntime_the_command_and_the_doctor_say_what_brings_it(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIBRARY", "onnxruntime_that_is_not_here")
    found = LCBench.ready({})
    assert (found.ready, found.command) == (False, "pip install -e '.[foreign]'")
    _missing_data.cache_clear()
    ran = cli("task=lcbench_167104", "tracking=off", "progress=off")
    _missing_data.cache_clear()  # a command asks once: the next one is in another process
    assert ran.status == 1
    assert ran.err.count("\n") == 1
    assert "pip install -e '.[foreign]'" in ran.err


def test_another_file_than_the_published_one_is_refused(mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(mirror / "yahpo_lcbench", tmp_path / "yahpo_lcbench")
    model = tmp_path / "yahpo_lcbench" / "model.onnx"
    model.chmod(0o644)
    (tmp_path / "yahpo_lcbench").chmod(0o755)
    body = bytearray(model.read_bytes())
    body[1000] ^= 1
    model.write_bytes(bytes(body))
    monkeypatch.setenv("HARNESS_DATA_MIRROR", str(tmp_path))
    surrogate.cache_clear()
    with pytest.raises(DataError, match="is not the published file"):
        build_task(spec_of("lcbench_3945"))
    surrogate.cache_clear()


def test_a_task_that_trains_nothing_takes_no_limit_of_memory(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"limits\.trial_memory_mb: task 'lcbench_3945' gives recorded trainings"):
        Live().open(spec_of("lcbench_3945"), Limits(trial_memory_mb=1000.0))
