"""Where the configurations of an LLM's arm came from. This is the only place that says which of them count as the model's own.

A new source of `harness.trial.SOURCE` gets a line in KINDS, and stands in OWN or not; tables, verdicts and figures follow.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.trial import Trial

# What each source is called in tables; llm-retry-1, llm-retry-2, ... are one kind.
KINDS = {
    "default": "default",
    "optimizer": "optimizer",
    "given": "given",
    "llm": "llm",
    "llm-retry": "retry",
    "llm-repaired": "repaired",
    "llm-adjusted": "adjusted",
    "fallback": "fallback",
}
# The kinds whose configuration is the model's own. Not its own: a random draw, a default that stands in for a reply, and a configuration
# that was repaired in silence or changed by a rule after the reply.
OWN = frozenset({"llm", "retry"})
_RETRY = "llm-retry"


@dataclass(frozen=True, slots=True)
class Origins:
    """How many configurations were asked of a model, and how many of these are its own."""

    asked: int
    own: int


def kind_of(trial: Trial) -> str:
    """Return the kind of a trial's source, as KINDS calls it; a source that is not known there is its own kind, and not the model's.

    A default that stood in for a reply is a fallback.
    """
    source = trial.proposal.source
    if source == "default" and trial.proposal.note.get("replies"):
        return "fallback"
    return KINDS.get(_RETRY if source.startswith(_RETRY) else source, source)


def origins(trials: Iterable[Trial], *, from_default: bool) -> Origins:
    """Count the configurations that were asked of a model.

    Not asked were trials that were given, draws of the start-up, and the default that is tried first where the arm starts so
    (`from_default`).
    """
    own = [trial for trial in trials if not trial.given]
    start = own[:1] if from_default and own and kind_of(own[0]) == "default" else []
    kinds = [kind for trial in own[len(start) :] if (kind := kind_of(trial)) != "optimizer"]
    return Origins(len(kinds), sum(kind in OWN for kind in kinds))
