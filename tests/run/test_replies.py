"""A cell whose LLM gave no usable reply is random draws, and every command that asks for it says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from conftest import Cli
from support.llm_fixtures import _no_llm_in_the_environment, openai
from support.values import trial

from harness.run.replies import unusable
from harness.testing.servers.openai_api import OpenAIDouble
from harness.testing.servers.script import Script
from harness.trial import Trial

__all__ = ["_no_llm_in_the_environment", "openai"]


def proposed(number: int, source: str, *problems: str) -> Trial:
    """Return a trial with what its method noted about the replies."""
    replies: list[Any] = [{"call": place, "problem": text, "kind": "unparsed"} for place, text in enumerate(problems, start=1)]
    done = trial(number, 50.0)
    return replace(done, proposal=replace(done.proposal, source=source, note={"replies": replies}))


def test_the_sentence_names_the_model_the_count_and_the_most_frequent_reason() -> None:
    trials = [proposed(1, "default"), proposed(2, "fallback", "empty", "cut off"), proposed(3, "fallback", "cut off")]
    assert unusable(trials, "phi") == "no reply of phi was usable in 2 trials: cut off; its configurations are random draws"


@pytest.mark.parametrize(
    "trials", [[], [proposed(1, "default")], [proposed(1, "fallback", "empty"), proposed(2, "llm")], [proposed(1, "optimizer")]]
)
def test_a_cell_with_one_usable_reply_or_none_asked_for_is_as_it_should_be(trials: list[Trial]) -> None:
    assert unusable(trials, "phi") == ""


def ask(double: OpenAIDouble, *more: str) -> tuple[str, ...]:
    double.key = None
    settings = (
        "tracking=off",
        "task=toy",
        "optimizer=tcs",
        "llm=openai_compatible",
        "llm.model=gpt-4o",
        f"llm.base_url={double.url}",
    )
    return (*settings, "budget=2", "agent.attempts=2", "progress=off", *more)


WORDS = "toy tcs_openai_compatible, seed 0: no reply of gpt-4o was usable in 2 trials: {}; its configurations are random draws"
FORMS = {
    "empty_at_limit": "the reply was cut off at the token limit of 64 (llm.max_tokens) before it began to answer",
    "draft_at_limit": "the reply was cut off at the token limit of 64 (llm.max_tokens)",
    "reasoning_only": "the reply was empty but for thinking, which the server sent apart from it",
    "empty": "the reply was empty",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_command_whose_replies_were_all_unusable_says_why_and_ends_with_1(form: str, openai: OpenAIDouble, cli: Cli) -> None:
    openai.script = Script.of(then=form)
    words = WORDS.format(FORMS[form])
    ran = cli(*ask(openai, "llm.max_tokens=64"))
    double = [line for line in ran.err.splitlines() if "test double" not in line]
    assert (ran.status, double) == (1, [f"harness: {words}"])
    again = cli(*ask(openai, "llm.max_tokens=64"))
    assert (again.status, words in again.err) == (1, True), "the cell is done, and is what it was"


def test_a_sweep_says_it_for_the_cells_that_it_is_true_of(openai: OpenAIDouble, cli: Cli) -> None:
    openai.script = Script.of(*["empty"] * 4, then="valid")
    ran = cli(*ask(openai, "seed=0,1", "llm.connections=1", "-m"))
    lines = [line for line in ran.err.splitlines() if "test double" not in line]
    assert ran.status == 1
    assert lines[0].endswith(WORDS.format("the reply was empty"))
    assert "new study=NAME" in lines[1]
    assert len(lines) == 2


@pytest.mark.parametrize("form", ["parts", "reasoning_apart"])
def test_a_reply_in_parts_or_with_thinking_apart_is_read(form: str, openai: OpenAIDouble, cli: Cli) -> None:
    openai.script = Script.of(then=form)
    ran = cli(*ask(openai))
    assert ran.status == 0, ran.err
