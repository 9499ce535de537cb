"""Where the public data lie that some tests need."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

MIRROR = "HARNESS_DATA_MIRROR"


@pytest.fixture(scope="session")
def mirror() -> Path:
    """Return the folder with copies of the public data, or skip the test."""
    folder = os.environ.get(MIRROR)
    if not folder:
        pytest.skip(f"needs the public data: set {MIRROR} to a folder that holds them")
    return Path(folder)
