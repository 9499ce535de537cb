"""OPRO: scores from worst to best, and the next configuration."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.errors import SettingsError
from harness.llm.backend import ModelFacts, Reply, Request
from harness.optimizers.opro import MOST_PAIRS, OPRO, most_frequent, pair_lines
from harness.space import Space
from harness.testing.contracts.llm_method import CARD, Answers, LlmMethodContract
from harness.testing.contracts.optimizer import a_trial
from harness.trial import Direction, Objective, Proposal, Trajectory

X = Space.from_mapping({"x": {"type": "float", "low": 0, "high": 1, "default": 0.5, "meaning": "a secret meaning"}})


class TestOpro(LlmMethodContract):
    method, context = OPRO, "opro"


class TestOpro8(LlmMethodContract):
    method, context, options = OPRO, "opro", {"samples": 8}
    trials, replayed = 6, (3, 5)


class Says(Answers):
    """Gives these texts in turn, the last one for ever."""

    def __init__(self, *texts: str) -> None:
        super().__init__()
        self.texts = list(texts)

    def complete(self, request: Request) -> Reply:
        self.requests.append(request)
        return Reply(self.texts.pop(0) if len(self.texts) > 1 else self.texts[0], ModelFacts("says", "m"))


def says(x: float) -> str:
    return f'{{"config": {{"x": {x}}}}}'


def trials(*scores: float | None, objective: Objective | None = None) -> Trajectory:
    shown = tuple(a_trial(n, Proposal({"x": n / 1000}), score) for n, score in enumerate(scores, start=1))
    return Trajectory(shown) if objective is None else Trajectory(shown, objective)


def proposed(backend: Answers, shown: Trajectory, **options: Any) -> Proposal:
    asking = replace(TestOpro.asking(), attempts=3)
    made = OPRO(X, 0, asking=asking, card=CARD, budget=10, backend=backend, startup_trials=3, **options)
    return made.propose(shown)


def test_the_pairs_stand_from_the_worst_to_the_best_and_failures_apart() -> None:
    backend = Says(says(0.9))
    proposed(backend, trials(70.0, None, 61.23456, 90.0))
    (message,) = backend.requests[0].messages
    lines = message.content.splitlines()
    pairs = ['{"x": 0.003} score 61.23', '{"x": 0.001} score 70', '{"x": 0.004} score 90']
    start = lines.index(pairs[0])
    assert lines[start : start + 3] == pairs
    assert lines[start + 4 : start + 6] == ["These configurations failed and have no score:", '{"x": 0.002} (diverged)']
    assert "secret meaning" not in message.content
    assert CARD.title not in message.content


def test_the_best_twenty_are_kept_and_equal_lines_are_one() -> None:
    lines = pair_lines(trials(*range(30)))
    assert len(lines) == MOST_PAIRS
    assert lines[-1].endswith("score 29")
    assert lines[0].endswith("score 10")
    twice = Trajectory(tuple(a_trial(n, Proposal({"x": 0.1}), 5.00001) for n in (1, 2)))
    assert len(pair_lines(twice)) == 1


def test_where_lower_is_better_the_lowest_stands_last_and_the_prompt_says_so() -> None:
    rmse = Objective("rmse", Direction.MINIMIZE, "k", 0.9)
    backend = Says(says(0.9))
    proposed(backend, trials(-3.0, -1.0, -2.0, objective=rmse))
    text = backend.requests[0].messages[0].content
    assert "a lower score is better" in text
    assert text.index("score 3\n") < text.index("score 2\n") < text.index("score 1\n")


def test_a_bad_reply_is_asked_anew_with_the_reason_and_then_drawn() -> None:
    backend = Says(says(5), says(0.7))
    proposal = proposed(backend, trials(1.0, 2.0, 3.0))
    assert (proposal.config, proposal.source) == ({"x": 0.7}, "llm-retry-1")
    assert "above the maximum" in backend.requests[1].messages[0].content
    assert backend.requests[0].seed != backend.requests[1].seed
    fallback = proposed(Says("no"), trials(1.0, 2.0, 3.0))
    assert fallback.source == "fallback"
    assert [reply["kind"] for reply in fallback.note["replies"]] == ["unparsed"] * 3


def test_a_repeat_in_four_digits_is_refused() -> None:
    proposal = proposed(Says(says(0.00200001), says(0.2)), trials(1.0, 2.0, 3.0))
    assert proposal.source == "llm-retry-1"


def test_of_eight_answers_the_most_frequent_usable_one_is_taken() -> None:
    texts = [says(7), "nothing", says(0.2), says(0.3), says(0.3), says(7), says(7), says(0.4)]
    backend = Says(*texts)
    proposal = proposed(backend, trials(1.0, 2.0, 3.0), samples=8)
    assert (proposal.config, proposal.source, len(backend.requests)) == ({"x": 0.3}, "llm", 8)
    assert most_frequent([{"x": 0.2}, {"x": 0.1}]) == {"x": 0.2}


def test_eight_unusable_answers_are_followed_by_single_questions() -> None:
    backend = Says(*["no"] * 8, says(0.6))
    proposal = proposed(backend, trials(1.0, 2.0, 3.0), samples=8)
    assert (proposal.source, len(backend.requests)) == ("llm-retry-1", 9)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"samples": 0, "startup_trials": 3}, "1 to 100"),
        ({"sample": 8, "startup_trials": 3}, "samples"),
        ({"startup_trials": 0}, "1"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_one_line(options: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        OPRO.check_options(options)
