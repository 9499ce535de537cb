"""From a reply to a configuration of the space, with what became of every value.

Source: the authors' released code, commit 08a9a5b (2025-09-27), as described in facts. What that code hides is kept here for the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.optimizers.published.dimension import Dimension, Setting
from harness.optimizers.published.parsing import Found, find_all
from harness.optimizers.published.pattern import Pattern
from harness.optimizers.published.repair import DEFAULTED, Repaired, repair_all
from harness.optimizers.published.rules import Change, apply_rules
from harness.space import Choice, Config, Hyperparameter, Number, Space, Value

# What the harness adds: a space has no place for some values of the released system, such as a rate below its range.
# A value ends at white space: one can be as long as a reply.
LONGEST_TEXT = 200
INTO_RANGE, INTO_OPTIONS, INTO_DEFAULT = "into the range", "into the options", "not in the space: default"


@dataclass(frozen=True)
class Fate:
    """What became of one value: `wrote` is the LLM's text (None: nothing was found), `trained` the value in the end.

    `repaired` is the value after the repairs `steps`; `rule` says what a hidden rule did to it, `held` what brought it into the space.
    """

    wrote: str | None
    form: str | None
    repaired: Setting
    steps: tuple[str, ...]
    rule: str | None
    held: str | None
    trained: Value

    @property
    def chosen(self) -> bool:
        """Whether the LLM chose what was trained: the value that it wrote, without a repair, a rule or a default."""
        return self.wrote is not None and not self.steps and self.rule is None and self.held is None

    @property
    def fate(self) -> str:
        """One word: chosen, adjusted (by a rule), defaulted, or repaired."""
        if self.chosen:
            return "chosen"
        if self.rule is not None:
            return "adjusted"
        return "defaulted" if DEFAULTED & {*self.steps} or self.held == INTO_DEFAULT else "repaired"

    def to_mapping(self) -> dict[str, object]:
        """Return plain data for the trial's note; what is empty is left out."""
        entries = {
            "wrote": None if self.wrote is None else self.wrote[:LONGEST_TEXT],
            "form": self.form,
            "repaired": self.repaired if self.steps else None,
            "steps": list(self.steps),
            "rule": self.rule,
            "held": self.held,
            "trained": self.trained,
            "fate": self.fate,
        }
        return {name: value for name, value in entries.items() if value not in (None, [])}


@dataclass(frozen=True)
class Answered:
    """A configuration of the space. `fates` holds one entry for each of its hyperparameters."""

    config: Config
    fates: Mapping[str, Fate]

    @property
    def source(self) -> str:
        """The source of the proposal: `llm`, `llm-repaired`, or `llm-adjusted` where a hidden rule changed a value."""
        words = {fate.fate for fate in self.fates.values()}
        return "llm-adjusted" if "adjusted" in words else "llm" if words <= {"chosen"} else "llm-repaired"

    @property
    def readable(self) -> bool:
        """Whether any value was found and could be read."""
        return any(fate.wrote is not None and not DEFAULTED & {*fate.steps} for fate in self.fates.values())


def repaired_reply(text: str, dimensions: Sequence[Dimension]) -> tuple[dict[str, Found | None], dict[str, Repaired]]:
    """Return what is found in a reply without its thinking, and the legal values that it becomes."""
    found = find_all(text, [dimension.name for dimension in dimensions])
    return found, repair_all(found, dimensions)


@dataclass(frozen=True)
class RuleContext:
    """All that the hidden rules depend on besides the configuration: see `rules.apply_rules`. `active`: whether they run."""

    pattern: Pattern
    number: int
    roles: Mapping[str, str]
    active: bool = True

    def apply(self, config: Mapping[str, Setting], dimensions: Sequence[Dimension]) -> tuple[dict[str, Setting], dict[str, Change]]:
        """Return the configuration after the rules, and by name what they changed."""
        if not self.active:
            return dict(config), {}
        after, changes = apply_rules(config, dimensions, self.pattern, self.number, self.roles)
        return after, {change.name: change for change in changes}


def answered(
    found: Mapping[str, Found | None],
    repaired: Mapping[str, Repaired],
    space: Space,
    dimensions: Sequence[Dimension],
    rules: RuleContext,
) -> Answered:
    """Return the configuration that is trained: the repaired values after the hidden rules, brought into the space."""
    after, changes = rules.apply({name: entry.value for name, entry in repaired.items()}, dimensions)
    held = {hp.name: into_space(after[hp.name], hp) for hp in space}
    config = space.restrict({name: value for name, (value, _) in held.items()})
    fates = {}
    for name in config:
        was, entry = found[name], repaired[name]
        fates[name] = Fate(
            wrote=was.text if was else None,
            form=was.form if was else None,
            repaired=entry.value,
            steps=entry.steps,
            rule=changes[name].rule if name in changes else None,
            held=held[name][1],
            trained=config[name],
        )
    return Answered(config, fates)


def into_space(value: Setting, hp: Hyperparameter) -> tuple[Value, str | None]:
    """Return a value of the space, and how it became one; None where it was one.

    A number goes to the nearer end of its range, or to the nearest option; what has no place at all becomes the default.
    """
    if hp.problem(value) is None:
        return hp.exact(value), None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(hp, Number) and is_number:
        assert isinstance(value, int | float)
        held = hp.low if value < hp.low else hp.high if value > hp.high else round(value)
        return (hp.exact(held), INTO_RANGE) if hp.problem(held) is None else (hp.default, INTO_DEFAULT)
    if isinstance(hp, Choice) and hp.ordered and is_number:
        assert isinstance(value, int | float)
        numbers = [choice for choice in hp.choices if isinstance(choice, int | float) and not isinstance(choice, bool)]
        if len(numbers) == len(hp.choices):
            target = float(value)
            return min(numbers, key=lambda choice: abs(choice - target)), INTO_OPTIONS
    return hp.default, INTO_DEFAULT
