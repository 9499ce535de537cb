"""The question of a selector, and what a reply says: one number, and where the server gives them, the log-probabilities of all numbers."""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from harness.llm.backend import ABORTED, Reply, Schema, Token
from harness.optimizers.agent.context import in_digits
from harness.optimizers.agent.reply import BadReply, Kind, last_object, limit_of, strip_thinking
from harness.optimizers.selector.candidates import DIGITS
from harness.space import Config

_TEMPLATE = Path(__file__).parent / "prompts" / "v1" / "choose.txt"
_FORM = 'answer with one JSON object {"number": ...}'


@functools.cache
def _template() -> str:
    return _TEMPLATE.read_text(encoding="utf-8")


def template_hash() -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of the template."""
    return hashlib.sha256(_template().encode()).hexdigest()[:16]


def question_text(number: int, shown: Sequence[Config]) -> str:
    """Return the question for trial `number`, with the candidates as they are shown, numbered from 1, and the form of an answer."""
    lines = [f"{place}. {json.dumps(in_digits(config, DIGITS), ensure_ascii=False)}" for place, config in enumerate(shown, start=1)]
    return Template(_template()).substitute(number=number, candidates="\n".join(lines), count=len(shown)).strip()


def answer_schema(count: int) -> Schema:
    """Return the schema of an answer: an object, the only root that OpenAI takes, with one number from 1 to `count`."""
    number = {"type": "integer", "enum": list(range(1, count + 1))}
    return {"type": "object", "properties": {"number": number}, "required": ["number"], "additionalProperties": False}


@dataclass(frozen=True)
class Answer:
    """What a reply says: the number of a candidate, as shown, and for each number its log-probability.

    `logprobs` are the model's own, before the schema and the temperature; None for a number that the server did not list. They are empty
    where the server gives none.
    """

    number: int
    logprobs: tuple[float | None, ...] = ()
    least: float = -math.inf  # the smallest log-probability that was listed in this place

    def shares(self, count: int) -> list[float]:
        """Return for each of `count` numbers the model's probability, scaled so that they sum to 1; without any, 1 for the answer.

        A number that was not listed gets the smallest listed probability, which is the most that it can have.
        """
        if not self.logprobs:
            return [float(number == self.number) for number in range(1, count + 1)]
        known = [self.least if found is None else found for found in self.logprobs]
        weights = [math.exp(found - max(known)) for found in known]
        return [weight / math.fsum(weights) for weight in weights]


def read_answer(reply: Reply, count: int, max_tokens: int | None) -> Answer:
    """Read a reply to a question with `count` candidates. Raises BadReply, whose text says what is wrong."""
    if reply.finish_reason == ABORTED:
        raise BadReply(f"the reply repeated itself without end and was broken off; {_FORM}", Kind.ABORTED)
    number = _number(reply, count, limit_of(reply, max_tokens))
    token = next((token for token in reversed(reply.tokens) if token.text.strip() == str(number)), None)
    if token is None or not token.top:
        return Answer(number)
    return _scored(number, count, token)


def _number(reply: Reply, count: int, cut_off: str) -> int:
    text = strip_thinking(reply.text)
    found, _ = last_object(text, "number")
    if found is None or "number" not in found:
        cut = f"the reply was cut off at {cut_off}" if cut_off else ""
        why = cut or ("the reply holds no JSON object with a number" if text else "the reply was empty")
        raise BadReply(f"{why}; {_FORM}")
    number = found["number"]
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= count:
        raise BadReply(f"there is no candidate {json.dumps(number)[:60]}; the numbers are 1 to {count}", Kind.INVALID)
    return number


def _scored(number: int, count: int, token: Token) -> Answer:
    """Return the answer with the log-probabilities of all numbers in its place; of a number with and without a space, the larger one."""
    listed: dict[str, float] = {str(number): token.logprob}
    for text, logprob in token.top:
        listed[text.strip()] = max(logprob, listed.get(text.strip(), -math.inf))
    numbers = tuple(listed.get(str(place)) for place in range(1, count + 1))
    return Answer(number, numbers, min(logprob for _, logprob in token.top))
