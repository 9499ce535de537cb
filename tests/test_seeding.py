from __future__ import annotations

import random
import subprocess
import sys

import hypothesis.strategies as st
from hypothesis import given

from harness.seeding import keyed_random, keyed_seed

KEYS = st.tuples(st.integers(0, 2**32 - 1), st.text(max_size=8), st.integers(0, 1000))


@given(KEYS, KEYS)
def test_different_keys_give_different_seeds_and_equal_keys_equal_ones(
    one: tuple[int, str, int], other: tuple[int, str, int]
) -> None:
    same = keyed_seed(*one, bits=128) == keyed_seed(*other, bits=128)
    assert same == (f"{one[0]}/{one[1]}/{one[2]}" == f"{other[0]}/{other[1]}/{other[2]}")


@given(KEYS, st.integers(1, 128))
def test_a_seed_keeps_within_its_bits(key: tuple[int, str, int], bits: int) -> None:
    assert 0 <= keyed_seed(*key, bits=bits) < 2**bits


def test_drawing_leaves_the_global_generator_alone() -> None:
    random.seed(1)
    before = random.getstate()
    keyed_random(3, "purpose", 4).random()
    assert random.getstate() == before


def test_the_numbers_do_not_depend_on_the_process() -> None:
    program = "from harness.seeding import keyed_random; print(repr(keyed_random(3, 'purpose', 4).random()))"
    drawn = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert drawn == {f"{keyed_random(3, 'purpose', 4).random()!r}\n"}
