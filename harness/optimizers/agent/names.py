"""The names of hyperparameters in the prompt: their real names, or anonymous ones (`agent.names=anonymous`).

With anonymous names a model can use ranges, scales and results, but not what it has read about, say, learning rates.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.space import Choice, Config, Hyperparameter, Space, Value
from harness.trial import Outcome, Status, Trajectory, Trial


@dataclass(frozen=True)
class Names:
    """A renamed space, and the translation between real and shown configurations.

    space: the space that the model sees. to_shown: real name to shown name. values: for each real name, real value to shown value.
    hides_errors: whether error texts are replaced, since they may contain real names.
    """

    space: Space
    to_shown: Mapping[str, str]
    values: Mapping[str, Mapping[Value, Value]]
    hides_errors: bool = False

    @classmethod
    def of(cls, space: Space, names: str) -> Names:
        """Return the names that `agent.names` asks for: real or anonymous."""
        return cls.anonymous(space) if names == "anonymous" else cls.real(space)

    @classmethod
    def real(cls, space: Space) -> Names:
        """Return the real names, unchanged."""
        return cls(space, {name: name for name in space.names}, {})

    @classmethod
    def anonymous(cls, space: Space) -> Names:
        """Rename the hyperparameters to h1, h2, ... and their text choices to A, B, ...; keep numbers, remove meanings and units."""
        to_shown = {hp.name: f"h{number}" for number, hp in enumerate(space, start=1)}
        values = {hp.name: _letters(hp) for hp in space if isinstance(hp, Choice)}
        hidden = tuple(_hide(hp, to_shown, values) for hp in space)
        return cls(Space(hidden), to_shown, values, hides_errors=True)

    def shown(self, config: Mapping[str, Value]) -> Config:
        """Translate a real configuration into the one that the model sees."""
        return {self.to_shown[name]: self.values.get(name, {}).get(value, value) for name, value in config.items()}

    def real_config(self, config: Mapping[str, Value]) -> Config:
        """Translate a checked answer of the model into the real configuration."""
        back: Config = {}
        for name, shown in self.to_shown.items():
            if shown in config:
                originals = {letter: value for value, letter in self.values.get(name, {}).items()}
                back[name] = originals.get(config[shown], config[shown])
        return back

    def trajectory(self, trajectory: Trajectory) -> Trajectory:
        """Translate every configuration of a trajectory. With anonymous names, also replace error texts, which may contain real names."""
        return replace(trajectory, trials=tuple(self._trial(trial) for trial in trajectory)) if self.hides_errors else trajectory

    def _trial(self, trial: Trial) -> Trial:
        proposal = replace(trial.proposal, config=self.shown(trial.config), note={})
        return replace(trial, proposal=proposal, outcome=_without_names(trial.outcome))


def _letters(hp: Choice) -> dict[Value, Value]:
    named = [choice for choice in hp.choices if isinstance(choice, str)]
    return {choice: _letter(index) for index, choice in enumerate(named)}


def _letter(index: int) -> str:
    rounds, place = divmod(index, 26)
    return string.ascii_uppercase[place] + (str(rounds) if rounds else "")


def _hide(hp: Hyperparameter, names: Mapping[str, str], values: Mapping[str, Mapping[Value, Value]]) -> Hyperparameter:
    when = {names[parent]: tuple(values.get(parent, {}).get(v, v) for v in allowed) for parent, allowed in hp.when.items()}
    letters = values.get(hp.name, {})
    hidden = replace(hp, name=names[hp.name], meaning="", unit="", when=when, default=letters.get(hp.default, hp.default))
    if isinstance(hidden, Choice):
        return replace(hidden, choices=tuple(letters.get(choice, choice) for choice in hidden.choices))
    return hidden


def _without_names(outcome: Outcome) -> Outcome:
    return replace(outcome, error="the training raised an error") if outcome.status is Status.CRASHED else outcome
