"""The report's reading of a message agrees with the agent that wrote it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.optimizers.agent.reply import BadReply, parse_reply, refuse_repeat
from harness.report.sources.calls import INVALID, REPEAT, UNPARSED, judged_calls, problem_kind
from harness.report.sources.records import read_study
from harness.space import Space
from harness.store.cell_folder import CALLS, read_trials
from harness.testing.synthetic_study import SPACE
from harness.trial import Outcome, Proposal, Status, Trajectory, Trial

THE_SPACE = Space.from_mapping(SPACE)


def message(text: str, *, cut_off: str = "") -> str:
    with pytest.raises(BadReply) as caught:
        parse_reply(text, THE_SPACE, cut_off=cut_off)
    return str(caught.value)


@pytest.mark.parametrize(
    "reply",
    ["", "   ", "<think>hm", "no idea", '{"analysis": "x"}', '{"config": 3}', '{"config": {}, "config": {}}', "[1, 2"],
)
def test_replies_without_the_right_form_are_unparsed(reply: str) -> None:
    assert problem_kind(message(reply)) == UNPARSED
    assert problem_kind(message(reply, cut_off="the token limit of 64 (llm.max_tokens)")) == UNPARSED


@pytest.mark.parametrize(
    "config",
    [
        "{}",
        '{"learning_rate": 7, "batch_size": 32, "optimizer": "adamw", "dropout": 0.1, "hidden_size": 8}',
        '{"learnin_rate": 0.1}',
        '{"learning_rate": "answer", "batch_size": [], "optimizer": "sgd"}',
    ],
)
def test_configurations_outside_the_space_are_invalid(config: str) -> None:
    assert problem_kind(message(f'{{"analysis": "", "config": {config}}}')) == INVALID


def test_a_configuration_that_was_tried_is_a_repeat() -> None:
    trial = Trial(1, Proposal(THE_SPACE.default()), Outcome.failed(Status.CRASHED, "x", (), 0.0))
    with pytest.raises(BadReply) as caught:
        refuse_repeat(THE_SPACE.default(), Trajectory((trial,)))
    assert problem_kind(str(caught.value)) == REPEAT


def test_calls_are_joined_with_what_was_wrong_with_them(synthetic_folder: Path) -> None:
    cell = next(c for c in read_study(synthetic_folder).cells if any(t.proposal.source == "fallback" for t in c.trials))
    trials = read_trials(synthetic_folder / cell.folder)
    bad = next(trial.number for trial in trials if trial.proposal.source == "fallback")
    calls = [call for call in judged_calls(synthetic_folder / cell.folder / CALLS, trials) if call.trial == bad]
    assert [call.problem_kind for call in calls] == [UNPARSED, REPEAT, INVALID]
    assert [call.prompt_tokens for call in calls] == [900 + 40 * bad] * 3
    assert all(call.answered for call in calls)
    assert not calls[0].messages


def test_a_model_with_a_price_costs_money_and_a_local_one_has_none(synthetic_folder: Path) -> None:
    cells = read_study(synthetic_folder).cells
    (paid, *_), (free, *_) = ([c.usd for cell in cells if cell.arm == arm for c in cell.calls] for arm in ("gpt4", "raw_phi4"))
    assert paid is not None
    assert paid > 0
    assert free is None
