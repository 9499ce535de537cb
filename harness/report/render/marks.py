"""The marks behind the name of an arm. Every table shows them, and a note says what each means for the numbers of the arm."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from harness.report.analysis.arms import Arm
from harness.report.render.document import listed

# Between a name and its mark, so that no line ends there.
NO_BREAK = "\u00a0"
STARTUP, FALLBACK, OTHER_MODEL, WITHHELD, GIVEN = "†", "‡", "¶", "‖", "◇"
DOUBLE = "(test double)"


@dataclass(frozen=True)
class Marks:
    """The marks of a study's arms.

    `fallback`: the arms whose share of fallback trials is above `fallback_share`. `withheld`: for each arm of which nothing is
    concluded, the sentence why. `given`: for each arm whose cells began from given trials, in how many of its cells one was chosen.
    """

    arms: Mapping[str, Arm] = field(default_factory=dict)
    fallback: Collection[str] = ()
    fallback_share: float = 0.1
    withheld: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)

    def name(self, arm: str, gap: str = NO_BREAK) -> str:
        """Return an arm's name with its marks."""
        signs = "".join(self._signs(arm))
        double = f"{NO_BREAK}{DOUBLE}" if self.arms.get(arm, Arm(arm)).answered.double else ""
        return f"{arm}{gap if signs else ''}{signs}{double}"

    def _signs(self, arm: str) -> Iterable[str]:
        known = self.arms.get(arm, Arm(arm))
        if known.all_startup:
            yield STARTUP
        if arm in self.fallback:
            yield FALLBACK
        if arm in self.withheld:
            yield WITHHELD
        if known.answered.others:
            yield OTHER_MODEL
        if arm in self.given:
            yield GIVEN

    def notes(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return a note for every mark of these arms."""
        shown = [self.arms.get(name, Arm(name)) for name in dict.fromkeys(names)]
        notes = [STARTUP_NOTE] if any(arm.all_startup for arm in shown) else []
        if any(arm.name in self.fallback for arm in shown):
            notes.append(fallback_note(self.fallback_share))
        notes += self._withheld_notes([arm.name for arm in shown if arm.name in self.withheld])
        notes += [other_model_note(arm) for arm in shown if arm.answered.others]
        if began := [f"{arm.name} in {self.given[arm.name]}" for arm in shown if arm.name in self.given]:
            notes.append(
                f"{GIVEN} began from given trials, which the budget does not count; validation chose one: {listed(began, 30)}"
            )
        if doubles := [arm.name for arm in shown if arm.answered.double]:
            notes.append(
                f"{DOUBLE} the answers of {listed(doubles, 30)} came from a test double, so its scores say nothing of any model"
            )
        return tuple(notes)

    def _withheld_notes(self, names: Iterable[str]) -> list[str]:
        """Return the sentences of withheld arms; those that differ in the arm's name alone are one, about each of them."""
        alike: dict[str, list[str]] = {}
        for name in names:
            alike.setdefault(self.withheld[name].replace(name, "\0"), []).append(name)
        return [
            f"{WITHHELD} {text.replace(chr(0), f'each of {listed(of, 30)}' if len(of) > 1 else of[0])}"
            for text, of in alike.items()
        ]


STARTUP_NOTE = f"{STARTUP} the whole budget is the method's random start-up: random search under another name"


def fallback_note(fallback_share: float) -> str:
    """Return the note of the double dagger."""
    return (
        f"{FALLBACK} more than {100 * fallback_share:g} % of the proposals are random draws, or defaults, that stood in for the LLM"
    )


def other_model_note(arm: Arm) -> str:
    """Return the note that says which model answered in place of the one that was asked."""
    return f"{OTHER_MODEL} {arm.name}: answered by {listed(arm.answered.others, 3)}, asked was {arm.model}"
