"""Check a reply as the harness's own agent does, in place of the silent repairs (`published.repair=strict`).

A value is found in the same forms. It must be one of the space as it stands; otherwise the model is told what is wrong, and asked again.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.optimizers.published.parsing import Found
from harness.optimizers.published.repair import Repaired
from harness.space import Choice, Hyperparameter, Space

MOST_PROBLEMS = 8
_TRUTH = {"true": True, "false": False}


def read(found: Mapping[str, Found | None], space: Space) -> tuple[dict[str, Repaired], list[str]]:
    """Return the values as they were written, and one sentence for each that is missing or not allowed.

    Values of inactive hyperparameters are asked for, since that system knows no conditions, and only those of active ones are checked.
    """
    values: dict[str, Repaired] = {}
    problems = []
    active: dict[str, object] = {}
    for hp in space:
        entry = found[hp.name]
        value = None if entry is None else _value(entry.text, hp)
        problem = f"{hp.name} is missing ({hp.range_text})" if entry is None else hp.problem(value)
        values[hp.name] = Repaired(hp.default if problem or value is None else hp.exact(value))
        is_active = all(parent in active and active[parent] in allowed for parent, allowed in hp.when.items())
        if is_active and problem is None:
            active[hp.name] = values[hp.name].value
        elif is_active:
            problems.append(problem or "")
    return values, problems[:MOST_PROBLEMS]


def _value(text: str, hp: Hyperparameter) -> object:
    """Read a text as one of the choices where it is one, else as a number where it is one."""
    if isinstance(hp, Choice):
        for choice in hp.choices:
            if str(choice) == text or (isinstance(choice, bool) and _TRUTH.get(text.lower()) is choice):
                return choice
    try:
        return float(text)
    except ValueError:
        return text[:60]
