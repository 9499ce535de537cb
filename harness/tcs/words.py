"""How names, values and numbers are written in a summary: short, printable, the same on every machine."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from harness.space import Value
from harness.tcs.thresholds import ERROR_BYTES, NAME_BYTES, VALUE_BYTES

LARGEST = 1e12


def bounded(number: float) -> float:
    """Return a finite number moved into [-1e12, 1e12], so that sums and squares of foreign values stay finite."""
    return number if -LARGEST <= number <= LARGEST else math.copysign(LARGEST, number)


def clean(text: str, limit_bytes: int) -> str:
    """Return `text` on one line of printable characters, at most `limit_bytes` long in UTF-8.

    Control, escape, direction-changing and unassigned characters and lone surrogates become '?'; what is cut out of the middle is
    marked '..', because names and error messages tell most at their ends.
    """
    if len(text) <= limit_bytes and text.isascii() and text.isprintable() and "  " not in text:
        return text.strip() or "?"
    # Longer texts are cut before they are cleaned, or a message of megabytes would cost milliseconds.
    keep = 4 * limit_bytes
    text = text if len(text) <= 2 * keep else text[:keep] + text[-keep:]
    line = "".join(c if c.isprintable() else "?" for c in " ".join(text.split())) or "?"
    if len(line.encode()) <= limit_bytes:
        return line
    room = limit_bytes - 2
    head, tail = line.encode()[: room - room // 3], line.encode()[-(room // 3) :]
    return f"{head.decode(errors='ignore').rstrip()}..{tail.decode(errors='ignore').lstrip()}"


def clean_names(names: Iterable[str]) -> dict[str, str]:
    """Return each name's short form; two names that would look alike get a number."""
    shown: dict[str, str] = {}
    used: set[str] = set()
    for name in names:
        short = clean(name, NAME_BYTES)
        number = 2
        while short in used:
            mark = f"#{number}"
            short, number = clean(name, NAME_BYTES - len(mark)) + mark, number + 1
        used.add(short)
        shown[name] = short
    return shown


def clean_error(text: str | None) -> str:
    """Return an error message cut to a phrase."""
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
    """Write a finite number with `count` significant digits and a short exponent: 0.00123, 1.5e-5, 2e+6."""
    text = f"{number:.{count}g}"
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if e else text


def points(number: float, decimals: int = 2) -> float:
    """Round a score or a difference for display; a large one keeps three significant digits. -0.0 becomes 0.0."""
    rounded = round(number, decimals) if abs(number) < 1_000 else float(f"{number:.3g}")
    return rounded + 0.0


def points_text(number: float, decimals: int = 2) -> str:
    """Write a score without trailing zeros: 88.1, 100, -1.2e5."""
    rounded = points(number, decimals)
    return digits(rounded) if abs(rounded) >= 1_000 else _trimmed(f"{rounded:.{decimals}f}")


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def signed(number: float, decimals: int = 2) -> str:
    """Write a difference with its sign; zero has none."""
    text = points_text(number, decimals)
    return f"+{text}" if points(number, decimals) > 0 else text


def score_decimals(scores: Sequence[float]) -> int:
    """Return the decimals that a list of scores needs: 1, or 2 when the best is less than 2 points above the median."""
    ordered = sorted(bounded(score) for score in scores)
    return 1 if ordered and ordered[-1] - median(ordered) >= 2 else 2


def p_text(p: float) -> str:
    """Write a p-value: two digits, never below 0.001."""
    return "<0.001" if p < 0.001 else f"{p:.3f}" if p < 0.01 else f"{p:.2f}"


def trials_text(numbers: Iterable[int], most: int = 6) -> str:
    """Write trial numbers: `1, 2, 5` or `1, 2, 5, .. (9 in all)`."""
    listed = list(numbers)
    shown = ", ".join(str(n) for n in listed[:most])
    return shown if len(listed) <= most else f"{shown}, .. ({len(listed)} in all)"


def mean(values: Sequence[float]) -> float:
    """Return the correctly rounded mean (so the same on every machine) of at least one finite number."""
    return math.fsum(values) / len(values)


def median(ordered: list[float]) -> float:
    """Return the median of a sorted, non-empty list."""
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
