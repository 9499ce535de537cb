"""Which arms are compared: pairs that differ in one thing. A family holds the pairs that answer one question."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.report.analysis.arms import Arm

FOLDED = ("names", "card", "startup", "first")
FAMILIES = {
    "context": "What the LLM is shown: the TCS against each other context, same LLM, same start",
    "rules": "Does it take an LLM: the TCS read by an LLM against the TCS read by fixed rules, same start",
    "start": "The default configuration tried first, against not, same method",
    "random": "More than the start: each method against random search from the same start",
    "parts": "What the gain of the rules is made of: the rules against rules without textbooks, or with shuffled outcomes, same start",
    "names": "Real hyperparameter names against anonymous ones, same method",
    "card": "The task's own card against one that a model cannot have read about, same method",
    "startup": "Few start-up trials against more, same method, same start",
    "first": "Gain of each arm over its own first trial",
}


@dataclass(frozen=True)
class Contrast:
    """`first` less `second`; for the family `first`, both are the same arm.

    `unlike` says in what else the two differ, apart from what the family is about; empty where they are alike.
    """

    family: str
    first: str
    second: str
    unlike: str = ""


def contrasts_of(arms: Mapping[str, Arm]) -> Iterator[Contrast]:
    """Yield every pair of arms whose manifests differ in one thing. Within a family, pairs with nothing `unlike` come first."""
    known = [arm for arm in arms.values() if arm.role]
    for one in known:
        for other in known:
            family = _family(one, other)
            if family:
                yield Contrast(family, one.name, other.name)
    against = [(one, other) for one in known for other in known if _beyond_random(one, other)]
    beyond = [Contrast("random", one.name, other.name, _unlike(one, other, arms)) for one, other in against]
    yield from sorted(beyond, key=lambda contrast: (bool(contrast.unlike), arms[contrast.first].start != "default"))
    yield from (Contrast("first", arm.name, arm.name) for arm in known if arm.budget > 1)


def _family(one: Arm, other: Arm) -> str | None:
    """Return the family of a pair: the one thing in which `one`, the side of interest, differs from `other`.

    None when they differ in more than one thing, or when the pair belongs to the family the other way round.
    """
    if not one.given_alike(other):
        return None
    if one.setting.get("renamed") is False and other.setting.get("renamed") and _rest(one, "renamed") == _rest(other, "renamed"):
        return "card"
    if one.role == other.role == "llm":
        if one.context == "tcs" != other.context and _same_agent(one, other, "context", "log_every") and one.start == other.start:
            return "context"
        if _part(one, "agent").get("names") == "real" != _part(other, "agent").get("names"):
            return (
                "names" if one.context == other.context and _same_agent(one, other, "names") and one.start == other.start else None
            )
    if one.role == "llm" and one.context == "tcs" and other.role == "rules":
        return "rules" if one.start == other.start and _reads_alike(one, other) else None
    if one.role == other.role == "rules" and one.start == other.start and one.method == other.method:
        return "parts" if lacks(one) == () and len(lacks(other)) == 1 else None
    if one.start == "default" and other.start == "none" and _rest(one, "start") == _rest(other, "start"):
        return "start"
    same_method = one.method == other.method and one.start == other.start and one.role == other.role == "tuner"
    return "startup" if same_method and 0 < one.startup_trials < other.startup_trials else None


def lacks(rules: Arm) -> tuple[str, ...]:
    """Return what an arm of rules does without: `names` (anonymous ones), `outcomes` (shuffled ones)."""
    options = _part(rules, "optimizer").get("options")
    given = options if isinstance(options, Mapping) else {}
    return tuple(key for key in ("names", "outcomes") if given.get(key) not in (None, "real"))


def _reads_alike(agent: Arm, rules: Arm) -> bool:
    """Say whether an LLM and the rules read the same names, and both the real outcomes, and the LLM proposes every trial."""
    if _part(agent, "agent").get("turns"):
        return False
    hidden = _part(agent, "agent").get("names") not in (None, "real")
    return lacks(rules) == (("names",) if hidden else ())


def _beyond_random(one: Arm, other: Arm) -> bool:
    """Say whether `one` searches in another way than at random, and `other` at random, from the same start, budget and given trials."""
    searches = one.role not in ("random", "default")
    alike = one.start == other.start and one.budget == other.budget > 1 and one.given_alike(other)
    return searches and other.role == "random" and alike


def _unlike(one: Arm, other: Arm, arms: Mapping[str, Arm]) -> str:
    """Return a sentence where only one of two arms knows the default configuration and neither starts from it; else nothing.

    The sentence also says which pair to compare instead.
    """
    if one.start == "default" or {one.knows_default, other.knows_default} != {True, False}:
        return ""
    knows, does_not = (one, other) if one.knows_default else (other, one)
    better = [started.name if (started := _started(arm, arms)) else f"{arm.name}+default" for arm in (one, other)]
    missing = [name for name in better if name not in arms]
    where = f", for which {' and '.join(missing)} must run" if missing else ""
    return f"{knows.name} knows the default configuration, {does_not.name} does not: compare {better[0]} with {better[1]}{where}"


def _started(arm: Arm, arms: Mapping[str, Arm]) -> Arm | None:
    """Return the arm that tries the default first and is otherwise the same as `arm`."""
    alike = (o for o in arms.values() if _rest(o, "start") == _rest(arm, "start") and o.given_alike(arm))
    return next((other for other in alike if other.start == "default"), None)


def _same_agent(one: Arm, other: Arm, *but: str) -> bool:
    """Say whether two agents ask the same LLM in the same way. The keys `but` may differ; TCS settings count where both have them."""
    if one.setting.get("renamed") != other.setting.get("renamed"):
        return False
    agents = [{key: value for key, value in _part(arm, "agent").items() if key not in but} for arm in (one, other)]
    summaries = [_part(arm, "tcs") for arm in (one, other)]
    same_summary = not all(summaries) or summaries[0] == summaries[1]
    return agents[0] == agents[1] and _part(one, "llm") == _part(other, "llm") and same_summary


def _part(arm: Arm, key: str) -> Mapping[str, Any]:
    value = arm.setting.get(key)
    return value if isinstance(value, Mapping) else {}


def _rest(arm: Arm, key: str) -> str:
    return json.dumps({name: value for name, value in arm.setting.items() if name != key}, sort_keys=True)
