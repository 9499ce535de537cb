"""Shares of the variance: counted by hand for functions of known shares, and withheld where nothing can be said."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from harness.report.render.document import Figure, Table
from harness.report.sections.configurations.importance import LEAST_CONFIGS, Importance, importance_of, importance_section
from harness.report.sections.configurations.variance import PLACES, Even, variance_shares
from harness.report.study_data import CellData, State
from harness.space import Choice, Config, Space
from harness.trial import Outcome, Proposal, Status, Trial

SPACE = Space.from_mapping(
    {
        "rate": {"type": "float", "low": 1e-4, "high": 1.0, "scale": "log", "default": 0.01, "meaning": "x"},
        "layers": {"type": "int", "low": 1, "high": 4, "default": 2, "meaning": "x"},
        "kind": {"type": "categorical", "choices": ["a", "b", "c"], "default": "a", "meaning": "x"},
        "momentum": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "meaning": "x", "when": {"kind": ["a", "b"]}},
        "noise": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "meaning": "x"},
    }
)
PAIR = Space.from_mapping(
    {
        "rule": {"type": "categorical", "choices": ["sgd", "adam"], "default": "sgd", "meaning": "x"},
        "momentum": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "meaning": "x", "when": {"rule": "sgd"}},
    }
)


def drawn(space: Space, count: int, seed: int = 0) -> list[Config]:
    rng = random.Random(seed)
    return [space.sample(rng) for _ in range(count)]


def cells(space: Space, configs: Sequence[Config], score: Callable[[Config], float | None], arm: str = "random") -> list[CellData]:
    trials = []
    for number, config in enumerate(configs, start=1):
        value = score(config)
        failed = Outcome.failed(Status.DIVERGED, "val_loss is nan", (), 1.0)
        trials.append(Trial(number, Proposal(config), failed if value is None else Outcome(Status.OK, (), 1.0, value, value, 1)))
    manifest = {"identity": {"task": {"space": space.to_mapping()}}}
    return [CellData("t", arm, 0, len(trials), "c", "", state=State.DONE, trials=tuple(trials), manifest=manifest)]


def additive(config: Config) -> float:
    """Vary by 25 / 12 with the rate's logarithm, and by 16 * 2 / 9 with the kind: shares of 0.369 and 0.631."""
    return 5.0 * (1.0 + math.log10(float(config["rate"])) / 4.0) + (4.0 if config["kind"] == "b" else 0.0)


def test_an_additive_function_has_the_shares_that_are_counted_by_hand_and_an_idle_hyperparameter_none() -> None:
    configs = drawn(SPACE, 250)
    found = variance_shares(SPACE, configs, [additive(config) for config in configs], 0, 0.2)
    of_rate, of_kind = 25 / 12, 16 * 2 / 9
    truth = [of_rate / (of_rate + of_kind), 0.0, of_kind / (of_rate + of_kind), 0.0, 0.0]
    assert found.alone == pytest.approx(truth, abs=0.04)
    assert found.total == pytest.approx(truth, abs=0.04)
    assert found.r2 > 0.95
    assert (found.alone_sd > 0).any()
    assert (found.alone_sd < 0.1).all()


def test_a_conditional_hyperparameter_counts_where_it_is_active() -> None:
    # Half of the space is 0.5, the other half the momentum: the rule alone changes no mean, and all of the variance is the momentum's.
    configs = drawn(PAIR, 250)
    found = variance_shares(PAIR, configs, [float(config.get("momentum", 0.5)) for config in configs], 0, 0.2)
    assert found.alone == pytest.approx([0.0, 0.5], abs=0.05)
    assert found.total == pytest.approx([0.5, 1.0], abs=0.05)


def test_points_become_the_configurations_that_the_space_makes_of_them() -> None:
    points = np.random.default_rng(0).random((200, len(SPACE)))
    counts = np.array([len(hp.choices) if isinstance(hp, Choice) else PLACES for hp in SPACE])
    middles = (np.floor(points * counts) + 0.5) / counts
    expected = [SPACE.to_unit(SPACE.from_unit(point)) for point in middles.tolist()]
    assert Even(SPACE).places(points) == pytest.approx(np.array(expected))


