"""Golden files: what a versioned part of the product gives for fixed inputs, kept in a committed JSON file beside its version.

    check_golden(HERE / "golden.json", {"tcs": VERSION}, {"tcs": {"one trial": [...], "ten trials": [...]}})

Cells hold the version of each part in their identity. A part that gives something else at the same version would mix old results with
new ones, so the check fails until the version is raised. HARNESS_REMAKE_GOLDEN=1 writes the file anew; it refuses while a part differs
and its version was not raised, so that raising it cannot be forgotten.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

REMAKE = "HARNESS_REMAKE_GOLDEN"

Versions = Mapping[str, int]
Contents = Mapping[str, Mapping[str, Any]]


def check_golden(path: Path, versions: Versions, contents: Contents) -> None:
    """Compare what each part gives with the file, or write the file where HARNESS_REMAKE_GOLDEN is set.

    `versions` holds a version for each part, `contents` for each part its cases: JSON data by a name. New cases need no new version.
    """
    assert set(versions) == set(contents), "every part has a version and cases"
    made = {part: {"version": versions[part], "cases": _plain(contents[part])} for part in versions}
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    forgotten = [complaint for part in made if part in kept and (complaint := _not_raised(part, kept[part], made[part]))]
    if forgotten:
        pytest.fail("\n".join(forgotten), pytrace=False)
    if os.environ.get(REMAKE):
        path.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    elif kept != made:
        # Only reached with raised versions, and with parts or cases that came or went.
        changed = sorted(part for part in {*kept, *made} if kept.get(part) != made.get(part))
        pytest.fail(f"{path.name} is not of these versions and cases: {', '.join(changed)}. {_how()}", pytrace=False)


def _plain(cases: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cases as JSON gives them back: lists for tuples, texts for the keys of a mapping."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(cases), allow_nan=False))
    return plain


def _not_raised(part: str, kept: Mapping[str, Any], made: Mapping[str, Any]) -> str | None:
    """Return a complaint when a part gives something else at a version that was not raised."""
    before, now = kept["version"], made["version"]
    if now < before:
        return f"{part}: its version is {now}, and that of the golden file is {before}: a version only rises"
    changed = [name for name, case in kept["cases"].items() if name in made["cases"] and made["cases"][name] != case]
    if now > before or not changed:
        return None
    shown = _difference(kept["cases"][changed[0]], made["cases"][changed[0]])
    return f"{part} changed in {', '.join(changed)} at version {now}:\n{shown}\nRaise its version. {_how()}"


def _how() -> str:
    return f"Then run this test with {REMAKE}=1, and read the difference before you commit it."


def _difference(before: Any, now: Any, at: str = "") -> str:
    """Return the first place in which two JSON values differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        key = next(key for key in (*before, *now) if before.get(key, ...) != now.get(key, ...))
        return _difference(before.get(key), now.get(key), f"{at}/{key}")
    if isinstance(before, list) and isinstance(now, list):
        size = min(len(before), len(now))
        i = next((i for i in range(size) if before[i] != now[i]), size)
        was, made = (part[i] if i < len(part) else None for part in (before, now))
        return _difference(was, made, f"{at}/{i}")
    return f"  {at or '/'}\n  - {before}\n  + {now}"
