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

from harness.llm.backend import ABORTED, Reply
from harness.optimizers.agent.context import in_digits
from harness.scrub import foreign_text
from harness.space import Config, Space
from harness.trial import Trajectory

# A reply can be megabytes long; the answer is at its end, so only the end is read.
READ_CHARACTERS = 100_000
READ_STARTS = 500
MOST_PROBLEMS = 8
PROBLEM_CHARACTERS = 300

# How models mark their thinking: most as DeepSeek and Qwen do, Mistral's in brackets, gpt-oss in its raw form by channels.
_THINKING = re.compile(
    r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)|\[THINK\].*?(?:\[/THINK\]|\Z)"
    r"|<\|channel\|>analysis<\|message\|>.*?(?:<\|end\|>|(?=<\|channel\|>)|\Z)",
    re.DOTALL | re.IGNORECASE,
)
# Its end alone: the beginning stood in the prompt.
_END_OF_THINKING = re.compile(r"</think(?:ing)?>|\[/THINK\]", re.IGNORECASE)
_END_OF_ANSWER = re.compile(r"[\s`]*(?:<\|\w+\|>)?\s*")
_FORM = 'answer with one JSON object {"analysis": "...", "config": {...}}'


class Kind(StrEnum):
    """Why a reply cannot be used, in the order of the checks."""

    ABORTED = "aborted"
    UNPARSED = "unparsed"
    INVALID = "invalid"
    REPEAT = "repeat"


class BadReply(Exception):
    """A reply that cannot be used. `why` says so, and is what people read.

    Its text also says which form to answer in, for a model that does not see the form again; `short` is for one that does. `form`: the
    form was wrong; `brief`: the reply was too long.
    """

    def __init__(self, complaint: str, kind: Kind = Kind.UNPARSED, *, form: bool = False, brief: bool = False) -> None:
        # A JSON escape may have hidden half a surrogate pair, which no request can hold, or a key, from whoever read the reply's text.
        self.why = foreign_text(complaint)
        self.kind = kind
        self.short = f"{self.why}; be brief" if brief else self.why
        super().__init__(f"{self.why}{': be brief and' if brief else ';'} {_FORM}" if form else self.short)


@dataclass(frozen=True)
class Answer:
    """A usable reply: a configuration of the shown space, in exact types, and the model's analysis."""

    config: Config
    analysis: str


def parse_reply(text: str, space: Space, *, cut_off: str = "", thought: bool = False) -> Answer:
    """Read a reply. `cut_off`: the limit at which the server ended it, in words. `thought`: the server set thinking apart from the text.

    Of a reply that was cut off, only a configuration that stands at its very end counts: an earlier one is a draft. Raises BadReply with
    every complaint.
    """
    answer = strip_thinking(text)
    found, rest = last_object(answer, "config")
    if cut_off and not answer:
        raise BadReply(f"the reply was cut off at {cut_off} before it began to answer", form=True, brief=True)
    if cut_off and (found is None or ("config" in found and not _END_OF_ANSWER.fullmatch(rest))):
        raise BadReply(f"the reply was cut off at {cut_off}", form=True, brief=True)
    if not answer and thought:
        raise BadReply("the reply was empty but for thinking, which the server sent apart from it", form=True)
    if not answer:
        raise BadReply(f"the reply was empty{' but for thinking' if text.strip() else ''}", form=True)
    if found is None:
        raise BadReply("the reply holds no readable JSON object", form=True)
    config, analysis = found.get("config"), found.get("analysis", "")
    if not isinstance(config, dict):
        raise BadReply("the JSON object has no object 'config'", form=True)
    problems = space.problems(config)
    if problems:
        raise BadReply(_joined(problems), Kind.INVALID)
    text = analysis if isinstance(analysis, str) else json.dumps(analysis, ensure_ascii=False)
    return Answer(space.check(config), foreign_text(text))


def limit_of(reply: Reply, max_tokens: int | None) -> str:
    """Return the limit at which the server cut a reply off, in words; nothing for a whole one."""
    if reply.finish_reason != "length":
        return ""
    if max_tokens:
        return f"the token limit of {max_tokens} (llm.max_tokens)"
    used = reply.completion_tokens
    return f"the server's token limit{f' of {used}' if used else ''}"


def refuse_aborted(finish_reason: str) -> None:
    """Raise BadReply when the server stopped the reply because it had become a loop, even if an answer stands before the loop."""
    if finish_reason == ABORTED:
        why = "the reply repeated itself without end and was broken off"
        raise BadReply(why, Kind.ABORTED, form=True, brief=True)


def refuse_repeat(config: Config, trajectory: Trajectory, digits: int | None = None) -> None:
    """Raise BadReply when an earlier trial had this configuration, its floats compared in so many significant digits; None: exactly."""
    for trial in trajectory:
        if in_digits(trial.config, digits) == in_digits(config, digits):
            same = "exactly the configuration" if digits is None else "the configuration"
            raise BadReply(f"this is {same} of trial {trial.number}; propose one that has not been tried", Kind.REPEAT)


def strip_thinking(text: str) -> str:
    """Remove thinking blocks, also one that was never closed or never opened, and the white space around the rest."""
    rest = _THINKING.sub("", text)
    for end in reversed([*_END_OF_THINKING.finditer(rest, 0, max(0, rest.rfind("{")))]):
        return rest[end.end() :].strip()
    return rest.strip()


def last_object(text: str, key: str = "config") -> tuple[dict[str, object] | None, str]:
    """Return the last JSON object in the text that has this key, else the last one of any kind, and what stands behind it.

    Raises BadReply where none has the key, and in one a key is given twice.
    """
    tail = text[-READ_CHARACTERS:]
    decoder = json.JSONDecoder(object_pairs_hook=_no_key_twice, parse_constant=_no_constant)
    objects: list[tuple[dict[str, object], int]] = []
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
            objects.append((value, end))
        start = tail.find("{", end)
    wanted = [(value, end) for value, end in objects if key in value]
    if not wanted and problems:
        raise BadReply(problems[0], form=key == "config")
    chosen = wanted or objects
    return (chosen[-1][0], tail[chosen[-1][1] :]) if chosen else (None, "")


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
