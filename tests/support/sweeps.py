"""Long sweeps of one behaviour: some of the cases run in `make test`, all in `make check-full`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import pytest
from _pytest.mark import ParameterSet

Case = TypeVar("Case")


def in_full_but(kept: Callable[[Case], bool], cases: Iterable[Case]) -> list[ParameterSet]:
    """Return the cases of one value for `parametrize`; those for which `kept` says no are marked `full`."""
    sets = [pytest.param(case, marks=() if kept(case) else pytest.mark.full) for case in cases]
    assert any(not made.marks for made in sets), "make test needs a case"
    return sets
