"""Import the class or function that a `_target_` of conf/ names, and read the versions of its code.

A cell's identity holds the versions of the code that decides its result. Without them, cells made before a correction would count as
done, and would be mixed with cells made after it. Each method has a class attribute `versions`, such as `{"rules": 2, "tcs": 3}`: its own
version, and those of the code that it uses.

Raise the method's version when its proposals change; `harness.tcs.VERSION` when a summary changes; `harness.training.VERSION` or
`harness.tabular.VERSION` when the way from a proposal to its record changes. Tests compare proposals and summaries with golden files of
the same version.
"""

from __future__ import annotations

import sys
from typing import Any

from harness.errors import SettingsError, near


def load_target(path: str, key: str = "_target_") -> Any:
    """Return the class or function that a dotted path names.

    Raises SettingsError, which suggests a similar name; `key` is the setting that holds the path.
    """
    module_name, _, name = path.rpartition(".")
    try:
        # `__import__`, as a statement would: `training/isolation.py` replaces it to see what an import sets.
        __import__(module_name)
        module = sys.modules[module_name]
    except (ImportError, ValueError) as error:
        raise SettingsError(f"{key} '{path}': cannot import '{module_name}' ({error})") from error
    if not callable(getattr(module, name, None)):
        raise SettingsError(f"{key} '{path}': '{module_name}' has no '{name}'{near(name, vars(module))}")
    return getattr(module, name)


def versions_of(target: str) -> dict[str, int]:
    """Return the `versions` of the method that a `_target_` names, empty when it has none. Raises SettingsError."""
    return dict(getattr(load_target(target), "versions", {}))
