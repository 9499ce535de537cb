from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.llm.backend import Message, ModelFacts, Reply, ReplyFormat, Request
from harness.llm.errors import TruncatedPrompt
from harness.llm.truncation import TruncationCheck, prompt_token_range, token_range
from harness.testing.servers.tokens import count_tokens

FACTS = ModelFacts("b", "phi4")
PROSE = "The validation loss is still falling, so train for longer or raise the learning rate a little before anything else. "
TABLE = """| trial | learning_rate | batch_size | val_score_pct |
|---|---|---|---|
| 1 | 0.0031 | 32 | 81.25 |
| 2 | 1.2e-05 | 128 | 10.4 |
"""
JSON = '{"learning_rate": 0.00031, "optimizer": "adamw", "batch_size": 64, "dropout": 0.25, "nesterov": true}'
NUMBERS = "epoch 17 val_loss=0.482913 val_score_pct=83.33 train_loss=0.412077\n"


class Answering:
    def __init__(self, prompt_tokens: int | None, completion_tokens: int | None = 10) -> None:
        self.reply = Reply("{}", FACTS, prompt_tokens=prompt_tokens, completion_tokens=completion_tokens)
        self.calls = 0

    def complete(self, request: Request) -> Reply:
        self.calls += 1
        return self.reply


def a_request(text: str, num_ctx: int | None) -> Request:
    return Request((Message("user", text),), num_ctx=num_ctx, max_tokens=256, trial=4)


# Counted with OpenAI's published cl100k_base (GPT-4; Phi-4's is built on it), once as it is and once with single digits, as Qwen splits.
@pytest.mark.parametrize(("text", "whole", "split"), [(PROSE, 23, 23), (NUMBERS, 25, 36), (TABLE, 60, 69), (JSON, 39, 44)])
def test_the_range_holds_what_real_vocabularies_make(text: str, whole: int, split: int) -> None:
    fewest, most = token_range(text)
    assert fewest <= whole <= split <= most
    assert fewest >= 0.4 * split, "too low a floor would see no cut"
    assert most <= 1.5 * split, "too high a ceiling would refuse what fits"


@given(st.text(max_size=300))
def test_the_range_is_a_range_for_any_text(text: str) -> None:
    fewest, most = token_range(text)
    assert 0 <= fewest <= most <= 4 * len(text.encode("utf-8", "replace"))


@given(st.text(max_size=100), st.text(max_size=100))
def test_a_longer_prompt_never_looks_shorter(first: str, second: str) -> None:
    assert token_range(f"{first}\n{second}")[1] >= token_range(first)[1]


def test_the_double_counts_within_the_range() -> None:
    for text in (PROSE * 5, NUMBERS * 20, json.dumps({"learning_rate": 0.001, "optimizer": "adam"})):
        fewest, most = token_range(text)
        assert fewest <= count_tokens(text) <= most


def test_a_prompt_that_may_not_fit_is_not_sent() -> None:
    inner = Answering(100)
    with pytest.raises(TruncatedPrompt) as caught:
        TruncationCheck(inner).complete(a_request(NUMBERS * 90, 4096))
    assert inner.calls == 0
    assert caught.value.window_tokens == 4096
    assert caught.value.prompt_tokens is not None
    assert caught.value.prompt_tokens > 4096
    assert "the prompt of trial 4 may need" in str(caught.value)
    assert "raise llm.num_ctx to 5120 or more" in str(caught.value)


def test_the_message_names_what_is_kept_free_for_the_reply() -> None:
    """A prompt that fits by itself is refused too, and the figures must say why."""
    most = prompt_token_range(a_request(NUMBERS * 90, 4096))[1]
    with pytest.raises(TruncatedPrompt) as caught:
        TruncationCheck(Answering(100)).complete(a_request(NUMBERS * 90, most + 10))
    text = str(caught.value)
    assert f"may need {most} tokens and its reply at least 64, together {most + 64}, and the window has {most + 10}" in text
    assert "that leaves 256 for the reply" in text


@pytest.mark.parametrize(
    ("server", "cut"),
    [("0.30.0", False), ("0.30.0-rc1", False), ("0.30.0-double", False), ("0.30.1", True), ("0.30.01", True), ("0.130.0", True)],
)
def test_one_version_of_ollama_counts_without_its_cache(server: str, cut: bool) -> None:
    inner = Answering(3)
    inner.reply = replace(inner.reply, facts=replace(FACTS, server=server))
    if cut:
        with pytest.raises(TruncatedPrompt):
            TruncationCheck(inner).complete(a_request(PROSE * 10, 4096))
    else:
        assert TruncationCheck(inner).complete(a_request(PROSE * 10, 4096)) is inner.reply


def test_following_the_advice_makes_it_fit() -> None:
    text = NUMBERS * 90
    assert TruncationCheck(Answering(3300)).complete(a_request(text, 5120)).text == "{}"


def test_a_schema_that_stands_in_the_prompt_counts() -> None:
    request = replace(a_request("?", 4096), schema={"enum": ["choice"] * 100})
    asked = prompt_token_range(replace(request, reply_format=ReplyFormat.PROMPT))
    held = prompt_token_range(request)
    assert asked[0] > held[0] + 100


@pytest.mark.parametrize(
    ("seen", "completed", "problem"),
    [
        (30, 10, "the server counts 30 tokens, and it has at least"),
        (4096, 10, "all of the window of 4096"),
        (4000, 200, "overran the window of 4096"),
    ],
)
def test_a_reply_to_a_part_of_the_prompt_is_refused_and_kept_as_paid_for(seen: int, completed: int, problem: str) -> None:
    inner = Answering(seen, completed)
    with pytest.raises(TruncatedPrompt) as caught:
        TruncationCheck(inner).complete(a_request(PROSE * 10, 4096))
    assert problem in str(caught.value)
    assert caught.value.reply is inner.reply


@pytest.mark.parametrize("seen", [230, 400, None])
def test_a_whole_prompt_passes(seen: int | None) -> None:
    assert TruncationCheck(Answering(seen)).complete(a_request(PROSE * 10, 4096)).prompt_tokens == seen


def test_without_a_window_only_the_servers_count_is_read() -> None:
    assert TruncationCheck(Answering(500_000)).complete(a_request(PROSE * 10, None)).text == "{}"
    with pytest.raises(TruncatedPrompt):
        TruncationCheck(Answering(3)).complete(a_request(PROSE * 10, None))
