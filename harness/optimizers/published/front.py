"""Cut a prompt from the front, as a server with a window of 4,096 tokens did (`published.window=4096`).

Tokens are the harness's estimate (`harness.tokens`), which errs high by 0 to 11 % on such texts: no tokenizer comes with the harness.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.llm.backend import Message
from harness.tokens import estimate_tokens


@dataclass(frozen=True)
class Cut:
    """The messages that are left, with the estimated tokens before, and how many characters were left out at the front."""

    messages: list[Message]
    tokens: int
    characters: int

    def to_mapping(self, window: int) -> dict[str, object]:
        """Return plain data for the trial's note."""
        return {"window": window, "estimated_tokens": self.tokens, "characters_left_out": self.characters, "tokens": "estimated"}


def cut_front(messages: Sequence[Message], window: int) -> Cut:
    """Return the end of the messages that fits `window` tokens (at least 1): the first message loses its beginning first.

    A message that is lost altogether is left out; the last one keeps at least its last character.
    """
    lengths = [len(message.content) for message in messages]
    total, whole = sum(lengths), estimate_tokens("\n".join(message.content for message in messages))
    if whole <= window:
        return Cut(list(messages), whole, 0)

    def left(dropped: int) -> list[Message]:
        kept, to_drop = [], dropped
        for message in messages:
            gone = min(to_drop, len(message.content))
            to_drop -= gone
            if gone < len(message.content):
                kept.append(Message(message.role, message.content[gone:]))
        return kept

    low, high = 0, max(0, total - 1)
    while low < high:  # the tokens of what is left fall with what is dropped, but for a token or two at the place of the cut
        middle = (low + high) // 2
        if estimate_tokens("\n".join(message.content for message in left(middle))) <= window:
            high = middle
        else:
            low = middle + 1
    return Cut(left(low), whole, low)
