"""The contract suite of expert blocks. A test inherits it, and names its block."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
from collections.abc import Iterator
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.space import Space
from harness.tcs.view.section import DETAILS, Assignments, Block, Cell, Phrase, Points, Scalar, Section, View
from harness.testing import trajectories as made
from harness.trial import Trajectory


def scalars(view: View) -> Iterator[Scalar]:
    """Yield every string and number in a view."""
    cells: list[Cell] = [cell for _, cell in view.facts] + [cell for t in view.tables for row in t.rows for cell in row]
    for cell in (*cells, *view.notes):
        if isinstance(cell, Assignments | Points):
            for pair in cell.items:
                yield from pair
        elif isinstance(cell, Phrase):
            yield cell.text
            yield from cell.data.values()
        else:
            yield cell


def cells_of(view: View) -> int:
    """Return the number of strings and numbers in a view."""
    return sum(1 for _ in scalars(view))


class BlockContract:
    """A subclass sets `block` (as a staticmethod) and `name`."""

    block: ClassVar[Block]
    name: ClassVar[str]

    def section(self, space: Space, trajectory: Trajectory, budget: int = 10) -> Section:
        """Call the block."""
        return type(self).block(space, trajectory, budget)

    def test_it_says_something_before_the_first_trial(self) -> None:
        section = self.section(made.SPACE, Trajectory())
        assert section.name == self.name
        assert cells_of(section.view(DETAILS[0])) > 0

    def test_its_section_is_a_frozen_dataclass(self) -> None:
        section: object = self.section(made.SPACE, made.trajectory((made.config(), 80.0)))
        assert dataclasses.is_dataclass(section)
        field = dataclasses.fields(section)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(section, field, None)

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def test_any_trajectory_gives_a_clean_view_at_every_detail(self, data: st.DataObject) -> None:
        space = data.draw(made.spaces())
        trajectory = data.draw(made.trajectories(space))
        section = self.section(space, trajectory, data.draw(st.integers(1, 80)))
        for detail in DETAILS:
            view = section.view(detail)
            for value in scalars(view):
                assert value is None or isinstance(value, str | int | float)
                if isinstance(value, str):
                    assert value.isprintable(), value
                elif value is not None:
                    assert math.isfinite(value)
            for table in view.tables:
                assert all(len(row) == len(table.columns) for row in table.rows)
            assert len({key for key, _ in view.facts} | {t.name for t in view.tables}) == len(view.facts) + len(view.tables)

    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def test_it_depends_on_nothing_but_its_arguments(self, data: st.DataObject) -> None:
        space = data.draw(made.spaces(most=6))
        trajectory = data.draw(made.trajectories(space, most=20))
        first = self.section(space, trajectory)
        before = repr(trajectory)
        again = self.section(copy.deepcopy(space), copy.deepcopy(trajectory))
        assert repr(first) == repr(again)
        assert repr(trajectory) == before

    def test_its_size_does_not_grow_without_bound(self) -> None:
        few, many = (_cells(self, trials) for trials in (40, 400))
        assert many <= 1.25 * few + 5

    def test_its_numbers_are_json_numbers(self) -> None:
        section = self.section(made.SPACE, made.trajectory(*[(made.config(layers=n % 5 + 1), 70.0 + n) for n in range(8)]))
        json.dumps(list(scalars(section.view(DETAILS[0]))), allow_nan=False)


def _cells(contract: BlockContract, trials: int) -> int:
    pairs = [
        (made.config(learning_rate=10 ** (-5 * (n % 97) / 97), layers=n % 5 + 1), 50 + n % 31 if n % 7 else None)
        for n in range(trials)
    ]
    return cells_of(contract.section(made.SPACE, made.trajectory(*pairs), 500).view(DETAILS[0]))
