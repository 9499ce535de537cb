"""Where the public data lie that some tests need."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

MIRROR = "HARNESS_DATA_MIRROR"
BESIDE_CHECKOUT = Path(__file__).resolve().parents[3] / "shared" / "data"


# For the whole session: the contract's other process takes its environment from the first test that asks for it.
@pytest.fixture(scope="session", autouse=True)
def mirror_variable() -> Iterator[None]:
    """Set $HARNESS_DATA_MIRROR to the folder beside the checkout where it is not set."""
    with pytest.MonkeyPatch.context() as patch:
        if MIRROR not in os.environ and BESIDE_CHECKOUT.is_dir():
            patch.setenv(MIRROR, str(BESIDE_CHECKOUT))
        yield


@pytest.fixture(scope="session")
def mirror(mirror_variable: None) -> Path:
    """Return the folder with copies of the public data, or skip the test."""
    folder = os.environ.get(MIRROR)
    if not folder:
        pytest.skip(f"needs the public data: set {MIRROR} to a folder that holds them")
    return Path(folder)
