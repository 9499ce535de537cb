"""The selector against doubles that speak the real protocols: what it asks, what it makes of the answers, and what it records."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from optimizers.agent.conftest import Run, composed, ollama, plain, run
from optimizers.agent.test_agent import Start, calls, llm

from harness.config.settings import cells
from harness.errors import SettingsError
from harness.importing import load_target
from harness.llm.backend import ModelFacts, Reply, Token
from harness.optimizers.agent.reply import BadReply, Kind
from harness.optimizers.selector.question import answer_schema, question_text, read_answer
from harness.store.cell_folder import read_trials
from harness.testing.servers.schema import fits
from harness.testing.servers.script import Script

__all__ = ["composed", "ollama", "run"]
FACTS = ModelFacts("test", "m")


def replied(text: str, *tokens: Token, finish_reason: str = "stop") -> Reply:
    return Reply(text, FACTS, tokens=tokens, finish_reason=finish_reason)


def test_all_candidates_are_scored_from_the_place_of_the_number() -> None:
    top = ((" 2", -0.1), ("1", -2.0), ("2", -5.0), ("three", -6.0))
    answer = read_answer(replied('{"number": 2}', Token('{"', -0.1, (("1", 0.0),)), Token(" 2", -0.1, top)), 3, None)
    assert answer.logprobs == (-2.0, -0.1, None)
    weights = [math.exp(-2.0), math.exp(-0.1), math.exp(-6.0)]
    assert answer.shares(3) == pytest.approx([weight / sum(weights) for weight in weights])


@pytest.mark.parametrize("tokens", [(), (Token(" 2", -0.1),), (Token("no", -0.1, (("1", -1.0),)),)])
def test_without_log_probabilities_the_answer_counts_alone(tokens: tuple[Token, ...]) -> None:
    answer = read_answer(replied('<think>{"number": 3}</think> {"number": 2}', *tokens), 3, None)
    assert (answer.number, answer.logprobs, answer.shares(3)) == (2, (), [0.0, 1.0, 0.0])


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (replied(""), Kind.UNPARSED, "empty"),
        (replied("the second"), Kind.UNPARSED, "no JSON object with a number"),
        (replied('{"config": 1}'), Kind.UNPARSED, "no JSON object with a number"),
        (replied("{", finish_reason="length"), Kind.UNPARSED, "cut off at the token limit of 9"),
        (replied('{"number": 4}'), Kind.INVALID, "numbers are 1 to 3"),
        (replied('{"number": true}'), Kind.INVALID, "no candidate true"),
        (replied('{"number": "2"}'), Kind.INVALID, 'no candidate "2"'),
        (replied('{"number": 1}', finish_reason="aborted"), Kind.ABORTED, "without end"),
    ],
)
def test_a_reply_without_a_number_of_the_list_is_refused_with_the_reason(reply: Reply, kind: Kind, words: str) -> None:
    with pytest.raises(BadReply, match=words) as refused:
        read_answer(reply, 3, 9)
    assert refused.value.kind is kind


def test_the_schema_holds_the_numbers_of_the_list_and_nothing_else() -> None:
    assert [number for number in range(5) if fits({"number": number}, answer_schema(3))] == [1, 2, 3]
    assert '2. {"x": 0.333}' in question_text(4, [{"x": 0.5}, {"x": 1 / 3}])


def trials_of(folder: Any) -> list[Any]:
    return list(read_trials(folder))


@pytest.mark.parametrize("context", ["tcs", "scores", "blind"])
def test_a_cell_asks_once_a_trial_and_trains_the_chosen_candidate(context: str, ollama: Start, run: Run) -> None:
    double = ollama(Script())
    _, _, folder = run(*llm(double, f"optimizer=select_{context}_phi4", "budget=4", "select.source=rules"))
    assert len(calls(folder)) == 4
    for number, (trial, call) in enumerate(zip(trials_of(folder), calls(folder), strict=True), start=1):
        note = trial.proposal.note["select"]
        (question,) = note["questions"]
        assert trial.proposal.source == "llm"
        assert note["by"] == "log-probabilities"
        assert note["chosen"] == question["order"][question["answer"] - 1]
        assert trial.config == note["candidates"][note["chosen"] - 1]
        assert (call["top_logprobs"], call["trial"]) == (20, number)
        assert ("[status]" in call["messages"][1]["content"]) == (context == "tcs" and number > 1)
    orders = [trial.proposal.note["select"]["questions"][0]["order"] for trial in trials_of(folder)]
    assert {tuple(order) for order in orders} == {tuple(orders[0][-turn:] + orders[0][:-turn]) for turn in range(4)}


def test_a_finished_cell_replays_byte_for_byte_with_the_server_off(ollama: Start, run: Run, tmp_path: Any) -> None:
    double = ollama(Script())
    _, _, folder = run(*llm(double, "optimizer=select_scores_phi4", "budget=3"))
    double.stop()
    _, _, again = run("optimizer=select_scores_phi4", "budget=3", f"llm.replay={tmp_path / 's'}", study="again")
    assert plain(tuple(trials_of(again))) == plain(tuple(trials_of(folder)))
    assert [trial.proposal.note["select"] for trial in trials_of(again)] == [t.proposal.note["select"] for t in trials_of(folder)]


def test_several_orders_are_asked_and_their_probabilities_are_averaged(ollama: Start, run: Run) -> None:
    """The double always prefers the first place: over all rotations no candidate is preferred, and the first question decides."""
    double = ollama(Script.of(then={"do": "text", "text": '{"number": 1}'}))
    _, _, folder = run(*llm(double, "optimizer=select_blind_phi4", "select.orders=5", "budget=2"))
    assert len(calls(folder)) == 10
    for trial in trials_of(folder):
        note = trial.proposal.note["select"]
        assert sorted(question["order"][0] for question in note["questions"]) == [1, 2, 3, 4, 5]
        assert note["chosen"] == note["questions"][0]["order"][0]


def test_a_bad_reply_is_asked_for_again_with_the_reason_and_the_last_one_ends_in_a_marked_draw(ollama: Start, run: Run) -> None:
    double = ollama(Script.of({"do": "text", "text": '{"number": 7}'}, "valid", then="empty"))
    _, _, folder = run(*llm(double, "optimizer=select_scores_phi4", "agent.attempts=2", "budget=2"))
    first, second = trials_of(folder)
    assert [first.proposal.source, second.proposal.source] == ["llm-retry-1", "fallback"]
    assert first.proposal.note["replies"][0]["kind"] == "invalid"
    assert "was refused: there is no candidate 7" in calls(folder)[1]["messages"][1]["content"]
    note = second.proposal.note["select"]
    assert (note["by"], note["questions"][0]["answer"]) == ("a random draw", None)
    assert second.config in note["candidates"]
    assert json.dumps(second.proposal.note).count("the reply was empty") == 4


def test_its_calls_are_counted_before_they_are_made_and_other_settings_are_another_cell(composed: Any) -> None:
    found = []
    for more in ([], ["select.orders=2"], ["select.candidates=4"], ["select.source=rules"]):
        (cell,) = cells(composed("optimizer=select_tcs_phi4", *more))
        found.append((cell.id, load_target(cell.optimizer.target).number_of_calls(cell.asking, 10, start="default")))
    assert len({cell_id for cell_id, _ in found}) == 4
    assert [number for _, number in found] == [9, 18, 9, 9]


@pytest.mark.parametrize(("setting", "message"), [("select.orders=6", "1 to 5"), ("select.source=gpp", "did you mean 'gp'")])
def test_settings_that_make_no_sense_are_one_line(setting: str, message: str, composed: Any) -> None:
    with pytest.raises(SettingsError, match=message):
        composed("optimizer=select_random", setting)
