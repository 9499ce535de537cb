"""The script of a double: for each call it says whether the double answers correctly, or with which of the faults below.

A script is a list of steps for the first calls, and one step for all later calls. A step is the name of a fault, or a name with
parameters: `{"do": "rate_limit", "retry_after": "2"}`. With `random` instead of a list, a share of the calls gets a random fault.

    {"steps": ["hang", {"do": "text", "text": "no idea"}], "then": "valid"}
    {"random": {"seed": 1, "share": 0.3, "faults": ["reset", "empty"]}}
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

# The transport fails: the client gets no reply.
TRANSPORT = ("refuse", "reset", "cut", "hang", "drip", "error", "busy", "rate_limit", "not_json")
# A reply arrives, but it is bad.
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
# A reply arrives in a form from which the answer can be extracted.
WRAPPED = ("think_then_answer", "fenced", "chatter_then_answer", "lone_surrogate")
# The server refuses the request, or silently truncates the prompt.
SERVER = ("not_pulled", "unauthorized", "quota", "truncated", "too_long", "out_of_memory")
# The server stops a reply that repeats itself, and answers `done: false` (Ollama).
BROKEN_OFF = ("aborted",)
# What small models often answer: the example in the prompt, word for word.
HABITS = ("example",)
# Forms that servers which imitate OpenAI give a reply: a list of parts; thinking in a field of its own, beside the answer or in its place;
# the token limit reached before the answer, or behind a draft of one.
FORMS = ("parts", "reasoning_apart", "reasoning_only", "empty_at_limit", "draft_at_limit")
KINDS = ("valid", "text", *TRANSPORT, *REPLIES, *WRAPPED, *SERVER, *BROKEN_OFF, *HABITS, *FORMS)


@dataclass(frozen=True)
class Step:
    """The behaviour for one call.

    `do` is one of KINDS. `seconds` is how long the server hangs, sends byte by byte (`drip`) or stays down. `retry_after` is the value of
    that header. `text` is the text of the reply or of the error.
    """

    do: str = "valid"
    seconds: float = 0.3
    retry_after: str | None = None
    text: str = ""

    def __post_init__(self) -> None:
        if self.do not in KINDS:
            raise ValueError(f"unknown fault {self.do!r}; there is: {', '.join(KINDS)}")


# A step, the name of its fault, or its fields.
Entry: TypeAlias = str | Mapping[str, Any] | Step


def step(entry: Entry) -> Step:
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
    def of(cls, *steps: Entry, then: Entry = "valid") -> Script:
        """Return a script of these steps; `then` is for all later calls."""
        return cls(tuple(step(entry) for entry in steps), step(then))

    @classmethod
    def random(cls, seed: int, share: float, faults: Sequence[Entry] = TRANSPORT + REPLIES) -> Script:
        """Return a script that injects a fault in a share of the calls; all faults are equally likely.

        Whether a call gets a fault depends on its text and on how often this text was sent, not on the order of calls. So a study that is
        interrupted and resumed gets the same faults.
        """
        return cls(seed=seed, share=share, faults=tuple(step(entry) for entry in faults))

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Script:
        """Read a script from plain data (see the docstring of this module). Raises ValueError."""
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
    """Return a generator that depends on `parts` only."""
    text = "\0".join(str(part) for part in parts)
    return random.Random(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