def test_shares_depend_on_what_was_trained_and_not_on_its_order() -> None:
    configs = drawn(SPACE, 60)
    scores = [additive(config) for config in configs]
    there = variance_shares(SPACE, configs, scores, 0, 0.2)
    back = variance_shares(SPACE, configs[::-1], scores[::-1], 0, 0.2)
    assert there.alone.tolist() == back.alone.tolist()
    assert there.total_sd.tolist() == back.total_sd.tolist()


def test_noise_is_withheld() -> None:
    rng = random.Random(1)
    found = importance_of("t", cells(SPACE, drawn(SPACE, 200), lambda _: rng.random()), SPACE)
    assert not found.shares
    assert found.r2 < 0.2
    assert found.why.startswith("R² ")


def test_it_takes_fifty_distinct_configurations_with_a_score() -> None:
    some = drawn(SPACE, LEAST_CONFIGS - 1)
    few = importance_of("t", cells(SPACE, [*some, *some], additive), SPACE)
    assert few.why == "49 configurations"
    assert importance_of("t", cells(SPACE, drawn(SPACE, LEAST_CONFIGS), additive), SPACE).shares
    assert "equal" in importance_of("t", cells(SPACE, drawn(SPACE, LEAST_CONFIGS), lambda _: 1.0), SPACE).why
    assert importance_of("t", cells(SPACE, some, additive), None).why == "the records hold no space"


def test_repeats_are_averaged_failures_and_foreign_configurations_are_counted_and_what_was_never_varied_is_left_out() -> None:
    configs: list[Config] = [{**config, "layers": 3} for config in drawn(SPACE, 80)]
    values = iter(float(place) for place in range(1000))
    strange: Config = {**configs[0], "rate": 7.0}
    study = [
        *cells(SPACE, configs, additive, arm="tpe"),
        *cells(SPACE, [configs[0]] * 3, lambda _: 10.0 * next(values)),
        *cells(SPACE, [configs[1], configs[2]], lambda _: None),
        *cells(SPACE, [strange], additive),
    ]
    found = importance_of("t", study, SPACE, random=("random",))
    trained = found.trained
    assert (trained.trainings, trained.failed, trained.outside, trained.random, len(trained.configs)) == (86, 2, 1, 1, 80)
    assert trained.scores[0] == pytest.approx((additive(configs[0]) + 0.0 + 10.0 + 20.0) / 4)
    assert [share.hyperparameter for share in found.fixed] == ["layers"]
    assert np.isnan(found.fixed[0].total)
    assert {share.hyperparameter for share in found.shares[:2]} == {"rate", "kind"}
    section = importance_section([found])
    (table,) = (item for item in section.walk() if isinstance(item, Table))
    assert [text.text for text in table.rows[0][3:]] == ["80", "1", "86", "2"]
    assert any("the same value, so nothing is known of its share: t: layers." in note for note in table.notes)
    assert any("1 of t" in note for note in table.notes)
    assert set(table.data["hyperparameter"]) == set(SPACE.names)


def test_the_section_shows_what_is_told_and_says_why_the_rest_is_not() -> None:
    told = importance_of("t", cells(SPACE, drawn(SPACE, 60), additive, arm="tpe"), SPACE)
    untold = Importance("other", told.trained, why="all scores are equal")
    section = importance_section([told, untold])
    figure, table = (item for item in section.walk() if isinstance(item, Figure | Table))
    assert isinstance(figure, Figure)
    assert isinstance(table, Table)
    assert len(figure.draw().axes) == 1
    assert table.rows[1][1].text == "withheld: all scores are equal"
    assert any(note.startswith("No random search ran on t:") for note in table.notes)
    (line,) = importance_section([untold]).items
    assert line == (
        "Withheld: it takes 50 distinct configurations with a score, and a forest that foretells unseen ones (R² 0.2 or more). "
        "other: all scores are equal."
    )
