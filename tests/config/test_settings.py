from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pytest
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from support.cells import cells_of, settings_of

from harness.config.settings import cells
from harness.errors import SettingsError
from harness.space import Space

SETTINGS = settings_of(Path("runs"))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["budget=0"], "budget=0: a cell needs at least 1 trial"),
        (["limits.trial_seconds=0"], "limits.trial_seconds=0.0: give seconds above 0, or null for no limit"),
        (["limits.trial_seconds=inf"], "limits.trial_seconds=inf"),
        (["limits.trial_seconds=nan"], "limits.trial_seconds=nan"),
        (["seed=-1"], "seed -1: seeds go from 0 to 4294967295"),
        (["seeds=[1,4294967296]"], "seed 4294967296"),
        (["train_seed=-3"], "seed -3"),
        (["optimizer.startup_trials=-1"], "optimizer.startup_trials: must be 0 or more"),
        (["optimizer.role=randon"], "optimizer.role='randon': there is no such role; did you mean 'random'?"),
        (["optimizer.role=llm"], "only such a method has the role 'llm'"),
        (["seeds=0"], "seeds=0: give how many (seeds=5) or which (seeds=[0,3,7])"),
        (["seeds=[]"], "seeds=[]"),
        (["seeds=[0,x]"], "seeds=[0, 'x']"),
        (["seeds=true"], "seeds=True"),
        (["seeds=1.5"], "seeds=1.5"),
        (["seeds='3-'"], "seeds='3-'"),
        (["task.space.learning_rate.low=5"], "task 'toy': hyperparameter 'learning_rate': the default does not fit its own range"),
        (["task.card.title="], "task 'toy': task card: 'title' is missing"),
        (["+limits.trial_second=5"], "there is no setting 'limits.trial_second'"),
        (["++bugdet=5"], "there is no setting 'bugdet'; did you mean 'budget'?"),
        (["++store.snyc=cell"], "there is no setting 'store.snyc'; did you mean 'sync'?"),
        (["~seed"], "'seed' was taken away, and is needed"),
        (["task.space.momentum.default=${nothing}"], "task.space.momentum.default: Interpolation key 'nothing' not found"),
        (["seeds=2", "task.params.epochs=${seed}"], "task.params.epochs=${seed}: with several seeds"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_name(overrides: list[str], words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        cells_of(Path("runs"), *overrides)
    assert words in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".x", "a/b", "../a", "a\\b", "a b", "a:b", "a\nb", "a\x1b[31m", "x" * 81, "ä" * 41, "a'b"]
)
@pytest.mark.parametrize("part", ["study", "arm", "task.name", "optimizer.name"])
def test_a_name_that_could_lead_elsewhere_is_refused(part: str, name: str) -> None:
    outer, _, inner = part.partition(".")
    value: Any = replace(getattr(SETTINGS, outer), **{inner: name}) if inner else name
    changed: dict[str, Any] = {outer: value}
    settings = replace(SETTINGS, **changed)
    if (part, name) == ("arm", ""):
        return  # no arm is the arm's own name
    with pytest.raises(SettingsError, match="use up to 80 letters"):
        list(cells(settings))


@pytest.mark.parametrize("name", ["main", "2026-11-22", "größe", "a.b", "x=1+y=2", "[old]", "a" * 80, "_"])
def test_ordinary_names_are_taken(name: str) -> None:
    (cell,) = cells(replace(SETTINGS, study=name, arm=name))
    assert (cell.study, cell.arm) == (name, name)


@pytest.mark.parametrize(
    ("asked", "seed", "expected"),
    [("null", 7, (7,)), ("3", 7, (0, 1, 2)), ("[4,2,4]", 7, (4, 2)), ("'2-4,9'", 7, (2, 3, 4, 9))],
)
def test_seeds_are_a_number_a_list_or_the_seed_itself(asked: str, seed: int, expected: tuple[int, ...]) -> None:
    assert settings_of(Path("runs"), f"seeds={asked}", f"seed={seed}").seeds == expected


def test_the_training_s_seed_is_the_cell_s_unless_it_is_given() -> None:
    assert [(c.seed, c.train_seed) for c in cells_of(Path("runs"), "seeds=2")[0]] == [(0, 0), (1, 1)]
    assert [(c.seed, c.train_seed) for c in cells_of(Path("runs"), "seeds=2", "train_seed=9")[0]] == [(0, 9), (1, 9)]


@pytest.mark.parametrize(
    ("overrides", "arm", "start"),
    [
        ([], "random", "none"),
        (["start=default"], "random+default", "default"),
        (["arm=mine", "start=default"], "mine", "default"),
        (["optimizer=default_only", "start=default"], "default_only", "none"),
        (["variant='budget=5'"], "random[budget=5]", "none"),
    ],
)
def test_an_arm_is_named_after_what_makes_it(overrides: list[str], arm: str, start: str) -> None:
    (cell,), _ = cells_of(Path("runs"), *overrides)
    assert (cell.arm, cell.start) == (arm, start)


@pytest.mark.parametrize(
    "override", ["budget=abc", "budget=1.5", "seed=true", "start=defalt", "store.sync=no", "progress=fancy", "task.version=x"]
)
def test_a_value_of_the_wrong_type_does_not_compose(override: str) -> None:
    with pytest.raises(HydraException) as refused:
        settings_of(Path("runs"), override)
    assert isinstance(refused.value.__cause__, OmegaConfBaseException)


def test_settings_are_typed_and_frozen_and_their_record_is_plain_data() -> None:
    settings = settings_of(Path("runs"))
    assert isinstance(settings.task.space, Space)
    assert type(settings.start) is str
    with pytest.raises(FrozenInstanceError):
        settings.budget = 3  # type: ignore[misc]
    assert json.loads(json.dumps(settings.recorded)) == settings.recorded
    assert "levels" not in settings.recorded["task"]["space"]["momentum"]
