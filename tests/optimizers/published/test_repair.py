"""One case for each repair of a value."""

from __future__ import annotations

import pytest
from support.published import BATCH, DECAY, DEPTH, DROPOUT, RATE, RULE, SPACE

from harness.optimizers.published import repair as steps
from harness.optimizers.published.dimension import Dimension, Kind, Setting
from harness.optimizers.published.parsing import Found
from harness.optimizers.published.repair import repair, repair_all

FROM_ZERO = Dimension("layers", Kind.INTEGER, 0, 0, 4)
WORDS = Dimension("size", Kind.ORDINAL, "small", choices=("small", "large"))
SHARES = Dimension("share", Kind.ORDINAL, 0.5, 0.1, 0.9, choices=(0.1, 0.5, 0.9))
NUMBERED = Dimension("kind", Kind.CATEGORICAL, 1, choices=(1, 2))
LOST = Dimension("lost", Kind.CATEGORICAL, "gone", choices=("a", "b"))
HIDDEN = Dimension("mlp_hidden_size", Kind.CATEGORICAL, [64, 64], choices=([64, 64], [128]))


@pytest.mark.parametrize(
    ("dimension", "text", "value", "done"),
    [
        (RATE, "0.02", 0.02, ()),
        (RATE, "5", 0.1, (steps.CLAMPED,)),
        (RATE, "-5", 1e-5, (steps.CLAMPED,)),
        (RATE, "inf", 0.1, (steps.CLAMPED,)),
        (RATE, "nan", 0.01, (steps.NOT_A_NUMBER,)),
        (RATE, "of", 0.01, (steps.UNREADABLE,)),
        (RATE, None, 0.01, (steps.ABSENT,)),
        (DROPOUT, "0", 0.2, (steps.NOT_POSITIVE,)),
        (DROPOUT, "-1", 0.2, (steps.CLAMPED, steps.NOT_POSITIVE)),
        (DECAY, "0", 1e-6, (steps.CLAMPED,)),
        (DEPTH, "7.99", 7, (steps.CUT,)),
        (DEPTH, "99", 12, (steps.CLAMPED,)),
        (DEPTH, "1e30", 12, (steps.CLAMPED,)),
        (DEPTH, "nan", 6, (steps.UNREADABLE,)),
        (DEPTH, "inf", 6, (steps.UNREADABLE,)),
        (DEPTH, "deep", 6, (steps.UNREADABLE,)),
        (FROM_ZERO, "0", 1, (steps.AT_LEAST_ONE,)),
        (FROM_ZERO, "-0.9", 1, (steps.CUT, steps.AT_LEAST_ONE)),
        (FROM_ZERO, None, 1, (steps.ABSENT, steps.AT_LEAST_ONE)),
        (BATCH, "64", 64, ()),
        (BATCH, "48", 32, (steps.NEAREST,)),
        (BATCH, "48.9", 32, (steps.CUT, steps.NEAREST)),
        (BATCH, "49", 64, (steps.NEAREST,)),
        (BATCH, "-3", 16, (steps.NEAREST,)),
        (BATCH, "keep", 32, (steps.UNREADABLE,)),
        (SHARES, "0.9", 0.1, (steps.CUT, steps.NEAREST)),
        (WORDS, "large", 1, (steps.BECAME_ONE,)),
        (RULE, "sgd", "sgd", ()),
        (RULE, "SGD", "adam", (steps.NO_OPTION,)),
        (RULE, None, "adam", (steps.ABSENT,)),
        (RULE, "[1]", "adam", (steps.NO_OPTION,)),
        (NUMBERED, "2", 2, ()),
        (NUMBERED, "2.0", 1, (steps.NO_OPTION,)),
        (LOST, "c", "a", (steps.NO_OPTION, steps.FIRST_OPTION)),
        (HIDDEN, "[7, -3]", [7, -3], ()),
        (HIDDEN, "[]", [64, 64], (steps.UNREADABLE,)),
    ],
)
def test_every_repair(dimension: Dimension, text: str | None, value: Setting, done: tuple[str, ...]) -> None:
    repaired = repair(None if text is None else Found(text, "name = v"), dimension)
    assert (repaired.value, repaired.steps) == (value, done)
    assert type(repaired.value) is type(value)


def test_a_default_of_zero_stays_where_zero_is_written() -> None:
    zero = Dimension("dropout_rate", Kind.FLOAT, 0.0, 0.0, 0.5)
    assert repair(Found("0", ""), zero).steps == ()


def test_nothing_readable_gives_all_defaults() -> None:
    repaired = repair_all({dimension.name: None for dimension in SPACE}, SPACE)
    assert {name: entry.value for name, entry in repaired.items()} == {d.name: d.default for d in SPACE}
