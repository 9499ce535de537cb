"""Import what a `_target_` of conf/ names."""

from __future__ import annotations

import sys
from typing import Any

from harness.errors import SettingsError, near


def load_target(path: str) -> Any:
    """Return the class or function that a dotted path names. Raises SettingsError with the nearest name."""
    module_name, _, name = path.rpartition(".")
    try:
        # As a statement would: what an import by foreign code sets is told from what its calls set (`isolation.py`).
        __import__(module_name)
        module = sys.modules[module_name]
    except (ImportError, ValueError) as error:
        raise SettingsError(f"_target_ '{path}': cannot import '{module_name}' ({error})") from error
    if not callable(getattr(module, name, None)):
        raise SettingsError(f"_target_ '{path}': '{module_name}' has no '{name}'{near(name, vars(module))}")
    return getattr(module, name)
