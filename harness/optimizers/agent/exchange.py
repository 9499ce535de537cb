"""The calls that a method makes for one trial: numbered, seeded, sent, and kept for the note of its proposal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.llm.backend import Backend, Message, Reply, Request, Schema
from harness.llm.settings import LlmSettings
from harness.optimizers.agent.reply import BadReply
from harness.seeding import keyed_seed
from harness.trial import Trajectory

# The seeds of a trial's calls are numbered from a thousand times its number.
MOST_CALLS = 999


@dataclass
class Exchange:
    """The calls of the trial after `shown`, the trials as the model sees them.

    `seed` is the method's. `replies` holds for each call its number, its role, and the problem of its reply, if it had one.
    """

    shown: Trajectory
    seed: int
    llm: LlmSettings
    backend: Backend
    replies: list[dict[str, object]] = field(default_factory=list)
    last: Reply | None = None

    @property
    def trial(self) -> int:
        """The number of the trial that is proposed."""
        return len(self.shown) + 1

    def request(self, messages: Sequence[Message], schema: Schema | None) -> Request:
        """Return the request of the next call: the same question has another seed each time it is asked."""
        call = len(self.replies) + 1
        seed = keyed_seed(self.seed, "llm", self.trial * (MOST_CALLS + 1) + call, bits=31)
        return self.llm.request(messages, schema=schema, seed=seed, trial=self.trial, call=call)

    def send(self, request: Request, role: str) -> Reply:
        """Return the model's reply; `role` says what it was asked for. Raises BackendError when the model cannot be reached."""
        reply = self.backend.complete(request)
        self.replies.append({"call": request.call, "role": role, "problem": None})
        self.last = reply
        return reply

    def refuse(self, bad: BadReply) -> None:
        """Note why the last reply cannot be used."""
        self.replies[-1] |= {"problem": str(bad), "kind": str(bad.kind), "why": bad.why}

    def limit_of(self, reply: Reply) -> str:
        """Return the limit at which the server cut a reply off, in words; nothing for a whole one."""
        if reply.finish_reason != "length":
            return ""
        asked, used = self.llm.max_tokens, reply.completion_tokens
        return (
            f"the token limit of {asked} (llm.max_tokens)" if asked else f"the server's token limit{f' of {used}' if used else ''}"
        )

    def note(self) -> dict[str, object]:
        """Return what a proposal's note says of the calls: each with its problem, and the model that answered."""
        return {"replies": self.replies, "model": self.last.facts.to_dict() if self.last else {}}
