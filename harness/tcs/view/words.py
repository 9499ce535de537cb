"""Write names, values and numbers of a summary: short, printable, and the same on every machine."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from harness.space import Value
from harness.tcs.thresholds import ERROR_BYTES, MODERATE_P, NAME_BYTES, STRONG_P, VALUE_BYTES, WEAK_P

LARGEST = 1e12
_FINER = 5  # roundings that are tried, each with one more decimal, before a number is written in full


def bounded(number: float) -> float:
    """Clip a finite number to [-1e12, 1e12], so that sums and squares of values from outside stay finite."""
    return number if -LARGEST <= number <= LARGEST else math.copysign(LARGEST, number)


def clean(text: str, limit_bytes: int) -> str:
    """Return `text` on one line of printable characters, at most `limit_bytes` long in UTF-8.

    Control, escape, direction-changing and unassigned characters and lone surrogates become '?'. A text that is too long is cut in the
    middle, marked '..', because the ends of names and error messages carry the most information.
    """
    if len(text) <= limit_bytes and text.isascii() and text.isprintable() and "  " not in text:
        return text.strip() or "?"
    # A longer text is cut before it is cleaned: cleaning a message of megabytes would take milliseconds.
    keep = 4 * limit_bytes
    text = text if len(text) <= 2 * keep else text[:keep] + text[-keep:]
    line = "".join(c if c.isprintable() else "?" for c in " ".join(text.split())) or "?"
    if len(line.encode()) <= limit_bytes:
        return line
    room = limit_bytes - 2
    head, tail = line.encode()[: room - room // 3], line.encode()[-(room // 3) :]
    return f"{head.decode(errors='ignore').rstrip()}..{tail.decode(errors='ignore').lstrip()}"


def clean_names(names: Iterable[str]) -> dict[str, str]:
    """Return the short form of each name; names whose short forms are equal get a number."""
    shown: dict[str, str] = {}
    used: set[str] = set()
    for name in names:
        short = clean(name, NAME_BYTES)
        number = 2
        # A table cell shows | as /.
        while short.replace("|", "/") in used:
            mark = f"#{number}"
            short, number = clean(name, NAME_BYTES - len(mark)) + mark, number + 1
        used.add(short.replace("|", "/"))
        shown[name] = short
    return shown


def clean_error(text: str | None) -> str:
    """Return an error message shortened to one phrase."""
    return clean(text or "no message", ERROR_BYTES)


def value_text(value: Value) -> str:
    """Write a hyperparameter's value: three significant digits, integers in full up to six digits, JSON's true and false."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return clean(value, VALUE_BYTES)
    if isinstance(value, int) and abs(value) < 1_000_000:
        return str(value)
    return digits(float(value))


def digits(number: float, count: int = 3) -> str:
    """Write a finite number with `count` significant digits and a short exponent: 0.00123, 1.5e-5, 2e6."""
    text = f"{number:.{count}g}"
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if e else text


def shortest(number: float) -> str:
    """Write a finite number exactly, in as few characters as possible: 0.125, 64, 1.5e-7, 2e6."""
    if isinstance(number, int):
        return str(number)
    if abs(number) >= 1_000:
        # An exponent is shorter only for round numbers.
        count = next(k for k in range(3, 18) if float(f"{number:.{k}g}") == number)
        return digits(number, count)
    mantissa, e, exponent = repr(number).partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}" if e else mantissa.removesuffix(".0")


def neighbours(number: float, ordered: Sequence[float]) -> tuple[float, ...]:
    """Return the next smaller and the next larger of the sorted numbers.

    Comparing with these two is enough: if `number` rounds like any other number, it also rounds like one of them.
    """
    at = bisect_left(ordered, number), bisect_right(ordered, number)
    return (*ordered[max(at[0] - 1, 0) : at[0]], *ordered[at[1] : at[1] + 1])


