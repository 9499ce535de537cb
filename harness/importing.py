"""Import what a `_target_` of conf/ names, and read the versions of the code behind it.

A cell's identity holds the versions of the code that decides its result, part by part. Without them, cells made before a correction
would count as done and mix with cells made after it. Each method carries `versions`, a class attribute such as `{"rules": 2, "tcs": 3}`:
its own version, and those of what it is built on. A change of a proposal raises the method's version, a change of a summary
`harness.tcs.VERSION`, a change of what happens between a proposal and its record `harness.training.VERSION` or
`harness.tabular.VERSION`. Tests compare proposals and summaries with golden ones of the same version.
"""

from __future__ import annotations

import sys
from typing import Any

from harness.errors import SettingsError, near


def load_target(path: str, key: str = "_target_") -> Any:
    """Return the class or function that a dotted path names. Raises SettingsError with the nearest name; `key` is what the path is of."""
    module_name, _, name = path.rpartition(".")
    try:
        # As a statement would: what an import by foreign code sets is told from what its calls set (`isolation.py`).
        __import__(module_name)
        module = sys.modules[module_name]
    except (ImportError, ValueError) as error:
        raise SettingsError(f"{key} '{path}': cannot import '{module_name}' ({error})") from error
    if not callable(getattr(module, name, None)):
        raise SettingsError(f"{key} '{path}': '{module_name}' has no '{name}'{near(name, vars(module))}")
    return getattr(module, name)


def versions_of(target: str) -> dict[str, int]:
    """Return the `versions` of the method that a `_target_` names; none of a method that carries none. Raises SettingsError."""
    return dict(getattr(load_target(target), "versions", {}))
