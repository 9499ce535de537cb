"""The errors between the harness and an LLM.

    BackendError                 no usable reply; the text is one clear line, from which all secrets are removed
    ├── TransportFault           a call that may be tried again: refused, dropped, timed out, 429, 5xx, not JSON
    ├── BackendUnavailable       the server stays down: the cell stops, and the next launch resumes it
    │   └── NotReady             a key, a model, a file or a package is missing; the text says how to get it
    ├── BadRequest               the server refuses the request itself: trying again does not help
    ├── TruncatedPrompt          the prompt did not fit, or the model saw only a part of it
    ├── OtherModel               the model that answers is not the one of the cell's earlier launches
    ├── BudgetSpent              the next call could cost more than the cap allows
    └── ReplayDiffers            a request that the records of a replay do not answer

A reply that is only *bad* (empty, not JSON, out of range) is not an error here: it is a `Reply`, and the agent checks it.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import HarnessError
from harness.scrub import one_line


class BackendError(HarnessError):
    """The base class. Its text is one line of at most 600 characters, without control characters and secrets."""

    def __init__(self, text: str) -> None:
        super().__init__(one_line(text, limit=600))


class TransportFault(BackendError):
    """A call whose transport failed. `retry_after_seconds` is the wait that the server asked for, None when it asked for none.

    `is_overload` says that the server may have too much to do (429, 503, no answer in time): fewer calls at a time may help.
    """

    def __init__(self, text: str, *, retry_after_seconds: float | None = None, is_overload: bool = False) -> None:
        super().__init__(text)
        self.retry_after_seconds = retry_after_seconds
        self.is_overload = is_overload


# Too many requests; the service is unavailable; OpenAI-like servers also say 529 when they are overloaded.
OVERLOAD_STATUSES = frozenset({429, 503, 529})


class BackendUnavailable(BackendError):
    """The server cannot reply now. The cell stops, its records stay, and the next launch continues it."""


class NotReady(BackendUnavailable):
    """Something must first be installed, downloaded, started or set."""


class BadRequest(BackendError):
    """The server understood the request, and refuses it."""


def no_grammar(where: str) -> BadRequest:
    """Return the error for a request with a grammar, or without a chat template, to a server that takes neither."""
    return BadRequest(
        f"{where} takes no grammar and no raw text: use a model inside the process (llm=smollm2, or llm=llama_cpp llm.path=FILE.gguf), or "
        f"another form of asking"
    )


class TruncatedPrompt(BackendError):
    """The prompt does not fit into the model's window.

    `prompt_tokens` is the estimate (before sending) or the server's count (after), `window_tokens` the size of the window; None where
    unknown. `reply` is the reply to the part of the prompt that the model saw: it is recorded, and must not be used.
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
    """The requested name now stands for another model than before. `reply` is that model's: it is recorded, and must not be used."""

    def __init__(self, text: str, *, reply: object) -> None:
        super().__init__(text)
        self.reply = reply


class BudgetSpent(BackendError):
    """The next call could exceed a cap on tokens, seconds or money. A higher cap and a new launch continue the cell."""


class ReplayDiffers(BackendError):
    """A request that no record of the replay answers. `differences` holds one text per difference to the nearest record."""

    def __init__(self, trial: int, call: int, differences: Sequence[str]) -> None:
        self.trial = trial
        self.call = call
        self.differences = tuple(differences)
        super().__init__(f"the replay differs at trial {trial}, call {call}: {'; '.join(self.differences)}")
