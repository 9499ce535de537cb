"""What can go wrong between the harness and an LLM.

    BackendError                 no usable reply; one clear line, with every secret of the environment taken out
    ├── TransportFault           a call that may be tried again: refused, dropped, timed out, 429, 5xx, garbled
    ├── BackendUnavailable       the server stays down: the cell stops cleanly, and the next launch resumes it
    │   └── NotReady             a key, a model, a file or a package is missing; the text says how to get it
    ├── BadRequest               the server refuses the request as such: trying again cannot help
    ├── TruncatedPrompt          the prompt did not fit, or the model saw only a part of it
    ├── OtherModel               another model answers than in the cell's earlier launches
    ├── BudgetSpent              the next call could cost more than the cap allows
    └── ReplayDiffers            a replay was asked something that its records do not answer

A reply that is only *bad* (empty, not JSON, out of range) is none of these: it is a `Reply`, and the agent's to judge.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import HarnessError
from harness.scrub import one_line


class BackendError(HarnessError):
    """The base: its text is one line of at most 600 characters, without control characters and without secrets."""

    def __init__(self, text: str) -> None:
        super().__init__(one_line(text, limit=600))


class TransportFault(BackendError):
    """A call that failed on its way. `retry_after_seconds` is the wait that the server asked for, None when it did not."""

    def __init__(self, text: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_seconds = retry_after_seconds


class BackendUnavailable(BackendError):
    """No reply can be had now. Whoever runs the cell stops it; what is recorded stays, and a relaunch goes on from there."""


class NotReady(BackendUnavailable):
    """Something must be installed, pulled, started or set first."""


class BadRequest(BackendError):
    """The server understood the request and refuses it."""


class TruncatedPrompt(BackendError):
    """The prompt and the window do not fit.

    `prompt_tokens` is the estimate (before sending) or the server's count (after), `window_tokens` the window; None where unknown.
    `reply` is what the model made of the part that it saw: it was paid for, and must not be used.
    """

    def __init__(
        self,
        text: str,
        *,
        prompt_tokens: int | None = None,
        window_tokens: int | None = None,
        reply: object = None,
    ) -> None:
        super().__init__(text)
        self.prompt_tokens = prompt_tokens
        self.window_tokens = window_tokens
        self.reply = reply

    def advised(self, advice: str) -> TruncatedPrompt:
        """Return the same error with one more sentence."""
        text = f"{str(self).rstrip('.')}. {advice}"
        return TruncatedPrompt(text, prompt_tokens=self.prompt_tokens, window_tokens=self.window_tokens, reply=self.reply)


class OtherModel(BackendError):
    """The name that was asked for means another model than before. `reply` is that one's: it was paid for, and must not be used."""

    def __init__(self, text: str, *, reply: object) -> None:
        super().__init__(text)
        self.reply = reply


class BudgetSpent(BackendError):
    """A cap on tokens, seconds or money. Raising the cap and launching again goes on from here."""


class ReplayDiffers(BackendError):
    """A replay left its records: `trial`, `call`, and one text for each thing that differs."""

    def __init__(self, trial: int, call: int, differences: Sequence[str]) -> None:
        self.trial = trial
        self.call = call
        self.differences = tuple(differences)
        super().__init__(f"the replay differs at trial {trial}, call {call}: {'; '.join(self.differences)}")
