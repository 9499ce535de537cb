"""The command line of `python -m harness.probe`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from harness.errors import SettingsError, near

STATES, REPEATS = 8, 2
MOST = 10_000
TEXT = """\
Does the model of an LLM arm read its summary? Change one fact, ask it again,
and see how the proposal moves.

Try:       python -m harness.probe main --states 2
One arm:   python -m harness.probe main --arm tcs_phi4 --task digits
Elsewhere: python -m harness.probe main llm.base_url=http://gpu:11434

The recorded trials of a study are the states. In each, the recorded question is
asked again, and so is each changed one: two trials exchange their scores, the
best value is elsewhere, a verdict is turned, ... One block sees the change, and
the others see what was recorded. The page shows for each block how often, how
far and in which direction the proposal moves, beside unchanged repeats.

STUDY            a study's folder, or its name under ./runs/
--arm NAME       the arm, where the study has several whose LLM reads a summary
--task NAME      states of this task alone
--states 8       at most so many states; more can be asked for later
--repeats 2      sampling seeds of each question, 2 or more
--changes A,B    these alone: a block (phase) or one of its facts (status.best)
--show           ask nothing; show the answers that are there
llm=NAME         another LLM than that of the record
llm.KEY=VALUE    change its settings, such as llm.base_url=...

The answers are in STUDY/probe/ARM/. No cell is made or changed. The command
asks only what was not answered, also after Ctrl-C, and first tells the number
of calls.
"""
_FLAGS = ("--arm", "--task", "--states", "--repeats", "--changes", "--show", "--help")


@dataclass(frozen=True)
class Request:
    """What is asked for. `overrides` are the words `llm=...` and `llm.KEY=...`."""

    study: str
    arm: str | None
    task: str | None
    states: int
    repeats: int
    changes: tuple[str, ...]
    show: bool
    overrides: tuple[str, ...]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"{message} (python -m harness.probe --help)")


def parsed(arguments: Sequence[str]) -> Request:
    """Read the command line. Raises SettingsError."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--show", action="store_true")
    for flag in ("--arm", "--task", "--changes"):
        parser.add_argument(flag)
    parser.add_argument("--states", default=str(STATES))
    parser.add_argument("--repeats", default=str(REPEATS))
    given, unknown = parser.parse_known_intermixed_args(list(arguments))
    if unknown:
        raise SettingsError(f"{unknown[0]}: there is no such flag here{near(unknown[0], _FLAGS)}")
    overrides = tuple(word for word in given.words if "=" in word)
    studies = [word for word in given.words if "=" not in word]
    for word in overrides:
        if word.partition("=")[0].partition(".")[0] != "llm":
            raise SettingsError(f"{word}: only settings of the LLM can differ from the record (llm=..., llm.KEY=...)")
    if len(studies) != 1:
        several = f"one study at a time, not {', '.join(studies)}"
        raise SettingsError(several if studies else "which study? python -m harness.probe STUDY")
    return Request(
        studies[0],
        given.arm,
        given.task,
        _count("--states", given.states, 1),
        _count("--repeats", given.repeats, 2),
        tuple(filter(None, (given.changes or "").split(","))),
        given.show,
        overrides,
    )


def _count(flag: str, text: str, least: int) -> int:
    if not text.isdecimal() or not least <= int(text) <= MOST:
        raise SettingsError(f"{flag} {text}: give a number from {least} to {MOST}")
    return int(text)
