"""What a double does at each call: answer as it should, or misbehave in one of the ways below.

A script is a list of steps for the first calls and one step for all later ones. A step is a fault's name, or a name with its
parameters: `{"do": "rate_limit", "retry_after": "2"}`. `random` instead of a list draws a fault for a share of the calls.

    {"steps": ["hang", {"do": "text", "text": "no idea"}], "then": "valid"}
    {"random": {"seed": 1, "share": 0.3, "faults": ["reset", "empty"]}}
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# The call is lost on its way: the client gets no reply.
TRANSPORT = ("refuse", "reset", "cut", "hang", "drip", "error", "busy", "rate_limit", "not_json")
# A reply arrives, and is bad.
REPLIES = (
    "invalid_json",
    "cut_json",
    "out_of_range",
    "missing_key",
    "extra_key",
    "wrong_type",
    "not_finite",
    "repeat",
    "empty",
    "think_only",
    "chatter",
    "not_an_object",
)
# A reply arrives in a form that a careful reader can still use.
WRAPPED = ("think_then_answer", "fenced", "chatter_then_answer", "lone_surrogate")
# The server says that it cannot, or does less than it seems.
SERVER = ("not_pulled", "unauthorized", "quota", "truncated", "too_long", "out_of_memory")
# The server breaks off a reply that has become a loop, and says no more than that it is not done (Ollama).
BROKEN_OFF = ("aborted",)
# What small models like to answer: the example that the prompt shows, word for word.
HABITS = ("example",)
# Forms that servers which imitate OpenAI give a reply: a list of parts; thinking in a field of its own, beside the answer or in its place;
# the token limit reached before the answer, or behind a draft of one.
FORMS = ("parts", "reasoning_apart", "reasoning_only", "empty_at_limit", "draft_at_limit")
KINDS = ("valid", "text", *TRANSPORT, *REPLIES, *WRAPPED, *SERVER, *BROKEN_OFF, *HABITS, *FORMS)


@dataclass(frozen=True)
class Step:
    """One call's behaviour. `seconds` is how long it hangs, drips or stays down; `retry_after` is a header, `text` the reply, or the
    words of the error."""

    do: str = "valid"
    seconds: float = 0.3
    retry_after: str | None = None
    text: str = ""

    def __post_init__(self) -> None:
        if self.do not in KINDS:
            raise ValueError(f"unknown fault {self.do!r}; there is: {', '.join(KINDS)}")


def step(entry: str | Mapping[str, Any] | Step) -> Step:
    """Read one step."""
    if isinstance(entry, Step):
        return entry
    return Step(entry) if isinstance(entry, str) else Step(**entry)


@dataclass(frozen=True)
class Script:
    """Decides the behaviour of call `number` (from 0)."""

    steps: Sequence[Step] = ()
    then: Step = field(default_factory=Step)
    seed: int = 0
    share: float = 0.0
    faults: Sequence[Step] = ()

    @classmethod
    def of(cls, *steps: str | Mapping[str, Any] | Step, then: str | Mapping[str, Any] | Step = "valid") -> Script:
        """Return a script of these steps; `then` is for all later calls."""
        return cls(tuple(step(entry) for entry in steps), step(then))

    @classmethod
    def random(cls, seed: int, share: float, faults: Sequence[str | Mapping[str, Any] | Step] = TRANSPORT + REPLIES) -> Script:
        """Return a script that misbehaves in a share of the calls, all faults equally often.

        Whether a call is hit depends on what it asks and on how often that was asked, not on the order of calls: a study that is
        broken off and resumed meets the same faults.
        """
        return cls(seed=seed, share=share, faults=tuple(step(entry) for entry in faults))

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Script:
        """Read a script as plain data (see the module's docstring)."""
        if "random" in data:
            return cls.random(**data["random"])
        unknown = set(data) - {"steps", "then"}
        if unknown:
            raise ValueError(f"unknown key in script: {sorted(unknown)}")
        return cls.of(*data.get("steps", ()), then=data.get("then", "valid"))

    def at(self, number: int, request: str, occurrence: int) -> Step:
        """Return the behaviour of call `number`, which is the `occurrence`-th (from 0) with the text `request`."""
        if number < len(self.steps):
            return self.steps[number]
        if not self.faults:
            return self.then
        rng = keyed(self.seed, request, occurrence)
        return rng.choice(list(self.faults)) if rng.random() < self.share else self.then


def keyed(*parts: object) -> random.Random:
    """Return a generator that depends on nothing but `parts`."""
    text = "\0".join(str(part) for part in parts)
    return random.Random(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
