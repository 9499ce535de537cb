"""Parse a model's reply into a configuration of the space, or into a message that tells the model what is wrong.

Thinking, code fences and text around the answer are removed. Nothing inside the answer is repaired: a value out of range, a missing or
an extra hyperparameter, a wrong type and a repeated configuration each give a message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.llm.backend import ABORTED
from harness.scrub import foreign_text
from harness.space import Config, Space
from harness.trial import Trajectory

# A reply can be megabytes long; the answer is at its end, so only the end is read.
READ_CHARACTERS = 100_000
READ_STARTS = 500
MOST_PROBLEMS = 8
PROBLEM_CHARACTERS = 300

_THINKING = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_FORM = 'answer with one JSON object {"analysis": "...", "config": {...}}'


class Kind(StrEnum):
    """Why a reply cannot be used, in the order of the checks."""

    ABORTED = "aborted"
    UNPARSED = "unparsed"
    INVALID = "invalid"
    REPEAT = "repeat"


class BadReply(Exception):
    """A reply that cannot be used. Its text is the message that goes back to the model."""

    def __init__(self, message: str, kind: Kind = Kind.UNPARSED) -> None:
        # The message may quote decoded JSON: an escape in it can hold half a surrogate pair, which no request can carry, or a secret.
        super().__init__(foreign_text(message))
        self.kind = kind


@dataclass(frozen=True)
class Answer:
    """A usable reply: a configuration of the shown space, in exact types, and the model's analysis."""

    config: Config
    analysis: str


def parse_reply(text: str, space: Space, *, cut_off: bool = False) -> Answer:
    """Parse a reply. `cut_off` says that the server ended it at the token limit. Raises BadReply that names every problem."""
    answer = strip_thinking(text)
    if not answer:
        raise BadReply(f"the reply was empty{' but for thinking' if text.strip() else ''}; {_FORM}")
    found = _last_object(answer)
    if found is None:
        why = "the reply was cut off at the token limit: be brief and" if cut_off else "the reply holds no readable JSON object;"
        raise BadReply(f"{why} {_FORM}")
    config, analysis = found.get("config"), found.get("analysis", "")
    if not isinstance(config, dict):
        raise BadReply(f"the JSON object has no object 'config'; {_FORM}")
    problems = space.problems(config)
    if problems:
        raise BadReply(_joined(problems), Kind.INVALID)
    text = analysis if isinstance(analysis, str) else json.dumps(analysis, ensure_ascii=False)
    return Answer(space.check(config), foreign_text(text))


def refuse_aborted(finish_reason: str) -> None:
    """Raise BadReply when the server stopped the reply because it had become a loop, even if an answer stands before the loop."""
    if finish_reason == ABORTED:
        raise BadReply(f"the reply repeated itself without end and was broken off: be brief, and {_FORM}", Kind.ABORTED)


def refuse_repeat(config: Config, trajectory: Trajectory) -> None:
    """Raise BadReply when an earlier trial had exactly this configuration."""
    for trial in trajectory:
        if trial.config == config:
            message = f"this is exactly the configuration of trial {trial.number}; propose one that has not been tried"
            raise BadReply(message, Kind.REPEAT)


def strip_thinking(text: str) -> str:
    """Remove thinking blocks, including one that was never closed, and the white space around the rest."""
    return _THINKING.sub("", text).strip()


def _last_object(text: str) -> dict[str, object] | None:
    """Return the last JSON object in the text that has a `config`, else the last object of any kind; None when there is none."""
    tail = text[-READ_CHARACTERS:]
    decoder = json.JSONDecoder(object_pairs_hook=_no_key_twice, parse_constant=_no_constant)
    objects: list[dict[str, object]] = []
    problems: list[str] = []
    start = tail.find("{")
    for _ in range(READ_STARTS):
        if start < 0:
            break
        try:
            value, end = decoder.raw_decode(tail, start)
        except _KeyTwice as twice:
            problems.append(str(twice))
            end = start + 1
        except (ValueError, RecursionError):
            end = start + 1
        else:
            objects.append(value)
        start = tail.find("{", end)
    with_config = [value for value in objects if "config" in value]
    if not with_config and problems:
        raise BadReply(f"{problems[0]}; {_FORM}")
    chosen = with_config or objects
    return chosen[-1] if chosen else None


class _KeyTwice(Exception):
    pass


def _no_key_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    keys = [key for key, _ in pairs]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise _KeyTwice(f"the key '{twice[:60]}' is given twice")
    return dict(pairs)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _joined(problems: Sequence[str]) -> str:
    kept = [problem[:PROBLEM_CHARACTERS] for problem in problems[:MOST_PROBLEMS]]
    more = [f"and {len(problems) - MOST_PROBLEMS} more problems"] if len(problems) > MOST_PROBLEMS else []
    return "; ".join([*kept, *more])
