"""The settings `published.*`. The first value of each is what the authors' released code does (commit 08a9a5b, as described in facts)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from harness.errors import SettingsError, near

VALUES: Mapping[str, tuple[str, ...]] = {
    "after_rules": ("on", "off", "alone"),
    "previous": ("itself", "real"),
    "curve": ("whole", "thinned", "none"),
    "target": ("shown", "hidden"),
    "overfitting": ("as_named", "real"),
    "options": ("hidden", "shown"),
    "repair": ("silent", "strict"),
    "score": ("last", "best"),
    "window": ("full", "4096"),
}
# What the hidden rules read when no LLM is asked.
USED_ALONE = ("after_rules", "overfitting", "score")
# YAML reads on and off as truth values.
_TRUTH = {"true": "on", "false": "off"}


@dataclass(frozen=True)
class Switches:
    """Which side of each fault or choice of the released system is run; VALUES lists them.

    - after_rules: apply the hidden rules to each answer, do not, or ask no LLM and apply them to the last configuration.
    - previous: compare a trial with itself, as released, or with the trial before it.
    - curve: show every epoch of the last training, epochs 1, 5, 10, ..., or none.
    - target: show the fixed target with level and gap, or hide all three.
    - overfitting: look the train metric up as `train_` and the metric's name, as released, or read the real one.
    - options: hide the options of categoricals and the scales from the Analyzer, as released, or show them.
    - repair: repair an answer silently, as released, or ask again with the reason.
    - score: the metric of the last epoch, as released, or of the best epoch.
    - window: send the whole prompt, or its last 4,096 tokens.

    Raises SettingsError for another value.
    """

    after_rules: str = "on"
    previous: str = "itself"
    curve: str = "whole"
    target: str = "shown"
    overfitting: str = "as_named"
    options: str = "hidden"
    repair: str = "silent"
    score: str = "last"
    window: str = "full"

    def __post_init__(self) -> None:
        for name, allowed in VALUES.items():
            value = getattr(self, name)
            if value not in allowed:
                raise SettingsError(f"published.{name}={value}: give {' or '.join(allowed)}{near(str(value), allowed)}")

    @classmethod
    def read(cls, given: Mapping[str, object]) -> Switches:
        """Read plain data; what is absent has its first value. Raises SettingsError for an unknown switch or value."""
        for name in given:
            if name not in VALUES:
                raise SettingsError(f"published.{name}: there is no such switch{near(name, VALUES)}")
        texts = {name: str(value) for name, value in given.items()}
        return cls(**{name: _TRUTH.get(text.lower(), text) for name, text in texts.items()})

    @property
    def asks(self) -> bool:
        """Whether an LLM is asked at all."""
        return self.after_rules != "alone"

    def to_mapping(self) -> dict[str, str]:
        """Return those that decide the result, as plain data."""
        names = [entry.name for entry in fields(self)] if self.asks else USED_ALONE
        return {name: getattr(self, name) for name in names}