def points(number: float, decimals: int = 2, apart: Sequence[float] = ()) -> float:
    """Round a score or a difference for display; a number of 1,000 or more keeps three significant digits. -0.0 becomes 0.0.

    `apart` holds the numbers that are shown next to it. The result keeps as many decimals as needed to differ from each of them that is
    not equal to it. If all are written this way, equal texts mean equal numbers, and the texts have the same order as the numbers.
    """
    others = [other for other in apart if other != number]
    for finer in range(_FINER):
        rounded = _rounded(number, decimals, finer)
        if all(_rounded(other, decimals, finer) != rounded for other in others):
            return rounded
    short = float(f"{number:.3g}")
    if abs(number) < 10.0 ** (1 - decimals - _FINER) and all(float(f"{other:.3g}") != short for other in others):
        return short
    return number


def score_anchors(score: float, ordered: Sequence[float]) -> tuple[float, ...]:
    """Return the numbers from which a shown score must differ: its neighbours among the sorted scores, 0 and 100."""
    return (*neighbours(score, ordered), 0.0, 100.0)


def _rounded(number: float, decimals: int, finer: int) -> float:
    return (round(number, decimals + finer) if abs(number) < 1_000 else float(f"{number:.{3 + finer}g}")) + 0.0


def points_text(number: float, decimals: int = 2, apart: Sequence[float] = ()) -> str:
    """Write a score without trailing zeros: 88.1, 100, -1.2e5. `points` explains `apart`."""
    return shortest(points(number, decimals, apart))


def signed(number: float, decimals: int = 2, apart: Sequence[float] = ()) -> str:
    """Write a difference with its sign; zero has no sign."""
    return with_sign(points_text(number, decimals, apart))


def with_sign(text: str) -> str:
    """Put a plus before the text of a positive number; zero has no sign."""
    return f"+{text}" if not text.startswith("-") and text != "0" else text


def share_text(share: float) -> str:
    """Write a share in percent; only a share of exactly 0 is written 0%, and only exactly 1 is written 100%."""
    text = f"{share:.0%}"
    if text == "0%" and share > 0:
        return "<1%"
    return ">99%" if text == "100%" and share < 1 else text


def score_decimals(scores: Sequence[float]) -> int:
    """Return how many decimals a list of scores needs: 1, or 2 when the best is less than 2 points above the median."""
    ordered = sorted(bounded(score) for score in scores)
    return 1 if ordered and ordered[-1] - median(ordered) >= 2 else 2


def p_text(p: float) -> str:
    """Write a p-value: two or three decimals, more where rounding would move it across a threshold; below 0.001 as `<0.001`."""
    if p < 0.001:
        return "<0.001"
    texts = (f"{p:.{decimals}f}" for decimals in range(3 if p < 0.01 else 2, 17))
    return next((text for text in texts if _strength(float(text)) == _strength(p)), str(p))


def _strength(p: float) -> tuple[bool, ...]:
    return (p < 1, *(p <= threshold for threshold in (STRONG_P, MODERATE_P, WEAK_P)))


def trials_text(numbers: Iterable[int], most: int = 6) -> str:
    """Write trial numbers: `1, 2, 5` or `1, 2, 5, .. (9 in all)`."""
    listed = list(numbers)
    shown = ", ".join(str(n) for n in listed[:most])
    return shown if len(listed) <= most else f"{shown}, .. ({len(listed)} in all)"


def named_trials(numbers: Sequence[int], most: int = 3) -> str:
    """Name trials in a sentence: `trial 2`, `trials 2 and 5`, `trials 2, 5, 6, .. (9 in all)`."""
    if len(numbers) == 2:
        return f"trials {numbers[0]} and {numbers[1]}"
    return f"trial{'s' if len(numbers) > 1 else ''} {trials_text(numbers, most)}"


def mean(values: Sequence[float]) -> float:
    """Return the mean of at least one finite number; correctly rounded, so it is the same on every machine."""
    return math.fsum(values) / len(values)


def median(ordered: list[float]) -> float:
    """Return the median of a sorted, non-empty list."""
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
