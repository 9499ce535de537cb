"""Refuse replies to a prompt that the server has silently truncated.

Ollama drops what does not fit into `num_ctx` without an error, oldest messages first, and some releases keep only half of the window.
When the reply fills the window, the beginning of the prompt is dropped too. So the prompt is checked twice: before sending, by an estimate
that is too high rather than too low; and afterwards, by comparing the server's count with an estimate that is too low rather than too high.
A backend that counts tokens itself (`count_tokens`) is asked instead of estimating.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable

from harness.llm.backend import Backend, Reply, Request
from harness.llm.errors import TruncatedPrompt
from harness.tokens import estimate_tokens

_PIECES = re.compile(r"(?P<letters>[^\W\d_]+)|(?P<digits>\d+)|(?P<marks>(?:[^\w\s]|_)+)")
_MARGIN = 1.2
_PER_MESSAGE = 8  # tokens that a chat template adds to a turn: role and separators
_SHORTEST_REPLY_TOKENS = 64
_USUAL_REPLY_TOKENS = 1024  # reserved for a reply without a limit
# Ollama 0.30.0 counts only the prompt tokens that were not in its cache (0.30.1 counts all again). That version refuses a prompt that does
# not fit, so its count need not be checked.
_COUNTS_WITHOUT_CACHE = re.compile(r"0\.30\.0(?![.\d])")


# Two wrappers ask for the same prompt, one after the other.
@functools.lru_cache(maxsize=64)
def token_range(text: str) -> tuple[int, int]:
    """Return (fewest, most): bounds on the tokens of `text` in the usual vocabularies (byte-pair encodings of 100k to 200k entries).

    Fewest: a word is one token, and so are three digits or 64 punctuation marks in a row; a mark before a word is part of it; spaces
    count as none. A quarter is subtracted from that. Most: the summarizer's high estimate plus a fifth. Measured on prompts, logs,
    tables, JSON, YAML and code, with cl100k_base, o200k_base, and cl100k_base with single digits (as Qwen and Llama split them): `fewest`
    was 0.5 to 0.75 times the true count, `most` 1.2 to 1.4 times. A vocabulary of single letters makes more tokens than `most`.
    """
    fewest = 0
    for match in _PIECES.finditer(text):
        length = len(match.group())
        if match.lastgroup == "letters":
            fewest += 1
        elif match.lastgroup == "digits":
            fewest += math.ceil(length / 3)
        elif not text[match.end() : match.end() + 1].isalpha():
            fewest += math.ceil(length / 64)
    fewest = fewest * 3 // 4
    return fewest, max(fewest, math.ceil(estimate_tokens(text) * _MARGIN))


def prompt_token_range(request: Request) -> tuple[int, int]:
    """Return (fewest, most) prompt tokens of a request. A schema that is sent in the prompt is counted."""
    ranges = [token_range(message["content"]) for message in request.wire_messages(request.reply_format)]
    return sum(low for low, _ in ranges), sum(high + _PER_MESSAGE for _, high in ranges)


class TruncationCheck:
    """A wrapper that raises TruncatedPrompt for a prompt that may not fit, and for a reply to a truncated prompt.

    A prompt that its method has cut on purpose is let through: the records say that it was cut.

    `count` returns the exact number of tokens of a prompt; None: it is estimated.
    """

    def __init__(self, inner: Backend, count: Callable[[Request], int] | None = None) -> None:
        self._inner = inner
        self._count = count

    def complete(self, request: Request) -> Reply:
        if request.is_cut:
            return self._inner.complete(request)
        fewest, most = self._range(request)
        shortest = min(_SHORTEST_REPLY_TOKENS, request.max_tokens or _SHORTEST_REPLY_TOKENS)
        if request.num_ctx is not None and most + shortest > request.num_ctx:
            kept_free = kept_for_reply(request)
            needs = "has" if self._count else "may need"
            raise TruncatedPrompt(
                f"the prompt of trial {request.trial} {needs} {most} tokens and its reply at least {shortest}, together "
                f"{most + shortest}, and the window has {request.num_ctx}: raise llm.num_ctx to "
                f"{rounded(most + kept_free)} or more (that leaves {kept_free} for the reply), or shorten the context",
                prompt_tokens=most,
                window_tokens=request.num_ctx,
            )
        reply = self._inner.complete(request)
        problem = _cut(request, reply, fewest)
        if problem:
            raise TruncatedPrompt(
                f"{reply.facts.model} did not see the whole prompt of trial {request.trial}: {problem}. {_larger_window(request, most)}",
                prompt_tokens=reply.prompt_tokens,
                window_tokens=request.num_ctx,
                reply=reply,
            )
        return reply

    def _range(self, request: Request) -> tuple[int, int]:
        if self._count is None or request.num_ctx is None:
            return prompt_token_range(request)
        exact = self._count(request)
        return exact, exact


def _cut(request: Request, reply: Reply, fewest: int) -> str | None:
    seen, window = reply.prompt_tokens, request.num_ctx
    if seen is None:
        return None
    if seen < fewest and not _COUNTS_WITHOUT_CACHE.match(reply.facts.server or ""):
        return f"the server counts {seen} tokens, and it has at least {fewest}"
    if window is not None and seen >= window:
        return f"the server counts {seen} tokens, which is all of the window of {window}"
    if window is not None and seen + (reply.completion_tokens or 0) > window:
        return f"{seen} tokens of prompt and {reply.completion_tokens} of reply overran the window of {window}, which shifts the prompt out"
    return None


def _larger_window(request: Request, most: int) -> str:
    """Say how to get a window that holds a prompt of at most `most` tokens and its reply."""
    needed = rounded(most + kept_for_reply(request))
    if request.num_ctx is not None and request.num_ctx >= needed:
        return f"Its server has a smaller window than llm.num_ctx={request.num_ctx}: start it with one of {needed}, or shorten the context"
    return f"Set llm.num_ctx={needed}, or shorten the context"


def kept_for_reply(request: Request) -> int:
    """Return how many tokens of the window a reply should find free."""
    return request.max_tokens or _USUAL_REPLY_TOKENS


def rounded(tokens: float) -> int:
    """Return a window that holds so many tokens: a multiple of 1024."""
    return math.ceil(tokens / 1024) * 1024
