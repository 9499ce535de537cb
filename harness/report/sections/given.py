"""Trials that were given: what the page says of the arms whose cells began from them."""

from __future__ import annotations

from collections.abc import Mapping

from harness.report.analysis.arms import Arm
from harness.report.analysis.frames import Frames


def given_words(frames: Frames, arms: Mapping[str, Arm]) -> dict[str, str]:
    """Return, for each arm whose cells began from given trials, in how many of its done cells validation chose a given one."""
    found = {}
    for name in (arm.name for arm in arms.values() if arm.given):
        cells = frames.done[frames.done["arm"] == name]
        chosen, lacks = int(cells["chose_given"].sum()), _without_test(frames, name)
        found[name] = f"{chosen} of {len(cells)} cells{f' ({lacks} without a test score)' if lacks else ''}"
    return found


def given_without_test(frames: Frames, arms: Mapping[str, Arm]) -> dict[str, str]:
    """Return the arms with a cell whose chosen trial was given without a test score; each with the sentence why it has no verdict.

    The other cells are those in which the search beat what was given: their mean is too good.
    """
    lacking = {name: _without_test(frames, name) for name, arm in arms.items() if arm.given}
    return {
        name: f"{name}: in {count} of its cells the chosen trial was given without a test score, and the mean over the others flatters: "
        "no verdict"
        for name, count in lacking.items()
        if count
    }


def given_unlike(arms: Mapping[str, Arm], reference: Arm) -> dict[str, str]:
    """Return the arms that did not begin from the same given trials as the reference; each with the sentence why it has no verdict."""
    return {
        arm.name: f"{arm.name} and {reference.name} did not begin from the same given trials: no verdict"
        for arm in arms.values()
        if arm.role and not arm.given_alike(reference)
    }


def _without_test(frames: Frames, arm: str) -> int:
    cells = frames.done[frames.done["arm"] == arm]
    return int((cells["chose_given"].astype(bool) & cells["test"].isna()).sum())
