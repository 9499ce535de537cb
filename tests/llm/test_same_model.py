"""The same name, and another model behind it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.llm.backend import Message, ModelFacts, Reply, Request
from harness.llm.calls import CallRecord
from harness.llm.errors import OtherModel, TransportFault
from harness.llm.recording import Recording, SameModel, is_same

REAL = ModelFacts("ollama", "phi4:14b", server="0.32.15", digest="sha256:ac896e5b8b34a1f4")
REQUEST = Request((Message("user", "?"),), model="phi4:14b", trial=2, call=1)


class Answering:
    def __init__(self, facts: ModelFacts) -> None:
        self.reply = Reply("{}", facts)

    def complete(self, request: Request) -> Reply:
        return self.reply


def answered_by(facts: ModelFacts) -> CallRecord:
    return CallRecord.of(replace(REQUEST, trial=1), 0.1, reply=Reply("{}", facts))


@pytest.mark.parametrize(
    ("now", "same"),
    [
        (REAL, True),
        (replace(REAL, server="0.33.0"), True),
        (replace(REAL, model="PHI4:14b"), True),
        (replace(REAL, digest=None), True),
        (replace(REAL, digest="sha256:ffff"), False),
        (replace(REAL, server="0.32.15-double"), False),
        (ModelFacts("openai", "gpt-4o-2024-11-20", server="fp_1"), False),
    ],
)
def test_weights_count_before_names_and_a_double_is_never_a_model(now: ModelFacts, same: bool) -> None:
    assert is_same(REAL, now) is same


def test_a_name_without_a_tag_is_the_latest() -> None:
    assert is_same(ModelFacts("ollama", "Phi4"), ModelFacts("ollama", "phi4:latest", digest="sha256:ffff"))


def test_another_model_is_refused_in_one_line_that_names_both() -> None:
    other = replace(REAL, digest="sha256:0123456789abcdef", server="0.32.15-double")
    with pytest.raises(OtherModel) as caught:
        SameModel(Answering(other), [answered_by(REAL)]).complete(REQUEST)
    text = str(caught.value)
    assert "proposed by phi4:14b (ac896e5b8b34), and now phi4:14b (0123456789ab) of a test double (0.32.15-double) answers" in text
    assert "move the cell's folder away" in text
    assert "\n" not in text


def test_a_cell_s_first_launch_and_a_failed_call_ask_for_no_model() -> None:
    backend = SameModel(Answering(REAL), [])
    assert backend.complete(REQUEST).facts == REAL
    lost = CallRecord.of(REQUEST, 0.1, error=TransportFault("lost"))
    refused = CallRecord.of(REQUEST, 0.1, reply=Reply("{}", replace(REAL, digest="x")), error=TransportFault("cut"))
    assert SameModel(Answering(REAL), [lost, refused]).complete(REQUEST).facts == REAL


def test_what_the_other_model_said_is_kept_as_paid_for_and_never_used() -> None:
    kept: list[CallRecord] = []
    before = [answered_by(REAL)]
    other = Answering(replace(REAL, digest="sha256:ffff"))
    with pytest.raises(OtherModel):
        Recording(SameModel(other, before), keep=kept.append, answered=before).complete(REQUEST)
    assert [(record.error_kind, record.reply) for record in kept] == [("OtherModel", other.reply)]
    again = [*before, *kept]
    assert Recording(SameModel(Answering(REAL), again), keep=kept.append, answered=again).complete(REQUEST).facts == REAL
