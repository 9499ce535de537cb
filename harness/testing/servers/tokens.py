"""How the doubles count tokens, cut replies at a limit, and find loops in a reply."""

from __future__ import annotations

import itertools
import math
import re

from harness.testing.servers.replies import CHATTER_BYTES

_TOKEN = re.compile(r"[^\W\d_]{1,6}|\d{1,2}|[^\w\s]|_|\n")
# As newer vocabularies: a digit is a token of its own, with the space before it.
_SINGLE = re.compile(r"\s*(?:[^\W\d_]+|\d|[^\w\s]|_)")
_LONGEST_LOOP = 30


def count_tokens(text: str) -> int:
    """Return the number of tokens, about as a usual vocabulary would count them."""
    return len(_TOKEN.findall(text))


def listed(text: str, top: int) -> list[dict[str, object]]:
    """Return the tokens of a text with log-probabilities, in the form of OpenAI, Ollama and llama.cpp.

    A digit has the other digits as alternatives, from 0 on and less likely by half from one to the next; any other token is certain.
    """
    ends = [0, *(match.end() for match in _SINGLE.finditer(text))]
    tokens = [text[start:end] for start, end in itertools.pairwise(ends)]
    return [_listed(token, top) for token in tokens]


def _listed(token: str, top: int) -> dict[str, object]:
    digit = token.strip()
    others = [token] if not digit.isdigit() else [token, *(token.replace(digit, d) for d in "0123456789" if d != digit)]
    shown = [{"token": other, "logprob": math.log(0.5) * place} for place, other in enumerate(others[:top])]
    return {"token": token, "logprob": 0.0, "bytes": list(token.encode()), "top_logprobs": shown}


def cut_at(text: str, limit: int) -> tuple[str, int, bool]:
    """Return the first `limit` tokens of a text, their number, and whether the text was cut. A negative limit means no limit."""
    ends = [match.end() for match in _TOKEN.finditer(text)]
    if not 0 < limit < len(ends):
        return text, len(ends), False
    # A reply of megabytes (fault `chatter`) is sent whole, but counted as cut.
    return text if len(text) >= CHATTER_BYTES - 100 else text[: ends[limit - 1]], limit, True


def before_loop(text: str) -> str | None:
    """Return a text up to the place where one token has come more than 30 times in a row; None when there is no such place."""
    run, last = 0, ""
    for match in _TOKEN.finditer(text):
        run = run + 1 if match[0] == last else 1
        last = match[0]
        if run > _LONGEST_LOOP:
            return text[: match.end()]
    return None
