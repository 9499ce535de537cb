"""The completion form: what the model reads, what the grammar allows, and what is read back."""

from __future__ import annotations

import re
from typing import Any

import pytest

from harness.optimizers.agent.reply import BadReply, Kind
from harness.optimizers.agent.reply_schema import MOST_BRANCHES, value_sets
from harness.optimizers.agent.table_form import TableForm, target_text
from harness.space import Space
from harness.space.levels import level_space
from harness.testing.trajectories import failed, ok
from harness.trial import PERCENT, Direction, Objective, Proposal, Trajectory, Trial

SPACE = level_space(
    Space.from_mapping(
        {
            "rate": {"type": "float", "low": 1e-4, "high": 1.0, "scale": "log", "default": 1e-3, "meaning": "m"},
            "rule": {"type": "categorical", "choices": ["sgd", "a, b", "true"], "default": "sgd", "meaning": "m"},
            "momentum": {"type": "float", "low": 0, "high": 0.99, "default": 0.9, "meaning": "m", "when": {"rule": "sgd"}},
            "flag": {"type": "bool", "default": True, "meaning": "m"},
        }
    )
)
FORM = TableForm(SPACE)


def trajectory(*pairs: tuple[dict[str, Any], float | None], objective: Objective = PERCENT) -> Trajectory:
    outcomes = (failed() if score is None else ok([score]) for _, score in pairs)
    trials = tuple(Trial(n, Proposal(c), o) for n, ((c, _), o) in enumerate(zip(pairs, outcomes, strict=True), start=1))
    return Trajectory(trials, objective)


A: dict[str, Any] = {"rate": 0.01, "rule": "sgd", "momentum": 0.5, "flag": True}
B: dict[str, Any] = {"rate": 0.1, "rule": "a, b", "flag": False}
C: dict[str, Any] = {"rate": 1.0, "rule": "true", "flag": False}


def test_trials_stand_from_the_worst_to_the_best_with_a_better_target_behind_them() -> None:
    assert FORM.rows(trajectory((A, 80.0), (B, None), (C, 60.0)), PERCENT).splitlines() == [
        "score,rate,rule,momentum,flag",
        'failed,0.1,"a, b",,false',
        '60.00,1,"true",,false',
        "80.00,0.01,sgd,0.5,true",
        "85.00,",
    ]


def test_before_any_score_the_target_is_a_word() -> None:
    assert FORM.rows(trajectory(), PERCENT).splitlines() == ["score,rate,rule,momentum,flag", "best,"]
    assert target_text(trajectory((A, None)), PERCENT) == "best"


@pytest.mark.parametrize(
    ("objective", "scores", "target"),
    [
        (PERCENT, (98.0, 20.0), "99.00"),
        (PERCENT, (100.0,), "100.00"),
        (Objective("rmse", Direction.MINIMIZE, "mg/dl", margin=0.9), (-50.0, -70.0), "45.00"),
        (Objective("rmse", Direction.MINIMIZE, "mg/dl", margin=0.9), (-50.0,), "49.10"),
    ],
)
def test_the_target_is_better_in_the_direction_of_the_objective(
    objective: Objective, scores: tuple[float, ...], target: str
) -> None:
    shown = trajectory(*((A, score) for score in scores), objective=objective)
    assert target_text(shown, objective) == target


def lines_of(grammar: str) -> set[str]:
    """Return every line that a grammar without recursion generates."""
    rules = dict(line.split(" ::= ", 1) for line in grammar.splitlines())

    def sequence(text: str) -> tuple[set[str], str]:
        found = {""}
        text = text.lstrip()
        while text and text[0] not in "|)":
            if text[0] == '"':
                literal = re.match(r'"((?:[^"\\]|\\.)*)"', text)
                assert literal
                word = literal[1].replace(r"\n", "\n").replace(r"\"", '"')
                parts, text = {word}, text[literal.end() :].lstrip()
            elif text[0] == "(":
                parts, text = alternatives(text[1:])
                text = text[1:].lstrip()
            else:
                name = re.match(r"[\w-]+", text)
                assert name
                parts, _ = alternatives(rules[name[0]])
                text = text[name.end() :].lstrip()
            found = {a + b for a in found for b in parts}
        return found, text

    def alternatives(text: str) -> tuple[set[str], str]:
        found, text = sequence(text)
        while text.startswith("|"):
            more, text = sequence(text[1:])
            found |= more
        return found, text

    return alternatives(rules["root"])[0]


