from __future__ import annotations

import re

import pytest

import harness.errors
from harness.errors import CellsFailed, HarnessError, InvalidConfig, near


def test_a_near_name_is_offered_and_otherwise_all_names_are_listed() -> None:
    assert near("bugdet", ["budget", "seed"]) == "; did you mean 'budget'?"
    assert near("zzz", ["seed", "budget"]) == "; there is: budget, seed"
    assert near("zzz", []) == ""


def test_an_invalid_config_tells_every_problem_in_one_line() -> None:
    error = InvalidConfig(["a: too big", "b: missing"])
    assert str(error) == "a: too big; b: missing"
    assert error.problems == ("a: too big", "b: missing")


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    drawn = re.findall(r"(?:├──|└──|^    )\s*([A-Z]\w+)", harness.errors.__doc__ or "", re.MULTILINE)
    defined = [name for name, value in vars(harness.errors).items() if isinstance(value, type) and issubclass(value, Exception)]
    assert sorted(drawn) == sorted(defined)


@pytest.mark.parametrize(("error", "status"), [(HarnessError, 2), (CellsFailed, 1)])
def test_a_mistake_ends_with_2_and_cells_left_over_with_1(error: type[HarnessError], status: int) -> None:
    assert error("text").exit_status == status
