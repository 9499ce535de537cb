"""Says of a finished cell whether its LLM proposed anything: a row of random draws must not pass for the model's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from harness.trial import GIVEN, Trial

# The key of `summary.json` that holds the sentence; absent where a reply was usable.
UNUSABLE = "unusable_replies"
_LONGEST_REASON = 200


def unusable(trials: Sequence[Trial], model: str) -> str:
    """Return one sentence when every proposal that was asked of the LLM ended in a random draw or in the default, else nothing.

    The default configuration that is tried first was not asked for: its trial has no replies. Nor was what another method of a hybrid
    proposed, nor a trial that was given or drawn for the start-up.
    """
    not_asked = ("default", "optimizer", GIVEN)
    asked = [trial for trial in trials if trial.proposal.source not in not_asked or trial.proposal.note.get("replies")]
    if not asked or any(trial.proposal.source not in ("fallback", "default") for trial in asked):
        return ""
    kinds = Counter(kind for kind, _ in _problems(asked))
    reasons = Counter(text for kind, text in _problems(asked) if kind == kinds.most_common(1)[0][0])
    why = f": {reasons.most_common(1)[0][0]}" if reasons else ""
    count = f"{len(asked)} trial{'s' if len(asked) > 1 else ''}"
    instead = "random draws" if any(trial.proposal.source == "fallback" for trial in asked) else "the defaults"
    return f"no reply of {model or 'the model'} was usable in {count}{why}; its configurations are {instead}"


def _problems(trials: Sequence[Trial]) -> Iterator[tuple[str, str]]:
    """Yield kind and text of each problem that a method noted about a reply."""
    for trial in trials:
        replies = trial.proposal.note.get("replies")
        for reply in replies if isinstance(replies, list) else ():
            if isinstance(reply, dict) and reply.get("problem"):
                yield str(reply.get("kind")), str(reply.get("why") or reply["problem"])[:_LONGEST_REASON]