def small() -> TableForm:
    return TableForm(
        Space.from_mapping(
            {
                "kind": {"type": "categorical", "choices": ["x", "y"], "default": "x", "meaning": "m"},
                "size": {"type": "ordinal", "levels": [1, 2, 3], "default": 1, "meaning": "m", "when": {"kind": "x"}},
                "flag": {"type": "bool", "default": False, "meaning": "m"},
            }
        )
    )


def test_the_grammar_holds_every_configuration_but_those_that_were_tried() -> None:
    form = small()
    everything = {f"x,{size},{flag}\n" for size in (1, 2, 3) for flag in ("true", "false")} | {"y,,true\n", "y,,false\n"}
    assert lines_of(form.grammar(trajectory())) == everything
    tried: list[dict[str, Any]] = [
        {"kind": "x", "size": 2, "flag": True},
        {"kind": "x", "size": 2, "flag": False},
        {"kind": "y", "flag": True},
    ]
    left = everything - {"x,2,true\n", "x,2,false\n", "y,,true\n"}
    assert lines_of(form.grammar(trajectory(*((config, 50.0) for config in tried)))) == left
    read = [form.read(line).config for line in sorted(left)]
    assert all(not form.space.problems(config) for config in read)
    assert len({str(config) for config in read}) == len(left)


def test_where_everything_was_tried_no_line_is_left_that_could_be_read() -> None:
    form = small()
    every = [form.read(line).config for line in lines_of(form.grammar(trajectory()))]
    for line in lines_of(form.grammar(trajectory(*((config, 50.0) for config in every)))):
        with pytest.raises(BadReply):
            form.read(line)


def test_a_value_that_is_no_level_is_shown_and_can_not_be_proposed() -> None:
    odd = {"rate": 0.0123, "rule": "sgd", "momentum": 0.5, "flag": True}
    assert "70.00,0.0123,sgd,0.5,true" in FORM.rows(trajectory((odd, 70.0)), PERCENT)
    with pytest.raises(BadReply, match="holds no value"):
        FORM.read("0.0123,sgd,0.5,true\n")


def test_a_line_is_read_into_exact_values_and_others_are_refused() -> None:
    assert FORM.read('0.1,"a, b",,false\n').config == B
    for line in ("", "0.1", "0.1,sgd,0.5,true,1", "0.1,SGD,0.5,true"):
        with pytest.raises(BadReply) as bad:
            FORM.read(line)
        assert bad.value.kind is Kind.UNPARSED
    with pytest.raises(BadReply) as bad:
        FORM.read("0.1,sgd,,true")
    assert bad.value.kind is Kind.INVALID


def test_with_very_many_branches_cells_of_conditional_ones_may_be_empty() -> None:
    entries: dict[str, dict[str, Any]] = {}
    for i in range(6):
        entries[f"use{i}"] = {"type": "bool", "default": False, "meaning": "m"}
        entries[f"x{i}"] = {"type": "ordinal", "levels": [1, 2], "default": 1, "meaning": "m", "when": {f"use{i}": True}}
    form = TableForm(Space.from_mapping(entries))
    assert len(value_sets(form.space)) > MOST_BRANCHES
    assert len(form.grammar(trajectory())) < 5_000
    assert form.read(",".join(["true", "2"] * 6)).config["x5"] == 2
    with pytest.raises(BadReply):
        form.read(",".join(["true", ""] * 6))
