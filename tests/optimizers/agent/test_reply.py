from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.optimizers.agent.reply import BadReply, parse_reply, refuse_repeat
from harness.space import Config, Space
from harness.trial import Epoch, Outcome, Proposal, Trajectory, Trial

SPACE = Space.from_mapping(
    {
        "rate": {"type": "float", "low": 1e-5, "high": 1.0, "scale": "log", "default": 1e-3, "meaning": "step size"},
        "layers": {"type": "int", "low": 1, "high": 4, "default": 2, "meaning": "layers"},
        "rule": {"type": "categorical", "choices": ["sgd", "adam"], "default": "adam", "meaning": "rule"},
        "momentum": {"type": "float", "low": 0, "high": 0.99, "default": 0.9, "meaning": "m", "when": {"rule": "sgd"}},
    }
)
GOOD: Config = {"rate": 0.01, "layers": 3, "rule": "adam"}
TEXT = json.dumps({"analysis": "rates matter", "config": GOOD})


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"```json\n{TEXT}\n```",
        f'<think>first {{"config": {{}}}} then</think>\n{TEXT}',
        f"[THINK]{{'maybe': {TEXT}}}[/THINK]{TEXT}",
        f'let me see {{ {{"config": {{"rate": 5}}}} }} </think>\n{TEXT}',
        f'<|channel|>analysis<|message|>{{"config": {{}}}}<|end|><|start|>assistant<|channel|>final<|message|>{TEXT}',
        f"Sure! Here is my answer: {TEXT} I hope that it helps {{or not}}.",
        f'{{"config": {{"rate": 5}}}} was wrong, so: {TEXT}',
        "x" * 2_000_000 + TEXT,
        TEXT.replace("3", "3.0"),
    ],
)
def test_an_answer_is_found_inside_thinking_fences_and_chatter(text: str) -> None:
    answer = parse_reply(text, SPACE)
    assert answer.config == GOOD
    assert isinstance(answer.config["layers"], int)
    assert answer.analysis == "rates matter"


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({**GOOD, "rate": 3}, "rate: 3 is above the maximum 1"),
        ({**GOOD, "rate": "0.1"}, "rate: '0.1' is not a number"),
        ({**GOOD, "layers": 2.5}, "layers: 2.5 is not an integer"),
        ({**GOOD, "layers": True}, "layers: True is not an integer"),
        ({**GOOD, "rule": "Adam"}, "rule: 'Adam' is not one of"),
        ({"rate": 0.1, "rule": "adam"}, "layers: is missing"),
        ({**GOOD, "momentum": 0.5}, "momentum: must be left out here"),
        ({**GOOD, "rule": "sgd"}, "momentum: is missing"),
        ({**GOOD, "lr": 0.1}, "unknown hyperparameter 'lr'"),
    ],
)
def test_what_is_wrong_inside_an_answer_is_a_complaint_and_never_repaired(config: dict[str, object], complaint: str) -> None:
    with pytest.raises(BadReply, match=complaint):
        parse_reply(json.dumps({"analysis": "", "config": config}), SPACE)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty"),
        ("<think>all of it", "empty but for thinking"),
        ("no idea", "no readable JSON object"),
        (TEXT[:-9], "no readable JSON object|no object 'config'"),
        ('{"analysis": "x"}', "no object 'config'"),
        ('{"config": [1, 2]}', "no object 'config'"),
        (json.dumps(GOOD), "no object 'config'"),
        ('{"config": {"rate": NaN, "layers": 3, "rule": "adam"}}', "no readable JSON object|no object"),
        ('{"config": {"rate": 0.1, "rate": 0.2, "layers": 3, "rule": "adam"}}', "'rate' is given twice"),
        ("{" * 5000, "no readable JSON object"),
    ],
)
def test_what_is_no_answer_is_a_complaint_that_shows_the_form(text: str, complaint: str) -> None:
    with pytest.raises(BadReply, match=complaint) as caught:
        parse_reply(text, SPACE)
    assert '{"analysis": "...", "config": {...}}' in str(caught.value)


LIMIT = "the token limit of 64 (llm.max_tokens)"


@pytest.mark.parametrize(
    "text",
    [
        '{"analysis": "long',
        f"Okay, a first idea would be {TEXT} but that is bad because",
        f"[THINK]a first idea would be {TEXT} but",
        f"<think>a first idea would be {TEXT}",
        f"<|channel|>analysis<|message|>maybe {TEXT}<|end|><|start|>assistant<|channel|>final<|message|>{{",
        f"{TEXT}\nOn second thoughts, {{",
    ],
)
def test_a_reply_cut_at_the_token_limit_is_told_so_and_its_drafts_are_no_proposals(text: str) -> None:
    with pytest.raises(BadReply, match="cut off at the token limit of 64") as caught:
        parse_reply(text, SPACE, cut_off=LIMIT)
    assert caught.value.why.startswith(f"the reply was cut off at {LIMIT}")


@pytest.mark.parametrize("text", ["", "<think>and so on", "[THINK]and so on"])
def test_a_reply_cut_before_its_answer_is_told_so(text: str) -> None:
    with pytest.raises(BadReply, match="before it began to answer"):
        parse_reply(text, SPACE, cut_off=LIMIT)


@pytest.mark.parametrize("text", [TEXT, f"Here it is:\n```json\n{TEXT}\n```", f"{TEXT}\n\n"])
def test_a_whole_answer_at_the_end_of_a_reply_that_reached_its_limit_is_one(text: str) -> None:
    assert parse_reply(text, SPACE, cut_off=LIMIT).config == GOOD


def test_a_reply_that_the_server_sent_as_thinking_alone_is_told_so() -> None:
    with pytest.raises(BadReply, match="empty but for thinking, which the server sent apart"):
        parse_reply("", SPACE, thought=True)


def test_half_a_pair_and_a_key_that_hide_in_escapes_reach_neither_complaint_nor_analysis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "planted-secret")
    hidden = r"\ud800 \u0070lanted-secret"
    with pytest.raises(BadReply) as bad:
        parse_reply(f'{{"config": {{"{hidden}": 1}}}}', SPACE)
    answer = parse_reply(f'{{"analysis": "{hidden}", "config": {json.dumps(GOOD)}}}', SPACE)
    for text in (str(bad.value), answer.analysis):
        assert "[SOME_API_KEY]" in text
        text.encode()


def test_an_exact_repeat_is_refused_and_names_the_trial() -> None:
    done = Trial(1, Proposal(dict(GOOD)), Outcome.of_curve((Epoch(50.0, number=1),), 0.1))
    with pytest.raises(BadReply, match="exactly the configuration of trial 1"):
        refuse_repeat(parse_reply(TEXT, SPACE).config, Trajectory((done,)))


@given(
    st.text(max_size=300)
    | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda i: st.lists(i) | st.dictionaries(st.text(), i)).map(
        json.dumps
    )
)
def test_no_text_does_anything_but_answer_or_complain(text: str) -> None:
    try:
        answer = parse_reply(text, SPACE)
    except BadReply as bad:
        assert len(str(bad)) < 4000  # noqa: PT017 - either way is fine, and each has its own promise
    else:
        assert SPACE.problems(answer.config) == ()
